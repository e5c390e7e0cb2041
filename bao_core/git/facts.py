"""What git knows: which files changed, which are ignored, and all that the modules below tell.

`process` runs git, `listing` lists a worktree, `history` knows commits, `tree` reads one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from stat import S_ISLNK, S_ISREG

from msgspec import Struct

from bao_core.digests import blob_id
from bao_core.errors import GitError
from bao_core.git.ahead import STAGED, remember
from bao_core.git.history import (
    current_branch,
    deepen,
    head_branches,
    is_shallow,
    merge_base,
    resolve_commit,
)
from bao_core.git.listing import GitListing, index_id
from bao_core.git.process import find_toplevel, fits_on_a_line, run_git
from bao_core.git.revisions import Revisions
from bao_core.git.tree import RevisionTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Literal

    from bao_core.git.listed import Uncommitted

__all__ = [
    "ChangedFile",
    "GitListing",
    "RevisionTree",
    "Revisions",
    "changed_files",
    "current_branch",
    "deepen",
    "find_toplevel",
    "head_branches",
    "ignored",
    "is_shallow",
    "merge_base",
    "remember",
    "resolve_commit",
]

_RAW = ("--raw", "-z", "--no-renames", "--no-abbrev", "--relative")

_SUBMODULE = "160000"

_SHA256 = 64
"""Hexadecimal digits of an id in a repository of that object format."""

_FEW = 200
"""So many files that may be modified are compared one by one; for more, git looks at all."""


class ChangedFile(Struct, frozen=True, order=True, gc=False):
    """A path that differs between two states.

    Attributes:
        path: From the workspace root; the directory of a submodule whose commit changed.
        status: Added, modified (content, type or executable bit), or deleted.
    """

    path: str
    status: Literal["A", "M", "D"]


def changed_files(
    root: str,
    base: str,
    head: str | None,
    *,
    merge_base: bool,
    worktree: bool,
    environ: Mapping[str, str],
    revisions: Revisions | None = None,
    uncommitted: Uncommitted | None = None,
) -> list[ChangedFile]:
    """What differs below the workspace root; a rename is a deletion and an addition.

    Args:
        root: The workspace root, absolute; files outside of it are left out.
        base: The revision to compare with.
        head: The revision to look at; None for `HEAD`.
        merge_base: Compare with the last common ancestor of the two instead of `base` itself.
        worktree: Count what is not committed, too, and untracked files. With `head` None, the
            worktree is compared with the base directly, so that an edit which takes a commit
            back makes the file unchanged.
        environ: The user's environment.
        revisions: What is known of revisions already.
        uncommitted: What git told of the worktree already; None to ask it.

    Returns:
        Sorted by path.

    Raises:
        GitError: A revision is not known, or the two have no common ancestor here.
    """
    revisions = revisions or Revisions(root, environ)
    revisions.look_up((base, head or "HEAD", "HEAD"))
    base_commit = _known(root, base, revisions)
    head_commit = _known(root, head or "HEAD", revisions)
    if merge_base:
        common = revisions.common_ancestor(base_commit, head_commit)
        if common is None:
            shallow = is_shallow(root, environ)
            raise GitError(
                f"'{base}' and '{head or 'HEAD'}' have no common ancestor here",
                where=root,
                hint="run: git fetch --unshallow" if shallow else "name another base",
            )
        base_commit = common
    found: dict[str, Literal["A", "M", "D"]] = {}
    if worktree:
        compared = base_commit if head is None else _known(root, "HEAD", revisions)
        found = _worktree_changes(root, compared, uncommitted, revisions, environ)
    if head is not None or not worktree:
        found |= _committed_changes(root, base_commit, head_commit, environ)
    return [ChangedFile(path, found[path]) for path in sorted(found)]


def _known(root: str, rev: str, revisions: Revisions) -> str:
    commit = revisions.commit(rev)
    if commit is None:
        raise GitError(f"git knows no revision '{rev}'", where=root,
                       hint="fetch it, or name another")  # fmt: skip
    return commit


def _committed_changes(
    root: str, base: str, head: str, environ: Mapping[str, str]
) -> dict[str, Literal["A", "M", "D"]]:
    finished = run_git(root, ("diff-tree", "-r", *_RAW, base, head), environ)
    if finished.code != 0:
        raise finished.error()
    return _statuses(finished.fields())


def _worktree_changes(
    root: str,
    base: str,
    uncommitted: Uncommitted | None,
    revisions: Revisions,
    environ: Mapping[str, str],
) -> dict[str, Literal["A", "M", "D"]]:
    """What of the worktree differs from a commit, untracked files included."""
    if uncommitted is None:
        pending = GitListing.start(root, environ)
        listed = pending.result() if pending is not None else None
        uncommitted = listed.uncommitted if listed is not None else None
    if uncommitted is None:
        return _differing(root, base, (), environ)
    revisions.compared = base
    found = _by_index(root, base, uncommitted, revisions, environ)
    if found is None:
        found = _differing(root, base, (), environ)
    if uncommitted.hidden:
        _look_behind_marks(root, base, uncommitted.hidden, found, environ)
    for path in (*uncommitted.untracked, *uncommitted.foreign):
        # What only left the index is on disk still, or again.
        found[path] = "M" if path in found else "A"
    return found


def _by_index(
    root: str,
    base: str,
    uncommitted: Uncommitted,
    revisions: Revisions,
    environ: Mapping[str, str],
) -> dict[str, Literal["A", "M", "D"]] | None:
    """What of the tracked files differs from a commit, without looking at each of them again.

    What git has found to be as in the index differs from the commit the way the index does.

    Returns:
        None where that cannot be said.
    """
    index, modified = uncommitted.index_id, uncommitted.modified
    if not uncommitted.plain or not index or len(modified) > _FEW:
        return None
    staged = revisions.ahead.staged(base, index) if revisions.ahead is not None else None
    if staged is None:
        staged = run_git(root, (*STAGED, base, "--"), environ)
    if staged.code != 0 or index_id(uncommitted.index) != index:
        return None
    found = _statuses(staged.fields())
    if modified:
        for path in modified:
            found.pop(path, None)
        found |= _differing(root, base, [f":(literal){path}" for path in modified], environ)
    return found


def _differing(
    root: str, base: str, pathspecs: Iterable[str], environ: Mapping[str, str]
) -> dict[str, Literal["A", "M", "D"]]:
    """What of the tracked files differs from a commit on disk; all of them without pathspecs."""
    arguments = ("diff", *_RAW, "--ignore-submodules=none", base, "--", *pathspecs)
    finished = run_git(root, arguments, environ)
    if finished.code != 0:
        raise finished.error()
    fields = finished.fields()
    found = _statuses(fields)
    for path in _only_touched(root, base, fields, environ):
        del found[path]
    return found


def _only_touched(root: str, base: str, fields: list[str], environ: Mapping[str, str]) -> list[str]:
    """Those of the raw lines that are there for the times of a file alone.

    git finds them by itself only where it may write the index, which others may be waiting for.
    """
    stored: dict[str, str] = {}
    for facts, path in zip(fields[::2], fields[1::2], strict=True):
        mode_before, mode, content, now, _ = facts[1:].split(" ")
        if mode == mode_before and not now.strip("0") and mode != _SUBMODULE:
            stored[path] = f"{mode} {content}"
    would_store = _as_git_would_store(root, base, stored, environ)
    return [path for path, known in stored.items() if would_store[path] == known]


def _look_behind_marks(
    root: str,
    base: str,
    paths: Iterable[str],
    found: dict[str, Literal["A", "M", "D"]],
    environ: Mapping[str, str],
) -> None:
    """Correct `found` for files that git does not look at: assume-unchanged, skip-worktree."""
    listed = run_git(root, ("ls-tree", "-r", "-z", base), environ)
    if listed.code != 0:
        raise listed.error()
    known: dict[str, str] = {}
    for line in listed.fields():
        facts, _, path = line.partition("\t")
        mode, _, content = facts.split(" ")
        known[path] = f"{mode} {content}"
    for path, now in _as_git_would_store(root, base, paths, environ).items():
        before = known.get(path)
        if now == before:
            found.pop(path, None)
        else:
            found[path] = "D" if now is None else "A" if before is None else "M"


def _as_git_would_store(
    root: str, base: str, paths: Iterable[str], environ: Mapping[str, str]
) -> dict[str, str | None]:
    """Mode and blob id of what is on disk, line endings and filters applied; None for nothing."""
    algorithm = "sha256" if len(base) == _SHA256 else "sha1"
    found: dict[str, str | None] = {}
    regular: list[str] = []
    for path in paths:
        absolute = os.path.join(root, path)
        found[path] = None
        with suppress(OSError):
            mode = os.lstat(absolute).st_mode
            if S_ISLNK(mode):
                found[path] = f"120000 {blob_id(os.fsencode(os.readlink(absolute)), algorithm)}"
            elif S_ISREG(mode):
                found[path] = "100755" if mode & 0o100 else "100644"
                regular.append(path)
    for path, content in _filtered_ids(root, regular, environ).items():
        found[path] = f"{found[path]} {content}"
    return found


def _filtered_ids(root: str, paths: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The blob ids of regular files, line endings and filters applied."""
    toplevel = find_toplevel(root) if paths else None
    if toplevel is None:
        return {}
    # git takes what it reads as from the toplevel, and may not be told of all names that way.
    below = os.path.relpath(os.path.realpath(root), os.path.realpath(toplevel))
    on_lines = [path for path in paths if fits_on_a_line(path)]
    given = "".join(f"{os.path.normpath(os.path.join(below, path))}\n" for path in on_lines)
    ids = _hash_object(toplevel, ("--stdin-paths",), environ, os.fsencode(given)).split()
    found = dict(zip(on_lines, ids, strict=True))
    for path in paths:
        if path not in found:
            found[path] = _hash_object(root, ("--", path), environ)
    return found


