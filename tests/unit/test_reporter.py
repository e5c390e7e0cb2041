"""The plain reporter: what people see of a run."""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bao_core.builtins.report_text import seconds
from bao_core.builtins.reporter import Reporter, ReporterOptions
from bao_core.events import (
    PluginEvent,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskStarted,
    TaskWaited,
    WarningRaised,
)
from bao_core.model import CacheKey, Reason, TaskId

if TYPE_CHECKING:
    from pathlib import Path

KEY = CacheKey("0123456789abcdef" * 4)
SHORT = "[0123456789abcdef]"
CHANGED = Reason("input-changed", "input src/a.py changed")
A, B = TaskId("a#build"), TaskId("b#test")


class Screen:
    """A reporter and what it has written, in order, to both of its streams."""

    def __init__(self, directory: Path | str = "/tmp", **options: object) -> None:
        self.out, self.error = io.BytesIO(), io.BytesIO()
        self.reporter = Reporter(
            ReporterOptions(
                stdout=self.out,
                stderr=self.error,
                log_directory=str(directory),
                **options,  # type: ignore[arg-type]
            )
        )

    def show(self, *events: object) -> Screen:
        for event in events:
            self.reporter.handle(event)  # type: ignore[arg-type]
        self.reporter.flush()
        return self

    def text(self) -> str:
        self.reporter.flush()
        return self.out.getvalue().decode("utf-8", "surrogateescape")

    def errors(self) -> str:
        return self.error.getvalue().decode("utf-8", "surrogateescape")


def started(task: TaskId = A, *reasons: Reason, attempt: int = 1) -> TaskStarted:
    return TaskStarted(task, "s", "p", attempt, 0.0, reasons or (CHANGED,), KEY)


def output(data: bytes, task: TaskId = A, *, replayed: bool = False) -> TaskOutput:
    return TaskOutput(task, data, replayed)


def finished(
    task: TaskId = A, outcome: str = "executed", code: int | None = 0, **fields: object
) -> TaskFinished:
    if outcome == "executed":
        fields.setdefault("reasons", (CHANGED,))
    if outcome in {"restored", "stood"}:
        fields.setdefault("tier", "disk")
    fields.setdefault("key", KEY)
    return TaskFinished(task, "s", "p", outcome, code, 0.0, **fields)  # type: ignore[arg-type]


def hit(task: TaskId = A, outcome: str = "restored", log: bytes = b"log\n") -> list[object]:
    return [output(log, task, replayed=True), finished(task, outcome)]


def run_finished(code: int = 0, **fields: object) -> RunFinished:
    return RunFinished("r", "s", code, 0.0, 1.24, **fields)  # type: ignore[arg-type]


# --- one task ------------------------------------------------------------------------------------


def test_an_executed_task_shows_its_reasons_and_its_output() -> None:
    screen = Screen().show(started(), output(b"one\ntwo\n"), finished())
    assert screen.text() == (
        f"a#build: miss: input src/a.py changed {SHORT}\na#build: one\na#build: two\n"
    )
    assert screen.errors() == ""


@pytest.mark.parametrize("outcome", ["restored", "stood"])
@pytest.mark.parametrize("order", ["grouped", "stream"])
def test_a_hit_says_where_it_comes_from_before_its_log(outcome, order) -> None:
    screen = Screen(log_order=order).show(*hit(outcome=outcome))
    assert screen.text() == f"a#build: hit (disk), replaying log {SHORT}\na#build: log\n"


def test_a_task_that_no_cache_was_asked_for_is_no_miss() -> None:
    screen = Screen().show(started(A, Reason("not-cached", "it is not cached")), finished())
    assert screen.text().startswith("a#build: run: it is not cached")


