"""`bun.lock`: JSON with trailing commas, and what is installed by the names on the way to it."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from bao_core.digests import hash_text
from bao_workspace_node.locks.table import (
    SHORT,
    Draft,
    FormatUnknownError,
    LockSource,
    LockTable,
    name_of,
    texts,
)
from bao_workspace_node.manifest import json_mistake

FORMATS = frozenset({0, 1, 2})
"""The versions of the format that are known."""

_TABLES = ("dependencies", "optionalDependencies", "peerDependencies")
# No text in JSON goes over the end of a line, so that such a comma is always one too many.
_TRAILING = re.compile(r",(\s*\n\s*[}\]])")
_TEXT = r'"(?:[^"\\\n]|\\.)*"'
_REMARK = re.compile(rf"{_TEXT}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMA = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])")


class Document(Struct, frozen=True, rename="camel"):
    """A lock file."""

    lockfile_version: int
    workspaces: dict[str, dict[str, Any]] = {}
    packages: dict[str, list[Any]] = {}
    overrides: dict[str, Any] = {}
    patched_dependencies: dict[str, Any] = {}
    catalog: dict[str, Any] = {}
    catalogs: dict[str, Any] = {}


class Lock(LockTable, frozen=True):
    """Bun's lock file; the index holds the names on the way to a package, such as `a/@s/b`."""

    def find(self, directory: str, package: str, name: str, specification: str) -> list[int] | None:
        """See `LockTable.find`."""
        del directory, specification
        found = self.index.get(f"{package}/{name}")
        return self.index.get(name) if found is None else found


def asks(source: LockSource) -> Sequence[str]:
    """Nothing decides but the file."""
    del source
    return ()


def read(source: LockSource) -> Lock:
    """Read the lock file; see `read_lock`."""
    document = _decoded(source)
    if document.lockfile_version not in FORMATS:
        raise FormatUnknownError(f"{source.path} has lockfileVersion {document.lockfile_version}")
    entries = {key: _described(source, key, entry) for key, entry in document.packages.items()}
    internal = {key for key, (label, _) in entries.items() if _is_workspace(label)}
    draft = Draft(key for key in entries if key not in internal)
    index = {key: [number] for key, number in draft.numbers.items()}
    index.update((key, []) for key in internal)
    for key in draft.numbers:
        label, info = entries[key]
        optional = info.get("optionalPeers")
        perhaps = optional if isinstance(optional, list) else []
        needed = [name for name in _needs(info) if name not in perhaps]
        draft.put(
            key,
            label,
            document.packages[key],
            _all_from(index, key, needed),
            perhaps=_all_from(index, key, [n for n in perhaps if isinstance(n, str)]),
        )
    reach, whole = draft.tables()
    return Lock(
        form=f"{source.path} {document.lockfile_version}",
        reach=reach,
        whole=whole,
        index=index,
        patches=_patches(document, draft, entries),
    )


def _decoded(source: LockSource) -> Document:
    text = source.text()
    try:
        try:
            return msgspec.json.decode(_TRAILING.sub(r"\1", text), type=Document)
        except msgspec.ValidationError:
            raise
        except ValueError:
            # Not as Bun writes it: perhaps with remarks, or on fewer lines.
            return msgspec.json.decode(_plain(text), type=Document)
    except msgspec.ValidationError as error:
        raise source.broken_by(error) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, RecursionError):
            raise source.broken("is nested too deeply") from None
        line, reason = json_mistake(_plain(text).encode(), error)
        raise source.broken(f"is not JSON: {reason}", line) from None


def _plain(text: str) -> str:
    """The same document in JSON, on the same lines."""
    return _COMMA.sub(_kept, _REMARK.sub(_kept, text))


def _kept(found: re.Match[str]) -> str:
    """A text as it is, and for anything else as many lines as it had."""
    text = found.group()
    return text if text.startswith('"') else "\n" * text.count("\n")


def _described(source: LockSource, key: str, entry: list[Any]) -> tuple[str, Mapping[str, Any]]:
    """`name@version` of an entry, and what it needs."""
    if not entry or not isinstance(entry[0], str):
        line = source.data[: source.data.find(f'"{key}":'.encode())].count(b"\n") + 1
        raise source.broken(f"package '{key}' does not say what it is", line)
    info = next((part for part in entry[1:] if isinstance(part, dict)), {})
    label = entry[0]
    if "@file:" in label or "@http" in label:
        label = f"{label}#{hash_text(str(entry[-1]))[:SHORT]}"
    return label, info


def _is_workspace(label: str) -> bool:
    return label[len(name_of(label)) :].startswith(("@workspace:", "@root:"))


def _needs(info: Mapping[str, Any]) -> Iterator[str]:
    for table in _TABLES:
        needed = info.get(table)
        if isinstance(needed, dict):
            yield from needed


def _all_from(index: Mapping[str, list[int]], key: str, names: Iterable[str]) -> list[int]:
    return [number for name in names for number in _found_from(index, key, name)]


def _found_from(index: Mapping[str, list[int]], key: str, name: str) -> list[int]:
    """What a package gets when it asks for another: the nearest one on the way to it."""
    while key:
        found = index.get(f"{key}/{name}")
        if found is not None:
            return found
        key = key.rpartition("/")[0]
        if key.rpartition("/")[2].startswith("@"):
            key = key.rpartition("/")[0]  # a scope is no package
    return index.get(name, [])


def _patches(
    document: Document, draft: Draft, entries: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> dict[str, list[int]]:
    """The patched packages by the paths of their patches."""
    patches: dict[str, list[int]] = {}
    for patched, path in texts(document.patched_dependencies):
        numbers = [
            number
            for key, number in draft.numbers.items()
            if patched in (label := entries[key][0], name_of(label))
        ]
        patches.setdefault(posixpath.normpath(path), []).extend(numbers)
    return patches
