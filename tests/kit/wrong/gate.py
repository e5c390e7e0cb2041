"""Gates that break one promise each, and the tests that catch them."""

from __future__ import annotations

from threading import Event

import pytest

from bao_core.builtins.slots import SlotsGate
from bao_core.interfaces.executor import Claim
from bao_core.interfaces.gate import Ticket
from bao_core.testing.gate import GateSuite


class SlotsSuite(GateSuite):
    component = SlotsGate
    fills = Claim("all", slots=4)
    keeps_words = True

    @pytest.fixture
    def settings_at(self):
        return lambda _place: {"concurrency": 4}


def caught_by(test):
    """Make a suite of a wrong gate, of which one test should fail."""

    def decorate(wrong):
        name = f"Test{wrong.__name__}"
        if issubclass(wrong, SlotsSuite):
            wrong.__name__ = name
            wrong.caught_by = test
            globals()[name] = wrong
        else:
            globals()[name] = type(name, (SlotsSuite,), {"component": wrong, "caught_by": test})
        return wrong

    return decorate


class Wrapped(Ticket):
    """A ticket that does what another does, unless it is told otherwise."""

    def __init__(self, inner) -> None:
        self.inner = inner

    def cancel(self) -> None:
        self.inner.cancel()

    def started(self, pid) -> None:
        self.inner.started(pid)

    def release(self, usage) -> None:
        self.inner.release(usage)


@caught_by("test_a_claim_on_an_idle_gate_is_granted_exactly_once")
class GrantsTwice(SlotsGate):
    def request(self, claim, on_grant, on_queue):
        return super().request(claim, lambda: (on_grant(), on_grant()), on_queue)


@caught_by("test_a_claim_greater_than_everything_is_granted_when_it_is_alone")
class NeverLetsTheHeavyIn(SlotsGate):
    def request(self, claim, on_grant, on_queue):
        if claim.slots > self.concurrency:
            on_queue("it is too heavy")
            return Wrapped(super().request(Claim("x", 0), lambda: None, on_queue))
        return super().request(claim, on_grant, on_queue)


@caught_by("test_what_does_not_fit_waits_is_told_why_and_is_granted_later")
class SaysNothing(SlotsGate):
    def request(self, claim, on_grant, on_queue):
        return super().request(claim, on_grant, lambda _reason: None)


@caught_by("test_what_does_not_fit_waits_is_told_why_and_is_granted_later")
class WaitsUndeclared(SlotsSuite):
    fills = None


@caught_by("test_asking_never_blocks")
class Blocks(SlotsGate):
    def request(self, claim, on_grant, on_queue):
        granted = Event()
        ticket = super().request(claim, lambda: (granted.set(), on_grant()), on_queue)
        granted.wait(1)
        return ticket


@caught_by("test_a_claim_that_is_withdrawn_is_never_granted_and_lets_others_through")
class WithdrawsNothing(SlotsGate):
    def withdraw(self, ticket) -> None:
        """Nothing."""


@caught_by("test_withdrawing_a_granted_claim_changes_nothing")
class WithdrawsTheGranted(SlotsGate):
    def withdraw(self, ticket) -> None:
        super().withdraw(ticket)
        self.give_back(ticket)


@caught_by("test_releasing_twice_frees_nothing_twice")
class FreesTwice(SlotsGate):
    def give_back(self, ticket) -> None:
        if not ticket.held:
            self._free += 4
        super().give_back(ticket)
        ticket = next(iter(self._waiting), None)
        if ticket and self._free >= 4:
            del self._waiting[ticket]
            self._free -= 4
            ticket.held = True
            ticket.on_grant()


@caught_by("test_claims_with_one_word_are_never_granted_together_if_declared")
class KeepsNoWords(SlotsGate):
    def request(self, claim, on_grant, on_queue):
        return super().request(Claim(claim.label, claim.slots), on_grant, on_queue)


@caught_by("test_claims_with_one_word_are_never_granted_together_if_declared")
class KeepsWordsUndeclared(SlotsSuite):
    keeps_words = False


@caught_by("test_many_threads_ask_and_everybody_gets_a_turn")
class LosesAClaim(SlotsGate):
    asked = 0

    def request(self, claim, on_grant, on_queue):
        self.asked += 1
        if self.asked == 30:
            return super().request(claim, lambda: None, on_queue)
        return super().request(claim, on_grant, on_queue)


@caught_by("test_no_two_that_do_not_fit_run_at_once")
class LetsTwoIn(SlotsGate):
    def __init__(self, concurrency) -> None:
        super().__init__(2 * concurrency)
