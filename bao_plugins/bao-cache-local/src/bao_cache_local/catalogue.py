"""The catalogue: what the cache holds, in SQLite, for listing, counting and evicting.

Everything in it is read off the files and nothing else knows it, so it may be deleted at any moment
and is made anew when it is damaged. No lookup asks it. It is brought up to date by comparing the
modification times of the directories, so no writer has to tell it anything, and nothing is lost
with a writer that is killed.
"""

from __future__ import annotations

import os
import sqlite3
import threading

from sqlalchemy import URL, create_engine, event, func, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from bao_cache_local.files import remove
from bao_cache_local.scanning import Scanner
from bao_cache_local.tables import blobs, entries, needs
from bao_core.errors import CacheError
from bao_core.interfaces.cache import CacheStats, EntryInfo
from bao_core.model import CacheKey, TaskId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from sqlalchemy import Connection, Engine

    Answer = TypeVar("Answer")

_DAMAGED = (SQLAlchemyError, sqlite3.Error, ValueError, TypeError, OverflowError)
"""How damage shows; what was flipped in a database need not be noticed by the database."""

_BUSY = 2_000
"""Milliseconds to wait for another process that writes."""


class OutOfTime:
    """The answer where there was no time for one."""


class Catalogue:
    """The catalogue of the cache at a root directory. May be used from several threads."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._engine = self._open(in_memory=False)

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def entries(self) -> Iterator[EntryInfo]:
        """Every entry with the bytes of its blobs, newest first."""
        return iter(self.use(_list_entries))

    def stats(self) -> CacheStats:
        """How many entries and blobs there are, and their bytes."""
        count, blob_count, size = self.use(_count)
        return CacheStats(self.root, entries=count, blobs=blob_count, bytes=size)

    def made(self) -> dict[TaskId, list[tuple[CacheKey, float]]]:
        """Keys and times of every task's entries, oldest first."""
        return self.use(_list_made)

    def rebuild(self) -> None:
        """Throw everything away and read it off the files again."""
        with self._lock:
            self._make_anew(in_memory=False)
        self.use(lambda _connection: None)

    def use(self, action: Callable[[Connection], Answer]) -> Answer:
        """Bring the catalogue up to date and do something with it, in one transaction.

        Raises:
            CacheError: Another process has been writing to it for long.
        """
        answer = self.use_until(action, None)
        if isinstance(answer, OutOfTime):  # there was no deadline, so it is busy
            raise CacheError(
                "the catalogue of the local cache is in use by another process",
                where=f"{self.root}/index.sqlite",
                hint="try again later",
            )
        return answer

    def use_until(
        self, action: Callable[[Connection], Answer], deadline: float | None
    ) -> Answer | OutOfTime:
        """Do the same unless time runs out before it is up to date, or another process writes.

        A catalogue that is damaged is made anew, and in memory if that one cannot be used either.

        Args:
            action: What to do.
            deadline: A `time.monotonic()`.
        """
        with self._lock:
            for in_memory in (False, True):
                try:
                    return self._try(action, deadline)
                except OperationalError as error:
                    if "locked" in str(error.orig):
                        return OutOfTime()
                    self._make_anew(in_memory=in_memory)
                except _DAMAGED:
                    self._make_anew(in_memory=in_memory)
            return self._try(action, deadline)

    def _try(
        self, action: Callable[[Connection], Answer], deadline: float | None
    ) -> Answer | OutOfTime:
        if not Scanner(self.root, self._engine).update(deadline):
            return OutOfTime()
        with self._engine.begin() as connection:
            return action(connection)

    def _make_anew(self, *, in_memory: bool) -> None:
        self._engine.dispose()
        for ending in ("", "-wal", "-shm", "-journal"):
            path = f"{self.root}/index.sqlite{ending}"
            in_memory = not (remove(path) or not os.path.lexists(path)) or in_memory
        self._engine = self._open(in_memory=in_memory)

    def _open(self, *, in_memory: bool) -> Engine:
        there = not in_memory and os.path.isdir(self.root)
        url = URL.create("sqlite", database=f"{self.root}/index.sqlite" if there else None)
        arguments = {"check_same_thread": False}
        engine = create_engine(url, poolclass=StaticPool, connect_args=arguments)
        _use_immediate_transactions(engine)
        return engine


def _use_immediate_transactions(engine: Engine) -> None:
    """Every transaction takes the write lock at its start, so that none fails in its middle."""

    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        connection.execute(f"PRAGMA busy_timeout = {_BUSY}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


def _list_entries(connection: Connection) -> list[EntryInfo]:
    size = func.coalesce(func.sum(blobs.c.size), 0)
    query = (
        select(entries.c.key, entries.c.task, entries.c.created, entries.c.size + size)
        .outerjoin(needs, needs.c.entry == entries.c.id)
        .outerjoin(blobs, blobs.c.hash == needs.c.hash)
        .group_by(entries.c.id)
        .order_by(entries.c.created.desc(), entries.c.key)
    )
    return [
        EntryInfo(CacheKey(str(key)), TaskId(str(task)), float(created), int(size))
        for key, task, created, size in connection.execute(query)
    ]


def _list_made(connection: Connection) -> dict[TaskId, list[tuple[CacheKey, float]]]:
    made: dict[TaskId, list[tuple[CacheKey, float]]] = {}
    query = select(entries.c.task, entries.c.key, entries.c.created).order_by(entries.c.created)
    for task, key, created in connection.execute(query):
        made.setdefault(TaskId(str(task)), []).append((CacheKey(str(key)), float(created)))
    return made


def _count(connection: Connection) -> tuple[int, int, int]:
    count, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(entries.c.size), 0)).select_from(entries)
    ).one()
    blob_count, blob_size = connection.execute(
        select(func.count(), func.coalesce(func.sum(blobs.c.size), 0)).select_from(blobs)
    ).one()
    return int(count), int(blob_count), int(size) + int(blob_size)
