"""Git is started before everything else, for the root that is guessed, and never wrongly used."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from bao_core.cli.start import begin
from bao_core.git.begun import BegunListing
from bao_core.recent import recall_root, remember_root
from bao_core.session import Selecting, Session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "BAO_CACHE_DIR": str(tmp_path / "cache")}


def workspace(root: Path, name: str) -> Path:
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", root], check=True)
    (root / "bao.toml").write_text('[workspace]\npackages = ["*"]\n')
    (root / name).mkdir()
    (root / name / "bao.toml").write_text(f'name = "{name}"\n')
    return root


def test_what_is_remembered_is_recalled_the_last_used_directories_of_many(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    assert recall_root("/nowhere", environ) is None
    for number in range(200):
        remember_root(f"/work/{number}", str(tmp_path), "/state", environ)
    assert recall_root("/work/199", environ) == (str(tmp_path), "/state")
    assert recall_root("/work/100", environ) is None


def test_odd_names_are_recalled_and_damage_is_forgotten(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    odd = "/w\udcff ö"
    remember_root(odd, str(tmp_path), "/state", environ)
    remember_root("/line\nend", str(tmp_path), "/state", environ)
    assert recall_root(odd, environ) == (str(tmp_path), "/state")
    assert recall_root("/line\nend", environ) is None
    (tmp_path / "cache" / "recent").write_bytes(b"\xff\0\n\0\0\0\0")
    assert recall_root(odd, environ) is None


def test_a_root_that_has_gone_is_not_recalled(tmp_path: Path, environ: dict[str, str]) -> None:
    remember_root("/work", str(tmp_path / "gone"), "/state", environ)
    assert recall_root("/work", environ) is None


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["run", "build"], True),
        (["ls"], True),
        (["config"], False),
        ([], False),
        (["run", "-C", "elsewhere", "build"], False),
        (["run", "--directory=elsewhere", "build"], False),
    ],
)
def test_git_is_started_for_commands_that_need_it_here(
    words: list[str],
    begins: bool,
    tmp_path: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = workspace(tmp_path / "w", "a")
    monkeypatch.chdir(root)
    remember_root(str(root), str(root), str(tmp_path / "state"), environ)
    begun = begin(words, environ)
    assert (begun is not None) == begins
    assert begun is None or begun.root == str(root)


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        (["ls", "--affected"], True),
        (["run", "build", "--since=HEAD"], True),
        (["ls"], False),
        (["run", "build"], False),
    ],
)
def test_a_comparison_is_begun_where_one_is_asked_for(
    words: list[str],
    asks: bool,
    tmp_path: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = workspace(tmp_path / "w", "a")
    monkeypatch.chdir(root)
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *author, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    session = Session.open(None, environ)
    session.select(Selecting(affected=True, since="HEAD"))
    session.close()
    begun = begin(words, environ)
    assert begun is not None
    assert (begun.ahead is not None) == asks


def test_what_was_begun_for_another_root_is_not_used(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    first, second = workspace(tmp_path / "one", "a"), workspace(tmp_path / "two", "b")
    begun = BegunListing(str(first), str(tmp_path / "state"), environ)
    session = Session.open(str(second), environ, begun=begun)
    assert sorted(session.workspace.packages) == ["//", "b"]
    session.close()


def test_a_workspace_that_grew_around_its_root_is_found_all_the_same(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", tmp_path / "outer"], check=True)
    (inner / "package.json").write_text('{"name": "inner", "workspaces": []}')
    monkeypatch.chdir(inner)
    first = Session.open(None, environ)
    first.close()
    assert recall_root(str(inner), environ) == (first.root, first.state_dir)
    (inner.parent / "bao.toml").write_text('[workspace]\npackages = ["inner"]\n')
    (inner / "package.json").unlink()
    (inner / "bao.toml").write_text('name = "now"\n')
    session = Session.open(None, environ, begun=begin(["ls"], environ))
    assert session.root == str(inner.parent)
    assert "now" in session.workspace.packages
    session.close()
