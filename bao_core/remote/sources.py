"""Blobs of a result that are read later, when its upload has its turn."""

from __future__ import annotations

import io
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import cast

from bao_core.blobs import BytesSource
from bao_core.digests import CHUNK
from bao_core.interfaces.cache import BlobSource
from bao_core.object_cache.sources import TemporarySource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

    from bao_core.interfaces.cache import CacheBackend

IN_MEMORY = 256 << 10
"""Bytes of a blob without a file that are copied into memory."""


class LastingSource(BlobSource):
    """A blob that is read from a tier on this machine, or else from where it was.

    The worktree may be another by the time of the upload; whoever reads verifies.
    """

    def __init__(self, source: BlobSource, tiers: Sequence[CacheBackend]) -> None:
        self.digest = source.digest
        self.path = None
        self._source = source
        self._tiers = tiers

    def open(self) -> BinaryIO:
        """A stream from the first place that has it."""
        for tier in self._tiers:
            stack = ExitStack()
            stream = stack.enter_context(tier.open_blob(self.digest))
            if stream is not None:
                return cast("BinaryIO", _Owning(stream, stack))
            stack.close()
        return self._source.open()


class _Owning(io.RawIOBase):
    """A stream that ends a context when it is closed."""

    def __init__(self, stream: BinaryIO, stack: ExitStack) -> None:
        self._stream = stream
        self._stack = stack

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        data = self._stream.read(len(target))
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stack.close()
        super().close()


def lasting(sources: Sequence[BlobSource], tiers: Sequence[CacheBackend]) -> list[BlobSource]:
    """Sources that can still be read when the task is long over.

    Args:
        sources: Those of the task. One that is neither a file nor in a tier is copied.
        tiers: Tiers on this machine that have them all.
    """
    return [
        LastingSource(source, tiers) if tiers or source.path is not None else _copied(source)
        for source in sources
    ]


def _copied(source: BlobSource) -> BlobSource:
    with source.open() as stream:
        if source.digest.size <= IN_MEMORY:
            return BytesSource(stream.read())
        file = cast("BinaryIO", TemporaryFile(prefix="bao-"))  # noqa: SIM115 - it outlives this
        while data := stream.read(CHUNK):
            file.write(data)
    file.flush()
    return TemporarySource(file, source.digest)
