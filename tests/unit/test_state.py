"""What a machine remembers: it may be lost or damaged, and must never be wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bao_core.model import CacheKey, Digest, Stamp, TaskId
from bao_core.state import (
    TaskMemory,
    WorkspaceState,
    cache_root,
    escape_path,
    unescape_path,
    workspace_state_dir,
)

DIGEST = Digest("00" * 32, 0)
STAMP = Stamp(0o100644, 1, 2, 3, 4)


def memory(key: str = "k", path: str = "dist/a") -> TaskMemory:
    return TaskMemory(
        CacheKey(key), "outputs", {path: STAMP}, 5, "boot", 1.5, b"log", DIGEST, DIGEST, 7.0
    )


def test_what_was_saved_is_remembered(tmp_path: Path) -> None:
    state = WorkspaceState(str(tmp_path))
    state.remember(TaskId("a#b"), memory())
    assert state.save()
    assert WorkspaceState(str(tmp_path)).task(TaskId("a#b")) == memory()


def test_what_was_forgotten_stays_forgotten(tmp_path: Path) -> None:
    state = WorkspaceState(str(tmp_path))
    state.remember(TaskId("a#b"), memory())
    state.save()
    state.forget(TaskId("a#b"))
    state.save()
    assert WorkspaceState(str(tmp_path)).task(TaskId("a#b")) is None


def test_two_processes_keep_what_each_of_them_learned(tmp_path: Path) -> None:
    first, second = WorkspaceState(str(tmp_path)), WorkspaceState(str(tmp_path))
    first.remember(TaskId("a#b"), memory("1"))
    second.remember(TaskId("c#d"), memory("2"))
    first.save()
    second.save()
    both = WorkspaceState(str(tmp_path))
    assert both.task(TaskId("a#b")) == memory("1")
    assert both.task(TaskId("c#d")) == memory("2")


def test_every_truncation_and_flipped_bit_is_noticed(tmp_path: Path) -> None:
    state = WorkspaceState(str(tmp_path))
    state.remember(TaskId("a#b"), memory())
    state.save()
    path = tmp_path / "state"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert WorkspaceState(str(tmp_path)).task(TaskId("a#b")) is None
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert WorkspaceState(str(tmp_path)).task(TaskId("a#b")) is None


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = WorkspaceState(str(tmp_path / "file" / "below"))
    state.remember(TaskId("a#b"), memory())
    with state.lock("x"):
        assert not state.save()


def test_a_path_that_is_not_utf_8_is_remembered(tmp_path: Path) -> None:
    state = WorkspaceState(str(tmp_path))
    state.remember(TaskId("a#b"), memory(path="dist/\udcff\udc80"))
    state.save()
    found = WorkspaceState(str(tmp_path)).task(TaskId("a#b"))
    assert found is not None
    assert list(found.stamps) == ["dist/\udcff\udc80"]


@given(st.binary(max_size=20).filter(lambda raw: b"\0" not in raw))
def test_escaping_a_path_keeps_it_whole(raw: bytes) -> None:
    path = os.fsdecode(raw)
    escape_path(path).encode()
    assert unescape_path(escape_path(path)) == path


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    state = WorkspaceState(str(tmp_path))
    first, second = state.lock("x"), state.lock("x")
    assert first.try_acquire()
    assert not second.try_acquire()
    assert state.lock("y").try_acquire()
    first.release()
    assert second.try_acquire()


def test_a_lock_goes_with_its_holder(tmp_path: Path) -> None:
    state = WorkspaceState(str(tmp_path))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        state.lock("x").try_acquire()
        os.write(writing, b"x")
        os.kill(os.getpid(), 9)
    os.read(reading, 1)
    os.waitpid(child, 0)
    assert state.lock("x").try_acquire()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"BAO_CACHE_DIR": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/bao"),
        ({"HOME": "/h"}, "/h/.bao/cache"),
    ],
)
def test_the_cache_lies_where_the_environment_says(environ: dict[str, str], expected: str) -> None:
    assert cache_root(environ) == expected


def test_two_workspaces_share_nothing(tmp_path: Path) -> None:
    environ = {"BAO_CACHE_DIR": str(tmp_path)}
    assert workspace_state_dir("/a", environ) != workspace_state_dir("/b", environ)
