"""Reading the catalogue off the files, as far as they have changed."""

from __future__ import annotations

import os
import time

from sqlalchemy import bindparam, delete, insert, select

from bao_cache_local.entries import EntryFormat, is_hash, read_whole
from bao_cache_local.files import remove
from bao_cache_local.tables import blobs, directories, entries, needs, prepare
from bao_core.model import CacheKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from sqlalchemy import Connection, Engine

_SETTLED = 2_000_000_000
"""Nanoseconds after which a directory's modification time would have changed with its content; the
coarsest file systems count in twos of seconds."""


class Scanner:
    """Brings a catalogue up to date with the files of its cache."""

    def __init__(self, root: str, engine: Engine) -> None:
        self._root = root
        self._engine = engine
        self._format = EntryFormat()

    def update(self, deadline: float | None) -> bool:
        """Read every directory that changed since it was read.

        Each directory is a transaction of its own, so that what was done before the deadline need
        not be done again.

        Returns:
            Whether there was time for everything.
        """
        with self._engine.begin() as connection:
            prepare(connection)
            known = {str(p): int(m) for p, m in connection.execute(select(directories))}
        there: set[str] = set()
        for path in list_directories(self._root):
            there.add(path)
            try:
                modified = os.stat(f"{self._root}/{path}").st_mtime_ns
            except OSError:
                continue
            if known.get(path) == modified:
                continue
            if deadline is not None and time.monotonic() > deadline:
                return False
            self._read_directory(path, modified)
        for path in known.keys() - there:
            self._forget_directory(path)
        return True

    def _read_directory(self, path: str, modified: int) -> None:
        if time.time_ns() - modified < _SETTLED:
            modified = 0
        try:
            names = {name for name in os.listdir(f"{self._root}/{path}") if is_hash(name)}
        except OSError:
            names = set()
        with self._engine.begin() as connection:
            if path.startswith("blobs/"):
                self._update_blobs(connection, path, names)
            else:
                self._update_entries(connection, path, names)
            connection.execute(delete(directories).where(directories.c.path == path))
            connection.execute(insert(directories).values(path=path, modified=modified))

    def _forget_directory(self, path: str) -> None:
        with self._engine.begin() as connection:
            if path.startswith("blobs/"):
                self._update_blobs(connection, path, set())
            else:
                self._update_entries(connection, path, set())
            connection.execute(delete(directories).where(directories.c.path == path))

    def _update_blobs(self, connection: Connection, path: str, names: set[str]) -> None:
        first = os.path.basename(path)
        column = blobs.c.hash
        # `g` follows the last hexadecimal digit.
        known = set(connection.scalars(select(column).where(column >= first, column < f"{first}g")))
        if gone := [{"gone": name} for name in known - names]:
            connection.execute(delete(blobs).where(column == bindparam("gone")), gone)
        added = []
        for name in sorted(names - known):
            try:
                size = os.stat(f"{self._root}/{path}/{name}").st_size
            except OSError:
                continue
            added.append({"hash": name, "size": size})
        if added:
            connection.execute(insert(blobs), added)

    def _update_entries(self, connection: Connection, path: str, names: set[str]) -> None:
        query = select(entries.c.key, entries.c.id).where(entries.c.directory == path)
        known = {str(key): int(number) for key, number in connection.execute(query)}
        forget_entries(connection, [known[key] for key in known.keys() - names])
        for name in sorted(names - known.keys()):
            self._add_entry(connection, path, name)

    def _add_entry(self, connection: Connection, path: str, name: str) -> None:
        full = f"{self._root}/{path}/{name}"
        try:
            data = read_whole(full)
            used = os.stat(full).st_mtime
        except OSError:
            return
        entry = self._format.decode(CacheKey(name), data)
        if entry is None:
            remove(full)
            return
        row: dict[str, Any] = {
            "directory": path,
            "key": name,
            "task": entry.result.task_id.encode("utf-8", "replace").decode(),
            "created": entry.created,
            "used": used,
            "size": len(data),
        }
        number = connection.execute(insert(entries), row).inserted_primary_key
        assert number is not None  # noqa: S101 - one row was inserted
        wanted = [{"entry": number[0], "hash": d.hash} for d in entry.result.blobs() if d.size]
        if wanted:
            connection.execute(insert(needs), wanted)


def forget_entries(connection: Connection, numbers: list[int]) -> None:
    """Remove entries from the catalogue."""
    if numbers:
        rows = [{"number": number} for number in numbers]
        connection.execute(delete(needs).where(needs.c.entry == bindparam("number")), rows)
        connection.execute(delete(entries).where(entries.c.id == bindparam("number")), rows)


def list_directories(root: str) -> Iterator[str]:
    """Directories that hold entries or blobs, from the cache's root."""
    homes = ["results", "blobs", *(f"scopes/{name}/results" for name in _names(f"{root}/scopes"))]
    for home in homes:
        yield from (f"{home}/{name}" for name in _names(f"{root}/{home}"))


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []
