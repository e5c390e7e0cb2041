"""Telling how tasks ended, in an order that can be read."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.events import EventBus
    from bao_core.model import TaskId
    from bao_core.workbench import Finished


class Reports:
    """Tells of no task before those upstream of it.

    What a task left is stored after its command has ended, and while tasks downstream of it run:
    one of these may come to its end sooner.

    Args:
        bus: Takes what is told.
        run_span: The span of the run.
    """

    def __init__(self, bus: EventBus, run_span: str) -> None:
        self._bus = bus
        self._run_span = run_span
        self._untold: set[TaskId] = set()
        self._held_back: dict[TaskId, list[Finished]] = {}

    def expect(self, task_id: TaskId) -> None:
        """Tasks downstream of this one may end from now on, though it is added later."""
        self._untold.add(task_id)

    def add(self, finished: Finished) -> None:
        """Tell of a task, once those upstream of it were told of."""
        pending = [finished]
        while pending:
            one = pending.pop()
            task_id = one.task.id
            if (awaited := self._first_untold_above(one)) is not None:
                self._untold.add(task_id)
                self._held_back.setdefault(awaited, []).append(one)
                continue
            self._bus.emit(one.event(self._run_span))
            self._untold.discard(task_id)
            pending.extend(reversed(self._held_back.pop(task_id, ())))

    def _first_untold_above(self, finished: Finished) -> TaskId | None:
        if not self._untold:
            return None
        return next((edge.id for edge in finished.task.upstream if edge.id in self._untold), None)
