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


@pytest.mark.parametrize(
    ("text", "is_root"),
    [
        ("[workspace]\n", True),
        ("name = 'x'\r\n  [ workspace ]  # here\r\n", True),
        ("# [workspace]\n", False),
        ("name = '[workspace]'\n", False),
        ("[workspaces]\n[work]\n", False),
    ],
)
def test_only_the_table_itself_marks_a_root(tree: Path, text: str, *, is_root: bool) -> None:
    (tree / "bao.toml").write_text("[workspace]\n")
    (tree / "a/b/bao.toml").write_text(text)
    assert root_of(tree / "a/b/c") == str(tree / "a/b" if is_root else tree)


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


# --- projects side by side -------------------------------------------------------------------

SIDE_BY_SIDE = {**MARKERS, "**/pyproject.toml": (r"^\[project\]",)}


def root_with_projects(directory: Path) -> str | None:
    return find_root(str(directory), SIDE_BY_SIDE, MANIFESTS)


def project(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pyproject.toml").write_text(f'[project]\nname = "{directory.name}"\n')


def test_projects_side_by_side_have_the_top_of_the_repository_as_their_root(tree: Path) -> None:
    project(tree / "a/b")
    project(tree / "other")
    assert root_with_projects(tree / "a/b/c") == str(tree)
    assert root_with_projects(tree / "a") == str(tree)
    assert root_with_projects(tree) == str(tree)


def test_a_marker_holds_whatever_lies_beside_it(tree: Path) -> None:
    project(tree / "other")
    (tree / "a/pyproject.toml").write_text("[tool.uv.workspace]\n")
    assert root_with_projects(tree / "a/b") == str(tree / "a")


def test_a_manifest_of_another_kind_keeps_its_directory_as_the_root(tree: Path) -> None:
    project(tree / "a/b")
    (tree / "a/b/package.json").write_text("{}")
    assert root_with_projects(tree / "a/b") == str(tree / "a/b")
    (tree / "a/package.json").write_text("{}")
    (tree / "a/b/package.json").unlink()
    assert root_with_projects(tree / "a/b") == str(tree / "a")


def test_a_manifest_that_makes_no_package_does_not_move_the_root(tree: Path) -> None:
    (tree / "a/pyproject.toml").write_text("[tool.ruff]\n")
    project(tree / "a/b")
    assert root_with_projects(tree / "a/b") == str(tree / "a")


def test_without_a_repository_a_project_is_its_own_root(tmp_path: Path) -> None:
    project(tmp_path / "one")
    project(tmp_path / "two")
    assert root_with_projects(tmp_path / "one") == str(tmp_path / "one")
    assert root_with_projects(tmp_path) is None


def test_the_home_directory_is_no_workspace_even_if_it_is_a_repository(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tree / "a")
    monkeypatch.setenv("HOME", str(tree))
    assert root_with_projects(tree / "a") == str(tree / "a")
    assert root_with_projects(tree) is None


def test_what_is_installed_or_hidden_makes_no_workspace(tree: Path) -> None:
    project(tree / ".venv/lib/x")
    project(tree / "venv/lib/y")
    project(tree / "a/node_modules/z")
    assert root_with_projects(tree) is None


def test_a_project_very_far_down_is_not_looked_for(tree: Path) -> None:
    project(tree / "a/b/c/d/e/f")
    assert root_with_projects(tree) is None
    assert root_with_projects(tree / "a/b/c/d/e/f") == str(tree)
