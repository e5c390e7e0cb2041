"""Reading npm's lock file: what each package can reach outside the workspace."""

from __future__ import annotations

import posixpath
from itertools import compress
from typing import Any

import msgspec
from msgspec import Struct

from bao_core.digests import hash_text
from bao_workspace_node.manifest import BYTE_ORDER_MARK, json_mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = "node_modules"
_DIGITS = bytes.maketrans(b"01", b"\0\1")
FORMATS = frozenset({2, 3})
"""The versions of the lock file's format that list packages by where they are installed."""


class LockBrokenError(Exception):
    """The lock file cannot be used; the text says where and why."""


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
    peer_dependencies: dict[str, Any] | None = None

    def needs(self) -> Iterator[str]:
        """The names of what it looks for when it is loaded."""
        for table in (self.dependencies, self.optional_dependencies, self.peer_dependencies):
            yield from table or ()


class LockDocument(Struct, frozen=True, rename="camel"):
    """A lock file, or the record of what npm installed, which has the same form."""

    lockfile_version: int = 1
    packages: dict[str, LockedPackage] | None = None


class NpmLock:
    """A lock file, ready to be asked.

    Args:
        packages: What is installed, by place.
        members: The directories of the workspace's packages.
    """

    def __init__(self, packages: dict[str, LockedPackage], members: Iterable[str]) -> None:
        self._packages = packages
        self._members = {*members, ""}
        self._places = sorted(
            (place for place, p in packages.items() if not p.link and place not in self._members),
            key=lambda place: label_of(place, packages[place]),
        )
        self._labels = [label_of(place, packages[place]) for place in self._places]
        self._digests = [_digest(place, packages[place]) for place in self._places]
        # Bit i of a mask stands for the i-th place in the order of the labels, so that what a mask
        # holds comes out sorted.
        self._bits = {place: 1 << bit for bit, place in enumerate(self._places)}
        self._masks = self._reach()

    def closure(self, directory: str, names: Iterable[str]) -> tuple[int, set[str]]:
        """Everything outside the workspace that a package can reach.

        Args:
            directory: Of the package.
            names: What it depends on. Other packages of the workspace are not entered.

        Returns:
            A mask, and the names that the lock file does not know.
        """
        mask = 0
        unknown: set[str] = set()
        for name in names:
            place = self._found_from(directory, name)
            if place is None:
                unknown.add(name)
            else:
                mask |= self._masks.get(place, 0)
        return mask, unknown

    def labels(self, mask: int) -> tuple[str, ...]:
        """`name@version` of what a mask holds, sorted."""
        return tuple(dict.fromkeys(compress(self._labels, _bits_of(mask))))

    def digest(self, mask: int) -> str:
        """A digest over what a mask holds: places, versions, sources and content hashes."""
        # The digests are all of one length, so that joining them is no ambiguity.
        return hash_text("".join(compress(self._digests, _bits_of(mask))))

    def _found_from(self, place: str, name: str) -> str | None:
        """Where Node finds a package, looking from a place: in the nearest folder upwards."""
        parts = place.split("/") if place else []
        for end in range(len(parts), -1, -1):
            candidate = "/".join([*parts[:end], FOLDER, name])
            found = self._packages.get(candidate)
            if found is not None:
                return _target(found) if found.link else candidate
        return None

    def _reach(self) -> dict[str, int]:
        """What every place can reach, itself included, as masks."""
        masks = dict(self._bits)
        successors: list[tuple[str, list[str]]] = []
        for place in self._places:
            found = (self._found_from(place, name) for name in self._packages[place].needs())
            successors.append((place, [p for p in found if p is not None and p in self._bits]))
        # What each place reaches is passed on to those before it, until nothing changes. Going
        # forwards and backwards in turn, a few rounds are enough, and cycles need no care.
        changed = True
        while changed:
            changed = False
            for place, following in successors:
                mask = masks[place]
                for successor in following:
                    mask |= masks[successor]
                if mask != masks[place]:
                    masks[place] = mask
                    changed = True
            successors.reverse()
        return masks


def decode_lock(path: str, data: bytes) -> LockDocument:
    """Decode a lock file, or the record of what npm installed.

    Raises:
        LockBrokenError: It is no JSON, or not of the form that npm writes.
    """
    text = data.removeprefix(BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(text, type=LockDocument)
    except msgspec.ValidationError as error:
        raise LockBrokenError(f"{path}: {error}") from None
    except ValueError as error:
        line, reason = json_mistake(text, error)
        raise LockBrokenError(f"{path}:{line}: is not JSON: {reason}") from None


def label_of(place: str, package: LockedPackage) -> str:
    """`name@version`, and what pins it where a version does not."""
    name = package.name or place.rpartition(f"{FOLDER}/")[2]
    source = package.resolved if isinstance(package.resolved, str) else ""
    pin = ""
    if source.startswith("git"):
        pin = "#" + source.rpartition("#")[2][:12]
    elif source.startswith("file:"):
        pin = "#" + hash_text(package.integrity or "")[:12]
    return f"{name}@{package.version or ''}{pin}"


def _digest(place: str, package: LockedPackage) -> str:
    return hash_text(
        place, package.version or "", str(package.resolved or ""), package.integrity or ""
    )


def _target(link: LockedPackage) -> str:
    target = posixpath.normpath(link.resolved) if isinstance(link.resolved, str) else "."
    return "" if target == "." else target


def _bits_of(mask: int) -> bytes:
    """The bits of a mask, the lowest first, as bytes that are 0 or 1."""
    return f"{mask:b}"[::-1].encode().translate(_DIGITS)
