"""Bytes on their way: in memory, in a nameless file, verified while they are read, compressed."""

from __future__ import annotations

import io
import os
from tempfile import TemporaryFile
from typing import cast

import zstandard
from blake3 import blake3

from bao_core.blobs import BytesSource
from bao_core.digests import CHUNK, digest_bytes
from bao_core.errors import CacheError
from bao_core.interfaces.cache import BlobSource
from bao_core.model import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

_PROBE = 128 << 10
"""Bytes at the start of a blob that tell whether compressing it pays."""

WORTH = 0.9
_IN_MEMORY = 8 << 20
"""Bytes up to which compressed bytes are kept in memory until they are sent."""

WINDOW = 128 << 20
"""Bytes of memory that decompressing may ask for."""


class ChangedSourceError(Exception):
    """A source does not hold, or no longer, what its digest says."""


class TemporarySource(BlobSource):
    """A blob in a nameless file, which is gone with the last reference to it."""

    def __init__(self, file: BinaryIO, digest: Digest) -> None:
        self.digest = digest
        self.path = None
        self._file = file

    def open(self) -> BinaryIO:
        """A stream with a position of its own."""
        return io.BufferedReader(_PositionedReader(self._file), CHUNK)


class _PositionedReader(io.RawIOBase):
    """Reads a file without using the file's own position."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = os.preadv(self._file.fileno(), [memoryview(buffer).cast("B")], self._offset)
        self._offset += count
        return count


class VerifyingReader(io.RawIOBase):
    """Hands a stream's bytes on and holds the last of them back until all are verified.

    Reading raises CacheError if they are not those of the digest.

    Attributes:
        is_damaged: Whether that happened.
    """

    def __init__(self, stream: BinaryIO, digest: Digest) -> None:
        self.is_damaged = False
        self._stream = stream
        self._digest = digest
        self._hasher = blake3()
        self._left = digest.size

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read some bytes."""
        target = memoryview(buffer).cast("B")
        if not self._left or not target:
            return 0
        try:
            data = self._stream.read(min(len(target), self._left, CHUNK))
            self._left -= len(data)
            self._hasher.update(data)
            if not data or (not self._left and not self._is_whole()):
                raise self._fault()
        except zstandard.ZstdError as error:
            raise self._fault() from error
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the stream as well."""
        if not self.closed:
            self._stream.close()
        super().close()

    def _is_whole(self) -> bool:
        return self._hasher.hexdigest() == self._digest.hash and not self._stream.read(1)

    def _fault(self) -> CacheError:
        self.is_damaged = True
        digest = self._digest
        return CacheError(
            f"blob {digest.hash[:12]} does not hold the {digest.size} bytes that it should"
        )


class VerifiedSource(BlobSource):
    """A source whose streams raise, before their last byte, if they are not what they should be."""

    def __init__(self, source: BlobSource) -> None:
        self.digest = source.digest
        self.path = None
        self._source = source

    def open(self) -> BinaryIO:
        """A verified stream; reading it raises `ChangedSourceError`."""
        return cast("BinaryIO", _SourceReader(opened(self._source), self.digest))


class _SourceReader(VerifyingReader):
    def readinto(self, buffer: WriteableBuffer, /) -> int:
        try:
            return super().readinto(buffer)
        except CacheError as error:
            raise ChangedSourceError(str(error)) from error


def opened(source: BlobSource) -> BinaryIO:
    """A source's stream.

    Raises:
        ChangedSourceError: There is nothing any more that could be opened.
    """
    try:
        return source.open()
    except OSError as error:
        raise ChangedSourceError(f"blob {source.digest.hash[:12]} is gone") from error


def load(source: BlobSource) -> bytes:
    """All bytes of a small source.

    Raises:
        ChangedSourceError: They are not those of its digest.
    """
    with opened(source) as stream:
        data = stream.read(source.digest.size + 1)
        while len(data) <= source.digest.size and (more := stream.read(CHUNK)):
            data += more
    if digest_bytes(data) != source.digest:
        raise ChangedSourceError(f"blob {source.digest.hash[:12]} changed")
    return data


def squeezed(source: BlobSource) -> BlobSource | None:
    """A source's bytes compressed, in memory or in a file; None where that would not pay.

    Raises:
        ChangedSourceError: They are not those of its digest.
    """
    with opened(source) as stream:
        start = stream.read(_PROBE)
    if len(zstandard.compress(start, 1)) >= WORTH * len(start):
        return None
    target = cast("BinaryIO", TemporaryFile(prefix="bao-"))  # noqa: SIM115 - it may outlive this
    try:
        made = TemporarySource(target, _squeeze(source, target))
        if made.digest.size > _IN_MEMORY:
            return made
        with made.open() as stream:
            data = stream.read()
    except BaseException:
        target.close()
        raise
    target.close()
    return BytesSource(data)


def _squeeze(source: BlobSource, target: BinaryIO) -> Digest:
    """Compress a source into a file; returns the digest of what is there then."""
    packer = zstandard.ZstdCompressor(level=3).chunker(size=source.digest.size)
    hasher = blake3()
    size = 0
    with VerifiedSource(source).open() as stream:
        while True:
            data = stream.read(CHUNK)
            pieces = packer.compress(data) if data else packer.finish()  # type: ignore[no-untyped-call]
            for piece in pieces:
                hasher.update(piece)
                size += len(piece)
                target.write(piece)
            if not data:
                break
    target.flush()
    return Digest(hasher.hexdigest(), size)


def unsqueezed(stream: BinaryIO) -> BinaryIO:
    """The bytes that a compressed stream stands for, as they are asked for."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW)
    return cast("BinaryIO", decompressor.stream_reader(stream, closefd=True))
