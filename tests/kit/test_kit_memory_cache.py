"""The kit's own cache in memory keeps every promise."""

from __future__ import annotations

import pytest

from bao_core.testing.cache import CacheBackendSuite
from bao_core.testing.memory_cache import MemoryCache, ShelfContents, Shelves


class TestMemoryCache(CacheBackendSuite):
    component = MemoryCache
    keeps_history = lists_entries = tells_stats = evicts = verifies = True

    @pytest.fixture
    def shelves(self):
        return Shelves()

    @pytest.fixture
    def make_at(self, shelves):
        return lambda place: MemoryCache(shelves.at(place))

    @pytest.fixture
    def contents_at(self, shelves):
        return lambda place: ShelfContents(shelves.at(place))

    @pytest.fixture
    def grow_old_at(self, shelves):
        return shelves.grow_old
