"""Lock files: what loading asks of them, and which of them a directory has.

A lock file speaks for the packages of one *project*: a uv workspace with its members, or a single
package of any tool. All directories that a lock gives and takes are relative to the directory in
which the lock file lies, normalised, and may begin with `..`; the directory itself is the empty
string. Whoever loads translates.
"""

from __future__ import annotations

import os

from msgspec import Struct

from bao_core.closures import ClosureMemory, LockBrokenError
from bao_core.digests import hash_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bao_core.model import FileTree
    from bao_workspace_python.locks.remembered import RememberedLock

LOCK_NAMES = frozenset({"uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"})
"""Names of the files that make a directory the place where packages are locked."""

REQUIREMENTS = "requirements.txt"
"""The same, where there is no other such place."""

DEFAULT_LOCK = "uv.lock"
"""The lock file that a workspace without one would have."""


class LockFiles(Struct, frozen=True):
    """What the lock files of one directory say.

    Attributes:
        paths: The files that were read, from the root of the workspace.
        lock: None where there is none that can be used.
        broken: Why one that is there cannot be used: a clause that begins with its place.
        digest: Over the bytes of everything that counts and that `lock` does not speak for; empty
            where there is nothing of the kind.
        notes: Warnings for the user, one sentence each.
    """

    paths: tuple[str, ...] = ()
    lock: RememberedLock | None = None
    broken: str = ""
    digest: str = ""
    notes: tuple[str, ...] = ()


def lock_memory(state_dir: str | None) -> ClosureMemory:
    """What is remembered of lock files below the state directory of components."""
    directory = None if state_dir is None else os.path.join(state_dir, "python-locks")
    # Three files are kept for each: all of it, what concerns every member, and single closures.
    return ClosureMemory(directory, os.path.dirname(__file__), keep=24)


def read_locks(
    tree: FileTree,
    directory: str,
    members: Iterable[str],
    memory: ClosureMemory | None = None,
) -> LockFiles:
    """Read the lock files that lie in a directory.

    All that the package managers keep count together. A `pylock.toml`, or requirements files,
    count where there is none of them: beside one they are exports of it, and ordinary files.

    Args:
        tree: The files of the workspace.
        directory: From the root of the workspace.
        members: The packages that it speaks for, relative to the directory.
        memory: What was read before, by content.
    """
    from bao_workspace_python.locks.reading import find_locks
    from bao_workspace_python.locks.remembered import RememberedLock

    found = find_locks(tree, directory)
    if not found.files:
        return LockFiles()
    lock = RememberedLock(found, sorted(members), memory or lock_memory(None))
    try:
        lock.check()
        return LockFiles(tuple(found.files), lock, notes=found.notes)
    except LockBrokenError as error:
        everything = (part for path, data in found.files.items() for part in (path, data.hex()))
        return LockFiles(tuple(found.files), None, str(error), hash_text(*everything), found.notes)
