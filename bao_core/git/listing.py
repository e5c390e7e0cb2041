"""What git knows of a worktree, asked once, in parallel, and read in bulk."""

from __future__ import annotations

import os
from bisect import bisect_left
from stat import S_ISDIR, S_ISLNK, S_ISREG

from bao_core.git.listed import UNKNOWN, Listed, Uncommitted, is_text
from bao_core.git.process import (
    GitProcess,
    find_git,
    find_toplevel,
    git_directory,
    git_environment,
)
from bao_core.git.walking import walked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from bao_core.git.process import Finished

_ATTEMPTS = 3
"""How often git is asked again because its index changed between its answers."""

_AT_ONCE = 4
"""How many nested repositories are listed at the same time."""

_ENTRIES = ("ls-files", "-s", "-v", "-z")
_MODIFIED = ("diff-files", "-z", "--ignore-submodules=all", "--relative")
_UNTRACKED = ("ls-files", "-o", "--exclude-standard", "-z")
_ENTRIES_AND_UNTRACKED = (*_ENTRIES, "-o", "--exclude-standard")
_IS_UNTRACKED = "? "

_SMALL_INDEX = 100_000
"""Bytes of an index of some thousand files. Up to there it takes longer to start one more git than
it takes one git to tell of tracked files and of untracked ones, one after the other."""


class GitListing:
    """Git's answers to come.

    Two or three commands that read the index and the disk run side by side. What they must agree on
    is the index, so it is looked at before and after them.

    Attributes:
        root: The directory that is listed.
        index_id: Of the index before git was asked; see `Listed`.
    """

    __slots__ = (
        "_entries", "_environment", "_git", "_index", "_modified", "_untracked", "index_id", "root",
    )  # fmt: skip

    def __init__(self, root: str, *, index: str, git: str, environment: dict[str, str]) -> None:
        self.root = root
        self._index = index
        self._git = git
        self._environment = environment
        self._ask()

    @classmethod
    def start(cls, root: str, environ: Mapping[str, str]) -> Self | None:
        """Ask git about everything below a directory, and return at once.

        Returns:
            None where the directory is in no repository, or git is not installed.
        """
        toplevel = find_toplevel(root)
        if toplevel is None:
            return None
        git = find_git(environ)
        directory = git_directory(toplevel)
        if git is None or directory is None:
            return None
        environment = git_environment(environ)
        return cls(root, index=f"{directory}/index", git=git, environment=environment)

    def beside(self, arguments: Sequence[str], given: bytes = b"") -> GitProcess:
        """Start another command for the same directory, which reads `given`."""
        return GitProcess.start(self.root, arguments, self._environment, git=self._git, given=given)

    def result(self) -> Listed | None:
        """Wait for git and put its answers together.

        Returns:
            None where git finds no repository, or one without a worktree.

        Raises:
            GitError: git cannot read the repository, or refuses to.
        """
        for _ in range(_ATTEMPTS):
            listed = self._collect()
            if listed is None:
                return None
            if index_id(self._index) == self.index_id:
                listed.index_id = self.index_id
                if listed.uncommitted is not None:
                    listed.uncommitted.index_id = self.index_id
                return listed
            # Somebody staged or committed meanwhile: one answer may tell of the index before,
            # another of the one after.
            self._ask()
        listed = self._collect()
        if listed is not None:
            listed.states = bytearray([UNKNOWN]) * len(listed.paths)
        return listed

    def _ask(self) -> None:
        self.index_id = index_id(self._index)
        at_once = _is_small(self._index)
        # The slowest first.
        self._untracked = None if at_once else self.beside(_UNTRACKED)
        self._modified = self.beside(_MODIFIED)
        self._entries = self.beside(_ENTRIES_AND_UNTRACKED if at_once else _ENTRIES)

    def _collect(self) -> Listed | None:
        reading = _EntryReader(self.root)
        answers = [self._entries.finish()]
        untracked = []
        if answers[0].code == 0:
            # Python reads the first answer while git still works on the others.
            untracked = reading.read(answers[0])
        modified = self._modified.finish()
        answers.append(modified)
        if self._untracked is not None:
            answers.append(self._untracked.finish())
            untracked = answers[-1].fields()
        for finished in answers:
            if finished.no_repository:
                return None
            if finished.code != 0:
                raise finished.error()
        uncommitted = reading.settle(modified.fields()[1::2])
        uncommitted.index = self._index
        listed = reading.listed
        listed.uncommitted = uncommitted
        for path in untracked:
            if path.endswith("/"):
                listed.nested.append(path[:-1])
                uncommitted.foreign.append(path[:-1])
            else:
                uncommitted.untracked.append(path)
                listed.add(path, tracked=False)
        listed.order()
        return listed


