"""Executors that break one promise each, and the tests that catch them."""

from __future__ import annotations

import os
import tempfile
import threading

import msgspec

from bao_core.builtins.local_executor import LocalExecutor
from bao_core.builtins.processes import MARK
from bao_core.errors import ExecutionError
from bao_core.interfaces.executor import Execution
from bao_core.testing.executor import ExecutorSuite


class LocalSuite(ExecutorSuite):
    component = LocalExecutor
    adds = frozenset({MARK})


def caught_by(test):
    """Make a suite of a wrong executor, of which one test should fail."""

    def decorate(wrong):
        name = f"Test{wrong.__name__}"
        if issubclass(wrong, LocalSuite):
            wrong.__name__ = name
            wrong.caught_by = test
            globals()[name] = wrong
        else:
            globals()[name] = type(name, (LocalSuite,), {"component": wrong, "caught_by": test})
        return wrong

    return decorate


class Handed(Execution):
    """An execution that is handed on through an executor, which may change what it says."""

    def __init__(self, executor, request, inner) -> None:
        self.executor = executor
        self.request = request
        self.inner = inner
        self.pid = inner.pid

    def wait(self):
        return self.executor.ended(self.request, self.inner.wait())

    def cancel(self, grace) -> None:
        self.executor.cancel(self.inner, grace)


class Output:
    """Takes output and hands it on, changed."""

    def __init__(self, change, target) -> None:
        self.change = change
        self.target = target

    def write(self, data) -> None:
        self.target.write(self.change(data))


class Bent(LocalExecutor):
    """The local executor with places to bend it."""

    def start(self, request, output):
        inner = super().start(self.asked(request), Output(self.heard, output))
        return Handed(self, request, inner)

    def asked(self, request):
        return request

    def heard(self, data):
        return data

    def ended(self, request, result):
        return result

    def cancel(self, inner, grace) -> None:
        inner.cancel(grace)


def with_fields(record, **fields):
    return msgspec.structs.replace(record, **fields)


@caught_by("test_there_is_somewhere_to_run")
class HasNoWorker(Bent):
    def workers(self):
        return []


@caught_by("test_output_and_errors_arrive_in_the_order_of_writing")
class LosesErrors(Bent):
    def asked(self, request):
        return with_fields(request, command=f"({request.command}) 2>/dev/null")


@caught_by("test_bytes_that_are_no_text_arrive_unchanged")
class WantsText(Bent):
    def heard(self, data):
        return data.decode(errors="replace").encode()


@caught_by("test_the_exit_code_is_that_of_the_command")
class KnowsOneFailure(Bent):
    def ended(self, request, result):
        return with_fields(result, exit_code=min(result.exit_code, 1))


@caught_by("test_a_command_ended_by_a_signal_has_exit_code_128_plus_its_number")
class TellsSignalsOtherwise(Bent):
    def ended(self, request, result):
        code = result.exit_code
        return with_fields(result, exit_code=128 - code if code > 128 else code)


@caught_by("test_a_shell_line_is_run_by_the_shell_and_a_tuple_is_not")
class GivesAllToTheShell(Bent):
    def asked(self, request):
        words = request.command
        return with_fields(request, command=words if isinstance(words, str) else " ".join(words))


@caught_by("test_a_command_sees_the_variables_of_the_request_and_nothing_else")
class Inherits(Bent):
    def asked(self, request):
        return with_fields(request, env={**os.environ, **request.env})


@caught_by("test_trace_headers_reach_the_command_as_variables")
class DropsTraces(Bent):
    def asked(self, request):
        return with_fields(request, trace={})


@caught_by("test_a_command_runs_in_its_directory")
class RunsAnywhere(Bent):
    def asked(self, request):
        return with_fields(request, directory="/")


@caught_by("test_files_lie_where_the_command_wrote_them")
class RunsAside(Bent):
    def asked(self, request):
        return with_fields(request, directory=tempfile.mkdtemp())


@caught_by("test_standard_input_is_empty")
class TypesSomething(Bent):
    def asked(self, request):
        return with_fields(request, command=f"echo stray | ({request.command})")


@caught_by("test_an_interactive_command_reads_baos_own_input")
class NeverListens(Bent):
    def asked(self, request):
        return with_fields(request, interactive=False)


@caught_by("test_what_was_used_is_told")
class NamesNoWorker(Bent):
    def ended(self, request, result):
        return with_fields(result, worker="")


@caught_by("test_a_process_on_this_machine_is_told_by_its_id")
class TellsAnotherProcess(Bent):
    def start(self, request, output):
        execution = super().start(request, output)
        execution.pid += 1
        return execution


@caught_by("test_a_program_that_cannot_be_started_is_an_error_for_people")
class RaisesForMachines(Bent):
    def start(self, request, output):
        try:
            return super().start(request, output)
        except ExecutionError as error:
            raise FileNotFoundError(str(error)) from error


@caught_by("test_waiting_ends_when_all_output_was_written")
class DropsTheRest(Bent):
    room = 100_000

    def heard(self, data):
        data = data[: self.room]
        self.room -= len(data)
        return data


@caught_by("test_a_command_that_takes_too_long_is_ended")
class SaysItFinished(Bent):
    def ended(self, request, result):
        return with_fields(result, outcome="finished")


@caught_by("test_a_command_in_time_is_not_troubled_by_its_timeout")
class TakesEveryLimitForOver(Bent):
    def ended(self, request, result):
        outcome = "timed-out" if request.timeout else result.outcome
        return with_fields(result, outcome=outcome)


@caught_by("test_a_command_that_is_cancelled_may_clean_up")
class KillsAtOnce(Bent):
    def cancel(self, inner, grace) -> None:
        super().cancel(inner, 0.0)


@caught_by("test_ending_well_when_told_to_stop_is_no_success")
class TakesItForSuccess(Bent):
    def ended(self, request, result):
        return with_fields(result, exit_code=0)


@caught_by("test_a_command_that_ignores_term_is_killed_after_the_grace")
class NeverKills(Bent):
    def cancel(self, inner, grace) -> None:
        super().cancel(inner, 1_000.0)


@caught_by("test_cancelling_returns_at_once_and_may_be_repeated")
class WaitsForTheEnd(Bent):
    def cancel(self, inner, grace) -> None:
        super().cancel(inner, grace)
        threading.Event().wait(2.0)


@caught_by("test_cancelling_ends_the_whole_tree")
class LosesDaemons(Bent):
    def asked(self, request):
        daemon = "setsid env -i /bin/sh -c 'echo > up; exec sleep 3'"
        before = f"exec 9>alive; mkfifo up; ({daemon} &); read _ < up;"
        return with_fields(request, command=request.command.replace("exec 9>alive;", before))


@caught_by("test_requests_run_side_by_side_each_with_its_own_output")
class MixesOutputs(Bent):
    first = None

    def start(self, request, output):
        self.first = self.first or output
        return super().start(request, self.first)


@caught_by("test_after_everything_ended_there_is_as_much_room_as_before")
class LosesSlots(Bent):
    lost = 0

    def ended(self, request, result):
        self.lost += 1
        return result

    def workers(self):
        return [
            with_fields(worker, free_slots=max(0, worker.free_slots - self.lost))
            for worker in super().workers()
        ]
