"""Which lock files a directory has, and reading them."""

from __future__ import annotations

import posixpath
import re

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bao_core.model import FileTree
    from bao_workspace_python.locks.records import LockContent

MANAGED = ("uv.lock", "poetry.lock", "pdm.lock")
"""What package managers keep, in the order in which messages name them."""
PORTABLE = re.compile(r"pylock(?:\.[^.]+)?\.toml")
"""The names that PEP 751 gives a lock file."""


class FoundLocks(Struct, frozen=True):
    """The lock files of a directory.

    Attributes:
        files: Their content by path from the root of the workspace; what requirements files
            include is among them.
        whole: Whether they are requirements files.
        notes: Warnings for the user, one sentence each.
    """

    files: dict[str, bytes]
    whole: bool = False
    notes: tuple[str, ...] = ()


def find_locks(tree: FileTree, directory: str) -> FoundLocks:
    """The lock files that count in a directory; none where there are none."""
    first = posixpath.join(directory, MANAGED[0])
    data = tree.read(first)
    names = None if data is not None else tree.entries(directory)
    files = {} if data is None else {first: data}
    for name in MANAGED[1:]:
        # One listing of a directory without lock files is remembered in place of all its absences.
        if names is None or name in names:
            path = posixpath.join(directory, name)
            if (data := tree.read(path)) is not None:
                files[path] = data
    if files:
        return FoundLocks(files, notes=_note(files))
    return _portable(tree, directory, names or {})


def _portable(tree: FileTree, directory: str, names: Mapping[str, bool]) -> FoundLocks:
    """The lock files that no package manager keeps."""
    from bao_workspace_python.locks.requirements import find_requirements, with_included

    files: dict[str, bytes] = {}
    for name in sorted(names):
        if PORTABLE.fullmatch(name):
            path = posixpath.join(directory, name)
            if (data := tree.read(path)) is not None:
                files[path] = data
    if files:
        return FoundLocks(files)
    return FoundLocks(with_included(tree, find_requirements(tree, directory, names)), whole=True)


def read_contents(found: FoundLocks) -> list[LockContent]:
    """Read the lock files of a directory.

    Raises:
        LockBrokenError: One of them cannot be used.
    """
    if found.whole:
        from bao_workspace_python.locks.requirements import read_requirements

        return [read_requirements(found.files)]
    return [read_content(path, data) for path, data in found.files.items()]


def read_content(path: str, data: bytes) -> LockContent:
    """Read one lock file, of the format that its name tells.

    Raises:
        LockBrokenError: It cannot be used.
    """
    match posixpath.basename(path):
        case "uv.lock":
            from bao_workspace_python.locks.uv import read_uv

            return read_uv(path, data)
        case "poetry.lock":
            from bao_workspace_python.locks.poetry import read_poetry

            return read_poetry(path, data)
        case "pdm.lock":
            from bao_workspace_python.locks.pdm import read_pdm

            return read_pdm(path, data)
        case _:
            from bao_workspace_python.locks.pylock import read_pylock

            return read_pylock(path, data)


def _note(files: Collection[str]) -> tuple[str, ...]:
    if len(files) < 2:  # noqa: PLR2004 - nothing to wonder about
        return ()
    names = " and ".join(posixpath.basename(path) for path in files)
    where = posixpath.dirname(next(iter(files))) or "the root"
    return (f"{names} both lie in {where}; a change in either counts",)
