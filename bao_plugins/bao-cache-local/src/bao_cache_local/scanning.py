"""Reading the catalogue off the files, as far as they have changed."""

from __future__ import annotations

import os
import time

from sqlalchemy import bindparam, delete, func, insert, or_, select

from bao_cache_local.entries import EntryFormat, is_hash, read_whole
from bao_cache_local.files import remove
from bao_cache_local.tables import blobs, directories, entries, needs, prepare
from bao_core.model import CacheKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from sqlalchemy import Connection, Engine

    Row = dict[str, Any]

_SETTLED = 2_000_000_000
"""Nanoseconds after which a directory's modification time would have changed with its content; the
coarsest file systems count in twos of seconds."""

_CHUNK = 32
"""Directories that are read in one transaction at most."""

_PAUSE = 0.002
"""Seconds between two looks at the clock, roughly, where there is a deadline."""

_BLOBS = "blobs/"


class Scanner:
    """Brings a catalogue up to date with the files of its cache."""

    def __init__(self, root: str, engine: Engine) -> None:
        self._root = root
        self._engine = engine
        self._format = EntryFormat()

    def update(self, deadline: float | None) -> bool:
        """Read every directory that changed since it was read.

        Each transaction takes a few directories, so that what was done before the deadline need
        not be done again.

        Returns:
            Whether there was time for everything.
        """
        with self._engine.begin() as connection:
            prepare(connection)
            known = {str(p): int(m) for p, m in connection.execute(select(directories))}
        found = {path: _modified(f"{self._root}/{path}") for path in list_directories(self._root)}
        changed = [path for path, modified in found.items() if known.get(path) != modified]
        changed += known.keys() - found.keys()
        size = _CHUNK if deadline is None else 1
        while changed:
            began = time.monotonic()
            if deadline is not None and began > deadline:
                return False
            chunk = {path: found.get(path) for path in changed[:size]}
            del changed[:size]
            with self._engine.begin() as connection:
                self._read_directories(connection, chunk)
            slow = deadline is not None and time.monotonic() - began > _PAUSE
            size = max(size // 2, 1) if slow else min(size * 2, _CHUNK)
        return True

    def _read_directories(self, connection: Connection, chunk: Mapping[str, int | None]) -> None:
        """Read directories, each given with its modification time or None if it is gone."""
        names = {path: _hashes(f"{self._root}/{path}") for path in chunk}
        self._update_blobs(connection, {p: n for p, n in names.items() if p.startswith(_BLOBS)})
        self._update_entries(
            connection, {p: n for p, n in names.items() if not p.startswith(_BLOBS)}
        )
        connection.execute(delete(directories).where(directories.c.path.in_(chunk)))
        settled = time.time_ns() - _SETTLED
        rows = [
            # What was changed a moment ago may change again and look the same.
            {"path": path, "modified": modified if modified < settled else 0}
            for path, modified in chunk.items()
            if modified is not None
        ]
        if rows:
            connection.execute(insert(directories), rows)

    def _update_blobs(self, connection: Connection, names: Mapping[str, set[str]]) -> None:
        if not names:
            return
        # `g` follows the last hexadecimal digit.
        prefixes = [os.path.basename(path) for path in names]
        ranges = [(blobs.c.hash >= each) & (blobs.c.hash < f"{each}g") for each in prefixes]
        known = set(connection.scalars(select(blobs.c.hash).where(or_(*ranges))))
        there = {name: path for path, found in names.items() for name in found}
        forget_blobs(connection, known - there.keys())
        added = []
        for name in sorted(there.keys() - known):
            try:
                size = os.stat(f"{self._root}/{there[name]}/{name}").st_size
            except OSError:
                continue
            added.append({"hash": name, "size": size})
        if added:
            connection.execute(insert(blobs), added)

    def _update_entries(self, connection: Connection, names: Mapping[str, set[str]]) -> None:
        if not names:
            return
        query = select(entries.c.directory, entries.c.key, entries.c.id)
        rows = connection.execute(query.where(entries.c.directory.in_(names)))
        known = {(str(directory), str(key)): int(number) for directory, key, number in rows}
        there = {(path, name) for path, found in names.items() for name in found}
        forget_entries(connection, [known[place] for place in known.keys() - there])
        number = int(connection.scalar(select(func.coalesce(func.max(entries.c.id), 0))) or 0)
        added: list[Row] = []
        wanted: list[Row] = []
        for path, name in sorted(there - known.keys()):
            number += 1
            read = self._read_entry(path, name, number)
            if read is not None:
                added.append(read[0])
                wanted.extend(read[1])
        if added:
            connection.execute(insert(entries), added)
        if wanted:
            connection.execute(insert(needs), wanted)

    def _read_entry(self, path: str, name: str, number: int) -> tuple[Row, list[Row]] | None:
        full = f"{self._root}/{path}/{name}"
        try:
            data = read_whole(full)
            used = os.stat(full).st_mtime
        except OSError:
            return None
        found = self._format.decode(CacheKey(name), data)
        if found is None:
            remove(full)
            return None
        entry = {
            "id": number,
            "directory": path,
            "key": name,
            "task": found.entry.result.task_id.encode("utf-8", "replace").decode(),
            "created": found.entry.created,
            "used": used,
            "size": len(data),
        }
        return entry, [{"entry": number, "hash": digest.hash} for digest in found.outer]


def forget_entries(connection: Connection, numbers: Iterable[int]) -> None:
    """Remove entries from the catalogue."""
    rows = [{"number": number} for number in numbers]
    if rows:
        connection.execute(delete(needs).where(needs.c.entry == bindparam("number")), rows)
        connection.execute(delete(entries).where(entries.c.id == bindparam("number")), rows)


def forget_blobs(connection: Connection, hashes: Iterable[str]) -> None:
    """Remove blobs from the catalogue."""
    rows = [{"gone": each} for each in hashes]
    if rows:
        connection.execute(delete(blobs).where(blobs.c.hash == bindparam("gone")), rows)


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


def _hashes(path: str) -> set[str]:
    return set(filter(is_hash, _names(path)))


def _modified(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
