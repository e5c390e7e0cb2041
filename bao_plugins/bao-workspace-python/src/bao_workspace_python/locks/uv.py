"""Reading `uv.lock`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bao_workspace_python.locks.documents import check_format, converted, decode_toml
from bao_workspace_python.locks.records import (
    Edge,
    Entry,
    LockContent,
    identity_of,
    label_of,
    local_directory,
)
from bao_workspace_python.names import normalise

FORMATS = ("1",)
"""Versions of the format that are understood; a revision of one adds what older readers ignore."""

_KINDS_OF_DIRECTORY = ("editable", "virtual", "directory")


class LockedDependency(Struct, frozen=True):
    """An edge: version and source stand there where several entries have the name."""

    name: str
    version: str = ""
    source: dict[str, Any] = {}
    extra: str | list[str] = []


class LockedPackage(Struct, frozen=True, rename="kebab"):
    """One `[[package]]`."""

    name: str
    version: str = ""
    source: dict[str, Any] = {}
    dependencies: list[LockedDependency] = []
    optional_dependencies: dict[str, list[LockedDependency]] = {}
    dev_dependencies: dict[str, list[LockedDependency]] = {}


class LockManifest(Struct, frozen=True, rename="kebab"):
    """`[manifest]`: what the root asks for where it is no package itself."""

    requirements: list[LockedDependency] = []
    dependency_groups: dict[str, list[LockedDependency]] = {}


class UvDocument(Struct, frozen=True):
    """The whole file."""

    package: list[LockedPackage] = []
    manifest: LockManifest = LockManifest()


def read_uv(path: str, data: bytes) -> LockContent:
    """Decode a `uv.lock`.

    Raises:
        LockBrokenError: It is no lock file of uv in a format that is understood.
    """
    raw = decode_toml(path, data)
    check_format(path, raw.get("version"), FORMATS)
    document = converted(path, data, raw, UvDocument)
    packages = raw.get("package", [])
    entries = [
        _entry(package, identity_of(table))
        for package, table in zip(document.package, packages, strict=True)
    ]
    manifest = document.manifest
    groups = [edge for edges in manifest.dependency_groups.values() for edge in _edges(edges)]
    return LockContent(entries, {"runtime": _edges(manifest.requirements), "group": groups})


def _entry(package: LockedPackage, identity: str) -> Entry:
    source = package.source
    directory = next(
        (local_directory(source[k]) for k in _KINDS_OF_DIRECTORY if isinstance(source.get(k), str)),
        None,
    )
    git = source.get("git")
    elsewhere = "url" in source or "path" in source
    name = normalise(package.name)
    return Entry(
        name=name,
        version=package.version,
        label=label_of(
            name,
            package.version or directory or "",
            commit=git.rpartition("#")[2] if isinstance(git, str) else "",
            pinned_by=identity if elsewhere else "",
        ),
        identity=identity,
        tables={
            "": _edges(package.dependencies),
            **{
                normalise(extra): _edges(edges)
                for extra, edges in package.optional_dependencies.items()
            },
        },
        groups=[edge for edges in package.dev_dependencies.values() for edge in _edges(edges)],
        directory=directory,
        source=identity_of(source),
    )


def _edges(dependencies: list[LockedDependency]) -> list[Edge]:
    return [
        Edge(
            normalise(dependency.name),
            tuple(
                normalise(extra)
                for extra in (
                    [dependency.extra] if isinstance(dependency.extra, str) else dependency.extra
                )
            ),
            dependency.version,
            identity_of(dependency.source) if dependency.source else "",
        )
        for dependency in dependencies
    ]
