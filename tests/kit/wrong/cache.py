"""Cache backends that break one promise each, and the tests that catch them."""

from __future__ import annotations

import os
import time
from threading import Lock

import msgspec
import pytest

from bao_core.digests import digest_bytes
from bao_core.interfaces.cache import CacheStats, Evicted, Stored, Traffic
from bao_core.testing.cache import CacheBackendSuite
from bao_core.testing.memory_cache import KeptEntry, MemoryCache, Shelf, ShelfContents, Shelves


class MemorySuite(CacheBackendSuite):
    component = MemoryCache
    keeps_history = lists_entries = tells_stats = evicts = verifies = True
    examples = 40

    @pytest.fixture
    def shelves(self):
        return Shelves()

    @pytest.fixture
    def make_at(self, shelves):
        return lambda place: self.component(shelves.at(place))

    @pytest.fixture
    def contents_at(self, shelves):
        return lambda place: ShelfContents(shelves.at(place))

    @pytest.fixture
    def grow_old_at(self, shelves):
        return shelves.grow_old


def caught_by(test, base=MemorySuite):
    """Make a suite of a wrong component, of which one test should fail."""

    def decorate(wrong):
        name = f"Test{wrong.__name__}"
        if issubclass(wrong, base):
            wrong.__name__ = name
            wrong.caught_by = test
            globals()[name] = wrong
        else:
            globals()[name] = type(name, (base,), {"component": wrong, "caught_by": test})
        return wrong

    return decorate


# --- what every component promises -------------------------------------------------------------


@caught_by("test_the_suite_is_whole")
class Overrides(MemorySuite):
    def test_touching_tells_which_entries_are_there(self) -> None:
        """Nothing."""


@caught_by("test_the_suite_is_whole")
class Deletes(MemorySuite):
    test_touching_tells_which_entries_are_there = None


@caught_by("test_the_suite_is_whole")
class Marks(MemorySuite):
    pytestmark = [pytest.mark.skipif(False, reason="for now")]  # noqa: RUF012 - pytest's own name


@caught_by("test_touching_tells_which_entries_are_there")
class Skips(MemorySuite):
    @pytest.fixture
    def make_at(self):
        pytest.skip("no server")


@caught_by("test_touching_tells_which_entries_are_there")
class ExpectsToFail(MemorySuite):
    @pytest.fixture
    def make_at(self):
        def make(_place) -> None:
            pytest.xfail("not yet")

        return make


@caught_by("test_its_name_is_a_word_for_the_configuration")
class Nameless(MemoryCache):
    name = "My Cache"


@caught_by("test_its_settings_are_decoded_and_mistakes_in_them_refused")
class TakesAnySetting(MemoryCache):
    class Settings(msgspec.Struct):
        path: str = ""


@caught_by("test_it_can_be_opened_closed_and_opened_again")
class OpensOnce(MemoryCache):
    @classmethod
    def open(cls, settings, context):
        marker = f"{context.root}/opened"
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        return cls()


@caught_by("test_importing_its_module_imports_no_heavy_library")
class Heavy(MemoryCache):
    __module__ = "unittest.async_case"  # which imports asyncio


# --- entries -----------------------------------------------------------------------------------


@caught_by("test_what_was_stored_is_found_by_other_processes_too")
class KeepsToItself(MemoryCache):
    def __init__(self, _shelf) -> None:
        super().__init__(Shelf())


@caught_by("test_a_miss_is_a_value_and_never_an_exception")
class RaisesOnAMiss(MemoryCache):
    def get_entries(self, keys):
        for key in keys:
            if key not in self.shelf.entries:
                raise KeyError(key)
            yield from super().get_entries([key])


@caught_by("test_many_results_are_looked_up_at_once_and_misses_left_out")
class StopsAtTheFirstMiss(MemoryCache):
    def get_entries(self, keys):
        for key in keys:
            if key not in self.shelf.entries:
                return
            yield from super().get_entries([key])


@caught_by("test_the_first_write_of_a_key_wins")
class LastWriteWins(MemoryCache):
    def put_entry(self, key, result, blobs, *, replace=False):
        return super().put_entry(key, result, blobs, replace=True)


