"""Objects in a folder that machines share."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from bao_cache_fsspec.folder import STALE, UNFINISHED

from bao_core.testing.entries import BytesSource
from bao_core.testing.objects import BreakingSource, read_object

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_begun_and_left_is_removed_after_a_day(open_store, tmp_path: Path) -> None:
    unfinished = tmp_path / "shared" / UNFINISHED
    unfinished.mkdir(parents=True)
    for name in ("old", "new"):
        (unfinished / name).write_text("half")
    then = (unfinished / "old").stat().st_mtime - STALE - 60
    os.utime(unfinished / "old", (then, then))
    store = open_store(url=str(tmp_path / "shared"))
    assert list(store.list("")) == []
    store.put("a/b", BytesSource(b"content"))
    assert [path.name for path in unfinished.iterdir()] == ["new"]


def test_a_source_that_breaks_leaves_no_file_behind(open_store, tmp_path: Path) -> None:
    store = open_store(url=str(tmp_path / "shared"))
    with pytest.raises(OSError, match="the source broke"):
        store.put("a/b", BreakingSource(b"x" * 100_000))
    assert [path for path in (tmp_path / "shared").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_hard_links_will_do(
    number: int, open_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    store = open_store(url=str(tmp_path / "shared"))
    assert store.put("a/b", BytesSource(b"first")) is True
    assert store.put("a/b", BytesSource(b"second")) is False
    assert read_object(store, "a/b") == b"first"
    assert store.put("a/b", BytesSource(b"third"), replace=True) is True
    assert read_object(store, "a/b") == b"third"


def test_a_folder_that_may_not_be_written_is_read(
    open_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(url=str(tmp_path / "shared")).put("a/b", BytesSource(b"content"))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "not yours")

    monkeypatch.setattr(os, "makedirs", refuse)
    store = open_store(url=str(tmp_path / "shared"))
    assert read_object(store, "a/b") == b"content"
    with pytest.raises(OSError, match="not yours"):
        store.put("a/c", BytesSource(b"content"))
