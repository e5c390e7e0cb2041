"""The cache backend `local`: results and blobs as files on this machine's disk.

Looking up touches files only; the catalogue, and the library it is made with, are imported by what
lists, counts and evicts.
"""

from __future__ import annotations

import os
import time
from io import BytesIO
from typing import BinaryIO, ClassVar, Self

from bao_cache_local.blobs import BlobStore, ChangedSourceError
from bao_cache_local.entries import is_hash, is_own_digest
from bao_cache_local.files import UNWRITABLE, Workshop
from bao_cache_local.history import History
from bao_cache_local.results import ResultStore
from bao_cache_local.settings import LocalCacheSettings, cache_directory
from bao_cache_local.upkeep import Upkeep
from bao_core.errors import CacheError
from bao_core.events import WarningRaised
from bao_core.interfaces.cache import CacheBackend, EntryInfo, Stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from bao_core.events import Event
    from bao_core.interfaces.cache import (
        BlobSink,
        BlobSource,
        CacheStats,
        Evicted,
        EvictionPolicy,
    )
    from bao_core.interfaces.component import Context
    from bao_core.model import ActionResult, CacheKey, Digest, TaskId


class LocalCache(CacheBackend):
    """Results under `results/`, blobs under `blobs/`; entries of a scope under `scopes/<tag>/`.

    A cache with a scope reads the entries of the main one as well and never changes them.
    """

    name: ClassVar[str] = "local"
    Settings = LocalCacheSettings
    forkable: ClassVar[bool] = True

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
        self._emit = emit
        workshop = Workshop(root)
        self._blobs = BlobStore(root, workshop)
        self._results = ResultStore(root, scope, self._blobs, workshop)
        self._history = History(root, workspace, workshop)
        self._upkeep = Upkeep(root, settings or LocalCacheSettings(), self._results.places)
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

    def flush(self) -> None:
        """Write what was gathered for later runs."""
        self._history.flush()
        self._results.places.flush()

    def close(self) -> None:
        """Write what was gathered, and let go of the catalogue."""
        self.flush()
        self._upkeep.close()

    # --- entries -----------------------------------------------------------------------------

    def get_entries(self, keys: Collection[CacheKey]) -> Iterator[tuple[CacheKey, ActionResult]]:
        """Look up results. One that is damaged, or whose blobs are gone, is removed."""
        for key in keys:
            found = self._results.find(key)
            if found is not None:
                yield key, found.entry.result

    def touch(self, keys: Collection[CacheKey]) -> set[CacheKey]:
        """Mark entries as used now; nothing is read."""
        return self._results.touch(keys)

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
            `REFUSED` also where a source changed since its digest was taken, and where the disk is
            full or may not be written, of which one warning tells; reading goes on.
        """
        named = result.blobs()
        if self._unwritable or not is_hash(key) or not all(map(is_own_digest, named)):
            return Stored.REFUSED
        try:
            if not replace and self._results.find(key) is not None:
                return Stored.EXISTS
            return self._store(key, result, _sources(named, blobs), replace=replace)
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
        self._results.remove(key)

    def latest(self, task_id: TaskId, limit: int = 1) -> Iterable[EntryInfo]:
        """The newest entries of a task: this workspace's first, then those of others."""
        infos: list[EntryInfo] = []
        for key in self._history.newest(task_id):
            if len(infos) >= limit:
                break
            found = self._results.find(key)
            if found is not None and found.entry.result.task_id == task_id:
                size = len(found.data) + sum(digest.size for digest in found.outer)
                infos.append(EntryInfo(key, task_id, found.entry.created, size))
        return infos

    def _store(
        self,
        key: CacheKey,
        result: ActionResult,
        sources: Mapping[Digest, BlobSource],
        *,
        replace: bool,
    ) -> Stored:
        created = time.time()
        added = self._results.put(key, created, result, sources, replace=replace)
        if not added:
            return Stored.EXISTS
        self._history.append(result.task_id, key, created)
        self._upkeep.note(added)
        return Stored.STORED

    def _give_up_writing(self, error: OSError) -> None:
        self._unwritable = True
        text = f"the local cache at {self.root} cannot be written: {error.strerror}"
        self._emit(WarningRaised(f"{text}; results of this run are not stored in it"))

    # --- blobs -------------------------------------------------------------------------------

    def fetch(self, result: ActionResult, digests: Collection[Digest], sink: BlobSink) -> None:
        """Hand blobs to a sink: small ones as bytes, others as files to be cloned."""
        del result
        for digest in digests:
            if is_own_digest(digest) and (data := self._results.inner(digest)) is not None:
                sink.write(digest, BytesIO(data))
            else:
                self._blobs.hand_over(digest, sink)

    def read_blob(self, digest: Digest) -> bytes | None:
        """One small blob, verified."""
        if not is_own_digest(digest):
            return None
        data = self._results.inner(digest)
        return self._blobs.read(digest) if data is None else data

    def open_blob(self, digest: Digest, *, offset: int = 0) -> _OpenBlob:
        """A verified blob as a stream."""
        if not is_own_digest(digest):
            return _OpenBlob(None)
        data = self._results.inner(digest)
        if data is not None:
            return _OpenBlob(BytesIO(data[offset:]))
        return _OpenBlob(self._blobs.open(digest, offset))

    def find_missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Which blobs are not there; the others are spared by the next eviction."""
        return {
            digest
            for digest in digests
            if not is_own_digest(digest)
            or not (self._blobs.mark(digest) or self._results.mark(digest))
        }

    def put_blob(self, source: BlobSource) -> None:
        """Store one blob in a file of its own.

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
        self._history.flush()


class _OpenBlob:
    """A stream that `with` closes, or None."""

    def __init__(self, stream: BinaryIO | None) -> None:
        self._stream = stream

    def __enter__(self) -> BinaryIO | None:
        return self._stream

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()


def _sources(named: Iterable[Digest], blobs: Sequence[BlobSource]) -> dict[Digest, BlobSource]:
    """One source for each digest but the empty one, in the order of the result.

    Raises:
        CacheError: One is missing.
    """
    sources = {source.digest: source for source in blobs}
    try:
        return {digest: sources[digest] for digest in named if digest.size}
    except KeyError as error:
        raise CacheError(f"an entry without a source for {error.args[0]}") from None
