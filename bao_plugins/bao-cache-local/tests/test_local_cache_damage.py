"""Whatever happens to the files of a cache, a hit is right, and everything else is a miss.

The sweeps have a short form, and a long one for `BAO_SWEEP=long`.
"""

from __future__ import annotations

import os
import random
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.interfaces.cache import EvictionPolicy
from bao_core.model import TaskId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bao_cache_local.backend import LocalCache

LONG = os.environ.get("BAO_SWEEP") == "long"
ENTRIES = 3


@pytest.fixture
def entries(kit: Any) -> list[Any]:
    shared = b"shared" * 2000
    return [kit.make_entry(number, sizes=[50, 6000], shared=shared) for number in range(ENTRIES)]


@pytest.fixture
def filled(root: Path, entries: list[Any], open_cache: Any, kit: Any) -> Path:
    """A cache with entries, catalogue and all, settled so that it reads nothing anew."""
    cache = open_cache()
    for entry in entries:
        kit.put(cache, entry)
    kit.put(open_cache(scope="pr"), kit.make_entry(99))
    kit.grow_old(root, 10_000)
    for directory in [root, *root.rglob("*")]:
        if directory.is_dir():
            os.utime(directory, (1e9, 1e9))
    assert cache.stats().entries == ENTRIES + 1
    cache.evict(EvictionPolicy(max_bytes=1 << 30))
    cache.close()
    return root


def check(root: Path, entries: list[Any], kit: Any, open_cache: Any) -> int:
    """Use everything there is; returns the number of hits, each of which is right."""
    cache = open_cache(root)
    hits = sum(kit.get(cache, entry) for entry in entries)
    for entry in entries:
        for digest, data in entry.blobs.items():
            assert cache.read_blob(digest) in (data, None)
            with cache.open_blob(digest, offset=3) as stream:
                assert stream is None or stream.read() == data[3:]
    cache.touch([entry.key for entry in entries])
    list(cache.latest(TaskId("pkg#build"), limit=9))
    assert len(list(cache.entries())) <= ENTRIES + 1
    cache.stats()
    cache.evict(EvictionPolicy(max_bytes=1 << 30, budget=None))
    for entry in entries:
        kit.put(cache, entry)
        assert kit.get(cache, entry), "what was damaged is stored again"
    kit.get(open_cache(root, scope="pr"), kit.make_entry(99))
    list(cache.verify())
    assert list(cache.verify()) == []
    cache.close()
    return hits


def flips(path: Path) -> Iterator[tuple[int, int]]:
    """Positions and bits of a file to flip: a few of them, or in the long form a hundred."""
    size = path.stat().st_size
    chosen = random.Random(path.name)
    yield from ((chosen.randrange(size), chosen.randrange(8)) for _ in range(100 if LONG else 3))


def kinds(root: Path, kit: Any) -> dict[str, list[Path]]:
    """The files of a cache by what they are."""
    found: dict[str, list[Path]] = {}
    for path in kit.files_below(root):
        found.setdefault(path.relative_to(root).parts[0], []).append(path.relative_to(root))
    return found


HOMES = ["results", "scopes", "blobs", "history", "places", "index.sqlite", "upkeep"]


def test_the_sweeps_miss_no_kind_of_file(filled: Path, kit: Any) -> None:
    there = {path.relative_to(filled).parts[0] for path in kit.files_below(filled)}
    assert there - {"index.sqlite-wal", "index.sqlite-shm"} == set(HOMES)


