"""Which task each entry is of, for those who explain or list.

Object stores know names, sizes and times, and not which task an entry belongs to. So each run that
stores something leaves one more object, a history, in the format `bao-history-1`: the name of the
format and a line feed; a BLAKE3 checksum over the rest; a list of task, key, time and size of each
entry, as msgpack. Its name begins with the time, the newest first.
"""

from __future__ import annotations

import os
import time
from threading import Lock

from blake3 import blake3
from msgspec import DecodeError
from msgspec.msgpack import Decoder, Encoder

from bao_core.blobs import BytesSource
from bao_core.interfaces.cache import EntryInfo
from bao_core.model import CacheKey, TaskId
from bao_core.state import escape_path, unescape_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from bao_core.object_cache.counted import CountedStore
    from bao_core.object_cache.names import Names

_MAGIC = b"bao-history-1\n"
_START = len(_MAGIC) + 32
_LARGEST = 64 << 20
"""Bytes of a history that are read at most."""

_RECENT = 20
"""Histories that are read at most to explain a miss."""

_LAST = 1 << 48
"""Milliseconds since the epoch that do not come; names count down from there."""


class Histories:
    """What the runs of a scope stored. Used from several threads."""

    def __init__(self, store: CountedStore, names: Names) -> None:
        self._store = store
        self._names = names
        self._noted: list[EntryInfo] = []
        self._written: list[EntryInfo] = []
        self._lock = Lock()

    def note(self, key: CacheKey, task_id: TaskId, created: float, size: int) -> None:
        """Something was stored; written down at the next `flush`."""
        with self._lock:
            self._noted.append(EntryInfo(key, task_id, created, size))

    def flush(self) -> None:
        """Write what was noted."""
        with self._lock:
            noted, self._noted = self._noted, []
        if not noted:
            return
        rows = [(escape_path(info.task_id), info.key, info.created, info.size) for info in noted]
        body = Encoder().encode(rows)
        data = b"".join((_MAGIC, blake3(body).digest(), body))
        name = f"{_LAST - int(time.time() * 1000):012x}-{os.urandom(4).hex()}"
        self._store.put(f"{self._names.history}{name}", BytesSource(data))
        with self._lock:
            self._written += noted

    def newest(self, names: Names, limit: int | None = _RECENT) -> Iterator[EntryInfo]:
        """Entries of a scope, the newest run first and in it the newest entry.

        Args:
            names: Those of the scope.
            limit: How many runs are read at most; None for all.
        """
        if names.prefix == self._names.prefix:
            with self._lock:
                noted = [*self._written, *self._noted]
            yield from reversed(noted)
        listed = sorted(info.name for info in self._store.list(names.history))
        for name in listed[:limit]:
            yield from reversed(self._read(name))

    def _read(self, name: str) -> list[EntryInfo]:
        with self._store.get(name) as stream:
            data = b"" if stream is None else _read_all(stream)
        body = data[_START:]
        if not data.startswith(_MAGIC) or blake3(body).digest() != data[len(_MAGIC) : _START]:
            return []
        try:
            rows = Decoder(list[tuple[str, str, float, int]]).decode(body)
        except (DecodeError, UnicodeDecodeError):
            return []
        return [
            EntryInfo(CacheKey(key), TaskId(unescape_path(task)), created, size)
            for task, key, created, size in rows
        ]


def _read_all(stream: BinaryIO) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size <= _LARGEST and (piece := stream.read(1 << 20)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
