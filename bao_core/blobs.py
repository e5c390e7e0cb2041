"""Blobs that core makes itself."""

from __future__ import annotations

from io import BytesIO

from bao_core.digests import digest_bytes
from bao_core.interfaces.cache import BlobSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


class BytesSource(BlobSource):
    """A blob that is in memory."""

    def __init__(self, data: bytes) -> None:
        self.digest = digest_bytes(data)
        self.path = None
        self._data = data

    def open(self) -> BinaryIO:
        """A stream over the bytes."""
        return BytesIO(self._data)
