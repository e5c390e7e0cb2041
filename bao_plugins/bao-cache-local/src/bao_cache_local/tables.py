"""The tables of the catalogue."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSION = 1
"""Of the tables; a catalogue of another version is made anew."""

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


def prepare(connection: Connection) -> None:
    """Make the tables, unless they are there in this version.

    Raises:
        SQLAlchemyError: What is there is no catalogue.
    """
    if connection.execute(text("PRAGMA user_version")).scalar() != VERSION:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        connection.execute(text(f"PRAGMA user_version = {VERSION}"))
