"""How the object cache packs, what it asks, and what it makes of damage and of scopes."""

from __future__ import annotations

import random
import struct
import tracemalloc

import msgspec
import pytest
import zstandard
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from bao_core.errors import CacheError
from bao_core.interfaces.cache import Stored
from bao_core.model import ActionResult, Digest
from bao_core.object_cache import ObjectStoreCache
from bao_core.object_cache.entries import MAGIC, ROOM, SMALL, EntryFormat, choose_inner
from bao_core.object_cache.kept import Kept
from bao_core.object_cache.names import Names, scope_directory
from bao_core.testing.entries import (
    BytesSource,
    CollectingSink,
    example_entry,
    fetched,
    is_hit,
)
from bao_core.testing.stores import MemoryObjectStore


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def stored(store: MemoryObjectStore, *entries, **options) -> ObjectStoreCache:
    cache = ObjectStoreCache(store, **options)
    for entry in entries:
        assert cache.put_entry(entry.key, entry.result, entry.sources) is Stored.STORED
    store.requests.clear()
    return cache


# --- requests ------------------------------------------------------------------------------------


def test_an_entry_with_five_hundred_small_files_costs_one_request() -> None:
    store = MemoryObjectStore()
    entry = example_entry(sizes=(5_000,) * 500)
    stored(store, entry)
    assert len(store.objects) == 1
    reader = ObjectStoreCache(store)
    assert is_hit(reader, entry)
    assert store.requests == {"get": 1}
    assert reader.traffic().requests == 1


def test_putting_an_entry_without_large_blobs_costs_one_request() -> None:
    store = MemoryObjectStore()
    entry = example_entry(sizes=(5_000,) * 5)
    ObjectStoreCache(store).put_entry(entry.key, entry.result, entry.sources)
    assert store.requests == {"put": 1}


def test_a_large_blob_is_shared_and_sent_once() -> None:
    store = MemoryObjectStore()
    shared = noise(200_000)
    first, second = (example_entry(n, sizes=(10,), shared=shared) for n in (1, 2))
    cache = stored(store, first)
    cache.put_entry(second.key, second.result, second.sources)
    assert store.requests == {"list": 1, "put": 1}
    assert sum("/blobs/" in name for name in store.objects) == 1
    assert all(is_hit(ObjectStoreCache(store), entry) for entry in (first, second))


def test_many_keys_are_asked_at_once_and_each_once() -> None:
    store = MemoryObjectStore()
    entries = [example_entry(n, sizes=(10,)) for n in range(100)]
    stored(store, *entries[::2])
    cache = ObjectStoreCache(store)
    told = dict(cache.look_up([entry.key for entry in entries]))
    assert len(told) == 100
    assert sum(result is not None for result in told.values()) == 50
    assert store.requests == {"get": 100}


def test_asking_whether_several_are_there_counts_for_each() -> None:
    cache = ObjectStoreCache(MemoryObjectStore())
    assert cache.touch([example_entry(n).key for n in range(3)]) == set()
    assert cache.traffic().requests == 3


def test_a_store_that_raises_is_heard_of() -> None:
    class Broken(MemoryObjectStore):
        def get(self, name):
            raise ConnectionResetError(name)

    keys = [example_entry(n).key for n in range(20)]
    with pytest.raises(ConnectionResetError):
        list(ObjectStoreCache(Broken()).get_entries(keys))


# --- what is kept between looking up and fetching ------------------------------------------------


@pytest.mark.parametrize(
    "kept", [Kept(), Kept(in_memory=0), Kept(in_memory=0, in_file=0)], ids=["memory", "file", "no"]
)
def test_blobs_of_a_hit_come_from_memory_a_file_or_are_asked_for_again(kept: Kept) -> None:
    store = MemoryObjectStore()
    entries = [example_entry(n, sizes=(10, 20_000)) for n in range(5)]
    stored(store, *entries)
    cache = ObjectStoreCache(store, kept=kept)
    assert len(dict(cache.get_entries([entry.key for entry in entries]))) == 5
    assert all(fetched(cache, entry) == entry.blobs for entry in entries)
    cache.close()


