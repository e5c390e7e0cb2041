"""A cache on an object store that breaks the one promise of its own."""

from __future__ import annotations

import pytest

from bao_core.object_cache import ObjectStoreCache
from bao_core.testing.object_cache import ObjectStoreCacheSuite
from bao_core.testing.stores import MemoryObjectStore


def caught_by(test):
    """Make a suite of a wrong cache, of which one test should fail."""

    def decorate(wrong):
        class Suite(ObjectStoreCacheSuite):
            component = MemoryObjectStore
            caught_by = test

            @pytest.fixture
            def make_at(self):
                places = {}
                return lambda place: wrong(MemoryObjectStore(places.setdefault(place, {})))

        globals()[f"Test{wrong.__name__}"] = Suite
        Suite.__name__ = f"Test{wrong.__name__}"
        return wrong

    return decorate


@caught_by("test_an_entry_of_many_small_files_is_fetched_with_one_request")
class AsksAgain(ObjectStoreCache):
    def fetch(self, result, digests, sink) -> None:
        self.find_missing(digests)
        self.stats()
        super().fetch(result, digests, sink)
