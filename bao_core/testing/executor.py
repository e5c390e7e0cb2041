"""What an executor promises: `ExecutorSuite`."""

from __future__ import annotations

import os
import select
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bao_core.errors import BaoError
from bao_core.interfaces.executor import Claim, ExecutionRequest, ExecutionResult
from bao_core.testing.cache import in_threads
from bao_core.testing.component import ComponentSuite
from bao_core.testing.fakes import PATIENCE, CollectedOutput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bao_core.interfaces.executor import Execution, Executor
    from bao_core.model import Command
    from bao_core.testing.component import Opener

PATH = "/usr/local/bin:/usr/bin:/bin"

UP = "sh -c 'echo up; exec sleep 1000'"
"""Says that it is there once nothing of the shell that started it is left in it."""


class ExecutorSuite(ComponentSuite):
    """The promises of `bao_core.interfaces.executor.Executor`.

    Attributes:
        local: Requests run as processes of this machine, whose ids `pid` tells, and an interactive
            one reads bao's own standard input. Elsewhere `pid` is 0 and there is no input.
        adds: Names of variables that it adds to those of a request.
    """

    local: ClassVar[bool] = True
    adds: ClassVar[frozenset[str]] = frozenset()

    @pytest.fixture
    def executor(self, open_at: Opener, tmp_path: Path) -> Executor:
        """An executor that is open."""
        executor: Executor = open_at(tmp_path / "place")
        return executor

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """Where requests run."""
        directory = tmp_path / "directory"
        directory.mkdir()
        return directory

    @pytest.fixture
    def start(self, executor: Executor, directory: Path) -> Callable[..., Running]:
        """Starts a request; takes the command, and fields of the request."""
        return lambda command, **options: Running(executor, directory, command, **options)

    # --- what a command gets and gives -------------------------------------------------------

    def test_there_is_somewhere_to_run(self, executor: Executor) -> None:
        workers = executor.workers()
        assert workers
        assert len({worker.id for worker in workers}) == len(workers)
        assert any(worker.free_slots > 0 for worker in workers)
        assert all(worker.free_slots >= 0 for worker in workers)

    def test_output_and_errors_arrive_in_the_order_of_writing(
        self, start: Callable[..., Running]
    ) -> None:
        lines = "".join(f"echo out{n}; echo err{n} >&2; " for n in range(50))
        running = start(lines)
        assert running.wait().exit_code == 0
        assert running.output.data == b"".join(b"out%d\nerr%d\n" % (n, n) for n in range(50))
        assert not running.output.overlapped

    def test_bytes_that_are_no_text_arrive_unchanged(
        self, start: Callable[..., Running], directory: Path
    ) -> None:
        data = bytes(range(256)) * 1_000 + b"\xff\r\0no line end"
        (directory / "data").write_bytes(data)
        running = start("cat data")
        running.wait()
        # Not compared by `assert` itself: in CI pytest shows differences whole, for minutes.
        unchanged = running.output.data == data
        assert unchanged, f"{len(running.output.data)} bytes arrived of {len(data)}"

    @pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
    def test_the_exit_code_is_that_of_the_command(
        self, start: Callable[..., Running], code: int
    ) -> None:
        result = start(f"exit {code}").wait()
        assert (result.exit_code, result.outcome) == (code, "finished")

    @pytest.mark.parametrize("number", [9, 15])
    def test_a_command_ended_by_a_signal_has_exit_code_128_plus_its_number(
        self, start: Callable[..., Running], number: int
    ) -> None:
        assert start(f"kill -{number} $$").wait().exit_code == 128 + number

    def test_a_shell_line_is_run_by_the_shell_and_a_tuple_is_not(
        self, start: Callable[..., Running]
    ) -> None:
        line, words = start("echo $((1 + 1)) | tr 2 3"), start(("echo", "$((1 + 1))", "a  b"))
        assert (line.wait().exit_code, line.output.data) == (0, b"3\n")
        assert (words.wait().exit_code, words.output.data) == (0, b"$((1 + 1)) a  b\n")

    def test_a_command_sees_the_variables_of_the_request_and_nothing_else(
        self, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LEAKED_BY_BAO", "yes")
        running = start(("env", "-0"), env={"PATH": PATH, "A": "b \udcff"})
        running.wait()
        lines = (line.split(b"=", 1) for line in running.output.data.split(b"\0") if line)
        seen = {name.decode(): value for name, value in lines if name.decode() not in self.adds}
        assert seen == {"PATH": PATH.encode(), "A": b"b \xff"}

    def test_trace_headers_reach_the_command_as_variables(
        self, start: Callable[..., Running]
    ) -> None:
        running = start('echo "$TRACEPARENT"', trace={"traceparent": "00-1-2-01"})
        running.wait()
        assert running.output.data == b"00-1-2-01\n"

    def test_a_command_runs_in_its_directory(self, executor: Executor, tmp_path: Path) -> None:
        directory = tmp_path / "a b"
        directory.mkdir()
        running = Running(executor, directory, ("/bin/pwd", "-P"))
        running.wait()
        assert running.output.data == os.fsencode(directory.resolve()) + b"\n"

    def test_files_lie_where_the_command_wrote_them(
        self, start: Callable[..., Running], directory: Path
    ) -> None:
        result = start("mkdir out; echo made > out/file", outputs=("out/**",)).wait()
        if result.outputs is None:
            assert (directory / "out" / "file").read_bytes() == b"made\n"
        else:
            assert [path.rpartition("/")[2] for path in result.outputs] == ["file"]

    def test_standard_input_is_empty(self, start: Callable[..., Running]) -> None:
        running = start("cat; echo end")
        running.wait()
        assert running.output.data == b"end\n"

    def test_an_interactive_command_reads_baos_own_input(
        self, start: Callable[..., Running]
    ) -> None:
        reading, writing = os.pipe()
        before = os.dup(0)
        try:
            os.dup2(reading, 0)
            os.write(writing, b"typed\n")
            os.close(writing)
            running = start("cat; echo end", interactive=True)
            running.wait()
        finally:
            os.dup2(before, 0)
            os.close(before)
            os.close(reading)
        assert running.output.data == (b"typed\nend\n" if self.local else b"end\n")

    def test_what_was_used_is_told(self, start: Callable[..., Running]) -> None:
        result = start("true").wait()
        assert isinstance(result, ExecutionResult)
        assert result.worker
        assert result.retry_locally is None
        assert min(result.usage.user, result.usage.system, result.usage.peak_memory) >= 0

    def test_a_process_on_this_machine_is_told_by_its_id(
        self, start: Callable[..., Running]
    ) -> None:
        running = start("echo $$")
        pid = running.execution.pid
        running.wait()
        assert pid == (int(running.output.data) if self.local else 0)

    def test_a_program_that_cannot_be_started_is_an_error_for_people(
        self, executor: Executor, directory: Path
    ) -> None:
        for command in (("no-such-program-anywhere",), ("./nowhere",)):
            with pytest.raises(BaoError) as caught:
                Running(executor, directory, command).wait()
            assert command[0].removeprefix("./") in str(caught.value)
        with pytest.raises(BaoError):
            Running(executor, directory / "gone", "true").wait()

    # --- ends --------------------------------------------------------------------------------

    def test_waiting_ends_when_all_output_was_written(self, start: Callable[..., Running]) -> None:
        running = start("head -c 3000000 /dev/zero; echo last")
        assert running.wait().exit_code == 0
        complete = running.output.data == bytes(3_000_000) + b"last\n"
        assert complete, f"{len(running.output.data)} bytes arrived"

    def test_a_command_that_takes_too_long_is_ended(self, start: Callable[..., Running]) -> None:
        result = start("sleep 1000", timeout=0.1, grace=PATIENCE).wait()
        assert result.outcome == "timed-out"
        assert result.exit_code != 0

    def test_a_command_in_time_is_not_troubled_by_its_timeout(
        self, start: Callable[..., Running]
    ) -> None:
        result = start("exit 4", timeout=1_000.0).wait()
        assert (result.exit_code, result.outcome) == (4, "finished")

    def test_a_command_that_is_cancelled_may_clean_up(self, start: Callable[..., Running]) -> None:
        running = start(f"trap 'echo cleaned; exit 9' TERM; {UP} & wait; exit 1")
        running.output.wait_for(b"up\n")
        running.execution.cancel(PATIENCE)
        result = running.wait()
        assert (result.exit_code, result.outcome) == (9, "cancelled")
        assert running.output.data == b"up\ncleaned\n"

    def test_ending_well_when_told_to_stop_is_no_success(
        self, start: Callable[..., Running]
    ) -> None:
        running = start(f"trap 'exit 0' TERM; {UP} & wait; exit 1")
        running.output.wait_for(b"up\n")
        running.execution.cancel(PATIENCE)
        assert running.wait().exit_code != 0

    def test_a_command_that_ignores_term_is_killed_after_the_grace(
        self, start: Callable[..., Running]
    ) -> None:
        running = start(f"trap '' TERM; {UP}")
        running.output.wait_for(b"up\n")
        running.execution.cancel(0.1)
        result = running.wait()
        assert (result.exit_code, result.outcome) == (128 + 9, "cancelled")

    def test_cancelling_returns_at_once_and_may_be_repeated(
        self, start: Callable[..., Running]
    ) -> None:
        running = start(f"trap '' TERM; {UP}")
        running.output.wait_for(b"up\n")

        def cancel() -> None:
            running.execution.cancel(1_000.0)
            running.execution.cancel(0.0)

        canceller = Thread(target=cancel, daemon=True)
        canceller.start()
        canceller.join(PATIENCE / 4)
        assert not canceller.is_alive(), "`cancel` waits"
        assert running.wait().outcome == "cancelled"
        running.execution.cancel(0.0)

    def test_cancelling_ends_the_whole_tree(
        self, start: Callable[..., Running], directory: Path
    ) -> None:
        os.mkfifo(directory / "alive")
        # Whatever lives holds the other end open.
        reading = os.open(directory / "alive", os.O_RDONLY | os.O_NONBLOCK)
        try:
            running = start(f"exec 9>alive; (sleep 1000 & {UP}) & wait")
            running.output.wait_for(b"up\n")
            running.execution.cancel(0.5)
            running.wait()
            assert select.select([reading], [], [], PATIENCE / 4)[0], "something still runs"
            assert os.read(reading, 1) == b""
        finally:
            os.close(reading)

    def test_requests_run_side_by_side_each_with_its_own_output(
        self, executor: Executor, directory: Path
    ) -> None:
        results: dict[int, tuple[int, bytes]] = {}

        def run(number: int) -> None:
            for attempt in range(3):
                command = f"echo {number}.{attempt}; exit {number}"
                running = Running(executor, directory, command, claim=Claim("x"))
                results[10 * number + attempt] = (running.wait().exit_code, running.output.data)

        in_threads([lambda number=number: run(number) for number in range(4)])  # type: ignore[misc]
        assert results == {
            10 * number + attempt: (number, b"%d.%d\n" % (number, attempt))
            for number in range(4)
            for attempt in range(3)
        }

    def test_after_everything_ended_there_is_as_much_room_as_before(
        self, executor: Executor, start: Callable[..., Running]
    ) -> None:
        before = {worker.id: worker.free_slots for worker in executor.workers()}
        running = [start("true", claim=Claim("x", slots=2)) for _ in range(3)]
        for each in running:
            each.wait()
        assert {worker.id: worker.free_slots for worker in executor.workers()} == before


class Running:
    """A request that was started, on a thread of its own, as core does.

    Attributes:
        execution: As the executor gave it.
        output: What arrives.
    """

    def __init__(
        self, executor: Executor, directory: Path, command: Command, **options: Any
    ) -> None:
        options.setdefault("env", {"PATH": PATH})
        request = ExecutionRequest("lib#build", command, str(directory), **options)
        self.output = CollectedOutput()
        self._started = Event()
        self._results: list[ExecutionResult | BaseException] = []
        self._executions: list[Execution] = []
        self._thread = Thread(target=self._work, args=(executor, request), daemon=True)
        self._thread.start()
        assert self._started.wait(PATIENCE), "`start` does not return"
        if not self._executions:
            self.wait()
        self.execution = self._executions[0]

    def _work(self, executor: Executor, request: ExecutionRequest) -> None:
        try:
            self._executions.append(executor.start(request, self.output))
            self._started.set()
            self._results.append(self._executions[0].wait())
        except BaseException as error:  # noqa: BLE001 - raised again on the test's thread
            self._results.append(error)
        finally:
            self._started.set()

    def wait(self) -> ExecutionResult:
        """Wait for the end; a test that would hang fails."""
        self._thread.join(2 * PATIENCE)
        assert self._results, "`wait` does not return"
        result = self._results[0]
        if isinstance(result, BaseException):
            raise result
        return result
