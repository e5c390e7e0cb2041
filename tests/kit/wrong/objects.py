"""Object stores that break one promise each, and the tests that catch them."""

from __future__ import annotations

import time
from io import BytesIO
from threading import Lock

import msgspec
import pytest

from bao_core.testing.objects import ObjectStoreSuite
from bao_core.testing.stores import MemoryObjectStore


class MemorySuite(ObjectStoreSuite):
    component = MemoryObjectStore
    largest = 300_000

    @pytest.fixture
    def make_at(self):
        places = {}
        return lambda place: self.component(places.setdefault(place, {}))


def caught_by(test):
    """Make a suite of a wrong store, of which one test should fail."""

    def decorate(wrong):
        name = f"Test{wrong.__name__}"
        if issubclass(wrong, MemorySuite):
            wrong.__name__ = name
            wrong.caught_by = test
            globals()[name] = wrong
        else:
            globals()[name] = type(name, (MemorySuite,), {"component": wrong, "caught_by": test})
        return wrong

    return decorate


@caught_by("test_an_object_comes_back_from_other_processes_too")
class KeepsToItself(MemoryObjectStore):
    def __init__(self, _objects) -> None:
        super().__init__()


@caught_by("test_what_is_not_there_is_none_and_no_exception")
class RaisesOnAMiss(MemoryObjectStore):
    def get(self, name):
        return BytesIO(self.objects[name][0])


@caught_by("test_what_is_not_there_is_none_and_no_exception")
class FindsNeighbours(MemoryObjectStore):
    def get(self, name):
        near = next((other for other in self.objects if other.startswith(name)), name)
        return super().get(near)


@caught_by("test_objects_of_any_size_come_back")
class NothingIsNoObject(MemoryObjectStore):
    def get(self, name):
        return super().get(name) if self.objects.get(name, (b"",))[0] else None


@caught_by("test_objects_of_any_size_come_back")
class CutsLargeOnes(MemoryObjectStore):
    def get(self, name):
        found = super().get(name)
        return found and BytesIO(found.read(1 << 16))


class AllAtOnce(BytesIO):
    def read(self, _size=-1):
        return super().read()


@caught_by("test_an_object_is_read_in_pieces")
class GivesEverything(MemoryObjectStore):
    def get(self, name):
        found = super().get(name)
        return found and AllAtOnce(found.read())


@caught_by("test_what_is_there_already_stays")
class Overwrites(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        return super().put(name, source, replace=True)


@caught_by("test_replacing_overwrites")
class NeverReplaces(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        return super().put(name, source)


@caught_by("test_replacing_overwrites")
class SaysItWasThere(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        before = name in self.objects
        return super().put(name, source, replace=replace) and not before


class PieceByPiece(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        if name in self.objects and not replace:
            return False
        data = b""
        with source.open() as stream:
            while piece := stream.read(100_000):
                data += piece
                self.objects[name] = (data, time.time())
        self.objects[name] = (data, time.time())
        return True


@caught_by("test_an_object_is_stored_whole_or_not_at_all")
class LeavesHalves(PieceByPiece):
    pass


@caught_by("test_an_object_is_stored_whole_or_not_at_all")
class SwallowsBrokenSources(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        try:
            return super().put(name, source, replace=replace)
        except OSError:
            return False


@caught_by("test_an_object_is_seen_only_when_it_is_whole")
class ShowsHalves(PieceByPiece):
    pass


@caught_by("test_it_tells_which_objects_are_there")
class TakesFoldersForObjects(MemoryObjectStore):
    def exists(self, names):
        return {n for n in names if any(other.startswith(n) for other in self.objects)}


@caught_by("test_deleting_removes_and_deleting_nothing_is_no_fault")
class DeletesNothing(MemoryObjectStore):
    def delete(self, name) -> None:
        """Nothing."""


@caught_by("test_deleting_removes_and_deleting_nothing_is_no_fault")
class RaisesOnDeletingNothing(MemoryObjectStore):
    def delete(self, name) -> None:
        del self.objects[name]


@caught_by("test_objects_are_listed_by_prefix_each_once_with_their_sizes")
class ListsFolders(MemoryObjectStore):
    def list(self, prefix):
        folder = prefix and prefix.rstrip("/") + "/"
        return super().list(folder)


@caught_by("test_objects_are_listed_by_prefix_each_once_with_their_sizes")
class DoesNotMeasure(MemoryObjectStore):
    def list(self, prefix):
        return (msgspec.structs.replace(info, size=0) for info in super().list(prefix))


@caught_by("test_listing_tells_when_an_object_was_last_changed")
class KnowsNoTime(MemoryObjectStore):
    def list(self, prefix):
        return (msgspec.structs.replace(info, modified=0.0) for info in super().list(prefix))


@caught_by("test_many_threads_may_use_it_at_once")
class OneAtATime(MemoryObjectStore):
    def __init__(self, objects) -> None:
        super().__init__(objects)
        self.busy = Lock()

    def put(self, name, source, *, replace=False):
        if not self.busy.acquire(blocking=False):
            raise RuntimeError("somebody else is here")
        time.sleep(0.005)
        try:
            return super().put(name, source, replace=replace)
        finally:
            self.busy.release()


@caught_by("test_of_many_writers_at_once_the_object_of_one_is_there_and_whole")
class LooksFirst(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        if name in self.objects and not replace:
            return False
        time.sleep(0.01)
        return super().put(name, source, replace=True)


@caught_by("test_writes_are_conditional_if_declared_and_only_then")
class LooksBeforeItReads(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        if name in self.objects and not replace:
            return False
        return super().put(name, source, replace=True)


@caught_by("test_writes_are_conditional_if_declared_and_only_then")
class ConditionalUndeclared(MemorySuite):
    conditional_writes = False


@caught_by("test_every_name_that_core_gives_is_a_name")
class ShortNames(MemoryObjectStore):
    def put(self, name, source, *, replace=False):
        return super().put(name[:200], source, replace=replace)


@caught_by("test_it_says_where_the_objects_are")
class TellsThePassword(MemoryObjectStore):
    def location(self) -> str:
        return "redis://bao:hunter2@example.org/0"
