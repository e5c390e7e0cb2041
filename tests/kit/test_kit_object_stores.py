"""The kit's own object stores keep every promise, and bend where they are told to."""

from __future__ import annotations

import pytest

from bao_core.testing.entries import BytesSource, example_entry, is_hit
from bao_core.testing.faulty import FAULTS, Fault, FaultyCache, FaultyObjectStore
from bao_core.testing.memory_cache import MemoryCache
from bao_core.testing.object_cache import ObjectStoreCacheSuite
from bao_core.testing.objects import ObjectStoreSuite, read_object
from bao_core.testing.read_only import ReadOnlyObjectStoreSuite
from bao_core.testing.stores import DirectoryObjectStore, MemoryObjectStore


class TestMemoryObjectStore(ObjectStoreSuite):
    component = MemoryObjectStore

    @pytest.fixture
    def make_at(self):
        places = {}
        return lambda place: MemoryObjectStore(places.setdefault(place, {}))


class TestDirectoryObjectStore(ObjectStoreSuite):
    component = DirectoryObjectStore

    @pytest.fixture
    def settings_at(self):
        return lambda place: {"path": str(place / "objects")}


class ReadOnlyStore(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        raise PermissionError(f"{name} cannot be written: {source.digest}, {replace}")

    def delete(self, name):
        raise PermissionError(f"{name} cannot be deleted")


class TestReadOnlyStore(ReadOnlyObjectStoreSuite):
    component = MemoryObjectStore
    made = ReadOnlyStore

    @pytest.fixture
    def places(self):
        return {}

    @pytest.fixture
    def fill_at(self, places):
        def fill(place, objects):
            places[place] = {name: (data, 0.0) for name, data in objects.items()}

        return fill

    @pytest.fixture
    def make_at(self, places):
        return lambda place: self.made(places.setdefault(place, {}))


class ReadOnlyStoreWithoutAList(ReadOnlyStore):
    def list(self, _prefix):
        return iter(())


class TestReadOnlyStoreWithoutAList(TestReadOnlyStore):
    made = ReadOnlyStoreWithoutAList
    lists = False


class CountingStore(MemoryObjectStore):
    open_now = 0

    def __init__(self, objects) -> None:
        super().__init__(objects)
        CountingStore.open_now += 1

    def close(self) -> None:
        CountingStore.open_now -= 1


class TestStoresOfTheBackDoorAreClosed(ObjectStoreCacheSuite):
    component = MemoryObjectStore

    @pytest.fixture(autouse=True)
    def _all_are_closed(self):
        yield
        assert CountingStore.open_now == 0

    @pytest.fixture
    def make_store_at(self, _all_are_closed):
        places = {}
        return lambda place: CountingStore(places.setdefault(place, {}))


def answer_of(fault, ask):
    """What a call with a fault comes to."""
    if fault.kind == "hangs":
        fault.release()
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 - any will do
        return type(error)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_faulty_store_does_not_give_what_was_stored(kind) -> None:
    inner = MemoryObjectStore()
    store = FaultyObjectStore(inner, Fault())
    assert store.put("a", BytesSource(b"content"))
    assert read_object(store, "a") == b"content"
    store.fault.kind = kind
    answer = answer_of(store.fault, lambda: read_object(store, "a"))
    assert (answer == b"content") == (kind == "slow")
    assert store.fault.calls == ["put", "get", "get"]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_faulty_cache_gives_no_whole_entry(kind) -> None:
    cache, entry = FaultyCache(MemoryCache(), Fault()), example_entry()
    cache.put_entry(entry.key, entry.result, entry.sources)
    assert is_hit(cache, entry)
    cache.fault.kind = kind

    def ask():
        try:
            return is_hit(cache, entry)
        except AssertionError:
            return "another result"

    assert (answer_of(cache.fault, ask) is True) == (kind == "slow")


def test_a_kind_of_fault_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="'explodes' is none of raises, hangs"):
        Fault("explodes")
