"""What `--affected` compares with, in real repositories, clones and worktrees."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.errors import GitError
from bao_core.selection.base_revision import PULL_REQUEST_VARIABLES, Base, choose_base, in_ci

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}
ZEROS = "0" * 40


class Checkout:
    """A git repository with commits that have names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commits: dict[str, str] = {}

    @classmethod
    def create(cls, root: Path) -> Checkout:
        root.mkdir()
        made = cls(root)
        made.git("init", "-q", "-b", "main")
        return made

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=ENVIRON, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def commit(self, name: str) -> str:
        (self.root / name).write_text(name)
        self.git("add", "--all")
        self.git("commit", "-q", "-m", name)
        self.commits[name] = self.git("rev-parse", "HEAD")
        return self.commits[name]

    def clone(self, root: Path, *options: str) -> Checkout:
        url = self.root.as_uri()
        subprocess.run(["git", "clone", "-q", *options, url, str(root)], env=ENVIRON, check=True)
        cloned = Checkout(root)
        cloned.commits = self.commits
        return cloned

    def base(self, environ: dict[str, str] | None = None, **options: Any) -> Base:
        return choose_base(str(self.root), {**ENVIRON, **(environ or {})}, **options)

    def named(self, environ: dict[str, str] | None = None, **options: Any) -> str | None:
        """The name of the commit that was chosen."""
        chosen = self.base(environ, **options).commit
        names = {commit: name for name, commit in self.commits.items()}
        return None if chosen is None else names[chosen]


@pytest.fixture
def upstream(tmp_path: Path) -> Checkout:
    """`one - two - three` is main; `release` left at `one`, `feature` at `two`."""
    made = Checkout.create(tmp_path / "upstream")
    made.commit("one")
    made.git("branch", "release")
    made.commit("two")
    made.git("branch", "feature")
    made.commit("three")
    made.git("checkout", "-q", "release")
    made.commit("fix")
    made.git("checkout", "-q", "feature")
    made.commit("work")
    made.commit("more")
    made.git("checkout", "-q", "main")
    return made


@pytest.fixture
def clone(upstream: Checkout, tmp_path: Path) -> Checkout:
    """A full clone with `feature` checked out; it has no other local branch."""
    return upstream.clone(tmp_path / "clone", "-b", "feature")


# --- who says ---------------------------------------------------------------------------------


def test_what_the_user_asks_for_comes_first(clone: Checkout) -> None:
    environ = {"BAO_BASE": "origin/main", "GITHUB_BASE_REF": "main"}
    assert clone.named(environ, since="origin/release", configured_branch="main") == "one"


def test_then_the_variable(clone: Checkout) -> None:
    environ = {"BAO_BASE": "origin/release", "GITHUB_BASE_REF": "main"}
    assert clone.named(environ, configured_branch="main") == "one"


def test_then_the_ci_system(clone: Checkout) -> None:
    assert clone.named({"GITHUB_BASE_REF": "release"}, configured_branch="main") == "one"


def test_then_the_configured_branch(clone: Checkout) -> None:
    assert clone.named(configured_branch="release") == "one"
    assert clone.named(configured_branch="origin/release") == "one"


def test_then_the_head_of_the_remote(clone: Checkout) -> None:
    clone.git("remote", "set-head", "origin", "release")
    assert clone.named() == "one"
    assert clone.base().how == "the merge base with origin/HEAD"


def test_then_main_of_the_remote_before_the_local_one(clone: Checkout) -> None:
    clone.git("remote", "set-head", "origin", "--delete")
    clone.git("branch", "main", clone.commits["one"])
    assert clone.named() == "two"
    clone.git("update-ref", "-d", "refs/remotes/origin/main")
    assert clone.named() == "one"


@pytest.mark.parametrize("branch", ["main", "master", "trunk"])
def test_a_repository_without_a_remote_has_the_usual_branch(
    upstream: Checkout, branch: str
) -> None:
    upstream.git("branch", "-m", "main", branch)
    upstream.git("checkout", "-q", "feature")
    assert upstream.base() == Base(upstream.commits["two"], f"the merge base with {branch}")


def test_without_any_of_them_there_is_no_base_and_it_says_what_to_do(tmp_path: Path) -> None:
    made = Checkout.create(tmp_path / "r")
    made.git("checkout", "-q", "-b", "odd")
    made.commit("one")
    chosen = made.base()
    assert chosen.commit is None
    assert "origin/HEAD, origin/main, main" in chosen.how
    assert "--since or BAO_BASE" in chosen.how


def test_an_empty_variable_says_nothing(clone: Checkout) -> None:
    environ = {"BAO_BASE": "", "GITHUB_BASE_REF": "", "BUILDKITE_PULL_REQUEST_BASE_BRANCH": ""}
    assert clone.named(environ) == "two"


# --- what is not there ------------------------------------------------------------------------


def test_a_revision_that_the_user_names_must_exist(clone: Checkout) -> None:
    with pytest.raises(GitError, match="--since: there is no revision 'nope'; fetch it first"):
        clone.base(since="nope")
    with pytest.raises(GitError, match="BAO_BASE: there is no revision 'nope'"):
        clone.base({"BAO_BASE": "nope"})
    with pytest.raises(GitError, match=r"--since: there is no revision 'nope'$"):
        clone.base(since="nope", deepen=True)


