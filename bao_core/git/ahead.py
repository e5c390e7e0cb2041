"""Asking git what was asked the last time, before anybody knows that it is asked again.

Only the questions are remembered, never an answer. Whoever has another question asks it then.
"""

from __future__ import annotations

import os

from bao_core.git.revisions import CHECK, REMOTES, is_id, lines_of, read_commits
from bao_core.places import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.git.listing import GitListing
    from bao_core.git.process import Finished, GitProcess
    from bao_core.git.revisions import Revisions

STAGED = (
    "diff-index", "--cached", "--raw", "-z", "--no-renames", "--relative",
    "--ignore-submodules=none",
)  # fmt: skip
"""What of the index differs from a commit. It reads no file of the worktree."""

_NAME = "compared"
_MOST_NAMES = 64
_FIELDS = 5


class AskedAhead:
    """Git's answers to come, for questions that are likely."""

    __slots__ = (
        "_ancestor", "_base", "_check", "_index_id", "_names", "_pair", "_remotes", "_staged",
    )  # fmt: skip

    def __init__(
        self,
        listing: GitListing,
        names: Sequence[str],
        *,
        remotes: bool,
        pair: tuple[str, ...],
        base: str,
    ) -> None:
        """Start git, and return at once.

        Args:
            listing: The commands run beside it, and for the same directory.
            names: Of revisions, none of them empty.
            remotes: Whether the names of the remotes may be asked for.
            pair: Two ids of commits whose ancestor may be asked for, or none.
            base: The id of a commit that the index may be compared with; empty for none.
        """
        self._names = names
        self._pair = pair
        self._base = base
        self._index_id = listing.index_id
        self._check = listing.beside(CHECK, lines_of(self._names)) if self._names else None
        self._ancestor = listing.beside(("merge-base", *pair)) if pair else None
        self._staged = listing.beside((*STAGED, base, "--")) if base else None
        self._remotes = listing.beside(REMOTES) if remotes else None

    def commits(self) -> dict[str, str | None]:
        """The commits of names; where git failed, none."""
        check, self._check = self._check, None
        finished = _good(check)
        return read_commits(self._names, finished) if finished is not None else {}

    def remotes(self) -> Finished | None:
        """The names of the remotes; None where that was not asked, or git failed."""
        remotes, self._remotes = self._remotes, None
        return _good(remotes)

    def ancestor(self, a: str, b: str) -> Finished | None:
        """The common ancestor of two commits; None as before."""
        if self._pair != (a, b):
            return None
        ancestor, self._ancestor = self._ancestor, None
        return _good(ancestor)

    def staged(self, base: str, index_id: str) -> Finished | None:
        """What of an index differs from a commit; None as before, or for another index."""
        if self._base != base or self._index_id != index_id:
            return None
        staged, self._staged = self._staged, None
        return _good(staged)


def ask_ahead(listing: GitListing, directory: str) -> AskedAhead | None:
    """Ask what was remembered in a directory; None where nothing is, or it makes no sense."""
    fields = _read(directory)
    if len(fields) != _FIELDS:
        return None
    pair, base = tuple(fields[2].split()), fields[3]
    names = [name for name in fields[0].split("\0") if name]
    if not all(map(is_id, pair)) or len(pair) not in {0, 2} or (base and not is_id(base)):
        return None
    return AskedAhead(listing, names[:_MOST_NAMES], remotes=bool(fields[1]), pair=pair, base=base)


def remember(directory: str, revisions: Revisions) -> None:
    """Write down what was asked; a disk that refuses does no harm."""
    names = "\0".join(list(revisions.asked)[:_MOST_NAMES])
    pair = " ".join(revisions.parted or ())
    fields = [names, revisions.remote, pair, revisions.compared, ""]
    if not revisions.compared or fields == _read(directory):
        return
    data = "\n".join(fields).encode("utf-8", "surrogateescape")
    replace_file(os.path.join(directory, _NAME), data)


def _read(directory: str) -> list[str]:
    path = os.path.join(directory, _NAME)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read().split("\n")
    except OSError:
        return []


def _good(process: GitProcess | None) -> Finished | None:
    finished = process.finish() if process is not None else None
    return finished if finished is not None and finished.code == 0 else None
