"""Paths that cannot lead astray: what an output may be called, and opening without following links.

A name from a cache entry is somebody else's word, and a worktree may hold links that somebody
planted. So names are checked before they are used, and every component of a path is opened from
its parent's descriptor, as a directory and never through a symbolic link.
"""

from __future__ import annotations

import errno
import os
import stat

from bao_core.errors import OutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO must not block
_NOT_A_DIRECTORY = frozenset({errno.ENOTDIR, errno.ELOOP})

FILE, LINK, DIRECTORY, SPECIAL = "file", "link", "directory", "special"
"""What can stand at a path."""


def check_output_path(path: str) -> str | None:
    """What is wrong with the path of an output, as a clause; None for a good one."""
    if not path:
        return "is empty"
    if "\0" in path:
        return "holds a NUL character"
    for name in path.split("/"):
        if name in {"", ".", ".."}:
            return "is not a plain path from the workspace root"
        if name.lower() == ".git":
            return "lies in a git directory"
    return None


def check_link(path: str, target: str) -> str | None:
    """What is wrong with a symbolic link, as a clause; None for one that stays in the workspace.

    `..` is allowed only at the start of the text, where it climbs out of directories that are
    known to be real. Behind a name it could climb from wherever another link leads.

    Args:
        path: Where it stands, from the workspace root.
        target: Its text.
    """
    if not target or "\0" in target:
        return "has no target that could exist"
    if target.startswith("/"):
        return f"points to the absolute path {target}"
    names = [name for name in target.split("/") if name not in {"", "."}]
    climbs = 0
    while climbs < len(names) and names[climbs] == "..":
        climbs += 1
    if ".." in names[climbs:]:
        return f"points through a name and back, to {target}"
    depth = path.count("/")
    if climbs > depth:
        return f"points out of the workspace, to {target}"
    if any(name.lower() == ".git" for name in names):
        return f"points into a git directory, to {target}"
    return None


def kind_of(mode: int) -> str:
    """What a mode says stands there: `FILE`, `LINK`, `DIRECTORY` or `SPECIAL`."""
    if stat.S_ISREG(mode):
        return FILE
    if stat.S_ISDIR(mode):
        return DIRECTORY
    return LINK if stat.S_ISLNK(mode) else SPECIAL


def describe_special(mode: int) -> str:
    """What to call a file that holds no content of its own."""
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a FIFO" if stat.S_ISFIFO(mode) else "a device"


class SafeTree:
    """A directory whose paths are walked without following links. Not for several threads.

    The directories of the longest of the last paths stay open, so that going through sorted paths
    opens each directory once and never holds more of them than the tree is deep.

    Raises, from all methods that take a path:
        OutputError: A component of it is not a directory.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._names: list[str] = []
        self._descriptors: list[int] = []
        self._last: str | None = None
        """The path that all of `_names` make, which is asked for most."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()
        os.close(self._root)

    def forget(self) -> None:
        """Close every directory but the root, such as before one is removed."""
        self._cut(0)

    def directory(self, path: str, *, make: bool = False) -> int:
        """A descriptor of a directory; valid until the next call.

        Args:
            path: From the root; empty for the root itself.
            make: Make what is missing of it.

        Raises:
            FileNotFoundError: It is not there.
        """
        if path == self._last:
            return self._descriptors[-1]
        if not path:
            return self._root
        names = path.split("/")
        if names == self._names[: len(names)]:
            return self._descriptors[len(names) - 1]
        common = 0
        for name, known in zip(names, self._names, strict=False):
            if name != known:
                break
            common += 1
        self._cut(common)
        for index in range(common, len(names)):
            above = self._descriptors[-1] if self._descriptors else self._root
            descriptor = self._open(above, names, index, make=make)
            self._names.append(names[index])
            self._descriptors.append(descriptor)
        self._last = path
        return self._descriptors[-1]

    def place(self, path: str, *, make: bool = False) -> tuple[int, str]:
        """The descriptor of a path's parent directory, and its last name."""
        parent, _, name = path.rpartition("/")
        return self.directory(parent, make=make), name

    def lstat(self, path: str) -> os.stat_result | None:
        """What stands at a path; None for nothing, or where something above is no directory."""
        try:
            descriptor, name = self.place(path)
            return os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except (FileNotFoundError, OutputError):
            return None

    def obstacle(self, path: str) -> str | None:
        """The first component above a path that exists and is no directory."""
        try:
            self.place(path)
        except FileNotFoundError:
            return None
        except OutputError:
            pass
        else:
            return None
        at = path.find("/")
        while at >= 0:
            found = self.lstat(path[:at])
            if found is None:
                return None
            if not stat.S_ISDIR(found.st_mode):
                return path[:at]
            at = path.find("/", at + 1)
        return None

    def open_file(self, path: str) -> int:
        """A descriptor of a file to read; of anything else only if it can be opened so.

        Raises:
            OSError: ELOOP for a symbolic link.
        """
        descriptor, name = self.place(path)
        return os.open(name, _FILE, dir_fd=descriptor)

    def read_link(self, path: str) -> str:
        """The text of a symbolic link."""
        descriptor, name = self.place(path)
        return os.readlink(name, dir_fd=descriptor)

    def scan(self, path: str) -> list[tuple[str, str]]:
        """Names in a directory with what they are, sorted."""
        with os.scandir(self.directory(path)) as entries:
            return sorted((entry.name, _entry_kind(entry)) for entry in entries)

    def _open(self, above: int, names: list[str], index: int, *, make: bool) -> int:
        name = names[index]
        try:
            try:
                return os.open(name, _DIRECTORY, dir_fd=above)
            except FileNotFoundError:
                if not make:
                    raise
                os.mkdir(name, dir_fd=above)
                return os.open(name, _DIRECTORY, dir_fd=above)
        except OSError as error:
            if error.errno in _NOT_A_DIRECTORY:
                where = "/".join(names[: index + 1])
                raise OutputError(
                    f"{where} is not a directory but a symbolic link or a file, and outputs lie "
                    "below it",
                    hint="remove it, or declare outputs where it leads",
                ) from None
            raise

    def _cut(self, length: int) -> None:
        self._last = None
        while len(self._descriptors) > length:
            os.close(self._descriptors.pop())
            self._names.pop()


def _entry_kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return LINK
    if entry.is_dir(follow_symlinks=False):
        return DIRECTORY
    return FILE if entry.is_file(follow_symlinks=False) else SPECIAL
