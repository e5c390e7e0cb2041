"""Results to store, and the means to look at what comes back."""

from __future__ import annotations

import io
import os
import shutil
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest
from bao_cache_local.backend import LocalCache
from bao_cache_local.settings import LocalCacheSettings

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError
from bao_core.interfaces.cache import BlobSource
from bao_core.model import ActionResult, OutputFile, OutputLink, TaskId
from bao_core.testing.entries import CollectingSink, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Source(BlobSource):
    """Bytes in memory, or in a file."""

    def __init__(self, data: bytes, path: Path | None = None) -> None:
        self.digest = digest_bytes(data)
        self.path = str(path) if path else None
        self.data = data

    def open(self) -> BinaryIO:
        return open(self.path, "rb") if self.path else io.BytesIO(self.data)


class Stored:
    """An entry as a task would store it."""

    def __init__(self, number: int, sizes: Sequence[int], task: str, shared: bytes) -> None:
        self.key = key_of(number)
        datas = [b"%d/%d;" % (number, index) * (size // 4 + 1) for index, size in enumerate(sizes)]
        if shared:
            datas.append(shared)
        self.contents = [b"log %d\n" % number, b"parts %d" % number * 20, *datas]
        self.sources = [Source(data) for data in self.contents]
        log, parts, *files = [source.digest for source in self.sources]
        self.result = ActionResult(
            task_id=TaskId(task),
            exit_code=0,
            log=log,
            parts=parts,
            files=tuple(OutputFile(f"pkg/dist/{n}", digest) for n, digest in enumerate(files)),
            links=(OutputLink("pkg/dist/link", "0"),),
            directories=("pkg/dist/empty",),
            duration=1.5,
        )
        self.blobs = {source.digest: source.data for source in self.sources}


def make_entry(
    number: int = 0,
    sizes: Sequence[int] = (10, 10_000),
    task: str = "pkg#build",
    shared: bytes = b"",
) -> Stored:
    """An entry with small and large files, all of them told apart by its number."""
    return Stored(number, sizes, task, shared)


def put(cache: LocalCache, entry: Stored, **options: Any) -> str:
    return cache.put_entry(entry.key, entry.result, entry.sources, **options).value


def get(cache: LocalCache, entry: Stored) -> bool:
    """Whether an entry is a hit; asserts that a hit is right in every byte."""
    found = dict(cache.get_entries([entry.key]))
    if not found:
        return False
    assert found == {entry.key: entry.result}
    sink = CollectingSink()
    try:
        cache.fetch(entry.result, list(entry.blobs), sink)
    except CacheError:
        cache.remove_entry(entry.key)
        return False
    assert sink.blobs == entry.blobs
    return True


def files_below(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def grow_old(root: Path, seconds: float) -> None:
    """Let every file of a cache look as if it had last been used a while ago."""
    for home in ("results", "blobs", "scopes", "unfinished", "history"):
        for path in files_below(root / home):
            then = path.stat().st_mtime - seconds
            os.utime(path, (then, then))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(root: Path) -> LocalCache:
    return LocalCache(str(root), workspace="/workspace")


@pytest.fixture
def open_cache(root: Path) -> Callable[..., LocalCache]:
    """Opens the cache as another process would."""

    def opening(where: Path | None = None, **options: Any) -> LocalCache:
        settings = LocalCacheSettings(**options.pop("settings", {}))
        return LocalCache(str(where or root), settings=settings, workspace="/workspace", **options)

    return opening


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    numbers = iter(range(10**6))

    def copy(path: Path) -> Path:
        target = tmp_path / f"copy{next(numbers)}"
        if path.exists():
            shutil.copytree(path, target)
        return target

    return copy


@pytest.fixture
def kit() -> Any:
    """The functions of this module: test modules cannot import each other."""

    class Kit:
        Source = Source
        Sink = CollectingSink
        make_entry = staticmethod(make_entry)
        key_of = staticmethod(key_of)
        put = staticmethod(put)
        get = staticmethod(get)
        files_below = staticmethod(files_below)
        grow_old = staticmethod(grow_old)

    return Kit
