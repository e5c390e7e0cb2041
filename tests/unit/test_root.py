"""Where the workspace begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from bao_core.root import disabled_above, find_root

MARKERS = {
    "bao.toml": ("",),
    "package.json": (r'"workspaces"\s*:',),
    "pyproject.toml": (r"^\s*\[tool\.uv\.workspace\b",),
}
MANIFESTS = frozenset({"bao.toml", "package.json", "pyproject.toml"})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with nested directories."""
    root = tmp_path / "repo"
    (root / "a/b/c").mkdir(parents=True)
    (root / ".git/objects").mkdir(parents=True)
    (root / ".git/HEAD").write_text("ref: refs/heads/main\n")
    return root


def root_of(directory: Path) -> str | None:
    return find_root(str(directory), MARKERS, MANIFESTS)


def test_a_directory_without_any_manifest_has_no_root(tree: Path) -> None:
    assert root_of(tree / "a/b") is None


def test_the_outermost_marked_directory_is_the_root(tree: Path) -> None:
    (tree / "package.json").write_text('{"workspaces": ["a/*"]}')
    (tree / "a/b/package.json").write_text('{"workspaces": ["c"]}')
    assert root_of(tree / "a/b/c") == str(tree)


def test_a_manifest_that_is_no_marker_does_not_hide_one_below_it(tree: Path) -> None:
    (tree / "package.json").write_text('{"name": "plain"}')
    (tree / "a/pyproject.toml").write_text("[tool.uv.workspace]\nmembers = []\n")
    assert root_of(tree / "a/b") == str(tree / "a")


def test_a_workspace_table_marks_a_root_inside_of_another(tree: Path) -> None:
    (tree / "package.json").write_text('{"workspaces": ["a/*"]}')
    (tree / "a/b/bao.toml").write_text("[workspace]\npackages = []\n")
    assert root_of(tree / "a/b/c") == str(tree / "a/b")


def test_without_a_marker_a_single_package_is_the_workspace(tree: Path) -> None:
    (tree / "a/pyproject.toml").write_text('[project]\nname = "a"\n')
    assert root_of(tree / "a/b") == str(tree / "a")


def test_the_search_ends_at_the_repository(tree: Path) -> None:
    (tree.parent / "package.json").write_text('{"workspaces": ["*"]}')
    assert root_of(tree / "a") is None


def test_plugins_are_disabled_by_any_configuration_above(tree: Path) -> None:
    (tree / "bao.toml").write_text('[plugins]\ndisable = ["one"]\n')
    (tree / "a/bao.toml").write_text("[broken\n")
    assert disabled_above(str(tree / "a/b")) == {"one"}
