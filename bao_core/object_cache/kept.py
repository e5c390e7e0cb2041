"""Bytes that came with entries and will be asked for soon: in memory, and beyond that in a file."""

from __future__ import annotations

import os
from tempfile import TemporaryFile
from threading import Lock

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

IN_MEMORY = 32 << 20
"""Bytes of all entries together that stay in memory."""

IN_FILE = 4 << 30
"""Bytes that go to the file; what comes then is asked for again when it is needed."""


class Place(Struct, frozen=True):
    """Where some bytes are.

    Attributes:
        data: The bytes, if they are in memory.
        start: Where they begin in the file otherwise.
    """

    data: bytes | None
    start: int = 0


class Kept:
    """Takes bytes and gives parts of them back. Used from several threads.

    Args:
        in_memory, in_file: Bounds in bytes.
    """

    def __init__(self, *, in_memory: int = IN_MEMORY, in_file: int = IN_FILE) -> None:
        self._room = in_memory
        self._file_room = in_file
        self._end = 0
        self._file: IO[bytes] | None = None
        self._lock = Lock()

    def add(self, data: bytes) -> Place | None:
        """Keep some bytes; None where there is no room for them."""
        with self._lock:
            if len(data) <= self._room:
                self._room -= len(data)
                return Place(data)
            if len(data) > self._file_room:
                return None
            try:
                if self._file is None:
                    self._file = TemporaryFile(prefix="bao-", buffering=0)  # noqa: SIM115 - closed by `close`
                start = self._end
                self._end += len(data)
                self._file_room -= len(data)
                self._write(self._file.fileno(), data, start)
            except OSError:
                self._file_room = 0
                return None
            return Place(None, start)

    def read(self, place: Place, offset: int, size: int) -> bytes:
        """Some of the bytes kept at a place; fewer where they cannot be read any more."""
        if place.data is not None:
            return place.data[offset : offset + size]
        with self._lock:
            if self._file is None:
                return b""
            descriptor = self._file.fileno()
            return os.pread(descriptor, size, place.start + offset)

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None
            self._room = self._file_room = 0

    @staticmethod
    def _write(descriptor: int, data: bytes, at: int) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(descriptor, rest, at)
            rest, at = rest[written:], at + written
