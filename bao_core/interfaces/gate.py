"""Gates grant a task its share of the machine before it starts."""

from __future__ import annotations

from abc import ABC, abstractmethod

from bao_core.interfaces.component import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.interfaces.executor import Claim, Usage


class Ticket(ABC):
    """A claim that was made."""

    @abstractmethod
    def cancel(self) -> None:
        """Withdraw a claim that is still waiting; nothing happens if it was granted."""

    @abstractmethod
    def started(self, pid: int) -> None:
        """The granted work runs as this process."""

    @abstractmethod
    def release(self, usage: Usage) -> None:
        """The granted work has ended and used this much."""


class Gate(Component):
    """Lets tasks start. Every gate must grant a task before it starts.

    A gate that raises is switched off for the rest of the run and named; tasks start without it.
    """

    @abstractmethod
    def request(
        self,
        claim: Claim,
        on_grant: Callable[[], None],
        on_queue: Callable[[str], None],
    ) -> Ticket:
        """Ask for a share. Never blocks: called on the main thread.

        Args:
            claim: What is asked for.
            on_grant: Called exactly once, from any thread or before `request` returns, when the
                work may start.
            on_queue: Called with one clause when the claim has to wait, and why.
        """
