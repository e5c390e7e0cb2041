"""Objects as files of a folder, which may be shared with other machines."""

from __future__ import annotations

import errno
import os
import shutil
import time

from bao_core.interfaces.cache import ObjectInfo, ObjectStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from bao_cache_fsspec.place import Place
    from bao_core.interfaces.cache import BlobSource

UNFINISHED = ".unfinished"
"""The folder of files that are being written: on the same disk, and listed by nobody."""

STALE = 86_400.0
"""Seconds after which an unfinished file was left behind by somebody who is gone."""

_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))


class Folder(ObjectStore):
    """Files of a folder, made whole before they get their names.

    fsspec's own local files are not used: those would be moved into place by a copy that others
    can see half of, and over what is there.
    """

    def __init__(self, place: Place) -> None:
        self._root = os.path.join(place.path, place.prefix.rstrip("/"))
        self._tidied = False

    def location(self) -> str:
        """The folder."""
        return self._root

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`."""
        try:
            return open(os.path.join(self._root, name), "rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """See `ObjectStore.put`. Conditional where the file system has hard links."""
        path = os.path.join(self._root, name)
        if not replace and os.path.isfile(path):
            return False
        unfinished = os.path.join(self._root, UNFINISHED, os.urandom(16).hex())
        os.makedirs(os.path.dirname(unfinished), exist_ok=True)
        self._tidy()
        try:
            with source.open() as stream, open(unfinished, "xb") as target:
                shutil.copyfileobj(stream, target, 1 << 20)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if replace:
                os.replace(unfinished, path)
                return True
            return _name_first(unfinished, path)
        finally:
            _remove(unfinished)

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`."""
        return {name for name in names if os.path.isfile(os.path.join(self._root, name))}

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        _remove(os.path.join(self._root, name))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        start = prefix.rpartition("/")[0]
        waiting = [start]
        while waiting:
            folder = waiting.pop()
            try:
                found = list(os.scandir(os.path.join(self._root, folder)))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for entry in found:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir():
                    if f"{name}/".startswith(prefix) or prefix.startswith(f"{name}/"):
                        waiting.append(name)
                elif name.startswith(prefix):
                    yield from _info(name, entry)
            if not folder:
                waiting = [name for name in waiting if name != UNFINISHED]

    def _tidy(self) -> None:
        """Remove what others began and never finished, once for each instance."""
        if self._tidied:
            return
        self._tidied = True
        before = time.time() - STALE
        for entry in list(os.scandir(os.path.join(self._root, UNFINISHED))):
            try:
                if entry.stat().st_mtime < before:
                    os.unlink(entry.path)
            except OSError:
                pass  # somebody else removed it, or it is somebody else's


def _name_first(unfinished: str, path: str) -> bool:
    """Give a file a name that no other has; whether it was the first."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.isfile(path):
            return False
        os.replace(unfinished, path)
    return True


def _info(name: str, entry: os.DirEntry[str]) -> Iterator[ObjectInfo]:
    try:
        found = entry.stat()
    except FileNotFoundError:
        return  # deleted meanwhile
    yield ObjectInfo(name, found.st_size, found.st_mtime)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