def test_many_reasons_are_cut_short_unless_more_are_asked_for() -> None:
    reasons = [Reason("input-changed", f"input {number} changed") for number in range(5)]
    events = [started(A, *reasons), finished(reasons=tuple(reasons))]
    short = "miss: input 0 changed, input 1 changed, input 2 changed, and 2 more"
    assert short in Screen().show(*events).text()
    verbose = Screen(verbosity=1).show(*events).text()
    assert "input 4 changed" in verbose
    assert KEY in verbose


def test_a_failed_task_is_named_on_standard_error_after_its_output() -> None:
    order: list[bytes] = []

    class Stream:
        def write(self, data: bytes) -> None:
            order.append(data)

    stream = Stream()
    reporter = Reporter(ReporterOptions(stdout=stream, stderr=stream))
    for event in (started(), output(b"no\n"), finished(code=3, duration=1.2)):
        reporter.handle(event)
    assert b"".join(order).endswith(b"a#build: no\na#build: failed with exit code 3 after 1.20s\n")
    screen = Screen().show(started(), output(b"no\n"), finished(code=137))
    assert screen.errors() == "a#build: failed with exit code 137 (SIGKILL)\n"


def test_a_task_that_failed_before_it_started_says_why() -> None:
    reason = Reason("no-key", "input src/a.py cannot be read")
    screen = Screen().show(finished(code=74, reasons=(reason,)))
    assert screen.errors() == ("a#build: failed with exit code 74: input src/a.py cannot be read\n")
    assert screen.text() == ""


def test_a_result_that_was_not_stored_says_why() -> None:
    changed = Reason("changed-meanwhile", "input src/a.py changed while it ran")
    screen = Screen().show(started(), finished(reasons=(CHANGED, changed), tainted=True))
    assert "a#build: not stored: input src/a.py changed while it ran\n" in screen.text()


def test_a_skipped_task_says_why_and_a_transit_task_says_nothing() -> None:
    reason = Reason("upstream-failed", "upstream a#build failed")
    screen = Screen().show(
        finished(B, "skipped", None, reasons=(reason,)), finished(A, "passed", None)
    )
    assert screen.text() == "b#test: skipped: upstream a#build failed\n"


def test_names_can_neither_break_a_line_nor_command_the_terminal() -> None:
    task = TaskId("a\n\x1b[2Jb\udcff é#build")
    screen = Screen().show(*hit(task), WarningRaised("file \x1b[2J\n is odd"))
    assert screen.text().splitlines()[0].startswith("a\\n\\x1b[2Jb\udcff é#build: hit")
    assert screen.text().count("\n") == 2
    assert screen.errors() == "warning: file \\x1b[2J\\n is odd\n"


# --- output --------------------------------------------------------------------------------------


def test_bytes_pass_unchanged() -> None:
    data = bytes(range(256)).replace(b"\n", b"") * 3
    for order in ("grouped", "stream"):
        screen = Screen(log_order=order, log_prefix="none")
        screen.show(started(), output(data), output(b"\n"), finished())
        assert screen.out.getvalue().endswith(b"\n" + data + b"\n")


@given(st.binary(max_size=60).map(lambda data: data.replace(b"\0", b"\n")), st.data())
def test_both_orders_show_the_same_lines_however_the_output_comes_in_pieces(data, draw) -> None:
    pieces = []
    rest = data
    while rest:
        size = draw.draw(st.integers(1, len(rest)))
        pieces.append(rest[:size])
        rest = rest[size:]
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    expected = b"".join(b"a#build: %b\n" % line for line in lines)
    for order in ("grouped", "stream"):
        screen = Screen(log_order=order).show(started(), *map(output, pieces), finished())
        assert screen.out.getvalue().partition(b"\n")[2] == expected


def test_grouped_output_comes_in_one_piece() -> None:
    screen = Screen().show(
        started(A), started(B), output(b"1\n", A), output(b"2\n", B), output(b"3\n", A)
    )
    assert screen.text() == ""
    screen.show(finished(B), finished(A))
    lines = [line.partition(": ")[::2] for line in screen.text().splitlines()]
    assert [task for task, _ in lines] == [B, B, A, A, A]
    assert [text for _, text in lines if len(text) == 1] == ["2", "1", "3"]


