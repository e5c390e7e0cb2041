"""Interrupting bao, or killing it, leaves no process of its tasks behind.

Every process of a scripted task holds a FIFO open for writing. The test reads from it: a byte says
that one more process is up, the end says that none is left.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

import pytest

from bao_core.builtins.local_executor import LocalExecutor
from bao_core.builtins.processes import MARK
from bao_core.builtins.signals import Interrupts
from bao_core.interfaces.executor import ExecutionRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bao_core.interfaces.executor import Execution, ExecutionResult

PATIENCE = 20.0
# The promise, and more where the machine has more to do than it can.
TWO_SECONDS = 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}

# Ways to slip away; `{stay}` says that it is up and then lives on.
SLEEP = "printf u >&9; exec sleep 1000"
FAMILIES = {
    "alone": SLEEP,
    "in a pipeline": "sh -c '{sleep}' | sh -c '{sleep}' | cat",
    "grandchildren": "sh -c '{sleep}' & sh -c \"sh -c '{sleep}' & {sleep}\" & {sleep}",
    "ignores TERM": "trap '' TERM; {sleep}",
    "all ignore TERM": "trap '' TERM; sh -c '{sleep}' & setsid sh -c '{sleep}' & {sleep}",
    "own session": "setsid sh -c '{sleep}' & {sleep}",
    "own session of a TERM ignorer": "setsid sh -c \"trap '' TERM; {sleep}\" & {sleep}",
    "daemon": "setsid sh -c \"sh -c '{sleep}' & sh -c '{sleep}' &\" & {sleep}",
    "without environment": "env -i sh -c '{sleep}' & exec env -i sh -c '{sleep}'",
    "own session without environment": "setsid env -i sh -c '{sleep}' & {sleep}",
    "stopped": "sh -c 'printf u >&9; kill -STOP $$' & {sleep}",
    "orphan without environment": "sh -c \"env -i sh -c '{sleep}' & :\"; {sleep}",
    "closes its output": "exec >&- 2>&-; {sleep}",
}


class Lifeline:
    """Tells how many processes of a task have come up, and when the last of them has gone."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def command(self, family: str) -> str:
        return f"exec 9> {self.path}; " + family.replace("{sleep}", SLEEP)

    def wait_up(self, count: int) -> None:
        seen = 0
        while seen < count:
            assert select.select([self._reader], [], [], PATIENCE)[0], f"{seen} of {count} are up"
            seen += len(os.read(self._reader, count - seen))

    def is_empty(self, within: float) -> bool:
        """Whether nobody holds it any more, at the latest after so many seconds."""
        deadline = time.monotonic() + within
        while select.select([self._reader], [], [], max(0, deadline - time.monotonic()))[0]:
            if not os.read(self._reader, 4096):
                return True
        return False

    def close(self) -> None:
        os.close(self._reader)


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    lifeline = Lifeline(tmp_path / "lifeline")
    yield lifeline
    lifeline.close()


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    executor = LocalExecutor(4)
    yield executor
    executor.close()


class Discard:
    def write(self, data: bytes) -> None:
        pass


def request_for(command: str) -> ExecutionRequest:
    return ExecutionRequest("a#b", command, "/", ENV)


def expected(family: str) -> int:
    """How many processes of a family say that they are up."""
    return family.count("{sleep}") + family.count("printf u")


class Waiter(threading.Thread):
    """Waits for an execution, as the thread of a task does."""

    def __init__(self, execution: Execution) -> None:
        super().__init__(daemon=True)
        self._execution = execution
        self._result: ExecutionResult | None = None
        self.start()

    def run(self) -> None:
        self._result = self._execution.wait()

    def result(self) -> ExecutionResult:
        self.join(PATIENCE)
        assert self._result is not None
        return self._result


# --- cancelling one task -------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_cancelling_leaves_nothing_of_the_task(executor, lifeline, family) -> None:
    execution = executor.start(request_for(lifeline.command(family)), Discard())
    waiter = Waiter(execution)
    lifeline.wait_up(expected(family))
    execution.cancel(0.2)
    assert waiter.result().outcome == "cancelled"
    assert waiter.result().exit_code >= 128
    assert lifeline.is_empty(within=0.0)


