"""The files of the worktree: which there are, which are tracked, and when they were looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import json

from bao_core.errors import GitError
from bao_core.model import Stamp
from bao_core.worktree import HashMemo, RecordingTree, WorktreeFiles, WorktreeTree, begin
from bao_core.worktree.trees import TreeRecord

HOT = Path(__file__).parents[2]


class Repository:
    """A workspace, in a real git repository unless it is told otherwise."""

    def __init__(self, root: Path, *, init: bool = True) -> None:
        self.root = root
        self.state = root.parent / "state"
        self.environ = {
            "PATH": os.environ["PATH"], "HOME": str(root.parent),
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
        }  # fmt: skip
        root.mkdir(parents=True, exist_ok=True)
        if init:
            self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments],
            env=self.environ, check=True, capture_output=True,
        )  # fmt: skip
        return done.stdout.decode()

    def write(self, *paths: str, content: str = "content\n") -> None:
        for path in paths:
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(content)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")

    def files(self, below: str = "") -> WorktreeFiles:
        root = str(self.root / below)
        return begin(root, str(self.state), self.environ, HashMemo()).result()


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


# --- which files there are ---------------------------------------------------------------------


def test_listed_are_tracked_files_and_untracked_ones_that_are_not_ignored(
    repo: Repository,
) -> None:
    repo.write(".gitignore", content="ignored\n*.log\n")
    repo.write("kept.log")
    repo.git("add", "-f", "kept.log")
    repo.write("deleted", "tracked")
    repo.commit()
    (repo.root / "deleted").unlink()
    repo.write("ignored/a", "b.log", "untracked")
    files = repo.files()
    assert files.paths == [".gitignore", "kept.log", "tracked", "untracked"]
    assert files.has_git
    assert files.tracked_below("") == [".gitignore", "kept.log", "tracked"]
    assert files.untracked_below("") == ["untracked"]


def test_paths_are_sorted_by_character_whatever_git_does(repo: Repository) -> None:
    names = ["a.x", "a b", "a-b/c", "a/b", "a0", "b", "ü", "\ufb01", "\U0001f600", "B", "\udcff"]
    for name in names[::2]:
        repo.write(name)
    repo.commit()
    for name in names[1::2]:
        repo.write(name)
    assert repo.files().paths == sorted(names)


@pytest.mark.parametrize("count", [3, 400])
def test_any_number_of_changed_and_untracked_files_is_put_in_place(
    repo: Repository, count: int
) -> None:
    repo.write(*(f"d{number}/tracked" for number in range(count)))
    repo.commit()
    for number in range(0, count, 3):
        (repo.root / f"d{number}/tracked").unlink()
        repo.write(f"d{number}/untracked")
    repo.write("d1/tracked", content="edited\n")
    files = repo.files()
    assert files.paths == sorted(
        f"d{number}/{'tracked' if number % 3 else 'untracked'}" for number in range(count)
    )
    for path in files.paths:
        assert files.identity_of(path) == files.identity_now(path)
        assert files.is_tracked(path) == path.endswith("/tracked")


def test_files_of_nested_repositories_are_sorted_in(repo: Repository) -> None:
    repo.write("a", "c")
    repo.commit()
    Repository(repo.root / "b").write("n")
    files = repo.files()
    assert files.paths == ["a", "b/n", "c"]
    assert files.span("b") == (1, 2)


def test_a_span_holds_exactly_what_is_below_a_directory(repo: Repository) -> None:
    repo.write("a", "b/c", "b/d/e", "b-c/d", "b.c", "b0", "c/d")
    files = repo.files()
    first, last = files.span("b")
    assert files.paths[first:last] == ["b/c", "b/d/e"]
    assert files.span("") == (0, 7)
    first, last = files.span("nothing")
    assert first == last
    assert files.paths[slice(*files.span("b/d"))] == ["b/d/e"]


def test_a_deleted_file_is_tracked_still(repo: Repository) -> None:
    repo.write("a")
    repo.commit()
    (repo.root / "a").unlink()
    files = repo.files()
    assert files.paths == []
    assert files.is_tracked("a")
    assert not files.is_tracked("b")


def test_files_are_found_by_their_last_name(repo: Repository) -> None:
    repo.write("n", "a/n", "a/b/n", "a/nn", "n/".rstrip("/") + "x", "odd\nname/n")
    repo.commit()
    repo.write("z/n", "z/m")
    files = repo.files()
    assert files.named(["n"]) == ["a/b/n", "a/n", "n", "odd\nname/n", "z/n"]
    assert files.named(["m", "n", "m", "none"]) == [
        "a/b/n",
        "a/n",
        "n",
        "odd\nname/n",
        "z/m",
        "z/n",
    ]


def test_an_empty_repository_has_no_files(repo: Repository) -> None:
    files = repo.files()
    assert files.paths == []
    assert files.named(["a"]) == []
    assert files.identities(0, 0) == []
    assert files.has_git


def test_only_files_of_a_workspace_below_the_toplevel_are_listed(repo: Repository) -> None:
    repo.write("outside", "work/tracked", "work/edited")
    repo.commit()
    repo.write("beside", "work/untracked")
    repo.write("work/edited", content="edited\n")
    files = repo.files("work")
    assert files.paths == ["edited", "tracked", "untracked"]
    assert files.identity_of("edited") == files.identity_now("edited")


def test_a_workspace_that_the_repository_around_it_ignores_is_on_its_own(
    repo: Repository,
) -> None:
    repo.write(".gitignore", content="scratch\n")
    repo.write("scratch/work/a")
    files = repo.files("scratch/work")
    assert files.paths == ["a"]
    assert not files.has_git


def test_a_walk_finds_ignored_files_and_follows_no_link(repo: Repository) -> None:
    repo.write(".gitignore", content="ignored\n")
    repo.write("p/a", "p/ignored/b", "p/.git/config", "p/node_modules/c", "q/d")
    (repo.root / "p/link").symlink_to("../q")
    os.mkfifo(repo.root / "p/pipe")
    files = repo.files()
    assert files.walk("p") == ["p/a", "p/ignored/b", "p/link", "p/node_modules/c"]
    assert files.walk("p/a") == files.walk("nothing") == []
    assert "q/d" in files.walk("")


def test_any_file_has_an_identity_ignored_or_outside_of_the_listing(repo: Repository) -> None:
    repo.write(".gitignore", content="ignored\n")
    repo.write("ignored")
    files = repo.files()
    assert files.identity_of("ignored") == "100644 d95f3ad14dee633a758d2e331151e950dd13e4ed"
    assert files.identity_of("nothing") is None
    assert files.identity_of("ignored/below") is None
    assert files.content_of("ignored") == "d95f3ad14dee633a758d2e331151e950dd13e4ed"
    assert files.content_of("nothing") == ""


def test_the_identity_now_is_not_the_one_that_was_listed(repo: Repository) -> None:
    repo.write("a")
    repo.commit()
    files = repo.files()
    listed = files.identity_of("a")
    repo.write("a", content="edited\n")
    assert files.identity_of("a") == listed
    assert files.identity_now("a") != listed


# --- without git -------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["no repository", "no git", "broken pointer", "bare"])
def test_without_git_all_files_count_but_those_of_tools(tmp_path: Path, why: str) -> None:
    work = Repository(tmp_path / "work", init=why in {"no git", "bare"})
    if why == "no git":
        work.environ["PATH"] = "/nowhere"
    if why == "bare":
        work.git("config", "core.bare", "true")
    if why == "broken pointer":
        work.write(".git", content="gitdir: /nowhere\n")
    work.write(
        "a", ".env", ".github/ci.yml", "src/b", "node_modules/m/x", "src/node_modules/y",
        "env/pyvenv.cfg", "env/bin/python", ".tool/CACHEDIR.TAG", ".tool/x", "src/__pycache__/b",
    )  # fmt: skip
    files = work.files()
    assert files.paths == [".env", ".github/ci.yml", "a", "src/b"]
    assert not files.has_git
    assert files.index_id == ""
    assert files.tracked_below("") == []
    assert files.identities(0, 4) == [files.identity_now(path) for path in files.paths]
    assert WorktreeTree(str(work.root), files).named(["ci.yml", "b"]) == ["src/b"]


def test_a_repository_of_another_user_is_an_error(repo: Repository) -> None:
    repo.environ["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"
    with pytest.raises(GitError, match=r"safe\.directory"):
        repo.files()


# --- the moment --------------------------------------------------------------------------------


def test_what_changes_after_the_beginning_has_a_later_time(repo: Repository) -> None:
    repo.write("before")
    pending = begin(str(repo.root), str(repo.state), repo.environ, HashMemo())
    repo.write("after")
    files = pending.result()
    assert os.stat(repo.root / "before").st_ctime_ns <= files.taken
    assert os.stat(repo.root / "after").st_ctime_ns >= files.taken
    assert os.listdir(repo.state) == []


def test_a_state_directory_that_cannot_be_made_is_no_obstacle(repo: Repository) -> None:
    repo.write("file")
    repo.state = repo.root / "file/below"
    pending = begin(str(repo.root), str(repo.state), repo.environ, HashMemo())
    repo.write("after")
    assert os.stat(repo.root / "after").st_ctime_ns >= pending.result().taken


def test_the_index_id_changes_with_the_index_and_with_nothing_else(repo: Repository) -> None:
    repo.write("a")
    none = repo.files().index_id
    repo.git("add", "a")
    staged = repo.files().index_id
    repo.write("a", content="edited\n")
    repo.write("b")
    assert repo.files().index_id == staged != none
    repo.git("add", "a")
    assert repo.files().index_id not in {staged, none}


def test_the_index_id_changes_with_the_index_of_a_nested_repository(repo: Repository) -> None:
    nested = Repository(repo.root / "nested")
    nested.write("n")
    before = repo.files().index_id
    nested.git("add", "n")
    assert repo.files().index_id != before


# --- the memo ----------------------------------------------------------------------------------


def test_a_memo_is_changed_only_when_something_is_worth_saving(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = os.stat(repo.root).st_ctime_ns + 10**10
    monkeypatch.setattr("time.time_ns", lambda: later)
    repo.write("tracked")
    repo.commit()
    repo.write("untracked")
    memo = HashMemo()

    def look() -> bool:
        files = begin(str(repo.root), str(repo.state), repo.environ, memo).result()
        files.identities(0, len(files.paths))
        return memo.changed

    assert look()
    memo = HashMemo(memo.entries)
    assert not look()
    repo.write("untracked", content="edited\n")
    assert look()


def test_a_memo_does_not_grow_without_end(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = os.stat(repo.root).st_ctime_ns + 10**10
    monkeypatch.setattr("time.time_ns", lambda: later)
    monkeypatch.setattr("bao_core.worktree.content._MOST_ENTRIES", 3)
    repo.write("tracked")
    repo.commit()
    repo.write("a", "b", "c", "d")
    memo = HashMemo()
    for gone in (None, "b", "c", "d"):
        if gone:
            (repo.root / gone).unlink()
            repo.write("a", content=gone)
        files = begin(str(repo.root), str(repo.state), repo.environ, memo).result()
        files.identities(0, len(files.paths))
        assert memo.changed
        memo = HashMemo(memo.entries)
    assert set(memo.entries) == {"\0index", "a", "d"}
    assert files.paths == ["a", "tracked"]


def test_a_memo_that_nobody_added_to_is_not_changed() -> None:
    assert not HashMemo({"a": (Stamp(0, 0, 0, 0, 0), "0" * 40)}).changed


# --- reading a workspace -----------------------------------------------------------------------


@pytest.fixture
def workspace(repo: Repository) -> Repository:
    repo.write("package.json", "packages/a/package.json", "packages/b/package.json", "README")
    repo.commit()
    return repo


def read_all(repo: Repository) -> TreeRecord:
    """Read as a workspace provider would; what was read is stored and brought back."""
    tree = RecordingTree(WorktreeTree(str(repo.root), repo.files()))
    assert tree.read("package.json") == (repo.root / "package.json").read_bytes()
    assert tree.read("uv.lock") is None
    for path in tree.named(["package.json"]):
        tree.read(path)
    for name, is_folder in tree.entries("packages").items():
        if is_folder:
            tree.read(f"packages/{name}/package.json")
    return json.decode(json.encode(tree.record()), type=TreeRecord)


def test_a_record_holds_while_nothing_that_was_read_changes(workspace: Repository) -> None:
    record = read_all(workspace)
    assert record.still_holds(workspace.files())
    workspace.write("README", content="edited\n")
    workspace.write("packages/a/src/new")
    workspace.git("add", "-A")
    assert record.still_holds(workspace.files())


@pytest.mark.parametrize(
    "change",
    [
        "edit", "delete", "add to folder", "add by name", "create what was missing",
        "create what was missing, ignored", "folder for file", "replace by link",
    ],
)  # fmt: skip
def test_a_record_falls_with_anything_that_would_be_read_otherwise(
    workspace: Repository, change: str
) -> None:
    workspace.write(".gitignore", content="ignored\n")
    record = read_all(workspace)
    match change:
        case "edit":
            workspace.write("packages/a/package.json", content="edited\n")
        case "delete":
            (workspace.root / "packages/b/package.json").unlink()
        case "add to folder":
            (workspace.root / "packages/c").mkdir()
        case "add by name":
            workspace.write("elsewhere/package.json")
        case "create what was missing":
            workspace.write("uv.lock")
        case "create what was missing, ignored":
            workspace.write(".gitignore", content="uv.lock\n")
            workspace.write("uv.lock")
        case "folder for file":
            (workspace.root / "package.json").unlink()
            (workspace.root / "package.json").mkdir()
        case "replace by link":
            (workspace.root / "packages/a/package.json").unlink()
            (workspace.root / "packages/a/package.json").symlink_to("../../README")
            workspace.write("README", content="other\n")
    assert not record.still_holds(workspace.files())


def test_a_record_knows_the_bytes_that_were_read_not_those_that_were_listed(
    workspace: Repository,
) -> None:
    files = workspace.files()
    files.identities(0, len(files.paths))
    workspace.write("package.json", content="edited after git was asked\n")
    tree = RecordingTree(WorktreeTree(str(workspace.root), files))
    tree.read("package.json")
    assert not tree.record().still_holds(files)
    assert tree.record().still_holds(workspace.files())


def test_a_folder_that_may_change_unseen_is_listed_again(
    workspace: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one tick of the clock, a folder keeps its stamp while its entries change."""
    changed = os.stat(workspace.root / "packages").st_ctime_ns
    tree = RecordingTree(WorktreeTree(str(workspace.root), workspace.files()))
    monkeypatch.setattr("time.time_ns", lambda: changed)
    tree.entries("packages")
    assert tree.record().directories["packages"][0] is None
    monkeypatch.setattr("time.time_ns", lambda: changed + 2 * 10**9)
    tree.entries("packages")
    assert tree.record().directories["packages"][0] is not None


