"""Reading `uv.lock`: who depends on whom, and what each member can reach outside the workspace."""

from __future__ import annotations

import posixpath
import re
import tomllib
from itertools import compress
from typing import Any

import msgspec
from msgspec import Struct

from bao_core.digests import hash_text
from bao_workspace_python.manifest import toml_mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

LOCK_FILE = "uv.lock"
FORMAT = 1
"""The version of the lock file's format that is understood."""

_DIGITS = bytes.maketrans(b"01", b"\0\1")
_HEADER = "\n[[package]]\n"
_TEXT = r'"[^"\\\n]*"'
_ARTEFACT = re.compile(
    rf"^(?:sdist = |    )\{{ (?:url|path|filename) = {_TEXT}(?:, hash = {_TEXT})?"
    rf"(?:, size = \d+)?(?:, upload-time = {_TEXT})? \}},?\n",
    re.MULTILINE,
)
"""A line that describes one artefact, in exactly the form in which uv writes it."""


class LockBrokenError(Exception):
    """The lock file cannot be used; the text says where and why."""


class LockedDependency(Struct, frozen=True):
    """An edge of the lock file."""

    name: str
    version: str = ""
    source: dict[str, Any] = {}
    extra: list[str] = []


class LockedPackage(Struct, frozen=True, rename="kebab"):
    """One `[[package]]` of the lock file."""

    name: str
    version: str = ""
    source: dict[str, Any] = {}
    dependencies: list[LockedDependency] = []
    optional_dependencies: dict[str, list[LockedDependency]] = {}
    dev_dependencies: dict[str, list[LockedDependency]] = {}

    @property
    def directory(self) -> str | None:
        """Where it lies in the workspace; None for what is installed from elsewhere."""
        for kind in ("editable", "virtual", "directory"):
            if isinstance(path := self.source.get(kind), str):
                normal = posixpath.normpath(path)
                return "" if normal == "." else normal
        return None

    def declared(self) -> Iterator[tuple[str, LockedDependency]]:
        """Its edges, each with its kind."""
        for dependency in self.dependencies:
            yield "runtime", dependency
        for dependencies in self.dev_dependencies.values():
            for dependency in dependencies:
                yield "group", dependency
        for dependencies in self.optional_dependencies.values():
            for dependency in dependencies:
                yield "extra", dependency


class LockManifest(Struct, frozen=True, rename="kebab"):
    """`[manifest]`: what the root asks for where it is no package itself."""

    requirements: list[LockedDependency] = []
    dependency_groups: dict[str, list[LockedDependency]] = {}


class _Document(Struct, frozen=True):
    version: int
    package: list[LockedPackage] = []
    manifest: LockManifest = LockManifest()


class UvLock:
    """A lock file, ready to be asked.

    Args:
        document: The decoded file.
        digests: What identifies each package, its artefacts included, in the file's order.
        members: The directories of the workspace's packages; None for all that the file places in
            the workspace.
    """

    def __init__(
        self, document: _Document, digests: list[str], members: Iterable[str] | None
    ) -> None:
        within = None if members is None else set(members)
        self._packages = document.package
        self._manifest = document.manifest
        self._by_name: dict[str, list[int]] = {}
        self._members: dict[int, str] = {}
        for index, package in enumerate(document.package):
            self._by_name.setdefault(package.name, []).append(index)
            directory = package.directory
            if directory is not None and (within is None or directory in within):
                self._members[index] = directory
        self._by_directory = {directory: index for index, directory in self._members.items()}
        self._digests = digests
        self._labels = [_label(p, digests[i]) for i, p in enumerate(document.package)]
        # Bit i of a mask stands for the i-th package in the order of the labels, so that what a
        # mask holds comes out sorted.
        self._order = sorted(range(len(self._labels)), key=self._labels.__getitem__)
        self._bits = {index: 1 << bit for bit, index in enumerate(self._order)}
        self._masks = self._reach()

    def directories(self) -> list[str]:
        """The members that stand in the lock file, sorted."""
        return sorted(self._by_directory)

    def knows(self, directory: str) -> bool:
        """Whether a member stands in the lock file."""
        return directory in self._by_directory

    def edges(self, directory: str) -> Iterator[tuple[str, str]]:
        """Kinds and directories of the members that a member depends on."""
        for kind, dependency in self._declared(directory):
            for index in self._candidates(dependency):
                if index in self._members:
                    yield kind, self._members[index]

    def closure(self, directory: str) -> int:
        """Everything outside the workspace that a member can reach, as a mask.

        With all its extras and groups, in any environment; other members are not entered.
        """
        return self._reached(dependency for _, dependency in self._declared(directory))

    def reached_by(self, name: str, extras: Iterable[str]) -> int | None:
        """The same for a requirement; None where the lock file does not know the name."""
        if name not in self._by_name:
            return None
        return self._reached([LockedDependency(name, extra=list(extras))])

    def labels(self, mask: int) -> tuple[str, ...]:
        """`name@version` of what a mask holds, sorted."""
        return tuple(dict.fromkeys(self._labels[index] for index in self._held(mask)))

    def digest(self, mask: int) -> str:
        """A digest over what a mask holds: versions, artefacts, sources and markers."""
        # The digests are all of one length, so that joining them is no ambiguity.
        return hash_text("".join([self._digests[index] for index in self._held(mask)]))

    def entry_digest(self, directory: str) -> str:
        """A digest over a member's own entry; empty where it has none."""
        own = self._by_directory.get(directory)
        return "" if own is None else self._digests[own]

    def versions(self, mask: int) -> dict[str, set[str]]:
        """Versions by name of what a mask holds."""
        found: dict[str, set[str]] = {}
        for index in self._held(mask):
            package = self._packages[index]
            found.setdefault(package.name, set()).add(package.version)
        return found

    def where(self, wanted: Callable[[str, set[str]], bool]) -> int:
        """The packages from outside whose name and versions somebody wants, as a mask."""
        mask = 0
        for name, indexes in self._by_name.items():
            outside = [index for index in indexes if index not in self._members]
            if outside and wanted(name, {self._packages[index].version for index in outside}):
                for index in outside:
                    mask |= self._bits[index]
        return mask

    def _held(self, mask: int) -> Iterable[int]:
        return compress(self._order, f"{mask:b}"[::-1].encode().translate(_DIGITS))

    def _declared(self, directory: str) -> Iterator[tuple[str, LockedDependency]]:
        if (index := self._by_directory.get(directory)) is not None:
            yield from self._packages[index].declared()
        elif not directory:
            for dependency in self._manifest.requirements:
                yield "runtime", dependency
            for dependencies in self._manifest.dependency_groups.values():
                for dependency in dependencies:
                    yield "group", dependency

    def _candidates(self, dependency: LockedDependency) -> list[int]:
        """The packages that an edge may mean: one name may stand there in several versions."""
        found = self._by_name.get(dependency.name, [])
        if len(found) < 2:  # noqa: PLR2004 - nothing to choose from
            return found
        return [
            index
            for index in found
            if (not dependency.version or self._packages[index].version == dependency.version)
            and (not dependency.source or self._packages[index].source == dependency.source)
        ]

    def _reached(self, dependencies: Iterable[LockedDependency]) -> int:
        mask = 0
        for dependency in dependencies:
            for node in self._nodes(dependency):
                mask |= self._masks.get(node, 0)
        return mask

    def _nodes(self, dependency: LockedDependency) -> Iterator[tuple[int, str]]:
        for index in self._candidates(dependency):
            yield index, ""
            for extra in dependency.extra:
                yield index, extra

    def _reach(self) -> dict[tuple[int, str], int]:
        """What every package and every extra of one can reach, itself included, as masks."""
        masks: dict[tuple[int, str], int] = {}
        successors: list[tuple[tuple[int, str], list[tuple[int, str]]]] = []
        for index, package in enumerate(self._packages):
            if index in self._members:
                continue
            tables: dict[str, list[LockedDependency]] = {
                "": package.dependencies,
                **package.optional_dependencies,
            }
            for extra, dependencies in tables.items():
                masks[index, extra] = self._bits[index]
                following = [node for d in dependencies for node in self._nodes(d)]
                successors.append(((index, extra), following))
        return _settled(masks, successors)


