"""One measured process: its time from start to end, its processor time, its memory."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 120.0
"""Seconds that a run may take."""


class UnusableError(Exception):
    """A tool cannot be had, fails, or takes too long; the reason is the message."""


class Run(NamedTuple):
    """One run.

    Attributes:
        ms: Milliseconds from starting the process to its end.
        cpu_ms: Milliseconds that it and what it waited for spent on processors.
        memory: Largest resident size of any of these processes, in bytes. The system counts
            from the size of whoever started them, so it is never less than the driver's own.
        printed: What it wrote, to either stream.
    """

    ms: float
    cpu_ms: float
    memory: int
    printed: str


def measure(command: list[str], root: Path, environ: dict[str, str], limit: float = LIMIT) -> Run:
    """Run a command and wait for it.

    Its output goes to a file, so that no reader of a pipe slows it down. What was written before is
    on the disk by then: nobody's time holds what another run has left to be done.

    Raises:
        UnusableError: It failed, or took longer than the limit and was ended.
    """
    with tempfile.TemporaryFile() as output, contextlib.chdir(root):
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            *((os.POSIX_SPAWN_DUP2, output.fileno(), stream) for stream in (1, 2)),
        ]
        os.sync()
        started = time.perf_counter()
        child = os.posix_spawnp(command[0], command, environ, file_actions=actions, setpgroup=0)
        with _ended_after(limit, child):
            _, status, usage = os.wait4(child, 0)
        taken = time.perf_counter() - started
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if taken > limit:
        raise UnusableError(f"{' '.join(command)} took longer than {limit:.0f} s")
    if status:
        raise UnusableError(f"{' '.join(command)} failed:\n{printed[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    cpu = usage.ru_utime + usage.ru_stime
    return Run(taken * 1000, cpu * 1000, usage.ru_maxrss * unit, printed)


@contextlib.contextmanager
def _ended_after(limit: float, child: int) -> Iterator[None]:
    """End the child's process group after so many seconds, or when the driver is interrupted."""

    def end(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    except BaseException:
        end()
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
