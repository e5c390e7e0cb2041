"""Names of commits are asked for together, and what git said of the index is not asked again."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from bao_core.git import facts as git
from bao_core.git.ahead import ask_ahead, remember
from bao_core.git.begun import BegunListing
from bao_core.git.listing import GitListing, index_id

if TYPE_CHECKING:
    from pathlib import Path

    from bao_core.git.listed import Uncommitted

NAMES = ("a", "b", "d/a", "d/e/f", " sp", 'q"x', "*", "d/:c", "ö", "p/x\ty", "d", "[a]")


class Checkout:
    """A git repository, and a count of the gits that were started in it."""

    def __init__(self, base: Path) -> None:
        self.root = str(base / "repo")
        self.state = str(base / "state")
        self._ledger = base / "started"
        programs = base / "programs"
        for directory in (self.root, self.state, programs):
            os.makedirs(directory)
        wrapper = programs / "git"
        wrapper.write_text(f'#!/bin/sh\necho >> {self._ledger}\nexec {shutil.which("git")} "$@"\n')
        wrapper.chmod(0o755)
        self._git = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org",
        }
        self.environ = {**self._git, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["git", "-C", self.root, *arguments], env=self._git, check=check, capture_output=True
        )
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def write(self, path: str, content: str) -> None:
        os.makedirs(os.path.dirname(f"{self.root}/{path}"), exist_ok=True)
        with open(f"{self.root}/{path}", "w", encoding="utf-8") as file:
            file.write(content)

    def commit(self, path: str = "", content: str = "") -> str:
        if path:
            self.write(path, content or path)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", path or "x")
        return self.git("rev-parse", "HEAD")

    def started(self) -> int:
        """How many gits the code under test has started since the last call."""
        count = len(self._ledger.read_text()) if self._ledger.exists() else 0
        self._ledger.unlink(missing_ok=True)
        return count

    def revisions(self) -> git.Revisions:
        return git.Revisions(self.root, self.environ)

    def uncommitted(self) -> Uncommitted:
        listing = GitListing.start(self.root, self.environ)
        listed = listing.result() if listing is not None else None
        assert listed is not None
        assert listed.uncommitted is not None
        return listed.uncommitted

    def changes(
        self, base: str, uncommitted: Uncommitted | None, revisions: git.Revisions | None = None
    ) -> list[str]:
        found = git.changed_files(
            self.root, base, None, merge_base=False, worktree=True, environ=self.environ,
            revisions=revisions, uncommitted=uncommitted,
        )  # fmt: skip
        return [f"{change.status} {change.path}" for change in found]

    def expected(self, base: str) -> list[str]:
        """The same, asked in the longest way."""
        fields = self.git("diff", "--name-status", "--no-renames", "-z", base).split("\0")
        found = {path: status for status, path in zip(fields[::2], fields[1::2], strict=False)}
        others = self.git("ls-files", "-o", "--exclude-standard", "-z").split("\0")
        found |= {path: "M" if path in found else "A" for path in others if path}
        return sorted(
            (f"{'M' if status == 'T' else status} {path}" for path, status in found.items()),
            key=lambda line: line[2:],
        )


@pytest.fixture
def repo(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


# --- names of commits --------------------------------------------------------------------------


def test_many_names_are_looked_up_by_one_process_and_only_once(repo: Checkout) -> None:
    first = repo.commit("a")
    second = repo.commit("b")
    repo.git("tag", "-a", "v1", "-m", "annotated", first)
    revisions = repo.revisions()
    revisions.look_up(("HEAD", "main", "v1", "HEAD~1", "nothing", "HEAD:a", "@{1}"))
    assert repo.started() == 1
    assert revisions.commit("HEAD") == revisions.commit("main") == second
    assert revisions.commit("v1") == revisions.commit("HEAD~1") == revisions.commit("@{1}") == first
    assert revisions.commit(first) == first
    assert repo.started() == 0
    assert revisions.commit("nothing") is revisions.commit("HEAD:a") is None
    assert repo.started() == 2  # the remotes, and the names with the remote before them
    assert revisions.merge_base("v1", "main") == first
    assert repo.started() == 1
    assert revisions.merge_base("main", "HEAD") == second
    assert repo.started() == 0


def test_names_that_no_revision_can_have_name_none(repo: Checkout) -> None:
    commit = repo.commit("a")
    blob, tree = repo.git("rev-parse", "HEAD:a"), repo.git("rev-parse", "HEAD^{tree}")
    odd = (
        "",
        "-x",
        "--all",
        "main\nHEAD",
        "\n",
        "a\0b",
        "main HEAD",
        "^main",
        "x missing",
        "\udcff",
    )
    revisions = repo.revisions()
    revisions.look_up((*odd, blob, tree, "main"))
    assert [revisions.commit(name) for name in (*odd, blob, tree, "0" * 40)] == [None] * 13
    assert revisions.commit("main") == commit
    assert revisions.commit("HEAD^{/a}") == commit


def test_what_was_fetched_is_asked_for_again(repo: Checkout) -> None:
    commit = repo.commit("a")
    revisions = repo.revisions()
    assert revisions.commit("later") is None
    repo.git("branch", "later")
    assert revisions.commit("later") is None
    revisions.forget()
    assert revisions.commit("later") == commit


# --- the worktree ------------------------------------------------------------------------------


def test_files_that_are_as_in_the_index_are_not_looked_at_again(repo: Checkout) -> None:
    base = repo.commit("a")
    repo.commit("b")
    uncommitted, revisions = repo.uncommitted(), repo.revisions()
    revisions.look_up((base, "HEAD"))
    repo.started()
    assert repo.changes(base, uncommitted, revisions) == ["A b"]
    assert repo.started() == 1


def test_an_index_that_was_written_since_it_was_listed_is_not_believed(repo: Checkout) -> None:
    base = repo.commit("a")
    repo.write("a", "changed")
    repo.git("add", "a")
    uncommitted = repo.uncommitted()
    repo.git("reset", "-q")
    assert repo.changes(base, uncommitted) == ["M a"]


@pytest.mark.parametrize("seed", range(12))
def test_the_short_way_and_the_long_one_find_the_same(repo: Checkout, seed: int) -> None:
    chance = random.Random(seed)
    base = ""
    for step in range(14):
        _edit(repo, chance)
        if step == 4:
            base = repo.commit()
        elif base:
            assert repo.changes(base, repo.uncommitted()) == repo.expected(base)


def _edit(repo: Checkout, chance: random.Random) -> None:
    """Something that people do to a worktree; what cannot be done is not."""
    name = chance.choice(NAMES)
    path, literal = f"{repo.root}/{name}", f":(literal){name}"
    on_disk = (
        lambda: repo.write(name, chance.choice(["one\n", "two\n", "three\n"])),
        lambda: shutil.rmtree(path),
        lambda: os.unlink(path),
        lambda: os.symlink("a", path),
        lambda: os.chmod(path, chance.choice([0o755, 0o644])),
        lambda: os.utime(path, (1, chance.randrange(10**9))),
    )
    in_git = (
        ("add", "-N", "--", literal),
        ("rm", "-rq", "--cached", "--", literal),
        ("mv", "--", name, chance.choice(NAMES)),
        ("commit", "-qam", "x"),
        ("add", "-A"),
    )
    weights = [3, *[1] * (len(on_disk) + len(in_git) - 1)]
    chosen = chance.choices((*on_disk, *in_git), weights)[0]
    if isinstance(chosen, tuple):
        repo.git(*chosen, check=False)
        return
    with contextlib.suppress(OSError):
        chosen()


# --- ahead of the questions --------------------------------------------------------------------


def test_what_was_asked_once_is_asked_ahead(repo: Checkout) -> None:
    base = repo.commit("a")
    repo.git("checkout", "-q", "-b", "topic")
    head = repo.commit("b")
    first = repo.revisions()
    first.look_up(("nothing", "main", "HEAD"))
    assert first.commit("nothing") is None
    assert first.common_ancestor(base, head) == base
    assert repo.changes(base, repo.uncommitted(), first) == ["A b"]
    remember(repo.state, first)

    repo.started()
    begun = BegunListing(repo.root, repo.state, repo.environ, compare=True)
    assert begun.listing is not None
    assert begun.ahead is not None
    listed = begun.listing.result()
    assert listed is not None
    second = git.Revisions(repo.root, repo.environ, begun.ahead)
    second.look_up(("nothing", "main", "HEAD"))
    assert second.commit("nothing") is None
    assert (second.commit("main"), second.commit("HEAD")) == (base, head)
    assert second.common_ancestor(base, head) == base
    assert repo.changes(base, listed.uncommitted, second) == ["A b"]
    assert repo.started() == 6  # two list the files, four were asked ahead


def test_answers_about_another_index_or_another_commit_are_not_used(repo: Checkout) -> None:
    base = repo.commit("a")
    head = repo.commit("b")
    revisions = repo.revisions()
    revisions.look_up(("HEAD",))
    revisions.common_ancestor(base, head)
    repo.changes(base, repo.uncommitted(), revisions)
    remember(repo.state, revisions)
    listing = GitListing.start(repo.root, repo.environ)
    assert listing is not None
    ahead = ask_ahead(listing, repo.state)
    assert ahead is not None
    repo.commit("c")
    later = index_id(f"{repo.root}/.git/index")
    assert ahead.staged(base, later) is None
    assert ahead.staged(head, listing.index_id) is None
    assert ahead.ancestor(head, base) is None
    assert ahead.remotes() is None


def test_nothing_is_asked_ahead_where_nothing_was_compared(repo: Checkout) -> None:
    repo.commit("a")
    assert BegunListing(repo.root, repo.state, repo.environ, compare=True).ahead is None
    remember(repo.state, repo.revisions())
    assert os.listdir(repo.state) == []
