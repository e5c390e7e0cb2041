"""The loop over the graph: what is ready is answered from the cache, or placed, granted and run.

Decisions are made here, on the main thread, which also restores small hits while nobody reports.
All other work is done by `TaskRun` on threads of its own, which report back through one queue.
"""

from __future__ import annotations

from functools import cached_property, partial
from queue import SimpleQueue

from msgspec import Struct

from bao_core.cache_lookup import CacheLookup
from bao_core.errors import BaoError, GraphError
from bao_core.events import TaskOutput
from bao_core.interfaces.executor import Claim, Usage
from bao_core.model import Reason
from bao_core.reports import Reports
from bao_core.upstream import Upstream
from bao_core.workbench import GRACE, Finished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.admission import Admission
    from bao_core.crew import Crew
    from bao_core.explain import Explainer
    from bao_core.interfaces.executor import Executor
    from bao_core.interfaces.gate import Gate
    from bao_core.interfaces.scheduler import Scheduler
    from bao_core.keeper import Keeper
    from bao_core.model import CacheKey, Task, TaskGraph, TaskId
    from bao_core.placing import Placing
    from bao_core.restorer import Restorer
    from bao_core.task_keys import KeyedTask
    from bao_core.task_run import TaskRun
    from bao_core.tiers import Hit
    from bao_core.twin import Twin
    from bao_core.workbench import Workbench

UNSTORED_AT_ONCE = 128
"""Commands that have ended and are not stored, before no more is started: logs take memory."""

MANY_HITS = 128
"""Hits to be restored from which on a second process saves more time than its start takes."""


class Machinery(Struct):
    """What is needed only where something has to be executed.

    Attributes:
        gates: All of them must grant a task; a broken one is taken out.
    """

    executor: Executor
    scheduler: Scheduler
    gates: list[Gate]


class _Running(Struct):
    """A task that was placed: it waits for gates, or runs."""

    job: TaskRun
    admission: Admission | None = None
    started: bool = False
    exited: bool = False
    worker: str = ""

    def release(self, usage: Usage) -> None:
        """Let go of its share of the machine, of which it used this much."""
        if self.admission is not None:
            self.admission.release(usage)


