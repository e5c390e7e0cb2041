"""Files that many processes append small records to.

A record is written by one call, so it is whole even beside other writers. Nothing here is needed
for a right answer: a file that is lost, cut or damaged costs time or an explanation.
"""

from __future__ import annotations

import os

from bao_cache_local.entries import read_whole
from bao_cache_local.files import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_cache_local.files import Workshop


def append_record(path: str, record: bytes) -> int:
    """Append a record; returns the size of the file then, or 0 where the disk refuses."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        try:
            descriptor = os.open(path, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            descriptor = os.open(path, flags, 0o666)
        try:
            os.write(descriptor, record)
            return os.lseek(descriptor, 0, os.SEEK_CUR)
        finally:
            os.close(descriptor)
    except OSError:
        return 0


def read_records(path: str) -> bytes:
    """All records; nothing where there are none."""
    try:
        return read_whole(path)
    except OSError:
        return b""


def shorten(path: str, workshop: Workshop, choose: Callable[[bytes], bytes]) -> None:
    """Keep some of the records. What others append meanwhile may be lost."""
    try:
        kept = choose(read_whole(path))
        os.replace(workshop.make(lambda target: write_all(target, kept)), path)
    except OSError:
        pass