@caught_by("test_replacing_overwrites_an_entry")
class NeverReplaces(MemoryCache):
    def put_entry(self, key, result, blobs, *, replace=False):
        return super().put_entry(key, result, blobs)


@caught_by("test_a_removed_entry_is_a_miss_and_removing_nothing_is_no_fault")
class RemovesNothing(MemoryCache):
    def remove_entry(self, key) -> None:
        """Nothing."""


@caught_by("test_a_removed_entry_is_a_miss_and_removing_nothing_is_no_fault")
class RaisesOnRemovingNothing(MemoryCache):
    def remove_entry(self, key) -> None:
        del self.shelf.entries[key]


@caught_by("test_touching_tells_which_entries_are_there")
class TouchesEverything(MemoryCache):
    def touch(self, keys):
        return set(keys)


class Unchecked(MemoryCache):
    """Shows entries whether their blobs are there or not."""

    def _read_entry(self, key):
        kept = self.shelf.entries.get(key)
        return None if kept is None else msgspec.msgpack.decode(kept.data, type=tuple)[1]


@caught_by("test_an_entry_becomes_visible_only_when_all_its_blobs_are_there")
class EntryBeforeBlobs(Unchecked):
    def put_entry(self, key, result, blobs, *, replace=False):
        data = msgspec.msgpack.encode((key, "soon there"))
        self.shelf.entries[key] = KeptEntry(data, digest_bytes(data), result.task_id, 0.0, 0.0)
        return super().put_entry(key, result, blobs, replace=True)


@caught_by("test_an_entry_whose_blob_cannot_be_had_is_not_stored")
class StoresWhatItGets(Unchecked):
    def put_entry(self, key, result, blobs, *, replace=False):
        for source in blobs:
            try:
                self.put_blob(source)
            except OSError:
                continue
        data = msgspec.msgpack.encode((key, "without its blobs"))
        self.shelf.entries[key] = KeptEntry(data, digest_bytes(data), result.task_id, 0.0, 0.0)
        return Stored.STORED


class Trusting(MemoryCache):
    """Takes and gives blobs unseen."""

    def put_entry(self, key, result, blobs, *, replace=False):
        answer = super().put_entry(key, result, blobs, replace=replace)
        if answer is Stored.REFUSED:
            for source in blobs:
                self.put_blob(source)
        return answer

    def put_blob(self, source) -> None:
        with source.open() as stream:
            self.shelf.blobs[source.digest] = stream.read()

    def read_blob(self, digest):
        return self.shelf.blobs.get(digest)


@caught_by("test_a_source_that_is_not_what_its_digest_says_is_never_handed_out")
class TrustsSources(Trusting):
    pass


@caught_by("test_blobs_come_from_files_and_from_memory")
class MovesFiles(MemoryCache):
    def put_entry(self, key, result, blobs, *, replace=False):
        answer = super().put_entry(key, result, blobs, replace=replace)
        for source in blobs:
            if source.path:
                os.unlink(source.path)
        return answer


# --- blobs -------------------------------------------------------------------------------------


@caught_by("test_blobs_of_any_size_come_back")
class NoEmptyBlobs(MemoryCache):
    def read_blob(self, digest):
        return super().read_blob(digest) or None


@caught_by("test_blobs_of_any_size_come_back")
class NoLargeBlobs(MemoryCache):
    def read_blob(self, digest):
        data = super().read_blob(digest)
        return data[: 1 << 16] if data else data


@caught_by("test_a_blob_is_read_from_an_offset")
class IgnoresOffsets(MemoryCache):
    def open_blob(self, digest, *, offset=0):
        return super().open_blob(digest)


@caught_by("test_blobs_are_handed_to_the_sink_exactly_once_and_no_others")
class FetchesEverything(MemoryCache):
    def fetch(self, result, digests, sink) -> None:
        super().fetch(result, result.blobs(), sink)


@caught_by("test_blobs_are_handed_to_the_sink_exactly_once_and_no_others")
class FetchesTwice(MemoryCache):
    def fetch(self, result, digests, sink) -> None:
        super().fetch(result, [*digests, *digests], sink)


