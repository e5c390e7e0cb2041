"""The order in which is told how tasks ended."""

from __future__ import annotations

from itertools import permutations

import pytest

from bao_core.events import EventBus, TaskFinished
from bao_core.model import Task, TaskDefinition, TaskEdge, TaskId
from bao_core.reports import Reports
from bao_core.testing.fakes import RecordingSink
from bao_core.workbench import Finished


def end(name: str, *upstream: str) -> Finished:
    edges = tuple(TaskEdge(TaskId(above)) for above in upstream)
    task = Task(TaskId(name), name, TaskDefinition("build"), edges)
    return Finished(task, "executed", 0)


class Audience:
    """Who is told, and of what so far."""

    def __init__(self) -> None:
        bus = EventBus()
        self._sink = RecordingSink()
        bus.subscribe(self._sink)
        self.reports = Reports(bus, "run")

    @property
    def told(self) -> list[str]:
        return [event.id for event in self._sink.of(TaskFinished)]


def test_a_task_is_told_of_at_once_where_nothing_above_it_is_expected() -> None:
    audience = Audience()
    audience.reports.expect(TaskId("elsewhere"))
    audience.reports.add(end("app", "lib"))
    assert audience.told == ["app"]


@pytest.mark.parametrize("order", list(permutations("abcd")), ids="".join)
def test_no_task_is_told_of_before_those_upstream_of_it(order: tuple[str, ...]) -> None:
    """a and b ← c ← d, in whatever order they are added."""
    ends = {"a": end("a"), "b": end("b"), "c": end("c", "a", "b"), "d": end("d", "c")}
    audience = Audience()
    for name in ends:
        audience.reports.expect(TaskId(name))
    for name in order:
        audience.reports.add(ends[name])
    assert sorted(audience.told) == ["a", "b", "c", "d"], "each once"
    assert audience.told[-2:] == ["c", "d"]


def test_what_was_held_back_holds_back_what_is_below_it() -> None:
    audience = Audience()
    audience.reports.expect(TaskId("a"))
    audience.reports.add(end("b", "a"))
    audience.reports.add(end("c", "b"))
    assert audience.told == []
    audience.reports.add(end("a"))
    assert audience.told == ["a", "b", "c"]