def test_streamed_lines_come_whole_and_at_once() -> None:
    screen = Screen(log_order="stream")
    screen.show(started(A), started(B))
    screen.show(output(b"he", A), output(b"there\nfoo", B), output(b"llo\nwor", A))
    assert screen.text().splitlines()[2:] == ["b#test: there", "a#build: hello"]
    screen.show(finished(A), output(b"bar", B), finished(B))
    assert screen.text().splitlines()[4:] == ["a#build: wor", "b#test: foobar"]


@pytest.mark.parametrize("order", ["grouped", "stream"])
def test_memory_stays_bounded_whatever_a_task_prints(tmp_path, order) -> None:
    class Count:
        size = 0

        def write(self, data: bytes) -> None:
            self.size += len(data)

    count = Count()
    tracemalloc.start()
    try:
        reporter = Reporter(
            ReporterOptions(stdout=count, log_order=order, log_directory=str(tmp_path))
        )
        reporter.handle(started())
        piece = b"x" * 65536
        for _ in range(400):
            reporter.handle(output(piece))
        reporter.handle(finished())
        assert count.size > 400 * 65536
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_output_that_could_not_be_kept_is_named(tmp_path) -> None:
    (tmp_path / "logs").write_text("in the way")
    screen = Screen(tmp_path / "logs")
    screen.show(started(), output(b"x" * 300_000), output(b"lost"), finished())
    assert "a#build: the rest of its output could not be kept: File exists" in screen.errors()
    assert "x" * 300_000 in screen.text()


FAILED = [started(), output(b"text\n"), finished(code=1)]
RAN = [started(), output(b"text\n"), finished()]
HIT = hit(log=b"text\n")


@pytest.mark.parametrize("order", ["grouped", "stream"])
@pytest.mark.parametrize(
    ("mode", "events", "line", "text"),
    [
        ("full", HIT, True, True),
        ("full", RAN, True, True),
        ("full", FAILED, True, True),
        ("hash-only", HIT, True, False),
        ("hash-only", RAN, True, False),
        ("hash-only", FAILED, True, False),
        ("new-only", HIT, True, False),
        ("new-only", RAN, True, True),
        ("new-only", FAILED, True, True),
        ("errors-only", HIT, False, False),
        ("errors-only", RAN, False, False),
        ("errors-only", FAILED, True, True),
        ("none", HIT, False, False),
        ("none", RAN, False, False),
        ("none", FAILED, False, False),
    ],
)
def test_output_logs_says_whose_output_is_shown(order, mode, events, line, text) -> None:
    for options in (
        {"output_logs": mode},
        {"output_logs": "full", "task_output_logs": {A: mode}},
    ):
        screen = Screen(log_order=order, **options).show(*events)
        assert (SHORT in screen.text()) == line
        assert ("a#build: text\n" in screen.text()) == text
        assert ("failed with exit code 1" in screen.errors()) == (events is FAILED)


def test_what_an_unfinished_task_wrote_is_shown_in_the_end() -> None:
    screen = Screen().show(started(), output(b"so far"))
    screen.reporter.close()
    assert screen.text() == "a#build: not finished\na#build: so far\n"


# --- the run -------------------------------------------------------------------------------------


