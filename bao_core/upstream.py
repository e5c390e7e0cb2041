"""What counts of the tasks upstream of one: their keys, what they produced, their taint."""

from __future__ import annotations

from bao_core.digests import hash_text
from bao_core.model import Reason
from bao_core.outputs.stamps import stamps_equal
from bao_core.task_keys import effective_follow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bao_core.model import Task, TaskGraph, TaskId
    from bao_core.workbench import Finished


class Upstream:
    """The finished tasks of a run, as those downstream of them see them.

    Args:
        graph: All tasks.
        finished: Those that came to their end; it grows as they do.
        root: The workspace's root directory.
    """

    def __init__(self, graph: TaskGraph, finished: Mapping[TaskId, Finished], root: str) -> None:
        self._graph = graph
        self._root = root
        self._finished = finished
        self._produced: dict[TaskId, str] = {}

    def taint_of(self, task: Task) -> tuple[Reason, ...]:
        """Why nothing that is built on what lies above a task may be stored; empty normally."""
        reasons = []
        for edge in task.upstream:
            upstream = self._finished[edge.id]
            if upstream.failed:
                reasons.append(Reason("upstream-failed", f"upstream {edge.id} failed"))
            elif upstream.tainted:
                text = f"upstream {edge.id} changed under it, or something above it did"
                reasons.append(Reason("upstream-tainted", text))
        return tuple(reasons)

    def followed(self, task: Task) -> dict[TaskId, str]:
        """What a task's key holds of each task upstream of it."""
        followed: dict[TaskId, str] = {}
        for edge in task.upstream:
            match effective_follow(edge, self._graph):
                case "none":
                    continue
                case "outputs":
                    followed[edge.id] = self._produced_by(edge.id)
                case "key":
                    keyed = self._finished[edge.id].keyed
                    followed[edge.id] = keyed.key if keyed is not None else "none"
        return followed

    def changes(self, tasks: Sequence[Task]) -> dict[TaskId, tuple[Reason, ...]]:
        """Which of some tasks have outputs above them that were touched since they were made.

        Each of these is looked at once, however many of the tasks lie below it. From any thread.
        """
        touched = {
            task_id
            for task_id in self._above(tasks)
            if not stamps_equal(self._root, self._finished[task_id].stamps)
        }
        if not touched:
            return {}
        return {
            task.id: tuple(map(_touched, sorted(touched.intersection(self._above([task])))))
            for task in tasks
        }

    def _above(self, tasks: Iterable[Task]) -> set[TaskId]:
        """Everything that tasks depend on, over any edge."""
        seen: set[TaskId] = set()
        pending = [edge.id for task in tasks for edge in task.upstream]
        while pending:
            task_id = pending.pop()
            if task_id not in seen:
                seen.add(task_id)
                pending.extend([edge.id for edge in self._graph.tasks[task_id].upstream])
        return seen

    def _produced_by(self, task_id: TaskId) -> str:
        """A hash over what a task and everything it follows left; of a transit task, its inputs."""
        known = self._produced.get(task_id)
        if known is None:
            finished = self._finished[task_id]
            own = [finished.outputs]
            if finished.outcome == "passed" and finished.keyed is not None:
                inputs = finished.keyed.inputs
                own = [*inputs.paths, *inputs.identities]
            above = [
                self._produced_by(edge.id)
                for edge in finished.task.upstream
                if edge.follow != "none"
            ]
            known = self._produced[task_id] = hash_text("own", *own, "above", *above)
        return known


def _touched(task_id: TaskId) -> Reason:
    text = f"outputs of upstream {task_id} changed while bao ran"
    return Reason("upstream-outputs-changed", text)
