"""The gate `slots`: concurrency by weight, and words that one task at a time may hold."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bao_core.builtins.slots import SlotsGate, SlotsSettings, parse_concurrency, processors
from bao_core.errors import UsageError
from bao_core.interfaces.executor import Claim, Usage

if TYPE_CHECKING:
    from bao_core.interfaces.gate import Ticket


class Claims:
    """Makes claims on a gate and remembers what became of them."""

    def __init__(self, concurrency: int) -> None:
        self.gate = SlotsGate(concurrency)
        self.granted: list[str] = []
        self.queued: dict[str, str] = {}
        self.tickets: dict[str, Ticket] = {}

    def make(self, label: str, slots: int = 1, mutex: str = "") -> None:
        self.tickets[label] = self.gate.request(
            Claim(label, slots, mutex),
            lambda: self.granted.append(label),
            lambda reason: self.queued.__setitem__(label, reason),
        )

    def release(self, label: str) -> None:
        self.tickets[label].release(Usage())


def test_claims_are_granted_as_long_as_there_are_slots() -> None:
    claims = Claims(2)
    for label in "abc":
        claims.make(label)
    assert claims.granted == ["a", "b"]
    assert claims.queued == {"c": "1 of 2 slots needed, 0 free"}
    claims.release("a")
    assert claims.granted == ["a", "b", "c"]


def test_a_claim_takes_as_many_slots_as_it_weighs() -> None:
    claims = Claims(4)
    claims.make("a", 3)
    claims.make("b", 2)
    assert claims.granted == ["a"]
    claims.release("a")
    assert claims.granted == ["a", "b"]


def test_a_claim_heavier_than_everything_runs_alone() -> None:
    claims = Claims(2)
    claims.make("a")
    claims.make("huge", 100)
    claims.make("b")
    assert claims.granted == ["a"]
    claims.release("a")
    assert claims.granted == ["a", "huge"]
    claims.release("huge")
    assert claims.granted == ["a", "huge", "b"]


def test_a_claim_without_weight_never_waits_for_slots() -> None:
    claims = Claims(1)
    claims.make("a")
    claims.make("weightless", 0)
    assert claims.granted == ["a", "weightless"]


def test_lighter_claims_do_not_pass_a_heavy_one() -> None:
    claims = Claims(2)
    claims.make("a")
    claims.make("heavy", 2)
    claims.make("light")
    assert claims.granted == ["a"]
    claims.release("a")
    assert claims.granted == ["a", "heavy"]


def test_a_mutex_is_held_by_one_claim_at_a_time_and_holds_back_nobody_else() -> None:
    claims = Claims(4)
    claims.make("a", mutex="db")
    claims.make("b", mutex="db")
    claims.make("c", mutex="port")
    claims.make("d")
    assert claims.granted == ["a", "c", "d"]
    assert claims.queued == {"b": "'db' is held by a"}
    claims.release("a")
    assert claims.granted == ["a", "c", "d", "b"]


def test_who_waits_for_a_mutex_comes_before_those_that_asked_later() -> None:
    claims = Claims(2)
    claims.make("a", mutex="db")
    claims.make("x")
    claims.make("b", 2, mutex="db")
    claims.make("y")
    claims.make("z", mutex="db")
    claims.release("a")
    claims.release("x")
    assert claims.granted == ["a", "x", "b"]
    claims.release("b")
    assert claims.granted == ["a", "x", "b", "y", "z"]


def test_a_claim_that_is_withdrawn_is_never_granted_and_lets_others_through() -> None:
    claims = Claims(2)
    claims.make("a")
    claims.make("heavy", 2)
    claims.make("b")
    claims.tickets["heavy"].cancel()
    assert claims.granted == ["a", "b"]
    claims.release("a")
    claims.release("b")
    assert claims.granted == ["a", "b"]


def test_withdrawing_a_granted_claim_changes_nothing() -> None:
    claims = Claims(1)
    claims.make("a")
    claims.tickets["a"].cancel()
    claims.make("b")
    assert claims.granted == ["a"]


def test_releasing_twice_or_without_a_grant_frees_nothing() -> None:
    claims = Claims(1)
    for label in "abcd":
        claims.make(label)
    claims.release("d")
    claims.release("a")
    claims.release("a")
    assert claims.granted == ["a", "b"]


def test_a_grant_may_make_and_release_claims_itself() -> None:
    gate = SlotsGate(1)
    order: list[str] = []

    def chain() -> None:
        order.append("first")
        gate.request(Claim("second"), lambda: order.append("second"), lambda _reason: None)

    ticket = gate.request(Claim("first"), chain, lambda _reason: None)
    ticket.release(Usage())
    assert order == ["first", "second"]


def test_many_threads_never_exceed_the_limit() -> None:
    gate = SlotsGate(3)
    lock = threading.Lock()
    now = most = 0

    def work() -> None:
        nonlocal now, most
        for _ in range(100):
            granted = threading.Event()
            ticket = gate.request(Claim("x"), granted.set, lambda _reason: None)
            assert granted.wait(20)
            with lock:
                now += 1
                most = max(most, now)
            with lock:
                now -= 1
            ticket.release(Usage())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most <= 3


actions = st.lists(
    st.one_of(
        st.tuples(st.just("make"), st.integers(0, 5), st.sampled_from(["", "a", "b"])),
        st.tuples(st.sampled_from(["release", "cancel"]), st.integers(0, 20), st.just("")),
    ),
    max_size=40,
)


@given(st.integers(1, 4), actions)
def test_whatever_is_asked_the_limits_hold_and_nobody_waits_for_nothing(width, steps) -> None:
    claims = Claims(width)
    made: dict[str, tuple[int, str]] = {}
    over: set[str] = set()
    for what, number, mutex in steps:
        if what == "make":
            label = f"t{len(made)}"
            made[label] = (min(number, width), mutex)
            claims.make(label, number, mutex)
        elif made:
            label = f"t{number % len(made)}"
            if what == "release" and label in claims.granted:
                over.add(label)
                claims.release(label)
            elif what == "cancel":
                claims.tickets[label].cancel()
                if label not in claims.granted:
                    over.add(label)
        held = [made[label] for label in claims.granted if label not in over]
        assert len(claims.granted) == len(set(claims.granted))
        assert sum(slots for slots, _ in held) <= width
        words = [mutex for _, mutex in held if mutex]
        assert len(words) == len(set(words))
        if not held:
            assert set(made) <= over | set(claims.granted)


def test_the_settings_give_the_width() -> None:
    assert SlotsGate.open(SlotsSettings(concurrency=3), None).concurrency == 3
    assert SlotsGate.open(SlotsSettings(), None).concurrency == processors()


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("1", 1),
        (" 12 ", 12),
        ("100%", processors()),
        ("1%", 1),
        ("200 %", 2 * processors()),
    ],
)
def test_concurrency_is_a_number_or_a_share_of_the_processors(text, slots) -> None:
    assert parse_concurrency(text) == slots


@pytest.mark.parametrize("text", ["", "0", "0%", "-1", "many", "1.5", "%", "٣", "5%%"])
def test_any_other_concurrency_is_refused(text) -> None:
    with pytest.raises(UsageError, match="concurrency"):
        parse_concurrency(text)