def _settled(
    masks: dict[tuple[int, str], int],
    successors: list[tuple[tuple[int, str], list[tuple[int, str]]]],
) -> dict[tuple[int, str], int]:
    """Pass what each node reaches on to those before it, until nothing changes.

    Going through the nodes forwards and backwards in turn, a few rounds are enough, and cycles
    need no care.
    """
    changed = True
    while changed:
        changed = False
        for node, following in successors:
            mask = masks[node]
            for successor in following:
                mask |= masks.get(successor, 0)
            if mask != masks[node]:
                masks[node] = mask
                changed = True
        successors.reverse()
    return masks


def read_lock(data: bytes, members: Iterable[str] | None = None) -> UvLock:
    """Decode a lock file.

    Args:
        data: Its content.
        members: The directories of the workspace's packages; None for all that the file places in
            the workspace.

    Raises:
        LockBrokenError: It is no lock file of uv in a format that is understood.
    """
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LockBrokenError(f"{LOCK_FILE}:{line}: is not UTF-8") from None
    try:
        raw = _parsed(text)
        version = raw.get("version")
        if version != FORMAT:
            raise LockBrokenError(f"{LOCK_FILE}: has format version {version}, not {FORMAT}")
        document = msgspec.convert(raw, _Document)
    except tomllib.TOMLDecodeError as error:
        line, reason = toml_mistake(text, error)
        raise LockBrokenError(f"{LOCK_FILE}:{line}: is not TOML: {reason}") from None
    except msgspec.ValidationError as error:
        raise LockBrokenError(f"{LOCK_FILE}: {error}") from None
    return UvLock(document, _digests(text, raw), members)


def _parsed(text: str) -> dict[str, Any]:
    """The document without its artefacts, which are most of it and which nothing here reads.

    Leaving them out before parsing is five times as fast. Only lines are left out that are
    complete in themselves; anything that does not parse then is parsed as it stands.
    """
    if '"""' not in text and "'''" not in text:
        try:
            return tomllib.loads(_ARTEFACT.sub("", text))
        except tomllib.TOMLDecodeError:
            pass
    return tomllib.loads(text)


def _digests(text: str, raw: Mapping[str, Any]) -> list[str]:
    """What identifies each package: its part of the file, with artefacts, source and markers."""
    packages = raw.get("package", [])
    parts = text.split(_HEADER)[1:]
    if len(parts) == len(packages):
        return [hash_text(part.strip()) for part in parts]
    # Not in the form in which uv writes it: no telling the parts apart, so all of it counts.
    return [hash_text(text)] * len(packages)


def _label(package: LockedPackage, digest: str) -> str:
    """`name@version`, and what pins it where a version does not."""
    source = package.source
    if isinstance(repository := source.get("git"), str):
        return f"{package.name}@{package.version}#{repository.rpartition('#')[2][:12]}"
    if "url" in source or "path" in source:
        return f"{package.name}@{package.version}#{digest[:12]}"
    return f"{package.name}@{package.version or package.directory or ''}"
