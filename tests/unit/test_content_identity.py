"""A content identity changes exactly when raw bytes, type or executable bit on disk do."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import msgpack

from bao_core.errors import InputError
from bao_core.model import Stamp
from bao_core.worktree import HashMemo, WorktreeFiles, begin
from bao_core.worktree.bulk import Hashing
from bao_core.worktree.content import MISSING, Contents

LATER = 5_000_000_000
"""Nanoseconds after which a file is old enough for its hash to be remembered."""


class Repository:
    """A workspace in a real git repository, looked at again and again by one machine."""

    def __init__(self, root: Path, *init: str, state: Path | None = None) -> None:
        self.root = root
        self.state = state or root.with_name(f"{root.name}-state")
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(root.parent),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self.memo = HashMemo()
        self.root.mkdir(parents=True, exist_ok=True)
        if init != ("none",):
            self.git("init", "-q", "-b", "main", *init)
            self.git("config", "user.name", "somebody")
            self.git("config", "user.email", "somebody@example.org")

    def git(self, *arguments: str, check: bool = True, **environ: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.root), *arguments],
            env={**self.environ, **environ},
            check=check,
            capture_output=True,
        )
        return done.stdout.decode("utf-8", "surrogateescape")

    def write(self, path: str, content: bytes | str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str = "change") -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def listed(self) -> WorktreeFiles:
        """The files before anything is asked of them."""
        return begin(str(self.root), str(self.state), self.environ, self.memo).result()

    def files(self) -> WorktreeFiles:
        files = self.listed()
        files.identities(0, len(files.paths))
        self.remember()
        return files

    def remember(self) -> None:
        if self.memo.changed:
            # As the state file would bring it back.
            stored = msgpack.Encoder().encode(self.memo.entries)
            self.memo = HashMemo(msgpack.Decoder(dict[str, tuple[Stamp, str]]).decode(stored))

    def identities(self) -> dict[str, str]:
        """Identities of everything listed, each checked against the bytes on disk."""
        files = self.files()
        found = dict(zip(files.paths, files.identities(0, len(files.paths)), strict=True))
        for path, identity in found.items():
            absolute = os.path.join(self.root, path)
            if not os.path.islink(absolute):
                assert identity == raw_identity(absolute, files.algorithm), path
        return found


def raw_identity(path: str, algorithm: str = "sha1") -> str:
    """What the identity must be, worked out without git and without bao."""
    data = Path(path).read_bytes()
    mode = "100755" if os.lstat(path).st_mode & stat.S_IXUSR else "100644"
    return f"{mode} {hashlib.new(algorithm, b'blob %d' % len(data) + bytes(1) + data).hexdigest()}"


@pytest.fixture(
    params=[
        "nothing remembered", "remembered at once", "remembered later",
        "nothing remembered, hashed by git", "remembered later, hashed by git",
    ]
)  # fmt: skip
def repo(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Repository:
    """Each promise holds on a first run, right after a run, and long after a run.

    So it does where there are so many files that git is asked to hash them.
    """
    repository = Repository(tmp_path / "repo")
    if "hashed by git" in request.param:
        hash_by_git(monkeypatch, 1)
    if "nothing remembered" in request.param:
        look = repository.files

        def forgetful() -> WorktreeFiles:
            repository.memo = HashMemo()
            return look()

        monkeypatch.setattr(repository, "files", forgetful)
    if "remembered later" in request.param:
        pass_time(monkeypatch)
    return repository


def pass_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every file look old enough for its hash to be remembered."""
    now = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: now() + LATER)


# --- what does not change it -------------------------------------------------------------------


def test_staging_and_committing_a_file_keeps_its_identity(repo: Repository) -> None:
    repo.write("a", "one\n")
    untracked = repo.identities()
    repo.git("add", "a")
    staged = repo.identities()
    repo.commit()
    assert untracked == staged == repo.identities()


