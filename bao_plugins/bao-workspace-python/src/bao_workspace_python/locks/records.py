"""What the readers of lock files hand over: one form for all formats."""

from __future__ import annotations

import posixpath
import re

import msgspec
from msgspec import Struct

from bao_core.digests import hash_text
from bao_workspace_python.names import normalise

EVERYTHING = "*"
"""The name of an edge that may lead anywhere."""

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[([^\]]*)\])?")
_ADDRESS = re.compile(r"\s*(?:-e\b|--editable\b|[A-Za-z+]+://|[a-z]+\+|\.{0,2}/)")


class Edge(Struct, frozen=True, gc=False):
    """What an entry asks for; several entries may answer.

    Attributes:
        name: Normalised, or `EVERYTHING`.
        extras: Normalised.
        version: Empty where the edge does not choose.
        source: The same, as `Entry.source` has it.
    """

    name: str
    extras: tuple[str, ...] = ()
    version: str = ""
    source: str = ""


class Entry(Struct, frozen=True):
    """Something that a lock file holds.

    Markers never keep anything out: a key belongs to one machine, and what is affected does not.

    Attributes:
        name: Normalised.
        label: `name@version`, and what pins it where a version does not.
        identity: Text that differs when anything that the file says of it does.
        tables: Its edges by extra; those of the entry itself stand under the empty string.
        groups: Edges of its dependency groups, which count for members only.
        directory: Where it lies, relative to the lock file; None for what is installed from
            elsewhere.
        source: Where it comes from, to tell entries of one name and version apart.
    """

    name: str
    version: str
    label: str
    identity: str
    tables: dict[str, list[Edge]] = {}
    groups: list[Edge] = []
    directory: str | None = None
    source: str = ""


class LockContent(Struct, frozen=True):
    """What one lock file holds.

    Attributes:
        own: What the project asks for, edges by kind, where the file says so and has no entry for
            it; None where a file holds nothing but what the project needs and does not say how.
        traced: Whether entries say what they need. Otherwise everything counts for every package.
    """

    entries: list[Entry]
    own: dict[str, list[Edge]] | None = None
    traced: bool = True


def requirement_edge(text: str) -> Edge:
    """What a requirement asks for, given as pip or a tool writes it."""
    if (egg := _EGG.search(text)) and _ADDRESS.match(text):
        return Edge(normalise(egg.group(1)), names_in(egg.group(2)))
    found = None if _ADDRESS.match(text) else _REQUIREMENT.match(text)
    if found is None:
        return Edge(EVERYTHING)
    return Edge(normalise(found.group(1)), names_in(found.group(2)))


def names_in(listed: str | None) -> tuple[str, ...]:
    """The names in a list with commas, normalised and sorted."""
    names = (name.strip() for name in (listed or "").split(","))
    return tuple(sorted({normalise(name) for name in names if name}))


def identity_of(*content: object) -> str:
    """Text that differs when some decoded content does, whatever the order of its keys."""
    try:
        return msgspec.json.encode(content, order="deterministic").decode()
    except (OverflowError, TypeError, ValueError):
        return repr(content)


def label_of(name: str, version: str, *, commit: str = "", pinned_by: str = "") -> str:
    """`name@version`, and what pins it where a version does not.

    Args:
        name: Normalised.
        version: Empty where there is none.
        commit: Of what comes from a repository.
        pinned_by: The identity of what comes from a file or an address.
    """
    if commit:
        return f"{name}@{version}#{commit[:12]}"
    if pinned_by:
        return f"{name}@{version}#{hash_text(pinned_by)[:12]}"
    return f"{name}@{version}"


def local_directory(path: str) -> str | None:
    """A directory relative to the lock file; None where it is given in another way."""
    path = path.removeprefix("file://").replace("\\", "/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return None
    normal = posixpath.normpath(path)
    return "" if normal == "." else normal
