"""Files that many processes append small records to.

Records are gathered and written in batches, each by one call, so that they are whole even beside
other writers. Nothing here is needed for a right answer: a record that is lost with its process,
or a file that is cut or damaged, costs time or an explanation.
"""

from __future__ import annotations

import os
import threading

from bao_cache_local.entries import read_whole
from bao_cache_local.files import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_cache_local.files import Workshop

_BATCH = 1000
"""Records that are gathered at most before they are written."""


class RecordFiles:
    """A directory of such files.

    Args:
        directory: Where they lie; made when needed.
        workshop: Where they are made anew.
        long: Bytes at which a file is shortened after it was written to; None for never.
        choose: Tells which of a file's records shortening keeps.
    """

    def __init__(
        self,
        directory: str,
        workshop: Workshop,
        *,
        long: int | None = None,
        choose: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._directory = directory
        self._workshop = workshop
        self._long = long
        self._choose = choose
        self._gathered: dict[str, list[bytes]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def add(self, name: str, record: bytes) -> None:
        """Append a record to a file, soon."""
        with self._lock:
            self._gathered.setdefault(name, []).append(record)
            self._count += 1
            full = self._count >= _BATCH
        if full:
            self.flush()

    def read(self, name: str) -> bytes:
        """All records of a file; nothing where there are none."""
        with self._lock:
            gathered = b"".join(self._gathered.get(name, ()))
        try:
            return read_whole(f"{self._directory}/{name}") + gathered
        except OSError:
            return gathered

    def flush(self) -> None:
        """Write what was gathered. Nothing happens where the disk refuses."""
        with self._lock:
            gathered, self._gathered, self._count = self._gathered, {}, 0
        for name, records in gathered.items():
            try:
                size = _append(f"{self._directory}/{name}", b"".join(records))
            except OSError:
                continue
            if self._long is not None and size > self._long:
                self.shorten(name, self._choose)

    def shorten(self, name: str, choose: Callable[[bytes], bytes]) -> None:
        """Keep some of the records. What others append meanwhile may be lost."""
        path = f"{self._directory}/{name}"
        try:
            kept = choose(read_whole(path))
            os.replace(self._workshop.make(lambda target: write_all(target, kept)), path)
        except OSError:
            pass


def _append(path: str, records: bytes) -> int:
    """Append records; returns the size of the file then."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
    try:
        os.write(descriptor, records)
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)
