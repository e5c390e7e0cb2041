"""Results on their way to a remote, in the background of a run."""

from __future__ import annotations

from collections import deque
from threading import Condition, Thread
from time import monotonic

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bao_core.interfaces.cache import BlobSource
    from bao_core.model import ActionResult, CacheKey

THREADS = 3
"""Uploads under way at once: they share the machine with tasks."""

QUEUE = 10_000
"""Uploads that wait at most; what comes on top is not uploaded. Each holds little memory, since its
bytes are read when its turn comes.
"""


class Upload(Struct, frozen=True):
    """A result to be stored, and where its blobs are read when its turn comes."""

    key: CacheKey
    result: ActionResult
    sources: Sequence[BlobSource]
    replace: bool


class Uploads:
    """A queue, and a few threads that work it off.

    Args:
        perform: Carries one upload out; raises nothing.
    """

    def __init__(self, perform: Callable[[Upload], None]) -> None:
        self._perform = perform
        self._queue: deque[Upload] = deque()
        self._threads = 0
        self._unfinished = 0
        self._closed = False
        self._changed = Condition()
        self.dropped = 0

    def add(self, upload: Upload) -> bool:
        """Have it carried out; False where there is no room, or nothing is taken any more."""
        with self._changed:
            if self._closed:
                return False
            if len(self._queue) >= QUEUE:
                self.dropped += 1
                return False
            self._queue.append(upload)
            self._unfinished += 1
            if self._threads >= THREADS:
                return True
            self._threads += 1
        Thread(target=self._work, name="bao-upload", daemon=True).start()
        return True

    def wait(self, limit: float) -> int:
        """Wait until all are carried out; returns how many are not, none if they were given up.

        Args:
            limit: Seconds.
        """
        deadline = monotonic() + limit
        with self._changed:
            while self._unfinished and not self._closed:
                rest = deadline - monotonic()
                if rest <= 0:
                    break
                self._changed.wait(rest)
            return 0 if self._closed else self._unfinished

    def abandon(self) -> None:
        """Take nothing more, begin nothing more, and leave behind what is under way."""
        with self._changed:
            self._closed = True
            self._unfinished -= len(self._queue)
            self._queue.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    self._threads -= 1
                    return
                upload = self._queue.popleft()
            try:
                self._perform(upload)
            finally:
                with self._changed:
                    self._unfinished -= 1
                    self._changed.notify_all()
