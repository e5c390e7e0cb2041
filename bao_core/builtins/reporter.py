"""The plain reporter: tells people what happens in a run, line by line.

Lines about tasks, their output and the summary go to standard output; warnings, and the tasks that
failed, to standard error.
"""

from __future__ import annotations

from time import monotonic
from typing import ClassVar, Literal

from msgspec import Struct, field

from bao_core.builtins import report_text as text
from bao_core.builtins.output_stream import OutputStream
from bao_core.builtins.report_text import one_line
from bao_core.builtins.task_lines import TaskLines, encoded
from bao_core.events import (
    NoteAdded,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskStarted,
    TaskWaited,
    WarningRaised,
)
from bao_core.interfaces.events import EventSink
from bao_core.task_log import TaskLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bao_core.events import Event
    from bao_core.model import Reason, SupportsWrite, TaskId

OutputLogs = Literal["full", "hash-only", "new-only", "errors-only", "none"]
"""Whose output is shown: everybody's, nobody's, that of misses, of failures; `none` shows nothing
of a task at all unless it fails."""

GATHER_TIME = 0.05
"""Seconds for which lines about hits may be gathered before they are written."""

RED, GREEN, YELLOW, DIM = "31", "32", "33", "2"


class ReporterOptions(Struct, frozen=True):
    """How a run is reported.

    Attributes:
        output_logs: Whose output is shown.
        task_output_logs: The same for single tasks, which goes before.
        log_order: `grouped` shows a task's output in one piece when it is done, `stream` line by
            line as it comes.
        log_prefix: Whether each line of output begins with the task's id.
        color: `always`, `never`, or `auto`.
        verbosity: From 1 on whole keys, all reasons and what tasks wait for.
        environ: Where `NO_COLOR`, `FORCE_COLOR` and `GITHUB_ACTIONS` are looked up.
        stdout, stderr: Descriptors, or something that takes bytes.
        log_directory: Where long output is kept until it is shown; need not exist.
        on_broken: Called once when standard output cannot be written to any more, as when whoever
            read it has gone; `Reporter.broken` tells the two apart.
    """

    output_logs: OutputLogs = "full"
    task_output_logs: Mapping[TaskId, OutputLogs] = field(default_factory=dict)
    log_order: Literal["stream", "grouped"] = "grouped"
    log_prefix: Literal["task", "none"] = "task"
    color: Literal["auto", "always", "never"] = "auto"
    verbosity: int = 0
    environ: Mapping[str, str] = field(default_factory=dict)
    stdout: SupportsWrite | int = 1
    stderr: SupportsWrite | int = 2
    log_directory: str = "/tmp"  # noqa: S108 - of use only to tests; the session names its own
    on_broken: Callable[[], None] | None = None


class _Shown:
    """What is known of a task that has not ended yet."""

    __slots__ = ("line", "log", "mode", "reasons", "started")

    def __init__(self, mode: OutputLogs) -> None:
        self.mode = mode
        self.started = False
        self.reasons: tuple[Reason, ...] = ()
        self.log: TaskLog | None = None
        self.line: TaskLog | None = None


