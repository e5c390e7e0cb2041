"""A source's bytes, all of them, before the first one is sent."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from tempfile import NamedTemporaryFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bao_core.interfaces.cache import BlobSource

IN_MEMORY = 8 << 20
"""Bytes up to which an object is sent in one piece out of memory."""


@contextmanager
def spooled(source: BlobSource) -> Iterator[bytes | str]:
    """The bytes of a source, or the path of a temporary file that holds them if they are many.

    A source that breaks does so here, where nothing was stored yet.
    """
    with source.open() as stream:
        start = b""
        while len(start) <= IN_MEMORY and (piece := stream.read(IN_MEMORY + 1 - len(start))):
            start = start + piece if start else piece
        if len(start) <= IN_MEMORY:
            yield start
            return
        with NamedTemporaryFile(prefix="bao-") as file:
            file.write(start)
            shutil.copyfileobj(stream, file, 1 << 20)
            file.flush()
            yield file.name
