"""Killed at any moment, a restore or a cleaning leaves what the next run puts right.

The sweep has a short form, and a long one for `BAO_SWEEP=long`.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.errors import OutputError
from bao_core.model import TaskId
from bao_core.outputs import recover, remove_abandoned
from bao_core.outputs.swap import swap_path
from bao_core.testing.faults import Faults, kill_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONG = os.environ.get("BAO_SWEEP") == "long"
ACTIONS = ["kill", "tear"] if LONG else ["kill"]

NEW = {
    "pkg/dist/a.js": b"new a",
    "pkg/dist/same.js": b"same",
    "pkg/dist/run": ("x", b"#!"),
    "pkg/dist/sub/b.js": b"new b",
    "pkg/dist/sub/c.js": b"new b",
    "pkg/dist/link": ("->", "a.js"),
    "pkg/dist/empty": None,
}
OLD = {
    "pkg/dist/a.js": ("x", b"old a"),
    "pkg/dist/same.js": b"same",
    "pkg/dist/stale/one": b"1",
    "pkg/dist/stale/two": b"2",
    "pkg/dist/sub": b"a file where a directory comes",
    "pkg/dist/link": ("->", "same.js"),
    "pkg/dist/run/x": b"a directory where a file comes",
    "pkg/dist/gone": None,
}
KEPT = {"pkg/src/a.ts": b"source", "pkg/dist/foreign": b"somebody's"}
SCENARIOS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "into nothing": ({}, NEW, "rename"),
    "over an older result": (OLD, NEW, "rename"),
    "the other way round": (NEW, OLD, "rename"),
    "into a new directory": ({}, {f"pkg/dist/new{path[8:]}": NEW[path] for path in NEW}, "rename"),
    "to nothing": (OLD, {}, "rename"),
    "across file systems": (OLD, NEW, "copy"),
}


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Path]:
    numbers = iter(range(10**6))
    return iter(lambda: tmp_path / f"copy{next(numbers)}", None)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_killed_restore_is_undone_or_done(
    scenario: str, action: str, bench: Any, copies: Iterator[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, how = SCENARIOS[scenario]
    bench.write(old)
    if old:
        bench.owned = tuple(bench.collect().stamps)
    bench.write(KEPT)
    result = bench.result(new)
    if how == "copy":
        _refuse_renames_across(monkeypatch)
    before, after = {**KEPT, **old}, {**KEPT, **new}

    count = 0
    for point in kill_points(
        lambda: bench.copy(next(copies)), lambda b: b.restore(result), action=action
    ):
        count += 1
        other = point.place
        undone = recover(str(other.root), str(other.staging), TaskId("pkg#build"))
        found = other.read()
        assert found in (before, after), f"half done at point {point.number}"
        if not undone and found == after != before:
            # It was done, and nobody wrote down that it was: whoever calls keeps an intent.
            other.owned = (*other.owned, *new)
        other.restore(result)
        assert other.read() == after
        assert other.leftovers() == []
        other.restore(other.result(old))
        assert other.read() == before
    assert count > 5


@pytest.mark.parametrize("action", ACTIONS)
def test_an_undoing_that_is_killed_is_undone_in_the_end(
    action: str, bench: Any, copies: Iterator[Path]
) -> None:
    """Every step may be the last one, those of the repair too."""
    bench.write(OLD)
    bench.owned = tuple(bench.collect().stamps)
    result = bench.result(NEW)
    task = TaskId("pkg#build")
    for outer in kill_points(
        lambda: bench.copy(next(copies)), lambda b: b.restore(result), step=1 if LONG else 5
    ):
        broken = outer.place
        for inner in kill_points(
            lambda broken=broken: broken.copy(next(copies)),  # type: ignore[misc]
            lambda b: recover(str(b.root), str(b.staging), task),
            action=action,
            step=1 if LONG else 3,
        ):
            other = inner.place
            recover(str(other.root), str(other.staging), task)
            assert other.read() in (OLD, NEW)
            assert other.leftovers() == []


def test_a_killed_cleaning_is_finished_by_the_next(bench: Any, copies: Iterator[Path]) -> None:
    bench.write(OLD)
    bench.owned = tuple(bench.collect().stamps)
    bench.write(KEPT)
    for point in kill_points(lambda: bench.copy(next(copies)), lambda b: b.clean()):
        other = point.place
        assert other.clean() == ["pkg/dist/foreign"]
        assert other.read() == KEPT


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_disk_that_refuses_changes_nothing(
    number: int, lasting: bool, bench: Any, copies: Iterator[Path]
) -> None:
    """Full, broken or closed from any change on, for one change or for good."""
    bench.write(OLD)
    bench.owned = tuple(bench.collect().stamps)
    result = bench.result(NEW)
    at = 0
    while True:
        at += 1 if LONG else 3
        other = bench.copy(next(copies))
        # An `OSError` where undoing was refused as well: then the next run does it.
        fault = Faults(at, number, lasting=lasting)
        with fault as faults, contextlib.suppress(OutputError, OSError):
            other.restore(result)
        assert lasting or other.read() in (OLD, NEW), f"not undone at point {at}"
        if faults.count < at:
            break
        recover(str(other.root), str(other.staging), TaskId("pkg#build"))
        found = other.read()
        assert found in (OLD, NEW), f"half done at point {at}"
        other.owned = (*bench.owned, *NEW)
        other.restore(result)
        assert other.read() == NEW
        assert other.leftovers() == []


def test_a_damaged_journal_does_not_stand_in_the_way(bench: Any, copies: Iterator[Path]) -> None:
    bench.write(OLD)
    bench.owned = tuple(bench.collect().stamps)
    result = bench.result(NEW)
    for point in kill_points(lambda: bench.copy(next(copies)), lambda b: b.restore(result), step=4):
        other = point.place
        for journal in other.staging.glob("*/*/journal"):
            data = journal.read_bytes()
            journal.write_bytes(data[: len(data) // 2])
        other.owned = (*other.owned, *NEW)
        other.restore(result)
        assert other.read() == NEW
        assert other.leftovers() == []


def test_what_was_left_in_the_git_directory_is_found_there(bench: Any) -> None:
    task = TaskId("pkg#build")
    left = Path(swap_path(str(bench.root / ".git/bao-staging"), task))
    left.mkdir(parents=True)
    (left / "n0").write_bytes(b"new")
    recover(str(bench.root), str(bench.staging), task)
    assert not left.exists()


def test_only_old_remains_without_a_journal_are_taken_for_abandoned(bench: Any) -> None:
    old, young, halfway = (bench.staging / "0" / name for name in ("old", "young", "halfway"))
    for directory in (old, young, halfway):
        (directory / "sub").mkdir(parents=True)
        (directory / "sub" / "n0").write_bytes(b"new")
    (halfway / "journal").write_bytes(b"")
    for directory in (old, halfway):
        os.utime(directory, (1, 1))
    remove_abandoned(str(bench.root), str(bench.staging))
    assert bench.leftovers() == ["halfway", "young"]


def _refuse_renames_across(monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., None] = os.rename

    def rename(source: Any, target: Any, **kwargs: Any) -> None:
        if ("/staging/" in str(source)) != ("/staging/" in str(target)):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        original(source, target, **kwargs)

    monkeypatch.setattr(os, "rename", rename)
