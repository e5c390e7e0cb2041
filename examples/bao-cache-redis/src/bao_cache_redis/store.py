"""The object store `redis`: an object is a string, with a short head before its bytes.

The head is 16 bytes: when the object was put, in seconds since the epoch (a big-endian double), and
8 random bytes, by which whoever reads a large object in pieces knows that it was not replaced
meanwhile.
"""

from __future__ import annotations

import io
import os
import re
import struct
import time
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

from bao_core.interfaces.cache import ObjectInfo, ObjectStore
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from bao_core.interfaces.cache import BlobSource
    from bao_core.interfaces.component import Context

URL_VARIABLE = "BAO_REDIS_URL"
"""Where the server is, with a password if it wants one; goes before the configuration."""

PIECE = 1 << 20
"""Bytes that are read at once."""

MANY = 1000
"""Keys that are asked about at once."""

_HEAD = struct.Struct(">d8s")


class RedisSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a `[[cache]]` table may say.

    Attributes:
        url: `redis://host:port/database`, or `rediss://` for TLS; without a password, which has
            no place in a repository.
        prefix: What the keys begin with.
        ttl: Seconds that an object stays after it was last stored or read; 0 for ever.
        timeout: Seconds that the server may take for one answer.
    """

    url: str = "redis://localhost:6379/0"
    prefix: str = "bao:"
    ttl: int = 30 * 24 * 3600
    timeout: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"redis", "rediss"}:
            raise ValueError("`url` must begin with redis:// or rediss://")
        if parts.password or "password=" in parts.query:
            raise ValueError(f"`url` holds a password; put the URL in {URL_VARIABLE} instead")
        if self.ttl < 0 or self.timeout <= 0:
            raise ValueError("`ttl` must not be negative, and `timeout` must be more than 0")


class RedisStore(ObjectStore):
    """Objects as strings of a Redis database.

    Args:
        client: A `redis.Redis`.
        settings: How the keys are called, and how long they stay.
        location: Where the server is, for people.
    """

    name: ClassVar[str] = "redis"
    Settings: ClassVar[type[Struct]] = RedisSettings

    def __init__(self, client: Any, settings: RedisSettings, location: str) -> None:
        self._client = client
        self._prefix = settings.prefix
        self._ttl = settings.ttl or None
        self._location = location

    @classmethod
    def open(cls, settings: RedisSettings, context: Context) -> Self:
        """Prepare a client; the server is not asked anything yet."""
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        url = context.environ.get(URL_VARIABLE) or settings.url
        client = Redis.from_url(
            url,
            socket_timeout=settings.timeout,
            socket_connect_timeout=settings.timeout,
            # Once more, since the server may have closed a connection that was idle.
            retry=Retry(NoBackoff(), 1),
        )
        parts = urlsplit(url)
        where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return cls(client, settings, f"{where} {settings.prefix}".rstrip())

    def location(self) -> str:
        """Where the objects are, for people."""
        return self._location

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """An object's bytes; None where there is no such object."""
        key = self._prefix + name
        pipeline = self._client.pipeline(transaction=False)
        pipeline.getrange(key, 0, PIECE - 1)
        if self._ttl:
            pipeline.expire(key, self._ttl)
        # A user who may only read cannot put an end off; nothing else depends on that.
        first = pipeline.execute(raise_on_error=False)[0]
        if isinstance(first, Exception):
            raise first
        return io.BufferedReader(_Pieces(self._client, key, first), PIECE) if first else None

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """Store an object whole or not at all; False if it was there already and stays."""
        with source.open() as stream:
            data = _HEAD.pack(time.time(), os.urandom(8)) + stream.read()
        stored = self._client.set(self._prefix + name, data, nx=not replace, ex=self._ttl)
        return stored is not None

    def exists(self, names: Collection[str]) -> set[str]:
        """Which of these objects are there."""
        wanted = list(names)
        there: set[str] = set()
        for some in _portions(wanted):
            pipeline = self._client.pipeline(transaction=False)
            for name in some:
                pipeline.exists(self._prefix + name)
            there.update(
                name for name, found in zip(some, pipeline.execute(), strict=True) if found
            )
        return there

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens if there is none."""
        self._client.unlink(self._prefix + name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose names start with a prefix.

        Redis walks over all keys of the database for it, and may tell one twice.
        """
        pattern = re.sub(r"([\[\]*?\\^-])", r"\\\1", self._prefix + prefix) + "*"
        keys = sorted(set(self._client.scan_iter(pattern, count=MANY)))
        for some in _portions(keys):
            pipeline = self._client.pipeline(transaction=False)
            for key in some:
                pipeline.strlen(key)
                pipeline.getrange(key, 0, _HEAD.size - 1)
            answers = iter(pipeline.execute())
            for key, length, head in zip(some, answers, answers, strict=True):
                if length >= _HEAD.size:  # otherwise it was deleted meanwhile
                    name = key.decode().removeprefix(self._prefix)
                    yield ObjectInfo(name, length - _HEAD.size, _HEAD.unpack(head)[0])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class _Pieces(io.RawIOBase):
    """The bytes of an object after its head, read as they are wanted."""

    def __init__(self, client: Any, key: str, first: bytes) -> None:
        self._client = client
        self._key = key
        self._head = first[: _HEAD.size]
        self._ready = memoryview(first)[_HEAD.size :]
        self._read = len(first)
        self._more = len(first) == PIECE

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, or the next piece.

        Raises:
            OSError: The object was replaced or deleted since the first piece.
        """
        if not self._ready and self._more:
            self._fetch()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _fetch(self) -> None:
        pipeline = self._client.pipeline(transaction=True)
        pipeline.getrange(self._key, 0, _HEAD.size - 1)
        pipeline.getrange(self._key, self._read, self._read + PIECE - 1)
        head, piece = pipeline.execute()
        if head != self._head:
            raise OSError("the object was replaced while it was read")
        self._ready = memoryview(piece)
        self._read += len(piece)
        self._more = len(piece) == PIECE


def _portions(things: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The same in portions that one request can carry."""
    return (things[start : start + MANY] for start in range(0, len(things), MANY))
