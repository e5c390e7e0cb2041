"""Filters and affected packages in the histories of three public repositories.

They lie beside the checkout of bao; without them these tests are skipped. The readers of workspaces
here are small and share nothing with those of bao.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.errors import SelectionError
from bao_core.git.tree import RevisionTree
from bao_core.graph import PackageGraph
from bao_core.model import ROOT, Dependency, FileTree, Package, Workspace
from bao_core.selection import GitChanges, Selection, select
from bao_core.selection.base_revision import choose_base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ENVIRON = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
PAIRS = [f"c{number:02}" for number in range(1, 11)]


class Project:
    """A clone of one project's history, and the answers that come with it."""

    def __init__(self, pack: Path, clone: Path) -> None:
        self.expected = json.loads((pack / "expected.json").read_text(encoding="utf-8"))
        self.root = str(clone)
        subprocess.run(
            ["git", "clone", "-q", "-b", "head", str(pack / "history.bundle"), self.root],
            check=True,
            env=ENVIRON,
        )

    def checkout(self, revision: str) -> None:
        subprocess.run(
            ["git", "checkout", "-q", "--detach", revision], cwd=self.root, check=True, env=ENVIRON
        )

    def select(
        self,
        load: Callable[[FileTree], Workspace],
        *filters: str,
        since: str | None = None,
        **more: Any,
    ) -> Selection:
        workspace = load(RevisionTree(self.root, "HEAD", ENVIRON))
        changes = GitChanges(
            self.root,
            ENVIRON,
            choose=lambda: choose_base(self.root, ENVIRON, since=since),
            load=load,
            closures=lambda: {n: p.external for n, p in workspace.packages.items()},
            global_input=lambda path: path == "turbo.json",
        )
        return select(
            PackageGraph(workspace),
            filters=filters,
            affected=since is not None,
            cwd="",
            changes=changes,
            **more,
        )


def find_pack(name: str) -> Path:
    for directory in Path(__file__).resolve().parents:
        if (directory / "bao_core").is_dir():
            folder = directory.parent / "shared" / "realworld" / name
            if folder.is_dir():
                return folder
    pytest.skip("no real workspaces to test against")


# --- a uv workspace --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uv_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(find_pack("pydantic-ai"), tmp_path_factory.mktemp("uv") / "clone")


def requirements(entry: dict[str, Any], table: str) -> list[str]:
    return [need["name"] for group in entry.get(table, {}).values() for need in group]


def load_uv(tree: FileTree) -> Workspace:
    """The members in uv.lock, with everything they can install."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for entry in tomllib.loads((tree.read("uv.lock") or b"").decode())["package"]:
        entries.setdefault(entry["name"], []).append(entry)
    paths = {
        name: "" if path == "." else path
        for name, (entry, *_) in entries.items()
        if (path := entry["source"].get("editable") or entry["source"].get("virtual"))
    }
    packages = {}
    for name, path in paths.items():
        (entry,) = entries[name]
        plain = [need["name"] for need in entry.get("dependencies", ())]
        plain += requirements(entry, "dev-dependencies")
        extra = requirements(entry, "optional-dependencies")
        edges = {Dependency(need) for need in plain} | {Dependency(n, "extra") for n in extra}
        packages[name] = Package(
            name,
            path,
            "uv",
            f"{path}/pyproject.toml".lstrip("/"),
            dependencies=tuple(sorted(e for e in edges if e.name in paths and e.name != name)),
            external=tuple(sorted(uv_closure(entries, paths.keys(), [*plain, *extra]))),
        )
    return Workspace(dict(sorted(packages.items())), "pydantic-ai", lock_files=("uv.lock",))


def uv_closure(
    entries: dict[str, list[dict[str, Any]]], members: Iterable[str], names: Sequence[str]
) -> set[str]:
    seen = set(members)
    waiting = [name for name in names if name not in seen]
    found = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for entry in entries[name]:
            found.add(f"{name}@{entry.get('version', '')}")
            waiting += [need["name"] for need in entry.get("dependencies", ())]
            waiting += requirements(entry, "optional-dependencies")
    return found


@pytest.mark.parametrize("pair", PAIRS)
def test_changes_of_a_uv_workspace_affect_what_they_must_and_nothing_else(
    uv_project: Project, pair: str
) -> None:
    answer = next(found for found in uv_project.expected["affected"] if found["id"] == pair)
    uv_project.checkout(f"origin/{pair}-head")
    selection = uv_project.select(load_uv, since=f"origin/{pair}-base")
    expected = set(answer["expected"])
    assert expected <= set(selection.names()) <= expected | set(answer["also_allowed"])
    assert all(package.reasons for package in selection.packages)


# --- turbo workspaces, by their graphs and changed files ----------------------------------------


@pytest.fixture(scope="module", params=["hono-middleware", "supermemory"])
def turbo_project(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Project:
    return Project(find_pack(request.param), tmp_path_factory.mktemp("turbo") / "clone")


def recorded_workspace(answer: dict[str, Any], root_needs: Sequence[str]) -> Workspace:
    """The packages and edges as they are recorded, without closures."""
    paths = answer["packages"]
    needs: dict[str, list[str]] = {name: [] for name in paths}
    needs[ROOT] = list(root_needs)
    for package, dependency in answer["edges"]:
        needs[package].append(dependency)
    packages = {
        name: Package(
            name,
            path,
            "turbo",
            f"{path}/package.json".lstrip("/"),
            dependencies=tuple(Dependency(need) for need in sorted(needs[name])),
        )
        for name, path in {**paths, ROOT: ""}.items()
    }
    return Workspace(
        dict(sorted(packages.items())), ROOT, lock_files=("pnpm-lock.yaml", "bun.lock")
    )


def test_filters_of_a_turbo_workspace_select_what_is_recorded(turbo_project: Project) -> None:
    asked = turbo_project.expected["filters"]
    turbo_project.checkout(f"origin/{asked['at']}-head")
    answer = next(a for a in turbo_project.expected["affected"] if a["id"] == asked["at"])
    workspace = recorded_workspace(answer, turbo_project.expected["root_depends_on"])
    wrong = {}
    for case in asked["expressions"]:
        filters = [text.replace("BASE", f"origin/{asked['at']}-base") for text in case["filter"]]
        try:
            selection = turbo_project.select(lambda _: workspace, *filters, turbo=True)
            found = [name for name in selection.names() if name != ROOT]
        except SelectionError:
            found = None
        if found != case["packages"]:
            wrong[" ".join(case["filter"])] = (found, case["packages"])
    # turbo's bug 9: with `...^X...` it selects X as well, since its dependents need it.
    for text, (found, recorded) in wrong.items():
        assert text.startswith("...^"), (text, found, recorded)
        assert text.endswith("...")
        assert set(recorded) - set(found or ()) == {text.strip(".^")}
    assert len(wrong) == 1


@pytest.mark.parametrize("pair", PAIRS)
def test_changed_files_of_a_turbo_workspace_affect_what_is_recorded(
    turbo_project: Project, pair: str
) -> None:
    answer = next(found for found in turbo_project.expected["affected"] if found["id"] == pair)
    if "LockfileChanged" in answer["reasons"].values():
        pytest.skip("needs the closures in the lock file")
    turbo_project.checkout(f"origin/{pair}-head")
    workspace = recorded_workspace(answer, ())
    selection = turbo_project.select(lambda _: workspace, since=f"origin/{pair}-base", turbo=True)
    assert [name for name in selection.names() if name != ROOT] == answer["expected"]
