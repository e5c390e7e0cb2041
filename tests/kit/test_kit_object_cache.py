"""A cache on an object store keeps every promise of a cache backend."""

from __future__ import annotations

import pytest

from bao_core.testing.object_cache import ObjectStoreCacheSuite
from bao_core.testing.stores import DirectoryObjectStore, MemoryObjectStore


class TestCacheInMemory(ObjectStoreCacheSuite):
    component = MemoryObjectStore

    @pytest.fixture
    def make_store_at(self):
        places = {}
        return lambda place: MemoryObjectStore(places.setdefault(place, {}))


class TestCacheInADirectory(ObjectStoreCacheSuite):
    component = DirectoryObjectStore

    @pytest.fixture
    def settings_at(self):
        return lambda place: {"path": str(place / "objects")}
