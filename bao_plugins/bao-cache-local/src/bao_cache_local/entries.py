"""Result files: one file each, which knows whether it is whole.

A file is a format name with its version, a BLAKE3 checksum, the length of the head, the head (an
`Entry` as msgpack), and the small blobs that the head names, one behind the other. The checksum is
over the key, the length and the head, so what was cut, flipped or put under another key is not
read; the blobs have digests of their own. The file's modification time says when it was last used.
"""

import os
import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from blake3 import blake3
from msgspec import DecodeError, Struct
from msgspec.msgpack import Decoder, Encoder
from msgspec.structs import replace

from bao_core.model import ActionResult, CacheKey, Digest

_MAGIC = b"bao-result-1\n"
_CHECKED = len(_MAGIC) + 32
_START = _CHECKED + 4

HASH_LENGTH = 64
"""Hexadecimal digits of a key and of a digest."""

SMALL = 4 << 10
"""Bytes up to which a blob may lie in the result file: what a file of its own takes at least."""

_ROOM = 64 << 10
"""Bytes of blobs that a result file takes at most, so that looking up stays cheap."""

_READ = 1 << 16


class Entry(Struct, array_like=True, frozen=True):
    """The head of a result file.

    Attributes:
        created: Seconds since the epoch.
        escaped: Whether paths hold bytes that are not UTF-8, written as NUL and two digits.
        inside: Which of the blobs that the result names, by their number, lie in the file.
        result: The result itself.
    """

    created: float
    escaped: bool
    inside: frozenset[int]
    result: ActionResult


class EntryFile(Struct, frozen=True):
    """A result file that was read.

    Attributes:
        entry: Its head.
        inner: The blobs in it, and where each begins.
        outer: The blobs that it names and that lie in files of their own.
        data: The whole file.
    """

    entry: Entry
    inner: dict[Digest, int]
    outer: list[Digest]
    data: bytes

    def blob(self, digest: Digest) -> bytes | None:
        """A blob in the file; None if it is not there or damaged."""
        at = self.inner.get(digest)
        if at is None:
            return None
        found = self.data[at : at + digest.size]
        return found if blake3(found).hexdigest() == digest.hash else None


class EntryFormat:
    """Turns entries into bytes and back. Holds the coders, which are costly to make."""

    def __init__(self) -> None:
        self._encoder = Encoder()

    @cached_property
    def _decoder(self) -> Decoder[Entry]:
        return Decoder(Entry)

    def encode(
        self, key: CacheKey, created: float, result: ActionResult, blobs: Mapping[Digest, bytes]
    ) -> bytes:
        """The content of a result file, with these blobs in it."""
        named = list(result.blobs())
        inside = frozenset(index for index, digest in enumerate(named) if digest in blobs)
        try:
            entry = Entry(created, escaped=False, inside=inside, result=result)
            body = self._encoder.encode(entry)
        except UnicodeEncodeError:
            result = result.with_texts(_escape)
            entry = Entry(created, escaped=True, inside=inside, result=result)
            body = self._encoder.encode(entry)
        head = len(body).to_bytes(4) + body
        check = blake3(key.encode() + head).digest()
        return b"".join((_MAGIC, check, head, *(blobs[named[index]] for index in sorted(inside))))

    def decode(self, key: CacheKey, data: bytes) -> EntryFile | None:
        """A result file; None if it is damaged, foreign, or belongs to another key."""
        end = _START + int.from_bytes(data[_CHECKED:_START])
        head = data[_CHECKED:end]
        if (
            not data.startswith(_MAGIC)
            or blake3(key.encode() + head).digest() != data[len(_MAGIC) : _CHECKED]
        ):
            return None
        try:
            entry = self._decoder.decode(data[_START:end])
        except (DecodeError, UnicodeDecodeError):
            return None
        inner: dict[Digest, int] = {}
        outer: list[Digest] = []
        for index, digest in enumerate(entry.result.blobs()):
            if not is_own_digest(digest):
                return None
            if index in entry.inside:
                inner[digest] = end
                end += digest.size
            elif digest.size:
                outer.append(digest)
        if len(data) != end:
            return None
        if entry.escaped:
            result = entry.result.with_texts(_unescape)
            entry = replace(entry, escaped=False, result=result)
        return EntryFile(entry, inner, outer, data)


def choose_inner(digests: Iterable[Digest]) -> list[Digest]:
    """Which blobs shall lie in a result file: the small ones, as long as there is room."""
    chosen = []
    room = _ROOM
    for digest in digests:
        if 0 < digest.size <= min(SMALL, room):
            chosen.append(digest)
            room -= digest.size
    return chosen


def is_own_digest(digest: Digest) -> bool:
    """Whether a digest is of the kind that this cache stores, and safe as a file name."""
    return digest.function == "blake3" and is_hash(digest.hash) and digest.size >= 0


def is_hash(text: str) -> bool:
    """Whether a text could be a key or the hash of a digest."""
    return len(text) == HASH_LENGTH and not text.strip("0123456789abcdef")


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


def _escape(text: str) -> str:
    # No path holds a NUL, and no escape stands for one.
    return re.sub("[\udc80-\udcff]", lambda found: f"\0{ord(found[0]) - 0xDC00:02x}", text)


def _unescape(text: str) -> str:
    return re.sub("\0([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), text)
