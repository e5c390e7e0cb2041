"""A cache backend in memory: a fake for tests, and an example that keeps every promise."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from contextlib import nullcontext
from io import BytesIO
from threading import RLock
from typing import ClassVar

from msgspec import Struct, field, msgpack

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError
from bao_core.interfaces.cache import CacheBackend, CacheStats, EntryInfo, Evicted, Stored
from bao_core.model import ActionResult, CacheKey, Digest, TaskId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from bao_core.interfaces.cache import BlobSink, BlobSource, EvictionPolicy


class KeptEntry(Struct):
    """What is kept of an entry: its result as bytes, and their digest, so that damage shows."""

    data: bytes
    digest: Digest
    task_id: TaskId
    created: float
    used: float


class Shelf(Struct):
    """What all instances at one place share.

    Attributes:
        entries: The first stored first.
        blobs: By digest; what is there may be damaged.
    """

    entries: dict[CacheKey, KeptEntry] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)


class Shelves:
    """Shelves by place, each made when it is first asked for."""

    def __init__(self) -> None:
        self._shelves: dict[object, Shelf] = {}

    def at(self, place: object) -> Shelf:
        """The shelf of a place."""
        return self._shelves.setdefault(place, Shelf())

    def grow_old(self, place: object, seconds: float) -> None:
        """Let everything at a place look as if it was last used so many seconds earlier."""
        for kept in self.at(place).entries.values():
            kept.used -= seconds


class ShelfContents(MutableMapping[str, bytes]):
    """The back door to a shelf: blobs and entries by their hashes and keys."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def _digest(self, name: str) -> Digest | None:
        return next((digest for digest in self._shelf.blobs if digest.hash == name), None)

    def __getitem__(self, name: str) -> bytes:
        digest = self._digest(name)
        return self._shelf.blobs[digest] if digest else self._shelf.entries[CacheKey(name)].data

    def __setitem__(self, name: str, data: bytes) -> None:
        if digest := self._digest(name):
            self._shelf.blobs[digest] = data
        else:
            self._shelf.entries[CacheKey(name)].data = data

    def __delitem__(self, name: str) -> None:
        if digest := self._digest(name):
            del self._shelf.blobs[digest]
        else:
            del self._shelf.entries[CacheKey(name)]

    def __iter__(self) -> Iterator[str]:
        return iter([*(digest.hash for digest in self._shelf.blobs), *self._shelf.entries])

    def __len__(self) -> int:
        return len(self._shelf.blobs) + len(self._shelf.entries)


