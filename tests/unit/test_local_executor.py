"""The executor `local`: one command at a time, from start to end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING

import pytest

from bao_core.builtins import local_execution
from bao_core.builtins.local_executor import LocalExecutor, LocalSettings
from bao_core.builtins.processes import MARK
from bao_core.errors import ExecutionError
from bao_core.interfaces.component import Context
from bao_core.interfaces.executor import Claim, ExecutionRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bao_core.interfaces.executor import ExecutionResult
    from bao_core.model import Command

PATH = "/usr/local/bin:/usr/bin:/bin"
PATIENCE = 20.0


class Output:
    """Keeps what a command writes, and lets a test wait for some of it."""

    def __init__(self) -> None:
        self.data = b""
        self.largest = 0
        self._grown = threading.Condition()

    def write(self, data: bytes) -> None:
        with self._grown:
            self.data += data
            self.largest = max(self.largest, len(data))
            self._grown.notify_all()

    def wait_for(self, text: bytes) -> None:
        with self._grown:
            assert self._grown.wait_for(lambda: text in self.data, PATIENCE), self.data


class Door:
    """A place where a scripted command waits until the test opens it: `read _ < door`."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path

    def open(self) -> None:
        with self.path.open("w") as door:
            door.write("\n")


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path / "door")


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    executor = LocalExecutor(4)
    yield executor
    executor.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[LocalExecutor]:
    """An executor as the session opens it, where bao was started with a descriptor too many."""
    stray = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(stray, True)
    context = Context(
        root=str(tmp_path),
        state_dir=str(tmp_path),
        environ={},
        cancelled=threading.Event(),
        emit=print,
    )
    executor = LocalExecutor.open(LocalSettings(slots=4), context)
    yield executor
    executor.close()
    os.close(stray)