def test_a_record_falls_with_the_target_of_a_link_that_was_read(workspace: Repository) -> None:
    (workspace.root / "linked.json").symlink_to("README")
    tree = RecordingTree(WorktreeTree(str(workspace.root), workspace.files()))
    tree.read("linked.json")
    assert tree.record().still_holds(workspace.files())
    workspace.write("README", content="edited\n")
    assert not tree.record().still_holds(workspace.files())


def test_a_record_of_another_hash_or_of_a_name_that_cannot_be_stored_never_holds(
    workspace: Repository,
) -> None:
    files = workspace.files()
    assert not TreeRecord(algorithm="sha256").still_holds(files)
    tree = RecordingTree(WorktreeTree(str(workspace.root), files))
    tree.entries("\udcff")
    assert not tree.record().still_holds(files)
    assert TreeRecord().still_holds(files)


def test_the_worktree_is_read_as_it_is(workspace: Repository) -> None:
    workspace.write(".gitignore", content="ignored\n")
    workspace.write("ignored/package.json", ".git-not/x")
    (workspace.root / "link").symlink_to("packages")
    (workspace.root / "broken").symlink_to("nothing")
    os.mkfifo(workspace.root / "pipe")
    tree = WorktreeTree(str(workspace.root), workspace.files())
    assert tree.entries("") == {
        ".git-not": True, ".gitignore": False, "README": False, "broken": False, "ignored": True,
        "link": False, "package.json": False, "packages": True, "pipe": False,
    }  # fmt: skip
    assert tree.entries("nothing") == tree.entries("README") == {}
    assert tree.read("link/a/package.json") == b"content\n"
    assert tree.read("ignored/package.json") == b"content\n"
    for path in ("packages", "nothing", "broken", "pipe", "README/below", "nul\0"):
        assert tree.read(path) is None
    assert "ignored/package.json" not in tree.named(["package.json"])


# --- the hot path ------------------------------------------------------------------------------


def test_listing_a_worktree_imports_nothing_heavy(repo: Repository) -> None:
    repo.write("a")
    repo.commit()
    program = """if True:
        import os, sys
        from bao_core.worktree import HashMemo, begin
        files = begin(sys.argv[1], sys.argv[2], os.environ, HashMemo()).result()
        assert files.paths == ["a"] and files.identities(0, 1)
        print(*sorted(sys.modules))
    """
    done = subprocess.run(
        [sys.executable, "-c", program, str(repo.root), str(repo.state)],
        check=True, capture_output=True, text=True, cwd=HOT,
    )  # fmt: skip
    heavy = {"subprocess", "tempfile", "shutil", "pathlib", "json", "dataclasses", "logging",
             "asyncio", "concurrent.futures"}  # fmt: skip
    assert heavy.isdisjoint(done.stdout.split())
