"""`pnpm-lock.yaml`, of lockfileVersion 5, 6, 7 and 9."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from msgspec import Struct

from bao_core.digests import hash_text
from bao_workspace_node.locks.table import (
    SHORT,
    Draft,
    FormatUnknownError,
    LockSource,
    LockTable,
    identity_of,
    text_of,
)
from bao_workspace_node.locks.yaml import read_documents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FORMATS = frozenset({"5", "6", "7", "9"})
"""The main numbers of the versions that are known."""

_TABLES = ("dependencies", "devDependencies", "optionalDependencies")
_PATCH = re.compile(r"[(_]patch_hash[=_]([0-9a-z]+)")
_OLD_KEY = re.compile(r"/((?:@[^/]+/)?[^/]+)/([^/_(]+)")


class Document(Struct, frozen=True, rename="camel"):
    """A lock file; that of a single package has the tables of its importer at the top."""

    lockfile_version: str | float = ""
    settings: dict[str, Any] | None = None
    package_extensions_checksum: Any = None
    patched_dependencies: dict[str, Any] | None = None
    importers: dict[str, dict[str, Any]] | None = None
    packages: dict[str, dict[str, Any] | None] | None = None
    snapshots: dict[str, dict[str, Any] | None] | None = None
    dependencies: dict[str, Any] | None = None
    dev_dependencies: dict[str, Any] | None = None
    optional_dependencies: dict[str, Any] | None = None


class Lock(LockTable, frozen=True):
    """pnpm's lock file; the index holds directory and name, with a line break between them."""

    def find(self, directory: str, package: str, name: str, specification: str) -> list[int] | None:
        """See `LockTable.find`."""
        del package, specification
        return self.index.get(f"{directory}\n{name}")


def asks(source: LockSource) -> Sequence[str]:
    """Nothing decides but the file."""
    del source
    return ()


def read(source: LockSource) -> Lock:
    """Read the lock file; see `read_lock`."""
    # Where there are several documents, the last is the workspace's; the one before it locks pnpm
    # itself and its plugins.
    documents = read_documents(source)
    raw = documents[-1] if documents else {}
    document: Document = source.convert(raw, Document)
    version = text_of(document.lockfile_version)
    if not version:
        raise source.broken("has no lockfileVersion", 1)
    if version.partition(".")[0] not in FORMATS:
        raise FormatUnknownError(f"{source.path} has lockfileVersion {version}")
    packages = document.packages or {}
    # Up to version 7, what is locked and what it is installed with stand in one place.
    snapshots = document.snapshots if document.snapshots is not None else packages
    draft = Draft(snapshots)
    for key, snapshot in snapshots.items():
        entry = packages.get(key) or packages.get(_without_peers(key)) or {}
        needs = list(_needs(snapshot or {}))
        found = (_key_of(draft.numbers, name, version) for name, version in needs)
        draft.put(
            key,
            _label(key, entry),
            [key, entry.get("resolution"), needs],
            [draft.numbers[target] for target in found if target is not None],
            place=key,
        )
    reach, whole = draft.tables()
    return Lock(
        form=_form(source.path, version, document),
        reach=reach,
        whole=whole,
        index=_index(document, draft),
        patches=_patches(document, draft),
        places=True,
    )


def _form(path: str, version: str, document: Document) -> str:
    """What decides about all packages at once; overrides and patches show in what they change."""
    decisive = [document.settings, document.package_extensions_checksum]
    return f"{path} {version} {hash_text(identity_of(decisive))[:SHORT]}"


def _index(document: Document, draft: Draft) -> dict[str, list[int]]:
    importers = document.importers
    if importers is None:
        # A single package.
        importers = {
            ".": {
                "dependencies": document.dependencies,
                "devDependencies": document.dev_dependencies,
                "optionalDependencies": document.optional_dependencies,
            }
        }
    index: dict[str, list[int]] = {}
    for path, importer in importers.items():
        directory = posixpath.normpath(path)
        directory = "" if directory == "." else directory
        for name, version in _needs(importer):
            key = _key_of(draft.numbers, name, version)
            if key is not None:
                index[f"{directory}\n{name}"] = [draft.numbers[key]]
            elif version.startswith("link:"):
                index[f"{directory}\n{name}"] = []
    return index


def _needs(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and version of what an importer or a package is installed with."""
    for table in _TABLES:
        needed = entry.get(table)
        if isinstance(needed, dict):
            for name, value in needed.items():
                version = value.get("version") if isinstance(value, dict) else value
                yield text_of(name), text_of(version)


def _key_of(keys: Mapping[str, int], name: str, version: str) -> str | None:
    """The package that a version means: beside its name, or, for an alias, a whole key."""
    for key in (f"{name}@{version}", version, f"/{name}@{version}", f"/{name}/{version}"):
        if key in keys:
            return key
    return None


def _without_peers(key: str) -> str:
    return key.partition("(")[0]


def _label(key: str, entry: Mapping[str, Any]) -> str:
    """`name@version` without the peers it is installed with, which are in the closure anyway."""
    patch = _PATCH.search(key)
    pin = f"#patch-{patch.group(1)[:SHORT]}" if patch else ""
    name, version = entry.get("name"), entry.get("version")
    if isinstance(name, str):  # not from a registry, so that its key says where from
        return f"{name}@{text_of(version)}#{hash_text(key)[:SHORT]}{pin}"
    if old := _OLD_KEY.fullmatch(_without_peers(key).partition("_")[0]):
        return f"{old.group(1)}@{old.group(2)}{pin}"
    return _without_peers(key).removeprefix("/") + pin


def _patches(document: Document, draft: Draft) -> dict[str, list[int]]:
    """The patched packages by the paths of their patches, as far as the lock file says them."""
    patches: dict[str, list[int]] = {}
    for patched, value in (document.patched_dependencies or {}).items():
        path = value.get("path") if isinstance(value, dict) else None
        if isinstance(path, str):
            known = patches.setdefault(posixpath.normpath(path), [])
            exact = patched.find("@", 1) > 0
            for key, number in draft.numbers.items():
                label = _without_peers(key).removeprefix("/")
                old = _OLD_KEY.match(key)
                labels = (label, f"{old.group(1)}@{old.group(2)}" if old else label)
                if patched in labels or (not exact and label.startswith(f"{patched}@")):
                    known.append(number)
    return patches
