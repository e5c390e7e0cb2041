"""What git knows: changed files, revisions, ancestors, ignored paths; and how it is asked."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from bao_core.errors import GitError
from bao_core.git import facts as git
from bao_core.git.process import find_git, find_toplevel, git_environment, run_git

if TYPE_CHECKING:
    from pathlib import Path


class Repository:
    """A real git repository."""

    def __init__(self, root: Path, *init: str) -> None:
        self.root = root
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(root.parent),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            # The way to answer `git -c` for all commands, as a container would.
            "GIT_CONFIG_COUNT": "3",
            "GIT_CONFIG_KEY_0": "user.name",
            "GIT_CONFIG_VALUE_0": "somebody",
            "GIT_CONFIG_KEY_1": "user.email",
            "GIT_CONFIG_VALUE_1": "somebody@example.org",
            "GIT_CONFIG_KEY_2": "protocol.file.allow",
            "GIT_CONFIG_VALUE_2": "always",
        }
        root.mkdir(parents=True, exist_ok=True)
        if init != ("none",):
            self.git("init", "-q", "-b", "main", *init)

    def git(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments],
            env=self.environ, check=check, capture_output=True,
        )  # fmt: skip
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, path: str, content: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, path: str = "", content: str = "") -> str:
        if path:
            self.write(path, content or path)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", path or "x")
        return self.git("rev-parse", "HEAD")

    def changes(
        self,
        base: str,
        head: str | None = None,
        *,
        below: str = "",
        merge_base: bool = False,
        worktree: bool = False,
    ) -> list[str]:
        """What changed, as `M path`."""
        found = git.changed_files(
            str(self.root / below), base, head,
            merge_base=merge_base, worktree=worktree, environ=self.environ,
        )  # fmt: skip
        assert [change.path for change in found] == sorted(change.path for change in found)
        return [f"{change.status} {change.path}" for change in found]


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


# --- where the repository is -------------------------------------------------------------------


def test_the_toplevel_is_the_nearest_directory_with_a_repository(repo: Repository) -> None:
    (repo.root / "a/b").mkdir(parents=True)
    assert find_toplevel(str(repo.root / "a/b")) == str(repo.root)
    assert find_toplevel(str(repo.root)) == str(repo.root)
    assert find_toplevel("/") is None


def test_a_dot_git_without_objects_is_no_repository(repo: Repository) -> None:
    (repo.root / "a/.git").mkdir(parents=True)
    assert find_toplevel(str(repo.root / "a")) == str(repo.root)
    repo.write("a/.git/HEAD", "ref: refs/heads/main\n")
    assert find_toplevel(str(repo.root / "a")) == str(repo.root)
    assert repo.git("-C", "a", "rev-parse", "--show-toplevel") == str(repo.root)


def test_a_linked_worktree_is_a_toplevel_of_its_own(repo: Repository, tmp_path: Path) -> None:
    repo.commit("a")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"))
    assert find_toplevel(str(tmp_path / "linked")) == str(tmp_path / "linked")


def test_the_toplevel_keeps_the_name_of_the_directory_it_was_asked_for(
    repo: Repository, tmp_path: Path
) -> None:
    (repo.root / "a").mkdir()
    (tmp_path / "alias").symlink_to(repo.root)
    (tmp_path / "deep").symlink_to(repo.root / "a")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/a").symlink_to(repo.root / "a")
    assert find_toplevel(str(tmp_path / "alias/a")) == str(tmp_path / "alias")
    assert find_toplevel(str(tmp_path / "deep")) == str(repo.root)
    assert find_toplevel(str(tmp_path / "other/a")) == str(repo.root)


# --- how git is run ----------------------------------------------------------------------------


def test_variables_that_name_another_repository_do_not_reach_git(repo: Repository) -> None:
    repo.commit("a")
    repo.environ |= {
        "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "GIT_INDEX_FILE": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere", "GIT_NAMESPACE": "x", "GIT_CEILING_DIRECTORIES": "/",
        "GIT_LITERAL_PATHSPECS": "x", "GIT_ICASE_PATHSPECS": "1",
    }  # fmt: skip
    assert git.resolve_commit(str(repo.root), "HEAD", repo.environ) is not None


def test_configuration_in_variables_reaches_git() -> None:
    kept = git_environment({"GIT_CONFIG_COUNT": "0", "GIT_SSH_COMMAND": "ssh", "HOME": "/"})
    assert kept["GIT_CONFIG_COUNT"] == "0"
    assert kept["GIT_SSH_COMMAND"] == "ssh"
    assert kept["HOME"] == "/"


def test_git_never_takes_a_lock_nor_asks_the_user() -> None:
    environment = git_environment({"GIT_OPTIONAL_LOCKS": "1", "LC_ALL": "de_DE", "LANGUAGE": "de"})
    assert environment["GIT_OPTIONAL_LOCKS"] == "0"
    assert environment["GIT_TERMINAL_PROMPT"] == "0"
    assert environment["LC_ALL"] == "C"
    assert "LANGUAGE" not in environment


def test_git_is_the_first_one_on_path(tmp_path: Path) -> None:
    for name in ("one", "two", "directory/git"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / name / "git").write_text("#!/bin/sh\n")
    (tmp_path / "two/git").chmod(0o755)
    path = os.pathsep.join(str(tmp_path / name) for name in ("directory", "one", "two"))
    assert find_git({"PATH": path}) == str(tmp_path / "two/git")
    assert find_git({"PATH": str(tmp_path)}) is None


def test_a_missing_git_is_named(repo: Repository) -> None:
    with pytest.raises(GitError, match="git is not installed, or not on PATH; install git"):
        run_git(str(repo.root), ("status",), {"PATH": "/nowhere"})


def test_a_repository_of_another_user_is_an_error_that_says_what_to_do(repo: Repository) -> None:
    repo.environ["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"
    advice = f"git config --global --add safe.directory {repo.root}"
    with pytest.raises(GitError, match="belongs to another user") as caught:
        git.resolve_commit(str(repo.root), "HEAD", repo.environ)
    assert advice in str(caught.value)
    listing = git.GitListing.start(str(repo.root), repo.environ)
    assert listing is not None
    with pytest.raises(GitError, match="belongs to another user"):
        listing.result()


def test_a_broken_index_is_an_error_with_the_words_of_git(repo: Repository) -> None:
    repo.commit("a")
    repo.write(".git/index", "no index at all, whatever one thinks of it")
    listing = git.GitListing.start(str(repo.root), repo.environ)
    assert listing is not None
    with pytest.raises(
        GitError, match=r"git ls-files failed: bad signature .*; index file corrupt"
    ):
        listing.result()


def test_an_answer_nobody_waits_for_leaves_nothing_open(repo: Repository) -> None:
    repo.commit("a")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(5):
        listing = git.GitListing.start(str(repo.root), repo.environ)
        del listing
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


# --- names of commits --------------------------------------------------------------------------


def test_a_revision_is_resolved_to_a_commit(repo: Repository) -> None:
    assert git.resolve_commit(str(repo.root), "HEAD", repo.environ) is None
    first = repo.commit("a")
    repo.git("tag", "-a", "v1", "-m", "annotated")
    second = repo.commit("b")

    def resolve(rev: str) -> str | None:
        return git.resolve_commit(str(repo.root), rev, repo.environ)

    assert resolve("v1") == resolve("HEAD~1") == resolve(first[:8]) == first
    assert resolve("main") == resolve("@") == second
    assert resolve("nothing") is resolve("HEAD:a") is resolve("") is resolve("--all") is None


def test_a_branch_that_only_the_remote_has_is_found_by_its_name(
    repo: Repository, tmp_path: Path
) -> None:
    commit = repo.commit("a")
    repo.git("branch", "release")
    clone = Repository(tmp_path / "clone", "none")
    clone.git("clone", "-q", "-o", "upstream", str(repo.root), ".")
    assert git.resolve_commit(str(clone.root), "release", clone.environ) == commit


def test_outside_of_a_repository_no_revision_is_known(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"]}
    assert git.resolve_commit(str(tmp_path), "HEAD", environ) is None
    assert git.merge_base(str(tmp_path), "a", "b", environ) is None
    assert git.is_shallow(str(tmp_path), environ) is False
    assert git.current_branch(str(tmp_path), environ) is None
    assert git.head_branches(str(tmp_path), environ) == []


def test_the_current_branch_has_a_name_unless_head_is_detached(repo: Repository) -> None:
    repo.commit("a")
    assert git.current_branch(str(repo.root), repo.environ) == "main"
    repo.git("checkout", "-q", "--detach")
    assert git.current_branch(str(repo.root), repo.environ) is None


def test_the_remotes_say_which_branch_is_the_default(repo: Repository, tmp_path: Path) -> None:
    repo.git("checkout", "-q", "-b", "trunk")
    repo.commit("a")
    clone = Repository(tmp_path / "clone", "none")
    clone.git("clone", "-q", "-o", "fork", str(repo.root), ".")
    clone.git("remote", "add", "origin", str(repo.root))
    clone.git("fetch", "-q", "origin")
    clone.git("remote", "set-head", "origin", "-a")
    branches = git.head_branches(str(clone.root), clone.environ)
    assert branches == ["origin/trunk", "fork/trunk"]


def test_the_merge_base_is_the_last_common_ancestor(repo: Repository) -> None:
    repo.commit("a")
    fork = repo.commit("b")
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit("c")
    repo.git("checkout", "-q", "main")
    repo.commit("d")
    assert git.merge_base(str(repo.root), "main", "topic", repo.environ) == fork


def test_histories_without_a_common_ancestor_have_no_merge_base(repo: Repository) -> None:
    repo.commit("a")
    repo.git("checkout", "-q", "--orphan", "other")
    repo.commit("b")
    assert git.merge_base(str(repo.root), "main", "other", repo.environ) is None
    assert git.merge_base(str(repo.root), "main", "nothing", repo.environ) is None
    with pytest.raises(GitError, match="no common ancestor"):
        repo.changes("main", merge_base=True)


# --- changed files -----------------------------------------------------------------------------


def test_changes_between_commits_are_additions_modifications_and_deletions(
    repo: Repository,
) -> None:
    repo.write("gone", "g")
    repo.write("kept", "k")
    base = repo.commit("edited", "before")
    (repo.root / "gone").unlink()
    repo.write("edited", "after")
    repo.commit("new")
    assert repo.changes(base) == ["M edited", "D gone", "A new"]
    assert repo.changes("HEAD", base) == ["M edited", "A gone", "D new"]


def test_a_rename_is_a_deletion_and_an_addition(repo: Repository) -> None:
    repo.git("config", "diff.renames", "copies")
    base = repo.commit("old", "content\n" * 50)
    repo.git("mv", "old", "new")
    assert repo.changes(base, worktree=True) == ["A new", "D old"]
    repo.commit()
    assert repo.changes(base) == ["A new", "D old"]


@pytest.mark.parametrize("committed", [True, False])
def test_a_change_of_mode_or_type_is_a_modification(repo: Repository, committed: bool) -> None:
    repo.git("config", "core.fileMode", "false")
    repo.write("link", "script")
    base = repo.commit("script", "#!/bin/sh\n")
    (repo.root / "script").chmod(0o755)
    (repo.root / "link").unlink()
    (repo.root / "link").symlink_to("script")
    if committed:
        repo.git("-c", "core.fileMode=true", "commit", "-q", "-a", "-m", "x")
    assert repo.changes(base, worktree=not committed) == ["M link", "M script"]


def test_uncommitted_and_untracked_files_count_only_with_the_worktree(repo: Repository) -> None:
    repo.write(".gitignore", "ignored\n")
    repo.write("deleted", "d")
    repo.write("staged", "s")
    base = repo.commit("edited", "before")
    repo.write("edited", "after")
    repo.write("staged", "changed")
    repo.git("add", "staged")
    (repo.root / "deleted").unlink()
    repo.write("ignored", "not seen")
    repo.write("new/untracked", "u")
    repo.write("intended", "i")
    repo.git("add", "-N", "intended")
    assert repo.changes(base) == []
    assert repo.changes(base, worktree=True) == [
        "D deleted", "M edited", "A intended", "A new/untracked", "M staged",
    ]  # fmt: skip


def test_an_edit_that_takes_a_commit_back_leaves_the_file_unchanged(repo: Repository) -> None:
    base = repo.commit("a", "one")
    repo.commit("a", "two")
    repo.write("a", "one")
    assert repo.changes(base) == ["M a"]
    assert repo.changes(base, worktree=True) == []


def test_a_named_head_and_the_worktree_count_together(repo: Repository) -> None:
    base = repo.commit("a", "one")
    repo.commit("a", "two")
    repo.write("untracked", "u")
    assert repo.changes(base, "HEAD", worktree=True) == ["M a", "A untracked"]


def test_a_file_that_only_left_the_index_is_modified_at_most(repo: Repository) -> None:
    base = repo.commit("a", "one")
    repo.git("rm", "-q", "--cached", "a")
    assert repo.changes(base, worktree=True) == ["M a"]


def test_a_file_that_was_only_touched_has_not_changed(repo: Repository) -> None:
    base = repo.commit("a", "one")
    os.utime(repo.root / "a", (1e9, 1e9))
    assert repo.changes(base, worktree=True) == []


def test_looking_for_changes_never_writes_the_index(repo: Repository) -> None:
    base = repo.commit("a", "one")
    os.utime(repo.root / "a", (1e9, 1e9))
    index = repo.root / ".git" / "index"
    before = index.stat()
    assert repo.changes(base, worktree=True) == []
    after = index.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("below", [".", "work/space"])
@pytest.mark.parametrize("name", ["a", "an a", '"a"', "two\nlines", ":(glob)*"])
def test_among_touched_files_the_changed_ones_are_found(
    repo: Repository, below: str, name: str
) -> None:
    repo.write("a", "of the same name, further up")
    repo.write(f"{below}/changed", "two")
    repo.write(f"{below}/mode", "three")
    os.symlink("here", repo.root / below / "link")
    base = repo.commit(f"{below}/{name}", "one\ntwo\n")
    repo.write(f"{below}/.gitattributes", "* text=auto\n")
    repo.write(f"{below}/{name}", "one\r\ntwo\r\n")
    repo.write(f"{below}/changed", "too")
    (repo.root / below / "mode").chmod(0o755)
    os.utime(repo.root / below / "link", (1e9, 1e9), follow_symlinks=False)
    found = repo.changes(base, worktree=True, below=below)
    assert found == ["A .gitattributes", "M changed", "M mode"]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_link_that_was_only_touched_has_not_changed(tmp_path: Path, algorithm: str) -> None:
    repo = Repository(tmp_path / "repo", f"--object-format={algorithm}")
    for name in ("same", "other"):
        os.symlink("there", repo.root / name)
        os.utime(repo.root / name, (1e9, 1e9), follow_symlinks=False)
    base = repo.commit("a", "one")
    os.utime(repo.root / "same", (2e9, 2e9), follow_symlinks=False)
    (repo.root / "other").unlink()
    os.symlink("where", repo.root / "other")
    assert repo.changes(base, worktree=True) == ["M other"]


def test_line_endings_that_git_converts_are_no_change(repo: Repository) -> None:
    repo.write(".gitattributes", "* text=auto\n")
    base = repo.commit("a", "one\ntwo\n")
    repo.write("a", "one\r\ntwo\r\n")
    assert repo.changes(base, worktree=True) == []


def test_a_file_in_conflict_is_modified(repo: Repository) -> None:
    base = repo.commit("a", "base")
    repo.git("checkout", "-q", "-b", "other")
    repo.commit("a", "theirs")
    repo.git("checkout", "-q", "main")
    repo.commit("a", "ours")
    repo.git("merge", "other", check=False)
    assert repo.changes(base, worktree=True) == ["M a"]


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_edits_of_files_that_git_does_not_look_at_count(repo: Repository, mark: str) -> None:
    repo.write("same", "s")
    repo.write("link", "l")
    repo.write(".gitattributes", "crlf text\n")
    repo.write("crlf", "one\n")
    (repo.root / "same-link").symlink_to("edited")
    base = repo.commit("edited", "before")
    repo.git("update-index", mark, "same", "same-link", "edited", "link", "crlf")
    repo.write("edited", "after")
    repo.write("crlf", "one\r\n")
    (repo.root / "link").unlink()
    (repo.root / "link").symlink_to("same")
    assert repo.changes(base) == []
    assert repo.changes(base, worktree=True) == ["M edited", "M link"]


def test_a_deleted_file_that_git_assumes_unchanged_is_deleted(repo: Repository) -> None:
    base = repo.commit("a")
    repo.git("update-index", "--assume-unchanged", "a")
    (repo.root / "a").unlink()
    assert repo.changes(base, worktree=True) == ["D a"]


def test_files_left_out_of_a_sparse_checkout_are_not_deleted(repo: Repository) -> None:
    repo.write("in/a", "a")
    base = repo.commit("out/b")
    repo.git("sparse-checkout", "set", "in")
    assert not (repo.root / "out").exists()
    assert repo.changes(base, worktree=True) == []


def test_a_submodule_at_another_commit_is_modified(repo: Repository, tmp_path: Path) -> None:
    origin = Repository(tmp_path / "origin")
    origin.commit("s")
    repo.git("submodule", "add", "-q", str(origin.root), "libs/sub")
    base = repo.commit()
    submodule = Repository(repo.root / "libs/sub", "none")
    submodule.commit("t")
    assert repo.changes(base, worktree=True) == ["M libs/sub"]
    repo.commit()
    assert repo.changes(base) == ["M libs/sub"]


@pytest.mark.parametrize("setting", ["none", "all"])
def test_a_submodule_with_edits_of_its_own_is_modified(
    repo: Repository, tmp_path: Path, setting: str
) -> None:
    origin = Repository(tmp_path / "origin")
    origin.commit("s")
    repo.git("submodule", "add", "-q", str(origin.root), "sub")
    base = repo.commit()
    repo.git("config", "diff.ignoreSubmodules", setting)
    repo.git("config", "submodule.sub.ignore", setting)
    repo.write("sub/untracked", "u")
    assert repo.changes(base, worktree=True) == ["M sub"]


def test_an_untracked_nested_repository_is_added(repo: Repository) -> None:
    base = repo.commit("a")
    Repository(repo.root / "nested").commit("n")
    assert repo.changes(base, worktree=True) == ["A nested"]


def test_paths_are_relative_to_a_workspace_below_the_toplevel(repo: Repository) -> None:
    repo.write("outside", "o")
    base = repo.commit("work/space/a", "one")
    repo.write("outside", "edited")
    repo.write("work/beside", "b")
    repo.write("work/space/a", "two")
    repo.write("work/space/new", "n")
    assert repo.changes(base, worktree=True, below="work/space") == ["M a", "A new"]
    repo.commit()
    assert repo.changes(base, below="work/space") == ["M a", "A new"]


def test_settings_of_the_user_do_not_change_the_answer(repo: Repository) -> None:
    repo.write("orders", "z\n*\n")
    base = repo.commit("sub/a", "one")
    for setting in (
        "diff.relative=true", "diff.noprefix=true", "diff.mnemonicPrefix=true", "color.ui=always",
        "color.diff=always", "diff.external=/bin/false", "core.quotePath=true", "core.abbrev=4",
        f"diff.orderFile={repo.root}/orders", "diff.autoRefreshIndex=false",
    ):  # fmt: skip
        repo.git("config", *setting.split("=", 1))
    repo.write("z", "z")
    repo.write("ü", "u")
    repo.commit("sub/a", "two")
    assert repo.changes(base) == ["M sub/a", "A z", "A ü"]
    os.utime(repo.root / "z")
    assert repo.changes(base, worktree=True) == ["M sub/a", "A z", "A ü"]


@pytest.mark.parametrize("name", ["with space", "with\nnewline", "with\ttab", "\udcff", ":colon"])
def test_any_name_a_file_can_have_is_reported(repo: Repository, name: str) -> None:
    base = repo.commit("a")
    (repo.root / name).write_bytes(b"x")
    assert repo.changes(base, worktree=True) == [f"A {name}"]
    repo.commit()
    assert repo.changes(base) == [f"A {name}"]


def test_only_what_happened_since_the_merge_base_counts(repo: Repository) -> None:
    repo.commit("a")
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit("mine")
    repo.git("checkout", "-q", "main")
    repo.commit("theirs")
    assert repo.changes("main", "topic") == ["A mine", "D theirs"]
    assert repo.changes("main", "topic", merge_base=True) == ["A mine"]


def test_an_unknown_revision_is_named(repo: Repository) -> None:
    repo.commit("a")
    with pytest.raises(GitError, match="git knows no revision 'nothing'"):
        repo.changes("nothing")


def test_in_a_repository_without_commits_no_base_is_known(repo: Repository) -> None:
    repo.write("a", "a")
    with pytest.raises(GitError, match="git knows no revision 'main'"):
        repo.changes("main", worktree=True)


def test_changes_are_found_in_a_repository_of_sha256(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo", "--object-format=sha256")
    base = repo.commit("a", "one")
    repo.commit("a", "two")
    repo.write("b", "b")
    assert repo.changes(base, worktree=True) == ["M a", "A b"]


def test_changes_are_found_in_a_linked_worktree(repo: Repository, tmp_path: Path) -> None:
    base = repo.commit("a", "one")
    linked = Repository(tmp_path / "linked", "none")
    repo.git("worktree", "add", "-q", str(linked.root), "-b", "linked")
    linked.commit("a", "two")
    linked.write("b", "b")
    assert linked.changes(base, worktree=True) == ["M a", "A b"]
    assert repo.changes(base, worktree=True) == []


# --- shallow clones ----------------------------------------------------------------------------


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """A remote: 300 commits on `main`; `topic` leaves it at 150 and has 5 of its own."""
    upstream = Repository(tmp_path / "upstream")
    stream = []
    for number in range(1, 301):
        stream.append(commit("main", number, f"file-{number}"))
        if number == 150:
            stream.extend(commit("topic", number, "topic", first="main") for _ in range(1))
    stream.extend(commit("topic", number, f"topic-{number}") for number in range(4))
    subprocess.run(
        ["git", "-C", str(upstream.root), "fast-import", "--quiet"],
        input="".join(stream).encode(), env=upstream.environ, check=True,
    )  # fmt: skip
    upstream.git("tag", "v1", "main~100")
    return upstream


def commit(branch: str, number: int, path: str, first: str = "") -> str:
    """A commit for `git fast-import`."""
    start = f"from refs/heads/{first}\n" if first else ""
    return (
        f"commit refs/heads/{branch}\ncommitter s <s@example.org> {10**9 + number} +0000\n"
        f"data 1\nx\n{start}M 100644 inline {path}\ndata {len(path)}\n{path}\n\n"
    )


def shallow_clone(upstream: Repository, place: Path, *options: str) -> Repository:
    clone = Repository(place, "none")
    clone.git("clone", "-q", "--depth=1", *options, f"file://{upstream.root}", ".")
    return clone


def test_a_shallow_clone_is_recognized(upstream: Repository, tmp_path: Path) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone")
    assert git.is_shallow(str(clone.root), clone.environ)
    assert not git.is_shallow(str(upstream.root), upstream.environ)


@pytest.mark.parametrize("base", ["origin/main", "main", "refs/remotes/origin/main", "v1"])
def test_a_base_that_a_shallow_clone_lacks_is_fetched_with_its_merge_base(
    upstream: Repository, tmp_path: Path, base: str
) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone", "--branch=topic", "--single-branch")
    root, environ = str(clone.root), clone.environ
    assert git.resolve_commit(root, base, environ) is None
    assert git.deepen(root, base, environ)
    assert git.merge_base(root, base, "HEAD", environ) == upstream.git(
        "merge-base", "main", "topic"
    )
    assert clone.changes(base, merge_base=True) == [
        "A topic", "A topic-0", "A topic-1", "A topic-2", "A topic-3",
    ]  # fmt: skip


@pytest.mark.parametrize(("branch", "base", "least"), [("main", "HEAD~10", 11), ("topic", "v1", 6)])
def test_no_more_history_is_fetched_than_is_needed(
    upstream: Repository, tmp_path: Path, branch: str, base: str, least: int
) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone", f"--branch={branch}", "--single-branch")
    assert git.deepen(str(clone.root), base, clone.environ)
    assert least <= int(clone.git("rev-list", "--count", "HEAD")) < 150
    assert git.is_shallow(str(clone.root), clone.environ)
    oldest = upstream.git("rev-parse", "main~299")
    assert oldest not in clone.git("cat-file", "--batch-all-objects", "--batch-check")


def test_no_branch_is_fetched_that_was_not_asked_for(upstream: Repository, tmp_path: Path) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone")
    clone.git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    assert git.deepen(str(clone.root), "HEAD~10", clone.environ)
    assert git.resolve_commit(str(clone.root), "origin/topic", clone.environ) is None


def test_a_base_that_is_here_is_not_fetched(upstream: Repository, tmp_path: Path) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone")
    clone.git("remote", "set-url", "origin", "file:///nowhere")
    assert git.deepen(str(clone.root), "origin/main", clone.environ)


def test_a_base_named_by_its_id_is_fetched(upstream: Repository, tmp_path: Path) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone", "--branch=topic", "--single-branch")
    base = upstream.git("rev-parse", "main~20")
    assert git.deepen(str(clone.root), base, clone.environ)
    assert git.merge_base(str(clone.root), base, "HEAD", clone.environ) is not None


def test_local_commits_on_top_of_a_shallow_clone_find_their_base(
    upstream: Repository, tmp_path: Path
) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone", "--branch=topic", "--single-branch")
    clone.commit("local")
    clone.git("checkout", "-q", "--detach")
    assert git.deepen(str(clone.root), "main", clone.environ)
    assert "A local" in clone.changes("main", merge_base=True)


def test_fetching_moves_no_branch_of_the_user(upstream: Repository, tmp_path: Path) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone", "--branch=topic", "--single-branch")
    clone.git("branch", "mine")
    before = clone.git("for-each-ref", "refs/heads")
    git.deepen(str(clone.root), "main", clone.environ)
    assert clone.git("for-each-ref", "refs/heads") == before
    assert not (clone.root / ".git/FETCH_HEAD").exists()


def test_a_branch_missing_from_a_whole_clone_is_fetched(
    upstream: Repository, tmp_path: Path
) -> None:
    clone = Repository(tmp_path / "clone", "none")
    clone.git("clone", "-q", "--single-branch", "--branch=topic", f"file://{upstream.root}", ".")
    assert git.deepen(str(clone.root), "main", clone.environ)
    assert not git.is_shallow(str(clone.root), clone.environ)


def test_for_a_base_that_the_remote_lacks_no_history_is_fetched(
    upstream: Repository, tmp_path: Path
) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone")
    assert not git.deepen(str(clone.root), "origin/nothing", clone.environ)
    assert clone.git("rev-list", "--count", "HEAD") == "1"


@pytest.mark.parametrize("base", ["nothing", "f" * 40, "HEAD~9999"])
def test_what_the_remote_does_not_have_cannot_be_fetched(
    upstream: Repository, tmp_path: Path, base: str
) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone")
    assert not git.deepen(str(clone.root), base, clone.environ)


def test_a_remote_that_is_gone_is_no_error(upstream: Repository, tmp_path: Path) -> None:
    clone = shallow_clone(upstream, tmp_path / "clone", "--branch=topic", "--single-branch")
    clone.git("remote", "set-url", "origin", "file:///nowhere")
    assert not git.deepen(str(clone.root), "main", clone.environ)


# --- ignored paths -----------------------------------------------------------------------------


def ignored(repo: Repository, *paths: str, below: str = "") -> set[str]:
    return git.ignored(str(repo.root / below), paths, repo.environ)


def test_ignored_are_paths_that_match_and_are_not_tracked(repo: Repository) -> None:
    repo.write(".gitignore", "*.log\ndist/\n")
    repo.write("tracked.log", "t")
    repo.write("a.log", "a")
    repo.git("add", "-f", "tracked.log")
    repo.write("dist/deep/file", "d")
    assert ignored(repo, "a.log", "tracked.log", "dist/deep/file", "dist/not-there", "b") == {
        "a.log", "dist/deep/file", "dist/not-there",
    }  # fmt: skip
    assert ignored(repo) == set()


def test_any_name_can_be_ignored(repo: Repository) -> None:
    repo.write(".gitignore", "ig*\n")
    names = {"ig with space", "ig\nnewline", "ig\udcff", "igü"}
    assert ignored(repo, *names, ":(top)x", "../outside") == names


def test_ignored_paths_below_links_submodules_and_subdirectories_are_found(
    repo: Repository, tmp_path: Path
) -> None:
    repo.write("work/.gitignore", "*.log\n")
    Repository(repo.root / "work/nested").write(".gitignore", "*.tmp\n")
    repo.write("work/folder/x", "x")
    (repo.root / "work/link").symlink_to("folder")
    (repo.root / "work/out").symlink_to(tmp_path)
    asked = ("a.log", "link/b.log", "nested/c.tmp", "nested/d.log", "out/e.log", "link")
    assert ignored(repo, *asked, below="work") == {"a.log", "link/b.log", "nested/c.tmp"}


def test_outside_of_a_repository_nothing_is_ignored(tmp_path: Path) -> None:
    assert git.ignored(str(tmp_path), ["a"], {"PATH": os.environ["PATH"]}) == set()


# --- the files of a revision -------------------------------------------------------------------


def test_a_revision_is_read_without_a_checkout(repo: Repository) -> None:
    repo.write("package.json", "{}")
    repo.write("packages/a/package.json", '{"name": "a"}')
    repo.write("packages/a/empty", b"")
    base = repo.commit("packages/a/src/x.js", "x\n" * 100_000)
    repo.git("rm", "-q", "-r", "packages")
    repo.commit()
    tree = git.RevisionTree(str(repo.root), base, repo.environ)
    assert tree.named(["package.json", "nothing"]) == ["package.json", "packages/a/package.json"]
    assert tree.read("packages/a/package.json") == b'{"name": "a"}'
    assert tree.read("packages/a/src/x.js") == b"x\n" * 100_000
    assert tree.read("packages/a/empty") == b""
    assert tree.read("packages/a") is tree.read("nothing") is tree.read("../outside") is None
    assert tree.entries("") == {"package.json": False, "packages": True}
    assert tree.entries("packages/a") == {"package.json": False, "empty": False, "src": True}
    assert tree.entries("nothing") == tree.entries("package.json") == {}
    tree.close()
    assert tree.read("package.json") == b"{}"


def test_links_in_a_revision_are_followed_inside_of_it(repo: Repository) -> None:
    repo.write("packages/a/file", "content")
    repo.write("etc/passwd", "not meant")
    for name, target in {
        "to-file": "packages/a/file", "to-folder": "packages/a", "packages/up": "..",
        "outside": "../x", "absolute": "/etc/passwd", "loop": "loop", "broken": "nothing",
    }.items():  # fmt: skip
        (repo.root / name).symlink_to(target)
    repo.commit()
    tree = git.RevisionTree(str(repo.root), "HEAD", repo.environ)
    assert tree.read("to-file") == tree.read("to-folder/file") == b"content"
    assert tree.read("packages/up/packages/up/to-folder/file") == b"content"
    for name in ("outside", "absolute", "loop", "broken", "to-folder"):
        assert tree.read(name) is None
    assert tree.entries("to-folder") == {"file": False}
    assert [name for name, is_folder in tree.entries("").items() if is_folder] == [
        "etc",
        "packages",
    ]


def test_a_revision_is_read_from_a_workspace_below_the_toplevel(repo: Repository) -> None:
    repo.write("pyproject.toml", "outside")
    repo.commit("work/pyproject.toml", "inside")
    tree = git.RevisionTree(str(repo.root / "work"), "main", repo.environ)
    assert tree.named(["pyproject.toml"]) == ["pyproject.toml"]
    assert tree.read("pyproject.toml") == b"inside"


def test_the_files_of_a_submodule_are_no_part_of_a_revision(
    repo: Repository, tmp_path: Path
) -> None:
    origin = Repository(tmp_path / "origin")
    origin.commit("package.json")
    repo.git("submodule", "add", "-q", str(origin.root), "sub")
    repo.commit()
    tree = git.RevisionTree(str(repo.root), "HEAD", repo.environ)
    assert tree.named(["package.json"]) == []
    assert tree.read("sub") is None


def test_names_and_contents_of_any_bytes_are_read_from_a_revision(repo: Repository) -> None:
    name = "odd\n\udcff name"
    (repo.root / name).write_bytes(b"\0\xff\n")
    repo.commit()
    tree = git.RevisionTree(str(repo.root), "HEAD", repo.environ)
    assert tree.named([name]) == [name]
    assert tree.read(name) == b"\0\xff\n"


def test_a_revision_that_git_does_not_know_is_named(repo: Repository) -> None:
    repo.commit("a")
    with pytest.raises(GitError, match="git knows no revision 'nothing'"):
        git.RevisionTree(str(repo.root), "nothing", repo.environ)


def test_an_object_that_is_missing_is_an_error(repo: Repository) -> None:
    repo.commit("a", "content")
    blob = repo.git("rev-parse", "HEAD:a")
    tree = git.RevisionTree(str(repo.root), "HEAD", repo.environ)
    (repo.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitError, match=f"git lacks the object {blob}"):
        tree.read("a")
