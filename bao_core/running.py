"""A whole run: plan, key, look up, restore or execute, store, report."""

from __future__ import annotations

import os
import time

from msgspec import Struct

from bao_core.engine import Engine, Machinery
from bao_core.environment import task_environment
from bao_core.events import NoteAdded, RunFinished, RunStarted
from bao_core.outputs import remove_abandoned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.builtins.signals import Interrupts
    from bao_core.model import Package, Task, TaskFact, TaskGraph, TaskId
    from bao_core.session import RunOptions, Session
    from bao_core.tiers import CacheTiers
    from bao_core.workbench import Finished, Workbench


SIGINT = 2


class Trace(Struct, frozen=True):
    """The identity of a run, as W3C trace context names it.

    Attributes:
        run_id: 32 hexadecimal digits, those of the trace that bao itself is part of, if any.
        span: 16 hexadecimal digits.
    """

    run_id: str
    span: str

    @classmethod
    def begin(cls, environ: Mapping[str, str]) -> Trace:
        """A new span, in the trace that `TRACEPARENT` names or in a new one."""
        fields = environ.get("TRACEPARENT", "").split("-")
        inherited = len(fields) == 4 and len(fields[1]) == 32  # noqa: PLR2004 - the format's sizes
        return cls(fields[1] if inherited else os.urandom(16).hex(), os.urandom(8).hex())


class TaskEnvironments:
    """Makes the environments of the tasks of a run."""

    def __init__(self, session: Session, options: RunOptions, trace: Trace) -> None:
        config = session.config
        self._session = session
        self._trace = trace
        self._strict = (options.env_mode or config.env_mode) != "loose"
        self._global_env = config.global_env
        self._passed = config.global_pass_through_env

    def of(self, task: Task, span: str) -> dict[str, str]:
        """The whole environment of one task's command."""
        session = self._session
        package = session.workspace.packages[task.package]
        extra = dict(package.environment)
        for name, what in package.task_variables.items():
            extra[name] = self._told(what, task, package)
        extra["BAO_TASK"] = task.id
        extra["TRACEPARENT"] = f"00-{self._trace.run_id}-{span}-01"
        return task_environment(
            session.environ,
            declared=(*self._global_env, *task.definition.env),
            passed_through=(*self._passed, *task.definition.pass_through_env),
            strict=self._strict,
            bin_directories=[os.path.join(session.root, d) for d in package.bin_directories],
            extra=extra,
        )

    def _told(self, what: TaskFact, task: Task, package: Package) -> str:
        match what:
            case "task":
                return task.name
            case "command":
                command = task.definition.command or ""
                return command if isinstance(command, str) else " ".join(command)
            case "directory":
                return os.path.join(self._session.root, package.path).rstrip(os.sep)
            case "manifest":
                return os.path.join(self._session.root, package.manifest)


class Run:
    """One `bao run`."""

    def __init__(self, session: Session, options: RunOptions) -> None:
        self._session = session
        self._options = options
        self._trace = Trace.begin(session.environ)
        self._interrupts: Interrupts | None = None

    def run(self) -> int:
        """Take every task to its end; returns the exit code."""
        session, began = self._session, time.time()
        graph = session.plan_of(self._options)
        bench = session.bench(graph, self._options, self._trace)
        session.components.subscribe_sinks()
        session.bus.emit(self._started(graph, began))
        engine = Engine(
            graph,
            bench,
            machinery=lambda: self._machinery(engine),
            keep_going=self._options.keep_going,
            side_by_side=session.concurrency(self._options) > 1,
            phase=session.phase,
        )
        try:
            finished = engine.run()
        finally:
            if self._interrupts is not None:
                self._interrupts.__exit__()
            if session.save():
                bench.intents.saved()
        session.phase("run")
        code = self._exit_code(engine, finished)
        self._write_summary(graph, finished, bench, began, code)
        code = self._finish_uploads(bench.tiers) or code
        session.bus.emit(
            RunFinished(
                self._trace.run_id,
                self._trace.span,
                code,
                time.time(),
                time.time() - began,
                engine.interrupted,
            )
        )
        self._tidy(finished, bench)
        session.phase("end")
        return code

    def _finish_uploads(self, tiers: CacheTiers) -> int:
        """Wait for what is on its way to remote tiers; an exit code if the user does not want to.

        An interrupted run has abandoned it already.
        """
        remotes = tiers.remotes()
        try:
            tiers.finish()
        except KeyboardInterrupt:
            tiers.abandon()
            self._session.bus.warn("interrupted: uploads to remote cache tiers were given up")
            return 128 + SIGINT
        if self._options.verbosity:
            for remote in remotes:
                if remote.traffic() is not None:
                    self._session.bus.emit(NoteAdded(remote.account()))
        return 0

    def _started(self, graph: TaskGraph, began: float) -> RunStarted:
        return RunStarted(
            run_id=self._trace.run_id,
            span=self._trace.span,
            tasks=tuple(graph.tasks),
            packages=len({task.package for task in graph.tasks.values() if task.requested}),
            concurrency=self._session.concurrency(self._options),
            at=began,
        )

    def _machinery(self, engine: Engine) -> Machinery:
        """Made when the first task has to be executed; from then on, interrupts are handled."""
        from bao_core.builtins.signals import Interrupts

        session = self._session
        self._interrupts = interrupts = Interrupts(session.cancelled, on_signal=engine.interrupt)
        interrupts.__enter__()
        slots = session.concurrency(self._options)
        opened = session.components
        return Machinery(opened.executor(slots), opened.scheduler(), opened.gates(slots))

    @staticmethod
    def _exit_code(engine: Engine, finished: Mapping[TaskId, Finished]) -> int:
        if engine.interrupted:
            return 128 + engine.interrupted
        codes = [end.exit_code or 0 for end in finished.values() if not end.cancelled]
        return max(codes, default=0)

    def _write_summary(
        self,
        graph: TaskGraph,
        finished: Mapping[TaskId, Finished],
        bench: Workbench,
        began: float,
        code: int,
    ) -> None:
        path = self._options.summary
        if path is None:
            return
        from msgspec import json

        from bao_core.errors import UsageError
        from bao_core.forecast import summary_records
        from bao_core.records import Summary

        records = summary_records(graph, finished, bench, self._session.external)
        summary = Summary(exit_code=code, start=began, duration=time.time() - began, tasks=records)
        try:
            with open(path, "wb") as file:
                file.write(json.format(json.encode(summary), indent=2) + b"\n")
        except OSError as error:
            raise UsageError(
                f"the summary could not be written: {error.strerror}", where=path
            ) from error

    def _tidy(self, finished: Mapping[TaskId, Finished], bench: Workbench) -> None:
        """Give eviction its moment, once something was added."""
        if any(end.outcome == "executed" and end.stored for end in finished.values()):
            self._session.tiers.tidy()
            remove_abandoned(bench.files.root, bench.staging_dir)