def test_a_branch_that_only_the_remote_has_can_be_named_without_it(clone: Checkout) -> None:
    assert clone.named(since="release") == "one"


@pytest.mark.parametrize("since", ["--output=owned", "-h", ""])
def test_an_option_is_no_revision(clone: Checkout, since: str) -> None:
    with pytest.raises(GitError, match="there is no revision"):
        clone.base(since=since)
    assert not (clone.root / "owned").exists()


def test_a_branch_that_ci_or_the_configuration_names_may_be_missing(clone: Checkout) -> None:
    chosen = clone.base({"GITHUB_BASE_REF": "gone"})
    assert chosen == Base(None, "origin/gone (GITHUB_BASE_REF) is not here")
    chosen = clone.base(configured_branch="gone")
    assert chosen == Base(None, "origin/gone (the configured default branch) is not here")


def test_histories_that_share_nothing_have_no_base(clone: Checkout) -> None:
    clone.git("checkout", "-q", "--orphan", "lone")
    clone.commit("lone")
    chosen = clone.base()
    assert chosen == Base(None, "HEAD and origin/HEAD have no history in common")


def test_without_git_there_is_no_base_and_asking_for_one_is_an_error(tmp_path: Path) -> None:
    assert Checkout(tmp_path).base() == Base(None, "this is no git repository")
    with pytest.raises(GitError, match="--since needs a git repository"):
        Checkout(tmp_path).base(since="main")


def test_before_the_first_commit_there_is_no_base(tmp_path: Path) -> None:
    made = Checkout.create(tmp_path / "r")
    assert made.base().commit is None


# --- where HEAD is ----------------------------------------------------------------------------


def test_a_detached_head_is_compared_like_any_other(clone: Checkout) -> None:
    clone.git("checkout", "-q", "--detach")
    clone.git("branch", "-q", "-D", "feature")
    assert clone.named() == "two"


def test_on_the_default_branch_only_what_is_not_pushed_counts(clone: Checkout) -> None:
    clone.git("checkout", "-q", "main")
    chosen = clone.base()
    assert chosen.commit == clone.commits["three"]
    assert "only what is not committed counts" in chosen.how
    clone.commit("local")
    assert clone.base() == Base(clone.commits["three"], "the merge base with origin/HEAD")


def test_a_linked_worktree_is_a_repository_like_any_other(clone: Checkout, tmp_path: Path) -> None:
    clone.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"), "origin/release")
    linked = Checkout(tmp_path / "linked")
    linked.commits = clone.commits
    assert linked.named() == "one"


def test_a_workspace_may_lie_below_the_top_of_the_repository(clone: Checkout) -> None:
    below = clone.root / "below"
    below.mkdir()
    chosen = choose_base(str(below), ENVIRON)
    assert chosen.commit == clone.commits["two"]


# --- shallow clones ---------------------------------------------------------------------------


@pytest.fixture
def shallow(upstream: Checkout, tmp_path: Path) -> Checkout:
    """What CI systems make: one commit of one branch."""
    return upstream.clone(tmp_path / "shallow", "--depth", "1", "-b", "feature")


