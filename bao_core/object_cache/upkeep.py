"""Listing, counting, evicting and checking what one scope of an object store holds."""

from __future__ import annotations

import time
from collections import Counter

from zstandard import ZstdError

from bao_core.digests import digest_stream
from bao_core.interfaces.cache import CacheStats, EntryInfo, Evicted
from bao_core.model import CacheKey, TaskId
from bao_core.object_cache.names import SQUEEZED, is_hash
from bao_core.object_cache.sources import unsqueezed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from bao_core.interfaces.cache import EvictionPolicy, ObjectInfo
    from bao_core.object_cache.counted import CountedStore
    from bao_core.object_cache.entries import StoredEntry
    from bao_core.object_cache.history import Histories
    from bao_core.object_cache.names import Names
    from bao_core.object_cache.pool import AskingThreads

    ReadEntry = Callable[[CacheKey, str], StoredEntry | None]


class Upkeep:
    """Looks after one scope. What is slow here is only done when somebody asks for it.

    Args:
        store: The store.
        names: Of the scope.
        threads: For many requests at once.
        histories: Tell the tasks of entries.
        read_entry: Reads an entry by key and name, and removes one that is damaged.
    """

    def __init__(
        self,
        store: CountedStore,
        names: Names,
        threads: AskingThreads,
        histories: Histories,
        read_entry: ReadEntry,
    ) -> None:
        self._store = store
        self._names = names
        self._threads = threads
        self._histories = histories
        self._read_entry = read_entry

    def stats(self) -> CacheStats:
        """What the scope holds."""
        entries = list(self._store.list(self._names.entries))
        blobs = list(self._store.list(self._names.blobs))
        size = sum(info.size for info in (*entries, *blobs))
        return CacheStats(self._store.store.location(), len(entries), len(blobs), size)

    def entries(self) -> list[EntryInfo]:
        """Every entry, newest first; those that no history tells of are read."""
        listed = self._listed_entries()
        told = {info.key: info for info in self._histories.newest(self._names, limit=None)}
        found = [told[key] for key in listed if key in told]
        unknown = [key for key in listed if key not in told]
        for key, entry in self._read_many(unknown):
            size = listed[key].size + sum(digest.size for digest in entry.outer)
            found.append(EntryInfo(key, TaskId(entry.result.task_id), entry.created, size))
        return sorted(found, key=lambda info: -info.created)

    def evict(self, policy: EvictionPolicy) -> Evicted:
        """Remove the oldest entries, and blobs that no entry is left to name.

        Where there are blobs, every entry is read to know which it names.
        """
        if policy.budget is not None:
            return Evicted()
        now = time.time()
        blobs = {_hash_of(info): info for info in self._store.list(self._names.blobs)}
        listed = self._listed_entries()
        named = {
            key: {digest.hash for digest in entry.outer}.intersection(blobs)
            for key, entry in (self._read_many(listed) if blobs else ())
        }
        users = Counter(name for names in named.values() for name in names)
        size = sum(info.size for info in (*blobs.values(), *listed.values()))
        removed: list[ObjectInfo] = []
        for key in sorted(listed, key=lambda key: listed[key].modified):
            info = listed[key]
            age = now - info.modified
            too_old = policy.max_age is not None and age > policy.max_age
            too_much = policy.max_bytes is not None and size > policy.max_bytes
            if age >= policy.spare and (too_old or too_much):
                removed.append(info)
                del listed[key]
                users.subtract(named.get(key, ()))
                freed = (blobs[name].size for name in named.get(key, ()) if not users[name])
                size -= info.size + sum(freed)
        self._delete(removed)
        before = now - policy.spare
        unused = [blobs[n] for n in blobs if not users[n] and blobs[n].modified <= before]
        self._delete(unused)
        self._shorten_histories(listed, before)
        return Evicted(len(removed), sum(info.size for info in (*removed, *unused)))

    def verify(self) -> Iterator[str]:
        """Read everything; a line about each thing that was removed."""
        listed = self._listed_entries()
        whole = dict(self._read_many(list(listed)))
        for key in sorted(listed.keys() - whole.keys()):
            yield f"{listed[key].name} is damaged; removed"
        held: set[str] = set()
        for info in self._store.list(self._names.blobs):
            complaint = self._blob_complaint(info)
            if complaint is None:
                held.add(_hash_of(info))
            else:
                self._store.delete(info.name)
                yield f"{info.name} {complaint}; removed"
        for key, entry in whole.items():
            missing = [digest for digest in entry.outer if digest.hash not in held]
            if missing:
                name = listed[key].name
                self._store.delete(name)
                yield f"{name} names blob {missing[0].hash[:12]}, which is missing; removed"

    def _listed_entries(self) -> dict[CacheKey, ObjectInfo]:
        listed = {}
        for info in self._store.list(self._names.entries):
            key = CacheKey(info.name.rpartition("/")[2])
            if is_hash(key):
                listed[key] = info
        return listed

    def _read_many(self, keys: Iterable[CacheKey]) -> Iterator[tuple[CacheKey, StoredEntry]]:
        """Entries that are whole; the others are removed."""
        questions = [(key, self._names.entry(key)) for key in keys]
        if not questions:
            return
        for (key, _), entry in self._threads.map(lambda each: self._read_entry(*each), questions):
            if entry is not None:
                yield key, entry

    def _shorten_histories(self, kept: dict[CacheKey, ObjectInfo], before: float) -> None:
        """Remove histories that only tell of what is gone: those older than everything kept."""
        oldest = min((info.modified for info in kept.values()), default=before)
        listed = self._store.list(self._names.history)
        self._delete([info for info in listed if info.modified < min(oldest, before)])

    def _delete(self, infos: Iterable[ObjectInfo]) -> None:
        names = [info.name for info in infos]
        if names:
            for _ in self._threads.map(self._store.delete, names):
                pass

    def _blob_complaint(self, info: ObjectInfo) -> str | None:
        name = _hash_of(info)
        if not is_hash(name):
            return "is no blob"
        with self._store.get(info.name) as stored:
            if stored is None:
                return None
            plain = unsqueezed(stored) if info.name.endswith(SQUEEZED) else stored
            return None if _hash_all(plain) == name else "does not hold what its name says"


def _hash_all(stream: BinaryIO) -> str:
    """The hash of everything in a stream; empty where it cannot be decompressed."""
    try:
        return digest_stream(stream).hash
    except ZstdError:
        return ""


def _hash_of(info: ObjectInfo) -> str:
    return info.name.rpartition("/")[2].removesuffix(SQUEEZED)
