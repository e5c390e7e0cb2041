"""Where in the worktree the lock files lie that say what belongs into an environment."""

from __future__ import annotations

import os
import posixpath
from functools import cached_property

from bao_core.answers import witness_of
from bao_workspace_python.paths import relative

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_workspace_python.locks.table import LockTable

NAMES = ("uv.lock", "poetry.lock", "pdm.lock")
PORTABLE = "pylock.toml"


class LockPlace:
    """A directory with lock files, parsed only if somebody needs them, and once.

    Args:
        root: The workspace's root directory.
        directory: From the root.
        names: Of the lock files.
        state_dir: Where lock files are remembered.
    """

    def __init__(self, root: str, directory: str, names: tuple[str, ...], state_dir: str) -> None:
        self.directory = directory
        self.names = names
        self._root = root
        self._state_dir = state_dir

    @property
    def path(self) -> str:
        """The directory, absolute."""
        return os.path.join(self._root, self.directory) if self.directory else self._root

    def witness(self) -> str | None:
        """Text that differs when a lock file may be another one."""
        return witness_of(*(os.path.join(self.path, name) for name in self.names))

    @cached_property
    def table(self) -> LockTable | None:
        """The lock files; None where one of them is broken."""
        from bao_core.closures import LockBrokenError
        from bao_workspace_python.locks import lock_memory
        from bao_workspace_python.locks.reading import FoundLocks
        from bao_workspace_python.locks.remembered import RememberedLock

        try:
            files = FoundLocks({name: self._content(name) for name in self.names})
            return RememberedLock(files, None, lock_memory(self._state_dir)).table
        except (OSError, LockBrokenError):
            return None

    def inside(self, directory: str) -> str:
        """A directory of the workspace, as the lock files name it."""
        return relative(directory, self.directory)

    def _content(self, name: str) -> bytes:
        with open(os.path.join(self.path, name), "rb") as stream:
            return stream.read()


class LockPlaces:
    """Finds the lock files that are nearest to a directory, each once.

    Args:
        root: The workspace's root directory.
        state_dir: Where lock files are remembered.
    """

    def __init__(self, root: str, state_dir: str) -> None:
        self._root = root
        self._state_dir = state_dir
        self._known: dict[str, LockPlace | None] = {}

    def nearest(self, directory: str) -> LockPlace | None:
        """The lock files in a directory, else those nearest above; None where there are none."""
        try:
            return self._known[directory]
        except KeyError:
            pass
        found = self._at(directory)
        if found is None and directory:
            found = self.nearest(posixpath.dirname(directory))
        self._known[directory] = found
        return found

    def _at(self, directory: str) -> LockPlace | None:
        above = f"{self._root}/{directory}/" if directory else f"{self._root}/"
        names = tuple(name for name in NAMES if os.access(above + name, os.F_OK))
        if not names and os.access(above + PORTABLE, os.F_OK):
            names = (PORTABLE,)
        return LockPlace(self._root, directory, names, self._state_dir) if names else None
