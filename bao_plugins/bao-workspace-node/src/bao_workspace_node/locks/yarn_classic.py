"""`yarn.lock` of Yarn 1, a format of its own."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, field

from bao_core.digests import hash_text
from bao_workspace_node.locks.table import SHORT, Draft, LockSource, LockTable, name_of
from bao_workspace_node.locks.yarn import Resolutions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WORD = r'(?:"((?:[^"\\]|\\.)*)"|([^\s,:"][^\s,"]*))'
_HEADER = re.compile(rf"{_WORD}(?:, {_WORD})*:")
_PATTERN = re.compile(_WORD)
_FIELD = re.compile(rf"{_WORD} {_WORD}")


FIELD = 2
"""How many spaces stand before a field of a package."""


class Entry(Struct):
    """What one or more patterns (`name@range`) are locked to."""

    patterns: list[str]
    fields: dict[str, str] = field(default_factory=dict)
    needs: list[tuple[str, str]] = field(default_factory=list)


class Lock(LockTable, frozen=True):
    """Yarn's lock file; the index holds patterns, and names for what is resolved otherwise."""

    def find(self, directory: str, package: str, name: str, specification: str) -> list[int] | None:
        """See `LockTable.find`."""
        del directory, package
        found = self.index.get(f"{name}@{specification}")
        return self.index.get(name) if found is None else found


def asks(source: LockSource) -> Sequence[str]:
    """What the root resolves otherwise: the lock file does not say it."""
    return [f"{name}\n{version}" for name, version in sorted(source.resolutions.items())]


def read(source: LockSource) -> Lock:
    """Read the lock file; see `read_lock`."""
    entries = list(_entries(source))
    draft = Draft(str(number) for number in range(len(entries)))
    index: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        for pattern in entry.patterns:
            index[pattern] = [number]
            same_name = index.setdefault(name_of(pattern), [])
            if number not in same_name:
                same_name.append(number)
    resolutions = Resolutions(source.resolutions, index)
    for number, entry in enumerate(entries):
        draft.put(
            str(number),
            _label(entry),
            [entry.fields, entry.needs],
            [n for name, range_ in entry.needs for n in resolutions.nodes(name, range_)],
        )
    return Lock(f"{source.path} 1", *draft.tables(), resolutions.index(), {})


def _label(entry: Entry) -> str:
    pattern = entry.patterns[0]
    name = name_of(pattern)
    range_ = pattern[len(name) + 1 :]
    if range_.startswith("npm:"):
        name = name_of(range_.removeprefix("npm:"))
    source = entry.fields.get("resolved", "")
    commit = source.rpartition("#")[2]
    # A registry's link ends in a hash as well, which a new one need not have.
    pin = "" if not commit or ".tgz#" in source or "#" not in source else f"#{commit[:SHORT]}"
    if "resolved" not in entry.fields and "integrity" not in entry.fields:
        pin = f"#{hash_text(pattern)[:SHORT]}"
    return f"{name}@{entry.fields.get('version', '')}{pin}"


def _entries(source: LockSource) -> Iterator[Entry]:
    entry: Entry | None = None
    table = ""
    for number, depth, line in _lines(source.text()):
        if depth == 0:
            if entry is not None:
                yield entry
            entry, table = Entry(_patterns(source, line, number)), ""
        elif entry is None:
            raise source.broken("a field stands before the first package", number)
        elif depth == FIELD and line.endswith(":"):
            table = line[:-1]
        elif depth == FIELD:
            name, value = _pair(source, line, number)
            entry.fields[name] = value
        elif table in {"dependencies", "optionalDependencies"}:
            entry.needs.append(_pair(source, line, number))
    if entry is not None:
        yield entry


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Number, depth in spaces and text of each line that says something."""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip()
        stripped = line.lstrip(" ")
        if stripped and not stripped.startswith("#"):
            yield number, len(line) - len(stripped), stripped


def _patterns(source: LockSource, line: str, number: int) -> list[str]:
    if not _HEADER.fullmatch(line):
        raise source.broken("is no lock file of Yarn: here a package should begin", number)
    return [_unquoted(found) for found in _PATTERN.finditer(line[:-1])]


def _pair(source: LockSource, line: str, number: int) -> tuple[str, str]:
    name, _, value = line.partition(" ")
    if '"' not in line and name and value and " " not in value:
        return name, value
    found = _FIELD.fullmatch(line)
    if found is None:
        raise source.broken("is no lock file of Yarn: here a name and a value should be", number)
    words: list[Any] = list(found.groups())
    return _plain(words[0], words[1]), _plain(words[2], words[3])


def _unquoted(found: re.Match[str]) -> str:
    return _plain(found.group(1), found.group(2))


def _plain(quoted: str | None, bare: str | None) -> str:
    return (bare or "") if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
