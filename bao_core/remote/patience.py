"""How long a run waits for a remote that gets nothing done.

Waiting uses patience up; an answer gives a quarter of a second of it back, and a second's worth of
bytes a second, up to the limit. So a remote that works may take as long as its work takes, and one
that hangs, or sends a byte a second, has used up all patience after the limit.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Condition, Thread
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER = 0.25
"""Seconds that an answer is worth."""

BYTES = 16 << 10
"""Bytes that are worth a second: what is slower is no use to anybody."""

OPENING = 30.0
"""Seconds that opening a backend may take, on top: it imports libraries, which is nobody's fault.
"""


class Patience:
    """Used from several threads. A thread of its own watches the clock while somebody waits.

    Args:
        limit: Seconds of waiting without progress.
        on_end: Called once, on the watching thread, when patience has ended.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, limit: float, on_end: Callable[[], None], *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._limit = limit
        self._left = OPENING + limit
        self._on_end = on_end
        self._clock = clock
        self._waiting = 0
        self._since = 0.0
        self._closed = False
        self._watching = False
        self._changed = Condition()

    def opened(self) -> None:
        """What is waited for from now on is the remote itself."""
        with self._changed:
            self._settle()
            self._left = self._limit
            self._changed.notify_all()

    def progress(self, answers: int, size: int) -> None:
        """The remote got something done."""
        with self._changed:
            self._settle()
            earned = answers * ANSWER + size / BYTES
            self._left = max(self._left, min(self._limit, self._left + earned))

    def begin(self) -> None:
        """Somebody waits from now on."""
        with self._changed:
            self._settle()
            self._waiting += 1
            if self._watching or self._closed:
                self._changed.notify_all()
                return
            self._watching = True
        Thread(target=self._watch, name="bao-patience", daemon=True).start()

    def end(self) -> None:
        """Somebody waits no longer."""
        with self._changed:
            self._settle()
            self._waiting -= 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Somebody waits within."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _settle(self) -> None:
        now = self._clock()
        if self._waiting:
            self._left -= now - self._since
        self._since = now

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                self._settle()
                if self._waiting and self._left <= 0:
                    self._closed = True
                    break
                self._changed.wait(self._left if self._waiting else None)
            else:
                return
        self._on_end()
