"""Looking at what lies above many tasks at once."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.keeper import Keeper
from bao_core.model import Reason, Task, TaskDefinition, TaskEdge, TaskGraph, TaskId
from bao_core.outputs import stamp_of
from bao_core.upstream import Upstream
from bao_core.workbench import Finished

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIMIT = 20.0
"""Seconds after which what is waited for does not come."""


def task(name: str, *upstream: str) -> Task:
    edges = tuple(TaskEdge(TaskId(f"{above}#build")) for above in upstream)
    return Task(TaskId(f"{name}#build"), name, TaskDefinition("build"), edges)


def finished(root: Path, of: Task) -> Finished:
    """A task that left one file, and its stamp."""
    (root / of.package).write_text("made")
    stamp = stamp_of(str(root), of.package)
    assert stamp is not None
    return Finished(of, "executed", 0, stamps={of.package: stamp})


def chain(root: Path) -> tuple[Upstream, list[Task]]:
    """a ← b ← c, and d beside them; all but c and d have finished."""
    tasks = [task("a"), task("b", "a"), task("c", "b"), task("d")]
    ends = {each.id: finished(root, each) for each in tasks[:2]}
    return Upstream(TaskGraph({each.id: each for each in tasks}), ends, str(root)), tasks


def test_nothing_speaks_against_tasks_above_which_nothing_was_touched(tmp_path: Path) -> None:
    upstream, tasks = chain(tmp_path)
    assert upstream.changes(tasks) == {}


def test_what_was_touched_far_above_a_task_taints_it_and_no_other(tmp_path: Path) -> None:
    upstream, (a, b, c, d) = chain(tmp_path)
    (tmp_path / "a").write_text("mend")
    reason = Reason("upstream-outputs-changed", "outputs of upstream a#build changed while bao ran")
    assert upstream.changes([a, b, c, d]) == {a.id: (), b.id: (reason,), c.id: (reason,), d.id: ()}


class Job:
    """What a task left; storing it tells what was found to speak against that."""

    def __init__(self, name: str, error: BaseException | None = None) -> None:
        self.name = name
        self._error = error

    def keep(self, taint: tuple[Reason, ...]) -> Any:
        if self._error is not None:
            raise self._error
        return self.name, taint


class Main:
    """The main thread: what is reported to it, in the order in which it comes."""

    def __init__(self) -> None:
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self.said: list[Any] = []

    def keeper(self, changes: Any) -> Keeper:
        return Keeper(changes, self._inbox.put, self.said.append, self.said.append)

    def wait_for(self, count: int) -> list[Any]:
        while len(self.said) < count:
            self._inbox.get(timeout=LIMIT)()
        return self.said


def test_tasks_that_end_while_others_are_checked_are_checked_together() -> None:
    asked: SimpleQueue[list[str]] = SimpleQueue()
    going: SimpleQueue[None] = SimpleQueue()
    why = (Reason("why", "it did"),)

    def changes(tasks: Sequence[Task]) -> dict[TaskId, tuple[Reason, ...]]:
        asked.put([each.package for each in tasks])
        going.get(timeout=LIMIT)
        return {tasks[-1].id: why}

    main = Main()
    keeper = main.keeper(changes)
    keeper.add(task("a"), Job("a"))  # type: ignore[arg-type]
    assert asked.get(timeout=LIMIT) == ["a"]
    keeper.add(task("b"), Job("b"))  # type: ignore[arg-type]
    keeper.add(task("c"), Job("c"))  # type: ignore[arg-type]
    going.put(None)
    assert main.wait_for(1) == [("a", why)]
    assert asked.get(timeout=LIMIT) == ["b", "c"]
    going.put(None)
    assert sorted(main.wait_for(3)[1:]) == [("b", ()), ("c", why)]


def test_an_error_of_the_check_is_told() -> None:
    def changes(_tasks: Sequence[Task]) -> dict[TaskId, tuple[Reason, ...]]:
        raise RecursionError("deep")

    main = Main()
    main.keeper(changes).add(task("a"), Job("a"))  # type: ignore[arg-type]
    assert isinstance(main.wait_for(1)[0], RecursionError)


def test_an_error_of_storing_is_told_and_the_next_task_is_stored() -> None:
    main = Main()
    keeper = main.keeper(lambda _tasks: {})
    keeper.add(task("a"), Job("a", OSError("disk")))  # type: ignore[arg-type]
    assert isinstance(main.wait_for(1)[0], OSError)
    keeper.add(task("b"), Job("b"))  # type: ignore[arg-type]
    assert main.wait_for(2)[1] == ("b", ())


class Clock:
    """Time as the keeper reads it: each check takes an hour."""

    def __init__(self) -> None:
        self._now = 0.0

    def perf_counter(self) -> float:
        self._now += 3600
        return self._now


def test_nothing_waits_for_more_once_nothing_more_can_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the end of a run would wait for the pause that follows a long check."""
    monkeypatch.setattr("bao_core.keeper.time", Clock())
    monkeypatch.setattr("bao_core.keeper.LONGEST_PAUSE", 10 * LIMIT)
    main = Main()
    keeper = main.keeper(lambda _tasks: {})
    keeper.add(task("a"), Job("a"))  # type: ignore[arg-type]
    main.wait_for(1)
    keeper.add(task("b"), Job("b"))  # type: ignore[arg-type]
    keeper.hurry()
    assert main.wait_for(2) == [("a", ()), ("b", ())]


class Pauses(Event):
    """Tells the test when a pause begins, and how long it may last."""

    begun: SimpleQueue[float | None] = SimpleQueue()

    def wait(self, timeout: float | None = None) -> bool:
        self.begun.put(0.0 if self.is_set() else timeout)
        return super().wait(timeout)


def test_after_a_long_check_tasks_are_gathered_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bao_core.keeper.time", Clock())
    monkeypatch.setattr("bao_core.keeper.LONGEST_PAUSE", 10 * LIMIT)
    monkeypatch.setattr("bao_core.keeper.Event", Pauses)
    asked: list[list[str]] = []

    def changes(tasks: Sequence[Task]) -> dict[TaskId, tuple[Reason, ...]]:
        asked.append([each.package for each in tasks])
        return {}

    main = Main()
    keeper = main.keeper(changes)
    keeper.add(task("a"), Job("a"))  # type: ignore[arg-type]
    main.wait_for(1)
    keeper.add(task("b"), Job("b"))  # type: ignore[arg-type]
    assert [Pauses.begun.get(timeout=LIMIT) for _ in range(2)] == [0.0, 10 * LIMIT]
    keeper.add(task("c"), Job("c"))  # type: ignore[arg-type]
    keeper.hurry()
    main.wait_for(3)
    assert asked == [["a"], ["b", "c"]]
    keeper.add(task("d"), Job("d"))  # type: ignore[arg-type]
    assert Pauses.begun.get(timeout=LIMIT) == 10 * LIMIT, "the haste is over"
