"""What an object store promises that can only be read, such as one behind a web server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import pytest

from bao_core.object_cache import ObjectStoreCache
from bao_core.testing.cache import in_threads
from bao_core.testing.component import ComponentSuite
from bao_core.testing.entries import BytesSource, example_entry, is_hit
from bao_core.testing.objects import NAME, NAMES, read_object
from bao_core.testing.stores import MemoryObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bao_core.testing.component import Opener

    Fill = Callable[[Path, Mapping[str, bytes]], None]


class ReadOnlyObjectStoreSuite(ComponentSuite):
    """The promises of `bao_core.interfaces.cache.ObjectStore`, as far as they are about reading.

    Attributes:
        lists: Objects are listed. A store that cannot do that lists none.
        largest: Bytes of the largest object that is tried.
    """

    lists: ClassVar[bool] = True
    largest: ClassVar[int] = 3_000_000

    @pytest.fixture
    def fill_at(self) -> Fill:
        """The back door: has these objects, by name, be all there is at a place. To be given."""
        raise NotImplementedError("give the fixture `fill_at`")

    @pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, "largest"])
    def test_objects_of_any_size_are_read(
        self, open_at: Opener, fill_at: Fill, tmp_path: Path, size: int | str
    ) -> None:
        length = self.largest if size == "largest" else int(size)
        data = (bytes(range(256)) * (length // 256 + 1))[:length]
        fill_at(tmp_path / "place", {NAME: data})
        same = read_object(open_at(tmp_path / "place"), NAME) == data
        assert same

    def test_objects_are_read_by_every_name_and_in_pieces(
        self, open_at: Opener, fill_at: Fill, tmp_path: Path
    ) -> None:
        data = b"0123456789" * 30_000
        fill_at(tmp_path / "place", dict.fromkeys(NAMES, data))
        store = open_at(tmp_path / "place")
        for name in NAMES:
            found = store.get(name)
            assert found is not None
            with found as stream:
                pieces = [stream.read(7), *iter(lambda: stream.read(10_000), b"")]
            assert pieces[0] == data[:7]
            same = b"".join(pieces) == data
            assert same

    def test_what_is_not_there_is_none_and_nobody_else(
        self, open_at: Opener, fill_at: Fill, tmp_path: Path
    ) -> None:
        fill_at(tmp_path / "place", {NAME: b"content"})
        store = open_at(tmp_path / "place")
        assert store.get(NAME[:-1]) is None
        assert store.get(NAME + "a") is None

    def test_it_tells_which_objects_there_are(
        self, open_at: Opener, fill_at: Fill, tmp_path: Path
    ) -> None:
        names = [f"blobs/{number:02}" for number in range(40)]
        fill_at(tmp_path / "place", {name: name.encode() for name in names[::2]})
        store = open_at(tmp_path / "place")
        assert store.exists(names) == set(names[::2])
        assert store.exists([]) == set()

    def test_objects_are_listed_if_declared_and_only_then(
        self, open_at: Opener, fill_at: Fill, tmp_path: Path
    ) -> None:
        names = ["a/1", "a/10", "a/b/c", "ab/1"]
        fill_at(tmp_path / "place", {name: name.encode() for name in names})
        store = open_at(tmp_path / "place")
        for prefix in ("", "a/", "a/1", "zzz"):
            wanted = [name for name in names if name.startswith(prefix)] if self.lists else []
            found = {info.name: info.size for info in store.list(prefix)}
            assert found == {name: len(name) for name in wanted}, "declare `lists` as it is"

    def test_it_tells_where_objects_are(
        self, open_at: Opener, fill_at: Fill, tmp_path: Path
    ) -> None:
        fill_at(tmp_path / "place", {})
        said = open_at(tmp_path / "place").location()
        assert said == said.strip() != ""
        assert "\n" not in said
        assert not re.search(r"://[^/@]*:[^/@]*@", said), "a password"

    @pytest.mark.parametrize("change", ["put", "replace", "delete"])
    def test_whoever_would_change_it_is_refused(
        self, open_at: Opener, fill_at: Fill, tmp_path: Path, change: str
    ) -> None:
        fill_at(tmp_path / "place", {NAME: b"content"})
        store = open_at(tmp_path / "place")
        changes: dict[str, Callable[[], object]] = {
            "put": lambda: store.put(NAME + "x", BytesSource(b"other")),
            "replace": lambda: store.put(NAME, BytesSource(b"other"), replace=True),
            "delete": lambda: store.delete(NAME),
        }
        with pytest.raises(Exception, match=r"\w") as refused:
            changes[change]()
        assert not isinstance(refused.value, AttributeError | TypeError), "it should say why"
        assert read_object(store, NAME) == b"content"
        assert store.exists([NAME, NAME + "x"]) == {NAME}

    def test_many_threads_may_read_at_once(
        self, open_at: Opener, fill_at: Fill, tmp_path: Path
    ) -> None:
        held = {f"blobs/{number}": b"%d" % number * 5_000 for number in range(12)}
        fill_at(tmp_path / "place", held)
        store = open_at(tmp_path / "place")

        def work() -> None:
            for name, data in held.items():
                assert read_object(store, name) == data

        in_threads([work] * 4)

    def test_what_a_cache_stored_elsewhere_is_a_hit_and_damage_is_a_miss(
        self, open_at: Opener, fill_at: Fill, tmp_path: Path
    ) -> None:
        elsewhere, entry = MemoryObjectStore(), example_entry()
        ObjectStoreCache(elsewhere).put_entry(entry.key, entry.result, entry.sources)
        held = {name: data for name, (data, _) in elsewhere.objects.items()}
        fill_at(tmp_path / "whole", held)
        cache = ObjectStoreCache(open_at(tmp_path / "whole"), writable=False)
        assert is_hit(cache, entry)
        fill_at(tmp_path / "damaged", {name: data[: len(data) // 2] for name, data in held.items()})
        told: list[str] = []
        damaged = ObjectStoreCache(
            open_at(tmp_path / "damaged"), writable=False, on_damage=told.append
        )
        assert list(damaged.get_entries([entry.key])) == []
        assert told
