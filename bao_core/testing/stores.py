"""Object stores to test with, and to take as examples: in memory, and in a directory."""

from __future__ import annotations

import os
import time
from io import BytesIO
from threading import Lock
from typing import Any, ClassVar, Self
from urllib.parse import quote, unquote

from msgspec import Struct

from bao_core.interfaces.cache import ObjectInfo, ObjectStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from bao_core.interfaces.cache import BlobSource
    from bao_core.interfaces.component import Context

CHUNK = 1 << 16
"""Bytes read from a source at a time."""


class MemoryObjectStore(ObjectStore):
    """Objects in a dictionary. Two stores of one dictionary are two processes at one store.

    Attributes:
        objects: Content and time of the last change, by name.
        requests: How many of them there were, by method.
    """

    name: ClassVar[str] = "memory"

    def __init__(self, objects: dict[str, tuple[bytes, float]] | None = None) -> None:
        self.objects = {} if objects is None else objects
        self.requests: dict[str, int] = {}
        self._lock = Lock()

    def _count(self, method: str) -> None:
        with self._lock:
            self.requests[method] = self.requests.get(method, 0) + 1

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`."""
        self._count("get")
        found = self.objects.get(name)
        return None if found is None else BytesIO(found[0])

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """See `ObjectStore.put`. Conditional: one call of the dictionary decides who was first."""
        self._count("put")
        with source.open() as stream:
            held = stream.read(), time.time()
        if replace:
            self.objects[name] = held
            return True
        return self.objects.setdefault(name, held) is held

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`."""
        self._count("exists")
        return {name for name in names if name in self.objects}

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        self._count("delete")
        self.objects.pop(name, None)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        self._count("list")
        for name, (data, modified) in tuple(self.objects.items()):
            if name.startswith(prefix):
                yield ObjectInfo(name, len(data), modified)


class DirectorySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a directory store.

    Attributes:
        path: The directory, from the workspace root.
    """

    path: str


class DirectoryObjectStore(ObjectStore):
    """Objects as files of one directory, whatever their names; made whole, then given a name."""

    name: ClassVar[str] = "directory"
    Settings: ClassVar[type[Struct]] = DirectorySettings

    def __init__(self, directory: str) -> None:
        self._directory = directory

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """See `Component.open`."""
        return cls(os.path.join(context.root, settings.path))

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, "o" + quote(name, safe=""))

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`."""
        try:
            return open(self._path(name), "rb")
        except FileNotFoundError:
            return None

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """See `ObjectStore.put`. Conditional: a link is only made where no name is."""
        made = os.path.join(self._directory, f"unfinished-{os.urandom(8).hex()}")
        os.makedirs(self._directory, exist_ok=True)
        try:
            with open(made, "xb") as target, source.open() as stream:
                while chunk := stream.read(CHUNK):
                    target.write(chunk)
            if replace:
                os.replace(made, self._path(name))
            else:
                os.link(made, self._path(name))
        except FileExistsError:
            return False
        finally:
            if os.path.lexists(made):
                os.unlink(made)
        return True

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`."""
        return {name for name in names if os.path.exists(self._path(name))}

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        try:
            os.unlink(self._path(name))
        except FileNotFoundError:
            pass

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        if not os.path.isdir(self._directory):
            return
        for file in os.listdir(self._directory):
            name = unquote(file[1:])
            if file[0] != "o" or not name.startswith(prefix):
                continue
            try:
                found = os.stat(os.path.join(self._directory, file))
            except FileNotFoundError:
                continue  # deleted meanwhile
            yield ObjectInfo(name, found.st_size, found.st_mtime)
