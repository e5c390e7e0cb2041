"""The gate `slots`: so many slots of concurrency, and words that one task at a time may hold."""

import os
from collections.abc import Callable
from threading import Lock
from typing import Any, ClassVar, Self

from msgspec import Struct

from bao_core.errors import UsageError
from bao_core.interfaces.component import Context
from bao_core.interfaces.executor import Claim, Usage
from bao_core.interfaces.gate import Gate, Ticket


class SlotsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the gate.

    Attributes:
        concurrency: Slots in all; 0 for one a processor.
    """

    concurrency: int = 0


class SlotsGate(Gate):
    """Grants claims in the order in which they were made, as far as slots and words allow.

    A claim that waits for slots holds back all that came after it, so that a heavy one gets its
    turn; a claim that waits for a word holds back nobody else. A claim for more slots than there
    are takes all of them.
    """

    name: ClassVar[str] = "slots"
    Settings: ClassVar[type[Struct]] = SlotsSettings

    def __init__(self, concurrency: int) -> None:
        """Begin with all slots free.

        Args:
            concurrency: Slots in all, at least 1.
        """
        self.concurrency = max(1, concurrency)
        self._lock = Lock()
        self._free = self.concurrency
        self._holders: dict[str, str] = {}
        self._waiting: dict[_SlotTicket, None] = {}

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """Make a gate of the configured width."""
        del context
        return cls(settings.concurrency or processors())

    def request(
        self,
        claim: Claim,
        on_grant: Callable[[], None],
        on_queue: Callable[[str], None],
    ) -> Ticket:
        """Grant the claim at once, or when others have ended."""
        ticket = _SlotTicket(self, claim, on_grant)
        with self._lock:
            self._waiting[ticket] = None
            granted = self._grant()
            reason = "" if ticket in granted else self._why_waiting(claim)
        if reason:
            on_queue(reason)
        _tell(granted)
        return ticket

    def withdraw(self, ticket: "_SlotTicket") -> None:
        """Forget a claim that waits, which may let others through."""
        with self._lock:
            if ticket not in self._waiting:
                return
            del self._waiting[ticket]
            granted = self._grant()
        _tell(granted)

    def give_back(self, ticket: "_SlotTicket") -> None:
        """Free what a granted claim held, once."""
        with self._lock:
            if not ticket.held:
                return
            ticket.held = False
            self._free += self._need(ticket.claim)
            self._holders.pop(ticket.claim.mutex, None)
            granted = self._grant()
        _tell(granted)

    def _need(self, claim: Claim) -> int:
        return min(max(0, claim.slots), self.concurrency)

    def _grant(self) -> "list[_SlotTicket]":
        """Take what can start now out of the queue; call with the lock held."""
        granted: list[_SlotTicket] = []
        for ticket in self._waiting:
            claim = ticket.claim
            if claim.mutex and claim.mutex in self._holders:
                continue
            if self._need(claim) > self._free:
                break
            self._free -= self._need(claim)
            if claim.mutex:
                self._holders[claim.mutex] = claim.label
            ticket.held = True
            granted.append(ticket)
        for ticket in granted:
            del self._waiting[ticket]
        return granted

    def _why_waiting(self, claim: Claim) -> str:
        holder = self._holders.get(claim.mutex) if claim.mutex else None
        if holder is not None:
            return f"'{claim.mutex}' is held by {holder}"
        need = self._need(claim)
        return f"{need} of {self.concurrency} slots needed, {self._free} free"


class _SlotTicket(Ticket):
    """A claim on the gate; `held` while it is granted and not yet released."""

    def __init__(self, gate: SlotsGate, claim: Claim, on_grant: Callable[[], None]) -> None:
        self.claim = claim
        self.on_grant = on_grant
        self.held = False
        self._gate = gate

    def cancel(self) -> None:
        """Withdraw the claim if it still waits."""
        self._gate.withdraw(self)

    def started(self, pid: int) -> None:
        """Nothing to do: slots are counted, not processes."""

    def release(self, usage: Usage) -> None:
        """Free slots and word."""
        del usage
        self._gate.give_back(self)


def _tell(granted: list[_SlotTicket]) -> None:
    """Call back without the lock, so that the callee may make or release claims itself."""
    for ticket in granted:
        ticket.on_grant()


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parse_concurrency(text: str) -> int:
    """The slots that `--concurrency` or the configuration asks for, at least 1.

    Args:
        text: A number such as `8`, or a share of the processors such as `50%`.

    Raises:
        UsageError: It is neither.
    """
    number = text.strip().removesuffix("%").strip()
    if not (number.isascii() and number.isdigit()) or int(number) == 0:
        raise UsageError(
            f"concurrency '{text}' is neither a number of tasks nor a share of the processors",
            hint="say for example 8 or 50%",
        )
    if text.strip().endswith("%"):
        return max(1, processors() * int(number) // 100)
    return int(number)
