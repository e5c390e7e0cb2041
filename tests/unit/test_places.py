"""A file that is replaced is there whole, and nothing else is left."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bao_core.places import replace_file, scatter
from bao_core.testing.faults import Faults, kill_points


def test_a_file_and_its_directory_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert replace_file(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["b"]


def test_a_disk_that_refuses_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with Faults(0) as every:
        assert replace_file(str(path), b"old")
    # The first change is to make the directory, which is there.
    for at in range(2, every.count + 1):
        with Faults(at, errno.ENOSPC):
            assert not replace_file(str(path), b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["file"]
    assert every.count > 2


def test_a_process_that_is_killed_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    numbers = iter(range(100))

    def place() -> Path:
        directory = tmp_path / str(next(numbers))
        directory.mkdir()
        (directory / "file").write_bytes(b"old")
        return directory

    seen = set()
    for point in kill_points(place, lambda directory: replace_file(f"{directory}/file", b"new")):
        seen.add((point.place / "file").read_bytes())
    assert seen <= {b"old", b"new"}
    assert b"old" in seen


def test_what_nobody_checks_is_on_the_disk_before_it_takes_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: done.append("flushed"))
    replace = os.replace

    def noting(*paths: str) -> None:
        done.append("replaced")
        replace(*paths)

    monkeypatch.setattr(os, "replace", noting)
    assert replace_file(str(tmp_path / "a"), b"new", flush=True)
    assert replace_file(str(tmp_path / "b"), b"new")
    assert done == ["flushed", "replaced", "replaced"]


def is_scattered(directory: Path) -> bool:
    listed = subprocess.run(["lsattr", "-d", directory], capture_output=True, text=True, check=True)
    return "T" in listed.stdout.split()[0]


def knows_attributes(directory: Path) -> bool:
    """Whether it lies on ext4, and there is a program to ask."""
    if shutil.which("lsattr") is None:
        return False
    told = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, check=False)
    return told.stdout.startswith(b"ext")


def test_a_directory_is_scattered_and_what_is_made_in_it_is_not(tmp_path: Path) -> None:
    if not knows_attributes(tmp_path):
        pytest.skip("only ext4 knows how")
    assert not is_scattered(tmp_path)
    for _ in range(2):
        scatter(str(tmp_path))
        assert is_scattered(tmp_path)
    (tmp_path / "inside").mkdir()
    assert not is_scattered(tmp_path / "inside")


def test_where_nothing_can_be_scattered_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "missing", tmp_path / "file", Path("/proc"), Path("/dev/shm")):
        scatter(str(path))
    assert os.listdir(tmp_path) == ["file"]