def test_cancelling_one_task_spares_the_others(executor, tmp_path) -> None:
    lifelines = [Lifeline(tmp_path / name) for name in ("first", "second")]
    executions = []
    for lifeline in lifelines:
        command = lifeline.command(FAMILIES["own session"])
        executions.append(executor.start(request_for(command), Discard()))
        lifeline.wait_up(2)
    executions[0].cancel(0)
    assert executions[0].wait().outcome == "cancelled"
    assert lifelines[0].is_empty(within=0.0)
    assert not lifelines[1].is_empty(within=0.1)
    executions[1].cancel(0)
    assert executions[1].wait().exit_code == 137
    for lifeline in lifelines:
        lifeline.close()


def test_a_cancelled_task_may_clean_up_before_it_is_killed(executor, lifeline, tmp_path) -> None:
    command = lifeline.command(
        f"trap 'sh -c \"echo cleaned > {tmp_path}/report\"; exit 3' TERM; sh -c '{{sleep}}' & wait"
    )
    execution = executor.start(request_for(command), Discard())
    lifeline.wait_up(1)
    execution.cancel(PATIENCE)
    result = execution.wait()
    assert (result.exit_code, result.outcome) == (3, "cancelled")
    assert (tmp_path / "report").read_text() == "cleaned\n"


def test_a_stopped_process_may_clean_up_as_well(executor, lifeline, tmp_path) -> None:
    command = lifeline.command(
        f"trap 'echo cleaned > {tmp_path}/report; exit 3' TERM; "
        "sh -c '{sleep}' & printf u >&9; kill -STOP $$; wait"
    )
    execution = executor.start(request_for(command), Discard())
    lifeline.wait_up(2)
    execution.cancel(PATIENCE / 2)
    assert execution.wait().exit_code == 3
    assert (tmp_path / "report").read_text() == "cleaned\n"


def test_what_is_born_while_it_is_looked_for_is_asked_as_well(
    executor, lifeline, tmp_path, monkeypatch
) -> None:
    """Else a shell would wait for a command that nobody has asked to stop."""
    (tmp_path / "newborn").write_text(f"trap 'exit 5' TERM; sh -c '{SLEEP}' & wait")
    os.mkfifo(tmp_path / "door")
    command = f"trap : TERM; read _ < {tmp_path}/door; sh {tmp_path}/newborn; exit $?"
    execution = executor.start(request_for(lifeline.command(command)), Discard())
    look = execution._members
    born = []

    def slow_look() -> object:
        members = look()
        if not born:
            born.append((tmp_path / "door").write_text("\n"))
            lifeline.wait_up(1)
        return members

    monkeypatch.setattr(execution, "_members", slow_look)
    execution.cancel(PATIENCE)
    assert execution.wait().exit_code == 5


def test_a_second_cancel_need_not_wait_for_the_grace_of_the_first(executor, lifeline) -> None:
    command = lifeline.command(FAMILIES["all ignore TERM"])
    execution = executor.start(request_for(command), Discard())
    lifeline.wait_up(3)
    waiter = Waiter(execution)
    execution.cancel(1000.0)
    assert not lifeline.is_empty(within=0.1)
    execution.cancel(0)
    assert waiter.result().exit_code == 137
    assert lifeline.is_empty(within=0.0)


def test_cancelling_a_task_that_has_ended_changes_nothing(executor) -> None:
    execution = executor.start(request_for("exit 3"), Discard())
    result = execution.wait()
    execution.cancel(0)
    assert (result.exit_code, result.outcome) == (3, "finished")


def test_a_task_may_be_cancelled_before_anybody_waits_for_it(executor, lifeline) -> None:
    execution = executor.start(request_for(lifeline.command("{sleep}")), Discard())
    lifeline.wait_up(1)
    execution.cancel(0)
    assert lifeline.is_empty(within=PATIENCE)
    assert execution.wait().outcome == "cancelled"


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_closing_the_executor_leaves_nothing_that_runs(lifeline, family) -> None:
    executor = LocalExecutor(4)
    execution = executor.start(request_for(lifeline.command(family)), Discard())
    lifeline.wait_up(expected(family))
    executor.close()
    assert lifeline.is_empty(within=0.0)
    assert execution.wait().outcome == "cancelled"


