"""The result files of a cache: finding them, making them, and reading the small blobs in them."""

from __future__ import annotations

import errno
import os
import time
from threading import local

from blake3 import blake3

from bao_cache_local.entries import SMALL, EntryFormat, choose_inner, is_hash, read_whole
from bao_cache_local.files import publish, remove, write_all
from bao_cache_local.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bao_cache_local.blobs import BlobStore
    from bao_cache_local.entries import EntryFile
    from bao_cache_local.files import Workshop
    from bao_core.interfaces.cache import BlobSource
    from bao_core.model import ActionResult, CacheKey, Digest

_TOUCHED = 3600.0
"""Seconds for which an entry that was used is not marked again."""

ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
"""How the disk says that nothing is there."""


class ResultStore:
    """The result files that are seen from a scope.

    Attributes:
        places: Where small blobs are.
    """

    def __init__(self, root: str, scope: str, blobs: BlobStore, workshop: Workshop) -> None:
        self.places = Places(root, workshop)
        self._own = f"{root}/{results_directory(scope)}"
        self._read_through = (self._own, f"{root}/results") if scope else (self._own,)
        self._blobs = blobs
        self._workshop = workshop
        self._format = EntryFormat()
        self._read = _Read()

    def find(self, key: CacheKey) -> EntryFile | None:
        """A result file with everything it names; what is damaged or lacks something is removed."""
        if not is_hash(key):
            return None
        for directory in self._read_through:
            path = f"{directory}/{key[:2]}/{key}"
            try:
                data = read_whole(path)
            except IsADirectoryError:
                data = b""
            except OSError as error:
                if error.errno in ABSENT:
                    continue
                raise
            found = self._format.decode(key, data)
            if found is not None and all(map(self._blobs.has, found.outer)):
                self.places.learn(key, found.inner)
                return found
            remove(path)
        return None

    def touch(self, keys: Collection[CacheKey]) -> set[CacheKey]:
        """Mark entries as used; those that are there. One question to the disk for each, mostly."""
        there: set[CacheKey] = set()
        old = time.time() - _TOUCHED
        for key in filter(is_hash, keys):
            for directory in self._read_through:
                path = f"{directory}/{key[:2]}/{key}"
                try:
                    used = os.stat(path).st_mtime
                except OSError as error:
                    if error.errno in ABSENT:
                        continue
                    raise
                if used < old:
                    _mark(path)
                there.add(key)
                break
        return there

    def put(
        self,
        key: CacheKey,
        created: float,
        result: ActionResult,
        sources: Mapping[Digest, BlobSource],
        *,
        replace: bool,
    ) -> int:
        """Make a result file and the blobs it names, these first.

        Returns:
            The bytes that were added; 0 if the key has an entry, which stays.
        """
        inner = choose_inner(sources)
        contents = {digest: self._blobs.load(sources[digest]) for digest in inner}
        added = 0
        for digest, source in sources.items():
            if digest not in contents:
                added += self._blobs.put(source, replace=replace)
        data = self._format.encode(key, created, result, contents)
        made = self._workshop.make(lambda target: write_all(target, data))
        if not publish(made, self._path(key), replace=replace):
            return 0
        self.places.write(key, inner)
        return added + len(data)

    def remove(self, key: CacheKey) -> None:
        """Remove an entry. One that is only read through stays."""
        if is_hash(key):
            remove(self._path(key))

    def inner(self, digest: Digest) -> bytes | None:
        """A small blob out of a result file; None if no file is known to have it."""
        if digest.size > SMALL:
            return None
        last = self._read.last
        if last is not None and (data := last.blob(digest)) is not None:
            return data
        for key in self.places.find(digest):
            found = self.find(key)
            if found is None:
                continue
            if (data := found.blob(digest)) is not None:
                self._read.last = found
                return data
            if digest in found.inner:
                self.remove(key)
        self.places.forget(digest)
        return None

    def mark(self, digest: Digest) -> bool:
        """Whether a small blob is in a result file; that entry counts as used now."""
        return self.inner(digest) is not None and any(
            self.touch([key]) for key in self.places.find(digest)
        )

    def _path(self, key: CacheKey) -> str:
        return f"{self._own}/{key[:2]}/{key}"


class _Read(local):
    """The result file that a thread read last: it will want another blob of the same."""

    last: EntryFile | None = None


def results_directory(scope: str) -> str:
    """Where the entries of a scope lie, from the cache's root."""
    if not scope:
        return "results"
    tag = blake3(scope.encode("utf-8", "surrogateescape")).hexdigest(length=16)
    return f"scopes/{tag}/results"


def _mark(path: str) -> None:
    try:
        os.utime(path)
    except OSError:
        pass  # gone meanwhile, or not to be written: then nobody evicts it either
