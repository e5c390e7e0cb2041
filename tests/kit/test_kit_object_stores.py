"""The kit's own object stores keep every promise, and bend where they are told to."""

from __future__ import annotations

import pytest

from bao_core.testing.entries import BytesSource, example_entry, is_hit
from bao_core.testing.faulty import FAULTS, Fault, FaultyCache, FaultyObjectStore
from bao_core.testing.memory_cache import MemoryCache
from bao_core.testing.objects import ObjectStoreSuite, read_object
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
