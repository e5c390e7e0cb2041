"""Everything of S3 that is not plain reading, through s3fs on the event loop that fsspec keeps.

s3fs finds credentials and servers, holds the connections and uploads what is large. Its files and
listings are not used: to read an object through them takes a second request, and what they remember
of a bucket is wrong as soon as somebody else writes.
"""

from __future__ import annotations

import asyncio
import os

from s3fs import S3FileSystem

from bao_cache_fsspec.asking import AT_ONCE, Asker, as_stream, first_of
from bao_cache_fsspec.s3_answers import code_of, explained, is_missing_object
from bao_cache_fsspec.spool import spooled
from bao_core.interfaces.cache import ObjectInfo, ObjectStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO, TypeVar

    from bao_cache_fsspec.asking import Body
    from bao_cache_fsspec.place import Place
    from bao_cache_fsspec.settings import FsspecSettings
    from bao_core.interfaces.cache import BlobSource

    Answer = TypeVar("Answer")

PART = 16 << 20
"""Bytes of a part of what is uploaded in several; S3 takes 10,000 of them."""

PARTS_AT_ONCE = 2

BACKOFF = 2.0
"""Seconds that a retry may be put off by."""

_EXISTS = frozenset(("PreconditionFailed", "412"))
_BUSY = frozenset(("ConditionalRequestConflict", "OperationAborted", "409"))
"""Another write of the same name is under way; the answer is known when it has ended."""

_UNKNOWN_HEADER = frozenset(("NotImplemented", "501", "InvalidArgument", "InvalidRequest", "400"))


class S3Files(ObjectStore):
    """Objects whose keys start with a prefix.

    Whether the server keeps an object that is there when it is told to (`If-None-Match: *`) is
    found out with the first object that is written: one that did not would have a second write of
    the same object succeed. Where it does not, it is asked for the object before each write.
    """

    def __init__(self, place: Place, settings: FsspecSettings) -> None:
        self._place = place
        self._conditional: bool | None = None
        attempts = 1 + settings.retries
        patience = settings.connect_timeout + settings.read_timeout + BACKOFF
        self._asker = Asker(place.url, attempts * patience)
        self._client: Any = None
        self._files = S3FileSystem(
            anon=settings.anonymous,
            endpoint_url=place.endpoint,
            client_kwargs={"region_name": place.region} if place.region else {},
            config_kwargs={
                "connect_timeout": settings.connect_timeout,
                "read_timeout": settings.read_timeout,
                "retries": {"mode": "standard", "total_max_attempts": attempts},
                "max_pool_connections": 2 * AT_ONCE,
                # bao verifies what it reads, and not every server knows these checksums.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
                # Made up anew for each request, its own would be an eighth of what one costs.
                "user_agent": "bao",
                "parameter_validation": False,
            },
            asynchronous=True,
            loop=self._asker.loop,
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self._files.retries = 1  # botocore, which knows more of what failed, retries already

    def location(self) -> str:
        """Bucket, prefix and server."""
        return self._place.url

    # --- the five methods --------------------------------------------------------------------

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`."""
        found = self._ask(self._get(name))
        if found is None:
            return None
        start, body = found
        return as_stream(self._asker, start, body, getattr(body, "close", bool))

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """See `ObjectStore.put`. Conditional where the server is."""
        if not replace and not self._conditional and self._ask(self._is_there(name)):
            return False  # and the source need not be read
        with spooled(source) as data:
            size = len(data) if isinstance(data, bytes) else os.path.getsize(data)
            return self._ask(self._put(name, data, replace=replace), size=3 * size)

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`; many are asked for at the same time."""
        wanted = list(names)
        try:
            found = self._asker.ask_each(self._is_there, wanted)
        except Exception as error:
            raise explained(error, self._place) from error
        return {name for name, is_there in zip(wanted, found, strict=True) if is_there}

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        self._ask(self._delete(name))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`; a page of a thousand at a time."""
        skipped = len(self._place.prefix)
        page: dict[str, Any] = {}
        more: dict[str, str] = {"Prefix": self._place.prefix + prefix}
        while more:
            page = self._ask(self._call("list_objects_v2", **more))
            for found in page.get("Contents", ()):
                modified = found["LastModified"].timestamp()
                yield ObjectInfo(found["Key"][skipped:], found["Size"], modified)
            if not page.get("IsTruncated"):
                return
            more["ContinuationToken"] = page["NextContinuationToken"]

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            self._asker.ask(client.close())

    # --- on the event loop -------------------------------------------------------------------

    def _ask(self, coroutine: Coroutine[Any, Any, Answer], *, size: int = 0) -> Answer:
        try:
            return self._asker.ask(coroutine, size=size)
        except Exception as error:
            raise explained(error, self._place) from error

    async def _call(self, method: str, **arguments: Any) -> Any:
        if self._client is None:
            self._client = await self._files.set_session()
            host = self._client.meta.endpoint_url.partition("://")[2].partition("/")[0]
            if host.endswith(".amazonaws.com"):
                self._conditional = True
        return await self._files._call_s3(  # noqa: SLF001 - its public twin waits on this thread
            method, Bucket=self._place.path, **arguments
        )

    async def _get(self, name: str) -> tuple[bytes, Body | None] | None:
        try:
            answer = await self._call("get_object", Key=self._place.prefix + name)
        except FileNotFoundError as error:
            if is_missing_object(error):
                return None
            raise
        body = answer["Body"]
        start, is_all = await first_of(body)
        return start, None if is_all else body

    async def _is_there(self, name: str) -> bool:
        if name.endswith("/"):
            return False  # SeaweedFS would take it for a folder
        try:
            await self._call("head_object", Key=self._place.prefix + name)
        except FileNotFoundError:
            return False
        return True

    async def _delete(self, name: str) -> None:
        try:
            await self._call("delete_object", Key=self._place.prefix + name)
        except FileNotFoundError as error:
            if not is_missing_object(error):
                raise

    async def _put(self, name: str, data: bytes | str, *, replace: bool) -> bool:
        if replace or self._conditional is False:
            await self._send(name, data)
            return True
        first = await self._send_first(name, data)
        if first and self._conditional is None:
            # The same bytes once more: they are refused, or they change nothing.
            self._conditional = not await self._send_first(name, data)
        return first

    async def _send_first(self, name: str, data: bytes | str, *, again: bool = True) -> bool:
        """Write an object if there is none; whether that was done."""
        try:
            await self._send(name, data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            code = code_of(error)
            if code in _EXISTS:
                return False
            if code in _BUSY and again:
                await asyncio.sleep(BACKOFF / 4)
                return await self._send_first(name, data, again=False)
            if code not in _UNKNOWN_HEADER or self._conditional is not None:
                raise
            await self._send(name, data)
            self._conditional = False
        return True

    async def _send(self, name: str, data: bytes | str, mode: str = "overwrite") -> None:
        key = self._place.prefix + name
        if isinstance(data, bytes):
            match = {"IfNoneMatch": "*"} if mode == "create" else {}
            await self._call("put_object", Key=key, Body=data, **match)
            return
        await self._files._put_file(  # noqa: SLF001 - its public twin waits on this thread
            data,
            f"{self._place.path}/{key}",
            chunksize=PART,
            max_concurrency=PARTS_AT_ONCE,
            mode=mode,
        )
