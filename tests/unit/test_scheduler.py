"""The scheduler `critical-path`: what it places, in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bao_core.builtins.critical_path import CriticalPathScheduler
from bao_core.builtins.slots import SlotsGate
from bao_core.interfaces.executor import Claim, Usage, Worker
from bao_core.interfaces.scheduler import ReadyTask
from bao_core.model import TaskId


def task(name: str, path: float = 1.0, slots: int = 1, mutex: str = "") -> ReadyTask:
    return ReadyTask(TaskId(name), slots, mutex, path)


def worker(slots: int, name: str = "local") -> Worker:
    return Worker(name, "linux-x86_64", slots)


def placed(ready: list[ReadyTask], *workers: Worker) -> list[str]:
    return [placement.id for placement in CriticalPathScheduler().next(ready, workers)]


def test_the_longest_critical_path_starts_first_then_the_id_decides() -> None:
    ready = [task("a", 1), task("c", 5), task("b", 5), task("d", 9)]
    assert placed(ready, worker(3)) == ["d", "b", "c"]
    assert placed(ready[:3], worker(1)) == ["b"]


def test_no_more_starts_than_there_is_room_for() -> None:
    ready = [task(name) for name in "abcdef"]
    assert placed(ready, worker(4)) == list("abcd")
    assert placed(ready, worker(0)) == []
    assert placed(ready) == []


def test_weights_count() -> None:
    ready = [task("a", 3, slots=2), task("b", 2, slots=2), task("c", 1)]
    assert placed(ready, worker(4)) == ["a", "b"]


def test_a_heavy_task_is_not_passed_over_by_lighter_ones() -> None:
    ready = [task("a", 9), task("heavy", 5, slots=4), task("z", 1)]
    assert placed(ready, worker(3)) == ["a", "heavy"]
    assert placed(ready[1:], worker(1)) == ["heavy"]


def test_a_task_heavier_than_everything_is_placed_all_the_same() -> None:
    assert placed([task("huge", slots=100)], worker(2)) == ["huge"]


def test_of_tasks_with_one_mutex_only_the_first_is_placed() -> None:
    ready = [task("a", 1, mutex="db"), task("b", 2, mutex="db"), task("c", 0, mutex="port")]
    assert placed(ready, worker(8)) == ["b", "c"]


def test_work_goes_to_the_worker_with_the_most_room() -> None:
    ready = [task(name) for name in "abcd"]
    placements = CriticalPathScheduler().next(ready, [worker(1, "x"), worker(3, "y")])
    assert [(p.id, p.worker) for p in placements] == [
        ("a", "y"),
        ("b", "y"),
        ("c", "x"),
        ("d", "y"),
    ]


ready_tasks = st.lists(
    st.builds(
        task,
        st.integers(0, 30).map("t{:02}".format),
        st.floats(0, 100),
        st.integers(0, 6),
        st.sampled_from(["", "", "a", "b"]),
    ),
    unique_by=lambda task: task.id,
)


@given(ready_tasks, st.integers(1, 5), st.integers(1, 3))
def test_with_the_gate_every_task_runs_exactly_once_and_no_limit_is_broken(
    tasks, slots, patience
) -> None:
    """The two together, stepped by hand: nobody starves, whatever the weights and words."""
    gate = SlotsGate(slots)
    waiting = {task.id: task for task in tasks}
    placed: dict[TaskId, ReadyTask] = {}
    running: dict[TaskId, ReadyTask] = {}
    tickets = {}
    done: list[TaskId] = []
    scheduler = CriticalPathScheduler()
    while waiting or placed or running:
        taken = sum(task.slots for task in (*placed.values(), *running.values()))
        ready = sorted(waiting.values(), key=lambda task: task.id)
        for placement in scheduler.next(ready, [worker(slots - taken)]):
            task = waiting.pop(placement.id)
            placed[task.id] = task

            def start(task: ReadyTask = task) -> None:
                running[task.id] = placed.pop(task.id)

            claim = Claim(task.id, task.slots, task.mutex)
            tickets[task.id] = gate.request(claim, start, lambda _reason: None)
        assert running, "nothing runs, and nothing will"
        assert sum(min(task.slots, slots) for task in running.values()) <= slots
        words = [task.mutex for task in running.values() if task.mutex]
        assert len(words) == len(set(words))
        for task_id in sorted(running)[:patience]:
            del running[task_id]
            done.append(task_id)
            tickets[task_id].release(Usage())
    assert sorted(done) == sorted(task.id for task in tasks)
