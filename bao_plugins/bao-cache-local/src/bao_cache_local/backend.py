"""The cache backend `local`: results and blobs as files on this machine's disk.

Looking up touches files only; the catalogue, and the library it is made with, are imported by what
lists, counts and evicts.
"""

from __future__ import annotations

import errno
import os
import time
from typing import BinaryIO, ClassVar, Self

from blake3 import blake3

from bao_cache_local.blobs import BlobStore, ChangedSourceError
from bao_cache_local.entries import EntryFormat, is_hash, is_own_digest, read_whole
from bao_cache_local.files import UNWRITABLE, Workshop, publish, remove, write_all
from bao_cache_local.history import History
from bao_cache_local.settings import LocalCacheSettings, cache_directory
from bao_cache_local.upkeep import Upkeep
from bao_core.errors import CacheError
from bao_core.events import WarningRaised
from bao_core.interfaces.cache import CacheBackend, CacheStats, EntryInfo, Evicted, Stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from bao_cache_local.entries import Entry
    from bao_core.events import Event
    from bao_core.interfaces.cache import BlobSink, BlobSource, EvictionPolicy
    from bao_core.interfaces.component import Context
    from bao_core.model import ActionResult, CacheKey, Digest, TaskId

_TOUCHED = 3600.0
"""Seconds for which an entry that was used is not marked again."""

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


