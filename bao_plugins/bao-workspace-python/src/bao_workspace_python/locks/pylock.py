"""Reading `pylock.toml`, the lock file of PEP 751."""

from __future__ import annotations

from msgspec import Struct, field

from bao_workspace_python.locks.documents import check_format, converted, decode_toml
from bao_workspace_python.locks.records import (
    Entry,
    LockContent,
    identity_of,
    label_of,
    local_directory,
)
from bao_workspace_python.names import normalise

FORMATS = ("1",)


class Repository(Struct, frozen=True, rename="kebab"):
    """`packages.vcs`."""

    commit_id: str


class Directory(Struct, frozen=True):
    """`packages.directory`."""

    path: str


class LockedPackage(Struct, frozen=True):
    """One `[[packages]]`."""

    name: str
    version: str = ""
    vcs: Repository | None = None
    directory: Directory | None = None
    archive: dict[str, object] | None = None


class PylockDocument(Struct, frozen=True):
    """The whole file."""

    packages: list[LockedPackage] = field(default_factory=list)


def read_pylock(path: str, data: bytes) -> LockContent:
    """Decode a `pylock.toml`.

    It says what to install and not for whom: the edges that may stand in it are informational. So
    everything in it counts for everybody who uses it.

    Raises:
        LockBrokenError: It is not in the form of the standard.
    """
    raw = decode_toml(path, data)
    check_format(path, raw.get("lock-version"), FORMATS)
    document = converted(path, data, raw, PylockDocument)
    tables = raw.get("packages", [])
    entries = [
        _entry(package, identity_of(table))
        for package, table in zip(document.packages, tables, strict=True)
    ]
    return LockContent(entries, traced=False)


def _entry(package: LockedPackage, identity: str) -> Entry:
    name = normalise(package.name)
    return Entry(
        name=name,
        version=package.version,
        label=label_of(
            name,
            package.version,
            commit="" if package.vcs is None else package.vcs.commit_id,
            pinned_by="" if package.archive is None else identity,
        ),
        identity=identity,
        directory=None if package.directory is None else local_directory(package.directory.path),
    )
