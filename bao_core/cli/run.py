"""`bao run`: what the option table read becomes what the session is asked for."""

from __future__ import annotations

import os
from typing import cast

from bao_core.cli.opening import opened, selecting
from bao_core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bao_core.builtins.reporter import Reporter
    from bao_core.cli.options import Invocation, OutputLogs, RunArguments
    from bao_core.cli.terminal import Terminal
    from bao_core.events import Event, Sink
    from bao_core.model import TaskId
    from bao_core.records import TaskRecord
    from bao_core.session import RunOptions, Session


_BROKEN_PIPE = 141
"""128 + SIGPIPE: what a shell says of a program that writes to nobody."""


class _Relay:
    """Hands events to the terminal until there is a reporter."""

    name = "reporter"

    def __init__(self, target: Sink) -> None:
        self.target = target

    def handle(self, event: Event) -> None:
        self.target.handle(event)


def run(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Run tasks, or say what would be run; returns the exit code."""
    arguments: RunArguments = invocation.arguments
    sink = _Relay(terminal)
    with opened(invocation, environ, sink) as session:
        if not arguments.tasks:
            raise _no_task(session)
        session.files.verify_ahead()
        options = _run_options(arguments, invocation)
        if arguments.dry_run is None:
            return _run(session, options, sink, _reporter(session, invocation))
        records = session.dry_run(options)
    if arguments.dry_run == "json":
        terminal.json({"version": 1, "tasks": records})
    else:
        _print_plan(records, terminal)
    return 0


def _run_options(arguments: RunArguments, invocation: Invocation) -> RunOptions:
    from bao_core.session import RunOptions

    summary = arguments.summary
    if summary is not None:
        summary = os.path.abspath(os.path.join(invocation.directory or "", summary))
    return RunOptions(
        tasks=arguments.tasks,
        arguments=arguments.arguments,
        selecting=selecting(arguments),
        cache=not arguments.no_cache,
        force=arguments.force,
        remote=arguments.remote,
        only=arguments.only,
        concurrency=arguments.concurrency,
        keep_going=arguments.keep_going,
        output_logs=arguments.output_logs,
        log_order=arguments.log_order,
        log_prefix=arguments.log_prefix,
        env_mode=arguments.env_mode,
        summary=summary,
        verbosity=invocation.verbosity,
    )


def _run(session: Session, options: RunOptions, sink: _Relay, reporter: Reporter) -> int:
    sink.target = reporter
    try:
        code = session.run(options)
    finally:
        reporter.close()
    return _BROKEN_PIPE if reporter.broken else code


def _reporter(session: Session, invocation: Invocation) -> Reporter:
    """The reporter, which can only be made once the configuration is known."""
    from bao_core.builtins.reporter import Reporter, ReporterOptions

    arguments: RunArguments = invocation.arguments
    given = arguments.output_logs
    return Reporter(
        ReporterOptions(
            output_logs=given or cast("OutputLogs", session.config.output_logs or "full"),
            task_output_logs={} if given else _configured_output_logs(session),
            log_order=arguments.log_order,
            log_prefix=arguments.log_prefix,
            color=invocation.color,
            verbosity=invocation.verbosity,
            environ=session.environ,
            log_directory=os.path.join(session.state_dir, "logs"),
            on_broken=_end_tasks,
        )
    )


def _configured_output_logs(session: Session) -> dict[TaskId, OutputLogs]:
    """Whose output the definitions of tasks want shown, where they say so."""
    return {
        cast("TaskId", f"{package}#{task}"): cast("OutputLogs", definition.output_logs)
        for package, definitions in session.definitions.items()
        for task, definition in definitions.items()
        if definition.output_logs
    }


def _end_tasks() -> None:
    """Whoever read the output has gone: end what still runs, as a SIGTERM would.

    Where nothing was started yet, nobody handles that signal, and the run is over soon enough.
    """
    import signal
    from threading import main_thread

    if callable(signal.getsignal(signal.SIGTERM)) and (thread := main_thread().ident):
        # To the thread that handles signals: on any other it would not wake that one up.
        signal.pthread_kill(thread, signal.SIGTERM)


def _no_task(session: Session) -> UsageError:
    from bao_core.cli.ls import task_names

    names = task_names(session)
    if not names:
        return UsageError(
            "no task is named, and no package has any",
            hint='give one a command in bao.toml, such as: [tasks.build] command = "make"',
        )
    return UsageError(
        f"no task is named (possible: {', '.join(names)})", hint=f"such as: bao run {names[0]}"
    )


def _print_plan(records: Sequence[TaskRecord], terminal: Terminal) -> None:
    """One task a line, with what would become of it and why."""
    from bao_core.cli.terminal import BOLD, DIM, shown

    if not records:
        terminal.note("nothing to do: no package is selected that has these tasks")
    for record in records:
        answer = record.cache if record.tier is None else f"{record.cache} ({record.tier})"
        if record.command is None:
            answer = "transit"
        key = "" if record.key is None else terminal.style(f"  {record.key[:12]}", DIM)
        terminal.line(f"{terminal.style(shown(record.id), BOLD)}  {answer}{key}")
        command = record.command
        if command is not None:
            words = command if isinstance(command, str) else " ".join(command)
            terminal.line(f"    {shown(record.directory)}$ {shown(words)}")
        for reason in record.why:
            terminal.line(terminal.style(f"    {shown(reason)}", DIM))
