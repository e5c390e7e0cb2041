"""Runs somebody else's code, so that whatever it does becomes a sentence about its plugin."""

from __future__ import annotations

import os
import signal
import sys
import time
from io import BytesIO, TextIOWrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType, TracebackType
    from typing import Any, Self, TextIO

TIMEOUT_VARIABLE = "BAO_PLUGIN_TIMEOUT"
"""Seconds that importing a plugin, or its answer to a hook, may take."""

TIME_LIMIT = 10.0
"""The same where nothing is said: what costs almost nothing is done by then on the slowest disk."""

_AGAIN = 0.5
"""Seconds after which code that has swallowed the exception of its time limit gets it once more."""

_STREAMS = ("stdin", "stdout", "stderr")


class PluginFault(Exception):  # noqa: N818 - it is never raised out of the plugin host
    """What is wrong with a plugin, as one clause that continues its name."""


class HangingFault(PluginFault):
    """A plugin did not come to an end within its time."""


class TookTooLong(BaseException):
    """Raised in code that has used up its time; no error, so that the code does not handle it."""


class Isolated:
    """Runs somebody else's code on the main thread, as a context manager.

    What the code raises becomes a `PluginFault`, also an exit; only an interrupt passes. What it
    prints to standard output is caught, and what programs that it starts print there goes to
    standard error: neither may spoil JSON. The standard streams are put back in the end.

    Args:
        failing: What is said before the exception, such as `failed to import`.
        doing: What is said where the time is up, such as `be imported`.
        limit: Seconds it may take.

    Attributes:
        printed: What it has printed, once it is done.
    """

    def __init__(self, failing: str, doing: str, limit: float) -> None:
        self._failing = failing
        self._doing = doing
        self._limit = limit
        self._timer = _Timer(limit)
        self._caught = _Unclosable()
        self._streams: list[TextIO] = []
        self._stdout: int | None = None
        self.printed = ""

    def __enter__(self) -> Self:
        self._streams = [getattr(sys, name) for name in _STREAMS]
        sys.stdout = TextIOWrapper(self._caught, "utf-8", "backslashreplace", write_through=True)
        self._stdout = _turn_aside()
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.stop()
        _turn_back(self._stdout)
        for name, stream in zip(_STREAMS, self._streams, strict=True):
            setattr(sys, name, stream)
        self.printed = self._caught.getvalue().decode("utf-8", "replace").strip()
        if error is None or isinstance(error, KeyboardInterrupt | PluginFault):
            return
        place = _place(error, traceback)
        if isinstance(error, TookTooLong):
            raise HangingFault(f"took longer than {self._limit:g} s to {self._doing}{place}")
        raise PluginFault(f"{self._failing}: {described(error)}{place}") from error


def described(error: BaseException) -> str:
    """An exception in one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - its text is somebody else's code as well
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class _Unclosable(BytesIO):
    """Keeps what was written to it, even when whoever wrote closes it."""

    def close(self) -> None:
        """Stay open."""


class _Timer:
    """Raises `TookTooLong` on the main thread once a time is up, if it runs there.

    A timer that runs already, as pytest-timeout's does, goes on afterwards.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._running = False
        self._handler: Any = None
        self._other = (0.0, 0.0)
        self._started = 0.0

    def start(self) -> None:
        """Start it."""
        try:
            self._handler = signal.signal(signal.SIGALRM, self._ring)
        except ValueError:
            return  # another thread: without a limit
        self._running = True
        self._started = time.monotonic()
        self._other = signal.setitimer(signal.ITIMER_REAL, self._limit, _AGAIN)

    def stop(self) -> None:
        """Stop it; from now on it raises nothing."""
        if not self._running:
            return
        self._running = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler or signal.SIG_DFL)
        first, interval = self._other
        if first:
            left = first - (time.monotonic() - self._started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.001), interval)

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if self._running:
            raise TookTooLong


def _turn_aside() -> int | None:
    """Let file descriptor 1 lead to standard error; the old one, if there is one."""
    try:
        if sys.__stdout__ is not None:
            sys.__stdout__.flush()
        before = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError):
        return None
    return before


def _turn_back(before: int | None) -> None:
    if before is None:
        return
    try:
        os.dup2(before, 1)
        os.close(before)
    except OSError:
        pass  # the code has closed what is not its own; that is found out when it is tried


def _place(error: BaseException, traceback: TracebackType | None) -> str:
    """Where an exception arose, as far as that is in the plugin or in what it uses."""
    if isinstance(error, SyntaxError):
        file, line = error.filename or "", error.lineno or 0
    else:
        file, line = "", 0
        while traceback is not None:
            name = traceback.tb_frame.f_code.co_filename
            if not name.startswith("<") and os.path.dirname(name) != os.path.dirname(__file__):
                file, line = name, traceback.tb_lineno
            traceback = traceback.tb_next
        if "/importlib/" in file:
            return ""
    return f" ({'/'.join(file.split('/')[-2:])}:{line})" if file else ""


def time_limit(environ: Mapping[str, str]) -> float:
    """Seconds that a plugin may take; a value that is none says nothing."""
    try:
        seconds = float(environ.get(TIMEOUT_VARIABLE, ""))
    except ValueError:
        return TIME_LIMIT
    return seconds if 0 < seconds < float("inf") else TIME_LIMIT
