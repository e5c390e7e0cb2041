"""The scheduler `critical-path`: what the end of the run waits for longest starts first."""

from __future__ import annotations

from operator import attrgetter
from typing import ClassVar

from bao_core.interfaces.scheduler import Placement, Scheduler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bao_core.interfaces.executor import Worker
    from bao_core.interfaces.scheduler import ReadyTask

_critical_path = attrgetter("critical_path")
_id = attrgetter("id")


class CriticalPathScheduler(Scheduler):
    """Longest critical path first, then by id; remembers nothing from call to call.

    Nobody starves: order alone decides, and a task is never passed over because it is heavy. One
    that takes more slots than are free is placed all the same and takes all that is left, so that
    nothing lighter slips in before it; the gate `slots` lets it start when there is room, alone if
    it is heavier than the whole concurrency.
    """

    name: ClassVar[str] = "critical-path"

    def next(self, ready: Sequence[ReadyTask], workers: Sequence[Worker]) -> Sequence[Placement]:
        """Place tasks until no worker has a free slot."""
        free = {worker.id: worker.free_slots for worker in workers if worker.free_slots > 0}
        taken: set[str] = set()
        placements: list[Placement] = []
        for task in _most_urgent_first(ready) if free else ():
            if task.mutex in taken:
                continue
            worker = _emptiest(free)
            free[worker] -= task.slots
            if free[worker] <= 0:
                del free[worker]
            if task.mutex:
                taken.add(task.mutex)
            placements.append(Placement(task.id, worker))
            if not free:
                break
        return placements


def _most_urgent_first(ready: Sequence[ReadyTask]) -> Iterator[ReadyTask]:
    """Tasks by critical path, the longest first, then by id."""
    if not ready:
        return
    by_id = sorted(ready, key=_id)
    # Of many that are ready mostly one is placed: that spares sorting the rest by their paths.
    yield max(by_id, key=_critical_path)
    yield from sorted(by_id, key=_critical_path, reverse=True)[1:]


def _emptiest(free: dict[str, int]) -> str:
    """The worker with the most free slots, by name where several have as many."""
    return min(free, key=lambda worker: (-free[worker], worker))
