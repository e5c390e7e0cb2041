"""Questions to a remote, many at once; every question is answered, whatever the remote does."""

from __future__ import annotations

import os
import time
from collections import deque
from threading import Lock, Thread

from bao_core.places import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bao_core.interfaces.cache import CacheBackend
    from bao_core.model import ActionResult, CacheKey
    from bao_core.remote.patience import Patience

    Heard = Callable[[CacheKey, ActionResult | None], None]

THREADS = 4
"""Batches under way at once."""

BATCH = 64
"""Keys in a batch at most. A backend may tell misses only when a batch ends, so batches are not
large; the first ones are as small as four threads make them.
"""


class Lookups:
    """Asks a backend on a few threads.

    Args:
        opened: Gives the backend; called on those threads.
        patience: Ends when somebody has waited for too long.
        failed: Told of what a backend raised.
        latency: Told how long the first answer of each batch took.
    """

    def __init__(
        self,
        opened: Callable[[], CacheBackend],
        patience: Patience,
        failed: Callable[[BaseException], None],
        latency: Latency,
    ) -> None:
        self._opened = opened
        self._patience = patience
        self._failed = failed
        self._latency = latency
        self._open: dict[CacheKey, list[Heard]] = {}
        self._queue: deque[CacheKey] = deque()
        self._threads = 0
        self._closed = False
        self._lock = Lock()
        self.hits = 0

    def ask(self, keys: Collection[CacheKey], heard: Heard) -> None:
        """Look keys up.

        Args:
            keys: What is asked, the most urgent first.
            heard: Called once for each, on any thread, with the result or None.
        """
        if not keys:
            return
        with self._lock:
            closed, idle, started = self._closed, not self._open, 0
            if not closed:
                for key in keys:
                    self._open.setdefault(key, []).append(heard)
                self._queue.extend(keys)
                started = max(0, min(THREADS - self._threads, len(self._queue)))
                self._threads += started
        if closed:
            for key in keys:
                heard(key, None)
            return
        if idle:
            self._patience.begin()
        for _ in range(started):
            Thread(target=self._work, name="bao-lookup", daemon=True).start()

    def give_up(self) -> None:
        """Ask nothing more; whatever is open has the answer None."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            keys = list(self._open)
        for key in keys:
            self._answer(key, None)

    def _work(self) -> None:
        while batch := self._next_batch():
            began = time.monotonic()
            answered = False
            try:
                for key, result in self._opened().look_up(batch):
                    if not answered:
                        self._latency.note(time.monotonic() - began)
                    answered = True
                    self._patience.progress(1, 0)
                    self._answer(key, result)
                if not answered:
                    self._latency.note(time.monotonic() - began)
                self._patience.progress(1, 0)
            except BaseException as error:  # noqa: BLE001 - a cache fault never changes a result
                self._failed(error)
            for key in batch:
                self._answer(key, None)

    def _next_batch(self) -> list[CacheKey]:
        with self._lock:
            size = min(BATCH, -(-len(self._queue) // THREADS))
            if not size:
                self._threads -= 1
            return [self._queue.popleft() for _ in range(size)]

    def _answer(self, key: CacheKey, result: ActionResult | None) -> None:
        with self._lock:
            waiting = self._open.pop(key, ())
            last = bool(waiting) and not self._open
            self.hits += bool(waiting) and result is not None
        if last:
            self._patience.end()
        for heard in waiting:
            heard(key, result)


class Latency:
    """How long a remote takes for its first answer, remembered from run to run.

    Args:
        path: The file it is kept in, outside of the worktree; need not exist.
    """

    LASTS = 86_400.0
    """Seconds after which a remembered time says nothing any more."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._noted: list[float] = []
        self._remembered: float | None = None
        self._asked = False

    def note(self, seconds: float) -> None:
        """One more answer came."""
        self._noted.append(seconds)

    def expected(self) -> float | None:
        """Seconds that an answer will take, by the median of this run, or of the last; or None."""
        if self._noted:
            return _median(self._noted)
        if not self._asked:
            self._asked = True
            self._remembered = self._read()
        return self._remembered

    def save(self) -> None:
        """Remember what was noted."""
        if not self._noted:
            return
        # Where the disk refuses, it is measured again.
        replace_file(self._path, f"{_median(self._noted):.6f}\n".encode())

    def _read(self) -> float | None:
        try:
            with open(self._path, encoding="ascii") as file:
                if time.time() - os.fstat(file.fileno()).st_mtime > self.LASTS:
                    return None
                return max(0.0, float(file.read(40)))
        except (OSError, ValueError):
            return None


def _median(numbers: list[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]
