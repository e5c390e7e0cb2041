"""Reading `pdm.lock`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from bao_workspace_python.locks.documents import check_format, converted, decode_toml, version_in
from bao_workspace_python.locks.records import (
    Edge,
    Entry,
    LockContent,
    identity_of,
    label_of,
    local_directory,
    requirement_edge,
)
from bao_workspace_python.names import normalise

FORMATS = ("3", "4")
"""Major versions of the format that are understood."""


class LockedPackage(Struct, frozen=True):
    """One `[[package]]`; a package with extras has one more for every set of them."""

    name: str
    version: str = ""
    extras: list[str] = []
    dependencies: list[str] = []
    path: str | None = None
    url: str | None = None
    revision: str = ""
    files: list[Any] = []


class Metadata(Struct, frozen=True):
    """`[metadata]`; until format 4.0 it holds the artefacts, by `name version`."""

    lock_version: str = ""
    files: dict[str, Any] = {}


class PdmDocument(Struct, frozen=True):
    """The whole file."""

    package: list[LockedPackage] = []
    metadata: Metadata = field(default_factory=Metadata)


def read_pdm(path: str, data: bytes) -> LockContent:
    """Decode a `pdm.lock`, whatever the strategy it was made with.

    Raises:
        LockBrokenError: It is no lock file of PDM in a format that is understood.
    """
    raw = decode_toml(path, data)
    check_format(path, version_in(raw, "lock_version"), FORMATS)
    document = converted(path, data, raw, PdmDocument)
    files = document.metadata.files
    entries: dict[tuple[str, str, str], Entry] = {}
    for package, table in zip(document.package, raw.get("package", []), strict=True):
        artefacts = files.get(f"{package.name} {package.version}")
        entry = _entry(package, identity_of(table, artefacts))
        place = (entry.name, entry.version, entry.source)
        known = entries.get(place)
        entries[place] = entry if known is None else _joined(known, entry)
    return LockContent(list(entries.values()))


def _entry(package: LockedPackage, identity: str) -> Entry:
    name = normalise(package.name)
    artefacts = [package.path, package.url, package.files]
    # What stands beside an extra counts for it alone: the entry without one is named there too.
    edges = [requirement_edge(text) for text in package.dependencies]
    extras = [normalise(extra) for extra in package.extras]
    tables = dict.fromkeys(extras, edges) if extras else {"": edges}
    is_file = package.path is not None and bool(package.files)
    return Entry(
        name=name,
        version=package.version,
        label=label_of(
            name,
            package.version,
            commit=package.revision,
            pinned_by=identity_of(artefacts) if is_file or package.url is not None else "",
        ),
        identity=identity,
        tables=tables,
        directory=None if package.path is None or is_file else local_directory(package.path),
        source=identity_of(package.path, package.url, package.revision),
    )


def _joined(first: Entry, second: Entry) -> Entry:
    """One entry out of two that differ in the extras they are for."""
    tables: dict[str, list[Edge]] = {extra: list(edges) for extra, edges in first.tables.items()}
    for extra, edges in second.tables.items():
        tables.setdefault(extra, []).extend(edges)
    return replace(first, tables=tables, identity=identity_of(first.identity, second.identity))
