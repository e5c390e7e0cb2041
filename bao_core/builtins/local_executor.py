"""The executor `local`: runs commands on this machine, each in a session of its own.

Standard output and error go through one pipe, so that their order is the order of writing. Nothing
waits by looking again and again; nothing that a command started outlives its cancellation, nor bao
itself.
"""

import os
import sys
from collections.abc import Sequence
from functools import cache
from itertools import count
from threading import Event as Flag
from threading import Lock
from typing import Any, ClassVar, Self

from msgspec import Struct

from bao_core.builtins.ending import Ending
from bao_core.builtins.local_execution import LEFTOVER_GRACE, LocalExecution
from bao_core.builtins.processes import (
    MARK,
    Family,
    PeakMemory,
    Run,
    adopt_orphans,
    look,
    snapshot,
)
from bao_core.builtins.programs import explain_failure, find_program
from bao_core.builtins.slots import processors
from bao_core.builtins.watchdog import Watchdog
from bao_core.interfaces.component import Context
from bao_core.interfaces.executor import Execution, ExecutionRequest, Executor, Worker
from bao_core.lean import import_subprocess
from bao_core.model import SupportsWrite

STANDARD_ERROR = 2
"""The last of the descriptors that every process has."""

CLOSE_LIMIT = 6.0
"""Seconds that `close` waits for what still runs to be killed."""


class LocalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the executor.

    Attributes:
        slots: What its one worker offers; 0 for one a processor.
    """

    slots: int = 0


class LocalExecutor(Executor):
    """Runs requests as processes of this machine. `start` may be called by many threads at once.

    A daemon that leaves its task's session outlives a task that ends by itself, as with any shell.
    It does not outlive a task that is cancelled or timed out, nor an interrupted run.
    """

    name: ClassVar[str] = "local"
    Settings: ClassVar[type[Struct]] = LocalSettings

    def __init__(self, slots: int, *, mark: str = "", cancelled: Flag | None = None) -> None:
        """Begin without any process; the first request starts what all of them need.

        Args:
            slots: What the worker offers.
            mark: The mark that bao itself carries as a task of another bao.
            cancelled: Set when the run was interrupted.
        """
        self._slots = slots
        self._marks = f"{mark}/{os.urandom(6).hex()}." if mark else f"{os.urandom(6).hex()}."
        self._cancelled = cancelled
        self._numbers = count(1)
        self._lock = Lock()
        self._running: set[LocalExecution] = set()
        self._watchdog: Watchdog | None = None
        self._adopting: bool | None = None
        self._since = 0
        self._peak = PeakMemory()
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """Make the executor ready; starts nothing yet."""
        import_subprocess()
        _keep_exit_codes()
        _keep_descriptors()
        return cls(
            settings.slots or processors(),
            mark=context.environ.get(MARK, ""),
            cancelled=context.cancelled,
        )

    def workers(self) -> Sequence[Worker]:
        """This machine, with the slots that no running request was granted."""
        with self._lock:
            taken = sum(execution.slots for execution in self._running)
        return [Worker("local", platform(), max(0, self._slots - taken))]

    def start(self, request: ExecutionRequest, output: SupportsWrite) -> Execution:
        """Start a command.

        Raises:
            ExecutionError: It does not exist or cannot be executed, or the system has no process
                or descriptor to spare.
        """
        try:
            execution = self._start(request, output, self._ready_watchdog())
        except (OSError, ValueError) as error:
            raise explain_failure(error, request) from error
        self._adopt_orphans()
        return execution

    def close(self) -> None:
        """Kill what still runs, after an interrupt everything there is, and end the watchdog."""
        with self._lock:
            left = tuple(self._running)
        for execution in left:
            execution.cancel(0)
        for execution in left:
            if execution.ending is not None:
                execution.ending.join(CLOSE_LIMIT)
        if self._watchdog is not None:
            if self._cancelled is not None and self._cancelled.is_set():
                self._end_everything(self._watchdog)
            self._watchdog.stop()
        if self._adopting:
            adopt_orphans(enabled=False)
        os.close(self._null)

    def _ready_watchdog(self) -> Watchdog:
        with self._lock:
            if self._watchdog is None:
                self._watchdog = Watchdog.start(self._marks)
                oldest = look(self._watchdog.pid)
                self._since = oldest.started if oldest else 0
            return self._watchdog

    def _adopt_orphans(self) -> None:
        """Become the reaper of descendants, while the first command is already on its way."""
        with self._lock:
            if self._adopting is None:
                self._adopting = adopt_orphans(enabled=True)

    def _start(
        self, request: ExecutionRequest, output: SupportsWrite, watchdog: Watchdog
    ) -> LocalExecution:
        mark = f"{self._marks}{next(self._numbers)}"
        reading, writing = os.pipe()
        try:
            leader = self._spawn(request, writing, mark)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        watchdog.enter(leader)
        execution = LocalExecution(
            request,
            family=Family(leader, mark, own_session=not request.interactive, since=self._since),
            pipe=reading,
            output=output,
            peak=self._peak,
            on_end=self._forget,
        )
        with self._lock:
            self._running.add(execution)
        return execution

    def _forget(self, execution: LocalExecution) -> None:
        with self._lock:
            self._running.discard(execution)
            watchdog = self._watchdog
        if watchdog is not None:
            watchdog.leave(execution.pid)

    def _spawn(self, request: ExecutionRequest, output: int, mark: str) -> int:
        """Start the process and return its id.

        By `subprocess` rather than `os.posix_spawn`, which knows no working directory: a shell
        that changes to it first costs several times what `subprocess` adds.
        """
        import subprocess

        trace = {name.upper(): value for name, value in request.trace.items()}
        command = request.command
        shell = isinstance(command, str)
        process = subprocess.Popen(  # noqa: S603 - to run what the user configured is the task
            ["/bin/sh", "-c", command] if isinstance(command, str) else command,
            executable=None if shell else find_program(request),
            cwd=request.directory,
            env={**trace, **request.env, MARK: mark},
            stdin=None if request.interactive else self._null,
            stdout=output,
            stderr=output,
            start_new_session=not request.interactive,
            # All descriptors close on exec; a walk over them for each command would cost.
            close_fds=False,
        )
        # From here on the execution waits for it; `subprocess` must not.
        process.returncode = 0
        return process.pid

    def _end_everything(self, watchdog: Watchdog) -> None:
        """End what finished tasks have left running."""
        run = Run(self._marks, since=self._since, spared=frozenset((watchdog.pid,)))
        if run.members(snapshot()):
            Ending(lambda: run.members(snapshot()), LEFTOVER_GRACE).join(CLOSE_LIMIT)


@cache
def platform() -> str:
    """This machine's platform, such as `linux-x86_64`."""
    return f"{sys.platform}-{os.uname().machine}"


def _keep_exit_codes() -> None:
    """See to it that the kernel keeps exit codes for us.

    Where bao was started with SIGCHLD ignored, they would be thrown away, and a failed task would
    pass for a good one. Call on the main thread.
    """
    from signal import SIG_DFL, SIG_IGN, SIGCHLD, getsignal, signal

    if getsignal(SIGCHLD) is SIG_IGN:
        signal(SIGCHLD, SIG_DFL)


def _keep_descriptors() -> None:
    """See to it that no task inherits a descriptor that bao was started with.

    A daemon that a task leaves behind would hold it open; many a CI system waits for that.
    """
    for name in os.listdir("/dev/fd"):
        if int(name) > STANDARD_ERROR:
            try:
                os.set_inheritable(int(name), False)  # noqa: FBT003 - it takes no keyword
            except OSError:
                continue
