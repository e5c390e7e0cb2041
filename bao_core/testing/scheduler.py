"""What a scheduler promises: `SchedulerSuite`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bao_core.interfaces.executor import Worker
from bao_core.interfaces.scheduler import Placement, ReadyTask
from bao_core.model import TaskId
from bao_core.testing.component import ComponentSuite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bao_core.interfaces.scheduler import Scheduler
    from bao_core.testing.component import Opener

_tasks = st.lists(
    st.tuples(
        st.integers(0, 40).map(lambda number: TaskId(f"p{number:02}#build")),
        st.integers(0, 6),
        st.sampled_from(("", "", "", "database", "port")),
        st.floats(0, 1_000),
    ).map(lambda fields: ReadyTask(*fields)),
    max_size=25,
    unique_by=lambda task: task.id,
).map(lambda tasks: tuple(sorted(tasks, key=lambda task: task.id)))

_workers = st.lists(st.integers(1, 8), min_size=1, max_size=4).map(
    lambda slots: tuple(Worker(f"w{n}", "linux-x86_64", free) for n, free in enumerate(slots))
)

PHASES = (Phase.generate, Phase.shrink)
"""What is done: questions made up, and the smallest one found that is answered wrongly."""


def _examples(test: Callable[..., None]) -> Callable[..., None]:
    """Have a test run with many questions."""
    return settings(
        max_examples=60,
        deadline=None,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )(test)


class SchedulerSuite(ComponentSuite):
    """The promises of `bao_core.interfaces.scheduler.Scheduler`."""

    def test_it_places_ready_tasks_on_workers_that_are_there_each_at_most_once(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        @_examples
        @given(ready=_tasks, workers=_workers)
        def check(ready: Sequence[ReadyTask], workers: Sequence[Worker]) -> None:
            placements = _next(open_at(tmp_path), ready, workers)
            placed = [placement.id for placement in placements]
            assert len(placed) == len(set(placed))
            assert set(placed) <= {task.id for task in ready}
            assert {p.worker for p in placements} <= {worker.id for worker in workers}

        check()

    def test_where_nothing_is_ready_or_nobody_has_room_it_waits(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        scheduler = open_at(tmp_path)
        one = ReadyTask(TaskId("a#build"))
        assert list(scheduler.next((), (Worker("w", "linux-x86_64", 4),))) == []
        assert list(scheduler.next((one,), ())) == []
        assert list(scheduler.next((one,), (Worker("w", "linux-x86_64", 0),))) == []

    def test_where_nothing_runs_it_places_something_however_heavy(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        @_examples
        @given(ready=_tasks.filter(bool), workers=_workers)
        def check(ready: Sequence[ReadyTask], workers: Sequence[Worker]) -> None:
            assert _next(open_at(tmp_path), ready, workers)

        check()
        heavy = ReadyTask(TaskId("heavy#build"), slots=1_000)
        assert _next(open_at(tmp_path), (heavy,), (Worker("w", "linux-x86_64", 1),))

    def test_tasks_with_one_mutex_are_not_placed_together(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        @_examples
        @given(ready=_tasks, workers=_workers)
        def check(ready: Sequence[ReadyTask], workers: Sequence[Worker]) -> None:
            placed = {placement.id for placement in _next(open_at(tmp_path), ready, workers)}
            words = [task.mutex for task in ready if task.mutex and task.id in placed]
            assert len(words) == len(set(words))

        check()

    def test_it_changes_nothing_of_what_it_is_given(self, open_at: Opener, tmp_path: Path) -> None:
        ready = [ReadyTask(TaskId(f"p{n}#build"), critical_path=n % 3) for n in range(9)]
        workers = [Worker("w0", "linux-x86_64", 2), Worker("w1", "linux-x86_64", 2)]
        before = list(ready), list(workers)
        open_at(tmp_path).next(ready, workers)
        assert (ready, workers) == before

    def test_the_same_question_has_the_same_answer(self, open_at: Opener, tmp_path: Path) -> None:
        @_examples
        @given(ready=_tasks, workers=_workers)
        def check(ready: Sequence[ReadyTask], workers: Sequence[Worker]) -> None:
            first, second = open_at(tmp_path), open_at(tmp_path)
            assert _next(first, ready, workers) == _next(second, ready, workers)

        check()

    def test_in_a_run_every_task_is_placed_exactly_once(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        @_examples
        @given(tasks=_tasks, workers=_workers, patience=st.integers(1, 3))
        def check(tasks: Sequence[ReadyTask], workers: Sequence[Worker], patience: int) -> None:
            scheduler = open_at(tmp_path)
            waiting = {task.id: task for task in tasks}
            running: dict[TaskId, tuple[ReadyTask, str]] = {}
            while waiting or running:
                ready = [task for task in waiting.values() if _may_start(task, running)]
                for placement in scheduler.next(ready, _room(workers, running)):
                    running[placement.id] = waiting.pop(placement.id), placement.worker
                assert running, f"nothing runs, nothing is placed, and {len(waiting)} wait"
                for task_id in sorted(running)[:patience]:
                    del running[task_id]

        check()


def _next(scheduler: Scheduler, ready: Any, workers: Any) -> list[Placement]:
    placements = list(scheduler.next(ready, workers))
    assert all(isinstance(placement, Placement) for placement in placements)
    return placements


def _may_start(task: ReadyTask, running: dict[TaskId, tuple[ReadyTask, str]]) -> bool:
    return not task.mutex or all(other.mutex != task.mutex for other, _ in running.values())


def _room(workers: Sequence[Worker], running: dict[TaskId, tuple[ReadyTask, str]]) -> list[Worker]:
    """The workers with the slots that the running tasks leave them."""
    taken = {worker.id: 0 for worker in workers}
    for task, worker in running.values():
        taken[worker] += max(1, task.slots)
    left = [
        Worker(worker.id, worker.platform, worker.free_slots - taken[worker.id])
        for worker in workers
    ]
    return [worker for worker in left if worker.free_slots > 0]
