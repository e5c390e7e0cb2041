"""Threads that take over work, one piece each at a time, and stay for the next."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Lock, Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Crew:
    """As many threads as there was work at once, up to a limit; they end with the process.

    Starting a thread costs several times as much as waking one.

    Args:
        limit: Threads at most; what comes when all are busy waits. None for no limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = Lock()
        self._threads = 0
        self._unfinished = 0

    def start(self, work: Callable[[], None]) -> None:
        """Have work done, which raises nothing."""
        with self._lock:
            self._unfinished += 1
            more = self._unfinished > self._threads and self._threads != self.limit
            self._threads += more
        self._work.put(work)
        if more:
            Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._work.get()()
            with self._lock:
                self._unfinished -= 1
