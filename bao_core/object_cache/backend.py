"""`ObjectStoreCache`: results by key and blobs by digest, as objects of a store.

A task's small blobs lie with its result in one object, so a hit costs one request. What came with
a result is kept until it is asked for. Larger blobs are objects of their own, shared by whoever has
the same.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from typing import ClassVar

from blake3 import blake3

from bao_core.blobs import BytesSource
from bao_core.errors import CacheError
from bao_core.interfaces.cache import CacheBackend, Stored
from bao_core.object_cache.apart import ApartBlobs
from bao_core.object_cache.counted import CountedStore
from bao_core.object_cache.entries import LARGEST, MAGIC, EntryFormat, choose_inner
from bao_core.object_cache.history import Histories
from bao_core.object_cache.kept import Kept
from bao_core.object_cache.names import Names, is_hash, is_own_digest
from bao_core.object_cache.pool import AskingThreads
from bao_core.object_cache.sources import ChangedSourceError, load
from bao_core.object_cache.upkeep import Upkeep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from bao_core.interfaces.cache import (
        BlobSink,
        BlobSource,
        CacheStats,
        EntryInfo,
        Evicted,
        EvictionPolicy,
        ObjectStore,
        Traffic,
    )
    from bao_core.model import ActionResult, CacheKey, Digest, TaskId
    from bao_core.object_cache.entries import StoredEntry
    from bao_core.object_cache.kept import Place

THREADS = 16
"""Requests under way at once while many entries are looked up."""

LISTED_FROM = 8
"""Keys from which on a scope is listed first: one request instead of one for each."""


class _Inner:
    """Where a small blob is: in the entry of a key, at an offset of the body."""

    __slots__ = ("key", "offset", "place")

    def __init__(self, key: CacheKey, place: Place | None, offset: int) -> None:
        self.key = key
        self.place = place
        self.offset = offset


class ObjectStoreCache(CacheBackend):
    """A whole cache backend over the five methods of a store.

    Args:
        store: Where objects are kept; closed with the cache.
        scope: What entries are written under; those of the main scope are read as well.
        writable: Whether damaged objects may be removed.
        on_damage: Called with a clause about each damaged object that was found; from any thread.
        progress: Called with answers and bytes whenever some came; from any thread.
        kept: Keeps what came with entries.
    """

    name: ClassVar[str] = "object-store"
    remote: ClassVar[bool] = True

    def __init__(
        self,
        store: ObjectStore,
        *,
        scope: str = "",
        writable: bool = True,
        on_damage: Callable[[str], None] = lambda _text: None,
        progress: Callable[[int, int], None] = lambda _answers, _bytes: None,
        kept: Kept | None = None,
    ) -> None:
        self._store = CountedStore(store, progress)
        self._writable = writable
        self._on_damage = on_damage
        self._names = Names(scope)
        self._scopes = (self._names, Names("")) if scope else (self._names,)
        self._kept = kept or Kept()
        self._format = EntryFormat()
        self._threads = AskingThreads(THREADS)
        self._inner: dict[str, _Inner] = {}
        self._apart = ApartBlobs(self._store, self._scopes, self._found_damaged)
        self._lock = Lock()
        self._histories = Histories(self._store, self._names)
        self._upkeep = Upkeep(
            self._store, self._names, self._threads, self._histories, self._read_entry
        )

    def close(self) -> None:
        """Let go of what is kept, and of the store."""
        self._kept.close()
        self._store.store.close()

    def traffic(self) -> Traffic:
        """Requests and bytes so far."""
        return self._store.traffic()

    # --- entries -----------------------------------------------------------------------------

    def get_entries(self, keys: Collection[CacheKey]) -> Iterator[tuple[CacheKey, ActionResult]]:
        """Look up results, many at a time. What is damaged is removed and left out."""
        for key, result in self.look_up(keys):
            if result is not None:
                yield key, result

    def look_up(self, keys: Collection[CacheKey]) -> Iterator[tuple[CacheKey, ActionResult | None]]:
        """Look up results, many at a time, and tell each answer as it comes."""
        places = [(key, self._entry_names(key) if is_hash(key) else []) for key in keys]
        if len(self._scopes) > 1 and len(places) >= LISTED_FROM:
            own = {info.name for info in self._store.list(self._names.entries)}
            places = [
                (key, [name for name in names if name in own or name == names[-1]])
                for key, names in places
            ]
        if places:
            for (key, _), entry in self._threads.map(self._look_up, places):
                yield key, None if entry is None else entry.result

    def touch(self, keys: Collection[CacheKey]) -> set[CacheKey]:
        """The keys that have entries. Object stores know no last use, so nothing is marked."""
        names = {name: key for key in keys if is_hash(key) for name in self._entry_names(key)}
        return {names[name] for name in self._store.exists(list(names)) if name in names}

    def put_entry(
        self,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        *,
        replace: bool = False,
    ) -> Stored:
        """Store a result, its larger blobs first.

        Returns:
            `REFUSED` also where a source is missing, or changed since its digest was taken.
        """
        sources = {source.digest: source for source in blobs}
        named = result.blobs()
        if not is_hash(key) or not all(map(is_own_digest, named)):
            return Stored.REFUSED
        if any(digest.size and digest not in sources for digest in named):
            return Stored.REFUSED
        try:
            return self._store_entry(key, result, sources, replace=replace)
        except ChangedSourceError:
            return Stored.REFUSED

    def remove_entry(self, key: CacheKey) -> None:
        """Forget an entry of the own scope; those that are only read through stay."""
        if is_hash(key) and self._writable:
            self._store.delete(self._names.entry(key))

    def latest(self, task_id: TaskId, limit: int = 1) -> Iterable[EntryInfo]:
        """The newest entries of a task, as the histories tell that each storing run leaves."""
        found: dict[CacheKey, EntryInfo] = {}
        for info in (info for scope in self._scopes for info in self._histories.newest(scope)):
            if len(found) >= limit:
                break
            if info.task_id == task_id and info.key not in found and self.touch([info.key]):
                found[info.key] = info
        return list(found.values())

    def _entry_names(self, key: CacheKey) -> list[str]:
        return [scope.entry(key) for scope in self._scopes]

    def _look_up(self, question: tuple[CacheKey, list[str]]) -> StoredEntry | None:
        key, names = question
        for name in names:
            entry = self._read_entry(key, name)
            if entry is not None:
                self._keep(key, entry)
                return entry
        return None

    def _read_entry(self, key: CacheKey, name: str) -> StoredEntry | None:
        """An entry object, whole and verified; one that is not is removed."""
        with self._store.get(name) as stream:
            if stream is None:
                return None
            data = _read_object(stream)
        entry = None if data is None else self._format.decode(key, data)
        if entry is None:
            self._found_damaged(f"entry {key[:12]}", name)
            return None
        return entry

    def _keep(self, key: CacheKey, entry: StoredEntry) -> None:
        place = self._kept.add(entry.body) if entry.body else None
        offset = 0
        with self._lock:
            for digest in entry.inner:
                known = self._inner.get(digest.hash)
                if known is None or known.place is None:
                    self._inner[digest.hash] = _Inner(key, place, offset)
                offset += digest.size
            for digest, is_squeezed in entry.outer.items():
                self._apart.learn(digest, is_squeezed=is_squeezed)

    def _store_entry(
        self,
        key: CacheKey,
        result: ActionResult,
        sources: Mapping[Digest, BlobSource],
        *,
        replace: bool,
    ) -> Stored:
        named = result.blobs()
        inner = {digest: load(sources[digest]) for digest in choose_inner(named)}
        outer = [sources[digest] for digest in named if digest.size and digest not in inner]
        compressed = [s.digest for s in outer if self._apart.put(s, replace=replace)]
        created = time.time()
        data = self._format.encode(key, created, result, inner, compressed)
        # The entry last: whoever finds it must find what it names.
        if not self._store.put(self._names.entry(key), BytesSource(data), replace=replace):
            return Stored.EXISTS
        size = len(data) + sum(source.digest.size for source in outer)
        self._histories.note(key, result.task_id, created, size)
        offset = 0
        with self._lock:
            for digest in inner:
                self._inner.setdefault(digest.hash, _Inner(key, None, offset))
                offset += digest.size
        return Stored.STORED

    # --- blobs -------------------------------------------------------------------------------

    def fetch(self, result: ActionResult, digests: Collection[Digest], sink: BlobSink) -> None:
        """Hand blobs to a sink: what came with the entry from there, the rest one by one."""
        del result
        for digest in digests:
            with self.open_blob(digest) as stream:
                if stream is None:
                    raise CacheError(f"blob {digest.hash[:12]} is missing or damaged")
                sink.write(digest, stream)

    def peek(self, digest: Digest) -> bytes | None:
        """A small blob out of an entry that was looked up."""
        if not digest.size:
            return b""
        inner = self._inner.get(digest.hash)
        if inner is None or inner.place is None:
            return None
        data = self._kept.read(inner.place, inner.offset, digest.size)
        return data if blake3(data).hexdigest() == digest.hash else None

    def read_blob(self, digest: Digest) -> bytes | None:
        """One small blob, verified."""
        with self.open_blob(digest) as stream:
            return None if stream is None else stream.read()

    @contextmanager
    def open_blob(self, digest: Digest, *, offset: int = 0) -> Iterator[BinaryIO | None]:
        """A blob as a stream, which raises `CacheError` before its last byte if it is damaged.

        What fits into memory is verified first, and is not there if it is damaged.
        """
        data = self._inner_blob(digest) if is_own_digest(digest) else None
        if data is not None:
            yield BytesIO(data[offset:])
        elif not is_own_digest(digest):
            yield None
        else:
            with self._apart.open(digest, offset=offset) as stream:
                yield stream

    def find_missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Which blobs are not there.

        Those in entries that nobody has looked up or stored through this instance count as
        missing: there is no telling which entry they lie in.
        """
        unknown = {
            digest
            for digest in digests
            if not is_own_digest(digest) or (digest.size and digest.hash not in self._inner)
        }
        return unknown - self._apart.present(list(filter(is_own_digest, unknown)))

    def put_blob(self, source: BlobSource) -> None:
        """Store one blob as an object of its own.

        Raises:
            CacheError: The source does not hold what its digest says.
        """
        if not is_own_digest(source.digest):
            raise CacheError(f"digests of {source.digest.function} are not stored here")
        if not source.digest.size:
            return
        try:
            self._apart.put(source)
        except ChangedSourceError as error:
            raise CacheError(f"{error} while it was stored") from error

    def _inner_blob(self, digest: Digest) -> bytes | None:
        """A small blob out of its entry, which is asked for again where it was not kept."""
        data = self.peek(digest)
        inner = self._inner.get(digest.hash)
        if data is not None or inner is None:
            return data
        entry = self._look_up((inner.key, self._entry_names(inner.key)))
        at = 0
        for each in entry.inner if entry is not None else ():
            if each == digest and entry is not None:
                return entry.body[at : at + each.size]
            at += each.size
        self._inner.pop(digest.hash, None)
        return None

    def _found_damaged(self, what: str, name: str) -> None:
        """Say so, and remove the object if it is ours to remove."""
        removed = self._writable and name.startswith(self._names.prefix)
        if removed:
            try:
                self._store.delete(name)
            except Exception:  # noqa: BLE001 - what cannot be removed is a miss all the same
                removed = False
        self._on_damage(f"{what} is damaged and was {'removed' if removed else 'left alone'}")

    # --- upkeep ------------------------------------------------------------------------------

    def entries(self) -> Iterable[EntryInfo]:
        """Every entry of the scope, newest first; reads the head of those no history tells of."""
        return self._upkeep.entries()

    def evict(self, policy: EvictionPolicy) -> Evicted:
        """Remove what the policy does not keep, the oldest first.

        With a budget nothing happens: no run waits for that.
        """
        return self._upkeep.evict(policy)

    def stats(self) -> CacheStats:
        """What the scope holds."""
        return self._upkeep.stats()

    def verify(self) -> Iterable[str]:
        """Read everything in the scope and remove what is damaged."""
        return self._upkeep.verify()

    def flush(self) -> None:
        """Write down which tasks the stored entries belong to: one request for the whole run."""
        self._histories.flush()


def _read_object(stream: BinaryIO) -> bytes | None:
    """All of an entry object; None as soon as it cannot be one."""
    pieces = [stream.read(len(MAGIC))]
    size = len(pieces[0])
    while size < len(MAGIC) and (piece := stream.read(len(MAGIC) - size)):
        pieces.append(piece)
        size += len(piece)
    if b"".join(pieces) != MAGIC:
        return None
    while piece := stream.read(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST:
            return None
    return b"".join(pieces)
