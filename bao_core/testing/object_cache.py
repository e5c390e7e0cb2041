"""What an object store is for: `ObjectStoreCacheSuite` runs the cache that core builds on one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest

from bao_core.interfaces.cache import ObjectStore
from bao_core.object_cache import ObjectStoreCache
from bao_core.testing.back_door import ObjectsOf
from bao_core.testing.cache import CacheBackendSuite
from bao_core.testing.component import Opener
from bao_core.testing.fakes import context_at

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, MutableMapping
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

    from bao_core.interfaces.cache import BlobSource, ObjectInfo


class AgeingStore(ObjectStore):
    """A store whose objects look older than they are.

    Args:
        inner: The store.
        older: Seconds by name, shared by all instances at one place.
    """

    name: ClassVar[str] = "ageing"

    def __init__(self, inner: ObjectStore, older: dict[str, float]) -> None:
        self._inner = inner
        self._older = older

    def location(self) -> str:
        """See `ObjectStore.location`."""
        return self._inner.location()

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`."""
        return self._inner.get(name)

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """See `ObjectStore.put`."""
        stored = self._inner.put(name, source, replace=replace)
        if stored:
            self._older.pop(name, None)
        return stored

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`."""
        return self._inner.exists(names)

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        self._inner.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        for info in self._inner.list(prefix):
            older = self._older.get(info.name, 0.0)
            yield msgspec.structs.replace(info, modified=info.modified - older)

    def close(self) -> None:
        """See `Component.close`."""
        self._inner.close()


class ObjectStoreCacheSuite(CacheBackendSuite):
    """The promises of a cache backend, kept by core's `ObjectStoreCache` on a store.

    Run it beside `ObjectStoreSuite`, with the same `component`, `settings_at` and
    `conditional_writes`; it needs nothing more.
    """

    keeps_history = True
    lists_entries = True
    tells_stats = True
    evicts = True
    verifies = True
    counts_traffic = True
    marks_use = False

    @pytest.fixture
    def make_store_at(
        self, settings_at: Callable[[Path], dict[str, Any]]
    ) -> Callable[[Path], ObjectStore]:
        """Opens the store as core does. Override it for one that is made in another way."""

        def make(place: Path) -> ObjectStore:
            settings = msgspec.convert(settings_at(place), self.component.Settings)
            store: Any = self.component.open(settings, context_at(place))
            assert isinstance(store, ObjectStore)
            return store

        return make

    @pytest.fixture
    def behind_at(
        self, make_store_at: Callable[[Path], ObjectStore]
    ) -> Iterator[Callable[[Path], ObjectStore]]:
        """Makes stores for the back door; closes what was made."""
        opener = Opener(make_store_at)
        yield opener
        opener.close_all()

    @pytest.fixture
    def ages(self) -> dict[Path, dict[str, float]]:
        """By how much objects look older, by place and name."""
        return {}

    @pytest.fixture
    def make_at(
        self,
        make_store_at: Callable[[Path], ObjectStore],
        ages: dict[Path, dict[str, float]],
    ) -> Callable[[Path], Any]:
        """Makes a cache on a store of its own."""
        return lambda place: ObjectStoreCache(
            AgeingStore(make_store_at(place), ages.setdefault(place, {}))
        )

    @pytest.fixture
    def contents_at(
        self, behind_at: Callable[[Path], ObjectStore]
    ) -> Callable[[Path], MutableMapping[str, bytes]]:
        """The back door: the objects themselves."""
        return lambda place: ObjectsOf(behind_at(place))

    @pytest.fixture
    def grow_old_at(
        self,
        behind_at: Callable[[Path], ObjectStore],
        ages: dict[Path, dict[str, float]],
    ) -> Callable[[Path, float], None]:
        """Lets every object that is there look older."""

        def grow_old(place: Path, seconds: float) -> None:
            older = ages.setdefault(place, {})
            for info in behind_at(place).list(""):
                older[info.name] = older.get(info.name, 0.0) + seconds

        return grow_old

    def test_an_entry_of_many_small_files_is_fetched_with_one_request(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        from bao_core.testing.entries import example_entry, is_hit

        writer = open_at(tmp_path / "place")
        entry = example_entry(sizes=(100,) * 200)
        writer.put_entry(entry.key, entry.result, entry.sources)
        reader = open_at(tmp_path / "place")
        before = reader.traffic()
        assert is_hit(reader, entry)
        after = reader.traffic()
        assert before is not None
        assert after is not None
        assert after.requests - before.requests == 1
