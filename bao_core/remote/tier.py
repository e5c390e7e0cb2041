"""A remote cache backend, as the rest of bao sees it: one that never hangs and never raises.

Every call goes to the real backend on a thread of its own. When patience ends, or after three
failures, whoever waits is let go, the tier is off for the rest of the run, and its threads are left
to whatever they hang in.
"""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, ClassVar, TypeVar

from msgspec import Struct

from bao_core.errors import CacheError, OutputError
from bao_core.interfaces.cache import Traffic
from bao_core.remote.called import Call, CalledBackend
from bao_core.remote.handover import AbandonedError, Handover
from bao_core.remote.lookups import Latency, Lookups
from bao_core.remote.patience import Patience
from bao_core.remote.trouble import RemoteGoneError, Trouble, said_of
from bao_core.remote.uploads import Upload, Uploads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import BinaryIO

    from bao_core.interfaces.cache import BlobSink, BlobSource, CacheBackend
    from bao_core.model import ActionResult, CacheKey, Digest
    from bao_core.remote.lookups import Heard

    Make = Callable[[Callable[[int, int], None], Callable[[str], None]], CacheBackend]

Answer = TypeVar("Answer")

FAILURES = 3
"""Calls that may fail, and damaged things that may come one after the other, before a tier is off.
"""

GRACE = 0.3
"""Seconds that the end of a run waits for uploads without a word."""

SAID_EVERY = 10.0
"""Seconds between two words on how uploads go on."""

CLOSING = 1.0
"""Seconds that closing may take."""


class RemoteLimits(Struct, frozen=True):
    """How long a run waits.

    Attributes:
        wait: Seconds without progress, in all.
        uploads: Seconds for uploads that are not done when the last task is.
    """

    wait: float = 5.0
    uploads: float = 60.0