@pytest.fixture(params=["pidfd", "thread"])
def exit_watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in which the exit of a process is told."""
    if request.param == "thread":
        monkeypatch.setattr(local_execution, "PidExit", local_execution.ThreadExit)


@pytest.fixture
def run(executor: LocalExecutor, tmp_path: Path) -> Callable[..., tuple[ExecutionResult, bytes]]:
    def run(command: Command, **options: object) -> tuple[ExecutionResult, bytes]:
        output = Output()
        result = executor.start(request_for(command, tmp_path, **options), output).wait()
        return result, output.data

    return run


@pytest.fixture
def late(
    executor: LocalExecutor, tmp_path: Path, door: Door
) -> Callable[..., tuple[ExecutionResult, bytes]]:
    """Runs a command that is up, at `{sleep}`, when its time is over."""

    def run_late(command: str, grace: float = PATIENCE) -> tuple[ExecutionResult, bytes]:
        output = Output()
        sleep = f"sh -c 'echo > {door.path}; exec sleep 1000'"
        request = request_for(
            command.replace("{sleep}", sleep), tmp_path, timeout=0.01, grace=grace
        )
        execution = executor.start(request, output)
        with door.path.open() as up:
            assert up.read() == "\n"
        return execution.wait(), output.data

    return run_late


def request_for(command: Command, directory: Path | str, **options: object) -> ExecutionRequest:
    options.setdefault("env", {"PATH": PATH})
    return ExecutionRequest("lib#build", command, str(directory), **options)  # type: ignore[arg-type]


# --- what a command gets and gives ---------------------------------------------------------------


def test_output_and_errors_arrive_in_the_order_of_writing(run) -> None:
    lines = "".join(f"echo out{n}; echo err{n} >&2; " for n in range(200))
    result, output = run(lines)
    assert result.exit_code == 0
    assert output == b"".join(b"out%d\nerr%d\n" % (n, n) for n in range(200))


def test_bytes_that_are_no_text_arrive_unchanged(run, tmp_path) -> None:
    data = bytes(range(256)) * 1000 + b"\xff\r\0no line end"
    (tmp_path / "data").write_bytes(data)
    assert run("cat data")[1] == data


def test_megabytes_without_a_line_end_arrive_in_small_pieces(executor, tmp_path) -> None:
    output = Output()
    size = 8 << 20
    executor.start(request_for(f"head -c {size} /dev/zero", tmp_path), output).wait()
    assert len(output.data) == size
    assert output.largest <= 64 * 1024


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
@pytest.mark.usefixtures("exit_watch")
def test_the_exit_code_is_that_of_the_command(run, code) -> None:
    result, _ = run(f"exit {code}")
    assert (result.exit_code, result.outcome) == (code, "finished")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE])
@pytest.mark.usefixtures("exit_watch")
def test_a_command_killed_by_a_signal_has_exit_code_128_plus_its_number(run, number) -> None:
    assert run(f"ulimit -c 0; kill -{int(number)} $$")[0].exit_code == 128 + number


def test_a_shell_line_is_run_by_the_shell_and_a_tuple_is_not(run) -> None:
    assert run("echo $((1 + 1)) | tr 2 3")[1] == b"3\n"
    assert run(("echo", "$((1 + 1))", "a  b"))[1] == b"$((1 + 1)) a  b\n"


def test_a_command_sees_its_own_environment_and_nothing_else(run, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    (tmp_path / "here").mkdir()
    options = {"env": {"PATH": PATH, "A": "b \udcff"}, "trace": {"traceparent": "00-1-2-01"}}
    _, output = run(("env", "-0"), **options)
    variables = dict(line.split(b"=", 1) for line in output.split(b"\0") if line)
    assert variables.pop(MARK.encode())
    assert variables == {b"PATH": PATH.encode(), b"A": b"b \xff", b"TRACEPARENT": b"00-1-2-01"}


def test_a_command_runs_in_its_directory(executor, tmp_path) -> None:
    directory = tmp_path / "a b\n\udcff"
    directory.mkdir()
    output = Output()
    executor.start(request_for(("/bin/pwd",), directory), output).wait()
    assert output.data == os.fsencode(directory) + b"\n"


def test_standard_input_is_empty(run) -> None:
    assert run("cat; echo end")[1] == b"end\n"


def test_an_interactive_command_reads_baos_own_input_in_baos_own_session() -> None:
    program = """
        import os
        from bao_core.builtins.local_executor import LocalExecutor
        from bao_core.interfaces.executor import ExecutionRequest
        class Output:
            def write(self, data): os.write(1, data)
        executor = LocalExecutor(1)
        line = "read line; echo got $line; ps -o sid= -p $$"
        request = ExecutionRequest("a#b", line, "/", {"PATH": os.environ["PATH"]}, interactive=True)
        executor.start(request, Output()).wait()
        executor.close()
        print(os.getsid(0))
    """
    done = run_python(program, input=b"typed\n")
    assert done.stdout.split() == [b"got", b"typed", *[done.stdout.split()[-1]] * 2]


def test_each_command_leads_a_session_and_group_of_its_own(run) -> None:
    pid, group, session = run("echo $$; exec ps -o pgid=,sid= -p $$")[1].split()
    assert pid == group == session


def test_signals_that_python_ignores_are_not_ignored_by_commands(run) -> None:
    result, output = run("grep SigIgn /proc/self/status")
    assert result.exit_code == 0
    assert int(output.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


# --- commands that cannot be started -------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("grepp", "x"), "lib#build: program 'grepp' is not on the PATH of the task; did you mean"),
        (("./nowhere",), "there is no program './nowhere'"),
        (("./plain",), "'./plain' may not be executed; chmod +x"),
        (("./orphan",), "the interpreter that './orphan' names in its first line does not exist"),
        (("./noise",), "'./noise' is no program of this platform and has no '#!' line"),
        (("./directory",), "there is no program './directory'"),
        ((), "the command is empty"),
        (("echo", "a\0b"), "embedded null byte"),
        (("echo", "x" * (1 << 20)), "longer than the system takes"),
    ],
)
def test_a_command_that_cannot_be_started_is_named_with_the_reason(
    run, tmp_path, command, message
) -> None:
    for name, text, mode in [
        ("plain", "#!/bin/sh\n", 0o644),
        ("orphan", "#!/no/such/interpreter\n", 0o755),
        ("noise", "noise", 0o755),
    ]:
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    (tmp_path / "directory").mkdir()
    before = open_descriptors()
    with pytest.raises(ExecutionError) as caught:
        run(command)
    assert message in str(caught.value)
    # The watchdog's pipe and table were opened by the way.
    assert len(open_descriptors() - before) <= 2


@pytest.mark.parametrize("command", ["true", ("true",)])
def test_a_directory_that_does_not_exist_is_named(executor, tmp_path, command) -> None:
    with pytest.raises(ExecutionError, match=r"directory to run it in does not exist: .*/gone"):
        executor.start(request_for(command, tmp_path / "gone"), Output())


def test_a_program_is_looked_for_on_the_path_of_the_task(run, tmp_path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "own-tool"
    program.write_text("#!/bin/sh\necho own $0\n")
    program.chmod(0o755)
    for path in (str(tmp_path / "bin"), "bin"):
        assert run(("own-tool",), env={"PATH": path})[1].startswith(b"own ")


def test_what_the_shell_does_not_find_is_the_shells_own_affair(run) -> None:
    result, output = run("no-such-program")
    assert result.exit_code == 127
    assert b"no-such-program" in output


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("exit_watch")
def test_a_command_that_closes_its_output_is_waited_for(executor, tmp_path, door) -> None:
    output = Output()
    execution = executor.start(
        request_for(f"echo last; exec >&- 2>&-; read _ < {door.path}; exit 7", tmp_path), output
    )
    results: list[ExecutionResult] = []
    waiter = threading.Thread(target=lambda: results.append(execution.wait()))
    waiter.start()
    output.wait_for(b"last\n")
    # Opening the other end blocks until the command has closed its output and reads.
    door.open()
    waiter.join(PATIENCE)
    assert results[0].exit_code == 7


@pytest.mark.usefixtures("exit_watch")
def test_a_background_process_that_keeps_the_output_open_is_ended(run) -> None:
    result, output = run("sleep 1000 & echo $!")
    assert result.exit_code == 0
    assert not is_alive(int(output))


def test_a_background_process_that_ignores_term_is_killed(run) -> None:
    result, output = run("trap '' TERM; sleep 1000 & echo $!")
    assert result.exit_code == 0
    assert not is_alive(int(output))


def test_the_last_words_of_a_background_process_are_read(
    executor, tmp_path, door, monkeypatch
) -> None:
    monkeypatch.setattr(local_execution, "LINGER", PATIENCE)
    output = Output()
    command = f"(read _ < {door.path}; echo last words) & echo main; exit 3"
    execution = executor.start(request_for(command, tmp_path), output)
    results: list[ExecutionResult] = []
    waiter = threading.Thread(target=lambda: results.append(execution.wait()))
    with exit_of(execution.pid) as exited:
        waiter.start()
        assert select.select([exited], [], [], PATIENCE)[0]
    with door.path.open("r+b", buffering=0) as opened:
        opened.write(b"\n")
        waiter.join(PATIENCE)
    assert results[0].exit_code == 3
    assert output.data == b"main\nlast words\n"


def test_what_lies_in_the_pipe_at_the_end_is_read_however_much_it_is(executor, tmp_path) -> None:
    program = "import fcntl, os; fcntl.fcntl(1, 1031, 1 << 20); os.write(1, b'x' * (1 << 20))"
    output = Output()
    command = (sys.executable, "-c", program)
    execution = executor.start(request_for(command, tmp_path), output)
    with exit_of(execution.pid) as exited:
        assert select.select([exited], [], [], PATIENCE)[0]
    assert execution.wait().exit_code == 0
    assert output.data == b"x" * (1 << 20)


def test_a_daemon_that_keeps_the_output_open_is_neither_waited_for_nor_ended(run) -> None:
    command = "mkfifo up; setsid sh -c 'echo $$ > up; exec sleep 1000' & read pid < up; echo $pid"
    result, output = run(command)
    try:
        assert result.exit_code == 0
        assert is_alive(int(output))
    finally:
        os.kill(int(output), signal.SIGKILL)


def test_a_daemon_that_writes_without_end_is_not_followed(executor, tmp_path) -> None:
    class Slow:
        """Never faster than the daemon: there is always more to read."""

        def write(self, data: bytes) -> None:
            select.select([execution._pipe], [], [], PATIENCE)

    command = "mkfifo up; setsid sh -c 'echo $$ > up; exec yes' & read pid < up; echo $pid > pid"
    execution = executor.start(request_for(command, tmp_path), Slow())
    assert execution.wait().exit_code == 0
    # Nobody reads what it writes any more: it ends by itself, at the latest now.
    with contextlib.suppress(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.usefixtures("exit_watch")
def test_a_command_that_takes_too_long_is_ended_and_may_clean_up(late) -> None:
    result, output = late("trap 'echo cleaned; exit 9' TERM; {sleep} & wait; exit 1")
    assert (result.exit_code, result.outcome) == (9, "timed-out")
    assert output == b"cleaned\n"


def test_a_command_that_takes_too_long_and_ignores_term_is_killed(late) -> None:
    result, _ = late("trap '' TERM; {sleep}", grace=0.1)
    assert (result.exit_code, result.outcome) == (137, "timed-out")


def test_ending_well_when_told_to_stop_is_no_success(late) -> None:
    result, _ = late("trap 'exit 0' TERM; {sleep} & wait; exit 1")
    assert (result.exit_code, result.outcome) == (143, "timed-out")


def test_a_command_in_time_is_not_troubled_by_its_timeout(run) -> None:
    for timeout in (1000.0, 1e12):
        assert run("exit 4", timeout=timeout)[0].exit_code == 4


def test_an_output_that_fails_ends_the_command_and_is_told(executor, tmp_path) -> None:
    class Broken:
        def write(self, data: bytes) -> None:
            raise RuntimeError("no room")

    execution = executor.start(request_for("echo out; sleep 1000", tmp_path), Broken())
    with pytest.raises(RuntimeError, match="no room"):
        execution.wait()


def test_exit_codes_are_kept_where_bao_was_started_with_sigchld_ignored() -> None:
    program = """
        import os, signal, threading
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        from bao_core.builtins.local_executor import LocalExecutor, LocalSettings
        from bao_core.interfaces.component import Context
        from bao_core.interfaces.executor import ExecutionRequest
        context = Context(root="/", state_dir="/", environ={}, cancelled=threading.Event(),
                          emit=print)
        executor = LocalExecutor.open(LocalSettings(), context)
        class Output:
            def write(self, data): pass
        request = ExecutionRequest("a#b", "exit 5", "/", {})
        print(executor.start(request, Output()).wait().exit_code)
        executor.close()
    """
    assert run_python(program).stdout == b"5\n"


# --- many at once --------------------------------------------------------------------------------


def test_a_command_holds_no_descriptor_of_another_nor_of_bao(opened, tmp_path) -> None:
    seen: list[bytes] = []

    def work() -> None:
        for _ in range(10):
            output = Output()
            opened.start(request_for(("ls", "/proc/self/fd"), tmp_path), output).wait()
            seen.append(output.data)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    # The fourth is the directory that ls reads.
    assert set(seen) == {b"0\n1\n2\n3\n"}
    assert len(seen) == 80


@pytest.mark.usefixtures("exit_watch")
def test_nothing_stays_open_after_a_command(run) -> None:
    run("true")
    before = open_descriptors()
    for _ in range(5):
        run("echo out; sleep 1000 & exit 1")
        run("sleep 1000", timeout=0.01)
    assert open_descriptors() == before


def test_the_worker_offers_the_slots_that_are_not_taken(opened, tmp_path, door) -> None:
    assert [worker.free_slots for worker in opened.workers()] == [4]
    request = request_for(f"read _ < {door.path}", tmp_path, claim=Claim("a#b", 3))
    execution = opened.start(request, Output())
    assert [worker.free_slots for worker in opened.workers()] == [1]
    door.open()
    execution.wait()
    assert [worker.free_slots for worker in opened.workers()] == [4]
    assert opened.workers()[0].platform.startswith(sys.platform)


# --- usage ---------------------------------------------------------------------------------------


def test_the_peak_of_memory_is_told_where_it_is_above_baos_own() -> None:
    program = """
        import sys
        from bao_core.builtins.local_executor import LocalExecutor
        from bao_core.interfaces.executor import ExecutionRequest
        class Output:
            def write(self, data): pass
        executor = LocalExecutor(1)
        def peak(*command):
            request = ExecutionRequest("a#b", command, "/", {"PATH": "/usr/bin:/bin"})
            return executor.start(request, Output()).wait().usage.peak_memory
        print(peak("true"), peak(sys.executable, "-c", "bytearray(200 << 20)"))
        executor.close()
    """
    small, large = map(int, run_python(program).stdout.split())
    assert small == 0
    assert 200 << 20 <= large < 300 << 20


def test_the_time_of_the_processor_is_told(run) -> None:
    result, _ = run((sys.executable, "-c", "for _ in range(3_000_000): pass"))
    assert 0.01 < result.usage.user < 10


@contextlib.contextmanager
def exit_of(pid: int) -> Iterator[int]:
    """A descriptor that becomes readable when a process has exited."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def run_python(program: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        check=True,
        timeout=PATIENCE,
        **options,  # type: ignore[call-overload]
    )


def open_descriptors() -> set[str]:
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        # The one that the listing itself takes is closed by now.
        try:
            found.add(f"{descriptor} {os.readlink(f'/proc/self/fd/{descriptor}')}")
        except FileNotFoundError:
            continue
    return found


def is_alive(pid: int) -> bool:
    """Whether a process is neither gone nor a zombie, told without a race."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        return not select.select([descriptor], [], [], 0)[0]
    finally:
        os.close(descriptor)
