"""The cache stays within its bounds, and evicting never makes a wrong answer."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from bao_cache_local.backend import LocalCache

from bao_core.interfaces.cache import EvictionPolicy
from bao_core.model import TaskId

EVERYTHING = EvictionPolicy(max_bytes=0, spare=0)


def store_aged(cache: LocalCache, root: Path, kit: Any, count: int = 5) -> list[Any]:
    """Entries of which the first was used longest ago, all of them hours ago."""
    entries = [kit.make_entry(number, sizes=[5000]) for number in range(count)]
    for entry in entries:
        kit.put(cache, entry)
        kit.grow_old(root, 10_000)
    return entries


def test_the_least_recently_used_go_first(cache: LocalCache, root: Path, kit: Any) -> None:
    entries = store_aged(cache, root, kit)
    assert cache.touch([entries[0].key])
    size = cache.stats().bytes // 5
    evicted = cache.evict(EvictionPolicy(max_bytes=3 * size + 100))
    assert (evicted.entries, evicted.complete) == (2, True)
    assert [kit.get(cache, entry) for entry in entries] == [True, False, False, True, True]
    assert cache.stats().bytes <= 3 * size + 100
    assert evicted.bytes == pytest.approx(2 * size, abs=100)


def test_what_the_catalogue_has_not_heard_of_counts(
    cache: LocalCache, root: Path, kit: Any, open_cache: Any
) -> None:
    """Using an entry changes its file only; the catalogue still holds the old moment."""
    entries = store_aged(cache, root, kit)
    cache.stats()
    assert open_cache().touch([entries[1].key])
    cache.evict(EvictionPolicy(max_bytes=0))
    assert [kit.get(cache, entry) for entry in entries] == [False, True, False, False, False]


def test_what_was_used_within_the_hour_is_spared(cache: LocalCache, root: Path, kit: Any) -> None:
    entries = [kit.make_entry(number, sizes=[5000]) for number in range(3)]
    for entry in entries:
        kit.put(cache, entry)
    kit.grow_old(root, 3500)
    assert cache.evict(EvictionPolicy(max_bytes=0)).entries == 0
    assert cache.evict(EvictionPolicy(max_bytes=0, spare=3400)).entries == 3
    assert cache.stats().bytes == 0


def test_what_was_long_unused_goes(cache: LocalCache, root: Path, kit: Any) -> None:
    entries = store_aged(cache, root, kit)
    cache.evict(EvictionPolicy(max_age=25_000, max_bytes=1 << 40))
    assert [kit.get(cache, entry) for entry in entries] == [False, False, False, True, True]


def test_shared_blobs_stay_as_long_as_an_entry_names_them(
    cache: LocalCache, root: Path, kit: Any
) -> None:
    shared = b"shared" * 2000
    entries = [kit.make_entry(number, sizes=[], shared=shared) for number in range(3)]
    for entry in entries:
        kit.put(cache, entry)
    kit.grow_old(root, 10_000)
    cache.touch([entries[2].key])
    assert cache.evict(EvictionPolicy(max_bytes=0)).entries == 2
    assert kit.get(cache, entries[2])
    cache.evict(EVERYTHING)
    assert kit.files_below(root / "blobs") == []


def test_entries_of_scopes_are_evicted_too_and_keep_their_blobs(
    cache: LocalCache, root: Path, kit: Any, open_cache: Any
) -> None:
    scoped = open_cache(scope="pr")
    shared = b"shared" * 2000
    kit.put(cache, kit.make_entry(1, sizes=[], shared=shared))
    kit.put(scoped, kit.make_entry(2, sizes=[], shared=shared))
    kit.grow_old(root, 10_000)
    scoped.touch([kit.key_of(2)])
    cache.evict(EvictionPolicy(max_bytes=0))
    assert kit.get(scoped, kit.make_entry(2, sizes=[], shared=shared))
    cache.evict(EVERYTHING)
    assert not kit.get(scoped, kit.make_entry(2, sizes=[], shared=shared))


def test_rubbish_goes_in_time(cache: LocalCache, root: Path, kit: Any) -> None:
    """Blobs without an entry, unfinished files, histories: what killed processes leave."""
    orphan = kit.Source(b"o" * 5000)
    cache.put_blob(orphan)
    kit.put(cache, kit.make_entry(1))
    cache.close()
    shard = next((root / "unfinished").iterdir())
    (shard / "1-2-3").write_bytes(b"half")
    cache.evict(EvictionPolicy())
    assert cache.read_blob(orphan.digest) is not None
    assert (shard / "1-2-3").exists()
    kit.grow_old(root, 10_000)
    cache.evict(EvictionPolicy(max_age=5000))
    assert cache.read_blob(orphan.digest) is None
    assert kit.files_below(root / "unfinished") == []
    assert kit.files_below(root / "history") == []


def test_everything_goes_when_asked(cache: LocalCache, root: Path, kit: Any) -> None:
    for number in range(100):
        kit.put(cache, kit.make_entry(number, sizes=[10]))
    evicted = cache.evict(EVERYTHING)
    assert (evicted.entries, evicted.complete) == (100, True)
    assert kit.files_below(root / "results") == kit.files_below(root / "blobs") == []
    assert cache.evict(EVERYTHING).entries == 0


def test_the_settings_are_the_bounds_where_nothing_else_is_said(
    root: Path, kit: Any, open_cache: Any
) -> None:
    cache = open_cache(settings={"max_size": "12k", "max_age": "8h"})
    entries = store_aged(cache, root, kit)
    cache.evict(EvictionPolicy())
    assert [kit.get(cache, entry) for entry in entries] == [False, False, False, True, True]
    loose = open_cache(settings={"max_size": "unlimited", "max_age": "unlimited"})
    kit.grow_old(root, 10**8)
    assert loose.evict(EvictionPolicy()).entries == 0


# --- within a run ----------------------------------------------------------------------------


def test_a_run_that_stored_nothing_evicts_nothing(
    root: Path, cache: LocalCache, kit: Any, open_cache: Any
) -> None:
    store_aged(cache, root, kit)
    cache.close()
    (root / "upkeep").write_text("0\n")
    before = sorted(root.iterdir())
    again = open_cache(settings={"max_size": "1k"})
    assert again.evict(EvictionPolicy(budget=0.02)).entries == 0
    assert sorted(root.iterdir()) == before


def due(root: Path, seconds: float) -> None:
    (root / "upkeep").write_text(f"{time.time() - seconds:.0f}\n")


def test_a_run_evicts_what_is_due_and_not_more_often(root: Path, kit: Any, open_cache: Any) -> None:
    cache = open_cache(settings={"max_size": "1k"})
    cache.put_blob(kit.Source(b"x"))
    assert (root / "upkeep").exists(), "the clock starts with the first thing stored"
    store_aged(cache, root, kit)
    cache.close()

    again = open_cache(settings={"max_size": "1k", "max_age": "unlimited"})
    kit.put(again, kit.make_entry(50, sizes=[]))
    assert again.evict(EvictionPolicy(budget=5)).entries == 5, "much was stored for this bound"
    calm = open_cache(settings={"max_size": "1G", "max_age": 1})
    kit.put(calm, kit.make_entry(51, sizes=[]))
    kit.grow_old(root, 10_000)
    calm.rebuild()
    assert calm.evict(EvictionPolicy(budget=5)).entries == 0, "not yet"
    due(root, 2 * 86_400)
    assert calm.evict(EvictionPolicy(budget=5)).entries == 2
    assert calm.evict(EvictionPolicy(budget=5)).complete


def test_what_was_stored_between_evictions_is_counted(
    root: Path, kit: Any, open_cache: Any
) -> None:
    settings = {"max_size": "100MB"}
    cache = open_cache(settings=settings)
    kit.put(cache, kit.make_entry(1, sizes=[3 << 20]))
    cache.close()
    assert (root / "upkeep").read_text().endswith("\n...")
    cache = open_cache(settings=settings)
    kit.put(cache, kit.make_entry(2, sizes=[6 << 20]))
    assert cache._upkeep.due() == "now"
    cache.evict(EvictionPolicy(budget=5))
    assert cache._upkeep.due() == "not"


def test_an_eviction_keeps_to_its_budget_and_goes_on_next_time(
    root: Path, kit: Any, open_cache: Any
) -> None:
    cache = open_cache(settings={"max_size": "1k"})
    for number in range(300):
        kit.put(cache, kit.make_entry(number, sizes=[]))
    kit.grow_old(root, 10_000)
    cache.stats()  # imports and opens everything
    taken: list[float] = []
    while cache.stats().entries > 1:
        kit.put(cache, kit.make_entry(1000, sizes=[]), replace=True)
        started = time.process_time()
        cache.evict(EvictionPolicy(budget=0.02))
        taken.append(time.process_time() - started)
        assert len(taken) < 200
    # Looking at the clock is left to what can be stopped in its middle.
    assert sorted(taken)[len(taken) // 2] < 0.05
    assert kit.get(cache, kit.make_entry(1000, sizes=[]))


def test_a_short_run_does_not_wait_for_the_database(root: Path, kit: Any) -> None:
    """The library takes longer to import than an eviction may take; it is imported beside."""
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import make_entry, put
from bao_cache_local.backend import LocalCache
from bao_core.interfaces.cache import EvictionPolicy
cache = LocalCache({str(root)!r})
put(cache, make_entry(int(sys.argv[1])))
began = time.perf_counter()
evicted = cache.evict(EvictionPolicy(budget=0.02))
print(evicted.entries, "sqlalchemy" in sys.modules, time.perf_counter() - began)
cache.close()
"""

    def run(number: int) -> list[str]:
        arguments = [sys.executable, "-c", code, str(number)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert run(1)[:2] == ["0", "False"], "not due"
    due(root, 2 * 86_400)
    assert float(run(2)[2]) < 0.1, "due, and not waited for"
    due(root, 5 * 86_400)
    assert run(3)[1] == "True", "long due"


# --- beside others ---------------------------------------------------------------------------


def test_readers_beside_an_eviction_see_hits_or_misses(
    cache: LocalCache, root: Path, kit: Any, open_cache: Any
) -> None:
    entries = [kit.make_entry(number, sizes=[100, 6000]) for number in range(60)]
    for entry in entries:
        kit.put(cache, entry)
    kit.grow_old(root, 10_000)
    stop = threading.Event()
    failures: list[BaseException] = []
    seen: list[bool] = []

    def read() -> None:
        reader = open_cache()
        try:
            while not stop.is_set():
                seen.extend([kit.get(reader, entry) for entry in entries])
        except BaseException as error:  # noqa: BLE001 - for the main thread
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    while not seen:
        time.sleep(0.001)
    cache.evict(EVERYTHING)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert True in seen
    assert not any(kit.get(cache, entry) for entry in entries)


def test_a_blob_that_is_marked_while_it_goes_comes_back(
    cache: LocalCache, root: Path, kit: Any, monkeypatch: pytest.MonkeyPatch, open_cache: Any
) -> None:
    """A writer finds the blob there, marks it, and stores an entry that names it."""
    shared = b"shared" * 2000
    old, new = (kit.make_entry(number, sizes=[], shared=shared) for number in (1, 2))
    kit.put(cache, old)
    kit.grow_old(root, 10_000)
    cache.stats()
    original = os.rename
    done: list[str] = []

    def rename(source: str, target: str) -> None:
        if "/blobs/" in source and not done:
            done.append(kit.put(open_cache(), new))
        original(source, target)

    monkeypatch.setattr(os, "rename", rename)
    cache.evict(EvictionPolicy(max_bytes=0))
    assert done == ["stored"]
    assert kit.get(cache, new)


def test_another_process_that_writes_the_catalogue_delays_nobody(
    cache: LocalCache, root: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from bao_cache_local import catalogue

    from bao_core.errors import CacheError

    monkeypatch.setattr(catalogue, "_BUSY", 10)
    kit.put(cache, kit.make_entry(1))
    cache.stats()
    with sqlite3.connect(root / "index.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        fresh = LocalCache(str(root))
        assert not fresh.evict(EVERYTHING).complete
        with pytest.raises(CacheError, match="in use by another process"):
            fresh.stats()
        assert kit.get(fresh, kit.make_entry(1))
        assert kit.put(fresh, kit.make_entry(2)) == "stored"
        assert [info.key for info in fresh.latest(TaskId("pkg#build"))] == [kit.key_of(2)]
        fresh.close()
    other.close()
    assert cache.stats().entries == 2
