"""`package-lock.json` and `npm-shrinkwrap.json`: what is installed, by place."""

from __future__ import annotations

import posixpath
from typing import Any

import msgspec
from msgspec import Struct

from bao_core.closures import LockBrokenError
from bao_core.digests import hash_text
from bao_workspace_node.locks.table import SHORT, Draft, FormatUnknownError, LockSource, LockTable
from bao_workspace_node.manifest import json_mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FOLDER = "node_modules"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
FORMATS = frozenset({1, 2, 3})
"""The versions of the format that are known. The first one nests what the others list by place."""


class LockedPackage(Struct, frozen=True, rename="camel"):
    """One place in the lock file, and what is installed there."""

    name: str | None = None
    version: str | None = None
    resolved: Any = None
    integrity: str | None = None
    link: bool = False
    optional: bool = False
    dev_optional: bool = False
    peer: bool = False
    dependencies: dict[str, Any] | None = None
    optional_dependencies: dict[str, Any] | None = None
    dev_dependencies: dict[str, Any] | None = None
    peer_dependencies: dict[str, Any] | None = None
    peer_dependencies_meta: dict[str, Any] | None = None

    def needs(self) -> Iterator[str]:
        """The names of what it looks for when it is loaded, without what may be missing."""
        # Only a directory of the repository has dependencies for its development.
        yield from self.dependencies or ()
        yield from self.optional_dependencies or ()
        yield from self.dev_dependencies or ()
        optional = self.perhaps()
        yield from (name for name in self.peer_dependencies or () if name not in optional)

    def perhaps(self) -> list[str]:
        """The names of what it uses only where somebody else brings it."""
        meta = self.peer_dependencies_meta or {}
        return [n for n, m in meta.items() if isinstance(m, dict) and m.get("optional") is True]


class NestedPackage(Struct, frozen=True):
    """One entry of the first format, with what is installed below it."""

    version: str | None = None
    resolved: Any = None
    integrity: str | None = None
    requires: dict[str, Any] | bool | None = None
    dependencies: dict[str, NestedPackage] | None = None


class LockDocument(Struct, frozen=True, rename="camel"):
    """A lock file, or the record of what npm installed, which has the same form."""

    lockfile_version: int = 1
    requires: Any = None
    packages: dict[str, LockedPackage] | None = None
    dependencies: Any = None


class Lock(LockTable, frozen=True):
    """npm's lock file; the index holds places such as `node_modules/a/node_modules/b`."""

    def find(self, directory: str, package: str, name: str, specification: str) -> list[int] | None:
        """See `LockTable.find`: looks in the nearest folder upwards, as Node does."""
        del package, specification
        return _found_from(self.index, directory, name)


def asks(source: LockSource) -> Sequence[str]:
    """What decides besides the file: which of the links lead to packages of the workspace."""
    return sorted(source.members)


def read(source: LockSource) -> Lock:
    """Read the lock file; see `read_lock`."""
    document = decode_lock(source.path, source.data)
    version = document.lockfile_version
    if version not in FORMATS:
        raise FormatUnknownError(f"{source.path} has format {version}")
    packages = document.packages
    if version == 1 or packages is None:
        packages = _unnested(source, document.dependencies)
    requires = "" if document.requires else " without requires"
    return _lock(packages, {*source.members, ""}, form=f"{source.path} {version}{requires}")


def _lock(packages: Mapping[str, LockedPackage], members: set[str], *, form: str) -> Lock:
    entered = [place for place, p in packages.items() if not p.link and place not in members]
    draft = Draft(entered)
    index = {place: [number] for place, number in draft.numbers.items()}
    for place, package in packages.items():
        if package.link:
            index[place] = index.get(_target(package), [])
    for place in entered:
        package = packages[place]
        draft.put(
            place,
            label_of(place, package),
            [place, package.version, package.resolved, package.integrity],
            _all_from(index, place, package.needs()),
            place=place,
            perhaps=_all_from(index, place, package.perhaps()),
        )
    reach, whole = draft.tables()
    return Lock(form, reach, whole, index, {}, places=True)


def _all_from(index: Mapping[str, list[int]], place: str, names: Iterable[str]) -> list[int]:
    return [number for name in names for number in _found_from(index, place, name) or ()]


def _found_from(index: Mapping[str, list[int]], place: str, name: str) -> list[int] | None:
    """What Node finds when it looks for a package from a place: in the nearest folder upwards."""
    while place:
        found = index.get(f"{place}/{FOLDER}/{name}")
        if found is not None:
            return found
        place = place.rpartition("/")[0]
    return index.get(f"{FOLDER}/{name}")


def _unnested(source: LockSource, dependencies: Any) -> dict[str, LockedPackage]:
    """The entries of the first format by place."""
    try:
        nested = msgspec.convert(dependencies or {}, dict[str, NestedPackage])
    except msgspec.ValidationError as error:
        raise source.broken_by(error) from None
    except RecursionError:
        raise source.broken("is nested too deeply") from None
    found: dict[str, LockedPackage] = {}
    waiting = [("", nested)]
    while waiting:
        above, entries = waiting.pop()
        for name, entry in entries.items():
            place = f"{above}{FOLDER}/{name}"
            if directory := _linked_directory(entry):
                found[place] = LockedPackage(resolved=directory, link=True)
                place = directory
            found[place] = _listed(entry)
            if entry.dependencies:
                waiting.append((f"{place}/", entry.dependencies))
    return found


def _listed(entry: NestedPackage) -> LockedPackage:
    version = entry.version or ""
    alias = version.removeprefix("npm:") if version.startswith("npm:") else ""
    real, _, number = alias.rpartition("@")
    registry = bool(real) or version[:1].isdigit()  # anything else is where it comes from
    return LockedPackage(
        name=real or None,
        version=number if real else version if registry else None,
        resolved=entry.resolved if registry else version,
        integrity=entry.integrity,
        dependencies=entry.requires if isinstance(entry.requires, dict) else None,
    )


def _linked_directory(entry: NestedPackage) -> str:
    """The directory that is linked to; an archive has a hash of its content."""
    version = entry.version or ""
    if not version.startswith("file:") or entry.integrity:
        return ""
    return posixpath.normpath(version.removeprefix("file:"))


def decode_lock(path: str, data: bytes) -> LockDocument:
    """Decode a lock file, or the record of what npm installed.

    Raises:
        LockBrokenError: It is no JSON, or not of the form that npm writes.
    """
    text = data.removeprefix(BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(text, type=LockDocument)
    except msgspec.ValidationError as error:
        raise LockSource(path, text).broken_by(error) from None
    except ValueError as error:
        line, reason = json_mistake(text, error)
        raise LockBrokenError(f"{path}:{line}: is not JSON: {reason}") from None
    except RecursionError:
        raise LockBrokenError(f"{path}: is nested too deeply") from None


def label_of(place: str, package: LockedPackage) -> str:
    """`name@version`, and what pins it where a version does not."""
    name = package.name or place.rpartition(f"{FOLDER}/")[2]
    source = package.resolved if isinstance(package.resolved, str) else ""
    pin = ""
    if source.startswith(("git", "http")) and "#" in source:
        pin = "#" + source.rpartition("#")[2][:SHORT]
    elif source.startswith("file:"):
        pin = "#" + hash_text(package.integrity or "")[:SHORT]
    return f"{name}@{package.version or ''}{pin}"


def _target(link: LockedPackage) -> str:
    target = posixpath.normpath(link.resolved) if isinstance(link.resolved, str) else "."
    return "" if target == "." else target
