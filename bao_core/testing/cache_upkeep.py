"""What a cache backend promises beyond storing: history, listing, eviction, verification."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from bao_core.interfaces.cache import Evicted, EvictionPolicy
from bao_core.testing.back_door import DELETE, FLIP, damage
from bao_core.testing.component import ComponentSuite
from bao_core.testing.entries import example_entry, is_hit

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from pathlib import Path

    from bao_core.interfaces.cache import CacheBackend
    from bao_core.testing.component import Opener
    from bao_core.testing.entries import ExampleEntry

LONG = 100_000.0
"""Seconds ago, as far as eviction is concerned."""

_NOTHING = EvictionPolicy(max_bytes=0, spare=0.0)


class CacheUpkeepSuite(ComponentSuite):
    """The part of `CacheBackendSuite` about methods that have a default.

    Each is declared: what is declared must be there, and what is not declared must not.

    Attributes:
        keeps_history: `latest` knows the entries of a task.
        lists_entries: `entries` lists.
        tells_stats: `stats` counts.
        evicts: `evict` removes.
        marks_use: `touch` counts as a use; without it, what was stored first goes first.
        verifies: `verify` finds what is damaged.
        counts_traffic: `traffic` counts.
    """

    keeps_history: ClassVar[bool] = False
    lists_entries: ClassVar[bool] = False
    tells_stats: ClassVar[bool] = False
    evicts: ClassVar[bool] = False
    marks_use: ClassVar[bool] = True
    verifies: ClassVar[bool] = False
    counts_traffic: ClassVar[bool] = False

    @pytest.fixture
    def grow_old_at(self) -> Callable[[Path, float], None]:
        """Lets everything kept at a place look as if it was last used so many seconds earlier.

        Needed by backends that evict.
        """

        def nobody_said_how(_place: Path, _seconds: float) -> None:
            raise NotImplementedError("a backend that evicts needs the fixture `grow_old_at`")

        return nobody_said_how

    def test_the_newest_entries_of_a_task_are_told_newest_first(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend = open_at(tmp_path / "place")
        mine = [_put(backend, example_entry(n, sizes=(10,))) for n in range(3)]
        _put(backend, example_entry(7, sizes=(10,), task="other#build"))
        task = mine[0].result.task_id
        if not self.keeps_history:
            assert list(backend.latest(task, 9)) == [], "declare `keeps_history = True`"
            return
        newest = [entry.key for entry in reversed(mine)]
        assert [info.key for info in backend.latest(task, 9)] == newest
        assert [info.key for info in backend.latest(task)] == newest[:1]
        for info in backend.latest(task, 9):
            assert (info.task_id, info.size > 0) == (task, True)
        backend.remove_entry(newest[0])
        assert [info.key for info in backend.latest(task, 2)] == newest[1:]

    def test_every_entry_is_listed(self, open_at: Opener, tmp_path: Path) -> None:
        backend = open_at(tmp_path / "place")
        stored = [_put(backend, example_entry(n, sizes=(10,), task=f"p{n}#t")) for n in range(3)]
        infos = list(backend.entries())
        if not self.lists_entries:
            assert infos == [], "declare `lists_entries = True`"
            return
        assert {info.key: info.task_id for info in infos} == {
            entry.key: entry.result.task_id for entry in stored
        }
        assert len(infos) == len(stored)
        assert [info.created for info in infos] == sorted(
            (info.created for info in infos), reverse=True
        )
        backend.remove_entry(stored[0].key)
        assert {info.key for info in backend.entries()} == {entry.key for entry in stored[1:]}

    def test_it_tells_what_it_holds(self, open_at: Opener, tmp_path: Path) -> None:
        backend = open_at(tmp_path / "place")
        empty = backend.stats()
        if not self.tells_stats:
            assert empty is None, "declare `tells_stats = True`"
            return
        assert empty is not None
        entries = [_put(backend, example_entry(n, sizes=(300_000,))) for n in range(2)]
        told = backend.stats()
        assert told is not None
        assert told.location
        assert (empty.entries, told.entries) == (0, 2)
        assert told.bytes - empty.bytes >= sum(
            len(data) for entry in entries for data in entry.blobs.values() if len(data) > 5_000
        )
        assert told.blobs > empty.blobs

    def test_the_least_recently_used_is_evicted_first(
        self,
        open_at: Opener,
        grow_old_at: Callable[[Path, float], None],
        tmp_path: Path,
    ) -> None:
        backend = open_at(tmp_path / "place")
        entries = []
        for number in range(3):
            entries.append(_put(backend, example_entry(number, sizes=(50_000,))))
            if self.evicts:
                grow_old_at(tmp_path / "place", LONG)
        if not self.evicts:
            assert backend.evict(_NOTHING) == Evicted(), "declare `evicts = True`"
            assert all(is_hit(backend, entry) for entry in entries)
            return
        assert backend.touch([entries[0].key]) == {entries[0].key}
        grow_old_at(tmp_path / "place", 10.0)
        evicted = open_at(tmp_path / "place").evict(EvictionPolicy(max_bytes=70_000, spare=0.0))
        assert (evicted.entries, evicted.complete) == (2, True)
        assert evicted.bytes >= 100_000
        reader = open_at(tmp_path / "place")
        left = [True, False, False] if self.marks_use else [False, False, True]
        assert [is_hit(reader, entry) for entry in entries] == left, "declare `marks_use` as it is"

    def test_what_is_unused_for_too_long_is_evicted(
        self,
        open_at: Opener,
        grow_old_at: Callable[[Path, float], None],
        tmp_path: Path,
    ) -> None:
        backend = open_at(tmp_path / "place")
        old = _put(backend, example_entry(1))
        if not self.evicts:
            return
        grow_old_at(tmp_path / "place", LONG)
        new = _put(backend, example_entry(2))
        reader = open_at(tmp_path / "place")
        assert reader.evict(EvictionPolicy(max_age=2 * LONG, spare=0.0)).entries == 0
        assert reader.evict(EvictionPolicy(max_age=LONG / 2, spare=0.0)).entries == 1
        assert [is_hit(reader, entry) for entry in (old, new)] == [False, True]

    def test_what_was_used_lately_is_spared(
        self,
        open_at: Opener,
        grow_old_at: Callable[[Path, float], None],
        tmp_path: Path,
    ) -> None:
        backend = open_at(tmp_path / "place")
        entry = _put(backend, example_entry(1))
        if not self.evicts:
            return
        grow_old_at(tmp_path / "place", 1_000.0)
        reader = open_at(tmp_path / "place")
        assert reader.evict(EvictionPolicy(max_bytes=0, max_age=1.0)).entries == 0
        # Not looked up in between: that would be a use.
        assert reader.evict(EvictionPolicy(max_bytes=0, spare=100.0)).entries == 1
        assert not is_hit(reader, entry)

    def test_blobs_that_another_entry_names_survive_an_eviction(
        self,
        open_at: Opener,
        grow_old_at: Callable[[Path, float], None],
        tmp_path: Path,
    ) -> None:
        backend = open_at(tmp_path / "place")
        _put(backend, example_entry(1, shared=b"shared" * 2_000))
        if not self.evicts:
            return
        grow_old_at(tmp_path / "place", LONG)
        kept = _put(backend, example_entry(2, shared=b"shared" * 2_000))
        reader = open_at(tmp_path / "place")
        assert reader.evict(EvictionPolicy(max_age=LONG / 2, spare=LONG / 4)).entries == 1
        assert is_hit(reader, kept)

    def test_an_eviction_within_a_budget_breaks_nothing(
        self,
        open_at: Opener,
        grow_old_at: Callable[[Path, float], None],
        tmp_path: Path,
    ) -> None:
        backend = open_at(tmp_path / "place")
        entries = [_put(backend, example_entry(n, shared=b"s" * 9_000)) for n in range(4)]
        if self.evicts:
            grow_old_at(tmp_path / "place", LONG)
        for budget in (0.0, 0.001, 0.02):
            reader = open_at(tmp_path / "place")
            reader.evict(EvictionPolicy(max_bytes=0, spare=0.0, budget=budget))
            found = {key for key, _ in reader.get_entries([entry.key for entry in entries])}
            for entry in entries:
                assert is_hit(reader, entry) == (entry.key in found)
        reader = open_at(tmp_path / "place")
        reader.evict(_NOTHING)
        assert any(is_hit(reader, entry) for entry in entries) != self.evicts

    def test_verifying_removes_what_is_damaged_and_tells_of_it(
        self,
        open_at: Opener,
        contents_at: Callable[[Path], MutableMapping[str, bytes]] | None,
        tmp_path: Path,
    ) -> None:
        for kind in (FLIP, DELETE):
            place = tmp_path / kind
            backend = open_at(place)
            entries = [_put(backend, example_entry(n, sizes=(300_000,))) for n in range(2)]
            assert list(open_at(place).verify()) == []
            if contents_at is None:
                continue
            contents = contents_at(place)
            largest = max(contents, key=lambda name: len(contents[name]))
            damage(contents, kind, largest)
            lines = list(open_at(place).verify())
            if not self.verifies:
                assert lines == [], "declare `verifies = True`"
                continue
            # An entry that is gone with all it had leaves nothing to be found.
            assert lines or kind == DELETE
            reader = open_at(place)
            keys = [entry.key for entry in entries]
            sound = {key for key, _ in reader.get_entries(keys)}
            assert len(sound) == 1
            assert all(is_hit(reader, entry) == (entry.key in sound) for entry in entries)
            assert list(reader.verify()) == []

    def test_what_is_asked_of_others_is_counted(self, open_at: Opener, tmp_path: Path) -> None:
        backend = open_at(tmp_path / "place")
        if not self.counts_traffic:
            assert backend.traffic() is None, "declare `counts_traffic = True`"
            return
        entry = example_entry(sizes=(50_000,))
        before = backend.traffic()
        _put(backend, entry)
        stored = backend.traffic()
        assert is_hit(open_at(tmp_path / "place"), entry)
        assert backend.traffic() == stored, "what another instance asks is counted there"
        assert is_hit(backend, entry)
        after = backend.traffic()
        assert before is not None
        assert stored is not None
        assert after is not None
        assert before.requests < stored.requests < after.requests
        assert (before.written < stored.written, stored.read < after.read) == (True, True)

    def test_after_writing_what_was_gathered_nothing_is_lost(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend = open_at(tmp_path / "place")
        backend.flush()
        entries = [_put(backend, example_entry(n)) for n in range(3)]
        for _ in range(2):
            backend.flush()
            reader = open_at(tmp_path / "place")
            assert all(is_hit(reader, entry) for entry in entries)
            if self.keeps_history:
                newest = list(reader.latest(entries[0].result.task_id))
                assert [info.key for info in newest] == [entries[-1].key]

    def test_rebuilding_loses_nothing(self, open_at: Opener, tmp_path: Path) -> None:
        backend = open_at(tmp_path / "place")
        entries = [_put(backend, example_entry(n)) for n in range(3)]
        backend.rebuild()
        for reader in (backend, open_at(tmp_path / "place")):
            assert all(is_hit(reader, entry) for entry in entries)
            if self.lists_entries:
                assert len(list(reader.entries())) == 3


def _put(backend: CacheBackend, entry: ExampleEntry) -> ExampleEntry:
    backend.put_entry(entry.key, entry.result, entry.sources)
    return entry