class LocalCache(CacheBackend):
    """Results under `results/`, blobs under `blobs/`; entries of a scope under `scopes/<tag>/`.

    A cache with a scope reads the entries of the main one as well and never changes them.
    """

    name: ClassVar[str] = "local"
    Settings = LocalCacheSettings

    def __init__(
        self,
        root: str,
        *,
        settings: LocalCacheSettings | None = None,
        workspace: str = "",
        scope: str = "",
        emit: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self.root = root
        self._settings = settings or LocalCacheSettings()
        self._emit = emit
        self._own = f"{root}/{results_directory(scope)}"
        self._read_through = (self._own, f"{root}/results") if scope else (self._own,)
        self._format = EntryFormat()
        self._workshop = Workshop(root)
        self._blobs = BlobStore(root, self._workshop)
        self._history = History(root, workspace, self._workshop)
        self._upkeep = Upkeep(root, self._settings)
        self._unwritable = False

    @classmethod
    def open(cls, settings: LocalCacheSettings, context: Context) -> Self:
        """Find the cache; nothing is made before something is stored.

        Raises:
            CacheError: Something else than a directory stands in its place.
        """
        root = cache_directory(settings.path, context.root, context.environ)
        try:
            os.stat(f"{root}/.")
        except FileNotFoundError:
            pass
        except OSError as error:
            raise CacheError(
                f"the local cache cannot be used: {error.strerror}",
                where=root,
                hint="set `path` in its [[cache]] table, or BAO_CACHE_DIR",
            ) from error
        return cls(
            root,
            settings=settings,
            workspace=context.root,
            scope=context.scope,
            emit=context.emit,
        )

    def close(self) -> None:
        """Note how much was stored, for the next eviction to be due in time."""
        self._upkeep.close()

    # --- entries -----------------------------------------------------------------------------

    def get_entries(self, keys: Collection[CacheKey]) -> Iterator[tuple[CacheKey, ActionResult]]:
        """Look up results. One that is damaged, or whose blobs are gone, is removed."""
        for key in keys:
            entry = self._find(key)
            if entry is not None:
                yield key, entry.result

    def touch(self, keys: Collection[CacheKey]) -> set[CacheKey]:
        """Mark entries as used now: one question to the disk for each, mostly."""
        found: set[CacheKey] = set()
        old = time.time() - _TOUCHED
        for key in keys:
            for directory in self._read_through if is_hash(key) else ():
                path = f"{directory}/{key[:2]}/{key}"
                try:
                    used = os.stat(path).st_mtime
                except OSError as error:
                    if error.errno in _ABSENT:
                        continue
                    raise
                if used < old:
                    _mark(path)
                found.add(key)
                break
        return found

    def put_entry(
        self,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        *,
        replace: bool = False,
    ) -> Stored:
        """Store a result, its blobs first: who finds the one must find the others.

        Returns:
            `REFUSED` also where the disk is full or may not be written, of which one warning
            tells; reading goes on.
        """
        if self._unwritable or not is_hash(key):
            return Stored.REFUSED
        named = result.blobs()
        if not all(map(is_own_digest, named)):
            return Stored.REFUSED
        try:
            if not replace and self._find(key) is not None:
                return Stored.EXISTS
            return self._store(key, result, _in_order(named, blobs), replace=replace)
        except ChangedSourceError:
            return Stored.REFUSED
        except OSError as error:
            if error.errno in UNWRITABLE:
                self._give_up_writing(error)
                return Stored.REFUSED
            raise CacheError(
                f"an entry cannot be stored: {error.strerror}", where=self.root
            ) from error

    def remove_entry(self, key: CacheKey) -> None:
        """Forget an entry. One that is only read through stays where it is."""
        if is_hash(key):
            remove(_path(self._own, key))

    def latest(self, task_id: TaskId, limit: int = 1) -> Iterable[EntryInfo]:
        """The newest entries of a task: this workspace's first, then those of others."""
        found: list[EntryInfo] = []
        for key in self._history.newest(task_id):
            if len(found) >= limit:
                break
            entry = self._find(key)
            if entry is not None and entry.result.task_id == task_id:
                size = sum(digest.size for digest in entry.result.blobs())
                found.append(EntryInfo(key, task_id, entry.created, size))
        return found

    def _store(
        self, key: CacheKey, result: ActionResult, sources: Iterable[BlobSource], *, replace: bool
    ) -> Stored:
        added = sum(self._blobs.put(source, replace=replace) for source in sources)
        created = time.time()
        data = self._format.encode(key, created, result)
        made = self._workshop.make(lambda target: write_all(target, data))
        if not publish(made, _path(self._own, key), replace=replace):
            return Stored.EXISTS
        self._history.append(result.task_id, key, created)
        self._upkeep.note(added + len(data))
        return Stored.STORED

    def _find(self, key: CacheKey) -> Entry | None:
        if not is_hash(key):
            return None
        for directory in self._read_through:
            path = f"{directory}/{key[:2]}/{key}"
            try:
                data = read_whole(path)
            except IsADirectoryError:
                data = b""
            except OSError as error:
                if error.errno in _ABSENT:
                    continue
                raise
            entry = self._format.decode(key, data)
            if entry is not None and all(map(self._blobs.has, entry.result.blobs())):
                return entry
            remove(path)
        return None

    def _give_up_writing(self, error: OSError) -> None:
        self._unwritable = True
        text = f"the local cache at {self.root} cannot be written: {error.strerror}"
        self._emit(WarningRaised(f"{text}; results of this run are not stored in it"))

    # --- blobs -------------------------------------------------------------------------------

    def fetch(self, result: ActionResult, digests: Collection[Digest], sink: BlobSink) -> None:
        """Hand blobs to a sink as files to be cloned."""
        del result
        for digest in digests:
            self._blobs.hand_over(digest, sink)

    def read_blob(self, digest: Digest) -> bytes | None:
        """One small blob, verified."""
        return self._blobs.read(digest) if is_own_digest(digest) else None

    def open_blob(self, digest: Digest, *, offset: int = 0) -> _OpenBlob:
        """A verified blob as a stream."""
        return _OpenBlob(self._blobs.open(digest, offset) if is_own_digest(digest) else None)

    def find_missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Which blobs are not there; the others are spared by the next eviction."""
        return {digest for digest in digests if not self._blobs.mark(digest)}

    def put_blob(self, source: BlobSource) -> None:
        """Store one blob.

        Raises:
            CacheError: The source does not hold what its digest says, or the disk refuses.
        """
        if not is_own_digest(source.digest):
            raise CacheError(f"digests of {source.digest.function} are not stored here")
        try:
            self._upkeep.note(self._blobs.put(source))
        except ChangedSourceError:
            raise CacheError("a blob changed while it was stored") from None
        except OSError as error:
            raise CacheError(
                f"a blob cannot be stored: {error.strerror}", where=self.root
            ) from error

    # --- upkeep ------------------------------------------------------------------------------

    def entries(self) -> Iterable[EntryInfo]:
        """Every entry, newest first."""
        return self._upkeep.catalogue().entries()

    def evict(self, policy: EvictionPolicy) -> Evicted:
        """Remove what the policy, and where it is silent the settings, do not keep.

        With a budget nothing happens unless an eviction is due; see `Upkeep`.
        """
        return self._upkeep.evict(policy)

    def stats(self) -> CacheStats:
        """What the cache holds."""
        return self._upkeep.catalogue().stats()

    def verify(self) -> Iterable[str]:
        """Read everything and remove what is damaged."""
        from bao_cache_local.verify import verify

        return verify(self.root)

    def rebuild(self) -> None:
        """Make the catalogue and lost histories anew from the entries."""
        self._upkeep.rebuild(self._history)


class _OpenBlob:
    """A stream that `with` closes, or None."""

    def __init__(self, stream: BinaryIO | None) -> None:
        self._stream = stream

    def __enter__(self) -> BinaryIO | None:
        return self._stream

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()


def results_directory(scope: str) -> str:
    """Where the entries of a scope lie, from the cache's root."""
    if not scope:
        return "results"
    tag = blake3(scope.encode("utf-8", "surrogateescape")).hexdigest(length=16)
    return f"scopes/{tag}/results"


def _path(directory: str, key: CacheKey) -> str:
    return f"{directory}/{key[:2]}/{key}"


def _mark(path: str) -> None:
    try:
        os.utime(path)
    except OSError:
        pass  # gone meanwhile, or not to be written: then nobody evicts it either


def _in_order(named: Iterable[Digest], blobs: Sequence[BlobSource]) -> list[BlobSource]:
    """One source for each digest.

    Raises:
        CacheError: One is missing.
    """
    sources = {source.digest: source for source in blobs}
    try:
        return [sources[digest] for digest in named if digest.size]
    except KeyError as error:
        raise CacheError(f"an entry without a source for {error.args[0]}") from None
