"""A task that was placed asks every gate, and starts once all have granted it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bao_core.admission import Admission
from bao_core.events import EventBus, TaskWaited, WarningRaised
from bao_core.interfaces.executor import Claim, Usage
from bao_core.interfaces.gate import Gate, Ticket
from bao_core.model import TaskId
from bao_core.testing.fakes import RecordingSink

if TYPE_CHECKING:
    from collections.abc import Callable


class Slip(Ticket):
    """Writes down what becomes of a claim."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def cancel(self) -> None:
        self._told.append("cancelled")

    def started(self, pid: int) -> None:
        self._told.append(f"started {pid}")

    def release(self, usage: Usage) -> None:
        self._told.append(f"released {usage.peak_memory}")


class Door(Gate):
    """Opens when the test says so."""

    name = "door"

    def __init__(self) -> None:
        self.told: list[str] = []
        self.open_for: Callable[[], None]

    def request(
        self, claim: Claim, on_grant: Callable[[], None], on_queue: Callable[[str], None]
    ) -> Ticket:
        self.open_for = on_grant
        on_queue(f"{claim.label} is too early")
        return Slip(self.told)


class Broken(Door):
    """Raises, having let the task through or not."""

    name = "broken"

    def __init__(self, *, grants: bool) -> None:
        super().__init__()
        self._grants = grants

    def request(
        self, claim: Claim, on_grant: Callable[[], None], on_queue: Callable[[str], None]
    ) -> Ticket:
        if self._grants:
            on_grant()
        raise OSError("no luck")


class Bench:
    """One admission of `app#build`, and the main thread that it reports to."""

    def __init__(self, *gates: Gate) -> None:
        self.gates = list(gates)
        self.admitted = 0
        self.sink = RecordingSink()
        self._inbox: list[Callable[[], None]] = []
        bus = EventBus()
        bus.subscribe(self.sink)
        task_id = TaskId("app#build")
        self.admission = Admission(task_id, Claim(task_id, 1), self._inbox.append, self._admit)
        self.admission.ask(self.gates, bus)
        self.catch_up()

    def _admit(self) -> None:
        self.admitted += 1

    def catch_up(self) -> None:
        """What was reported is done."""
        while self._inbox:
            self._inbox.pop(0)()


def test_without_gates_a_task_is_admitted() -> None:
    assert Bench().admitted == 1


def test_a_task_is_admitted_once_when_the_last_gate_grants_it() -> None:
    first, second = Door(), Door()
    bench = Bench(first, second)
    for _ in range(2):
        first.open_for()
        bench.catch_up()
        assert bench.admitted == 0, "the second has not granted it"
    second.open_for()
    second.open_for()
    bench.catch_up()
    assert bench.admitted == 1


def test_who_waits_is_told_of_with_the_reason() -> None:
    bench = Bench(Door())
    assert [(event.id, event.reason) for event in bench.sink.of(TaskWaited)] == [
        ("app#build", "app#build is too early")
    ]


@pytest.mark.parametrize("grants", [False, True])
def test_a_gate_that_raises_is_named_and_switched_off_and_grants_nothing(*, grants: bool) -> None:
    first, second = Door(), Door()
    bench = Bench(first, Broken(grants=grants), second)
    assert bench.gates == [first, second]
    (warning,) = bench.sink.of(WarningRaised)
    assert "gate 'broken' failed and was switched off: OSError('no luck')" in warning.message
    first.open_for()
    bench.catch_up()
    assert bench.admitted == 0, "the second has not granted it"
    second.open_for()
    bench.catch_up()
    assert bench.admitted == 1


@pytest.mark.parametrize("grants", [False, True])
def test_a_task_starts_where_no_gate_works(*, grants: bool) -> None:
    assert Bench(Broken(grants=grants)).admitted == 1


def test_what_was_granted_is_given_back_once() -> None:
    door = Door()
    bench = Bench(door)
    bench.admission.release(Usage(peak_memory=7))
    bench.admission.release(Usage(peak_memory=8))
    assert door.told == ["released 7"]


def test_who_does_not_start_after_all_cancels_and_gives_back() -> None:
    door = Door()
    bench = Bench(door)
    bench.admission.withdraw()
    assert door.told == ["cancelled", "released 0"]
