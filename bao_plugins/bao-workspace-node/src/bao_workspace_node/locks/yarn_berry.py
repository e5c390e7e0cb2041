"""`yarn.lock` of Yarn 2 and later, which is YAML."""

from __future__ import annotations

import posixpath
import re
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from bao_workspace_node.locks.table import (
    SHORT,
    Draft,
    LockSource,
    LockTable,
    name_of,
    text_of,
)
from bao_workspace_node.locks.yaml import read_documents
from bao_workspace_node.locks.yarn import Resolutions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

METADATA = "__metadata"
_PATCH_HASH = re.compile(r"[:&]hash=([0-9a-z]+)")
_VIRTUAL = re.compile(r"@virtual:[^#]*#")
_PROTOCOL = re.compile(r"[a-zA-Z][a-zA-Z+.-]*:")


class Entry(Struct, frozen=True, rename="camel"):
    """What one or more descriptors (`name@npm:range`) are locked to."""

    version: Any = None
    resolution: str = ""
    dependencies: dict[str, Any] | None = None
    checksum: Any = None
    conditions: Any = None
    link_type: str = ""


class Lock(LockTable, frozen=True):
    """Yarn's lock file; the index holds descriptors, and names for what is resolved otherwise."""

    def find(self, directory: str, package: str, name: str, specification: str) -> list[int] | None:
        """See `LockTable.find`."""
        del directory, package
        for descriptor in _descriptors(name, specification):
            if (found := self.index.get(descriptor)) is not None:
                return found
        return self.index.get(name)


def asks(source: LockSource) -> Sequence[str]:
    """What the root resolves otherwise: the lock file does not say it."""
    return [f"{name}\n{version}" for name, version in sorted(source.resolutions.items())]


def read(source: LockSource) -> Lock:
    """Read the lock file; see `read_lock`."""
    documents = read_documents(source)
    raw = documents[0] if documents else {}
    if not isinstance(raw, dict) or not isinstance(metadata := raw.get(METADATA), dict):
        raise source.broken("is no lock file of Yarn: it has no __metadata", 1)
    entries: dict[str, Entry] = source.convert(
        {key: value for key, value in raw.items() if key != METADATA}, dict[str, Entry]
    )
    draft = Draft(entries)
    index = _index(draft, entries)
    resolutions = Resolutions(source.resolutions, index, "npm:")
    for key, entry in entries.items():
        internal = _is_workspace(entry)
        found: list[int] = []
        for name, value in (entry.dependencies or {}).items():
            range_ = text_of(value)  # `ms: 2` reads as a number
            if not internal:
                full = _descriptors(name, range_)[-1][len(name) + 1 :]
                found.extend(resolutions.nodes(name, full))
        found.extend(_patched(entry, index))
        draft.put(
            key,
            "" if internal else _label(entry),
            "" if internal else [entry.resolution, entry.checksum, entry.dependencies],
            found,
        )
    form = f"{source.path} {text_of(metadata.get('version'))} {text_of(metadata.get('cacheKey'))}"
    return Lock(form.rstrip(), *draft.tables(), resolutions.index(), _patches(entries, draft))


def _index(draft: Draft, entries: Mapping[str, Entry]) -> dict[str, list[int]]:
    index: dict[str, list[int]] = {}
    for key, entry in entries.items():
        internal = _is_workspace(entry)
        number = draft.numbers[key]
        for descriptor in key.split(", "):
            for pattern in _patterns(descriptor):
                nodes = index.setdefault(pattern, [])
                if not internal and number not in nodes:
                    nodes.append(number)
        if entry.resolution and not internal:
            index.setdefault(entry.resolution, [number])
    return index


def _patterns(descriptor: str) -> Iterator[str]:
    """Everything that a descriptor is to be found by."""
    descriptor = _VIRTUAL.sub("@", descriptor)
    name = name_of(descriptor)
    yield descriptor
    yield name
    if "::" in descriptor:  # where from; only Yarn writes it
        yield descriptor.partition("::")[0]
    range_ = descriptor[len(name) + 1 :]
    if range_.startswith("patch:"):
        inner, _, patch = range_.removeprefix("patch:").partition("#")
        if "builtin<" in patch:  # Yarn patches it for everybody who asks for it
            yield unquote(inner)


def _descriptors(name: str, range_: str) -> tuple[str, ...]:
    """What a range may be called in the lock file, the full form last."""
    plain = f"{name}@{range_}"
    return (plain,) if _PROTOCOL.match(range_) else (plain, f"{name}@npm:{range_}")


def _is_workspace(entry: Entry) -> bool:
    return "@workspace:" in entry.resolution


def _patched(entry: Entry, index: Mapping[str, list[int]]) -> list[int]:
    """What a patch is put upon."""
    _, found, inner = entry.resolution.partition("@patch:")
    if not found:
        return []
    locator = unquote(inner.partition("#")[0])
    return [] if locator == entry.resolution else index.get(locator, [])


def _label(entry: Entry) -> str:
    """`name@version`, and what pins it where a version does not."""
    resolution = _VIRTUAL.sub("@", entry.resolution)
    name = name_of(resolution)
    reference = resolution[len(name) + 1 :]
    pin = ""
    if reference.startswith("patch:"):
        found = _PATCH_HASH.search(reference)
        if found and "builtin<" not in reference:
            pin = f"#patch-{found.group(1)[:SHORT]}"
    elif not reference.startswith("npm:"):
        commit = re.search(r"#(?:.*[=#&])?([0-9a-f]{7,})$", reference)
        known = commit.group(1)[:SHORT] if commit else text_of(entry.checksum)[-SHORT:]
        pin = f"#{known}" if known else ""
    return f"{name}@{text_of(entry.version)}{pin}"


def _patches(entries: Mapping[str, Entry], draft: Draft) -> dict[str, list[int]]:
    """The patched packages by the paths of their patches."""
    patches: dict[str, list[int]] = {}
    for key, entry in entries.items():
        _, found, inner = entry.resolution.partition("@patch:")
        patch, _, binding = inner.partition("#")[2].partition("::")
        for path in patch.split("&") if found else ():
            if normal := _patch_path(unquote(path), binding):
                patches.setdefault(normal, []).append(draft.numbers[key])
    return patches


def _patch_path(path: str, binding: str) -> str:
    """Where a patch lies, from the root; empty for one that is no file of the repository."""
    path = path.removeprefix("optional!")
    if not path or "builtin<" in path or path.startswith("/"):
        return ""
    if path.startswith("~/"):
        return posixpath.normpath(path.removeprefix("~/"))
    # Otherwise it starts at the package that asks for it.
    asking = re.search(r"(?:^|&)locator=[^&]*?%40workspace%3A([^&]*)", binding)
    return posixpath.normpath(posixpath.join(unquote(asking.group(1)) if asking else "", path))