class MemoryCache(CacheBackend):
    """Results and blobs in dictionaries. Two caches of one shelf are two processes at one cache.

    Args:
        shelf: What it keeps things on.
        clock: Tells the time.
    """

    name: ClassVar[str] = "memory"

    def __init__(self, shelf: Shelf | None = None, clock: Callable[[], float] = time.time) -> None:
        self.shelf = shelf or Shelf()
        self._clock = clock

    def get_entries(self, keys: Collection[CacheKey]) -> Iterator[tuple[CacheKey, ActionResult]]:
        """See `CacheBackend.get_entries`."""
        for key in keys:
            result = self._read_entry(key)
            if result is not None:
                self.shelf.entries[key].used = self._clock()
                yield key, result

    def _read_entry(self, key: CacheKey) -> ActionResult | None:
        with self.shelf.lock:
            kept = self.shelf.entries.get(key)
            if kept is None:
                return None
            if digest_bytes(kept.data) == kept.digest:
                found, result = msgpack.decode(kept.data, type=tuple[CacheKey, ActionResult])
                if found == key and not set(result.blobs()) - set(self.shelf.blobs):
                    return _with_paths(result, _unescaped)
            del self.shelf.entries[key]
            return None

    def put_entry(
        self,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        *,
        replace: bool = False,
    ) -> Stored:
        """See `CacheBackend.put_entry`."""
        sources = {source.digest: source for source in blobs}
        try:
            datas = {digest: _read_source(sources[digest]) for digest in result.blobs()}
        except (KeyError, OSError, CacheError):
            return Stored.REFUSED
        data = msgpack.encode((key, _with_paths(result, _escaped)))
        now = self._clock()
        with self.shelf.lock:
            if not replace and self._read_entry(key) is not None:
                return Stored.EXISTS
            self.shelf.blobs.update(datas)
            self.shelf.entries.pop(key, None)
            self.shelf.entries[key] = KeptEntry(data, digest_bytes(data), result.task_id, now, now)
        return Stored.STORED

    def fetch(self, result: ActionResult, digests: Collection[Digest], sink: BlobSink) -> None:
        """See `CacheBackend.fetch`."""
        del result
        for digest in digests:
            data = self.read_blob(digest)
            if data is None:
                raise CacheError(f"blob {digest.hash[:12]} is missing or damaged")
            sink.write(digest, BytesIO(data))

    def remove_entry(self, key: CacheKey) -> None:
        """See `CacheBackend.remove_entry`."""
        with self.shelf.lock:
            self.shelf.entries.pop(key, None)

    def latest(self, task_id: TaskId, limit: int = 1) -> Iterable[EntryInfo]:
        """See `CacheBackend.latest`."""
        return [info for info in self.entries() if info.task_id == task_id][:limit]

    def read_blob(self, digest: Digest) -> bytes | None:
        """See `CacheBackend.read_blob`."""
        with self.shelf.lock:
            data = self.shelf.blobs.get(digest)
            if data is not None and digest_bytes(data) != digest:
                del self.shelf.blobs[digest]
                return None
            return data

    def open_blob(
        self, digest: Digest, *, offset: int = 0
    ) -> AbstractContextManager[BinaryIO | None]:
        """See `CacheBackend.open_blob`."""
        data = self.read_blob(digest)
        return nullcontext(None) if data is None else BytesIO(data[offset:])

    def find_missing(self, digests: Collection[Digest]) -> set[Digest]:
        """See `CacheBackend.find_missing`."""
        return {digest for digest in digests if digest not in self.shelf.blobs}

    def put_blob(self, source: BlobSource) -> None:
        """See `CacheBackend.put_blob`."""
        self.shelf.blobs[source.digest] = _read_source(source)

    def entries(self) -> Iterable[EntryInfo]:
        """See `CacheBackend.entries`."""
        with self.shelf.lock:
            kept = list(self.shelf.entries.items())
        return [
            EntryInfo(key, entry.task_id, entry.created, len(entry.data))
            for key, entry in reversed(kept)
        ]

    def evict(self, policy: EvictionPolicy) -> Evicted:
        """See `CacheBackend.evict`."""
        now = self._clock()
        gone, freed = 0, 0
        with self.shelf.lock:
            for key, kept in sorted(self.shelf.entries.items(), key=lambda item: item[1].used):
                if now - kept.used < policy.spare or not self._must_go(kept, policy, now):
                    continue
                before = self._size()
                del self.shelf.entries[key]
                self._drop_unnamed()
                gone, freed = gone + 1, freed + before - self._size()
        return Evicted(gone, freed)

    def _must_go(self, kept: KeptEntry, policy: EvictionPolicy, now: float) -> bool:
        too_old = policy.max_age is not None and now - kept.used > policy.max_age
        return too_old or (policy.max_bytes is not None and self._size() > policy.max_bytes)

    def _size(self) -> int:
        entries = sum(len(entry.data) for entry in self.shelf.entries.values())
        return entries + sum(map(len, self.shelf.blobs.values()))

    def _drop_unnamed(self) -> None:
        named = {d for key in list(self.shelf.entries) for d in self._named_by(key)}
        for digest in set(self.shelf.blobs) - named:
            del self.shelf.blobs[digest]

    def _named_by(self, key: CacheKey) -> Iterable[Digest]:
        result = self._read_entry(key)
        return result.blobs() if result is not None else ()

    def stats(self) -> CacheStats | None:
        """See `CacheBackend.stats`."""
        with self.shelf.lock:
            shelf = self.shelf
            return CacheStats("memory", len(shelf.entries), len(shelf.blobs), self._size())

    def verify(self) -> Iterable[str]:
        """See `CacheBackend.verify`."""
        for digest in list(self.shelf.blobs):
            if self.read_blob(digest) is None:
                yield f"blob {digest.hash[:12]} was damaged; removed"
        for key in list(self.shelf.entries):
            if self._read_entry(key) is None:
                yield f"entry {key[:12]} was damaged; removed"


def _read_source(source: BlobSource) -> bytes:
    with source.open() as stream:
        data = stream.read()
    if digest_bytes(data) != source.digest:
        raise CacheError(f"blob {source.digest.hash[:12]} changed while it was stored")
    return data


def _with_paths(result: ActionResult, change: Callable[[str], str]) -> ActionResult:
    from msgspec.structs import replace

    return replace(
        result,
        files=tuple(replace(file, path=change(file.path)) for file in result.files),
        links=tuple(
            replace(link, path=change(link.path), target=change(link.target))
            for link in result.links
        ),
        directories=tuple(map(change, result.directories)),
    )


def _escaped(text: str) -> str:
    """A path, without the surrogates that no encoder takes."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _unescaped(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")
