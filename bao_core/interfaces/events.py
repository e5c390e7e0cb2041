"""Event sinks listen to what happens in a run."""

from __future__ import annotations

from abc import abstractmethod

from bao_core.interfaces.component import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.events import Event


class EventSink(Component):
    """Hears every event. A sink that raises is dropped and named; the run goes on."""

    @abstractmethod
    def handle(self, event: Event) -> None:
        """Take one event.

        Called for one event at a time, in the order in which they happened, on whichever thread
        emitted it; it must return quickly, and ignore events it does not know.
        """
