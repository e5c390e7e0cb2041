"""Objects that a web server gives out; nothing is written there."""

from __future__ import annotations

import asyncio

import aiohttp
from fsspec.implementations.http import HTTPFileSystem

from bao_cache_fsspec.asking import Asker, as_stream, first_of
from bao_cache_fsspec.troubles import StoreError, cannot_be_written
from bao_core.errors import BaoError
from bao_core.interfaces.cache import ObjectStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO, TypeVar

    from bao_cache_fsspec.asking import Body
    from bao_cache_fsspec.place import Place
    from bao_cache_fsspec.settings import FsspecSettings
    from bao_core.interfaces.cache import BlobSource, ObjectInfo

    Answer = TypeVar("Answer")

_GONE = frozenset((404, 410))
_NO_HEAD = frozenset((405, 501))
_FAILS = 500
"""From this status on it is the server's fault, and another attempt may do better."""


class WebObjects(ObjectStore):
    """Objects below a URL. Nothing is listed: web servers do that in no way to rely on."""

    def __init__(self, place: Place, settings: FsspecSettings) -> None:
        self._url = f"{place.protocol}://{place.path}/{place.prefix}"
        self._attempts = 1 + settings.retries
        each = settings.connect_timeout + settings.read_timeout + 1.0
        self._asker = Asker(self.location(), self._attempts * each)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        )
        self._files = HTTPFileSystem(
            asynchronous=True,
            loop=self._asker.loop,
            client_kwargs={"timeout": timeout, "headers": {"User-Agent": "bao"}},
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self._session: Any = None

    def location(self) -> str:
        """The URL."""
        return self._url.rstrip("/")

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`."""
        found = self._ask(self._get(name))
        if found is None:
            return None
        start, body, close = found
        return as_stream(self._asker, start, body, close)

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """Nothing can be put here.

        Raises:
            StoreError: Always.
        """
        del name, source, replace
        raise cannot_be_written(self.location())

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`."""
        wanted = list(names)
        try:
            found = self._asker.ask_each(self._is_there, wanted)
        except Exception as error:
            raise self._explained(error) from error
        return {name for name, is_there in zip(wanted, found, strict=True) if is_there}

    def delete(self, name: str) -> None:
        """Nothing can be deleted here.

        Raises:
            StoreError: Always.
        """
        del name
        raise cannot_be_written(self.location())

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Nothing."""
        del prefix
        return iter(())

    def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            self._asker.ask(session.close())

    def _ask(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return self._asker.ask(coroutine)
        except Exception as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> Exception:
        if isinstance(error, BaoError):
            return error
        said = " ".join(str(error).split()) or type(error).__name__
        return StoreError(f"{self.location()} cannot be read ({said})")

    # --- on the event loop -------------------------------------------------------------------

    async def _get(self, name: str) -> tuple[bytes, Body | None, Any] | None:
        answer = await self._request("get", name)
        try:
            if answer.status in _GONE:
                answer.release()
                return None
            answer.raise_for_status()
            start, is_all = await first_of(answer.content)
        except BaseException:
            answer.close()
            raise
        return start, None if is_all else answer.content, answer.close

    async def _is_there(self, name: str) -> bool:
        answer = await self._request("head", name)
        answer.release()
        if answer.status in _NO_HEAD:
            answer = await self._request("get", name)
            answer.close()
        if answer.status in _GONE:
            return False
        answer.raise_for_status()
        return True

    async def _request(self, method: str, name: str) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = await self._files.set_session()
        url = self._files.encode_url(self._url + name)
        for attempt in range(self._attempts):
            is_last = attempt + 1 == self._attempts
            try:
                answer: aiohttp.ClientResponse = await self._session.request(
                    method, url, allow_redirects=True
                )
            except (aiohttp.ClientError, TimeoutError):
                if is_last:
                    raise
            else:
                if answer.status < _FAILS or is_last:
                    return answer
                answer.release()
            await asyncio.sleep(0.2 * (attempt + 1))
        raise AssertionError  # the last attempt returned or raised
