"""Whatever ends bao while outputs change, the next one knows whose they are."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from bao_core.intents import OutputIntents
from bao_core.model import CacheKey, Digest, Stamp, TaskId
from bao_core.state import TaskMemory, WorkspaceState

if TYPE_CHECKING:
    from pathlib import Path

BUILD, LINT = TaskId("app#build"), TaskId("app#lint")
FOREIGN, MADE = "app/dist/foreign", "app/dist/made"


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "state")


def process(directory: str) -> OutputIntents:
    """What another run of bao has."""
    return OutputIntents(WorkspaceState(directory))


def memory(*paths: str) -> TaskMemory:
    stamps = dict.fromkeys(paths, Stamp(0o100644, 1, 1, 1, 1))
    nothing = Digest("0" * 64, 0)
    return TaskMemory(CacheKey("k"), "", stamps, 0, "", 0.0, None, nothing, nothing, 0.0)


def test_a_task_owns_what_its_stamps_record(directory: str) -> None:
    state = WorkspaceState(directory)
    state.remember(BUILD, memory(MADE))
    assert OutputIntents(state).begin(BUILD, [MADE, FOREIGN]) == {MADE}
    assert state.task(BUILD) is None, "it no longer holds"


def test_what_appeared_since_a_task_began_is_its_own_for_the_next_process(directory: str) -> None:
    process(directory).begin(BUILD, [FOREIGN])
    assert process(directory).begin(BUILD, [FOREIGN, MADE]) == {MADE}
    assert process(directory).begin(LINT, [MADE]) == set(), "of another task nothing is said"


def test_what_a_task_owned_when_it_was_killed_is_still_its_own(directory: str) -> None:
    state = WorkspaceState(directory)
    state.remember(BUILD, memory(MADE))
    OutputIntents(state).begin(BUILD, [MADE])
    assert process(directory).begin(BUILD, [MADE, FOREIGN]) == {MADE, FOREIGN}
    assert process(directory).begin(BUILD, []) == {MADE, FOREIGN}


def test_a_second_attempt_owns_what_the_first_one_left(directory: str) -> None:
    intents = process(directory)
    intents.begin(BUILD, [FOREIGN])
    assert intents.begin(BUILD, [FOREIGN, MADE]) == {MADE}


def test_what_is_settled_and_saved_leaves_nothing_on_disk(directory: str) -> None:
    intents = process(directory)
    intents.begin(BUILD, [])
    intents.settle(BUILD)
    intents.saved()
    assert os.listdir(directory) == []
    assert process(directory).begin(BUILD, [FOREIGN]) == set()


def test_an_intent_stays_until_the_stamps_are_saved(directory: str) -> None:
    intents = process(directory)
    intents.begin(BUILD, [])
    intents.settle(BUILD)
    assert process(directory).begin(BUILD, [MADE]) == {MADE}


def test_only_what_is_settled_goes(directory: str) -> None:
    intents = process(directory)
    intents.begin(BUILD, [])
    intents.begin(LINT, [])
    intents.settle(BUILD)
    intents.saved()
    later = process(directory)
    assert later.begin(BUILD, [MADE]) == set()
    assert later.begin(LINT, ["app/report"]) == {"app/report"}


def test_what_another_process_began_later_stays_when_the_first_one_saves(directory: str) -> None:
    first, second = process(directory), process(directory)
    first.begin(BUILD, [])
    first.settle(BUILD)
    second.begin(BUILD, [])
    first.saved()
    assert process(directory).begin(BUILD, [MADE]) == {MADE}


def test_what_another_process_began_meanwhile_is_seen(directory: str) -> None:
    first, second = process(directory), process(directory)
    first.begin(LINT, [])
    second.begin(BUILD, [])
    assert first.begin(BUILD, [MADE]) == {MADE}


def test_a_file_that_was_replaced_meanwhile_is_written_to_no_more(directory: str) -> None:
    first, second = process(directory), process(directory)
    first.begin(LINT, [])
    second.begin(TaskId("app#test"), [])
    second.settle(TaskId("app#test"))
    second.saved()
    first.begin(BUILD, [])
    assert process(directory).begin(BUILD, [MADE]) == {MADE}
    assert process(directory).begin(LINT, [MADE]) == {MADE}


@pytest.mark.parametrize("damage", [b"\x05", b"\0\0\0\1garbage", b"\xff" * 40])
def test_what_is_broken_at_the_end_hides_nothing_before_or_after_it(
    directory: str, damage: bytes
) -> None:
    process(directory).begin(BUILD, [])
    with open(f"{directory}/output-intents", "ab") as file:
        file.write(damage)
    process(directory).begin(LINT, [])
    later = process(directory)
    assert later.begin(BUILD, [MADE]) == {MADE}
    assert later.begin(LINT, [MADE]) == {MADE}


def test_paths_that_are_not_utf_8_come_back(directory: str) -> None:
    odd = os.fsdecode(b"app/dist/\xff\xfe")
    process(directory).begin(BUILD, [odd])
    assert process(directory).begin(BUILD, [odd, MADE]) == {MADE}


def test_a_disk_that_refuses_costs_no_more_than_the_memory(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in its place")
    intents = process(str(tmp_path / "state"))
    assert intents.begin(BUILD, [MADE]) == set()
    intents.settle(BUILD)
    intents.saved()


def test_threads_and_processes_at_once_lose_nothing(directory: str) -> None:
    tasks = [TaskId(f"p{number}#build") for number in range(200)]
    runs = [process(directory) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        for index, task in enumerate(tasks):
            pool.submit(runs[index % 4].begin, task, [])
    with ThreadPoolExecutor(8) as pool:
        for task in tasks[::3]:
            pool.submit(runs[tasks.index(task) % 4].settle, task)
    for run in runs:
        run.saved()
    later = process(directory)
    found = [task for task in tasks if later.begin(task, [MADE])]
    assert found == [task for index, task in enumerate(tasks) if index % 3]
