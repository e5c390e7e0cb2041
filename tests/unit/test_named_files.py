"""Files found by their last names, whichever tree they are looked for in."""

from __future__ import annotations

import os
import subprocess
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bao_core.git.tree import RevisionTree
from bao_core.ignoring import IgnoredPaths
from bao_core.worktree import HashMemo, WorktreeTree, _like, begin

if TYPE_CHECKING:
    from pathlib import Path

    from bao_core.model import FileTree

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}
PATHS = (
    ".ruff.toml",
    "conftest.py",
    "a/test_x.py",
    "a/test_.py",
    "a/test_x.pyc",
    "a/x_test.py",
    "a/test_x_test.py",
    "test_dir/x.py",
    "a/deep/er/test_y.py",
    "my_conftest.py",
)
SECTIONS = st.text("ab_./", min_size=1, max_size=4)


@pytest.fixture(params=["worktree", "no git", "revision"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> FileTree:
    """The same files on disk with git and without, and in a commit."""
    root = tmp_path / "root"
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=root, env=ENVIRONMENT, check=True)

    if request.param != "no git":
        git("init", "-q")
        git("add", "-A")
        git("commit", "-qm", "x")
    if request.param == "revision":
        return RevisionTree(str(root), "HEAD", ENVIRONMENT)
    files = begin(str(root), str(tmp_path / "state"), ENVIRONMENT, HashMemo()).result()
    return WorktreeTree(str(root), files)


@pytest.mark.parametrize(
    "names",
    [
        ("test_*.py",),
        ("*_test.py",),
        ("conftest.py",),
        (".ruff.toml",),
        ("conftest.py", "test_*.py", "*_test.py"),
        ("*.py",),
        ("nothing*",),
    ],
)
def test_a_star_in_a_name_stands_for_any_characters(tree: FileTree, names: tuple[str, ...]) -> None:
    expected = {p for p in PATHS if any(fnmatchcase(p.rpartition("/")[2], n) for n in names)}
    assert tree.named(names) == sorted(expected)


@given(st.lists(SECTIONS, max_size=6), st.text("ab_", max_size=2), st.text("ab_.", max_size=2))
def test_names_are_compared_with_both_ends_of_the_pattern(
    words: list[str], prefix: str, suffix: str
) -> None:
    if not prefix + suffix:
        return
    paths = sorted({"/".join(filter(None, word.split("/"))) for word in words} - {""})
    joined = "\0/".join(("", *paths, ""))
    expected = [p for p in paths if fnmatchcase(p.rpartition("/")[2], f"{prefix}*{suffix}")]
    assert sorted(set(_like(joined, prefix, suffix))) == expected


def test_without_git_what_is_never_listed_counts_as_ignored(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env/pyvenv.cfg").touch()
    hidden = ["a/.pytest_cache/x/y", "__pycache__/x.pyc", "env/lib/x.py"]
    plain = ["a/x", "__pycache__", "a/pytest_cache/x", "dist/x"]
    ignored = IgnoredPaths(str(tmp_path), {}, has_git=False)
    assert ignored.among([*hidden, *plain]) == set(hidden)
