"""The catalogue: what the cache holds, in SQLite, for listing, counting and evicting.

Everything in it is read off the files and nothing else knows it, so it may be deleted at any moment
and is made anew when it is damaged. No lookup asks it. It is brought up to date by comparing the
modification times of the directories, so no writer has to tell it anything, and nothing is lost
with a writer that is killed.
"""

from __future__ import annotations

import os
import sqlite3
import time

from bao_core.interfaces.cache import CacheStats, EntryInfo
from bao_core.model import CacheKey, TaskId
from sqlalchemy import (
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from bao_cache_local.scanning import Scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from sqlalchemy import Connection

    Answer = TypeVar("Answer")

VERSION = 1
"""Of the tables; a catalogue of another version is made anew."""

_BUSY = 2_000
"""Milliseconds to wait for another process that writes."""

metadata = MetaData()

directories = Table(
    "directories",
    metadata,
    Column("path", String, primary_key=True),  # from the cache's root
    Column("modified", Integer, nullable=False),  # ns when it was read; 0: read it again
)
entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("directory", String, nullable=False, index=True),
    Column("key", String, nullable=False),
    Column("task", String, nullable=False),
    Column("created", Float, nullable=False),
    Column("used", Float, nullable=False, index=True),
    Column("size", Integer, nullable=False),  # of the file
)
needs = Table(
    "needs",
    metadata,
    Column("entry", Integer, nullable=False, index=True),
    Column("hash", String, nullable=False, index=True),
)
blobs = Table(
    "blobs",
    metadata,
    Column("hash", String, primary_key=True),
    Column("size", Integer, nullable=False),
)


class CatalogueBusyError(Exception):
    """Another process writes, and has done so for long."""


class Catalogue:
    """The catalogue of the cache at a root directory."""

    def __init__(self, root: str) -> None:
        self.root = root
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
        self._make_anew()
        self.use(lambda _connection: None)

    def use(
        self,
        action: Callable[[Connection], Answer],
        *,
        deadline: float | None = None,
    ) -> Answer:
        """Bring the catalogue up to date and do something with it, in one transaction.

        A damaged catalogue is made anew, in memory where the disk refuses, and the action repeated.

        Args:
            action: What to do.
            deadline: A `time.monotonic()` after which the catalogue need not be up to date.

        Raises:
            CatalogueBusyError: Another process writes.
        """
        for in_memory in (False, True):
            try:
                return self._try(action, deadline)
            except OperationalError as error:
                if "locked" in str(error.orig):
                    raise CatalogueBusyError from error
                self._make_anew(in_memory=in_memory)
            except (SQLAlchemyError, sqlite3.Error, ValueError, TypeError, OverflowError):
                # What was flipped in a database need not be noticed by the database.
                self._make_anew(in_memory=in_memory)
        return self._try(action, deadline)

    def _try(self, action: Callable[[Connection], Answer], deadline: float | None) -> Answer:
        Scanner(self.root).update(self._engine, deadline)
        with self._engine.begin() as connection:
            return action(connection)

    def _make_anew(self, *, in_memory: bool = False) -> None:
        self._engine.dispose()
        if not in_memory:
            for ending in ("", "-wal", "-shm", "-journal"):
                try:
                    os.unlink(f"{self.root}/index.sqlite{ending}")
                except OSError:
                    in_memory = in_memory or os.path.lexists(f"{self.root}/index.sqlite{ending}")
        self._engine = self._open(in_memory=in_memory)

    def _open(self, *, in_memory: bool) -> Engine:
        path = f"{self.root}/index.sqlite"
        if in_memory or not os.path.isdir(self.root):
            engine = create_engine("sqlite://", poolclass=StaticPool)
        else:
            engine = create_engine(f"sqlite:///{path}", poolclass=StaticPool)
        _use_immediate_transactions(engine)
        return engine


def prepare(connection: Connection) -> None:
    """Make the tables, unless they are there in this version.

    Raises:
        SQLAlchemyError: What is there is no catalogue.
    """
    if connection.execute(text("PRAGMA user_version")).scalar() != VERSION:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        connection.execute(text(f"PRAGMA user_version = {VERSION}"))


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


def monotonic() -> float:
    """The clock that deadlines are told by."""
    return time.monotonic()
