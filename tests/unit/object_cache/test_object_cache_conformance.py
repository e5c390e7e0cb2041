"""The object cache keeps every promise of cache backends.

Nothing is compressed here and little is packed, so that most blobs are objects of their own; how
they are packed is tested in `test_object_cache`.
"""

from __future__ import annotations

import time

import pytest

from bao_core.object_cache import ObjectStoreCache, entries, sources
from bao_core.testing.back_door import ObjectsOf
from bao_core.testing.cache import CacheBackendSuite
from bao_core.testing.stores import MemoryObjectStore


class MarkingStore(MemoryObjectStore):
    """A store that takes a question for a use, as eviction goes by the time that it tells."""

    def exists(self, names):
        for name in names:
            if name in self.objects:
                self.objects[name] = (self.objects[name][0], time.time())
        return super().exists(names)


class OpenedAlone(ObjectStoreCache):
    """A cache with a store of its own, as core makes one."""

    name = "object-store"

    @classmethod
    def open(cls, settings, context):
        del settings
        return cls(MemoryObjectStore(), scope=context.scope)


OpenedAlone.__module__ = ObjectStoreCache.__module__  # what is imported is measured there


class TestObjectCache(CacheBackendSuite):
    component = OpenedAlone
    keeps_history = lists_entries = tells_stats = evicts = verifies = counts_traffic = True

    @pytest.fixture(autouse=True)
    def _apart(self, monkeypatch):
        monkeypatch.setattr(entries, "SMALL", 4_096)
        monkeypatch.setattr(entries, "WORTH", 0.0)
        monkeypatch.setattr(sources, "WORTH", 0.0)

    @pytest.fixture
    def objects(self):
        return {}

    @pytest.fixture
    def make_at(self, objects):
        return lambda place: ObjectStoreCache(MarkingStore(objects.setdefault(place, {})))

    @pytest.fixture
    def contents_at(self, objects):
        return lambda place: ObjectsOf(MemoryObjectStore(objects.setdefault(place, {})))

    @pytest.fixture
    def grow_old_at(self, objects):
        def grow_old(place, seconds):
            for name, (data, modified) in list(objects[place].items()):
                objects[place][name] = (data, modified - seconds)

        return grow_old
