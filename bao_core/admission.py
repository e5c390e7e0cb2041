"""The way of a task that was placed through the gates."""

from __future__ import annotations

from functools import partial

from bao_core.events import TaskWaited
from bao_core.interfaces.component import called
from bao_core.interfaces.executor import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.events import EventBus
    from bao_core.interfaces.executor import Claim
    from bao_core.interfaces.gate import Gate, Ticket
    from bao_core.model import TaskId


class Admission:
    """What one task asks of all gates; for the main thread.

    Args:
        task_id: Whose it is.
        claim: What it asks for.
        report: Has something done on the main thread, from any other.
        admitted: Called there once every gate has granted it, or where there is none.
    """

    def __init__(
        self,
        task_id: TaskId,
        claim: Claim,
        report: Callable[[Callable[[], None]], None],
        admitted: Callable[[], None],
    ) -> None:
        self._task_id = task_id
        self._claim = claim
        self._report = report
        self._admitted = admitted
        self._tickets: list[Ticket] = []
        self._awaited: set[int] = set()

    def ask(self, gates: list[Gate], bus: EventBus) -> None:
        """Ask all gates; one that fails is told of and taken out of the list."""
        for number, gate in enumerate(tuple(gates)):
            self._awaited.add(number)
            granted = partial(self._granted, number)
            try:
                ticket = gate.request(
                    self._claim, partial(self._report, granted), partial(self._queued, bus)
                )
            except Exception as error:  # noqa: BLE001 - a gate fails alone
                gates.remove(gate)
                self._awaited.discard(number)
                bus.warn(f"gate {called(gate)} failed and was switched off: {error!r}")
            else:
                self._tickets.append(ticket)
        if not self._awaited:
            self._report(self._admitted)

    def withdraw(self) -> None:
        """The task does not start after all."""
        for ticket in self._tickets:
            ticket.cancel()
        self.release(Usage())

    def release(self, usage: Usage) -> None:
        """Give back what was granted; nothing happens when asked again."""
        for ticket in self._tickets:
            ticket.release(usage)
        self._tickets.clear()

    def _granted(self, number: int) -> None:
        if number in self._awaited:
            self._awaited.discard(number)
            if not self._awaited:
                self._admitted()

    def _queued(self, bus: EventBus, reason: str) -> None:
        bus.emit(TaskWaited(self._task_id, reason))