class RemoteTier(CalledBackend):
    """A backend behind threads.

    Args:
        label: The tier's name in messages.
        make: Opens the backend; called once, on a thread, when something is first asked. It is
            given what to call on progress (answers, bytes) and on damage (a clause).
        limits: How long a run waits.
        warn: Takes a warning; called once at most.
        note: Takes a word on how things go on.
        latency_path: Where the tier's latency is remembered.
    """

    name: ClassVar[str] = "remote"
    remote: ClassVar[bool] = True

    def __init__(
        self,
        label: str,
        make: Make,
        *,
        limits: RemoteLimits,
        warn: Callable[[str], None],
        note: Callable[[str], None],
        latency_path: str,
    ) -> None:
        self.label = label
        self._make = make
        self._limits = limits
        self._warn = warn
        self._note = note
        self._latency = Latency(latency_path)
        self._patience = Patience(limits.wait, self._lose_patience)
        self._lookups = Lookups(self._opened, self._patience, self._failed, self._latency)
        self._uploads = Uploads(self._upload)
        self._backend: CacheBackend | None = None
        self._calls: set[Call[Any] | Handover] = set()
        self._off = ""
        self._unwritable = ""
        self._trouble = Trouble()
        self._stored = 0
        self._lock = Lock()
        self._opening = Lock()

    # --- looking up --------------------------------------------------------------------------

    def ask(self, keys: Collection[CacheKey], heard: Heard) -> None:
        """Look keys up in the background.

        Args:
            keys: The most urgent first.
            heard: Called once for each key, on any thread, with the result or None.
        """
        self._lookups.ask(keys, heard)

    def is_worth(self, duration: float | None) -> bool:
        """Whether to ask for the result of a task that takes so many seconds to run."""
        expected = None if duration is None else self._latency.expected()
        return duration is None or expected is None or expected <= duration

    def get_entries(self, keys: Collection[CacheKey]) -> Iterator[tuple[CacheKey, ActionResult]]:
        """Look up results and wait for them."""
        answers: SimpleQueue[tuple[CacheKey, ActionResult | None]] = SimpleQueue()
        wanted = list(dict.fromkeys(keys))
        self.ask(wanted, lambda key, result: answers.put((key, result)))
        for _ in wanted:
            key, result = answers.get()
            if result is not None:
                yield key, result

    # --- fetching ----------------------------------------------------------------------------

    def fetch(self, result: ActionResult, digests: Collection[Digest], sink: BlobSink) -> None:
        """Hand blobs to a sink, on the thread that calls; those that are here without asking.

        Raises:
            CacheError: A blob is missing or damaged.
            RemoteGoneError: The tier failed.
        """
        rest = []
        for digest in digests:
            data = self.peek(digest)
            if data is None:
                rest.append(digest)
            else:
                sink.write(digest, BytesIO(data))
        if rest:
            self._fetch(result, rest, sink)

    def peek(self, digest: Digest) -> bytes | None:
        """What came with an entry."""
        return None if self._backend is None else self._backend.peek(digest)

    def read_blob(self, digest: Digest) -> bytes | None:
        """One small blob.

        Raises:
            RemoteGoneError: The tier failed.
        """
        data = self.peek(digest)
        return self.call(lambda b: b.read_blob(digest)) if data is None else data

    @contextmanager
    def open_blob(self, digest: Digest, *, offset: int = 0) -> Iterator[BinaryIO | None]:
        """One small blob as a stream."""
        data = self.read_blob(digest)
        yield None if data is None else BytesIO(data[offset:])

    def _fetch(self, result: ActionResult, digests: list[Digest], sink: BlobSink) -> None:
        handover = Handover(lambda size: self._patience.progress(0, size))
        self._begin(handover)

        def ask() -> None:
            try:
                self._opened().fetch(result, digests, handover)
            except BaseException as error:  # noqa: BLE001 - raised again for whoever waits
                handover.finish(error)
            else:
                self._patience.progress(1, 0)
                handover.finish(None)

        Thread(target=ask, name="bao-fetch", daemon=True).start()
        try:
            with self._patience.waiting():
                handover.pass_on(sink)
        except (CacheError, OutputError):
            raise
        except Exception as error:
            raise self._gone(error) from error
        finally:
            self._calls.discard(handover)

    # --- storing -----------------------------------------------------------------------------

    def upload(
        self,
        key: CacheKey,
        result: ActionResult,
        sources: Sequence[BlobSource],
        *,
        replace: bool,
    ) -> bool:
        """Store a result in the background; whether that will be tried."""
        return self._uploads.add(Upload(key, result, sources, replace))

    def discard(self, key: CacheKey, why: str) -> None:
        """Remove an entry that could not be restored, in the background."""
        self._damaged(f"entry {key[:12]} is damaged: {why}")
        if not self._off:
            Thread(target=self._discard, args=(key,), daemon=True).start()

    def _discard(self, key: CacheKey) -> None:
        try:
            self._opened().remove_entry(key)
        except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
            self._failed(error)

    def _upload(self, upload: Upload) -> None:
        try:
            self._opened().put_entry(
                upload.key, upload.result, upload.sources, replace=upload.replace
            )
        except BaseException as error:  # noqa: BLE001 - a cache fault never changes a result
            if self._trouble.failed_to_write(said_of(error)) >= FAILURES and not self._off:
                self._stop_writing()
        else:
            self._stored += 1

    def _stop_writing(self) -> None:
        with self._lock:
            first, self._unwritable = not self._unwritable, "yes"
        if first:
            self._uploads.abandon()
            self._say(f"could not be written and is only read in this run: {self._trouble.why}")

    # --- the end -----------------------------------------------------------------------------

    def finish(self) -> None:
        """Wait for uploads, for as long as the limit says, and tell what went wrong."""
        left = self._uploads.wait(min(GRACE, self._limits.uploads))
        waited = GRACE
        while left and waited < self._limits.uploads:
            rest = self._limits.uploads - waited
            self._note(
                f"uploading to cache tier '{self.label}': {left} to go, {rest:.0f} s at most"
            )
            left = self._uploads.wait(min(SAID_EVERY, rest))
            waited += SAID_EVERY
        self._uploads.abandon()
        if left:
            self._say(f"did not take {left} results within {self._limits.uploads:g} s")
        elif self._stored and not self._off:
            self._flush()
        self._latency.save()
        if not self._off and (said := self._trouble.summary(self._uploads.dropped)):
            self._say(said)

    def abandon(self) -> None:
        """Let go of everything at once and without a word."""
        self._switch_off("it was abandoned", say=False)

    def close(self) -> None:
        """Let go of everything; the backend is closed if it does not take long."""
        self.abandon()
        if self._backend is not None:
            closing = Thread(target=self._backend.close, name="bao-closing", daemon=True)
            closing.start()
            closing.join(CLOSING)

    def _flush(self) -> None:
        try:
            self.call(lambda backend: backend.flush())
        except (CacheError, RemoteGoneError):
            pass  # what is not written down is only not explained

    def account(self) -> str:
        """What was asked of the tier in this run, in words."""
        traffic = self.traffic() or Traffic()
        return (
            f"cache tier '{self.label}': {self._lookups.hits} hits, {self._stored} uploads, "
            f"{traffic.requests} requests, {traffic.read} bytes read, {traffic.written} written"
        )

    def traffic(self) -> Traffic | None:
        """What was asked so far."""
        return None if self._backend is None else self._backend.traffic()

    # --- how ---------------------------------------------------------------------------------

    def _opened(self) -> CacheBackend:
        """The backend; opened by the first thread that asks, while the others wait."""
        with self._opening:
            if self._off:
                raise RemoteGoneError(f"cache tier '{self.label}' is off: {self._off}")
            if self._backend is None:
                try:
                    self._backend = self._make(self._patience.progress, self._damaged)
                except BaseException as error:
                    self._switch_off(f"it cannot be opened: {said_of(error)}")
                    raise
                self._patience.opened()
            return self._backend

    def call(self, work: Callable[[CacheBackend], Answer]) -> Answer:
        """See `CalledBackend.call`."""
        call: Call[Answer] = Call()
        self._begin(call)
        Thread(
            target=call.perform, args=(lambda: work(self._opened()),), name="bao-call", daemon=True
        ).start()
        try:
            with self._patience.waiting():
                answer = call.wait()
        except CacheError:
            raise
        except Exception as error:
            raise self._gone(error) from error
        finally:
            self._calls.discard(call)
        self._patience.progress(1, 0)
        return answer

    def _begin(self, call: Call[Any] | Handover) -> None:
        with self._lock:
            if self._off:
                raise RemoteGoneError(f"cache tier '{self.label}' is off: {self._off}")
            self._calls.add(call)

    def _gone(self, error: Exception) -> RemoteGoneError:
        if isinstance(error, RemoteGoneError):
            return error
        if not isinstance(error, AbandonedError):
            self._failed(error)
        said = self._off or said_of(error)
        return RemoteGoneError(f"cache tier '{self.label}' failed: {said}")

    def _failed(self, error: BaseException) -> None:
        if self._off or isinstance(error, RemoteGoneError | AbandonedError):
            return
        if self._trouble.failed(said_of(error)) >= FAILURES:
            self._switch_off(said_of(error))

    def _damaged(self, what: str) -> None:
        if self._trouble.damaged(what, self._lookups.hits) >= FAILURES:
            self._switch_off(f"what it gives is not what bao stored ({self._trouble.why})")

    def _lose_patience(self) -> None:
        self._switch_off(f"it got nothing done for {self._limits.wait:g} s")

    def _switch_off(self, why: str, *, say: bool = True) -> None:
        with self._lock:
            if self._off:
                return
            self._off = why
            calls = tuple(self._calls)
            self._calls.clear()
        if say:
            self._say(f"failed and is left out for this run: {why}")
        self._patience.close()
        self._uploads.abandon()
        self._lookups.give_up()
        for call in calls:
            call.abandon()

    def _say(self, what: str) -> None:
        """Warn, once in a run: the first trouble tells the most."""
        with self._lock:
            if self._trouble.said:
                return
            self._trouble.said = True
        self._warn(f"cache tier '{self.label}' {what}")