def test_in_a_shallow_clone_everything_counts_and_it_says_why(shallow: Checkout) -> None:
    chosen = shallow.base({"GITHUB_BASE_REF": "main"}, deepen=False)
    assert chosen.commit is None
    assert chosen.how == (
        "origin/main (GITHUB_BASE_REF) is not here; this is a shallow clone: use --deepen"
    )
    shallow.git("fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    chosen = shallow.base(configured_branch="main", deepen=False)
    assert chosen.commit is None
    assert "have no history in common; this is a shallow clone: use --deepen" in chosen.how


def test_deepening_fetches_the_branch_and_the_history_that_are_missing(shallow: Checkout) -> None:
    assert shallow.named({"GITHUB_BASE_REF": "release"}, deepen=True) == "one"


def test_deepening_fetches_history_for_a_branch_that_is_there(shallow: Checkout) -> None:
    shallow.git("fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    assert shallow.named({"GITHUB_BASE_REF": "main"}, deepen=True) == "two"


def test_deepening_finds_what_the_user_names(shallow: Checkout) -> None:
    assert shallow.named(since="main", deepen=True) == "two"


def test_deepening_finds_the_default_branch_that_a_clone_of_one_branch_lacks(
    shallow: Checkout,
) -> None:
    assert shallow.base(deepen=False).commit is None
    assert shallow.named(deepen=True) == "two"


def test_deepening_finds_a_commit_by_its_id(shallow: Checkout) -> None:
    environ = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": shallow.commits["one"]}
    assert shallow.named(environ, deepen=True) == "one"


@pytest.mark.parametrize(
    ("value", "expected"), [("true", "two"), ("1", "two"), ("false", None), ("", None)]
)
def test_in_ci_deepening_is_the_default(
    shallow: Checkout, value: str, expected: str | None
) -> None:
    assert shallow.named({"CI": value, "GITHUB_BASE_REF": "main"}) == expected
    assert in_ci({"CI": value}) == bool(expected)


def test_a_remote_that_cannot_be_reached_leaves_everything(shallow: Checkout) -> None:
    shallow.git("remote", "set-url", "origin", (shallow.root / "gone").as_uri())
    chosen = shallow.base({"GITHUB_BASE_REF": "main"}, deepen=True)
    assert chosen == Base(
        None, "origin/main (GITHUB_BASE_REF) is not here, and fetching it did not help"
    )


# --- CI systems -------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", PULL_REQUEST_VARIABLES, ids=lambda found: found.name)
def test_each_ci_system_names_the_branch_of_a_pull_request(clone: Checkout, variable: Any) -> None:
    is_commit = variable.name.endswith("_SHA")
    environ = {variable.name: clone.commits["one"] if is_commit else "release"}
    if variable.guard:
        assert clone.named(environ) == "two"  # it names the branch that is built
        for value in variable.not_guard:
            assert clone.named({**environ, variable.guard: value}) == "two"
        environ[variable.guard] = "17"
    assert clone.named(environ) == "one"
    assert variable.name in clone.base(environ).how


def test_a_branch_may_come_with_its_full_name(clone: Checkout) -> None:
    assert clone.named({"SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/release"}) == "one"


def test_in_ci_the_branch_of_the_remote_counts_and_not_an_old_local_one(clone: Checkout) -> None:
    clone.git("branch", "main", clone.commits["one"])
    assert clone.named({"GITHUB_BASE_REF": "main"}) == "two"


def event(clone: Checkout, document: object) -> dict[str, str]:
    path = clone.root.parent / "event.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return {"GITHUB_EVENT_PATH": str(path)}


def push(branch: str, before: str) -> dict[str, Any]:
    return {
        "ref": f"refs/heads/{branch}",
        "before": before,
        "repository": {"default_branch": "main"},
    }


def test_a_push_to_the_default_branch_is_compared_with_what_was_there(clone: Checkout) -> None:
    clone.git("checkout", "-q", "main")
    environ = event(clone, push("main", clone.commits["one"]))
    assert clone.named(environ) == "one"
    assert "GITHUB_EVENT_PATH" in clone.base(environ).how


def test_a_push_to_another_branch_is_compared_with_where_it_left(clone: Checkout) -> None:
    # The push before may have failed; what it brought must not be forgotten.
    environ = event(clone, push("feature", clone.commits["work"]))
    assert clone.named(environ) == "two"
    assert clone.named(environ, configured_branch="release") == "one"


def test_a_push_to_the_configured_branch_is_one_to_the_default_branch(clone: Checkout) -> None:
    clone.git("checkout", "-q", "--detach", "origin/release")
    environ = event(clone, push("release", clone.commits["one"]))
    assert clone.named(environ, configured_branch="release") == "one"


def test_the_first_push_of_the_default_branch_is_all_new(clone: Checkout) -> None:
    environ = event(clone, push("main", ZEROS))
    assert clone.base(environ) == Base(None, "the branch main is new by GITHUB_EVENT_PATH")


def test_a_push_of_a_tag_says_nothing(clone: Checkout) -> None:
    environ = event(clone, {**push("main", ZEROS), "ref": "refs/tags/v1"})
    assert clone.base(environ).how == "the merge base with origin/HEAD"


def test_a_merge_queue_names_its_base(clone: Checkout) -> None:
    environ = event(clone, {"merge_group": {"base_sha": clone.commits["one"]}})
    assert clone.named(environ) == "one"


@pytest.mark.parametrize("document", ["{", "[]", '{"merge_group": 3, "before": {}}', ""])
def test_an_event_that_cannot_be_read_says_nothing(clone: Checkout, document: str) -> None:
    assert clone.named(event(clone, document)) == "two"
    assert clone.named({"GITHUB_EVENT_PATH": "/nowhere"}) == "two"


def test_a_push_that_was_forced_has_no_state_before(clone: Checkout) -> None:
    clone.git("checkout", "-q", "main")
    chosen = clone.base(event(clone, push("main", "1" * 40)))
    assert chosen.commit is None
    assert "(GITHUB_EVENT_PATH) is not here" in chosen.how


def test_gitlab_says_the_same_in_variables(clone: Checkout) -> None:
    environ = {"CI_DEFAULT_BRANCH": "main", "CI_COMMIT_BRANCH": "main"}
    clone.git("checkout", "-q", "main")
    assert clone.named({**environ, "CI_COMMIT_BEFORE_SHA": clone.commits["one"]}) == "one"
    chosen = clone.base({**environ, "CI_COMMIT_BEFORE_SHA": ZEROS})
    assert chosen == Base(None, "the branch main is new by CI_COMMIT_BEFORE_SHA")
    clone.git("checkout", "-q", "feature")
    environ["CI_COMMIT_BRANCH"] = "feature"
    assert clone.named({**environ, "CI_COMMIT_BEFORE_SHA": clone.commits["work"]}) == "two"