def test_touching_a_file_keeps_its_identity(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    before = repo.identities()
    os.utime(repo.root / "a")
    assert repo.identities() == before


def test_the_identity_is_the_same_without_git(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.write("src/b", "two\n")
    (repo.root / "link").symlink_to("a")
    repo.commit()
    with_git = repo.identities()
    repo.environ["PATH"] = str(repo.root.parent)
    assert repo.identities() == with_git


# --- what does ---------------------------------------------------------------------------------


def test_an_edit_changes_it_and_taking_the_edit_back_restores_it(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    before = repo.identities()
    repo.write("a", "one and two\n")
    assert repo.identities() != before
    repo.write("a", "one\n")
    assert repo.identities() == before


def test_the_executable_bit_counts_even_where_git_is_told_to_overlook_it(repo: Repository) -> None:
    repo.git("config", "core.fileMode", "false")
    repo.write("a", "one\n")
    repo.commit()
    before = repo.identities()["a"]
    (repo.root / "a").chmod(0o755)
    after = repo.identities()["a"]
    assert (before[:6], after[:6]) == ("100644", "100755")
    assert before[6:] == after[6:]


def test_a_skip_worktree_file_counts_as_it_is_on_disk(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.git("update-index", "--skip-worktree", "a")
    before = repo.identities()
    repo.write("a", "edited\n")
    assert repo.identities() != before


def test_an_assume_unchanged_file_counts_as_it_is_on_disk(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.git("update-index", "--assume-unchanged", "a")
    before = repo.identities()
    repo.write("a", "edited\n")
    assert repo.identities() != before


def test_an_assume_unchanged_file_that_was_deleted_is_no_input(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.git("update-index", "--assume-unchanged", "a")
    (repo.root / "a").unlink()
    assert repo.identities() == {}


def test_an_intent_to_add_file_counts_as_it_is_on_disk(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.git("add", "--intent-to-add", "a")
    before = repo.identities()
    repo.write("a", "edited\n")
    assert repo.identities() != before


def test_a_file_modified_after_staging_counts_as_it_is_on_disk(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.write("a", "staged\n")
    repo.git("add", "a")
    staged = repo.identities()
    repo.write("a", "and modified\n")
    modified = repo.identities()
    assert staged != modified
    repo.write("a", "staged\n")
    assert repo.identities() == staged


def test_a_file_in_conflict_counts_once_and_as_it_is_on_disk(repo: Repository) -> None:
    repo.write("a", "base\n")
    repo.commit()
    repo.git("checkout", "-q", "-b", "other")
    repo.write("a", "theirs\n")
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.write("a", "ours, differently\n")
    repo.commit()
    repo.git("merge", "other", check=False)
    assert "U" in repo.git("diff-files", "--name-status")
    conflicting = repo.identities()
    assert list(conflicting) == ["a"]
    repo.write("a", "resolved, but not staged\n")
    assert repo.identities() != conflicting


def test_a_file_deleted_by_one_side_of_a_conflict_is_no_input(repo: Repository) -> None:
    repo.write("a", "base\n")
    repo.commit()
    repo.git("checkout", "-q", "-b", "other")
    repo.git("rm", "-q", "a")
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.write("a", "ours\n")
    repo.commit()
    repo.git("merge", "other", check=False)
    assert list(repo.identities()) == ["a"]
    (repo.root / "a").unlink()
    assert repo.identities() == {}


# --- sparse checkouts --------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["--no-cone", "--cone", "--sparse-index"])
def test_files_left_out_of_a_sparse_checkout_are_no_inputs(repo: Repository, form: str) -> None:
    repo.write("in/a", "one\n")
    repo.write("out/deep/b", "two\n")
    repo.commit()
    whole = repo.identities()
    repo.git(
        "sparse-checkout", "init", *(("--cone", form) if form == "--sparse-index" else (form,))
    )
    repo.git("sparse-checkout", "set", "in")
    assert repo.identities() == {"in/a": whole["in/a"]}
    # Somebody puts it back by hand.
    repo.write("out/deep/b", "changed\n")
    assert set(repo.identities()) == {"in/a", "out/deep/b"}


# --- conversions -------------------------------------------------------------------------------


def test_crlf_that_attributes_hide_from_git_counts(repo: Repository) -> None:
    repo.write(".gitattributes", "* text=auto\n")
    repo.write("a", "one\r\ntwo\r\n")
    repo.commit()
    assert repo.git("status", "--porcelain") == ""
    crlf = repo.identities()["a"]
    repo.write("a", "one\ntwo\n")
    assert repo.identities()["a"] != crlf


def test_crlf_that_autocrlf_hides_from_git_counts(repo: Repository) -> None:
    repo.git("config", "core.autocrlf", "true")
    repo.write("a", "one\r\ntwo\r\n")
    repo.commit()
    crlf = repo.identities()["a"]
    repo.write("a", "one\ntwo\n")
    assert repo.identities()["a"] != crlf


def test_crlf_counts_where_the_setting_that_hid_it_is_gone(repo: Repository) -> None:
    repo.write("a", "one\r\ntwo\r\n")
    os.utime(repo.root / "a", (1e9, 1e9))  # too old for git to look closer
    repo.git("-c", "core.autocrlf=true", "add", "a")
    repo.git("-c", "core.autocrlf=true", "commit", "-q", "-m", "crlf")
    assert repo.git("status", "--porcelain") == "", "git itself does not see the difference"
    crlf = repo.identities()["a"]
    repo.write("a", "one\ntwo\n")
    assert repo.identities()["a"] != crlf


def test_what_the_index_says_anew_of_an_unchanged_file_is_checked_anew(repo: Repository) -> None:
    repo.write("a", "one\r\ntwo\r\n")
    repo.commit()
    before = repo.identities()["a"]
    repo.git("config", "core.autocrlf", "true")
    repo.git("add", "--renormalize", "a")
    assert repo.identities()["a"] == before
    repo.write("a", "one\ntwo\n")
    assert repo.identities()["a"] != before


def test_what_a_clean_filter_hides_from_git_counts(repo: Repository) -> None:
    repo.git("config", "filter.mute.clean", "tr a-z x")
    repo.git("config", "filter.mute.smudge", "cat")
    repo.write(".gitattributes", "*.secret filter=mute\n")
    repo.write("a.secret", "one\n")
    repo.commit()
    before = repo.identities()["a.secret"]
    repo.write("a.secret", "two\n")
    repo.git("add", "a.secret")
    assert repo.git("status", "--porcelain") == "", "git itself does not see the difference"
    assert repo.identities()["a.secret"] != before


def test_what_a_smudge_filter_makes_of_a_blob_counts(repo: Repository) -> None:
    repo.git("config", "filter.tone.clean", "tr A-Z a-z")
    repo.git("config", "filter.tone.smudge", "tr a-z A-Z")
    repo.write(".gitattributes", "a filter=tone\n")
    repo.write("a", "word\n")
    repo.commit()
    before = repo.identities()["a"]
    (repo.root / "a").unlink()
    repo.git("checkout", "--", "a")
    assert (repo.root / "a").read_bytes() == b"WORD\n"
    assert repo.identities()["a"] != before


def test_an_expanded_ident_counts(repo: Repository) -> None:
    repo.write(".gitattributes", "a ident\n")
    repo.write("a", "$Id$\n")
    repo.commit()
    before = repo.identities()["a"]
    (repo.root / "a").unlink()
    repo.git("checkout", "--", "a")
    assert (repo.root / "a").read_bytes() != b"$Id$\n"
    assert repo.git("status", "--porcelain") == "", "git itself does not see the difference"
    assert repo.identities()["a"] != before


def test_the_encoding_in_the_worktree_counts(repo: Repository) -> None:
    repo.write(".gitattributes", "a working-tree-encoding=UTF-16LE\n")
    repo.write("a", "word\n".encode("utf-16-le"))
    repo.commit()
    before = repo.identities()["a"]
    repo.write(".gitattributes", "a working-tree-encoding=UTF-16BE\n")
    repo.write("a", "word\n".encode("utf-16-be"))
    repo.commit()
    assert repo.identities()["a"] != before


# --- submodules, nested repositories -----------------------------------------------------------


@pytest.fixture
def submodule(repo: Repository) -> Repository:
    """A submodule `libs/sub` with the file `s`, checked out."""
    origin = Repository(repo.root.with_name("origin"))
    origin.write("s", "submodule\n")
    origin.commit()
    allow = ("-c", "protocol.file.allow=always")
    repo.git(*allow, "submodule", "add", "-q", str(origin.root), "libs/sub")
    repo.commit()
    inner = Repository(repo.root / "libs/sub", "none")
    inner.git("config", "user.name", "somebody")
    inner.git("config", "user.email", "somebody@example.org")
    return inner


def test_files_of_a_submodule_count_as_they_are_on_disk(
    repo: Repository, submodule: Repository
) -> None:
    before = repo.identities()
    assert set(before) == {".gitmodules", "libs/sub/s"}
    submodule.write("s", "edited inside\n")
    edited = repo.identities()
    assert edited["libs/sub/s"] != before["libs/sub/s"]
    submodule.commit()
    assert repo.identities() == edited
    submodule.write("untracked", "new\n")
    assert "libs/sub/untracked" in repo.identities()


def test_a_submodule_that_is_not_checked_out_has_no_files(
    repo: Repository, submodule: Repository
) -> None:
    repo.git("submodule", "deinit", "-q", "-f", "libs/sub")
    assert set(repo.identities()) == {".gitmodules"}
    repo.write("libs/sub/by-hand", "put here\n")
    assert set(repo.identities()) == {".gitmodules", "libs/sub/by-hand"}


def test_a_file_in_place_of_a_submodule_counts(repo: Repository, submodule: Repository) -> None:
    shutil.rmtree(repo.root / "libs/sub")
    repo.write("libs/sub", "a file now\n")
    assert set(repo.identities()) == {".gitmodules", "libs/sub"}


def test_a_nested_repository_counts_as_it_is_on_disk(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    nested = Repository(repo.root / "vendor" / "nested")
    nested.write("n", "nested\n")
    nested.commit()
    nested.write("ignored", "not an input\n")
    nested.write(".gitignore", "ignored\n")
    deep = Repository(nested.root / "deep")
    deep.write("d", "deeper\n")
    before = repo.identities()
    assert set(before) == {
        "a", "vendor/nested/.gitignore", "vendor/nested/deep/d", "vendor/nested/n",
    }  # fmt: skip
    nested.write("n", "edited inside\n")
    deep.write("d", "edited inside, too\n")
    after = repo.identities()
    assert {path for path in before if before[path] != after[path]} == {
        "vendor/nested/n", "vendor/nested/deep/d",
    }  # fmt: skip


def test_a_nested_repository_of_another_hash_counts_by_the_outer_one(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    nested = Repository(repo.root / "nested", "--object-format=sha256")
    nested.write("n", "nested\n")
    nested.commit()
    assert set(repo.identities()) == {"a", "nested/n"}


# --- the racy index ----------------------------------------------------------------------------


def test_an_edit_in_the_same_second_that_keeps_size_and_mtime_counts(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo")
    for name in "abcdef":
        repo.write(name, "one\n")
        os.utime(repo.root / name, ns=(0, 1_000_000_000))
        repo.git("add", name)
        before = repo.identities()[name]
        repo.write(name, "two\n")
        os.utime(repo.root / name, ns=(0, 1_000_000_000))
        assert repo.identities()[name] != before


def test_an_edit_right_after_staging_that_keeps_the_size_counts(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo")
    for name in "abcdef":
        repo.write(name, "one\n")
        repo.git("add", name)
        repo.write(name, "two\n")
        repo.identities()


def test_settings_that_make_git_overlook_changes_have_no_effect(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo")
    repo.git("config", "core.trustctime", "false")
    repo.git("config", "core.checkStat", "minimal")
    repo.write("a", "one\n")
    os.utime(repo.root / "a", (1e9, 1e9))
    repo.commit()
    wait_for_another_second(repo.root / "a")
    before = repo.identities()["a"]
    repo.write("a", "two\n")
    os.utime(repo.root / "a", (1e9, 1e9))
    assert repo.git("diff-files") == "", "git itself overlooks it"
    assert repo.identities()["a"] != before


def test_an_edit_of_an_untracked_file_that_keeps_size_and_mtime_counts(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo")
    repo.write("a", "one\n")
    os.utime(repo.root / "a", (1e9, 1e9))
    wait_for_another_second(repo.root / "a")
    before = repo.identities()["a"]
    repo.write("a", "two\n")
    os.utime(repo.root / "a", (1e9, 1e9))
    assert repo.identities()["a"] != before


def wait_for_another_second(path: Path) -> None:
    """Let the clock of file times go on: it is whole seconds that git compares."""
    while time.time() < os.stat(path).st_ctime_ns // 10**9 + 1.1:
        time.sleep(0.01)


def test_a_file_system_monitor_that_saw_nothing_is_not_asked(repo: Repository) -> None:
    repo.write("hook", "#!/bin/sh\nprintf 'token\\0'\n")
    (repo.root / "hook").chmod(0o755)
    repo.write("a", "one\n")
    repo.git("config", "core.fsmonitor", str(repo.root / "hook"))
    repo.git("config", "core.untrackedCache", "true")
    repo.commit()
    repo.git("status")
    before = repo.identities()
    repo.write("a", "edited\n")
    repo.write("new", "new\n")
    seen = repo.git("status", "--porcelain", GIT_OPTIONAL_LOCKS="0")
    assert seen == "", "git itself believes the monitor"
    assert set(repo.identities()) == {*before, "new"}
    assert repo.identities()["a"] != before["a"]


# --- symbolic links ----------------------------------------------------------------------------


def test_a_link_changes_with_its_text(repo: Repository) -> None:
    repo.write("a", "same\n")
    repo.write("b", "same\n")
    (repo.root / "link").symlink_to("a")
    repo.commit()
    before = repo.identities()
    (repo.root / "link").unlink()
    (repo.root / "link").symlink_to("b")
    assert repo.identities()["link"] != before["link"]


@pytest.mark.parametrize("target", ["file", "ignored/file", "../outside"])
def test_a_link_changes_with_the_content_it_leads_to(repo: Repository, target: str) -> None:
    repo.write(".gitignore", "ignored\n")
    repo.write(target, "one\n")
    (repo.root / "link").symlink_to(target)
    repo.commit()
    before = repo.identities()["link"]
    repo.write(target, "edited\n")
    after = repo.identities()["link"]
    assert before != after
    (repo.root / target).chmod(0o755)
    assert repo.identities()["link"] != after
    (repo.root / target).unlink()
    assert repo.identities()["link"].endswith(f"-> {MISSING}")


@pytest.mark.parametrize("target", ["folder", "ignored/folder", "../outside"])
def test_a_link_changes_with_any_file_of_the_directory_it_leads_to(
    repo: Repository, target: str
) -> None:
    repo.write(".gitignore", "ignored\n")
    repo.write(f"{target}/deep/file", "one\n")
    (repo.root / "link").symlink_to(target)
    repo.commit()
    one = repo.identities()["link"]
    repo.write(f"{target}/deep/file", "edited\n")
    two = repo.identities()["link"]
    repo.write(f"{target}/another", "new\n")
    three = repo.identities()["link"]
    assert len({one, two, three}) == 3


def test_a_link_to_a_link_changes_with_what_the_last_one_leads_to(repo: Repository) -> None:
    repo.write("a", "one\n")
    (repo.root / "near").symlink_to("far")
    (repo.root / "far").symlink_to("a")
    repo.commit()
    before = repo.identities()["near"]
    repo.write("a", "edited\n")
    assert repo.identities()["near"] != before


def test_links_that_lead_nowhere_or_in_circles_have_an_identity(repo: Repository) -> None:
    (repo.root / "broken").symlink_to("nothing")
    (repo.root / "loop").symlink_to("loop")
    (repo.root / "one").symlink_to("two")
    (repo.root / "two").symlink_to("one")
    (repo.root / "null").symlink_to("/dev/null")
    repo.commit()
    found = repo.identities()
    assert all(found[name].endswith(f"-> {MISSING}") for name in ("broken", "loop", "one", "two"))
    assert "-> special" in found["null"]


def test_a_link_to_a_directory_that_holds_it_has_an_identity(repo: Repository) -> None:
    repo.write("package/a", "one\n")
    (repo.root / "package" / "self").symlink_to("..")
    (repo.root / "package" / "here").symlink_to(".")
    repo.commit()
    before = repo.identities()
    assert before == repo.identities()
    repo.write("package/a", "edited\n")
    after = repo.identities()
    assert {path for path in before if before[path] != after[path]} == set(before)


def test_a_file_that_becomes_a_link_changes(repo: Repository) -> None:
    repo.write("a", "b")
    repo.write("b", "content")
    repo.commit()
    before = repo.identities()["a"]
    (repo.root / "a").unlink()
    (repo.root / "a").symlink_to("b")
    assert repo.identities()["a"] != before


def test_files_below_a_directory_that_became_a_link_are_gone(repo: Repository) -> None:
    repo.write("folder/a", "one\n")
    repo.write("folder/b", "two\n")
    repo.commit()
    repo.git("update-index", "--assume-unchanged", "folder/a")
    (repo.root / "folder").rename(repo.root / "other")
    (repo.root / "folder").symlink_to("other")
    assert set(repo.identities()) == {"folder", "other/a", "other/b"}


def test_a_link_that_becomes_a_file_changes_even_without_support_for_links(
    repo: Repository,
) -> None:
    repo.git("config", "core.symlinks", "false")
    (repo.root / "a").symlink_to("b")
    repo.commit()
    (repo.root / "a").unlink()
    repo.write("a", "b")
    assert repo.identities()["a"].startswith("100644")


# --- odd repositories --------------------------------------------------------------------------


def test_a_repository_of_sha256_has_identities_of_sha256(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo", "--object-format=sha256")
    repo.write("a", "one\n")
    untracked = repo.files().identity_of("a")
    repo.commit()
    repo.write("b", "two\n")
    assert all(len(identity) == 7 + 64 for identity in repo.identities().values())
    assert untracked == "100644 " + hashlib.sha1(b"blob 4\0one\n").hexdigest()


def test_a_linked_worktree_counts_as_it_is_on_disk(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.git("worktree", "add", "-q", str(repo.root.with_name("linked")), "-b", "linked")
    linked = Repository(repo.root.with_name("linked"), "none")
    assert linked.identities() == repo.identities()
    linked.write("a", "edited\n")
    assert linked.identities() != repo.identities()


@pytest.mark.parametrize("name", ["with space", "with\nnewline", "with\ttab", "\udcff\udcfe", "ü"])
def test_any_name_a_file_can_have_is_listed(repo: Repository, name: str) -> None:
    repo.write("a", "one\n")
    repo.write("z", "last\n")
    (repo.root / name).write_bytes(b"untracked")
    untracked = repo.identities()
    assert set(untracked) == {"a", "z", name}
    repo.commit()
    assert repo.identities() == untracked
    (repo.root / name).write_bytes(b"edited, not committed")
    assert repo.identities()[name] != untracked[name]


def test_a_split_index_and_one_without_a_hash_are_read(repo: Repository) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.git("config", "index.skipHash", "true")
    repo.git("config", "splitIndex.maxPercentChange", "100")
    repo.git("update-index", "--split-index")
    repo.write("b", "two\n")
    repo.git("add", "b")
    before = repo.identities()
    assert set(before) == {"a", "b"}
    repo.write("a", "edited\n")
    assert repo.identities()["a"] != before["a"]


def test_names_that_differ_in_case_only_are_two_files(repo: Repository) -> None:
    repo.write("name", "one\n")
    if (repo.root / "NAME").exists():
        pytest.skip("the file system does not tell them apart")
    repo.git("config", "core.ignoreCase", "true")
    repo.commit()
    repo.write("NAME", "two\n")
    assert set(repo.identities()) == {"name", "NAME"}


def test_an_index_that_keeps_changing_vouches_for_nothing(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("a", "one\n")
    repo.commit()
    repo.identities()
    states = iter(range(1000))
    monkeypatch.setattr("bao_core.git.listing.index_id", lambda path: str(next(states)))
    files = repo.files()
    assert files.index_id == ""
    assert files.identity_of("a") == raw_identity(str(repo.root / "a"))


def test_an_index_that_changes_once_while_git_is_asked_is_read_again(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("a", "one\n")
    repo.commit()
    states = iter(["old", "new", "new", "new"])
    monkeypatch.setattr("bao_core.git.listing.index_id", lambda path: next(states))
    assert repo.files().index_id == "new"


# --- what is not a plain readable file ---------------------------------------------------------


def test_pipes_and_sockets_are_no_inputs(repo: Repository) -> None:
    repo.write("tracked", "one\n")
    repo.commit()
    os.mkfifo(repo.root / "pipe")
    (repo.root / "tracked").unlink()
    os.mkfifo(repo.root / "tracked")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(repo.root / "socket"))
        assert repo.identities() == {}
    assert repo.files().identity_of("pipe") is None


def test_a_file_bigger_than_is_read_at_once_is_hashed_whole(repo: Repository) -> None:
    repo.write("big", bytes(range(256)) * 12_345)
    before = repo.identities()
    repo.commit()
    assert repo.identities() == before


def test_a_file_deleted_after_it_was_listed_is_missing(repo: Repository) -> None:
    repo.write("a", "one\n")
    files = begin(str(repo.root), str(repo.state), repo.environ, repo.memo).result()
    (repo.root / "a").unlink()
    assert files.identities(0, 1) == [MISSING]
    assert files.identity_of("a") is None


def test_an_unreadable_file_is_an_error_only_when_its_identity_is_asked_for(
    repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("a", "one\n")
    repo.write("b", "two\n")
    files = begin(str(repo.root), str(repo.state), repo.environ, repo.memo).result()
    forbid(monkeypatch, "/b")
    assert files.identity(0).startswith("100644")
    with pytest.raises(InputError, match=r"^b: this input cannot be read: permission denied; "):
        files.identities(0, 2)


def forbid(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Refuse to open some file, also to root."""
    really_open = os.open

    def refusing(path: str, *arguments: int) -> int:
        if path.endswith(ending):
            raise PermissionError(13, "Permission denied", path)
        return really_open(path, *arguments)

    monkeypatch.setattr(os, "open", refusing)


def test_a_file_that_never_stands_still_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log").write_bytes(b"line\n")
    really_read = os.read

    def growing(fd: int, size: int) -> bytes:
        with (tmp_path / "log").open("ab") as log:
            log.write(b"more\n")
        return really_read(fd, size)

    monkeypatch.setattr(os, "read", growing)
    with pytest.raises(InputError, match="keeps changing"):
        Contents(str(tmp_path), HashMemo()).identity("log")


# --- what is remembered ------------------------------------------------------------------------


def hash_by_git(monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    """Ask git from so few files on what it is asked where there are many."""
    for name in ("MANY", "MANY_AHEAD"):
        monkeypatch.setattr(f"bao_core.worktree.{name}", least)
    monkeypatch.setattr("bao_core.git.listing._SMALL_INDEX", 0)


def hashing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are read from now on, as they are read."""
    paths: list[str] = []
    read = Contents.read

    def noting(self: Contents, path: str, *, follow: bool = False) -> object:
        paths.append(path)
        return read(self, path, follow=follow)

    monkeypatch.setattr(Contents, "read", noting)
    return paths


def test_nothing_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pass_time(monkeypatch)
    repo = Repository(tmp_path / "repo")
    repo.write(".gitattributes", "crlf text\n")
    repo.write("crlf", "one\r\n")
    repo.write("clean", "one\n")
    (repo.root / "link").symlink_to("clean")
    repo.commit()
    repo.write("modified", "one\n")
    repo.git("add", "modified")
    repo.write("modified", "two and more\n")
    repo.write("untracked", "one\n")
    first = repo.identities()
    read = hashing(monkeypatch)
    assert repo.identities() == first
    assert read == []


def test_of_many_files_none_is_read_by_bao_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pass_time(monkeypatch)
    hash_by_git(monkeypatch, 3)
    repo = Repository(tmp_path / "repo")
    names = ["a", "b c", "d\u00e9", "deep/e"]
    for name in names:
        repo.write(name, name.encode("utf-8", "surrogateescape"))
    repo.write("by\nline", "x")
    repo.write('"quoted"', "y")
    repo.commit()
    read = hashing(monkeypatch)
    first = repo.identities()
    assert sorted(read) == ['"quoted"', "by\nline"], "what cannot be named on a line"
    assert len(first) == len(names) + 2
    del read[:]
    assert repo.identities() == first
    assert read == []


@pytest.mark.parametrize("ahead", [False, True])
def test_a_file_that_changes_while_git_hashes_it_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ahead: bool
) -> None:
    hash_by_git(monkeypatch, 1)
    repo = Repository(tmp_path / "repo")
    repo.write("a", "one")
    repo.write("gone", "one")
    repo.write("same", "one")
    repo.commit()

    ids = Hashing.ids

    def slowly(self: Hashing) -> list[str]:
        found = ids(self)
        repo.write("a", "two")
        (repo.root / "gone").unlink()
        return found

    monkeypatch.setattr(Hashing, "ids", slowly)
    files = repo.listed()
    if ahead:
        files.verify_ahead()
    found = files.identities(0, 3)
    a, same = (raw_identity(str(repo.root / name)) for name in ("a", "same"))
    assert a != same
    assert found == [a, MISSING, same]


def test_files_that_git_cannot_read_are_left_to_bao(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repository(tmp_path / "repo")
    for name in "abcdefgh":
        repo.write(name, name)
    repo.commit()
    paths = ["a", "gone", "b", "c", "d", "e"]
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("bao_core.worktree.bulk._LEAST", 1)
    found = Hashing(str(repo.root), paths, repo.environ).ids()
    a, c, d, e = (raw_identity(str(repo.root / name))[7:] for name in "acde")
    assert found == [a, "", "", c, d, e]
    without_git = {**repo.environ, "PATH": "/nowhere"}
    assert Hashing(str(repo.root), paths, without_git).ids() == [""] * 6


def test_what_git_hashes_ahead_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pass_time(monkeypatch)
    monkeypatch.setattr("bao_core.worktree.MANY_AHEAD", 2)
    repo = Repository(tmp_path / "repo")
    for name in "abcd":
        repo.write(name, name)
    repo.commit()
    begun: list[str] = []
    begin = Hashing.__init__

    def noting(self: Hashing, root: str, paths: list[str], environ: dict[str, str]) -> None:
        begun.extend(paths)
        begin(self, root, paths, environ)

    monkeypatch.setattr(Hashing, "__init__", noting)
    files = repo.listed()
    files.verify_ahead()
    assert begun == ["a", "b", "c", "d"]
    assert files.identity_of("b") == raw_identity(str(repo.root / "b")), "asked for alone meanwhile"
    assert files.identities(0, 4) == [raw_identity(str(repo.root / name)) for name in "abcd"]
    assert len(begun) == 4, "not twice"
    repo.remember()
    again = repo.listed()
    again.verify_ahead()
    assert len(begun) == 4, "nor again in another run"


def test_git_hashes_the_files_of_a_workspace_below_its_toplevel_and_no_others(
    tmp_path: Path,
) -> None:
    repo = Repository(tmp_path / "repo")
    repo.write("a", "further up")
    repo.write("work/space/a", "here")
    repo.write("work/space/b", "only here")
    space = repo.root / "work/space"
    a, b = (raw_identity(str(space / name))[7:] for name in "ab")
    assert Hashing(str(space), ["a", "b"], repo.environ).ids() == [a, b]


def test_while_the_index_stays_nothing_clean_is_even_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pass_time(monkeypatch)
    repo = Repository(tmp_path / "repo")
    for number in range(4):
        repo.write(f"a{number}", f"{number}\n")
    repo.commit()
    first = repo.identities()
    repo.write("a0", "edited\n")
    looked_at: list[str] = []
    lstat = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: looked_at.append(str(path)) or lstat(path))
    files = repo.files()
    assert {os.path.basename(path) for path in looked_at if "/a" in path} == {"a0"}
    assert files.identities(1, 4) == [first[f"a{number}"] for number in range(1, 4)]


def test_after_a_change_of_the_index_only_what_changed_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pass_time(monkeypatch)
    repo = Repository(tmp_path / "repo")
    for number in range(40):
        repo.write(f"a{number}", f"{number}\n")
    repo.commit()
    repo.identities()
    repo.write("a7", "edited\n")
    repo.commit()
    read = hashing(monkeypatch)
    repo.identities()
    assert read == ["a7"]
    repo.identities()
    assert read == ["a7"]


def test_what_was_hashed_too_young_is_read_again_and_then_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repository(tmp_path / "repo")
    repo.write("tracked", "one\n")
    repo.commit()
    repo.write("untracked", "one\n")
    # The clock of the hashing stands at the moment of the writing.
    written = os.stat(repo.root / "tracked").st_ctime_ns
    monkeypatch.setattr("time.time_ns", lambda: written)
    repo.identities()
    read = hashing(monkeypatch)
    repo.identities()
    assert sorted(read) == ["tracked", "untracked"]
    read.clear()
    monkeypatch.setattr("time.time_ns", lambda: written + LATER)
    repo.identities()
    read.clear()
    repo.identities()
    assert read == []


def test_only_what_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pass_time(monkeypatch)
    repo = Repository(tmp_path / "repo")
    repo.write("one/a", "one\n")
    repo.write("two/b", "two\n")
    repo.commit()
    read = hashing(monkeypatch)
    memo = HashMemo()
    for wanted in (["one/a"], []):
        files = begin(str(repo.root), str(repo.state), repo.environ, memo).result()
        files.identities(*files.span("one"))
        assert read == wanted
        memo = HashMemo(dict(memo.entries) if memo.changed else memo.entries)
        read.clear()


def test_a_remembered_hash_that_was_damaged_is_not_believed_to_be_one(tmp_path: Path) -> None:
    repo = Repository(tmp_path / "repo")
    repo.write("a", "one\n")
    repo.commit()
    for text in ("", "x", "\n\n\n\n", "id\nnot a fingerprint\nno such path"):
        repo.memo = HashMemo({"\0index": (Stamp(0, 0, 0, 0, 0), text)})
        repo.identities()


# --- any sequence ------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "dir/c", "dir/sub/d", "name with space", "ünï"])
ENDS = st.sampled_from(["\n", "\r\n"])


class AnySequence(RuleBasedStateMachine):
    """Whatever is done to files, index and settings: the raw bytes count, remembered or not."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(os.path.realpath(os.environ.get("TMPDIR", "/tmp")))
        self.place = self.place / f"bao-any-{os.getpid()}-{time.monotonic_ns()}"
        self.patch = pytest.MonkeyPatch()
        pass_time(self.patch)
        self.count = 0

    @initialize()
    def start(self) -> None:
        self.repo = Repository(self.place / "repo")

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.place, ignore_errors=True)

    @rule(name=NAMES, end=ENDS)
    def write(self, name: str, end: str) -> None:
        # Longer each time: within one second, git must be able to see a difference by the size.
        self.count += 1
        self.repo.write(name, f"word{end}" * self.count)

    @rule(name=NAMES)
    def normalize(self, name: str) -> None:
        file = self.repo.root / name
        if file.exists():
            file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n"))

    @rule(name=NAMES, mode=st.sampled_from([0o644, 0o755]))
    def chmod(self, name: str, mode: int) -> None:
        if (self.repo.root / name).exists():
            (self.repo.root / name).chmod(mode)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        (self.repo.root / name).unlink(missing_ok=True)

    @rule(name=NAMES, mark=st.sampled_from(["skip-worktree", "assume-unchanged"]),
          no=st.sampled_from(["", "no-"]))  # fmt: skip
    def mark(self, name: str, mark: str, no: str) -> None:
        self.repo.git("update-index", f"--{no}{mark}", name, check=False)

    @rule(key=st.sampled_from(["core.autocrlf", "core.fileMode", "core.symlinks"]),
          value=st.sampled_from(["true", "false"]))  # fmt: skip
    def configure(self, key: str, value: str) -> None:
        self.repo.git("config", key, value)

    @rule(text=st.sampled_from(["* text=auto\n", "* -text\n", "* ident\n", ""]))
    def attributes(self, text: str) -> None:
        self.repo.write(".gitattributes", text)

    @rule(command=st.sampled_from([
        ("add", "-A"), ("add", "-N", "."), ("add", "--renormalize", "."), ("status",),
        ("commit", "-q", "-a", "-m", "x"), ("reset", "-q"), ("stash", "-q"),
        ("checkout", "-q", "--", "."), ("rm", "-q", "-r", "--cached", "."), ("stash", "pop", "-q"),
        ("checkout", "-q", "-B", "other"),
    ]))  # fmt: skip
    def run(self, command: tuple[str, ...]) -> None:
        self.repo.git(*command, check=False)

    @invariant()
    def raw_bytes_count(self) -> None:
        if not hasattr(self, "repo"):
            return
        found = self.repo.identities()
        on_disk = {
            os.path.relpath(os.path.join(folder, name), self.repo.root)
            for folder, folders, names in os.walk(self.repo.root)
            if ".git" not in Path(folder).relative_to(self.repo.root).parts
            for name in names
        }
        assert set(found) == on_disk


AnySequence.TestCase.settings = settings(
    max_examples=int(os.environ.get("BAO_TEST_EXAMPLES", "12")),
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnySequence = AnySequence.TestCase
