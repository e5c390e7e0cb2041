"""Object stores to be read that break one promise each, and the tests that catch them."""

from __future__ import annotations

from io import BytesIO
from threading import Lock
from time import sleep

import pytest

from bao_core.testing.read_only import ReadOnlyObjectStoreSuite
from bao_core.testing.stores import MemoryObjectStore


class Reading(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        raise PermissionError(f"{name} cannot be written: {source.digest}, {replace}")

    def delete(self, name) -> None:
        raise PermissionError(f"{name} cannot be deleted")


def caught_by(test):
    """Make a suite of a wrong store, of which one test should fail."""

    def decorate(wrong):
        class Suite(ReadOnlyObjectStoreSuite):
            component = wrong
            largest = 300_000
            caught_by = test

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
                return lambda place: wrong(places.setdefault(place, {}))

        Suite.__name__ = f"Test{wrong.__name__}"
        globals()[Suite.__name__] = Suite
        return wrong

    return decorate


@caught_by("test_objects_of_any_size_are_read")
class CutsLargeOnes(Reading):
    def get(self, name):
        found = super().get(name)
        return found and BytesIO(found.read(1 << 16))


class AllAtOnce(BytesIO):
    def read(self, _size=-1):
        return super().read()


@caught_by("test_objects_are_read_by_every_name_and_in_pieces")
class GivesEverything(Reading):
    def get(self, name):
        found = super().get(name)
        return found and AllAtOnce(found.read())


@caught_by("test_what_is_not_there_is_none_and_nobody_else")
class RaisesOnAMiss(Reading):
    def get(self, name):
        return BytesIO(self.objects[name][0])


@caught_by("test_it_tells_which_objects_there_are")
class BelievesInAll(Reading):
    def exists(self, names):
        return set(names)


@caught_by("test_objects_are_listed_if_declared_and_only_then")
class ListsNothing(Reading):
    def list(self, _prefix):
        return iter(())


@caught_by("test_it_tells_where_objects_are")
class TellsThePassword(Reading):
    def location(self) -> str:
        return "https://bao:hunter2@example.org/cache"


@caught_by("test_whoever_would_change_it_is_refused")
class SaysNothing(Reading):
    def put(self, _name, _source, *, replace=False):
        return replace


@caught_by("test_whoever_would_change_it_is_refused")
class CanDelete(Reading):
    def delete(self, name) -> None:
        self.objects.pop(name)


@caught_by("test_many_threads_may_read_at_once")
class OneAtATime(Reading):
    def __init__(self, objects) -> None:
        super().__init__(objects)
        self.busy = Lock()

    def get(self, name):
        if not self.busy.acquire(timeout=0):
            raise RuntimeError("somebody else is here")
        try:
            sleep(0.005)
            return super().get(name)
        finally:
            self.busy.release()


@caught_by("test_what_a_cache_stored_elsewhere_is_a_hit_and_damage_is_a_miss")
class KnowsNoEntries(Reading):
    def get(self, name):
        return None if "bao-1" in name else super().get(name)