# --- bao as a process of its own -----------------------------------------------------------------

BAO = """
import contextlib, os, signal, sys, threading
from queue import SimpleQueue
from bao_core.builtins.local_executor import LocalExecutor, LocalSettings
from bao_core.builtins.signals import Interrupts
from bao_core.interfaces.component import Context
from bao_core.interfaces.executor import ExecutionRequest

class Discard:
    def write(self, data): pass

inbox = SimpleQueue()
cancelled = threading.Event()
context = Context(
    root="/", state_dir="/", environ=dict(os.environ), cancelled=cancelled, emit=print)
executor = LocalExecutor.open(LocalSettings(slots=64), context)
executions = []

def start(command):
    env = {"PATH": os.environ["PATH"]}
    execution = executor.start(ExecutionRequest("a#b", command, "/", env), Discard())
    executions.append(execution)
    threading.Thread(target=lambda: inbox.put(execution.wait()), daemon=True).start()

with Interrupts(cancelled, on_signal=inbox.put) as interrupts:
    for command in sys.argv[1:]:
        start(command)
    print(executor._watchdog.pid, flush=True)
    left = len(executions)
    while left:
        what = inbox.get()
        if isinstance(what, int):
            for execution in executions:
                execution.cancel(0 if interrupts.killed.is_set() else 1000)
        else:
            left -= 1
    executor.close()
sys.exit(128 + interrupts.number if interrupts.number else 0)
"""


