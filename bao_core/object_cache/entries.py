"""Entry objects, in the format `bao-entry-1`: a result, and its small blobs with it.

An object is the name of the format and a line feed; a BLAKE3 checksum; the length of the head, in
four bytes, the highest first; the head, a `Head` as msgpack; the body. The checksum is over the key
and everything behind the checksum, so what was cut, changed or put under another key is not read.
The body is the small blobs one behind the other, compressed as one where that pays. The head says
how long the body is, so every length stands before what it measures.
"""

from __future__ import annotations

import zstandard
from blake3 import blake3
from msgspec import DecodeError, Struct
from msgspec.msgpack import Decoder, Encoder
from msgspec.structs import replace

from bao_core.model import ActionResult, Digest
from bao_core.object_cache.names import is_own_digest
from bao_core.state import escape_path, unescape_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bao_core.model import CacheKey

MAGIC = b"bao-entry-1\n"
_CHECKED = len(MAGIC) + 32
_START = _CHECKED + 4

SMALL = 64 << 10
"""Bytes up to which a blob lies in the entry object: below it, a request costs more than it."""

ROOM = 8 << 20
"""Bytes of blobs that an entry object takes at most, so that looking up stays bounded."""

MAX_HEAD = 64 << 20
"""Bytes of a head that are believed; some hundred thousand files fit."""

LARGEST = _START + MAX_HEAD + ROOM
"""Bytes that are read of an entry object at most; what is longer was not made by bao."""

WORTH = 0.9
"""What compressing must shrink bytes to, at least, to be worth undoing it."""


class Head(Struct, array_like=True, frozen=True):
    """The head of an entry object.

    Attributes:
        created: Seconds since the epoch.
        escaped: Whether texts hold bytes that are not UTF-8, written as NUL and two digits.
        length: Bytes of the body as it is stored.
        compressed: Whether the body is one zstd frame.
        inside: Which of the blobs that the result names, by their number, lie in the body, in this
            order.
        squeezed: Which of the others lie in compressed objects of their own.
        result: The result itself.
    """

    created: float
    escaped: bool
    length: int
    compressed: bool
    inside: tuple[int, ...]
    squeezed: tuple[int, ...]
    result: ActionResult


class StoredEntry(Struct, frozen=True):
    """An entry object that was read and verified.

    Attributes:
        created: Seconds since the epoch.
        result: The result.
        inner: The blobs in it, in the order of the body.
        outer: The blobs that have objects of their own, and whether these are compressed.
        body: The blobs in it, one behind the other.
    """

    created: float
    result: ActionResult
    inner: tuple[Digest, ...]
    outer: dict[Digest, bool]
    body: bytes


class EntryFormat:
    """Turns entries into bytes and back. Holds the coders, which are costly to make."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._decoder = Decoder(Head)

    def encode(
        self,
        key: CacheKey,
        created: float,
        result: ActionResult,
        inner: Mapping[Digest, bytes],
        squeezed: Iterable[Digest] = (),
    ) -> bytes:
        """The bytes of an entry object.

        Args:
            key: What it is found by.
            created: Seconds since the epoch.
            result: The entry.
            inner: The blobs that shall lie in it, in the order of the body.
            squeezed: The blobs that lie in compressed objects.
        """
        numbers = {digest: number for number, digest in enumerate(result.blobs())}
        body = b"".join(inner.values())
        packed = zstandard.compress(body, 3) if body else body
        compressed = len(packed) < WORTH * len(body)
        body = packed if compressed else body
        head = Head(
            created,
            escaped=False,
            length=len(body),
            compressed=compressed,
            inside=tuple(numbers[digest] for digest in inner),
            squeezed=tuple(sorted(numbers[digest] for digest in squeezed)),
            result=result,
        )
        try:
            encoded = self._encoder.encode(head)
        except UnicodeEncodeError:
            escaped = result.with_texts(escape_path)
            encoded = self._encoder.encode(replace(head, escaped=True, result=escaped))
        rest = b"".join((len(encoded).to_bytes(4), encoded, body))
        return b"".join((MAGIC, _checksum(key, rest), rest))

    def decode(self, key: CacheKey, data: bytes) -> StoredEntry | None:
        """An entry object; None if it is damaged, foreign, or belongs to another key."""
        rest = memoryview(data)[_CHECKED:]
        if not data.startswith(MAGIC) or _checksum(key, rest) != data[len(MAGIC) : _CHECKED]:
            return None
        end = _START + int.from_bytes(data[_CHECKED:_START])
        try:
            head = self._decoder.decode(memoryview(data)[_START:end])
            return _opened(head, memoryview(data)[end:])
        except (DecodeError, UnicodeDecodeError, ValueError, zstandard.ZstdError):
            return None


def choose_inner(digests: Iterable[Digest]) -> list[Digest]:
    """Which blobs shall lie in an entry object: the smallest, as long as there is room."""
    chosen = []
    room = ROOM
    for digest in sorted(digests, key=lambda digest: digest.size):
        if digest.size > min(SMALL, room):
            break
        if digest.size:
            chosen.append(digest)
            room -= digest.size
    return chosen


def _opened(head: Head, stored: memoryview) -> StoredEntry:
    """The entry in its parts.

    Raises:
        ValueError, zstandard.ZstdError: They do not fit together.
    """
    named = list(head.result.blobs())
    inside, squeezed = set(head.inside), set(head.squeezed)
    if not all(map(is_own_digest, named)) or len(inside) != len(head.inside):
        raise ValueError
    if (inside | squeezed) - set(range(len(named))):
        raise ValueError
    inner = tuple(named[number] for number in head.inside)
    size = sum(digest.size for digest in inner)
    if len(stored) != head.length or size > ROOM:
        raise ValueError
    if head.compressed:
        # A frame may claim any size for itself, and that much memory would be taken.
        if zstandard.frame_content_size(stored) != size:
            raise ValueError
        body = zstandard.decompress(stored, max_output_size=size)
    else:
        body = bytes(stored)
    if len(body) != size:
        raise ValueError
    at = 0
    for digest in inner:
        if blake3(memoryview(body)[at : at + digest.size]).hexdigest() != digest.hash:
            raise ValueError
        at += digest.size
    outer = {
        digest: number in squeezed
        for number, digest in enumerate(named)
        if number not in inside and digest.size
    }
    result = head.result.with_texts(unescape_path) if head.escaped else head.result
    return StoredEntry(head.created, result, inner, outer, body)


def _checksum(key: CacheKey, rest: bytes | memoryview) -> bytes:
    return blake3(key.encode()).update(rest).digest()
