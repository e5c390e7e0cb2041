"""Reading a workspace from the worktree, and remembering what was read.

Whoever reads through a `RecordingTree` can ask later, at little cost, whether reading again would
find the same.
"""

import os
import time
from collections.abc import Iterable, Mapping
from stat import S_ISREG

from msgspec import Struct, field

from bao_core.digests import blob_id, hash_text
from bao_core.errors import BaoError, WorkspaceError
from bao_core.git.listed import is_text
from bao_core.model import FileTree, Stamp
from bao_core.worktree.content import settled, stamp_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class ListedFiles(Protocol):
        """What is needed of `WorktreeFiles`."""

        root: str
        has_git: bool
        algorithm: str

        def named(self, names: Iterable[str]) -> list[str]:
            """Files with one of these last names."""

        def content_of(self, path: str) -> str:
            """The blob id of a file's content, links followed; empty where there is no file."""


class WorktreeTree(FileTree):
    """The files as they are on disk."""

    def __init__(self, root: str, files: "ListedFiles | None") -> None:
        """Read below a directory.

        Args:
            root: The workspace root, absolute.
            files: What git lists of it. Without it, all files outside of hidden directories,
                `node_modules` and virtual environments are found by name.
        """
        self.root = root
        self.algorithm = files.algorithm if files is not None else "sha1"
        self._files = files

    def read(self, path: str) -> bytes | None:
        """The content of a file, links followed; None where there is no file.

        Raises:
            WorkspaceError: It cannot be read.
        """
        try:
            # A pipe must not block.
            fd = os.open(os.path.join(self.root, path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except PermissionError as error:
            raise WorkspaceError("this file cannot be read: permission denied", where=path,
                                 hint="make it readable") from error  # fmt: skip
        except (OSError, ValueError):
            return None
        try:
            if not S_ISREG(os.fstat(fd).st_mode):
                return None
            with open(fd, "rb", buffering=0, closefd=False) as stream:
                return stream.read()
        finally:
            os.close(fd)

    def entries(self, directory: str) -> Mapping[str, bool]:
        """The names in a directory, each with whether it is a directory; a link is none."""
        try:
            with os.scandir(os.path.join(self.root, directory)) as entries:
                return {
                    entry.name: entry.is_dir(follow_symlinks=False)
                    for entry in entries
                    if entry.name != ".git"
                }
        except (OSError, ValueError):
            return {}

    def named(self, names: Iterable[str]) -> list[str]:
        """Sorted paths of all listed files with one of these last names."""
        if self._files is None:
            raise BaoError("the files of the worktree are not listed")
        found = self._files.named(names)
        if not self._files.has_git:
            found = [path for path in found if "/." not in f"/{path.rpartition('/')[0]}"]
        return found


class TreeRecord(Struct, frozen=True):
    """What was read of a worktree, so that reading it again can be spared.

    Attributes:
        algorithm: The hash function of the blob ids.
        reads: Blob ids by path; empty where there was no file.
        directories: By path, a hash over the entries of a directory, and its stamp where that is
            known to change with them.
        named: The last names that were asked for, and a hash over the paths.
        storable: False where a path is not valid UTF-8; such a record never holds.
    """

    algorithm: str = "sha1"
    reads: dict[str, str] = field(default_factory=dict)
    directories: dict[str, tuple[Stamp | None, str]] = field(default_factory=dict)
    named: tuple[tuple[tuple[str, ...], str], ...] = ()
    storable: bool = True

    def still_holds(self, files: "ListedFiles") -> bool:
        """Whether everything that was read would be read the same now."""
        if not self.storable or self.algorithm != files.algorithm:
            return False
        tree = WorktreeTree(files.root, files)
        content_of = files.content_of
        try:
            return (
                all(_hash_names(tree, names) == known for names, known in self.named)
                and all(content_of(path) == known for path, known in self.reads.items())
                and all(
                    _directory_holds(tree, path, stamp, known)
                    for path, (stamp, known) in self.directories.items()
                )
            )
        except BaoError:
            # What cannot be read is reported by whoever reads it again.
            return False


class RecordingTree(FileTree):
    """Reads through another tree, and remembers what was asked and answered."""

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree
        self._algorithm: str = getattr(tree, "algorithm", "sha1")
        self._root: str = getattr(tree, "root", "")
        self._reads: dict[str, str] = {}
        self._directories: dict[str, tuple[Stamp | None, str]] = {}
        self._named: dict[tuple[str, ...], str] = {}

    def read(self, path: str) -> bytes | None:
        """The content of a file, links followed; None where there is no file."""
        data = self._tree.read(path)
        # Of the very bytes that are handed out: git may have been asked before they were written.
        self._reads[path] = "" if data is None else blob_id(data, self._algorithm)
        return data

    def entries(self, directory: str) -> Mapping[str, bool]:
        """The names in a directory, each with whether it is a directory."""
        now = time.time_ns()
        found = _stat(os.path.join(self._root, directory))
        entries = self._tree.entries(directory)
        stamp = None
        if found is not None and settled(found.st_ctime_ns, now):
            stamp = stamp_from(found)
        self._directories[directory] = (stamp, _hash_entries(entries))
        return entries

    def named(self, names: Iterable[str]) -> list[str]:
        """Sorted paths of all files with one of these last names."""
        wanted = tuple(sorted(set(names)))
        found = self._tree.named(wanted)
        self._named[wanted] = hash_text(*found)
        return found

    def record(self) -> TreeRecord:
        """Everything that was asked so far."""
        return TreeRecord(
            algorithm=self._algorithm,
            reads=dict(self._reads),
            directories=dict(self._directories),
            named=tuple(self._named.items()),
            storable=all(map(is_text, self._reads)) and all(map(is_text, self._directories)),
        )


def _directory_holds(tree: WorktreeTree, path: str, stamp: Stamp | None, known: str) -> bool:
    found = _stat(os.path.join(tree.root, path))
    if found is not None and stamp is not None and stamp_from(found) == stamp:
        return True
    return _hash_entries(tree.entries(path)) == known


def _hash_names(tree: WorktreeTree, names: tuple[str, ...]) -> str:
    return hash_text(*tree.named(names))


def _hash_entries(entries: Mapping[str, bool]) -> str:
    return hash_text(*(f"{name}{'/' if entries[name] else ''}" for name in sorted(entries)))


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
