"""Blobs: raw files named by their digest.

They are not compressed: a raw file can be cloned into a worktree without copying a byte where the
file system can, and much of what is cached is compressed already. The empty blob is never stored,
and small ones lie in the result files that name them.
"""

from __future__ import annotations

import errno
import os
import time
from io import BytesIO

from blake3 import blake3

from bao_cache_local.entries import is_own_digest, read_whole
from bao_cache_local.files import publish, remove, write_all
from bao_core.errors import CacheError
from bao_core.model import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from bao_cache_local.files import Workshop
    from bao_core.interfaces.cache import BlobSink, BlobSource

_CHUNK = 1 << 20
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
FRESH = 600.0
"""Seconds for which a blob that was used is not marked again; eviction spares it for longer."""


class ChangedSourceError(Exception):
    """A source does not hold, or no longer, what its digest says."""


class BlobStore:
    """The blobs of a cache."""

    def __init__(self, root: str, workshop: Workshop) -> None:
        self._directory = f"{root}/blobs"
        self._workshop = workshop

    def path(self, digest: Digest) -> str:
        """Where a blob lies if it is there."""
        return f"{self._directory}/{digest.hash[:2]}/{digest.hash}"

    def has(self, digest: Digest) -> bool:
        """Whether a blob is there with the right number of bytes."""
        if not digest.size:
            return True
        try:
            return os.stat(self.path(digest)).st_size == digest.size
        except OSError:
            return False

    def mark(self, digest: Digest) -> bool:
        """Whether a blob is there; it counts as used now, so that eviction spares it."""
        if not digest.size:
            return True
        if not is_own_digest(digest):
            return False
        path = self.path(digest)
        try:
            found = os.stat(path)
            if found.st_size != digest.size:
                return False
            if time.time() - found.st_mtime > FRESH:
                os.utime(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            return error.errno == errno.EROFS  # nothing is evicted there
        return True

    def put(self, source: BlobSource, *, replace: bool = False) -> int:
        """Store a blob; returns how many bytes were added.

        Args:
            source: Its bytes, and their digest.
            replace: Write it even if it seems to be there.

        Raises:
            ChangedSourceError: The source no longer holds what its digest says.
            OSError: The disk refuses.
        """
        digest = source.digest
        if not digest.size or (not replace and self.mark(digest)):
            return 0
        made = self._workshop.make(lambda target: _fill(source, target))
        publish(made, self.path(digest), replace=True)
        return digest.size

    def load(self, source: BlobSource) -> bytes:
        """The bytes of a small source.

        Raises:
            ChangedSourceError: They are not what its digest says.
        """
        with _opened(source) as stream:
            data = stream.read(source.digest.size + 1)
        if len(data) != source.digest.size or blake3(data).hexdigest() != source.digest.hash:
            raise ChangedSourceError
        return data

    def read(self, digest: Digest) -> bytes | None:
        """The bytes of a small blob; None if it is missing, or damaged and now removed."""
        if not digest.size:
            return b""
        try:
            data = read_whole(self.path(digest))
        except IsADirectoryError:
            data = b""
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise
        if len(data) == digest.size and blake3(data).hexdigest() == digest.hash:
            return data
        remove(self.path(digest))
        return None

    def open(self, digest: Digest, offset: int) -> BinaryIO | None:
        """A verified blob from an offset on; None if it is missing, or damaged and now removed."""
        if digest.size <= _CHUNK:
            data = self.read(digest)
            return None if data is None else BytesIO(data[offset:])
        from bao_core.digests import digest_stream

        try:
            stream = open(self.path(digest), "rb")  # noqa: SIM115 - the caller closes it
        except IsADirectoryError:
            remove(self.path(digest))
            return None
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise
        # Read twice, so that nobody acts on the first half of a damaged blob.
        if digest_stream(stream) != digest:
            stream.close()
            remove(self.path(digest))
            return None
        stream.seek(offset)
        return stream

    def hand_over(self, digest: Digest, sink: BlobSink) -> None:
        """Give a blob to a sink, which verifies it.

        Raises:
            CacheError: It is missing, or damaged and now removed.
        """
        if not digest.size:
            sink.write(digest, BytesIO())
            return
        if not is_own_digest(digest):
            raise CacheError(f"blob {digest.hash[:12]!r} is of a kind that is not stored here")
        path = self.path(digest)
        if digest.size > _CHUNK and not self.has(digest):  # before much is copied for nothing
            remove(path)
            raise CacheError(f"blob {digest.hash[:12]} is missing or cut short")
        try:
            sink.clone(digest, path)
        except CacheError:
            remove(path)
            raise
        except IsADirectoryError:
            remove(path)
            raise CacheError(f"blob {digest.hash[:12]} is a directory") from None
        except FileNotFoundError:
            if os.path.lexists(path):
                raise
            raise CacheError(f"blob {digest.hash[:12]} is missing") from None


def _fill(source: BlobSource, target: int) -> None:
    """Write a source into an empty file; what arrives is hashed, not what was promised."""
    if source.path is not None and source.digest.size > _CHUNK:
        from bao_core.outputs import copy_contents

        try:
            reading = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise ChangedSourceError from error
        try:
            found = copy_contents(reading, target)
        finally:
            os.close(reading)
    else:
        found = _write_stream(source, target)
    if found != source.digest:
        raise ChangedSourceError


def _write_stream(source: BlobSource, target: int) -> Digest:
    hasher = blake3()
    size = 0
    with _opened(source) as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
            size += len(chunk)
            write_all(target, chunk)
    return Digest(hasher.hexdigest(), size)


def _opened(source: BlobSource) -> BinaryIO:
    try:
        return source.open()
    except OSError as error:
        raise ChangedSourceError from error