@caught_by("test_fetching_a_blob_that_is_missing_raises_cache_error")
class SkipsWhatIsMissing(MemoryCache):
    def fetch(self, result, digests, sink) -> None:
        super().fetch(result, [d for d in digests if d in self.shelf.blobs], sink)


@caught_by("test_an_error_of_the_sink_is_not_swallowed")
class SwallowsErrors(MemoryCache):
    def fetch(self, result, digests, sink) -> None:
        try:
            super().fetch(result, digests, sink)
        except OSError:
            return


@caught_by("test_it_tells_which_blobs_are_missing")
class MissesNothing(MemoryCache):
    def find_missing(self, digests):
        return set()


@caught_by("test_a_blob_is_stored_without_an_entry")
class DropsBlobs(MemoryCache):
    def put_blob(self, source) -> None:
        """Nothing."""


@caught_by("test_a_blob_is_stored_without_an_entry")
class StoresFalseBlobs(Trusting):
    pass


# --- together ----------------------------------------------------------------------------------


@caught_by("test_many_threads_may_use_it_at_once")
class OneAtATime(MemoryCache):
    def __init__(self, shelf) -> None:
        super().__init__(shelf)
        self.busy = Lock()

    def put_entry(self, key, result, blobs, *, replace=False):
        if not self.busy.acquire(blocking=False):
            raise RuntimeError("somebody else is here")
        time.sleep(0.005)
        try:
            return super().put_entry(key, result, blobs, replace=replace)
        finally:
            self.busy.release()


class LooksFirst(MemoryCache):
    """Looks whether a key is there, takes its time, and writes."""

    pause = 0.0

    def put_entry(self, key, result, blobs, *, replace=False):
        if not replace and key in self.shelf.entries:
            return Stored.EXISTS
        time.sleep(self.pause)
        return super().put_entry(key, result, blobs, replace=True)


@caught_by("test_who_is_late_does_not_overwrite")
class OverwritesWhenLate(LooksFirst):
    pass


@caught_by("test_of_many_writers_at_once_one_wins_and_its_entry_is_whole")
class LetsAllWin(LooksFirst):
    pause = 0.01


@caught_by("test_it_behaves_like_a_model")
class GrowsStale(MemoryCache):
    """Remembers what it has seen, and does not hear what others do."""

    def __init__(self, shelf) -> None:
        super().__init__(shelf)
        self.seen = {}

    def get_entries(self, keys):
        self.seen.update(super().get_entries([key for key in keys if key not in self.seen]))
        yield from ((key, self.seen[key]) for key in keys if key in self.seen)

    def remove_entry(self, key) -> None:
        self.seen.pop(key, None)
        super().remove_entry(key)


# --- damage ------------------------------------------------------------------------------------


@caught_by("test_the_back_door_is_declared")
class HasAHiddenBackDoor(MemorySuite):
    damages = ()


@caught_by("test_the_back_door_is_declared")
class HasOnlyAnotherKindOfDamage(MemorySuite):
    damages = ("rust",)


@caught_by("test_what_is_read_is_verified")
class GivesUnseen(Trusting):
    pass


@caught_by("test_what_is_read_is_verified")
class LeadsNowhere(MemorySuite):
    @pytest.fixture
    def contents_at(self):
        other = {"a": b"nobody reads this"}
        return lambda _place: other


@caught_by("test_an_entry_that_is_damaged_is_left_out_and_removed")
class KeepsDamagedEntries(MemoryCache):
    def _read_entry(self, key):
        kept = self.shelf.entries.get(key)
        found = super()._read_entry(key)
        if kept is not None:
            self.shelf.entries[key] = kept
        return found

    def put_entry(self, key, result, blobs, *, replace=False):
        if not replace and key in self.shelf.entries:
            return Stored.EXISTS
        return super().put_entry(key, result, blobs, replace=True)

    def get_entries(self, keys):
        for key in keys:
            result = self._read_entry(key)
            if result is not None:
                yield key, result