class Reporter(EventSink):
    """Shows a run to people. Handles one event at a time, as the bus hands them out."""

    name: ClassVar[str] = "plain"

    def __init__(self, options: ReporterOptions) -> None:
        self._options = options
        self._out = OutputStream(options.stdout)
        self._error = OutputStream(options.stderr)
        self._lines = TaskLines(
            self._out,
            color=self._out.wants_color(options.color, options.environ),
            prefix_output=options.log_prefix == "task",
            log_directory=options.log_directory,
        )
        self._error_color = self._error.wants_color(options.color, options.environ)
        self._verbose = options.verbosity > 0
        self._stream = options.log_order == "stream"
        self._groups = not self._stream and options.environ.get("GITHUB_ACTIONS") == "true"
        self._shown: dict[TaskId, _Shown] = {}
        self._tally = text.Tally()
        self._warned: set[str] = set()
        self._written_at = monotonic()
        self._told_fault = False
        self._handlers: dict[type, Callable[..., None]] = {
            RunStarted: self._run_started,
            TaskStarted: self._task_started,
            TaskOutput: self._task_output,
            TaskWaited: self._task_waited,
            TaskFinished: self._task_finished,
            WarningRaised: self._warning_raised,
            NoteAdded: self._note_added,
            RunFinished: self._run_finished,
        }

    @property
    def fault(self) -> OSError | None:
        """Why standard output could not be written; None if it could."""
        return self._out.fault

    @property
    def broken(self) -> bool:
        """Whether whoever read standard output has gone. bao then ends as by SIGPIPE, with 141."""
        return self._out.broken

    def handle(self, event: Event) -> None:
        """Tell of one event."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def flush(self) -> None:
        """Write what was gathered: before a wait of unknown length, for example."""
        self._out.flush()
        self._written_at = monotonic()
        if self._out.fault is not None and not self._told_fault:
            self._told_fault = True
            if not self._out.broken:
                self._complain(f"standard output cannot be written: {self._out.fault.strerror}")
            if self._options.on_broken is not None:
                self._options.on_broken()

    def close(self) -> None:
        """Show what unfinished tasks have written, and write everything out."""
        for task_id, shown in self._shown.items():
            if shown.log is not None:
                self._lines.say(task_id, "not finished", YELLOW)
            self._show_output(task_id, shown)
        self._shown.clear()
        self.flush()

    # --- events ------------------------------------------------------------------------------

    def _run_started(self, event: RunStarted) -> None:
        if self._verbose:
            tasks, packages = len(event.tasks), event.packages
            self._out.add(
                f" {tasks} tasks in {packages} packages, {event.concurrency} at a time\n".encode()
            )
            self.flush()

    def _task_started(self, event: TaskStarted) -> None:
        shown = self._shown_of(event.id)
        shown.reasons = event.reasons
        if self._stream and not shown.started and shown.mode not in {"errors-only", "none"}:
            why = text.why_executed(event.reasons, verbose=self._verbose)
            self._lines.say(event.id, f"{why}{self._key(event)}", YELLOW)
        shown.started = True
        self.flush()

    def _task_output(self, event: TaskOutput) -> None:
        shown = self._shown_of(event.id)
        mode = shown.mode
        if mode in {"hash-only", "none"} or (event.replayed and mode != "full"):
            return
        # A replayed log waits for the line that says where it comes from.
        if self._stream and mode != "errors-only" and not event.replayed:
            shown.line = self._lines.show_complete(event.id, shown.line, event.data)
            self.flush()
            return
        if shown.log is None:
            shown.log = TaskLog(self._options.log_directory)
        shown.log.write(event.data)

    def _task_waited(self, event: TaskWaited) -> None:
        if self._verbose:
            self._lines.say(event.id, f"waits: {event.reason}", DIM)
            self.flush()

    def _task_finished(self, event: TaskFinished) -> None:
        self._tally.add(event)
        shown = self._shown.pop(event.id, None) or _Shown(self._mode(event.id))
        match event.outcome:
            case "restored" | "stood":
                self._hit(event, shown)
            case "executed":
                self._executed(event, shown)
                self.flush()
            case "skipped" if shown.mode not in {"errors-only", "none"}:
                why = text.in_short(event.reasons, verbose=self._verbose)
                self._lines.say(event.id, f"skipped: {why}" if why else "skipped", YELLOW)
        if monotonic() - self._written_at > GATHER_TIME:
            self.flush()

    def _warning_raised(self, event: WarningRaised) -> None:
        message = event.message
        if event.id is not None and event.id not in message:
            message = f"{event.id}: {message}"
        if message not in self._warned:
            self._warned.add(message)
            self._complain(message)

    def _note_added(self, event: NoteAdded) -> None:
        self._write_error("", event.message, DIM)

    def _run_finished(self, event: RunFinished) -> None:
        for line in text.summary(self._tally, event):
            if self._lines.said:
                self._out.add(b"\n")
                self._lines.said = False
            self._out.add(encoded(one_line(line)) + b"\n")
        self.flush()
        if event.interrupted:
            from signal import Signals

            self._complain(f"interrupted by {Signals(event.interrupted).name}")

    # --- tasks that have ended ---------------------------------------------------------------

    def _hit(self, event: TaskFinished, shown: _Shown) -> None:
        if shown.mode in {"errors-only", "none"}:
            return
        origin = text.hit(event.tier, replayed=shown.mode == "full")
        self._show_task(event, f"{origin}{self._key(event)}", GREEN, shown)

    def _executed(self, event: TaskFinished, shown: _Shown) -> None:
        failed = bool(event.exit_code)
        quiet = shown.mode == "none" or (shown.mode == "errors-only" and not failed)
        news = event.reasons[len(shown.reasons) :] if shown.started else event.reasons
        if not quiet:
            told = not shown.started or (self._stream and shown.mode != "errors-only")
            why = text.why_executed(shown.reasons, verbose=self._verbose)
            self._show_task(event, "" if told else f"{why}{self._key(event)}", YELLOW, shown)
        if failed:
            because = f": {text.in_short(news, verbose=True)}" if news else ""
            self._blame(event.id, f"{text.failure(event)}{because}")
        elif news and not quiet:
            because = text.in_short(news, verbose=self._verbose)
            self._lines.say(event.id, f"not stored: {because}", YELLOW)

    def _show_task(self, event: TaskFinished, line: str, color: str, shown: _Shown) -> None:
        """Show a line about a task, unless it is empty, and what was kept of its output."""
        # What failed stands in the open, not in a group that GitHub Actions folds away.
        folded = self._groups and shown.log is not None and not event.exit_code
        if folded:
            self._out.add(b"::group::")
        if line:
            self._lines.say(event.id, line, color)
        self._show_output(event.id, shown)
        if folded:
            self._out.add(b"::endgroup::\n")

    def _show_output(self, task_id: TaskId, shown: _Shown) -> None:
        """Show what was kept of a task's output."""
        for kept in (shown.log, shown.line):
            if kept is None:
                continue
            self._lines.show_whole(task_id, kept)
            if kept.fault is not None:
                lost = kept.fault.strerror
                self._complain(f"{task_id}: the rest of its output could not be kept: {lost}")
            kept.close()
        shown.log = shown.line = None

    # --- lines of bao's own ------------------------------------------------------------------

    def _key(self, event: TaskStarted | TaskFinished) -> str:
        return text.short_key(event.key, verbose=self._verbose)

    def _blame(self, task_id: TaskId, message: str) -> None:
        self._write_error(f"{one_line(task_id)}: ", message, RED)

    def _complain(self, message: str) -> None:
        self._write_error("", f"warning: {message}", YELLOW)

    def _write_error(self, subject: str, message: str, color: str) -> None:
        self.flush()
        if self._out.broken:
            # Whoever reads no more has seen enough, as with any command before a `head`.
            return
        message = one_line(message)
        if self._error_color:
            message = f"\x1b[{color}m{message}\x1b[0m"
        self._error.add(encoded(f"{subject}{message}\n"))
        self._error.flush()

    # --- which tasks are shown how -----------------------------------------------------------

    def _shown_of(self, task_id: TaskId) -> _Shown:
        shown = self._shown.get(task_id)
        if shown is None:
            shown = self._shown[task_id] = _Shown(self._mode(task_id))
        return shown

    def _mode(self, task_id: TaskId) -> OutputLogs:
        return self._options.task_output_logs.get(task_id, self._options.output_logs)
