"""Objects of whatever else fsspec has a file system for: Google's and Azure's stores, memory."""

from __future__ import annotations

import io
import os
from contextlib import nullcontext
from datetime import datetime
from threading import Lock
from typing import ClassVar, cast

import fsspec
from fsspec.asyn import AsyncFileSystem

from bao_cache_fsspec.asking import Asker
from bao_cache_fsspec.spool import spooled
from bao_cache_fsspec.troubles import StoreError
from bao_core.errors import BaoError, CacheError
from bao_core.interfaces.cache import ObjectInfo, ObjectStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO

    from _typeshed import WriteableBuffer

    from bao_cache_fsspec.place import Place
    from bao_cache_fsspec.settings import FsspecSettings
    from bao_core.interfaces.cache import BlobSource

WHOLE_AT_ONCE = frozenset(("memory", "gs", "gcs", "az", "abfs", "abfss"))
"""Protocols whose objects are seen when they are whole, and that can refuse to overwrite. With any
other one an object is written under another name first, and then given its own."""

FIRST = 1 << 20
"""Bytes that are asked for first; most objects are smaller, and then this is the only request."""

PIECE = 8 << 20
UNFINISHED = ".unfinished/"


class FilesystemObjects(ObjectStore):
    """Objects as files of a file system of fsspec."""

    _one_memory: ClassVar[Lock] = Lock()
    """fsspec's memory is one for the process, and takes one at a time."""

    def __init__(self, place: Place, settings: FsspecSettings) -> None:
        self._url = place.url
        self._settings = settings
        self._files = _opened(_class_for(place.protocol), place, settings)
        base = self._files._strip_protocol(f"{place.protocol}://{place.path}")  # noqa: SLF001 - fsspec has no other way to say it
        self._base = f"{base.rstrip('/')}/{place.prefix}"
        self._is_whole_at_once = place.protocol in WHOLE_AT_ONCE
        self._asker = Asker(place.url, settings.connect_timeout + settings.read_timeout)
        self._turn: Any = nullcontext()
        if place.protocol == "memory":
            self._turn = self._one_memory
        elif not isinstance(self._files, AsyncFileSystem):
            self._turn = Lock()  # such as SFTP, which has one connection

    def location(self) -> str:
        """The URL."""
        return self._url

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`. Read in ranges: files of fsspec would ask for the size first."""
        try:
            start = self._range(name, 0, FIRST)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        if len(start) != FIRST:
            return io.BytesIO(start)
        return cast("BinaryIO", io.BufferedReader(_RangeReader(self, name, start), FIRST))

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """See `ObjectStore.put`."""
        with spooled(source) as data:
            if not replace and self._is_there(name):
                return False
            if not self._is_whole_at_once:
                self._write_and_rename(name, data)
                return True
            try:
                self._write(name, data, mode="overwrite" if replace else "create")
            except FileExistsError:
                return False
            return True

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`; many are asked for at the same time where that can be."""
        wanted = list(names)
        if not isinstance(self._files, AsyncFileSystem):
            return {name for name in wanted if self._is_there(name)}
        isfile = self._files._isfile  # noqa: SLF001 - its public twin waits on this thread
        found = self._asker.ask_each(lambda name: isfile(self._base + name), wanted)
        return {name for name, is_there in zip(wanted, found, strict=True) if is_there}

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        try:
            self._do("rm_file", self._base + name)
        except FileNotFoundError:
            pass

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        folder, _, start = (self._base + prefix).rpartition("/")
        extra: dict[str, Any] = (
            {"prefix": start} if self._url.startswith(("gs:", "gcs:", "az:", "abfs")) else {}
        )
        try:
            found = self._do("find", folder, detail=True, withdirs=False, **extra)
        except (FileNotFoundError, NotADirectoryError):
            return
        if not isinstance(found, dict):
            return  # adlfs gives a list where the folder is an object; nothing lies below those
        for path, info in found.items():
            name = path[len(self._base) :]
            if path.startswith(self._base + prefix) and not name.startswith(UNFINISHED):
                yield ObjectInfo(name, info["size"] or 0, _modified(info))

    def read_range(self, name: str, offset: int) -> bytes:
        """Bytes of an object from an offset on; none behind its end."""
        try:
            return self._range(name, offset, offset + PIECE)
        except Exception:
            # Some servers refuse a range behind the end, each with an error of its own.
            if self._do("info", self._base + name)["size"] == offset:
                return b""
            raise

    def _range(self, name: str, start: int, end: int) -> bytes:
        try:
            return bytes(self._do("cat_file", self._base + name, start=start, end=end))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise
        except Exception:
            if not start and self._do("info", self._base + name)["size"] == 0:
                return b""
            raise

    def _is_there(self, name: str) -> bool:
        return bool(self._do("isfile", self._base + name))

    def _write(self, name: str, data: bytes | str, **mode: str) -> None:
        if isinstance(data, bytes):
            self._do("pipe_file", self._base + name, data, size=len(data), **mode)
        else:
            size = os.path.getsize(data)
            self._do("put_file", data, self._base + name, size=size, **mode)

    def _write_and_rename(self, name: str, data: bytes | str) -> None:
        unfinished = UNFINISHED + os.urandom(16).hex()
        self._do("makedirs", self._base + UNFINISHED.rstrip("/"), exist_ok=True)
        try:
            self._write(unfinished, data)
            self._do("makedirs", (self._base + name).rpartition("/")[0], exist_ok=True)
            self._do("mv", self._base + unfinished, self._base + name)
        except BaseException:
            self.delete(unfinished)
            raise

    def _do(self, method: str, *arguments: Any, size: int = 0, **options: Any) -> Any:
        """Call a method of the file system, and wait only so long where it can be left."""
        own = getattr(self._files, f"_{method}", None)
        try:
            if own is not None and isinstance(self._files, AsyncFileSystem):
                return self._asker.ask(own(*arguments, **options), size=size)
            with self._turn:
                return getattr(self._files, method)(*arguments, **options)
        except (OSError, BaoError):
            raise
        except Exception as error:
            said = " ".join(str(error).split())
            raise StoreError(f"{self._url} failed ({type(error).__name__}: {said})") from error


class _RangeReader(io.RawIOBase):
    """Reads an object range by range."""

    def __init__(self, store: FilesystemObjects, name: str, start: bytes) -> None:
        self._store = store
        self._name = name
        self._piece = memoryview(start)
        self._offset = len(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        if not self._piece:
            self._piece = memoryview(self._store.read_range(self._name, self._offset))
            self._offset += len(self._piece)
        count = min(len(target), len(self._piece))
        target[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count


def _class_for(protocol: str) -> type[Any]:
    """The file system of a protocol.

    Raises:
        CacheError: There is none.
        ImportError: What it needs is not installed.
    """
    if protocol in {"gs", "gcs"}:
        # The one that gcsfs registers asks first, over gRPC, what kind of bucket it is.
        from gcsfs.core import GCSFileSystem

        return cast("type[Any]", GCSFileSystem)
    try:
        return cast("type[Any]", fsspec.get_filesystem_class(protocol))
    except ValueError as error:
        raise CacheError(f"fsspec knows no protocol '{protocol}'") from error


def _opened(cls: type[Any], place: Place, settings: FsspecSettings) -> Any:
    """The file system, with what it needs to know and nothing that a repository should not say."""
    url = f"{place.protocol}://{place.path}"
    options = dict(cls._get_kwargs_from_urls(url))
    if settings.account is not None:
        options["account_name"] = settings.account
    if place.protocol in {"az", "abfs", "abfss"}:
        options["anon"] = settings.anonymous  # its own default differs between versions
    elif settings.anonymous:
        is_google = place.protocol in {"gs", "gcs"}
        options.update({"token": "anon"} if is_google else {"anon": True})
    return cls(use_listings_cache=False, skip_instance_cache=True, **options)


def _modified(info: dict[str, Any]) -> float:
    """When a file was last changed, in whatever way its file system tells."""
    for name in ("mtime", "updated", "last_modified", "LastModified", "modified", "created"):
        value = info.get(name)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, str):
            try:
                return datetime.fromisoformat(value).timestamp()
            except ValueError:
                continue
    return 0.0