@pytest.mark.parametrize("home", HOMES)
def test_flipped_bits_are_never_restored(
    home: str, filled: Path, entries: list[Any], kit: Any, open_cache: Any, copy_of: Any
) -> None:
    sound = check(copy_of(filled), entries, kit, open_cache)
    assert sound == ENTRIES
    hits = []
    for path in kinds(filled, kit)[home]:
        for at, bit in flips(filled / path):
            root = copy_of(filled)
            data = bytearray((root / path).read_bytes())
            data[at] ^= 1 << bit
            (root / path).write_bytes(data)
            hits.append(check(root, entries, kit, open_cache))
    if home in {"results", "blobs"}:
        assert min(hits) < ENTRIES, "damage is found where it matters"
    else:
        assert set(hits) == {ENTRIES}, "and nothing else is needed for a hit"


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("kind", ["empty", "half", "one short", "longer", "gone", "directory"])
def test_cut_files_are_never_restored(
    home: str,
    kind: str,
    filled: Path,
    entries: list[Any],
    kit: Any,
    open_cache: Any,
    copy_of: Any,
) -> None:
    paths = kinds(filled, kit)[home]
    for path in paths if LONG else paths[:2]:
        root = copy_of(filled)
        data = (root / path).read_bytes()
        (root / path).unlink()
        match kind:
            case "directory":
                (root / path / "below").mkdir(parents=True)
            case "gone":
                pass
            case _:
                cut = {"empty": 0, "half": len(data) // 2, "one short": len(data) - 1}
                kept = data[: cut[kind]] if kind in cut else data + b"\0more"
                (root / path).write_bytes(kept)
        hits = check(root, entries, kit, open_cache)
        assert hits == ENTRIES or home in {"results", "blobs"}


def test_every_length_of_a_result_file_but_its_own_is_a_miss(
    filled: Path, entries: list[Any], kit: Any, open_cache: Any
) -> None:
    cache = open_cache(filled)
    (path,) = [p for p in kit.files_below(filled / "results") if p.name == entries[0].key]
    data = path.read_bytes()
    for length in range(0, len(data), 1 if LONG else 29):
        path.write_bytes(data[:length])
        assert list(cache.get_entries([entries[0].key])) == []
        assert not path.exists(), "what is damaged is removed"
    path.write_bytes(data)
    assert kit.get(cache, entries[0])


def test_a_flipped_bit_in_a_small_blob_is_found_when_it_is_read(
    filled: Path, entries: list[Any], kit: Any, open_cache: Any
) -> None:
    entry = entries[0]
    (path,) = [p for p in kit.files_below(filled / "results") if p.name == entry.key]
    sound = path.read_bytes()
    for at in range(_head_length(sound), len(sound), 1 if LONG else 17):
        damaged = sound[:at] + bytes([sound[at] ^ 4]) + sound[at + 1 :]
        path.write_bytes(damaged)
        assert not kit.get(open_cache(filled), entry)
        assert not path.exists(), "what is damaged is removed"
        path.write_bytes(damaged)
        cache = open_cache(filled)
        for digest, data in entry.blobs.items():
            assert cache.read_blob(digest) in (data, None)
    path.write_bytes(sound)
    assert kit.get(open_cache(filled), entry)


def test_an_entry_whose_blobs_are_gone_is_a_miss(
    filled: Path, entries: list[Any], kit: Any, open_cache: Any
) -> None:
    large = next(digest for digest, data in entries[1].blobs.items() if len(data) == 6004)
    (filled / "blobs" / large.hash[:2] / large.hash).unlink()
    cache = open_cache(filled)
    keys = [entry.key for entry in entries]
    assert [key for key, _ in cache.get_entries(keys)] == [keys[0], keys[2]]
    assert cache.touch(keys) == {keys[0], keys[2]}, "it was removed"


def _head_length(data: bytes) -> int:
    """Everything before the small blobs, as the format says: magic, checksum, length, head."""
    start = len(b"bao-result-1\n") + 32
    return start + 4 + int.from_bytes(data[start : start + 4], "big")


def test_every_flipped_bit_in_the_head_of_a_result_file_is_a_miss(
    filled: Path, entries: list[Any], kit: Any, open_cache: Any
) -> None:
    cache = open_cache(filled)
    (path,) = [p for p in kit.files_below(filled / "results") if p.name == entries[0].key]
    sound = path.read_bytes()
    for at in range(0, _head_length(sound), 1 if LONG else 7):
        for bit in range(8) if LONG else [at % 8]:
            path.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << bit]) + sound[at + 1 :])
            assert list(cache.get_entries([entries[0].key])) == []
    path.write_bytes(sound)
    assert kit.get(cache, entries[0])


def test_an_entry_under_another_key_is_a_miss(
    filled: Path, entries: list[Any], kit: Any, open_cache: Any
) -> None:
    (path,) = [p for p in kit.files_below(filled / "results") if p.name == entries[0].key]
    other = filled / "results" / entries[1].key[:2] / entries[1].key
    other.write_bytes(path.read_bytes())
    assert not kit.get(open_cache(filled), entries[1])


@pytest.mark.parametrize("name", ["results", "blobs", "places", "history", "unfinished", "scopes"])
def test_files_instead_of_directories_do_no_harm(
    name: str, filled: Path, entries: list[Any], kit: Any, open_cache: Any
) -> None:
    import shutil

    shutil.rmtree(filled / name, ignore_errors=True)
    (filled / name).write_bytes(b"?")
    cache = open_cache(filled)
    hits = [kit.get(cache, entry) for entry in entries]
    assert all(hits) == (name not in {"results", "blobs"})
    cache.stats()
    list(cache.verify())
    cache.close()


