"""Reading `poetry.lock`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

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

FORMATS = ("1", "2")
"""Major versions of the format that are understood."""


class DetailedDependency(Struct, frozen=True):
    """An edge that is a table."""

    optional: bool = False
    extras: list[str] = []


Dependency = str | DetailedDependency | list[str | DetailedDependency]


class PackageSource(Struct, frozen=True):
    """`[package.source]`: `directory`, `file`, `url`, `git`, or `legacy` for an index."""

    type: str = ""
    url: str = ""
    reference: str = ""
    resolved_reference: str = ""


class LockedPackage(Struct, frozen=True):
    """One `[[package]]`."""

    name: str
    version: str
    dependencies: dict[str, Dependency] = {}
    extras: dict[str, list[str]] = {}
    source: PackageSource = PackageSource()


class Metadata(Struct, frozen=True, rename="kebab"):
    """`[metadata]`; until format 2.0 it holds the artefacts, by name."""

    lock_version: str = "1.0"
    files: dict[str, Any] = {}


class PoetryDocument(Struct, frozen=True):
    """The whole file."""

    package: list[LockedPackage] = []
    metadata: Metadata = field(default_factory=Metadata)


def read_poetry(path: str, data: bytes) -> LockContent:
    """Decode a `poetry.lock`.

    Raises:
        LockBrokenError: It is no lock file of Poetry in a format that is understood.
    """
    raw = decode_toml(path, data)
    check_format(path, version_in(raw, "lock-version"), FORMATS)
    document = converted(path, data, raw, PoetryDocument)
    files = document.metadata.files
    return LockContent(
        [
            _entry(package, identity_of(table, files.get(package.name)))
            for package, table in zip(document.package, raw.get("package", []), strict=True)
        ]
    )


def _entry(package: LockedPackage, identity: str) -> Entry:
    source = package.source
    name = normalise(package.name)
    extras = {
        normalise(extra): [requirement_edge(text) for text in texts]
        for extra, texts in package.extras.items()
    }
    return Entry(
        name=name,
        version=package.version,
        label=label_of(
            name,
            package.version,
            commit=(source.resolved_reference or source.reference) if source.type == "git" else "",
            pinned_by=identity if source.type in {"file", "url"} else "",
        ),
        identity=identity,
        tables={"": _base_edges(package.dependencies, extras), **extras},
        directory=local_directory(source.url) if source.type == "directory" else None,
    )


def _base_edges(dependencies: dict[str, Dependency], extras: dict[str, list[Edge]]) -> list[Edge]:
    """What is needed whatever extras are asked for."""
    through_extras = {edge.name for edges in extras.values() for edge in edges}
    found: list[Edge] = []
    for written, dependency in dependencies.items():
        name = normalise(written)
        for choice in dependency if isinstance(dependency, list) else [dependency]:
            if isinstance(choice, str):
                found.append(Edge(name))
            elif not choice.optional or name not in through_extras:
                found.append(Edge(name, tuple(normalise(extra) for extra in choice.extras)))
    return found
