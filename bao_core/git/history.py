"""What git knows of commits: their names, their ancestors, and what a shallow clone lacks."""

from __future__ import annotations

import os
import re

from bao_core.git.process import run_git
from bao_core.git.revisions import Revisions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_STEPS = (50, 200, 1000, 5000)
"""Commits by which a shallow history is deepened, one after the other, before all is fetched."""

_FETCH = (
    "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
    "--no-auto-maintenance",
)  # fmt: skip

_MOST_BOUNDARIES = 50
"""So many ends of a shallow history are deepened at a time."""


def resolve_commit(root: str, rev: str, environ: Mapping[str, str]) -> str | None:
    """See `Revisions.commit`."""
    return Revisions(root, environ).commit(rev)


def merge_base(root: str, a: str, b: str, environ: Mapping[str, str]) -> str | None:
    """See `Revisions.merge_base`."""
    return Revisions(root, environ).merge_base(a, b)


def is_shallow(root: str, environ: Mapping[str, str]) -> bool:
    """Whether the history was cut off when it was cloned."""
    return run_git(root, ("rev-parse", "--is-shallow-repository"), environ).text() == "true\n"


def current_branch(root: str, environ: Mapping[str, str]) -> str | None:
    """The branch that is checked out; None where `HEAD` is detached."""
    finished = run_git(root, ("symbolic-ref", "--quiet", "--short", "HEAD"), environ)
    return finished.text().strip() if finished.code == 0 else None


def head_branches(root: str, environ: Mapping[str, str]) -> list[str]:
    """What the remotes call their default branches, such as `origin/main`; `origin`'s first."""
    finished = run_git(
        root, ("for-each-ref", "--format=%(symref:lstrip=2)", "refs/remotes/*/HEAD"), environ
    )
    found = [line for line in finished.text().split("\n") if line]
    return sorted(found, key=lambda name: (not name.startswith("origin/"), name))


def deepen(root: str, rev: str, environ: Mapping[str, str]) -> bool:
    """Fetch what is missing to compare `HEAD` with its last common ancestor with a revision.

    Asks the revision's remote for its branch, tag or commit if it is missing; then, in a shallow
    clone, for more and more history until there is a common ancestor. Moves no branch of the
    user's, only what tracks the remote.

    Returns:
        Whether the revision can be compared with now. A remote that cannot be reached is no
        error.
    """
    if _comparable(root, rev, environ):
        return True
    remote, wanted = _wanted(root, rev, environ)
    if wanted is None:
        return False
    shallow = is_shallow(root, environ)
    if wanted and resolve_commit(root, rev, environ) is None:
        # Not less than what is here: a shorter fetch would cut off history that is there.
        depth = (f"--depth={_local_depth(root, environ) + _STEPS[0]}",) if shallow else ()
        if not _fetch(root, environ, *depth, remote, *wanted):
            # A server may refuse to give a commit by its id; it may still be an ancestor.
            wanted = ()
    if not shallow:
        return _comparable(root, rev, environ)
    for step in _STEPS:
        if _comparable(root, rev, environ):
            return True
        more = (f"--deepen={step}", remote, *wanted)
        ends = _boundaries(root, environ)
        if not _fetch(root, environ, *more, *ends) and not _fetch(root, environ, *more):
            break
    if not _comparable(root, rev, environ):
        _fetch(root, environ, "--unshallow", remote, *wanted)
    return _comparable(root, rev, environ)


def _fetch(root: str, environ: Mapping[str, str], *arguments: str) -> bool:
    return run_git(root, (*_FETCH, *arguments), environ).code == 0


def _comparable(root: str, rev: str, environ: Mapping[str, str]) -> bool:
    """Whether a revision is there, with a common ancestor unless history really has none."""
    commit = resolve_commit(root, rev, environ)
    if commit is None:
        return False
    return merge_base(root, commit, "HEAD", environ) is not None or not is_shallow(root, environ)


def _wanted(root: str, rev: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...] | None]:
    """The remote to ask for a revision, and the refspecs to ask for; None where it has none."""
    name = re.split(r"[~^:]|@\{", rev, maxsplit=1)[0]
    name = name.removeprefix("refs/").removeprefix("remotes/")
    remote = Revisions(root, environ).main_remote()
    for known in run_git(root, ("remote",), environ).text().split():
        if name.startswith(f"{known}/"):
            remote, name = known, name.removeprefix(f"{known}/")
    name = name.removeprefix("heads/").removeprefix("tags/")
    if name in {"", "@", "HEAD"}:
        return remote, ()
    refs = (f"refs/heads/{name}", f"refs/tags/{name}")
    offered = run_git(root, ("ls-remote", remote, *refs), environ).text()
    if refs[0] in offered:
        return remote, (f"+{refs[0]}:refs/remotes/{remote}/{name}",)
    if refs[1] in offered:
        return remote, (f"+{refs[1]}:{refs[1]}",)
    return remote, (name,) if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name) else None


def _boundaries(root: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The commits at which the local history ends; deepened only if they are asked for."""
    place = run_git(root, ("rev-parse", "--path-format=absolute", "--git-path", "shallow"), environ)
    try:
        with open(os.fsdecode(place.output.rstrip(b"\n")), encoding="ascii") as stream:
            return tuple(stream.read().split()[:_MOST_BOUNDARIES])
    except OSError:
        return ()


def _local_depth(root: str, environ: Mapping[str, str]) -> int:
    """How many commits `HEAD` has here."""
    counted = run_git(root, ("rev-list", "--count", "HEAD"), environ)
    return int(counted.text()) if counted.code == 0 else 0