# --- the catalogue ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"no database" * 500, b"SQLite format 3\0" + b"\xff" * 8000]
)
def test_a_catalogue_that_is_none_is_made_anew(
    content: bytes, filled: Path, open_cache: Any
) -> None:
    for ending in ("", "-wal", "-shm"):
        (filled / f"index.sqlite{ending}").write_bytes(content)
    assert open_cache(filled).stats().entries == ENTRIES + 1


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA user_version = 77",
        "DROP TABLE entries",
        "DROP TABLE needs",
        "UPDATE entries SET created = 'never', used = 'x', size = 'y'",
        "UPDATE entries SET key = '../../../../etc/passwd', directory = '../..'",
        "UPDATE directories SET modified = 'z'",
        "DELETE FROM entries",
        "UPDATE blobs SET size = -5",
        "ALTER TABLE entries RENAME COLUMN key TO word",
    ],
)
def test_a_catalogue_that_lies_never_makes_a_wrong_answer(
    statement: str, filled: Path, entries: list[Any], kit: Any, open_cache: Any
) -> None:
    with sqlite3.connect(filled / "index.sqlite") as connection:
        connection.execute(statement)
    connection.close()
    cache = open_cache(filled)
    cache.stats()
    list(cache.entries())
    cache.evict(EvictionPolicy(max_age=1.0, spare=0, max_bytes=10))
    for entry in entries:
        kit.get(cache, entry)
        kit.put(cache, entry)
        assert kit.get(cache, entry)
    cache.rebuild()
    assert {info.key for info in cache.entries()} >= {entry.key for entry in entries}


def test_the_catalogue_may_vanish_at_any_moment(
    filled: Path, entries: list[Any], kit: Any, open_cache: Any
) -> None:
    cache = open_cache(filled)
    assert cache.stats().entries == ENTRIES + 1
    for ending in ("", "-wal", "-shm"):
        (filled / f"index.sqlite{ending}").unlink(missing_ok=True)
    cache.stats()
    assert kit.put(cache, kit.make_entry(50)) == "stored"
    cache.rebuild()
    assert cache.stats().entries == ENTRIES + 2
    assert open_cache(filled).stats().entries == ENTRIES + 2


def test_the_catalogue_tells_what_is_there(
    cache: LocalCache, entries: list[Any], kit: Any, root: Path, open_cache: Callable[..., Any]
) -> None:
    for entry in entries:
        kit.put(cache, entry)
    infos = list(cache.entries())
    assert [info.key for info in infos] == [entry.key for entry in reversed(entries)]
    assert {info.task_id for info in infos} == {"pkg#build"}
    for info in infos:
        (entry,) = [entry for entry in entries if entry.key == info.key]
        assert info.size > sum(len(data) for data in entry.contents)
    on_disk = sum(
        path.stat().st_size
        for home in ("results", "blobs")
        for path in kit.files_below(root / home)
    )
    assert cache.stats().bytes == on_disk
    cache.remove_entry(entries[0].key)
    assert cache.stats().entries == ENTRIES - 1
    other = open_cache()
    kit.put(other, kit.make_entry(70))
    assert cache.stats().entries == ENTRIES, "what another process stored is counted"


def test_verifying_names_and_removes_what_is_damaged(
    filled: Path, entries: list[Any], kit: Any, open_cache: Any
) -> None:
    cache = open_cache(filled)
    assert list(cache.verify()) == []
    result, *_ = [p for p in kit.files_below(filled / "results") if p.name == entries[0].key]
    result.write_bytes(result.read_bytes()[:-1])
    large = next(digest for digest, data in entries[1].blobs.items() if len(data) > 5000)
    blob = filled / "blobs" / large.hash[:2] / large.hash
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    (filled / "results" / "ab").mkdir(exist_ok=True)
    (filled / "results" / "ab" / "rubbish").touch()
    lines = list(cache.verify())
    assert len(lines) == 4, "the entry of the blob is the fourth"
    assert any(entries[0].key in line and "is damaged; removed" in line for line in lines)
    assert any(large.hash in line and "does not hold" in line for line in lines)
    assert list(cache.verify()) == []
    assert [kit.get(cache, entry) for entry in entries] == [False, False, True]
