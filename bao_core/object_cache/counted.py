"""An object store whose requests are counted, and whose bytes are reported as they come."""

from __future__ import annotations

import io
from contextlib import contextmanager
from threading import Lock
from typing import cast

from bao_core.interfaces.cache import BlobSource, Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

    from bao_core.interfaces.cache import ObjectInfo, ObjectStore

_PIECE = 64 << 10
"""Bytes asked of a stream at a time, so that progress shows while more is on its way."""


class CountedStore:
    """Asks an object store and counts.

    Args:
        store: The store.
        progress: Called with a number of answers and a number of bytes whenever some came; from
            any thread. What is stored does not count: nobody waits for it.
    """

    def __init__(self, store: ObjectStore, progress: Callable[[int, int], None]) -> None:
        self.store = store
        self._progress = progress
        self._requests = 0
        self._read = 0
        self._written = 0
        self._lock = Lock()

    def traffic(self) -> Traffic:
        """What was asked so far."""
        with self._lock:
            return Traffic(self._requests, self._read, self._written)

    @contextmanager
    def get(self, name: str) -> Iterator[BinaryIO | None]:
        """An object as a stream; None where there is none."""
        with self._asking():
            found = self.store.get(name)
        if found is None:
            yield None
            return
        with found as stream:
            yield cast("BinaryIO", _Reader(stream, self._count_read))

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """Store an object; False if it was there already."""
        with self._asking(answers=0):
            return self.store.put(name, _Source(source, self._count_written), replace=replace)

    def exists(self, names: Collection[str]) -> set[str]:
        """Which of these are there; counted as one request for each."""
        with self._asking(len(names)):
            return set(self.store.exists(names))

    def delete(self, name: str) -> None:
        """Remove an object."""
        with self._asking():
            self.store.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects by prefix; counted as one request, however many pages it takes."""
        with self._asking():
            listed = iter(self.store.list(prefix))
        for info in listed:
            if info.name.startswith(prefix):
                self._progress(0, len(info.name))
                yield info

    @contextmanager
    def _asking(self, count: int = 1, *, answers: int = 1) -> Iterator[None]:
        with self._lock:
            self._requests += count
        yield
        self._progress(answers, 0)

    def _count_read(self, size: int) -> None:
        with self._lock:
            self._read += size
        self._progress(0, size)

    def _count_written(self, size: int) -> None:
        with self._lock:
            self._written += size


class _Reader(io.RawIOBase):
    """Tells of every piece that was read."""

    def __init__(self, stream: BinaryIO, count: Callable[[int], None]) -> None:
        self._stream = stream
        self._count = count

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        data = self._stream.read(min(size, _PIECE))
        self._count(len(data))
        return data

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _Source(BlobSource):
    """Tells of every piece that a store takes from a source."""

    def __init__(self, source: BlobSource, count: Callable[[int], None]) -> None:
        self.digest = source.digest
        self.path = None
        self._source = source
        self._count = count

    def open(self) -> BinaryIO:
        """A counted stream."""
        return cast("BinaryIO", _Reader(self._source.open(), self._count))
