"""Looking at what lies above many tasks at once."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from bao_core.keeper import Keeper
from bao_core.model import Reason, Task, TaskDefinition, TaskEdge, TaskGraph, TaskId
from bao_core.outputs import stamp_of
from bao_core.upstream import Upstream
from bao_core.workbench import Finished

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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


def test_tasks_that_end_while_others_are_checked_are_checked_together() -> None:
    asked: list[list[str]] = []
    going, stored = SimpleQueue[None](), SimpleQueue[Any]()

    def changes(tasks: Sequence[Task]) -> dict[TaskId, tuple[Reason, ...]]:
        asked.append([each.package for each in tasks])
        going.get()
        return {tasks[-1].id: (Reason("why", "it did"),)}

    keeper = Keeper(changes, lambda *told: stored.put(told), stored.put)
    tasks = [task(name) for name in "abc"]
    keeper.add(tasks[0])
    while not asked:
        pass
    keeper.add(tasks[1])
    keeper.add(tasks[2])
    going.put(None)
    assert stored.get(timeout=20) == (tasks[0], (Reason("why", "it did"),))
    going.put(None)
    assert stored.get(timeout=20) == (tasks[1], ())
    assert stored.get(timeout=20) == (tasks[2], (Reason("why", "it did"),))
    assert asked == [["a"], ["b", "c"]]


def test_an_error_of_the_check_is_told() -> None:
    told: SimpleQueue[Any] = SimpleQueue()

    def changes(_tasks: Sequence[Task]) -> dict[TaskId, tuple[Reason, ...]]:
        raise RecursionError("deep")

    keeper = Keeper(changes, lambda *_: None, told.put)
    keeper.add(task("a"))
    assert isinstance(told.get(timeout=20), RecursionError)
