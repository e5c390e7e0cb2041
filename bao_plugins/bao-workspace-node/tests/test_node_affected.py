"""What changes affect, with packages and closures read by the real provider."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_node.provider import NodeWorkspace

from bao_core.config.model import RootConfig
from bao_core.git.history import resolve_commit
from bao_core.git.tree import RevisionTree
from bao_core.globs import compile_globs
from bao_core.graph import PackageGraph
from bao_core.model import ROOT
from bao_core.selection import GitChanges, Selection, select
from bao_core.selection.base_revision import Base
from bao_core.workspace import load_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.model import FileTree, Workspace

ENVIRON = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}

EVERYTHING = {"a", "b", "c", "d", "sub", "tool", "tooldep", "z"}
BETTER = {
    "file of a nested package": {"sub", "z", "a", "b", "c"},
    "package b deleted": {"c"},
    "package a renamed": {"a2", "b", "c"},
    "globalDependencies ./file": EVERYTHING,
    "globalDependencies names a directory": EVERYTHING,
    "globalDependencies names a directory with a slash": EVERYTHING,
    "globalDependencies matches a file of a package": EVERYTHING,
    "globalDependencies names a file of a package": EVERYTHING,
}
"""Cases in which bao selects more than turbo 2.11.11 did, on purpose."""


class Repository:
    """A git repository whose packages the provider finds."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._provider = NodeWorkspace(str(root) + ".state")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.root, env=ENVIRON, check=True)

    def write(self, files: Mapping[str, str | None]) -> None:
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)

    def load(self, tree: FileTree) -> Workspace:
        return load_workspace(tree, [self._provider], RootConfig())

    def is_global(self, path: str) -> bool:
        """What turbo.json says: itself and what `globalDependencies` matches."""
        if path == "turbo.json":
            return True
        document = json.loads((self.root / "turbo.json").read_text())
        patterns = document.get("globalDependencies", ())
        return compile_globs([p.removeprefix("./") for p in patterns]).matches(path)

    def affected(self, base: str) -> Selection:
        root = str(self.root)
        workspace = self.load(RevisionTree(root, "HEAD", ENVIRON))
        changes = GitChanges(
            root,
            ENVIRON,
            choose=lambda: Base(resolve_commit(root, base, ENVIRON), base),
            load=self.load,
            closures=lambda: {n: p.external for n, p in workspace.packages.items()},
            global_input=self.is_global,
        )
        graph = PackageGraph(workspace)
        return select(graph, filters=(), affected=True, cwd="", changes=changes, turbo=True)


def shared(*names: str) -> Path | None:
    for directory in Path(__file__).resolve().parents:
        if (directory / "bao_core").is_dir():
            found = directory.parent.joinpath("shared", "realworld", *names)
            return found if found.exists() else None
    return None


# --- small workspaces ------------------------------------------------------------------------


def cases() -> list[Any]:
    path = shared("vectors.json")
    if path is None:
        reason = "no recorded cases beside the repository, in shared/realworld/vectors.json"
        return [pytest.param({}, {}, marks=pytest.mark.skip(reason=reason))]
    groups = json.loads(path.read_text(encoding="utf-8"))["groups"]
    group = next(g for g in groups if g["group"] == "affected")
    return [
        pytest.param({**group["base"], **case.get("base_edit", {})}, case, id=case["name"])
        for case in group["cases"]
    ]


@pytest.mark.parametrize(("base", "case"), cases())
def test_what_is_affected_is_what_is_recorded(
    tmp_path: Path, base: dict[str, str], case: dict[str, Any]
) -> None:
    repository = Repository(tmp_path / "r")
    repository.root.mkdir()
    repository.git("init", "-q", "-b", "main")
    repository.write(base)
    repository.git("add", "--all")
    repository.git("commit", "-q", "-m", "base")
    repository.git("tag", "BASE")
    repository.write(case["edit"])
    if not case.get("uncommitted"):
        repository.git("add", "--all")
        repository.git("commit", "-q", "--allow-empty", "-m", "edited")
    found = {name for name in repository.affected("BASE").names() if name != ROOT}
    assert found == BETTER.get(case["name"], set(case["answer"]))


# --- histories of real repositories -------------------------------------------------------------


@pytest.fixture(scope="module", params=["hono-middleware", "supermemory"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    pack = shared(request.param)
    if pack is None:
        pytest.skip("no real workspaces to test against")
    repository = Repository(tmp_path_factory.mktemp("clone") / "r")
    bundle = str(pack / "history.bundle")
    subprocess.run(
        ["git", "clone", "-q", "-b", "head", bundle, str(repository.root)], check=True, env=ENVIRON
    )
    return repository, json.loads((pack / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("pair", [f"c{number:02}" for number in range(1, 11)])
def test_every_change_in_a_history_affects_what_it_should(project: Any, pair: str) -> None:
    repository, expected = project
    answer = next(found for found in expected["affected"] if found["id"] == pair)
    repository.git("checkout", "-q", "--detach", f"origin/{pair}-head")
    selection = repository.affected(f"origin/{pair}-base")
    assert [name for name in selection.names() if name != ROOT] == answer["expected"]
    assert all(package.reasons for package in selection.packages)
