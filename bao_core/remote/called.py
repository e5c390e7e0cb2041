"""Calls that somebody waits for: what other commands than `run` ask of a remote backend."""

from __future__ import annotations

from abc import abstractmethod
from queue import SimpleQueue
from typing import Generic, TypeVar

from bao_core.interfaces.cache import CacheBackend, Stored
from bao_core.remote.handover import AbandonedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from bao_core.interfaces.cache import (
        BlobSource,
        CacheStats,
        EntryInfo,
        Evicted,
        EvictionPolicy,
    )
    from bao_core.model import ActionResult, CacheKey, Digest, TaskId

Answer = TypeVar("Answer")


class Call(Generic[Answer]):
    """An answer that somebody waits for."""

    def __init__(self) -> None:
        self._outcome: SimpleQueue[tuple[Answer | None, BaseException | None]] = SimpleQueue()

    def perform(self, work: Callable[[], Answer]) -> None:
        """Find the answer; nothing raises here."""
        try:
            self._outcome.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - raised again for whoever waits
            self._outcome.put((None, error))

    def wait(self) -> Answer:
        """The answer, or whatever was raised instead."""
        answer, error = self._outcome.get()
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]  # it is none only beside an error

    def abandon(self) -> None:
        """Wait no longer."""
        self._outcome.put((None, AbandonedError()))


class CalledBackend(CacheBackend):
    """Hands most calls on, each to a thread, and waits."""

    @abstractmethod
    def call(self, work: Callable[[CacheBackend], Answer]) -> Answer:
        """Do something with the real backend, on a thread of its own, and wait for it.

        Raises:
            RemoteGoneError: It failed, or is not waited for any longer.
            CacheError: Whatever the backend said itself.
        """

    def put_entry(
        self,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        *,
        replace: bool = False,
    ) -> Stored:
        """Store a result and wait for it."""
        return self.call(lambda b: b.put_entry(key, result, blobs, replace=replace))

    def remove_entry(self, key: CacheKey) -> None:
        """Forget an entry and wait for it."""
        self.call(lambda backend: backend.remove_entry(key))

    def touch(self, keys: Collection[CacheKey]) -> set[CacheKey]:
        """The keys that are there."""
        return self.call(lambda backend: backend.touch(keys))

    def latest(self, task_id: TaskId, limit: int = 1) -> Iterable[EntryInfo]:
        """The newest entries of a task."""
        return self.call(lambda backend: list(backend.latest(task_id, limit)))

    def find_missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Which blobs are not there."""
        return self.call(lambda backend: backend.find_missing(digests))

    def put_blob(self, source: BlobSource) -> None:
        """Store one blob."""
        self.call(lambda backend: backend.put_blob(source))

    def entries(self) -> Iterable[EntryInfo]:
        """Every entry."""
        return self.call(lambda backend: list(backend.entries()))

    def evict(self, policy: EvictionPolicy) -> Evicted:
        """Remove what the policy does not keep."""
        return self.call(lambda backend: backend.evict(policy))

    def stats(self) -> CacheStats | None:
        """What it holds."""
        return self.call(lambda backend: backend.stats())

    def verify(self) -> Iterable[str]:
        """Read everything and remove what is damaged."""
        return self.call(lambda backend: list(backend.verify()))

    def rebuild(self) -> None:
        """Make derived data anew."""
        self.call(lambda backend: backend.rebuild())
