"""Files in columns: tens of thousands of them at the price of a few lists."""

from __future__ import annotations

from bisect import bisect_left

CLAIMED = 0
"""git names a blob for the file and reports the file as unmodified."""

UNKNOWN = 1
"""Only the file itself tells what is in it."""

_FEW = 256
"""So many paths are put in their places one by one; more are sorted with the rest."""


class Uncommitted:
    """What git tells of a worktree beside its files, for whoever compares it with a commit.

    Attributes:
        index: The path of git's index.
        index_id: Changes whenever the index does; empty where it kept changing.
        modified: Paths in the index that may differ from it on disk, or are not there.
        untracked: Files that the index does not hold.
        foreign: Directories that hold a repository of their own and are no submodules.
        hidden: Paths with a mark (assume-unchanged, skip-worktree) that keeps git from looking at
            what is there on disk, or from missing it.
        plain: Whether the index holds nothing but files and links that git looks at: no submodule,
            no conflict, no mark.
    """

    __slots__ = ("foreign", "hidden", "index", "index_id", "modified", "plain", "untracked")

    def __init__(self, *, modified: list[str], plain: bool, hidden: list[str]) -> None:
        self.modified = modified
        self.plain = plain
        self.hidden = hidden
        self.untracked: list[str] = []
        self.foreign: list[str] = []
        self.index = self.index_id = ""


class Listed:
    """The files that git lists in one repository, in columns of equal length.

    Attributes:
        paths: Relative to the directory that was asked for; sorted after `order`.
        claims: Mode and blob id by git's index, `100644 <id>`; empty where git claims nothing.
        states: `CLAIMED` or `UNKNOWN` for each.
        tracked: 1 for each file in git's index, else 0.
        absent: Paths in the index where no file is: deleted, or left out of a sparse checkout.
        nested: Directories that hold a repository or a submodule of their own, not looked into.
        unlisted: Directories that git does not look into and that are no repositories either.
        index_id: Changes whenever the index does; empty where it kept changing.
        algorithm: The repository's object format, `sha1` or `sha256`.
        uncommitted: How the worktree differs from the index; None where there is no git.
    """

    __slots__ = (
        "_ordered", "absent", "algorithm", "claims", "index_id", "nested", "paths", "states",
        "tracked", "uncommitted", "unlisted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.claims: list[str] = []
        self.states = bytearray()
        self.tracked = bytearray()
        self.absent: set[str] = set()
        self.nested: list[str] = []
        self.unlisted: list[str] = []
        self.index_id = ""
        self.algorithm = "sha1"
        self.uncommitted: Uncommitted | None = None
        self._ordered = 0

    def add(self, path: str, *, tracked: bool) -> None:
        """Append a file of which git knows no more than the name."""
        self.paths.append(path)
        self.claims.append("")
        self.states.append(UNKNOWN)
        self.tracked.append(tracked)

    def drop(self, paths: set[str]) -> None:
        """Take files out, all of which are in order."""
        kept = [index for index, path in enumerate(self.paths) if path not in paths]
        self._ordered -= len(self.paths) - len(kept)
        self._take(kept)

    def extend(self, other: Listed, directory: str) -> None:
        """Append what was listed for a directory below this one."""
        self.paths += [f"{directory}/{path}" for path in other.paths]
        self.claims += other.claims
        self.states += other.states
        self.tracked += other.tracked
        self.absent.update(f"{directory}/{path}" for path in other.absent)

    def order(self) -> None:
        """Sort by path what was appended since."""
        late = self.paths[self._ordered :]
        if self._ordered and len(late) <= _FEW:
            self._insert(late)
        elif self.paths != sorted(self.paths):
            self._take(sorted(range(len(self.paths)), key=self.paths.__getitem__))
        self._ordered = len(self.paths)

    def _take(self, order: list[int]) -> None:
        self.paths = [self.paths[index] for index in order]
        self.claims = [self.claims[index] for index in order]
        self.states = bytearray(self.states[index] for index in order)
        self.tracked = bytearray(self.tracked[index] for index in order)

    def _insert(self, late: list[str]) -> None:
        start = self._ordered
        claims, states, tracked = self.claims[start:], self.states[start:], self.tracked[start:]
        del self.paths[start:], self.claims[start:], self.states[start:], self.tracked[start:]
        for place, path in enumerate(late):
            index = bisect_left(self.paths, path)
            self.paths.insert(index, path)
            self.claims.insert(index, claims[place])
            self.states.insert(index, states[place])
            self.tracked.insert(index, tracked[place])


def is_text(path: str) -> bool:
    """Whether a path is valid UTF-8, without which it cannot be stored."""
    return path.isascii() or not any("\udc80" <= char <= "\udcff" for char in path)
