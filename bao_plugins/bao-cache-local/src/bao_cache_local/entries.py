"""Result files: one small file each, which knows whether it is whole.

A file is a format name with its version, a BLAKE3 checksum over the key and the body, and the body:
an `Entry` as msgpack. So a file that was cut, flipped, or put under another key is not read.
Its modification time says when it was last used.
"""

from __future__ import annotations

import os
import re

from blake3 import blake3
from msgspec import DecodeError, Struct
from msgspec.msgpack import Decoder, Encoder
from msgspec.structs import replace

from bao_core.model import ActionResult, CacheKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.model import Digest

_MAGIC = b"bao-result-1\n"
_START = len(_MAGIC) + 32
HASH_LENGTH = 64
"""Hexadecimal digits of a key and of a digest."""

_READ = 1 << 16


class Entry(Struct, array_like=True, frozen=True):
    """What a result file holds.

    Attributes:
        created: Seconds since the epoch.
        escaped: Whether paths hold bytes that are not UTF-8, written as NUL and two digits.
        result: The result itself.
    """

    created: float
    escaped: bool
    result: ActionResult


class EntryFormat:
    """Turns entries into bytes and back. Holds the coders, which are costly to make."""

    def __init__(self) -> None:
        self._decoder = Decoder(Entry)
        self._encoder = Encoder()

    def encode(self, key: CacheKey, created: float, result: ActionResult) -> bytes:
        """The content of a result file."""
        try:
            body = self._encoder.encode(Entry(created, escaped=False, result=result))
        except UnicodeEncodeError:
            escaped = _with_texts(result, _escape)
            body = self._encoder.encode(Entry(created, escaped=True, result=escaped))
        return _MAGIC + blake3(key.encode() + body).digest() + body

    def decode(self, key: CacheKey, data: bytes) -> Entry | None:
        """What a result file holds; None if it is damaged, foreign, or belongs to another key."""
        if not data.startswith(_MAGIC):
            return None
        body = data[_START:]
        if blake3(key.encode() + body).digest() != data[len(_MAGIC) : _START]:
            return None
        try:
            entry = self._decoder.decode(body)
        except (DecodeError, UnicodeDecodeError):
            return None
        if not all(map(is_own_digest, entry.result.blobs())):
            return None
        if entry.escaped:
            return replace(entry, escaped=False, result=_with_texts(entry.result, _unescape))
        return entry


def is_own_digest(digest: Digest) -> bool:
    """Whether a digest is of the kind that this cache stores, and safe as a file name."""
    return digest.function == "blake3" and is_hash(digest.hash) and digest.size >= 0


def is_hash(text: str) -> bool:
    """Whether a text could be a key or the hash of a digest."""
    return len(text) == HASH_LENGTH and text.isalnum() and text.isascii()


def read_whole(path: str) -> bytes:
    """The content of a small file, in as few calls as possible.

    Raises:
        OSError: It is not there or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(descriptor, _READ)
        if len(data) < _READ:
            return data
        pieces = [data]
        while piece := os.read(descriptor, _READ):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def _with_texts(result: ActionResult, change: Callable[[str], str]) -> ActionResult:
    return replace(
        result,
        files=tuple(replace(file, path=change(file.path)) for file in result.files),
        links=tuple(
            replace(link, path=change(link.path), target=change(link.target))
            for link in result.links
        ),
        directories=tuple(map(change, result.directories)),
        task_id=change(result.task_id),
    )


def _escape(text: str) -> str:
    # No path holds a NUL, and no escape stands for one.
    return re.sub("[\udc80-\udcff]", lambda found: f"\0{ord(found[0]) - 0xDC00:02x}", text)


def _unescape(text: str) -> str:
    return re.sub("\0([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), text)
