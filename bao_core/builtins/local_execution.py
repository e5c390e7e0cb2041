"""One command that runs on this machine, from its start to the end of everything it left behind."""

from __future__ import annotations

import os
import select
from threading import Lock, Thread
from time import monotonic

from bao_core.builtins.ending import Ending
from bao_core.builtins.processes import reap_group, snapshot
from bao_core.interfaces.executor import Execution, ExecutionResult, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from resource import struct_rusage
    from typing import Protocol

    from bao_core.builtins.processes import Family, PeakMemory, Process
    from bao_core.interfaces.executor import ExecutionRequest
    from bao_core.model import SupportsWrite

    class Exit(Protocol):
        """The exit of a process: a descriptor that becomes readable with it, then its status."""

        descriptor: int

        def reap(self) -> tuple[int, struct_rusage]:
            """The wait status and what was used; called once, after the descriptor told so."""


CHUNK = 64 * 1024
"""Bytes read from the pipe at a time."""

LONGEST_POLL = 1 << 30
"""Milliseconds; the system takes no more than 31 bits of them."""

LINGER = 0.25
"""Seconds that background processes of a finished command may still write to its output."""

LEFTOVER_GRACE = 1.0
"""Seconds between TERM and KILL for background processes of a finished command."""


class LocalExecution(Execution):
    """A command that was started. `wait` is called once, by the thread that started it."""

    def __init__(
        self,
        request: ExecutionRequest,
        *,
        family: Family,
        pipe: int,
        output: SupportsWrite,
        peak: PeakMemory,
        on_end: Callable[[LocalExecution], None],
    ) -> None:
        """Take over a process.

        Args:
            request: What it was started for.
            family: How it and its descendants are known.
            pipe: Where its output arrives; closed in the end.
            output: Takes the output.
            peak: Tells what the reported peak of memory is worth.
            on_end: Called once, when nothing of it is left or what is left is given up.
        """
        self.pid = family.leader
        self.slots = request.claim.slots if request.claim else 1
        self.ending: Ending | None = None
        self._request = request
        self._pipe = pipe
        self._open = True
        self._output = output
        self._sink_error: Exception | None = None
        self._family = family
        self._peak = peak
        self._on_end = on_end
        self._lock = Lock()
        self._outcome = "finished"
        self._exited = False
        self._timeout = request.timeout
        self._started = monotonic()
        os.set_blocking(pipe, False)
        self._exit = watch_exit(family.leader)

    def wait(self) -> ExecutionResult:
        """Read until it has ended, then end what it left behind."""
        try:
            self._read_until_exit()
            status, used = self._exit.reap()
            self._settle()
        finally:
            self._close()
        if self._sink_error is not None:
            raise self._sink_error
        return ExecutionResult(
            exit_code=self._exit_code(status),
            outcome=self._outcome,
            usage=Usage(used.ru_utime, used.ru_stime, self._peak.of(used)),
        )

    def cancel(self, grace: float) -> None:
        """End the tree; a second call can only make it faster."""
        self._end("cancelled", grace)

    def _end(self, outcome: str, grace: float) -> None:
        with self._lock:
            if self.ending is not None:
                self.ending.hasten(grace)
            elif not self._exited:
                self._outcome = outcome
                self._begin_ending(grace)

    def _begin_ending(self, grace: float) -> None:
        self.ending = Ending(self._members, grace, leader=self.pid)

    def _members(self) -> set[Process]:
        return self._family.members(snapshot())

    def _read_until_exit(self) -> None:
        waiting = select.poll()
        waiting.register(self._pipe, select.POLLIN)
        waiting.register(self._exit.descriptor, select.POLLIN)
        exited = False
        while not exited:
            ready = [descriptor for descriptor, _ in waiting.poll(self._milliseconds_left())]
            if self._pipe in ready and not self._read():
                waiting.unregister(self._pipe)
            exited = self._exit.descriptor in ready
            if not exited and self._milliseconds_left() == 0:
                self._timeout = None
                self._end("timed-out", self._request.grace)

    def _milliseconds_left(self) -> int | None:
        """Until the time is up; None without a limit."""
        if self._timeout is None:
            return None
        # Rounded up: waking early would mean waking often.
        left = -int((monotonic() - self._started - self._timeout) * 1000 // 1)
        return min(max(0, left), LONGEST_POLL)

    def _settle(self) -> None:
        """End what is left of a command that has exited, and take what it wrote until then."""
        with self._lock:
            self._exited = True
        if self.ending is None and self._family.own_session and reap_group(self.pid):
            # Such as `exec > >(tee log)`: what still reads the command's last words may go on.
            self._read_for(LINGER)
            with self._lock:
                if reap_group(self.pid):
                    self._begin_ending(LEFTOVER_GRACE)
        while self.ending is not None and not self.ending.done:
            if self._open:
                self._read_for(0.02)
            else:
                self.ending.join()
        self._read_rest()

    def _read_for(self, seconds: float) -> None:
        """Read until the pipe ends, at most so long."""
        deadline = monotonic() + seconds
        waiting = select.poll()
        waiting.register(self._pipe, select.POLLIN)
        while self._open and (left := deadline - monotonic()) > 0:
            if waiting.poll(left * 1000):
                self._read()

    def _read_rest(self) -> None:
        """Take what lies in the pipe now.

        Never waits for a daemon that keeps the pipe open, nor follows one that keeps writing: what
        was written before the exit is at most one pipe full.
        """
        left = _capacity(self._pipe)
        while left > 0 and (size := self._read()):
            left -= size

    def _read(self) -> int:
        """Hand on what is there; the number of bytes, 0 if there is nothing more for now."""
        if not self._open:
            return 0
        try:
            data = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            self._open = False
        elif self._sink_error is None:
            try:
                self._output.write(data)
            except Exception as error:  # noqa: BLE001 - raised again once the command has ended
                self._sink_error = error
                self.cancel(0)
        return len(data)

    def _exit_code(self, status: int) -> int:
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return 128 - code
        if code == 0 and self._outcome != "finished":
            # It obeyed TERM and called that a success; nobody may take it for one.
            return 128 + 15
        return code

    def _close(self) -> None:
        os.close(self._pipe)
        os.close(self._exit.descriptor)
        self._on_end(self)


def watch_exit(pid: int) -> Exit:
    """Have the exit of a child told by a descriptor."""
    try:
        return PidExit(pid)
    except (AttributeError, OSError):
        return ThreadExit(pid)


class PidExit:
    """The exit as Linux tells it."""

    def __init__(self, pid: int) -> None:
        self.descriptor = os.pidfd_open(pid)
        self._pid = pid

    def reap(self) -> tuple[int, struct_rusage]:
        """The wait status and what was used."""
        return os.wait4(self._pid, 0)[1:]


class ThreadExit:
    """The exit as a thread finds it out that waits for nothing else, for other systems."""

    def __init__(self, pid: int) -> None:
        self.descriptor, self._told = os.pipe()
        self._pid = pid
        self._result: tuple[int, struct_rusage] | OSError = ChildProcessError()
        self._thread = Thread(target=self._wait, name=f"bao-wait-{pid}", daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        try:
            self._result = os.wait4(self._pid, 0)[1:]
        except OSError as error:
            self._result = error
        os.close(self._told)

    def reap(self) -> tuple[int, struct_rusage]:
        """The wait status and what was used."""
        self._thread.join()
        if isinstance(self._result, OSError):
            raise self._result
        return self._result


def _capacity(pipe: int) -> int:
    """How many bytes a pipe holds at most."""
    import fcntl

    try:
        return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    except (AttributeError, OSError):
        return CHUNK
