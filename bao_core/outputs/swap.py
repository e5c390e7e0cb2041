"""Changing a worktree all or nothing: a journal, renames, and the way back.

A swap has a directory of its own outside of what could be an input: in the staging directory that
the caller gives, if that lies on the worktree's file system; else in `.git/bao-staging`, if that
does; else in the staging directory all the same, and files are copied instead of renamed. It is
named after the task, whose lock the caller holds, and lies in one of 16 directories there. In it
lie the new files (`n0`, `n1` …), what has been moved out of their way (`o0`, `o1` …), and, from the
first change to the last, the `journal`.
Removing the journal is the moment at which the new state counts. Whatever fails before it is undone
at once; where the process was killed, `recover` undoes it in the next one. The journal is not
flushed to disk: it protects against the end of a process. After a power cut the stamps no longer
match, so that everything is restored again.

Nothing of a swap is ever in the worktree under another name than its own, except where an output
directory is a mount of its own: there a file is copied to `.bao-<token>-<name>` beside its place
and renamed; `recover` removes what is left of that.
"""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache

from blake3 import blake3
from msgspec import Struct, field
from msgspec.msgpack import Encoder

from bao_core.errors import OutputError
from bao_core.model import Digest
from bao_core.outputs.cloning import copy_contents, digest_descriptor, write_all
from bao_core.places import scatter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from bao_core.model import TaskId
    from bao_core.outputs.safe_paths import SafeTree

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class NewFile(Struct, frozen=True, array_like=True, gc=False):
    """A file to be put in place; paths are bytes, so that any name can be written down."""

    path: bytes
    hash: str
    size: int


class NewLink(Struct, frozen=True, array_like=True, gc=False):
    """A symbolic link to be made."""

    path: bytes
    target: bytes


class Changes(Struct, array_like=True):
    """What a swap does to a worktree, in this order; also its journal.

    Attributes:
        moved: Files and links to be moved out of the way; the number of each is its index.
        dropped: Directories to be removed if they are empty then, the deepest first.
        made: Directories that are not there yet, the outermost first.
        files: To be put in place; the number of each is its index.
        links: To be made.
    """

    moved: list[bytes] = field(default_factory=list)
    dropped: list[bytes] = field(default_factory=list)
    made: list[bytes] = field(default_factory=list)
    files: list[NewFile] = field(default_factory=list)
    links: list[NewLink] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.moved or self.dropped or self.made or self.files or self.links)


class Swap:
    """One change of a worktree. Used with `with`, which leaves nothing of it behind."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._token = os.path.basename(directory)

    @classmethod
    def begin(cls, root: str, staging_dir: str, task_id: TaskId) -> Self:
        """Make the directory of a swap.

        Raises:
            OSError: It cannot be made.
        """
        return cls(make_directory(root, staging_dir, task_id, 0o700))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A journal that is still there belongs to changes that could not be undone just now.
        if not os.path.lexists(f"{self.directory}/journal"):
            remove_swap(self.directory)

    def run(self, tree: SafeTree, changes: Changes) -> None:
        """Make all the changes, or none and raise what prevented them."""
        self._write_journal(changes)
        try:
            self._change(tree, changes)
        except BaseException:
            self.undo(tree, changes)
            raise
        os.unlink(f"{self.directory}/journal")

    def undo(self, tree: SafeTree, changes: Changes) -> None:
        """Put everything back as it was, however many of the changes were made."""
        tree.forget()
        moved = [os.fsdecode(path) for path in changes.moved]
        # What was not moved away yet is still what it was, even where it looks like the new one.
        untouched = {path for index, path in enumerate(moved) if not self._is_away(index)}
        for index, new in enumerate(changes.files):
            path = os.fsdecode(new.path)
            _unlink(tree, self._beside(path, f"n{index}"))
            if path not in untouched:
                _withdraw(tree, path, new)
        for link in changes.links:
            path = os.fsdecode(link.path)
            if path not in untouched:
                _withdraw(tree, path, link)
        for directory in reversed(changes.made):
            _rmdir(tree, os.fsdecode(directory))
        for index, path in enumerate(moved):
            _unlink(tree, self._beside(path, f"o{index}"))
            if self._is_away(index) and tree.lstat(path) is None:
                self._put_back(tree, index, path)
        for directory in reversed(changes.dropped):
            _make_directory(tree, os.fsdecode(directory))
        os.unlink(f"{self.directory}/journal")

    def _write_journal(self, changes: Changes) -> None:
        """Write the journal; one that is not whole is none, and nothing has been changed yet."""
        path = f"{self.directory}/journal"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            journal = os.open(path, flags, 0o600)
            try:
                write_all(journal, Encoder().encode(changes))
            finally:
                os.close(journal)
        except BaseException:
            if os.path.lexists(path):
                os.unlink(path)
            raise

    def _is_away(self, index: int) -> bool:
        return os.path.lexists(f"{self.directory}/o{index}")

    def _change(self, tree: SafeTree, changes: Changes) -> None:
        for index, path in enumerate(map(os.fsdecode, changes.moved)):
            self._move_away(tree, index, path)
        for directory in changes.dropped:
            _rmdir(tree, os.fsdecode(directory))
        for directory in changes.made:
            tree.directory(os.fsdecode(directory), make=True)
        for index, new in enumerate(changes.files):
            self._put_in_place(tree, index, os.fsdecode(new.path))
        for link in changes.links:
            parent, name = tree.place(os.fsdecode(link.path))
            os.symlink(os.fsdecode(link.target), name, dir_fd=parent)

    def _move_away(self, tree: SafeTree, index: int, path: str) -> None:
        parent, name = tree.place(path)
        away = f"{self.directory}/o{index}"
        try:
            os.rename(name, away, src_dir_fd=parent)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy_leaf(parent, name, None, f"{away}.part")
            os.rename(f"{away}.part", away)
            os.unlink(name, dir_fd=parent)

    def _put_in_place(self, tree: SafeTree, index: int, path: str) -> None:
        self._move_in(*tree.place(path), f"n{index}", path)

    def _put_back(self, tree: SafeTree, index: int, path: str) -> None:
        if _make_directory(tree, os.path.dirname(path)):
            self._move_in(*tree.place(path), f"o{index}", path)

    def _move_in(self, parent: int, name: str, kept: str, path: str) -> None:
        try:
            os.rename(f"{self.directory}/{kept}", name, dst_dir_fd=parent)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = os.path.basename(self._beside(path, kept))
            _copy_leaf(None, f"{self.directory}/{kept}", parent, beside)
            os.rename(beside, name, src_dir_fd=parent, dst_dir_fd=parent)

    def _beside(self, path: str, kept: str) -> str:
        """Where a file is copied to before it takes its place, on another file system."""
        return os.path.join(os.path.dirname(path), f".bao-{self._token}-{kept}")


@lru_cache(maxsize=1)
def choose_home(root: str, staging_dir: str) -> str:
    """Where swaps of a workspace have their directories; made if needed.

    Raises:
        OSError: It cannot be made.
    """
    device = os.stat(root).st_dev
    try:
        staging = os.stat(staging_dir)
    except FileNotFoundError:
        os.makedirs(staging_dir, exist_ok=True)
        staging = os.stat(staging_dir)
    if staging.st_dev == device:
        scatter(staging_dir)
        return staging_dir
    try:
        git = os.lstat(f"{root}/.git")
        if stat.S_ISDIR(git.st_mode) and git.st_dev == device:
            os.makedirs(f"{root}/.git/bao-staging", exist_ok=True)
            scatter(f"{root}/.git/bao-staging")
            return f"{root}/.git/bao-staging"
    except OSError:
        pass
    return staging_dir


def make_directory(root: str, staging_dir: str, task_id: TaskId, mode: int) -> str:
    """Make the directory in which a task's new outputs wait.

    Raises:
        OSError: It cannot be made, or what an earlier process left there could not be removed.
    """
    path = swap_path(choose_home(root, staging_dir), task_id)
    try:
        os.mkdir(path, mode)
    except FileNotFoundError:  # the first one there, or somebody has removed the staging directory
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path, mode)
    return path


@lru_cache(maxsize=1)
def swap_path(home: str, task_id: TaskId) -> str:
    """Where a task's swap lies: in one of 16 directories, which are scattered over the disk."""
    tag = blake3(task_id.encode("utf-8", "surrogateescape")).hexdigest(length=8)
    return f"{home}/{tag[0]}/{tag}"


