"""Choosing what `--affected` compares with. `docs/reference/affected.md` says it for users."""

from __future__ import annotations

from msgspec import Struct

from bao_core.errors import GitError
from bao_core.git import facts as git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


class Base(Struct, frozen=True):
    """What to compare with.

    Attributes:
        commit: The merge base of HEAD and the revision chosen; None where everything has to be
            taken for changed.
        how: How it was chosen, or why there is none, as one clause.
    """

    commit: str | None
    how: str


class Candidate(Struct, frozen=True):
    """A revision that could be the base.

    Attributes:
        revisions: Its possible names; the first that exists counts.
        source: Who named it; empty for a guess.
        demanded: The user named it, so that it is an error if it does not exist.
        worth_fetching: It may be asked for at the remote.
    """

    revisions: tuple[str, ...]
    source: str = ""
    demanded: bool = False
    worth_fetching: bool = True


GUESSES = (
    "origin/HEAD",
    "origin/main",
    "main",
    "origin/master",
    "master",
    "origin/trunk",
    "trunk",
)
"""Where the work of most repositories comes together, if nobody says."""


class PullRequestVariable(Struct, frozen=True):
    """A variable by which a CI system names the branch that a change is to be merged into.

    Attributes:
        name: Its name.
        guard: Another variable without which it means something else; empty for none.
        not_guard: Values of the guard that mean the same as its absence.
    """

    name: str
    guard: str = ""
    not_guard: tuple[str, ...] = ()