def _hash_object(
    directory: str, arguments: Sequence[str], environ: Mapping[str, str], given: bytes = b""
) -> str:
    hashed = run_git(directory, ("hash-object", *arguments), environ, given=given)
    if hashed.code != 0:
        raise hashed.error()
    return hashed.text().strip()


def _statuses(fields: list[str]) -> dict[str, Literal["A", "M", "D"]]:
    """Read raw lines: `:100644 100644 <id> <id> M`, then the path."""
    found: dict[str, Literal["A", "M", "D"]] = {}
    for facts, path in zip(fields[::2], fields[1::2], strict=True):
        letter = facts[-1]
        found[path] = "A" if letter == "A" else "D" if letter == "D" else "M"
    return found


def ignored(root: str, paths: Collection[str], environ: Mapping[str, str]) -> set[str]:
    """Which of these paths git ignores. What it tracks it never ignores.

    Args:
        root: The workspace root, absolute.
        paths: From the workspace root; they need not exist.
        environ: The user's environment.
    """
    by_repository: dict[str, list[str]] = {}
    known: dict[str, str | None] = {}
    for path in paths:
        # git answers only for paths of its own that no link leads to.
        folder = os.path.dirname(f"{root}/{path}")
        if folder not in known:
            known[folder] = find_toplevel(os.path.realpath(folder))
        toplevel = known[folder]
        if toplevel is not None:
            by_repository.setdefault(toplevel, []).append(path)
    found: set[str] = set()
    for toplevel, here in by_repository.items():
        physical = {}
        for path in here:
            folder, name = os.path.split(f"{root}/{path}")
            physical[os.path.join(os.path.realpath(folder), name)] = path
        # "./" keeps a leading colon from being read as magic.
        given = "".join(f"./{os.path.relpath(path, toplevel)}\0" for path in physical)
        finished = run_git(
            toplevel,
            ("check-ignore", "--stdin", "-z"),
            environ,
            given=given.encode("utf-8", "surrogateescape"),
        )
        if finished.code > 1:
            raise finished.error()
        found.update(physical[os.path.join(toplevel, path[2:])] for path in finished.fields())
    return found