def test_the_summary_counts_and_names_what_failed() -> None:
    screen = Screen(output_logs="none")
    for number in range(9):
        screen.show(finished(TaskId(f"t{number}#x"), "stood" if number else "restored", saved=4.5))
    screen.show(finished(TaskId("c#x"), flaky=True), finished(TaskId("d#x")))
    screen.show(finished(TaskId("long-name#x"), code=3), finished(TaskId("e#x"), code=137))
    screen.show(finished(TaskId("s#x"), "skipped", None), finished(TaskId("p#x"), "passed", None))
    screen.show(finished(TaskId("k#x"), code=143, cancelled=True))
    screen.show(run_finished(3))
    assert screen.text() == (
        " failed:\n"
        "   long-name#x  exit code 3\n"
        "   e#x          exit code 137 (SIGKILL)\n"
        " flaky, failed at first and then succeeded:\n"
        "   c#x\n"
        " 15 tasks: 9 restored, 2 run, 2 failed, 1 skipped, 1 cancelled   in 1.24s (saved 40s)\n"
    )


def test_a_good_run_ends_with_one_line_apart_from_the_rest() -> None:
    screen = Screen().show(*RAN, run_finished())
    assert screen.text().endswith("text\n\n 1 task: 0 restored, 1 run, 0 failed   in 1.24s\n")


def test_an_interrupted_run_says_so() -> None:
    screen = Screen().show(run_finished(130, interrupted=signal.SIGINT))
    assert "interrupted by SIGINT" in screen.errors()


def test_a_warning_is_said_once_on_standard_error() -> None:
    screen = Screen()
    for _ in range(2):
        screen.show(
            WarningRaised("cache tier 'team' is left out"),
            WarningRaised("the output pattern 'dist/**' of a#build matched nothing", A),
            WarningRaised("matched nothing", B),
        )
    assert screen.text() == ""
    assert screen.errors() == (
        "warning: cache tier 'team' is left out\n"
        "warning: the output pattern 'dist/**' of a#build matched nothing\n"
        "warning: b#test: matched nothing\n"
    )


def test_waits_and_the_start_are_told_only_where_more_is_asked_for() -> None:
    events = [
        RunStarted("r", "s", (A, B), 2, 4, 0.0),
        TaskWaited(A, "2 of 4 slots needed, 0 free"),
        PluginEvent("unknown"),
    ]
    assert Screen().show(*events).text() == ""
    assert Screen(verbosity=1).show(*events).text() == (
        " 2 tasks in 2 packages, 4 at a time\na#build: waits: 2 of 4 slots needed, 0 free\n"
    )


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0.004, "0.00s"),
        (1.236, "1.24s"),
        (41.4, "41s"),
        (59.7, "1m 00s"),
        (125, "2m 05s"),
        (3720, "1h 02m"),
    ],
)
def test_durations_read_as_people_say_them(duration, text) -> None:
    assert seconds(duration) == text


def test_github_actions_can_fold_the_output_of_what_went_well() -> None:
    screen = Screen(environ={"GITHUB_ACTIONS": "true"}).show(*hit(), *FAILED)
    assert screen.text() == (
        f"::group::a#build: hit (disk), replaying log {SHORT}\n"
        "a#build: log\n"
        "::endgroup::\n"
        f"a#build: miss: input src/a.py changed {SHORT}\n"
        "a#build: text\n"
    )
    assert "::" not in Screen(environ={"GITHUB_ACTIONS": "true"}).show(finished(A, "stood")).text()
    streamed = Screen(environ={"GITHUB_ACTIONS": "true"}, log_order="stream").show(*RAN)
    assert "::" not in streamed.text()


# --- colour --------------------------------------------------------------------------------------