def _withdraw(tree: SafeTree, path: str, new: NewFile | NewLink) -> None:
    """Remove what was put in place, if it is that and nothing else."""
    try:
        if _is_there(tree, path, new):
            _unlink(tree, path)
    except OSError as error:
        if error.errno not in _GONE:
            raise


def _is_there(tree: SafeTree, path: str, new: NewFile | NewLink) -> bool:
    there = tree.lstat(path)
    if there is None:
        return False
    if isinstance(new, NewLink):
        return stat.S_ISLNK(there.st_mode) and os.fsencode(tree.read_link(path)) == new.target
    if not stat.S_ISREG(there.st_mode) or there.st_size != new.size:
        return False
    descriptor = tree.open_file(path)
    try:
        return digest_descriptor(descriptor) == Digest(new.hash, new.size)
    finally:
        os.close(descriptor)


def _copy_leaf(source_dir: int | None, source: str, target_dir: int | None, target: str) -> None:
    """Copy a file or link; a FIFO or the like, which nothing can copy, becomes an empty file."""
    found = os.stat(source, dir_fd=source_dir, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(source, dir_fd=source_dir), target, dir_fd=target_dir)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    writing = os.open(target, flags, stat.S_IMODE(found.st_mode), dir_fd=target_dir)
    try:
        if not stat.S_ISREG(found.st_mode):
            return
        reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source_dir)
        try:
            copy_contents(reading, writing)
        finally:
            os.close(reading)
    finally:
        os.close(writing)


def _unlink(tree: SafeTree, path: str) -> None:
    try:
        parent, name = tree.place(path)
        os.unlink(name, dir_fd=parent)
    except (FileNotFoundError, OutputError):
        pass


def _make_directory(tree: SafeTree, path: str) -> bool:
    """Make a directory again; not where somebody has put something else meanwhile."""
    try:
        tree.directory(path, make=True)
    except OutputError:
        return False
    return True


def _rmdir(tree: SafeTree, path: str) -> None:
    """Remove a directory if it is there and empty."""
    try:
        parent, name = tree.place(path)
        os.rmdir(name, dir_fd=parent)
    except (FileNotFoundError, OutputError):
        pass
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY}:
            raise


def remove_swap(directory: str) -> None:
    """Remove a swap's directory, as far as that works: what is left of it does no harm."""
    try:
        with os.scandir(directory) as entries:
            found = list(entries)
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                remove_swap(entry.path)
            else:
                os.unlink(entry.path)
        os.rmdir(directory)
    except OSError:
        pass
