"""What restoring outputs costs, and a run in which nothing is known, in system calls.

The recorded numbers are those of CPython 3.11 on Linux. Whoever makes bao do less lowers them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hot_path import Workspace, works

pytestmark = pytest.mark.skipif(
    not works("strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"),
    reason="strace is not here, or may not trace",
)

RUN = ("run", "build")

RESTORING = 38
"""System calls that a task adds whose output, one file in a directory, is restored."""

LOOKS = {"lstat", "newfstatat", "stat", "statx"}
"""Calls that ask about a path."""

COLD_LOOKS = 74
"""Such calls for a task, among 100, of which nothing is known."""

TOLERANCE = 1.3
"""What lies above an output is looked at for all tasks that are ready, so it depends on chance."""

STARTS = {"clone", "clone3", "fork", "vfork"}
"""Calls that start a thread or a process."""

SAVED = 5
"""Files besides outputs that a run may put in place: what is remembered of it."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("small"), 100)


def test_restoring_a_task_is_one_rename_and_few_calls(workspace: Workspace) -> None:
    nothing = workspace.calls(*RUN).own
    workspace.delete_outputs()
    restoring = workspace.calls(*RUN).own
    more = restoring.total() - nothing.total()
    assert more / workspace.packages <= RESTORING * TOLERANCE, restoring - nothing
    renames = sum(count for name, count in restoring.items() if name.startswith("rename"))
    assert workspace.packages <= renames <= workspace.packages + SAVED
    started = [sum(calls[name] for name in STARTS) for calls in (nothing, restoring)]
    assert started[0] == started[1], "small hits need no thread"


def test_a_cold_task_looks_no_more_often_where_there_are_more(
    workspace: Workspace, tmp_path: Path
) -> None:
    large = Workspace(tmp_path / "large", 200, built=False)
    few, many = cold_looks(workspace), cold_looks(large)
    assert few <= COLD_LOOKS * TOLERANCE
    assert many <= few * TOLERANCE


def cold_looks(workspace: Workspace) -> float:
    workspace.forget()
    calls = workspace.calls(*RUN, of=LOOKS, outcome="run").own
    return sum(calls[name] for name in LOOKS) / workspace.packages
