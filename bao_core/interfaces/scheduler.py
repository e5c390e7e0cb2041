"""Schedulers say what may start next, and where."""

from __future__ import annotations

from abc import abstractmethod

from msgspec import Struct

from bao_core.interfaces.component import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.interfaces.executor import Worker
    from bao_core.model import TaskId


class ReadyTask(Struct, frozen=True):
    """A task whose upstream is done.

    Attributes:
        slots: How many slots it takes.
        mutex: The word it must not share with a running task; empty for none.
        critical_path: Seconds from its start to the end of the run if nothing had to wait,
            from recorded durations; where none is recorded a task counts as one second.
    """

    id: TaskId
    slots: int = 1
    mutex: str = ""
    critical_path: float = 0.0


class Placement(Struct, frozen=True):
    """A decision: this task starts now, on this worker."""

    id: TaskId
    worker: str


class Scheduler(Component):
    """Decides; starts nothing itself. Called on the main thread only."""

    @abstractmethod
    def next(self, ready: Sequence[ReadyTask], workers: Sequence[Worker]) -> Sequence[Placement]:
        """Choose what starts now.

        Args:
            ready: Every task that could start, sorted by id.
            workers: Where there is room.

        Returns:
            Placements in the order to start them; an empty sequence to wait for a change. Where
            nothing runs and nothing is placed, the run ends with an error that names the scheduler.
        """