PULL_REQUEST_VARIABLES = (
    PullRequestVariable("GITHUB_BASE_REF"),  # GitHub, Gitea, Forgejo
    PullRequestVariable("CI_MERGE_REQUEST_DIFF_BASE_SHA"),  # GitLab
    PullRequestVariable("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
    PullRequestVariable("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME"),
    PullRequestVariable("CHANGE_TARGET"),  # Jenkins
    PullRequestVariable("BITBUCKET_PR_DESTINATION_BRANCH"),
    PullRequestVariable("BUILDKITE_PULL_REQUEST_BASE_BRANCH"),
    PullRequestVariable("SYSTEM_PULLREQUEST_TARGETBRANCH"),  # Azure Pipelines
    # On these, the variable names the branch that is built where no pull request is.
    PullRequestVariable("TRAVIS_BRANCH", "TRAVIS_PULL_REQUEST", ("false",)),
    PullRequestVariable("APPVEYOR_REPO_BRANCH", "APPVEYOR_PULL_REQUEST_NUMBER"),
    PullRequestVariable("DRONE_TARGET_BRANCH", "DRONE_PULL_REQUEST"),
    PullRequestVariable("CI_COMMIT_TARGET_BRANCH", "CI_COMMIT_PULL_REQUEST"),  # Woodpecker
    PullRequestVariable("CODEBUILD_WEBHOOK_BASE_REF"),
    PullRequestVariable("CIRRUS_BASE_BRANCH"),
    PullRequestVariable("BITRISEIO_GIT_BRANCH_DEST"),
    PullRequestVariable("CF_PULL_REQUEST_TARGET"),  # Codefresh
)


def choose_base(
    root: str,
    environ: Mapping[str, str],
    *,
    since: str | None = None,
    configured_branch: str | None = None,
    deepen: bool | None = None,
    revisions: git.Revisions | None = None,
) -> Base:
    """Choose the commit that `--affected` compares with.

    The first of these that says something counts: `since`, `BAO_BASE`, the CI system's own
    variable, the configured default branch, `GUESSES`.

    Args:
        root: The workspace's root.
        environ: The environment of the command.
        since: What the user asks for.
        configured_branch: The configured default branch.
        deepen: Fetch what is missing; None for only in CI, which is where `CI` is set.
        revisions: What is known of revisions already.

    Raises:
        GitError: What the user asks for does not exist.
    """
    if git.find_toplevel(root) is None:
        if since is not None:
            raise GitError("--since needs a git repository, and this is none", where=root)
        return Base(None, "this is no git repository")
    candidates = list(_candidates(environ, since, configured_branch))
    revisions = revisions or git.Revisions(root, environ)
    revisions.look_up(("HEAD", *(name for candidate in candidates for name in candidate.revisions)))
    chooser = _Chooser(
        root, environ, revisions, deepen=in_ci(environ) if deepen is None else deepen
    )
    for candidate in candidates:
        base = chooser.try_candidate(candidate)
        if base is not None:
            return base
    guesses = ", ".join(GUESSES)
    return Base(None, f"there is none of {guesses}; name a base with --since or BAO_BASE")


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether bao runs in a CI system."""
    return environ.get("CI", "").lower() not in {"", "0", "false"}


class _Chooser:
    """Tries candidates in one repository."""

    def __init__(
        self, root: str, environ: Mapping[str, str], revisions: git.Revisions, *, deepen: bool
    ) -> None:
        self._root = root
        self._environ = environ
        self._revisions = revisions
        self._deepen = deepen

    def try_candidate(self, candidate: Candidate) -> Base | None:
        """The base that a candidate gives; None where it is a guess that misses."""
        found = self._find(candidate)
        if found is None:
            return self._missing(candidate)
        name, commit = found
        said = f"{name} ({candidate.source})" if candidate.source else name
        head = self._revisions.commit("HEAD")
        if head is None:
            return Base(None, "there is no commit yet")
        parted = self._merge_base(name, commit, head)
        if parted is None:
            return Base(None, f"HEAD and {said} have no history in common{self._advice()}")
        if parted == head:
            return Base(parted, f"{said}, which holds HEAD: only what is not committed counts")
        return Base(parted, f"the merge base with {said}")

    def _find(self, candidate: Candidate) -> tuple[str, str] | None:
        """The name and the commit of a candidate; fetched if need be."""
        for name in candidate.revisions:
            if commit := self._revisions.commit(name):
                return name, commit
        if not self._deepen or not candidate.worth_fetching:
            return None
        for name in candidate.revisions:
            if self._fetch(name) and (commit := self._revisions.commit(name)):
                return name, commit
        return None

    def _fetch(self, name: str) -> bool:
        """Fetch what a comparison with a revision lacks; whether that helped."""
        helped = git.deepen(self._root, name, self._environ)
        self._revisions.forget()
        return helped

    def _merge_base(self, name: str, commit: str, head: str) -> str | None:
        parted = self._revisions.common_ancestor(commit, head)
        if parted is None and self._deepen and git.is_shallow(self._root, self._environ):
            self._fetch(name)
            parted = self._revisions.common_ancestor(commit, head)
        return parted

    def _missing(self, candidate: Candidate) -> Base | None:
        if not candidate.source:
            return None
        name = candidate.revisions[0] if candidate.revisions else ""
        if candidate.demanded:
            raise GitError(
                f"{candidate.source}: there is no revision '{name}'",
                hint="fetch it first, or use --deepen" if not self._deepen else None,
            )
        if not name:
            return Base(None, candidate.source)
        return Base(None, f"{name} ({candidate.source}) is not here{self._advice()}")

    def _advice(self) -> str:
        if self._deepen:
            return ", and fetching it did not help"
        if git.is_shallow(self._root, self._environ):
            return "; this is a shallow clone: use --deepen"
        return ""


def _candidates(
    environ: Mapping[str, str], since: str | None, configured_branch: str | None
) -> Iterator[Candidate]:
    """What could be the base, in order."""
    if since is not None:
        yield Candidate((since,), "--since", demanded=True)
    elif named := environ.get("BAO_BASE"):
        yield Candidate((named,), "BAO_BASE", demanded=True)
    elif from_ci := _ci_candidate(environ, configured_branch):
        yield from_ci
    elif configured_branch:
        yield _branch(configured_branch, "the configured default branch")
    for guess in GUESSES:
        yield Candidate((guess,), worth_fetching=False)
    # A clone of a single branch has none of them; the remote may.
    for guess in GUESSES:
        if guess.startswith("origin/") and guess != "origin/HEAD":
            yield Candidate((guess,))


def _branch(name: str, source: str) -> Candidate:
    name = name.removeprefix("refs/heads/")
    # The local branch of that name may be old; nobody pulls it in CI.
    return Candidate((f"origin/{name}", name), source)


# --- what CI systems say ---------------------------------------------------------------------


def _ci_candidate(environ: Mapping[str, str], configured_branch: str | None) -> Candidate | None:
    for variable in PULL_REQUEST_VARIABLES:
        value = environ.get(variable.name, "")
        if value and _guard_holds(variable, environ):
            is_commit = variable.name.endswith("_SHA")
            return (
                Candidate((value,), variable.name) if is_commit else _branch(value, variable.name)
            )
    return _github_event(environ, configured_branch) or _gitlab_push(environ, configured_branch)


def _guard_holds(variable: PullRequestVariable, environ: Mapping[str, str]) -> bool:
    if not variable.guard:
        return True
    return environ.get(variable.guard, "") not in {"", *variable.not_guard}


def _github_event(environ: Mapping[str, str], configured_branch: str | None) -> Candidate | None:
    """The base of a push or of a merge queue, which have no variable."""
    event = _read_event(environ.get("GITHUB_EVENT_PATH", ""))
    if queued := _text(event, "merge_group", "base_sha"):
        return Candidate((queued,), "the merge queue in GITHUB_EVENT_PATH")
    branch = _text(event, "ref").removeprefix("refs/heads/")
    if not _text(event, "before") or branch.startswith("refs/"):
        return None
    return _pushed(
        branch,
        _text(event, "before"),
        configured_branch,
        _text(event, "repository", "default_branch"),
        "GITHUB_EVENT_PATH",
    )


def _gitlab_push(environ: Mapping[str, str], configured_branch: str | None) -> Candidate | None:
    branch = environ.get("CI_COMMIT_BRANCH", "")
    before = environ.get("CI_COMMIT_BEFORE_SHA", "")
    if not branch or not before:
        return None
    default = environ.get("CI_DEFAULT_BRANCH", "")
    return _pushed(branch, before, configured_branch, default, "CI_COMMIT_BEFORE_SHA")


def _pushed(
    branch: str, before: str, configured_branch: str | None, default: str, source: str
) -> Candidate | None:
    """The base of a push.

    On the default branch that is what it was before. On any other it is where the branch came
    from: a push may fail, and the next one must not forget what it brought.
    """
    main = (configured_branch or default).removeprefix("origin/")
    if branch != main:
        return _branch(main, f"the default branch by {source}") if main else None
    if not before.strip("0"):
        return Candidate((), f"the branch {branch} is new by {source}")
    return Candidate((before,), source)


def _read_event(path: str) -> Any:
    if not path:
        return None
    from msgspec.json import decode

    try:
        with open(path, "rb") as stream:
            return decode(stream.read())
    except (OSError, ValueError):
        return None


def _text(document: Any, *keys: str) -> str:
    """A text within decoded JSON; empty where there is none."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, str) else ""
