"""A task's output as bytes: in memory while it is short, in a nameless file once it is long.

What a task prints has no bound, so what is kept of it in memory has one. The file has no name from
the moment it is made: whatever ends bao, nothing of it stays on the disk.
"""

from __future__ import annotations

import io
import os

from blake3 import blake3

from bao_core.errors import CacheError
from bao_core.interfaces.cache import BlobSource
from bao_core.model import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, Self

    from _typeshed import WriteableBuffer

MEMORY_LIMIT = 256 * 1024
"""Bytes of a log that stay in memory; a longer one goes to a file."""

CHUNK = 64 * 1024
"""Bytes handed on at a time."""


class TaskLog(BlobSource):
    """Bytes as they come; once complete, a blob that can be read as often as needed.

    One thread writes at a time, and nobody reads while somebody writes. A disk that cannot take
    the log does not fail the task that prints it: `fault` says what happened, the bytes after it
    are lost, and the log has no digest.

    Attributes:
        size: Bytes written, those lost after a fault included.
        fault: Why the log is not whole; None when it is.
    """

    path = None

    def __init__(self, directory: str, *, limit: int = MEMORY_LIMIT) -> None:
        """Begin an empty log.

        Args:
            directory: Where the file is made if there has to be one; need not exist yet.
            limit: Bytes that stay in memory.
        """
        self.size = 0
        self.fault: OSError | None = None
        self._directory = directory
        self._limit = limit
        self._held = bytearray()
        self._file = -1
        self._spilled = 0
        self._hasher: blake3 | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def write(self, data: bytes, /) -> int:
        """Take some bytes; never raises for a full disk."""
        self.size += len(data)
        if self.fault is None:
            self._held += data
            if len(self._held) > self._limit:
                self._spill()
        return len(data)

    @property
    def digest(self) -> Digest:  # type: ignore[override]  # known only once all is written
        """The digest of everything written so far.

        Raises:
            CacheError: Some of it was lost.
        """
        if self.fault is None and self._spilled:
            self._spill()
        if self.fault is not None:
            raise CacheError(f"the log could not be kept: {self.fault.strerror}")
        hasher = self._hasher or blake3(bytes(self._held))
        return Digest(hasher.hexdigest(), self.size)

    def open(self) -> BinaryIO:
        """A new stream over everything kept, from the first byte."""
        return io.BufferedReader(_LogReader(self), CHUNK)

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """Everything kept, in order, at most `size` bytes at a time."""
        offset = 0
        while data := self.read_at(offset, size):
            yield data
            offset += len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        """At most `size` of the bytes kept, from an offset; empty at the end."""
        if offset < self._spilled:
            return os.pread(self._file, min(size, self._spilled - offset), offset)
        start = offset - self._spilled
        return bytes(self._held[start : start + size])

    def close(self) -> None:
        """Let go of memory and file; the log cannot be read any more."""
        if getattr(self, "_file", -1) >= 0:
            os.close(self._file)
        self._file = -1
        self._spilled = 0
        self._held = bytearray()

    def _spill(self) -> None:
        """Move what is held to the file."""
        if self._hasher is None:
            self._hasher = blake3()
            # From now on every write costs a call to the system: make it worth while.
            self._limit = min(self._limit, CHUNK)
        moved = 0
        try:
            if self._file < 0:
                self._file = _nameless_file(self._directory)
            while moved < len(self._held):
                rest = bytes(self._held[moved:])
                written = os.pwrite(self._file, rest, self._spilled)
                self._hasher.update(rest[:written])
                self._spilled += written
                moved += written
        except OSError as error:
            self.fault = error
        # After a fault what is left in memory stays readable behind what is in the file.
        del self._held[:moved]


class _LogReader(io.RawIOBase):
    """Reads a log without a position of the file's own, so that readers do not disturb another."""

    def __init__(self, log: TaskLog) -> None:
        self._log = log
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        data = self._log.read_at(self._offset, len(target))
        target[: len(data)] = data
        self._offset += len(data)
        return len(data)


def _nameless_file(directory: str) -> int:
    """A new file that nobody can find, open for reading and writing.

    Raises:
        OSError: There is no room, or no right, to make one.
    """
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, f"log-{os.getpid()}-{os.urandom(8).hex()}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return descriptor