class Bao:
    """A process that runs commands the way bao does, and whose end the test holds."""

    def __init__(self, *commands: str, **options: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", BAO, *commands],
            stdout=subprocess.PIPE,
            **options,  # type: ignore[call-overload]
        )
        assert self.process.stdout is not None
        self.watchdog = int(self.process.stdout.readline())

    def kill(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for its end, and for that of everybody who holds its output."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE)[0]
        assert self.process.stdout.read() == b""
        self.process.stdout.close()
        return self.process.wait(PATIENCE)


@pytest.fixture
def start_bao() -> Iterator[Callable[..., Bao]]:
    with contextlib.ExitStack() as stack:

        def start(*commands: str, **options: object) -> Bao:
            bao = Bao(*commands, **options)
            stack.callback(bao.process.stdout.close)
            stack.callback(bao.process.wait)
            stack.callback(bao.process.kill)
            return bao

        yield start


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_two_seconds_after_bao_was_killed_nothing_is_left(start_bao, lifeline, family) -> None:
    bao = start_bao(lifeline.command(family))
    lifeline.wait_up(expected(family))
    watchdog = os.pidfd_open(bao.watchdog)
    bao.kill(signal.SIGKILL)
    assert lifeline.is_empty(within=TWO_SECONDS)
    assert bao.end() == -signal.SIGKILL
    assert select.select([watchdog], [], [], PATIENCE)[0], "the watchdog itself stays"
    os.close(watchdog)


def test_when_bao_was_killed_tasks_are_asked_to_stop_once_before_they_are_killed(
    start_bao, lifeline, tmp_path
) -> None:
    stubborn = "(trap '' TERM; {sleep}) & while :; do wait; done"
    family = f"trap 'echo asked $0 >> {tmp_path}/report' TERM; {stubborn}"
    (tmp_path / "daemon").write_text(family.replace("{sleep}", SLEEP))
    bao = start_bao(lifeline.command(f"setsid sh {tmp_path}/daemon & {family}"))
    lifeline.wait_up(2)
    bao.kill(signal.SIGKILL)
    assert lifeline.is_empty(within=TWO_SECONDS)
    asked = sorted((tmp_path / "report").read_text().splitlines())
    assert asked == ["asked /bin/sh", f"asked {tmp_path}/daemon"]


def test_killing_bao_leaves_everybody_else_alone(start_bao, tmp_path) -> None:
    """Its siblings, those of the same session, and the tasks of another bao live on."""
    mine, others = Lifeline(tmp_path / "mine"), Lifeline(tmp_path / "others")
    bystander = subprocess.Popen(["/bin/sh", "-c", others.command("{sleep}")])
    other = start_bao(others.command(FAMILIES["own session"]))
    bao = start_bao(mine.command(FAMILIES["own session"]))
    mine.wait_up(2)
    others.wait_up(3)
    watchdog = os.pidfd_open(bao.watchdog)
    bao.kill(signal.SIGKILL)
    assert mine.is_empty(within=TWO_SECONDS)
    assert select.select([watchdog], [], [], PATIENCE)[0]
    assert bystander.poll() is None
    assert not others.is_empty(within=0.0)
    bystander.kill()
    bystander.wait()
    other.kill(signal.SIGKILL)
    assert others.is_empty(within=TWO_SECONDS)
    os.close(watchdog)
    mine.close()
    others.close()


def test_bao_may_be_killed_at_any_moment_of_its_start(tmp_path) -> None:
    """Whenever it is killed, no process that carries its mark survives it."""
    chance = random.Random(4)
    for number in range(8):
        lifeline = Lifeline(tmp_path / f"lifeline{number}")
        command = lifeline.command(FAMILIES["own session"])
        bao = subprocess.Popen(
            [sys.executable, "-c", BAO, *[command] * 6], stdout=subprocess.DEVNULL
        )
        # From the first process that is up until a little after the last one.
        lifeline.wait_up(1)
        time.sleep(chance.random() * 0.05)
        bao.kill()
        bao.wait()
        assert lifeline.is_empty(within=TWO_SECONDS)
        lifeline.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_tasks_in_order(start_bao, lifeline, tmp_path, number) -> None:
    command = lifeline.command(
        f"trap 'echo cleaned > {tmp_path}/report; exit 0' TERM; sh -c '{{sleep}}' & wait"
    )
    bao = start_bao(command)
    lifeline.wait_up(1)
    bao.kill(number)
    assert bao.end() == 128 + number
    assert lifeline.is_empty(within=0.0)
    assert (tmp_path / "report").read_text() == "cleaned\n"


def test_the_second_signal_ends_tasks_at_once(start_bao, lifeline, tmp_path) -> None:
    asked = Lifeline(tmp_path / "asked")
    stubborn = "(trap '' TERM; {sleep}) & while :; do wait; done"
    command = f"trap 'printf u > {asked.path}' TERM; {stubborn}"
    bao = start_bao(lifeline.command(command))
    lifeline.wait_up(1)
    bao.kill(signal.SIGINT)
    asked.wait_up(1)
    bao.kill(signal.SIGTERM)
    assert bao.end() == 128 + signal.SIGINT
    assert lifeline.is_empty(within=0.0)
    asked.close()


def test_what_a_finished_task_left_ends_with_an_interrupt(start_bao, lifeline, tmp_path) -> None:
    """A daemon outlives its task, but not an interrupted run; nor does an orphan without a mark."""
    daemons = Lifeline(tmp_path / "daemons")
    finished = Lifeline(tmp_path / "finished")
    leaving = daemons.command(
        "setsid sh -c '{sleep}' & setsid env -i sh -c '{sleep}' & "
        f"exec 9>&-; read _ < {tmp_path}/door; printf u > {finished.path}"
    )
    os.mkfifo(tmp_path / "door")
    bao = start_bao(leaving, lifeline.command("{sleep}"))
    daemons.wait_up(2)
    lifeline.wait_up(1)
    (tmp_path / "door").write_text("\n")
    finished.wait_up(1)
    assert not daemons.is_empty(within=0.1)
    bao.kill(signal.SIGINT)
    assert bao.end() == 130
    assert daemons.is_empty(within=0.0)
    finished.close()
    daemons.close()


def test_a_daemon_outlives_a_run_that_ends_by_itself(start_bao, lifeline) -> None:
    os.mkfifo(f"{lifeline.path}.up")
    leaving = lifeline.command(
        f"setsid sh -c 'echo $$ > {lifeline.path}.up; {{sleep}}' > /dev/null 2>&1 &"
        f"read pid < {lifeline.path}.up; printf $pid > {lifeline.path}.pid"
    )
    bao = start_bao(leaving)
    lifeline.wait_up(1)
    assert bao.end() == 0
    assert not lifeline.is_empty(within=0.1)
    with open(f"{lifeline.path}.pid") as file:
        os.kill(int(file.read()), signal.SIGKILL)
    assert lifeline.is_empty(within=PATIENCE)


def test_the_watchdog_goes_with_bao(start_bao) -> None:
    bao = start_bao("true")
    with contextlib.suppress(ProcessLookupError):
        watchdog = os.pidfd_open(bao.watchdog)
        assert select.select([watchdog], [], [], PATIENCE)[0]
        os.close(watchdog)
    assert bao.end() == 0


def test_no_signal_of_the_terminal_ends_the_watchdog(start_bao, lifeline) -> None:
    bao = start_bao(lifeline.command(FAMILIES["own session"]))
    lifeline.wait_up(2)
    assert os.getsid(bao.watchdog) == bao.watchdog
    for number in (1, 2):
        assert os.readlink(f"/proc/{bao.watchdog}/fd/{number}") == "/dev/null"
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        os.kill(bao.watchdog, number)
    bao.kill(signal.SIGKILL)
    assert lifeline.is_empty(within=TWO_SECONDS)


@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_a_bao_within_a_task_leaves_nothing_either(executor, lifeline, tmp_path, how) -> None:
    """Killing both at once is the hard case: the inner one's watchdog may be among the killed."""
    script = tmp_path / "inner.py"
    script.write_text(BAO)
    command = lifeline.command(FAMILIES["own session"])
    (tmp_path / "command").write_text(command)
    inner = f'exec {sys.executable} {script} "$(cat {tmp_path}/command)"'
    execution = executor.start(request_for(inner), Discard())
    lifeline.wait_up(2)
    execution.cancel(PATIENCE if how == "cancelled" else 0)
    assert execution.wait().outcome == "cancelled"
    assert lifeline.is_empty(within=TWO_SECONDS)


# --- signals -------------------------------------------------------------------------------------


def test_signals_that_bao_was_started_to_ignore_stay_ignored(start_bao, lifeline) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    bao = start_bao(lifeline.command("{sleep}"), preexec_fn=ignore)
    lifeline.wait_up(1)
    bao.kill(signal.SIGHUP)
    assert not lifeline.is_empty(within=0.1)
    bao.kill(signal.SIGTERM)
    assert bao.end() == 128 + signal.SIGTERM


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_a_signal_is_taken_while_the_main_thread_holds_the_flags_own_lock() -> None:
    """The flag's lock is not reentrant: a handler that took it would wait for itself for ever."""
    program = """
        import os, signal, threading
        from bao_core.builtins.signals import Interrupts
        with Interrupts() as interrupts:
            with interrupts.cancelled._cond:
                os.kill(os.getpid(), signal.SIGINT)
                assert interrupts.number == signal.SIGINT
            assert interrupts.cancelled.wait(20)
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupts.killed.wait(20)
            os.kill(os.getpid(), signal.SIGTERM)
            print(interrupts.number)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout == b"2\n"


def test_the_watchdog_is_told_of_running_tasks_only() -> None:
    """The number of a task that has ended may be anybody's."""
    executor = LocalExecutor(4)
    executions = [executor.start(request_for("sleep 1000"), Discard()) for _ in range(3)]
    for execution in executions[:2]:
        execution.cancel(0)
        execution.wait()
    executions.append(executor.start(request_for("sleep 1000"), Discard()))
    table = os.pread(executor._watchdog._table, 4096, 0).split()
    running = {b"%d" % execution.pid for execution in executions[2:]}
    assert set(table) == running | {b"0"}
    assert len(table) == 3
    executor.close()
    for execution in executions[2:]:
        execution.wait()


def test_tasks_carry_a_mark_of_their_own(executor) -> None:
    class Output:
        data = b""

        def write(self, data: bytes) -> None:
            self.data += data

    marks = set()
    for _ in range(3):
        output = Output()
        executor.start(request_for(f"echo ${MARK}"), output).wait()
        marks.add(output.data)
    assert len(marks) == 3