class _EntryReader:
    """Reads the entries of the index, and settles those that it does not tell enough about."""

    __slots__ = ("_assumed", "_doubtful", "_gitlinks", "_root", "_skipped", "listed")

    def __init__(self, root: str) -> None:
        self._root = root
        self._doubtful: set[str] = set()
        self._gitlinks: list[str] = []
        self._assumed: list[str] = []
        self._skipped: list[str] = []
        self.listed = Listed()

    def read(self, finished: Finished) -> list[str]:
        """Read lines of a tag, mode, blob id, stage and path: `H 100644 <id> 0`, tab, path.

        Returns:
            The paths of lines that have only a tag, which says that they are untracked.
        """
        lines = finished.fields()
        untracked = [line[2:] for line in lines if line.startswith(_IS_UNTRACKED)]
        if untracked:
            lines = [line for line in lines if not line.startswith(_IS_UNTRACKED)]
        if lines:
            self._read_tracked(lines, ascii_only=finished.output.isascii())
        return untracked

    def _read_tracked(self, lines: list[str], *, ascii_only: bool) -> None:
        listed = self.listed
        end = lines[0].index(" ", 9)
        start = end + 3
        listed.algorithm = "sha256" if end > len("H 100644 ") + 40 else "sha1"
        # Whatever is no plain file: unmerged (M), skip-worktree (S), assume-unchanged (in lower
        # case), and by their mode symbolic links and gitlinks.
        unusual = [line for line in lines if not line.startswith("H 100")]
        links = [line for line in unusual if line.startswith("H 120")]
        if len(unusual) > len(links):
            set_aside = set(unusual).difference(links)
            lines = [line for line in lines if line not in set_aside]
            for line in set_aside:
                self._set_aside(line, line[start:])
        listed.paths = [line[start:] for line in lines]
        listed.claims = [line[2:end] for line in lines]
        listed.states = bytearray(len(lines))
        if links:
            # What a link points to is nothing that git knows.
            listed.states = bytearray(line.startswith("H 120") for line in lines)
        if not ascii_only:
            # A name that is not UTF-8 cannot be stored, so what was found out about it neither.
            listed.states = bytearray(
                state or not is_text(path)
                for state, path in zip(listed.states, listed.paths, strict=True)
            )
        listed.tracked = bytearray([1]) * len(lines)
        listed.order()

    def _set_aside(self, line: str, path: str) -> None:
        if line.startswith("160000", 2):
            self._gitlinks.append(path)
            return
        self._doubtful.add(path)
        if line[0].islower():
            self._assumed.append(path)
        elif line[0] == "S":
            self._skipped.append(path)

    def settle(self, modified: list[str]) -> Uncommitted:
        """Look at what may be modified, or not there at all, and at the gitlinks."""
        listed, root = self.listed, self._root
        gone, late = set(), []
        folders = _Folders(root)
        for path in self._doubtful.union(modified).difference(self._gitlinks):
            index = bisect_left(listed.paths, path)
            known = index < len(listed.paths) and listed.paths[index] == path
            if folders.lack(path) or not _is_content(f"{root}/{path}"):
                listed.absent.add(path)
                if known:
                    gone.add(path)
            elif known:
                listed.states[index] = UNKNOWN
            else:
                late.append(path)
        if gone:
            listed.drop(gone)
        for path in late:
            listed.add(path, tracked=True)
        for path in self._gitlinks:
            self._look_into(path)
        # Where a sparse checkout has no file, none is missing.
        here = [path for path in self._skipped if path not in listed.absent]
        listed.order()
        return Uncommitted(
            modified=modified,
            plain=not self._doubtful and not self._gitlinks,
            hidden=sorted({*self._assumed, *here}),
        )

    def _look_into(self, path: str) -> None:
        """Settle a gitlink: a submodule, or whatever stands in its place."""
        if path.startswith("./"):
            # Asked inside a submodule that is not checked out, git speaks of the outer
            # repository and calls the submodule itself `./`.
            return
        listed, absolute = self.listed, f"{self._root}/{path}"
        if git_directory(absolute) is not None:
            listed.nested.append(path)
        elif _is_content(absolute):
            listed.add(path, tracked=True)
        else:
            listed.absent.add(path)
            if S_ISDIR(_mode(absolute)):
                listed.unlisted.append(path)


class _Folders:
    """Remembers which directories are missing: a sparse checkout lacks whole trees of them."""

    __slots__ = ("_missing", "_root")

    def __init__(self, root: str) -> None:
        self._root = root
        self._missing: dict[str, bool] = {"": False}

    def lack(self, path: str) -> bool:
        """Whether the directory of a path is missing."""
        folder = path.rpartition("/")[0]
        missing = self._missing.get(folder)
        if missing is None:
            missing = self.lack(folder) or not S_ISDIR(_mode(f"{self._root}/{folder}"))
            self._missing[folder] = missing
        return missing


def list_nested(listed: Listed, root: str, environ: Mapping[str, str]) -> None:
    """Add the files of submodules and nested repositories, however deep."""
    for directory in listed.unlisted:
        listed.extend(walked(f"{root}/{directory}"), directory)
    nested = listed.nested
    for start in range(0, len(nested), _AT_ONCE):
        pending = [
            (directory, GitListing.start(f"{root}/{directory}", environ))
            for directory in nested[start : start + _AT_ONCE]
        ]
        for directory, listing in pending:
            inner = listing.result() if listing is not None else None
            if inner is None:
                inner = walked(f"{root}/{directory}")
            else:
                list_nested(inner, f"{root}/{directory}", environ)
                both = (listed.index_id, inner.index_id)
                listed.index_id = " ".join(both) if all(both) else ""
            listed.extend(inner, directory)


def index_id(path: str) -> str:
    """A text that changes whenever the index file at `path` does."""
    try:
        found = os.stat(path)
    except OSError:
        return "none"
    # Every writer of an index renames a new file into its place.
    return f"{found.st_mtime_ns:x}.{found.st_ctime_ns:x}.{found.st_size:x}.{found.st_ino:x}"


def _is_small(index: str) -> bool:
    try:
        return os.stat(index).st_size <= _SMALL_INDEX
    except OSError:
        return True


def _is_content(path: str) -> bool:
    """Whether a regular file or a symbolic link is there, which alone can be inputs."""
    mode = _mode(path)
    return S_ISREG(mode) or S_ISLNK(mode)


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0
