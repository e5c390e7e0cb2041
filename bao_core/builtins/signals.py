"""Interrupts: signals that ask bao to stop, as a flag that everybody can look at."""

from __future__ import annotations

import _thread
from itertools import count
from threading import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import Handlers
    from types import FrameType
    from typing import Self


class Interrupts:
    """While entered, SIGINT, SIGTERM and SIGHUP set a flag instead of ending bao.

    The first signal asks for an orderly end, the second for an end at once; more change nothing.
    A signal that bao was started to ignore, as by `nohup`, stays ignored. Enter on the main thread.

    Attributes:
        cancelled: Set by the first signal.
        killed: Set by the second.
        number: The first signal's number; 0 before. 128 + `number` is bao's exit code.
    """

    def __init__(
        self,
        cancelled: Event | None = None,
        *,
        on_signal: Callable[[int], None] | None = None,
    ) -> None:
        """Prepare; nothing is changed before the context is entered.

        Args:
            cancelled: The flag to set, such as the one that components look at.
            on_signal: Called with the number of the first signal and of the second, after the
                flag is set, on a thread of its own.
        """
        self.cancelled = cancelled or Event()
        self.killed = Event()
        self.number = 0
        self._on_signal = on_signal
        self._counter = count(1)
        self._previous: dict[int, Callable[[int, FrameType | None], object] | Handlers] = {}

    def __enter__(self) -> Self:
        import signal

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            previous = signal.getsignal(number)
            # None: set by something that is not Python, which could not be put back.
            if previous is None or previous is signal.SIG_IGN:
                continue
            self._previous[number] = previous  # type: ignore[assignment]  # neither None nor int
            signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        import signal

        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        times = next(self._counter)
        if times == 1:
            self.number = number
        if not self.killed.is_set():
            # A handler runs in the middle of whatever the main thread does, and that may hold the
            # very lock that setting an event takes. A thread can wait for it, the handler cannot.
            _thread.start_new_thread(self._tell, (times, number))

    def _tell(self, times: int, number: int) -> None:
        flag = self.cancelled if times == 1 else self.killed
        if flag.is_set():
            return
        flag.set()
        if self._on_signal is not None:
            self._on_signal(number)
