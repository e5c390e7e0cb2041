"""What the scheduler is told of the tasks that are ready, and whether its answer makes sense."""

from __future__ import annotations

from bisect import bisect_left, insort
from operator import attrgetter

from msgspec.structs import replace

from bao_core.errors import PluginError
from bao_core.interfaces.component import called
from bao_core.interfaces.scheduler import ReadyTask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bao_core.interfaces.executor import Executor, Worker
    from bao_core.interfaces.scheduler import Placement, Scheduler
    from bao_core.model import TaskGraph, TaskId
    from bao_core.state import TaskMemory

_id = attrgetter("id")


class Placing:
    """Asks the scheduler of one run. Used on the main thread.

    Args:
        graph: All tasks.
        memories: What is known of earlier executions.
    """

    def __init__(self, graph: TaskGraph, memories: Mapping[TaskId, TaskMemory]) -> None:
        self._graph = graph
        self._memories = memories
        self._sizes: dict[str, int] = {}
        self._ready: list[ReadyTask] = []
        self._listed: set[TaskId] = set()
        self._paths: dict[TaskId, float] = {}

    def next(
        self,
        scheduler: Scheduler,
        executor: Executor,
        placeable: Collection[TaskId],
        placed: Mapping[TaskId, str],
    ) -> Sequence[Placement]:
        """What starts now.

        Args:
            scheduler: Decides.
            executor: Has the workers.
            placeable: Tasks that are ready.
            placed: The worker of every task that was placed and has not ended.

        Raises:
            PluginError: The scheduler fails, or says what is no placement of a task that is ready.
        """
        workers = self._workers(executor, placed)
        if not any(worker.free_slots for worker in workers):
            return ()
        self._bring_up_to_date(placeable)
        try:
            placements = tuple(scheduler.next(tuple(self._ready), workers))
            unknown = {placement.id for placement in placements}.difference(placeable)
        except Exception as error:
            raise PluginError(
                f"scheduler {called(scheduler)} failed: {type(error).__name__}: {error}",
                hint="choose another with `scheduler` in bao.toml",
            ) from error
        if unknown or len(placements) > len({placement.id for placement in placements}):
            raise PluginError(
                f"scheduler {called(scheduler)} placed what was not ready, or one task twice",
                hint="choose another with `scheduler` in bao.toml",
            )
        return placements

    def _bring_up_to_date(self, placeable: Collection[TaskId]) -> None:
        """Have exactly these tasks in `_ready`, by id. Of a thousand, one or two have changed."""
        for task_id in self._listed.difference(placeable):
            del self._ready[bisect_left(self._ready, task_id, key=_id)]
        for task_id in set(placeable) - self._listed:
            insort(self._ready, self._ready_task(task_id), key=_id)
        self._listed = set(placeable)

    def _ready_task(self, task_id: TaskId) -> ReadyTask:
        definition = self._graph.tasks[task_id].definition
        path = self._critical_path(task_id)
        return ReadyTask(task_id, definition.weight, definition.mutex, path)

    def _workers(self, executor: Executor, placed: Mapping[TaskId, str]) -> list[Worker]:
        """Where there is room, counting what was placed there and has not started yet."""
        taken: dict[str, int] = {}
        for task_id, worker_id in placed.items():
            weight = self._graph.tasks[task_id].definition.weight
            taken[worker_id] = taken.get(worker_id, 0) + weight
        workers = []
        for worker in executor.workers():
            size = max(self._sizes.get(worker.id, 0), worker.free_slots)
            self._sizes[worker.id] = size
            free = min(worker.free_slots, size - taken.get(worker.id, 0))
            workers.append(replace(worker, free_slots=max(0, free)))
        return workers

    def _critical_path(self, task_id: TaskId) -> float:
        """Seconds from the task's start to the end of the longest chain of tasks below it."""
        if not self._paths:
            below = dict.fromkeys(self._graph.tasks, 0.0)
            for task in reversed(self._graph.tasks.values()):
                memory = self._memories.get(task.id)
                own = 0.0 if task.transit else memory.duration if memory is not None else 1.0
                self._paths[task.id] = path = own + below[task.id]
                for edge in task.upstream:
                    below[edge.id] = max(below[edge.id], path)
        return self._paths[task_id]
