"""Objects of file systems that fsspec knows and this package does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from bao_cache_fsspec import filesystem, spool
from fsspec.implementations.local import LocalFileSystem

from bao_core.testing.entries import BytesSource
from bao_core.testing.objects import BreakingSource, read_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bao_cache_fsspec.store import FsspecStore


class Plain(LocalFileSystem):
    """A file system of the kind that shows half of a file while it is written."""

    protocol = "bao-plain"
    seen: list[str]

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("bao-plain://"))

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        super().pipe_file(path, value, **options)


@pytest.fixture
def plain(tmp_path: Path, open_store) -> Callable[[], FsspecStore]:
    fsspec.register_implementation("bao-plain", Plain, clobber=True)
    return lambda: open_store(url=f"bao-plain://{tmp_path}/there", anonymous=True)


def test_an_object_is_written_under_another_name_first(
    plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(
        Plain,
        "pipe_file",
        lambda self, path, value, **_: (
            written.append(path),
            LocalFileSystem.pipe_file(self, path, value),
        ),
    )
    store = plain()
    assert store.put("a/b", BytesSource(b"first")) is True
    assert store.put("a/b", BytesSource(b"second")) is False
    assert read_object(plain(), "a/b") == b"first"
    assert store.put("a/b", BytesSource(b"third"), replace=True) is True
    assert read_object(plain(), "a/b") == b"third"
    assert [".unfinished/" in path for path in written] == [True, True]
    assert [info.name for info in store.list("")] == ["a/b"]
    assert not list((tmp_path / "there" / ".unfinished").iterdir())


def test_a_source_that_breaks_leaves_nothing(plain, tmp_path: Path) -> None:
    store = plain()
    with pytest.raises(OSError, match="the source broke"):
        store.put("a/b", BreakingSource(b"x" * 100_000))
    assert store.get("a/b") is None
    assert not [path for path in tmp_path.rglob("there/**/*") if path.is_file()]


@pytest.mark.parametrize("extra", [-1, 0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1])
def test_large_objects_come_back_range_by_range(plain, extra: int) -> None:
    data = b"0123456789abcdef" * ((filesystem.FIRST + max(extra, 0)) // 16 + 1)
    data = data[: filesystem.FIRST + extra]
    store = plain()
    store.put("large", BytesSource(data))
    assert read_object(store, "large") == data


def test_what_does_not_fit_into_memory_goes_through_a_file(
    plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 1000)
    data = b"x" * 5000
    store = plain()
    assert store.put("large", BytesSource(data)) is True
    assert read_object(store, "large") == data


def test_a_file_system_that_fails_is_named_with_its_error(
    plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is on fire")

    store = plain()
    monkeypatch.setattr(Plain, "cat_file", fail)
    monkeypatch.setattr(Plain, "info", fail)
    with pytest.raises(Exception, match=r"bao-plain://.* failed .*the disk is on fire"):
        store.get("a")


@pytest.mark.parametrize("refusing", [True, False], ids=["behind-the-end", "before-the-end"])
def test_a_range_that_is_refused_is_the_end_only_at_the_end(
    refusing: bool, plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"x" * (filesystem.FIRST if refusing else filesystem.FIRST + 1)

    def cat_file(self, path: str, start: int, end: int) -> bytes:
        if start:
            raise OSError("416 range not satisfiable")
        return data[:end]

    store = plain()
    store.put("large", BytesSource(data))
    monkeypatch.setattr(Plain, "cat_file", cat_file)
    if refusing:
        assert read_object(store, "large") == data
    else:
        with pytest.raises(OSError, match="416"):
            read_object(store, "large")