class Engine:
    """Runs the tasks of one graph."""

    def __init__(
        self,
        graph: TaskGraph,
        bench: Workbench,
        *,
        machinery: Callable[[], Machinery],
        keep_going: str,
        side_by_side: bool = False,
        phase: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._graph = graph
        self._bench = bench
        self._prepare = machinery
        self._keep_going = keep_going
        self._side_by_side = side_by_side
        self._phase = phase
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._finished: dict[TaskId, Finished] = {}
        self._upstream = Upstream(graph, self._finished, bench.files.root)
        self._reports = Reports(bench.bus, bench.run_span)
        self._downstream: dict[TaskId, list[TaskId]] = {}
        self._unfinished_upstream: dict[TaskId, int] = {}
        self._keyed: dict[TaskId, KeyedTask] = {}
        self._lookup = CacheLookup(
            bench, lambda key, hit: self._inbox.put(partial(self._heard, key, hit))
        )
        self._awaiting: dict[CacheKey, TaskId] = {}
        self._placeable: dict[TaskId, TaskRun] = {}
        self._ran_above: set[TaskId] = set()
        self._running: dict[TaskId, _Running] = {}
        self._stopping: Reason | None = None
        self._unstored: set[TaskId] = set()
        self.interrupted = 0

    # --- the main path -----------------------------------------------------------------------

    def run(self) -> dict[TaskId, Finished]:
        """Take every task to its end; how each ended, in the order in which they did."""
        self._keyed = self._bench.keys.keys_known_now()
        self._phase("keys")
        twin: Twin | None = None
        if self._bench.look_up:
            self._lookup.begin(self._graph.tasks, self._keyed, self._phase)
            many = self._lookup.found >= MANY_HITS and self._bench.tiers.are_forkable()
            if many and self._side_by_side:
                twin = self._restorer.fork_twin(self._job_of_twin)
        try:
            self._settle(self._initially_ready())
            self._take_to_the_end()
        finally:
            if twin is not None:
                twin.close()
        return self._finished

    def _take_to_the_end(self) -> None:
        while self._unstored or len(self._finished) < len(self._graph.tasks):
            if self._stopping is not None:
                self._settle([])
            else:
                self._place()
                self._restore()
            if self._restorer.has_small and self._inbox.empty():
                self._restorer.restore_small()
            elif self._running or self._awaiting or self._unstored:
                if self._unstored and self._waits_for_storing():
                    self._keeper.hurry()
                self._inbox.get()()
            elif len(self._finished) < len(self._graph.tasks):
                name = self._machinery.scheduler.name
                raise GraphError(
                    f"scheduler '{name}' starts no task, though some could be started",
                    hint="choose another with `scheduler` in bao.toml",
                )

    def _waits_for_storing(self) -> bool:
        idle = all(running.exited for running in self._running.values())
        return idle or len(self._unstored) >= UNSTORED_AT_ONCE

    def interrupt(self, signal_number: int) -> None:
        """End the run; at once if it was asked to before. Safe to call from any thread."""
        self._inbox.put(lambda: self._interrupted(signal_number))

    def _interrupted(self, signal_number: int) -> None:
        grace = 0.0 if self.interrupted else GRACE
        if not self.interrupted and self._running:
            count = len(self._running)
            what = "1 task, which has" if count == 1 else f"{count} tasks, which have"
            self._bench.bus.warn(
                f"interrupted: ending {what} {GRACE:g} s; interrupt again to end at once"
            )
        self.interrupted = self.interrupted or signal_number
        self._bench.tiers.abandon()
        self._stop(Reason("interrupted", "the run was interrupted"), grace)

    def _ended(self, finished: Finished) -> None:
        """A task has come to its end, but what it left may have to be stored."""
        task_id = finished.task.id
        job = self._running[task_id].job
        ready = self._release(finished)
        if job.has_left:
            self._unstored.add(task_id)
            self._reports.expect(task_id)
            self._keeper.add(finished.task, job)
        else:
            self._reports.add(finished)
        self._settle(ready)

    def _kept(self, finished: Finished) -> None:
        """What a task left is stored, as far as it may be."""
        self._unstored.remove(finished.task.id)
        self._finished[finished.task.id] = finished
        self._reports.add(finished)

    def _restored(self, job: TaskRun, finished: Finished | None) -> None:
        """A hit was restored; one that could not be is placed like any other miss."""
        if finished is not None:
            self._settle(self._conclude(finished))
            return
        self._running.pop(job.task_id, None)
        self._keyed[job.task_id].work_out()
        self._placeable[job.task_id] = job

    def _heard(self, key: CacheKey, hit: Hit | None) -> None:
        """A remote tier has answered; the task that waited for that goes on."""
        self._lookup.take(key, hit)
        if key in self._awaiting:
            self._settle([self._awaiting.pop(key)])

    def _crashed(self, error: BaseException) -> None:
        self._stop(Reason("bao-failed", "bao itself failed"))
        raise error

    def _initially_ready(self) -> list[TaskId]:
        ready = []
        for task in self._graph.tasks.values():
            self._unfinished_upstream[task.id] = len(task.upstream)
            for edge in task.upstream:
                self._downstream.setdefault(edge.id, []).append(task.id)
            if not task.upstream:
                ready.append(task.id)
        return ready

    # --- what becomes of a ready task ---------------------------------------------------------

    def _settle(self, ready: list[TaskId]) -> None:
        """Decide about ready tasks, and those that become ready by it, until work is needed."""
        pending = list(reversed(ready))
        if self._stopping is not None:
            pending.extend((*self._placeable, *self._awaiting.values()))
            pending.extend(self._restorer.withdraw())
            self._placeable.clear()
            self._awaiting.clear()
        while pending:
            task = self._graph.tasks[pending.pop()]
            try:
                finished = self._decide(task)
            except BaoError as error:
                finished = self._without_key(task, error)
            if finished is not None:
                pending.extend(reversed(self._conclude(finished)))

    def _decide(self, task: Task) -> Finished | None:
        """A task's end, if no work is needed; otherwise it is made ready, or awaits an answer.

        Raises:
            BaoError: It can have no key, such as for an input that cannot be read.
        """
        if (reason := self._why_skipped(task)) is not None:
            return Finished(task, "skipped", reasons=(reason,), tainted=True)
        keyed = self._key_of(task)
        taint = self._upstream.taint_of(task)
        if task.transit:
            return Finished(task, "passed", keyed=keyed, tainted=bool(taint), reasons=taint)
        if not taint and task.id in self._lookup.standing:
            return self._stood(task, keyed)
        if not taint and self._lookup.is_open(keyed.key):
            self._awaiting[keyed.key] = task.id
            return None
        hit = None if taint else self._lookup.hit(keyed.key)
        if hit is None:
            keyed.work_out()  # of what its inputs are before it runs
            reasons = taint or self._explainer.why_executed(task, keyed)
            self._placeable[task.id] = self._job(task, keyed, reasons=reasons, taint=taint)
        else:
            self._restorer.add(self._job(task, keyed, hit))
        return None

    def _without_key(self, task: Task, error: BaoError) -> Finished:
        self._bench.bus.warn(f"{task.id}: {error}", task.id)
        self._fail_run(task)
        reason = Reason("no-key", str(error))
        return Finished(task, "executed", error.exit_code, tainted=True, reasons=(reason,))

    def _why_skipped(self, task: Task) -> Reason | None:
        if self._stopping is not None:
            return self._stopping
        if self._keep_going == "always":
            return None
        for edge in task.upstream:
            upstream = self._finished[edge.id]
            if upstream.failed or upstream.outcome == "skipped":
                word = "failed" if upstream.failed else "was skipped"
                return Reason("upstream-failed", f"upstream {edge.id} {word}")
        return None

    def _key_of(self, task: Task) -> KeyedTask:
        """The task's key as of now: the known one, unless upstream work may have changed it."""
        known = self._keyed.get(task.id)
        upstream_ran = any(edge.id in self._ran_above for edge in task.upstream)
        if known is not None and not upstream_ran:
            return known
        keys, check = self._bench.keys, self._bench.check
        inputs = known.inputs if known is not None else keys.resolve(task)
        refreshed = check.refreshed(task, inputs) if upstream_ran else None
        followed = self._upstream.followed(task)
        if known is not None and refreshed is None and known.follows(followed):
            return known
        keyed = keys.key(task, refreshed or inputs, followed)
        if known is None or known.key != keyed.key:
            self._keyed[task.id] = keyed
            self._lookup.standing.pop(task.id, None)
            if self._lookup.may_ask(task):
                self._lookup.ask({task.id: keyed.key})
        return keyed

    def _stood(self, task: Task, keyed: KeyedTask) -> Finished:
        memory = self._bench.state.memory.tasks[task.id]
        if memory.log and self._bench.replay(task):
            self._bench.bus.emit(TaskOutput(task.id, memory.log, replayed=True))
        return Finished(
            task,
            "stood",
            0,
            keyed,
            memory.outputs,
            memory.stamps,
            tier=self._lookup.standing[task.id],
            stored=True,
            saved=memory.duration,
        )

    def _restore(self) -> None:
        for job in self._restorer.start():
            self._running[job.task_id] = _Running(job, started=True)

    def _job_of_twin(self, task_id: TaskId, key: CacheKey) -> TaskRun | None:
        keyed, hit = self._keyed.get(task_id), self._lookup.hit(key)
        if keyed is None or keyed.key != key or hit is None:
            return None
        return self._job(self._graph.tasks[task_id], keyed, hit)

    # --- what a run in which nothing changed does without -------------------------------------

    def _job(
        self,
        task: Task,
        keyed: KeyedTask,
        hit: Hit | None = None,
        *,
        reasons: tuple[Reason, ...] = (),
        taint: tuple[Reason, ...] = (),
    ) -> TaskRun:
        from bao_core.task_run import TaskRun

        return TaskRun(self._bench, task, keyed, hit=hit, reasons=reasons, taint=taint)

    def _admission(self, task_id: TaskId, claim: Claim) -> Admission:
        from bao_core.admission import Admission

        return Admission(task_id, claim, self._inbox.put, partial(self._admitted, task_id))

    @cached_property
    def _explainer(self) -> Explainer:
        from bao_core.explain import Explainer

        return Explainer(self._bench)

    @cached_property
    def _machinery(self) -> Machinery:
        return self._prepare()

    @cached_property
    def _placing(self) -> Placing:
        from bao_core.placing import Placing

        return Placing(self._graph, self._bench.state.memory.tasks)

    @cached_property
    def _keeper(self) -> Keeper:
        from bao_core.keeper import Keeper

        return Keeper(self._upstream.changes, self._inbox.put, self._kept, self._crashed)

    @cached_property
    def _restorer(self) -> Restorer:
        from bao_core.restorer import Restorer

        return Restorer(self._start, self._restored)

    @cached_property
    def _commands(self) -> Crew:
        from bao_core.crew import Crew

        return Crew()

    # --- placing -----------------------------------------------------------------------------

    def _place(self) -> None:
        left = len(self._unstored) + sum(running.exited for running in self._running.values())
        if not self._placeable or left >= UNSTORED_AT_ONCE:
            return
        machinery = self._machinery
        placed = {t: one.worker for t, one in self._running.items() if not one.exited}
        for placement in self._placing.next(
            machinery.scheduler, machinery.executor, self._placeable, placed
        ):
            job = self._placeable.pop(placement.id)
            self._running[placement.id] = _Running(job, worker=placement.worker)
            self._ask_gates(placement.id)

    def _ask_gates(self, task_id: TaskId) -> None:
        running = self._running[task_id]
        definition = self._graph.tasks[task_id].definition
        # A task that stays up would hold its slots for ever, and its downstream needs none of it.
        slots = 0 if definition.persistent else definition.weight
        mutex = "the terminal" if definition.interactive else definition.mutex
        running.admission = self._admission(task_id, Claim(task_id, slots, mutex))
        running.admission.ask(self._machinery.gates, self._bench.bus)

    def _admitted(self, task_id: TaskId) -> None:
        running = self._running.get(task_id)
        if running is None or running.started:
            return
        running.started = True
        executor = self._machinery.executor

        def execute() -> Callable[[], None]:
            finished = running.job.execute(
                executor, lambda usage: self._inbox.put(partial(self._exited, task_id, usage))
            )
            return partial(self._ended, finished)

        self._start(self._commands, execute)

    def _exited(self, task_id: TaskId, usage: Usage) -> None:
        """A command has ended: another may start, unless one waits for what this one left."""
        running, below = self._running.get(task_id), self._downstream.get(task_id, ())
        awaited = any(self._unfinished_upstream[other] == 1 for other in below)
        if running and not awaited and not self._graph.tasks[task_id].definition.mutex:
            running.exited = True
            running.release(usage)

    def _start(self, crew: Crew, work: Callable[[], Callable[[], None]]) -> None:
        """Have work done on another thread, and then what it returns on the main one."""

        def report() -> None:
            try:
                self._inbox.put(work())
            except BaseException as error:  # noqa: BLE001 - raised again on the main thread
                self._inbox.put(partial(self._crashed, error))

        crew.start(report)

    # --- ends --------------------------------------------------------------------------------

    def _conclude(self, finished: Finished) -> list[TaskId]:
        """Note and report a task's end; the tasks that are ready now."""
        ready = self._release(finished)
        self._reports.add(finished)
        return ready

    def _release(self, finished: Finished) -> list[TaskId]:
        """Note a task's end for those downstream of it; which of them are ready now."""
        task_id = finished.task.id
        running = self._running.pop(task_id, None)
        if running is not None:
            running.release(finished.usage)
        self._finished[task_id] = finished
        if finished.outcome == "executed" or any(
            edge.id in self._ran_above for edge in finished.task.upstream
        ):
            self._ran_above.add(task_id)
        if finished.failed and not finished.cancelled:
            self._fail_run(finished.task)
        ready = []
        for other in self._downstream.get(task_id, ()):
            self._unfinished_upstream[other] -= 1
            if self._unfinished_upstream[other] == 0:
                ready.append(other)
        return ready

    def _fail_run(self, task: Task) -> None:
        if self._keep_going == "never" and self._stopping is None:
            self._stop(Reason("run-failed", f"{task.id} failed"))

    def _stop(self, reason: Reason, grace: float = GRACE) -> None:
        """Start nothing more and end what runs."""
        if self._stopping is None:
            self._stopping = reason
        for task_id, running in tuple(self._running.items()):
            if running.started:
                running.job.cancel(grace)
                continue
            if running.admission is not None:
                running.admission.withdraw()
            del self._running[task_id]
            self._placeable[task_id] = running.job