@caught_by("test_a_blob_that_is_damaged_is_removed_and_can_be_stored_again")
class KeepsDamagedBlobs(MemoryCache):
    def read_blob(self, digest):
        data = self.shelf.blobs.get(digest)
        return data if data is not None and digest_bytes(data) == digest else None

    def put_entry(self, key, result, blobs, *, replace=False):
        before = dict(self.shelf.blobs)
        answer = super().put_entry(key, result, blobs, replace=replace)
        self.shelf.blobs.update(before)
        return answer


# --- upkeep ------------------------------------------------------------------------------------


@caught_by("test_the_newest_entries_of_a_task_are_told_newest_first")
class TellsTheOldest(MemoryCache):
    def latest(self, task_id, limit=1):
        return list(super().latest(task_id, 99))[::-1][:limit]


@caught_by("test_the_newest_entries_of_a_task_are_told_newest_first")
class TellsUndeclaredHistory(MemorySuite):
    keeps_history = False


@caught_by("test_every_entry_is_listed")
class ListsAllButOne(MemoryCache):
    def entries(self):
        return list(super().entries())[1:]


@caught_by("test_every_entry_is_listed")
class ListsUndeclared(MemorySuite):
    lists_entries = False


@caught_by("test_it_tells_what_it_holds")
class CountsNothing(MemoryCache):
    def stats(self):
        return CacheStats("memory", 0, 0, 0)


@caught_by("test_it_tells_what_it_holds")
class CountsUndeclared(MemorySuite):
    tells_stats = False


@caught_by("test_the_least_recently_used_is_evicted_first")
class EvictsTheNewest(MemoryCache):
    def evict(self, policy):
        for kept in self.shelf.entries.values():
            kept.used = 2 * time.time() - kept.used - 2_000_000
        return super().evict(policy)


@caught_by("test_the_least_recently_used_is_evicted_first")
class EvictsUndeclared(MemorySuite):
    evicts = False


@caught_by("test_the_least_recently_used_is_evicted_first")
class MarksUseUndeclared(MemorySuite):
    marks_use = False


@caught_by("test_what_is_unused_for_too_long_is_evicted")
class IgnoresAge(MemoryCache):
    def evict(self, policy):
        return super().evict(msgspec.structs.replace(policy, max_age=None))


@caught_by("test_what_was_used_lately_is_spared")
class SparesNothing(MemoryCache):
    def evict(self, policy):
        return super().evict(msgspec.structs.replace(policy, spare=0.0))


@caught_by("test_blobs_that_another_entry_names_survive_an_eviction")
class EvictsSharedBlobs(MemoryCache):
    def evict(self, policy):
        evicted = super().evict(policy)
        self.shelf.blobs.clear()
        return evicted


@caught_by("test_an_eviction_within_a_budget_breaks_nothing")
class StopsHalfWay(MemoryCache):
    def evict(self, policy):
        if policy.budget is not None:
            self.shelf.blobs.update(dict.fromkeys(self.shelf.blobs, b""))
            return Evicted(complete=False)
        return super().evict(policy)


@caught_by("test_verifying_removes_what_is_damaged_and_tells_of_it")
class FindsNothingDamaged(MemoryCache):
    def verify(self):
        return ()


@caught_by("test_verifying_removes_what_is_damaged_and_tells_of_it")
class VerifiesUndeclared(MemorySuite):
    verifies = False


@caught_by("test_rebuilding_loses_nothing")
class ForgetsWhenRebuilding(MemoryCache):
    def rebuild(self) -> None:
        self.shelf.entries.clear()


@caught_by("test_what_is_asked_of_others_is_counted")
class CountsTrafficUndeclared(MemoryCache):
    def traffic(self):
        return Traffic()


@caught_by("test_after_writing_what_was_gathered_nothing_is_lost")
class ThrowsAway(MemoryCache):
    def flush(self) -> None:
        self.shelf.entries.clear()


@caught_by("test_hits_and_misses_are_told_for_every_key_once")
class TellsHitsOnly(MemoryCache):
    def look_up(self, keys):
        return self.get_entries(keys)


@caught_by("test_a_blob_that_is_on_this_machine_already_is_the_right_one")
class PeeksAtAnother(MemoryCache):
    def peek(self, digest):
        return next(iter(self.shelf.blobs.values()), None)