class TerminalStream(io.BytesIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("color", "environ", "terminal", "colored"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "", "FORCE_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("auto", {"CI": "true"}, False, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_is_used_where_it_is_wanted(color, environ, terminal, colored) -> None:
    out = TerminalStream() if terminal else io.BytesIO()
    error = TerminalStream() if terminal else io.BytesIO()
    reporter = Reporter(ReporterOptions(color=color, environ=environ, stdout=out, stderr=error))
    for event in (*FAILED, *HIT, WarningRaised("odd")):
        reporter.handle(event)
    reporter.close()
    assert (b"\x1b[" in out.getvalue()) == colored
    assert (b"\x1b[" in error.getvalue()) == colored
    assert b"text\n" in out.getvalue()


# --- whoever reads -------------------------------------------------------------------------------


def test_a_reader_that_has_gone_is_told_once_and_never_raises() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    told: list[bool] = []
    error = io.BytesIO()
    reporter = Reporter(
        ReporterOptions(stdout=writer, stderr=error, on_broken=lambda: told.append(True))
    )
    for event in (*RAN, *HIT, WarningRaised("ended"), *FAILED, run_finished(interrupted=13)):
        reporter.handle(event)
    reporter.close()
    os.close(writer)
    assert told == [True]
    assert reporter.broken
    assert error.getvalue() == b""


def test_output_that_cannot_be_written_is_named() -> None:
    error = io.BytesIO()
    told: list[bool] = []
    with open("/dev/full", "wb", buffering=0) as full:
        reporter = Reporter(
            ReporterOptions(stdout=full.fileno(), stderr=error, on_broken=lambda: told.append(True))
        )
        for event in (*RAN, *RAN, run_finished()):
            reporter.handle(event)
        reporter.close()
    assert error.getvalue() == (
        b"warning: standard output cannot be written: No space left on device\n"
    )
    assert told == [True]
    assert not reporter.broken
    assert reporter.fault is not None
    assert reporter.fault.errno == errno.ENOSPC


def test_a_pipe_that_somebody_set_not_to_block_loses_nothing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received = bytearray()

    def read() -> None:
        # Not before the pipe is full and nothing more can be written.
        while select.select([], [writer], [], 0)[1]:
            pass
        while data := os.read(reader, 4096):
            received.extend(data)

    thread = threading.Thread(target=read)
    reporter = Reporter(ReporterOptions(stdout=writer, log_prefix="none"))
    thread.start()
    data = bytes(range(256)) * 8192
    for event in (started(), output(data), finished()):
        reporter.handle(event)
    reporter.close()
    os.close(writer)
    thread.join()
    os.close(reader)
    assert data in received


def test_a_reader_that_goes_early_sees_no_traceback() -> None:
    program = """
        import sys
        from bao_core.builtins.reporter import Reporter, ReporterOptions
        from bao_core.events import TaskFinished
        reporter = Reporter(ReporterOptions(on_broken=lambda: None))
        number = 0
        while not reporter.broken:
            number += 1
            reporter.handle(TaskFinished(f"t{number}#x", "s", "p", "executed", 0, 0.0))
            reporter.handle(TaskFinished(f"t{number}#x", "s", "p", "restored", 0, 0.0))
        reporter.close()
        sys.exit(128 + 13)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"t1#x: hit, replaying log\n"
    process.stdout.close()
    assert process.wait(20) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


# --- cost ----------------------------------------------------------------------------------------


def test_a_thousand_hits_are_written_in_few_pieces_and_little_time() -> None:
    class Count:
        writes = 0
        size = 0

        def write(self, data: bytes) -> None:
            self.writes += 1
            self.size += len(data)

    events = [
        event for number in range(1000) for event in hit(TaskId(f"package-{number}#build"), "stood")
    ]
    best = 1.0
    for _ in range(5):
        count = Count()
        reporter = Reporter(ReporterOptions(stdout=count))
        before = time.perf_counter()
        for event in events:
            reporter.handle(event)  # type: ignore[arg-type]
        reporter.handle(run_finished())
        best = min(best, time.perf_counter() - before)
        assert count.writes < 10
        assert count.size > 1000 * 50
    # Some 8 ms on a slow machine; the bound leaves room for a busy one.
    assert best < 0.05


def test_importing_the_reporter_imports_nothing_heavy() -> None:
    program = "import sys, bao_core.builtins.reporter; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    heavy = {"subprocess", "json", "tempfile", "logging", "rich", "typer", "dataclasses", "shutil"}
    assert not heavy & set(done.stdout.decode().split())
