"""Keeping what was read from lock files, by their content."""

from __future__ import annotations

import os
from typing import TypeVar

import msgspec
from blake3 import blake3
from msgspec import Struct

from bao_core.places import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Table = TypeVar("Table", bound=Struct)

KEPT = 12
"""How many files a memory keeps: up to three a lock file, for the worktree and for some bases."""

_MAGIC = b"bao-closures-1\n"
_CHECK = 32
"""Bytes of BLAKE3 between the magic and the content."""


class ClosureMemory:
    """Keeps tables in files of one directory.

    They may be lost or damaged at any moment, written by several processes at once, or refused by
    the disk: then the lock file is read once more.

    Args:
        directory: Where to keep them, below `Context.state_dir`; None to keep nothing.
        code: The directory of the modules that read: what other code read is not taken.
        keep: How many to keep, those used last.
    """

    def __init__(self, directory: str | None, code: str, *, keep: int = KEPT) -> None:
        self._directory = directory
        self._code = code
        self._keep = keep

    def key(self, *content: bytes | str) -> str:
        """A name for what is read from a lock file.

        Args:
            content: Everything that it depends on, in a fixed order: the reader's name, the lock
                file's bytes, and whatever else decides.
        """
        if self._directory is None:
            return ""
        hasher = blake3(_MAGIC)
        for part in (_code_identity(os.path.dirname(__file__), self._code), *content):
            data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
            hasher.update(b"%d:" % len(data))
            hasher.update(data)
        return hasher.hexdigest(length=16)

    def table(self, kind: type[Table], read: Callable[[], Table], *content: bytes | str) -> Table:
        """What is read from a lock file: remembered, or read now and remembered.

        Args:
            kind: A struct that can be encoded; usually one that holds a `ReachTable`.
            read: Reads it. What it raises is passed on and not remembered.
            content: See `key`.
        """
        key = self.key(*content)
        table = self.recall(kind, key)
        if table is None:
            table = read()
            self.remember(key, table)
        return table

    def recall(self, kind: type[Table], key: str) -> Table | None:
        """What was remembered; None where it is not there, damaged, or of another kind."""
        if self._directory is None:
            return None
        path = self._path(kind, key)
        try:
            with open(path, "rb", buffering=0) as stream:
                data = stream.read()
            start = len(_MAGIC) + _CHECK
            body = memoryview(data)[start:]
            if data[: len(_MAGIC)] != _MAGIC or blake3(body).digest() != data[len(_MAGIC) : start]:
                return None
            table = msgspec.msgpack.decode(body, type=kind)
        except (OSError, ValueError, msgspec.MsgspecError):
            return None
        try:
            os.utime(path)  # the one used last is dropped last
        except OSError:
            pass
        return table

    def remember(self, key: str, table: Struct) -> None:
        """Keep a table, as long as there are not too many newer ones."""
        if self._directory is None:
            return
        try:
            body = msgspec.msgpack.encode(table)
        except UnicodeEncodeError:
            return  # a name that is not UTF-8
        path = self._path(type(table), key)
        if replace_file(path, _MAGIC + blake3(body).digest() + body):
            self._drop_oldest(self._directory)

    def _path(self, kind: type[Struct], key: str) -> str:
        return os.path.join(self._directory or "", f"{key}-{kind.__name__.lower()}")

    def _drop_oldest(self, directory: str) -> None:
        try:
            with os.scandir(directory) as entries:
                found = sorted((entry.stat().st_mtime_ns, entry.path) for entry in entries)
            for _, path in found[: -self._keep]:
                os.unlink(path)
        except OSError:
            pass  # another process drops them, or dropped them just now


def _code_identity(*directories: str) -> str:
    """Text that differs when the modules of some directories were written to."""
    seen: list[str] = []
    for directory in directories:
        seen.append(directory)
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.name.endswith((".py", ".so")):
                        found = entry.stat()
                        seen.append(f"{entry.name} {found.st_size} {found.st_mtime_ns}")
        except OSError:
            continue  # code that lies in no file of its own stays as it is
    return "\n".join(sorted(seen))
