"""What a cache backend promises: `CacheBackendSuite`."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError
from bao_core.interfaces.cache import Stored
from bao_core.testing.cache_damage import CacheDamageSuite
from bao_core.testing.cache_machine import check_against_model
from bao_core.testing.cache_upkeep import CacheUpkeepSuite
from bao_core.testing.entries import (
    BytesSource,
    CollectingSink,
    FileSource,
    blob_read,
    example_entry,
    fetched,
    is_hit,
)
from bao_core.testing.fakes import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bao_core.interfaces.cache import CacheBackend
    from bao_core.model import Digest
    from bao_core.testing.component import Opener

SIZES = (0, 1, 4096, 4097, 70_000, (1 << 20) + 1)
"""Bytes of blobs on both sides of the bounds at which backends do things another way."""


class CacheBackendSuite(CacheDamageSuite, CacheUpkeepSuite):
    """The promises of `bao_core.interfaces.cache.CacheBackend`.

    Attributes:
        conditional_writes: Of several that write one key at the same moment, exactly one is told
            that it was first. Where the store below cannot do that, several may be told so, and
            the entry is one of theirs and whole all the same.
        examples: How many random histories run beside the model.
    """

    conditional_writes = True
    examples = 25

    # --- entries -----------------------------------------------------------------------------

    def test_what_was_stored_is_found_by_other_processes_too(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend, other = open_at(tmp_path / "place"), open_at(tmp_path / "place")
        entry = example_entry()
        assert not is_hit(backend, entry)
        assert backend.put_entry(entry.key, entry.result, entry.sources) is Stored.STORED
        assert is_hit(backend, entry)
        assert is_hit(other, entry)
        assert is_hit(open_at(tmp_path / "place"), entry)

    def test_a_miss_is_a_value_and_never_an_exception(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend, entry = open_at(tmp_path / "place"), example_entry()
        assert list(backend.get_entries([entry.key])) == []
        assert backend.touch([entry.key]) == set()
        assert backend.find_missing(list(entry.blobs)) == set(entry.blobs)
        assert backend.read_blob(entry.result.log) is None
        assert blob_read(backend, entry.result.log) is None
        assert list(backend.latest(entry.result.task_id)) == []
        assert list(backend.entries()) == []
        assert list(backend.get_entries([])) == []
        assert backend.touch([]) == backend.find_missing([]) == set()

    def test_many_results_are_looked_up_at_once_and_misses_left_out(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend = open_at(tmp_path / "place")
        entries = [example_entry(number, sizes=(10,)) for number in range(12)]
        for entry in entries[::2]:
            backend.put_entry(entry.key, entry.result, entry.sources)
        found = list(backend.get_entries([entry.key for entry in entries]))
        assert len(found) == 6
        assert dict(found) == {entry.key: entry.result for entry in entries[::2]}

    def test_hits_and_misses_are_told_for_every_key_once(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend = open_at(tmp_path / "place")
        entries = [example_entry(number, sizes=(10,)) for number in range(12)]
        for entry in entries[::2]:
            backend.put_entry(entry.key, entry.result, entry.sources)
        for some in (entries, entries[:3], []):
            told = list(backend.look_up([entry.key for entry in some]))
            assert len(told) == len(some)
            assert dict(told) == {
                entry.key: None if entries.index(entry) % 2 else entry.result for entry in some
            }

    def test_the_first_write_of_a_key_wins(self, open_at: Opener, tmp_path: Path) -> None:
        backend, other = open_at(tmp_path / "place"), open_at(tmp_path / "place")
        first = example_entry(1)
        second = example_entry(2, key=first.key)
        assert backend.put_entry(first.key, first.result, first.sources) is Stored.STORED
        assert other.put_entry(second.key, second.result, second.sources) is Stored.EXISTS
        assert backend.put_entry(second.key, second.result, second.sources) is Stored.EXISTS
        assert is_hit(backend, first)
        assert is_hit(other, first)

    def test_replacing_overwrites_an_entry(self, open_at: Opener, tmp_path: Path) -> None:
        backend, other = open_at(tmp_path / "place"), open_at(tmp_path / "place")
        first = example_entry(1)
        second = example_entry(2, key=first.key)
        backend.put_entry(first.key, first.result, first.sources)
        assert is_hit(other, first)
        stored = backend.put_entry(second.key, second.result, second.sources, replace=True)
        assert stored is Stored.STORED
        assert is_hit(backend, second)
        assert is_hit(other, second)

    def test_a_removed_entry_is_a_miss_and_removing_nothing_is_no_fault(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend, other = open_at(tmp_path / "place"), open_at(tmp_path / "place")
        entry, kept = example_entry(1), example_entry(2)
        backend.remove_entry(entry.key)
        for each in (entry, kept):
            backend.put_entry(each.key, each.result, each.sources)
        backend.remove_entry(entry.key)
        assert not is_hit(backend, entry)
        assert not is_hit(other, entry)
        assert is_hit(backend, kept)
        backend.remove_entry(entry.key)
        assert backend.put_entry(entry.key, entry.result, entry.sources) is Stored.STORED
        assert is_hit(backend, entry)

    def test_touching_tells_which_entries_are_there(self, open_at: Opener, tmp_path: Path) -> None:
        backend, there, gone = open_at(tmp_path / "place"), example_entry(1), example_entry(2)
        for entry in (there, gone):
            backend.put_entry(entry.key, entry.result, entry.sources)
        backend.remove_entry(gone.key)
        assert backend.touch([there.key, gone.key, example_entry(3).key]) == {there.key}

    def test_an_entry_becomes_visible_only_when_all_its_blobs_are_there(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend, other = open_at(tmp_path / "place"), open_at(tmp_path / "place")
        entry = example_entry(sizes=(10, 10_000, 100_000))
        seen: list[Any] = []

        def look() -> None:
            seen.extend(other.get_entries([entry.key]))

        watched = [BytesSource(data, on_open=look) for data in entry.blobs.values()]
        assert backend.put_entry(entry.key, entry.result, watched) is Stored.STORED
        assert seen == []
        assert is_hit(other, entry)

    @pytest.mark.parametrize("which", [0, 2, 3], ids=["log", "small-file", "large-file"])
    def test_an_entry_whose_blob_cannot_be_had_is_not_stored(
        self, open_at: Opener, tmp_path: Path, which: int
    ) -> None:
        def fail() -> None:
            raise FileNotFoundError(2, "the output is gone")

        entry = example_entry()
        broken = BytesSource(list(entry.blobs.values())[which], on_open=fail)
        lacking = [source for place, source in enumerate(entry.sources) if place != which]
        backend = open_at(tmp_path / "place")
        for sources in (lacking, [*lacking, broken]):
            _refuses(backend, entry, sources)
            assert not dict(backend.get_entries([entry.key])), "it is visible without its blobs"
        assert backend.put_entry(entry.key, entry.result, entry.sources) is Stored.STORED
        assert is_hit(open_at(tmp_path / "place"), entry)

    @pytest.mark.parametrize("size", [10, 10_000, 2_000_000])
    @pytest.mark.parametrize("change", ["content", "longer", "shorter"])
    def test_a_source_that_is_not_what_its_digest_says_is_never_handed_out(
        self, open_at: Opener, tmp_path: Path, size: int, change: str
    ) -> None:
        entry = example_entry(sizes=(size,))
        honest = entry.blobs[entry.result.files[0].digest]
        false = {
            "content": honest[:-1] + bytes((honest[-1] ^ 1,)),
            "longer": honest + b"x",
            "shorter": honest[:-1],
        }[change]
        liar = BytesSource(false, digest=entry.result.files[0].digest)
        backend = open_at(tmp_path / "place")
        _refuses(backend, entry, [*entry.sources[:-1], liar])
        assert not is_hit(backend, entry)
        assert backend.read_blob(liar.digest) is None
        backend.put_entry(entry.key, entry.result, entry.sources)
        assert is_hit(backend, entry)

    def test_blobs_come_from_files_and_from_memory(self, open_at: Opener, tmp_path: Path) -> None:
        entry = example_entry(sizes=(10, 10_000, 2_000_000))
        sources = [
            FileSource(tmp_path / "outputs" / str(place), data) if place % 2 else BytesSource(data)
            for place, data in enumerate(entry.blobs.values())
        ]
        backend = open_at(tmp_path / "place")
        assert backend.put_entry(entry.key, entry.result, sources) is Stored.STORED
        assert is_hit(backend, entry)
        assert all((tmp_path / "outputs" / str(place)).exists() for place in (1, 3))

    # --- blobs -------------------------------------------------------------------------------

    @pytest.mark.parametrize("size", SIZES)
    def test_blobs_of_any_size_come_back(self, open_at: Opener, tmp_path: Path, size: int) -> None:
        entry = example_entry(sizes=(), shared=b"")
        blob = BytesSource((b"0123456789abcde\n" * (size // 16 + 1))[:size])
        entry.sources[0] = blob
        entry.blobs = {blob.digest: blob.data, entry.sources[1].digest: b"parts 0" * 20}
        entry.result = type(entry.result)(
            task_id=entry.result.task_id, exit_code=0, log=blob.digest, parts=entry.result.parts
        )
        backend = open_at(tmp_path / "place")
        backend.put_entry(entry.key, entry.result, entry.sources)
        for reader in (backend, open_at(tmp_path / "place")):
            assert is_hit(reader, entry)
            assert reader.read_blob(blob.digest) == blob.data
            assert blob_read(reader, blob.digest) == blob.data

    def test_a_blob_is_read_from_an_offset(self, open_at: Opener, tmp_path: Path) -> None:
        backend = open_at(tmp_path / "place")
        for size in (100, 100_000, (1 << 20) + 1):
            blob = BytesSource(b"0123456789" * (size // 10))
            backend.put_blob(blob)
            for offset in (0, 7, len(blob.data) - 1, len(blob.data)):
                assert blob_read(backend, blob.digest, offset) == blob.data[offset:]

    def test_blobs_are_handed_to_the_sink_exactly_once_and_no_others(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend, entry = open_at(tmp_path / "place"), example_entry(sizes=(10, 5_000, 10, 90_000))
        backend.put_entry(entry.key, entry.result, entry.sources)
        assert fetched(backend, entry) == entry.blobs
        for some in (list(entry.blobs)[2:4], list(entry.blobs)[:1], []):
            sink = CollectingSink()
            backend.fetch(entry.result, some, sink)
            assert sink.blobs == {digest: entry.blobs[digest] for digest in some}

    def test_fetching_a_blob_that_is_missing_raises_cache_error(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend, entry, other = open_at(tmp_path / "place"), example_entry(1), example_entry(2)
        with pytest.raises(CacheError):
            fetched(backend, entry)
        backend.put_entry(entry.key, entry.result, entry.sources)
        with pytest.raises(CacheError):
            fetched(backend, other)
        assert is_hit(backend, entry)

    def test_an_error_of_the_sink_is_not_swallowed(self, open_at: Opener, tmp_path: Path) -> None:
        class FullDisk(CollectingSink):
            def write(self, digest: Digest, stream: BinaryIO) -> None:
                raise OSError(28, "No space left on device", digest.hash, stream)

            def clone(self, digest: Digest, path: str) -> None:
                raise OSError(28, "No space left on device", digest.hash, path)

        backend, entry = open_at(tmp_path / "place"), example_entry()
        backend.put_entry(entry.key, entry.result, entry.sources)
        with pytest.raises((OSError, CacheError)):
            backend.fetch(entry.result, list(entry.blobs), FullDisk())

    def test_a_blob_that_is_on_this_machine_already_is_the_right_one(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        backend, entry = open_at(tmp_path / "place"), example_entry()
        backend.put_entry(entry.key, entry.result, entry.sources)
        reader = open_at(tmp_path / "place")
        for look in (lambda: None, lambda: is_hit(reader, entry)):
            look()
            before = reader.traffic()
            for digest, data in entry.blobs.items():
                assert reader.peek(digest) in {None, data}
            assert reader.peek(example_entry(2).result.log) is None
            assert reader.traffic() == before, "somebody else was asked"

    def test_it_tells_which_blobs_are_missing(self, open_at: Opener, tmp_path: Path) -> None:
        backend, there, missing = open_at(tmp_path / "place"), example_entry(1), example_entry(2)
        backend.put_entry(there.key, there.result, there.sources)
        asked = [*there.blobs, *missing.blobs]
        assert backend.find_missing(asked) == set(missing.blobs)

    def test_a_blob_is_stored_without_an_entry(self, open_at: Opener, tmp_path: Path) -> None:
        backend, other = open_at(tmp_path / "place"), open_at(tmp_path / "place")
        for data in (b"", b"small", b"large" * 10_000):
            blob = BytesSource(data)
            backend.put_blob(blob)
            backend.put_blob(blob)
            for reader in (backend, other):
                assert reader.read_blob(blob.digest) == data
                assert reader.find_missing([blob.digest]) == set()
        liar = BytesSource(b"one thing", digest=digest_bytes(b"another"))
        with pytest.raises(CacheError):
            backend.put_blob(liar)
        assert backend.read_blob(liar.digest) is None

    # --- together ----------------------------------------------------------------------------

    def test_many_threads_may_use_it_at_once(self, open_at: Opener, tmp_path: Path) -> None:
        backend = open_at(tmp_path / "place")
        entries = [example_entry(number, shared=b"all" * 2_000) for number in range(12)]

        def work(first: int) -> None:
            for entry in entries[first:] + entries[:first]:
                backend.put_entry(entry.key, entry.result, entry.sources)
                backend.touch([entry.key])
                assert is_hit(backend, entry)
                assert backend.read_blob(entry.result.log) == entry.blobs[entry.result.log]

        in_threads([lambda first=first: work(first) for first in (0, 0, 4, 8)])  # type: ignore[misc]
        other = open_at(tmp_path / "place")
        assert all(is_hit(other, entry) for entry in entries)

    def test_of_many_writers_at_once_one_wins_and_its_entry_is_whole(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        for attempt in range(4):
            key = example_entry(1000 + attempt).key
            entries = [example_entry(10 * attempt + n, key=key) for n in range(4)]
            backends = [open_at(tmp_path / "place") for _ in entries]
            answers: list[Stored] = [Stored.REFUSED] * len(entries)

            def write(place: int, entries=entries, backends=backends, answers=answers) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - bound for this attempt
                entry = entries[place]
                answers[place] = backends[place].put_entry(entry.key, entry.result, entry.sources)

            in_threads([lambda place=place: write(place) for place in range(len(entries))])  # type: ignore[misc]
            stored = answers.count(Stored.STORED)
            assert Stored.REFUSED not in answers
            assert stored == 1 if self.conditional_writes else stored >= 1
            found = dict(open_at(tmp_path / "place").get_entries([key]))
            winners = [entry for entry in entries if found.get(key) == entry.result]
            assert len(winners) == 1
            assert is_hit(backends[0], winners[0])
            if self.conditional_writes:
                assert answers[entries.index(winners[0])] is Stored.STORED

    def test_who_is_late_does_not_overwrite(self, open_at: Opener, tmp_path: Path) -> None:
        backend, other = open_at(tmp_path / "place"), open_at(tmp_path / "place")
        late = example_entry(1)
        early = example_entry(2, key=late.key)
        answers: list[Stored] = []
        # On a thread, and not waited for without end: a backend may let writers in one by one.
        writer = Thread(
            target=lambda: answers.append(other.put_entry(early.key, early.result, early.sources)),
            daemon=True,
        )

        def be_overtaken() -> None:
            if writer.ident is None:
                writer.start()
                writer.join(0.5)

        sources = [BytesSource(data, on_open=be_overtaken) for data in late.blobs.values()]
        answers.append(backend.put_entry(late.key, late.result, sources))
        writer.join(PATIENCE)
        assert len(answers) == 2
        if self.conditional_writes:
            assert sorted(answer.value for answer in answers) == ["exists", "stored"]
        found = dict(backend.get_entries([late.key]))
        assert list(found.values()) in ([late.result], [early.result])
        assert is_hit(backend, late if found[late.key] == late.result else early)

    def test_it_behaves_like_a_model(self, open_at: Opener, tmp_path: Path) -> None:
        check_against_model(open_at, tmp_path, examples=self.examples)


def _refuses(backend: CacheBackend, entry: Any, sources: Sequence[Any]) -> None:
    """Put what cannot be stored: an answer that says so, or an exception, will both do."""
    try:
        answer = backend.put_entry(entry.key, entry.result, sources)
    except (CacheError, OSError):
        return
    assert answer is not Stored.EXISTS


def in_threads(works: Sequence[Callable[[], None]]) -> None:
    """Do several things at the same moment; what one of them raises is raised here."""
    barrier = Barrier(len(works))
    errors: list[BaseException] = []

    def do(work: Callable[[], None]) -> None:
        try:
            barrier.wait(PATIENCE)
            work()
        except BaseException as error:  # noqa: BLE001 - raised again on the test's thread
            errors.append(error)

    threads = [Thread(target=do, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * PATIENCE)
        assert not thread.is_alive(), "a thread did not come back"
    if errors:
        raise errors[0]
