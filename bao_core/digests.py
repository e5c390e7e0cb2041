"""Hashing: BLAKE3 for what bao names itself, git's blob id for the content of inputs."""

from __future__ import annotations

import os
import sys
from typing import cast

from blake3 import blake3

from bao_core.model import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash as Hasher
    from typing import BinaryIO

CHUNK = 1 << 20
"""Bytes read at a time."""

_SMALL = 64 << 10


def digest_bytes(data: bytes) -> Digest:
    """The digest of some bytes."""
    return Digest(blake3(data).hexdigest(), len(data))


def digest_stream(stream: BinaryIO) -> Digest:
    """The digest of what is left of a stream."""
    hasher = blake3()
    size = 0
    while chunk := stream.read(CHUNK):
        hasher.update(chunk)
        size += len(chunk)
    return Digest(hasher.hexdigest(), size)


def digest_file(path: str) -> Digest:
    """The digest of a file's content."""
    with open(path, "rb", buffering=0) as stream:
        return digest_stream(stream)


def hash_text(*parts: str) -> str:
    """A BLAKE3 hash over several texts, framed so that no two sequences are hashed alike."""
    hasher = blake3()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        hasher.update(b"%d:" % len(data) + data)
    return hasher.hexdigest()


def blob_hasher(algorithm: str, size: int) -> Callable[..., Hasher]:
    """What makes a hasher for content of so many bytes, as those of hashlib do.

    OpenSSL, which hashlib brings, is several times as fast as Python's own code and takes 3 ms to
    load: more than to hash what was edited between two runs.
    """
    if algorithm == "sha1" and size <= _SMALL and "hashlib" not in sys.modules:
        try:
            from _sha1 import sha1  # type: ignore[import-not-found]
        except ImportError:  # another implementation of Python
            pass
        else:
            return cast("Callable[..., Hasher]", sha1)
    import hashlib

    return cast("Callable[..., Hasher]", getattr(hashlib, algorithm))


def blob_id(data: bytes, algorithm: str = "sha1") -> str:
    r"""git's name for a blob of these bytes: a hash over `blob <size>\0` and the bytes.

    Args:
        data: The raw content.
        algorithm: The repository's object format, `sha1` or `sha256`.
    """
    return blob_hasher(algorithm, len(data))(
        b"blob %d\0" % len(data) + data, usedforsecurity=False
    ).hexdigest()


def blob_id_of_file(path: str, algorithm: str = "sha1") -> str:
    """git's name for the blob that a file's raw bytes would be.

    Raises:
        OSError: The file cannot be read, or it changed its size while it was read.
    """
    with open(path, "rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= CHUNK:
            data = stream.read()
            while chunk := stream.read(CHUNK):
                data += chunk
            return blob_id(data, algorithm)
        hasher = blob_hasher(algorithm, size)(b"blob %d\0" % size, usedforsecurity=False)
        read = 0
        while chunk := stream.read(CHUNK):
            hasher.update(chunk)
            read += len(chunk)
    if read != size:
        raise OSError(f"{path} changed while it was read")
    return hasher.hexdigest()
