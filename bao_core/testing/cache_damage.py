"""What a cache backend promises about what it reads: verified, or a miss and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from bao_core.interfaces.cache import Stored
from bao_core.testing.back_door import DAMAGES, damage
from bao_core.testing.component import ComponentSuite
from bao_core.testing.entries import ExampleEntry, blob_read, example_entry, is_hit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping
    from pathlib import Path

    from bao_core.interfaces.cache import CacheBackend
    from bao_core.testing.component import Opener


class CacheDamageSuite(ComponentSuite):
    """The part of `CacheBackendSuite` that damages what is kept.

    Attributes:
        damages: The kinds of damage that the back door can do: all of them, or none where there
            is no way round the backend.
    """

    damages: ClassVar[tuple[str, ...]] = DAMAGES

    @pytest.fixture
    def contents_at(self) -> Callable[[Path], MutableMapping[str, bytes]] | None:
        """The back door: everything that is kept at a place, by name, round the backend.

        Such as `lambda place: FilesBelow(place / "cache")`.
        """
        return None

    @pytest.fixture
    def damaged_caches(
        self,
        open_at: Opener,
        contents_at: Callable[[Path], MutableMapping[str, bytes]] | None,
        tmp_path: Path,
    ) -> Callable[[str], Iterator[tuple[CacheBackend, list[ExampleEntry]]]]:
        """Gives caches with two entries each, in each of which one other thing is damaged."""

        def sweep(kind: str) -> Iterator[tuple[CacheBackend, list[ExampleEntry]]]:
            assert contents_at is not None, "override `contents_at`, or declare `damages = ()`"
            number, names = 0, 1
            while number < names:
                place = tmp_path / f"{kind}{number}"
                entries = [example_entry(n, shared=b"shared" * 2_000) for n in (1, 2)]
                writer = open_at(place)
                for entry in entries:
                    writer.put_entry(entry.key, entry.result, entry.sources)
                open_at.close(writer)
                names = len(contents_at(place))
                assert names, "the back door shows nothing of what was stored"
                damage(contents_at(place), kind, list(contents_at(place))[number])
                yield open_at(place), entries
                number += 1

        return sweep

    def test_the_back_door_is_declared(
        self, contents_at: Callable[[Path], MutableMapping[str, bytes]] | None
    ) -> None:
        assert set(self.damages) in (set(), set(DAMAGES)), "all kinds of damage, or none"
        assert (contents_at is not None) == bool(self.damages)

    @pytest.mark.parametrize("kind", DAMAGES)
    def test_what_is_read_is_verified(
        self,
        damaged_caches: Callable[[str], Iterator[tuple[CacheBackend, list[ExampleEntry]]]],
        kind: str,
    ) -> None:
        if not self.damages:
            return
        missed = 0
        for backend, entries in damaged_caches(kind):
            for entry in entries:
                for digest, data in entry.blobs.items():
                    assert backend.read_blob(digest) in {None, data}
                    assert blob_read(backend, digest) in {None, data}
                missed += not is_hit(backend, entry)
        assert missed, "damaging what is kept changed nothing: the back door leads elsewhere"

    @pytest.mark.parametrize("kind", DAMAGES)
    def test_an_entry_that_is_damaged_is_left_out_and_removed(
        self,
        damaged_caches: Callable[[str], Iterator[tuple[CacheBackend, list[ExampleEntry]]]],
        kind: str,
    ) -> None:
        if not self.damages:
            return
        for backend, entries in damaged_caches(kind):
            for entry in entries:
                if dict(backend.get_entries([entry.key])):
                    continue
                assert backend.touch([entry.key]) == set()
                stored = backend.put_entry(entry.key, entry.result, entry.sources)
                assert stored is Stored.STORED
                assert is_hit(backend, entry)

    @pytest.mark.parametrize("kind", DAMAGES)
    def test_a_blob_that_is_damaged_is_removed_and_can_be_stored_again(
        self,
        damaged_caches: Callable[[str], Iterator[tuple[CacheBackend, list[ExampleEntry]]]],
        kind: str,
    ) -> None:
        if not self.damages:
            return
        for backend, entries in damaged_caches(kind):
            for entry in entries:
                # A fetch may stop at the first damaged blob, and swapping damages two.
                for _ in range(2):
                    is_hit(backend, entry)
                    backend.put_entry(entry.key, entry.result, entry.sources)
                assert is_hit(backend, entry)