def test_what_is_kept_is_given_back_in_parts() -> None:
    kept = Kept(in_memory=10)
    places = [kept.add(bytes([number]) * 8) for number in range(5)]
    assert [kept.read(place, 2, 3) for place in places] == [bytes([n]) * 3 for n in range(5)]
    assert sum(place.data is not None for place in places) == 1
    kept.close()
    assert kept.read(places[-1], 0, 8) == b""
    assert kept.add(b"more") is None


# --- the format ----------------------------------------------------------------------------------


def test_small_blobs_are_packed_the_smallest_first_as_long_as_there_is_room() -> None:
    digests = [Digest(f"{n:064x}", size) for n, size in enumerate((SMALL, 0, 1, SMALL + 1))]
    assert choose_inner(digests) == [digests[2], digests[0]]
    many = [Digest(f"{n:064x}", SMALL) for n in range(2 * ROOM // SMALL)]
    assert sum(digest.size for digest in choose_inner(many)) == ROOM


@pytest.mark.parametrize("text", [b"all the same " * 1_000, noise(13_000)], ids=["text", "noise"])
def test_the_format_is_as_documented(text: bytes) -> None:
    """A reader that was written from the page alone reads an entry."""
    entry = example_entry(sizes=())
    source = BytesSource(text)
    result = with_files(entry.result, (source.digest,))
    blobs = {**entry.blobs, source.digest: text}
    data = EntryFormat().encode(entry.key, 12.5, result, blobs)
    assert data[:12] == b"bao-entry-1\n"
    assert data[12:44] == blake3(entry.key.encode() + data[44:]).digest()
    (length,) = struct.unpack(">I", data[44:48])
    head = msgspec.msgpack.decode(data[48 : 48 + length])
    created, escaped, body_length, compressed, inside, squeezed, decoded = head
    body = data[48 + length :]
    assert (created, escaped, len(body), squeezed) == (12.5, True, body_length, [])
    assert compressed == text.startswith(b"all")
    plain = zstandard.decompress(body) if compressed else body
    named = list(result.blobs())
    assert len(inside) == len(named) == 3
    at = 0
    for number in inside:
        size = named[number].size
        assert plain[at : at + size] == blobs[named[number]]
        at += size
    assert at == len(plain)
    assert decoded["task_id"] == entry.result.task_id


def test_what_does_not_shrink_is_not_compressed() -> None:
    store = MemoryObjectStore()
    small, large = BytesSource(noise(50_000)), BytesSource(noise(500_000, 1))
    text = BytesSource(b"all the same " * 50_000)
    entry = example_entry(sizes=())
    for source in (small, large, text):
        entry.sources.append(source)
    result = with_files(entry.result, (small.digest, large.digest, text.digest))
    cache = ObjectStoreCache(store)
    assert cache.put_entry(entry.key, result, entry.sources) is Stored.STORED
    sizes = {name: len(data) for name, (data, _) in store.objects.items()}
    names = Names("")
    assert sizes[names.blob(large.digest, squeezed=False)] == 500_000
    assert sizes[names.blob(text.digest, squeezed=True)] < 10_000
    assert 50_000 < sizes[names.entry(entry.key)] < 51_000
    reader = ObjectStoreCache(store)
    dict(reader.get_entries([entry.key]))
    sink = CollectingSink()
    reader.fetch(result, [small.digest, large.digest, text.digest], sink)
    assert sink.blobs[text.digest] == text.data
    assert sink.blobs[large.digest] == large.data


def with_files(result: ActionResult, digests) -> ActionResult:
    from msgspec.structs import replace

    from bao_core.model import OutputFile

    files = tuple(OutputFile(f"out/{n}", digest) for n, digest in enumerate(digests))
    return replace(result, files=files)


ENTRY = example_entry(sizes=(10, 3_000))
DATA = EntryFormat().encode(ENTRY.key, 1.0, ENTRY.result, ENTRY.blobs)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_no_changed_byte_is_believed(at: int, change: int) -> None:
    data = bytearray(DATA)
    data[at] ^= change
    assert EntryFormat().decode(ENTRY.key, bytes(data)) is None


@given(st.integers(0, len(DATA) - 1))
def test_no_part_of_an_entry_is_believed(end: int) -> None:
    assert EntryFormat().decode(ENTRY.key, DATA[:end]) is None


@given(st.binary(max_size=300))
def test_nothing_else_is_believed(data: bytes) -> None:
    coder = EntryFormat()
    assert coder.decode(ENTRY.key, data) is None
    assert (
        coder.decode(ENTRY.key, MAGIC + blake3(ENTRY.key.encode() + data).digest() + data) is None
    )
    assert coder.decode(ENTRY.key, DATA + data[:1]) is None or not data


def test_an_entry_under_another_key_is_not_believed() -> None:
    assert EntryFormat().decode(example_entry(5).key, DATA) is None
    assert EntryFormat().decode(ENTRY.key, DATA) is not None


def test_a_body_that_claims_to_be_huge_takes_no_memory() -> None:
    """The size that a frame claims is compared before anything is made of it."""
    from msgspec.msgpack import Encoder

    from bao_core.object_cache.entries import Head

    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(100 << 20))
    head = Head(1.0, False, len(bomb), True, (0,), (), ENTRY.result)
    encoded = Encoder().encode(_plain(head))
    rest = len(encoded).to_bytes(4) + encoded + bomb
    data = MAGIC + blake3(ENTRY.key.encode() + rest).digest() + rest
    coder = EntryFormat()
    tracemalloc.start()
    try:
        assert coder.decode(ENTRY.key, data) is None
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def _plain(head):
    from msgspec.structs import replace

    return replace(head, result=replace(head.result, links=()))


def test_an_object_that_does_not_end_is_not_read_to_its_end(monkeypatch) -> None:
    from bao_core.object_cache import backend

    monkeypatch.setattr(backend, "LARGEST", 3 << 20)
    store = MemoryObjectStore()
    cache = ObjectStoreCache(store)
    store.objects[Names("").entry(ENTRY.key)] = (MAGIC + bytes(50 << 20), 0.0)
    assert dict(cache.get_entries([ENTRY.key])) == {}
    assert cache.traffic().read < 6 << 20
    assert store.objects == {}


# --- damage --------------------------------------------------------------------------------------


def test_damage_is_told_removed_and_healed() -> None:
    store = MemoryObjectStore()
    entry = example_entry(sizes=(10, 200_000))
    stored(store, entry)
    told: list[str] = []
    for name in list(store.objects):
        data, when = store.objects[name]
        store.objects[name] = (data[: len(data) // 2], when)
        cache = ObjectStoreCache(store, on_damage=told.append)
        assert not is_hit(cache, entry)
        assert name not in store.objects
        cache.put_entry(entry.key, entry.result, entry.sources)
        assert is_hit(ObjectStoreCache(store), entry)
    assert len(told) == 2
    assert all("damaged and was removed" in text for text in told)


def test_what_may_not_be_written_is_not_removed_either() -> None:
    store = MemoryObjectStore()
    entry = example_entry()
    stored(store, entry)
    (name,) = store.objects
    store.objects[name] = (b"garbage", 0.0)
    told: list[str] = []
    cache = ObjectStoreCache(store, writable=False, on_damage=told.append)
    assert not is_hit(cache, entry)
    assert name in store.objects
    assert "left alone" in told[0]


def test_a_deletion_that_fails_is_no_fault() -> None:
    class Keeping(MemoryObjectStore):
        def delete(self, name):
            raise PermissionError(name)

    store = Keeping()
    entry = example_entry()
    stored(store, entry)
    (name,) = store.objects
    store.objects[name] = (b"garbage", 0.0)
    assert dict(ObjectStoreCache(store).get_entries([entry.key])) == {}


def test_a_large_blob_with_other_bytes_never_reaches_the_sink_whole() -> None:
    store = MemoryObjectStore()
    source = BytesSource(noise(10 << 20))
    cache = ObjectStoreCache(store)
    cache.put_blob(source)
    (name,) = store.objects
    store.objects[name] = (source.data[:-1] + b"x", 0.0)
    sink = CollectingSink()
    with pytest.raises(CacheError):
        cache.fetch(ENTRY.result, [source.digest], sink)
    assert sink.blobs == {}
    assert store.objects == {}


# --- scopes --------------------------------------------------------------------------------------


def test_a_scope_reads_the_main_one_and_writes_its_own() -> None:
    store = MemoryObjectStore()
    mine, theirs = (example_entry(n, sizes=(10, 200_000)) for n in (1, 2))
    stored(store, theirs)
    scoped = stored(store, mine, scope="pr-7")
    assert is_hit(scoped, theirs)
    assert is_hit(ObjectStoreCache(store, scope="pr-7"), mine)
    for other in ("", "pr-8"):
        assert not is_hit(ObjectStoreCache(store, scope=other), mine)
    assert {name.split("/")[1] for name in store.objects} == {"main", "scope-pr-7"}


def test_a_scope_changes_nothing_of_the_main_one() -> None:
    store = MemoryObjectStore()
    entry = example_entry(sizes=(10, 200_000))
    stored(store, entry)
    held = dict(store.objects)
    scoped = ObjectStoreCache(store, scope="pr-7")
    scoped.remove_entry(entry.key)
    scoped.put_entry(entry.key, entry.result, entry.sources, replace=True)
    main = {name: held for name, held in store.objects.items() if name.startswith("bao-1/main/")}
    assert main == held
    for name in held:
        store.objects[name] = (b"garbage", 0.0)
    assert is_hit(scoped, entry)
    assert not is_hit(ObjectStoreCache(store, scope="pr-8"), entry)
    assert set(held) <= set(store.objects)


def test_a_scope_asks_for_many_keys_with_one_request_each() -> None:
    store = MemoryObjectStore()
    entries = [example_entry(n, sizes=(10,)) for n in range(50)]
    stored(store, *entries[1:])
    scoped = stored(store, entries[0], scope="pr-7")
    assert len(dict(scoped.get_entries([entry.key for entry in entries]))) == 50
    assert store.requests == {"list": 1, "get": 50}


@pytest.mark.parametrize("scope", ["main", "../main", "a/b", "x" * 200, "ä", "-x", ".", ".."])
def test_no_scope_is_mistaken_for_another(scope: str) -> None:
    directory = scope_directory(scope)
    assert directory.startswith("scope-")
    assert "/" not in directory
    assert directory.isascii()
    assert scope_directory("") == "main"


# --- history -------------------------------------------------------------------------------------


def test_a_run_leaves_one_history_and_others_learn_from_it() -> None:
    store = MemoryObjectStore()
    entries = [example_entry(n, sizes=(10,), task=f"p{n}#t") for n in range(3)]
    cache = stored(store, *entries)
    cache.flush()
    cache.flush()
    assert store.requests == {"put": 1}
    reader = ObjectStoreCache(store)
    (info,) = reader.latest(entries[1].result.task_id)
    assert info.key == entries[1].key
    assert list(reader.latest("nobody#t")) == []


def test_a_damaged_history_is_only_not_told() -> None:
    store = MemoryObjectStore()
    entry = example_entry()
    stored(store, entry).flush()
    (name,) = [name for name in store.objects if "/history/" in name]
    for data in (b"", b"garbage", store.objects[name][0][:-1]):
        store.objects[name] = (data, 0.0)
        reader = ObjectStoreCache(store)
        assert list(reader.latest(entry.result.task_id)) == []
        assert [info.task_id for info in reader.entries()] == [entry.result.task_id]
