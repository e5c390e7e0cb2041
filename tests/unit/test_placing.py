"""What the scheduler is told, however the tasks that are ready come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from bao_core.interfaces.executor import Executor, Worker
from bao_core.interfaces.scheduler import Placement, ReadyTask, Scheduler
from bao_core.model import Task, TaskDefinition, TaskGraph, TaskId
from bao_core.placing import Placing

if TYPE_CHECKING:
    from collections.abc import Sequence

TASKS = [TaskId(f"pkg-{number}#build") for number in range(12)]
GRAPH = TaskGraph(
    {
        task_id: Task(task_id, task_id.partition("#")[0], TaskDefinition("build", "true"))
        for task_id in TASKS
    }
)


class OneWorker:
    """An executor that always has room."""

    def workers(self) -> list[Worker]:
        return [Worker("local", "linux-x86_64", 1)]


class Listening(Scheduler):
    """Places nothing, and keeps what it is told."""

    name = "listening"

    def __init__(self) -> None:
        self.told: list[list[TaskId]] = []

    def next(self, ready: Sequence[ReadyTask], workers: Sequence[Worker]) -> Sequence[Placement]:
        del workers
        self.told.append([task.id for task in ready])
        return ()


@given(st.lists(st.sets(st.sampled_from(TASKS))))
def test_the_scheduler_is_told_of_exactly_the_tasks_that_are_ready_sorted_by_id(
    placeable: list[set[TaskId]],
) -> None:
    placing, scheduler = Placing(GRAPH, {}), Listening()
    for ready in placeable:
        placing.next(scheduler, cast("Executor", OneWorker()), ready, {})
    assert scheduler.told == [sorted(ready) for ready in placeable]
