"""Python beside other kinds of packages, and finding the root of every kind from below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest
from bao_workspace_python.provider import PythonWorkspace

from bao_core.builtins.bao_workspace import BaoWorkspace
from bao_core.config import load_root_config
from bao_core.interfaces.workspace import WorkspaceProvider
from bao_core.model import Package, WorkspacePart
from bao_core.root import find_root
from bao_core.workspace import load_workspace
from bao_core.worktree import WorktreeTree, walked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bao_core.model import FileTree, Workspace


def project(name: str, *dependencies: str, more: str = "") -> str:
    listed = ", ".join(f'"{d}"' for d in dependencies)
    return f'[project]\nname = "{name}"\nversion = "1"\ndependencies = [{listed}]\n{more}'


class Javascript(WorkspaceProvider):
    """Stands for another provider: a package for every `package.json`, named by its content."""

    name: ClassVar[str] = "javascript"
    manifests: ClassVar[frozenset[str]] = frozenset({"package.json"})
    root_markers: ClassVar[Mapping[str, str]] = {"package.json": "workspaces"}

    def load(self, tree: FileTree) -> WorkspacePart:
        found = []
        for path in tree.named(["package.json"]):
            name = (tree.read(path) or b"").decode().split()[0]
            found.append(Package(name, path.rpartition("/")[0], self.name, path))
        return WorkspacePart(packages=tuple(found))


class _Listed:
    """The files of a directory, as they lie there."""

    has_git = False
    algorithm = "sha1"

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self._paths = walked(self.root).paths

    def named(self, names: Iterable[str]) -> list[str]:
        wanted = set(names)
        return [path for path in self._paths if path.rpartition("/")[2] in wanted]

    def content_of(self, path: str) -> str:
        raise NotImplementedError


def write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def loaded(root: Path, files: Mapping[str, str]) -> Workspace:
    write(root, files)
    tree = WorktreeTree(str(root), _Listed(root))
    providers = [BaoWorkspace(), Javascript(), PythonWorkspace()]
    return load_workspace(tree, providers, load_root_config(tree))


def test_two_manifests_of_one_name_in_one_directory_are_one_package(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        {
            "services/api/pyproject.toml": project("api", "core"),
            "services/api/package.json": "api",
            "libs/core/pyproject.toml": project("core"),
        },
    )
    assert found.packages["api"].provider == "javascript python"
    assert [d.name for d in found.packages["api"].dependencies] == ["core"]


def test_two_manifests_of_different_names_in_one_directory_are_two_packages(
    tmp_path: Path,
) -> None:
    files = {
        "services/api/pyproject.toml": project("acme-api"),
        "services/api/package.json": "@acme/api",
    }
    found = loaded(tmp_path, files)
    assert {"acme-api", "@acme/api"} <= set(found.packages)


def test_edges_to_the_root_lead_there_whatever_another_manifest_calls_it(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        {
            "package.json": "acme-tools",
            "pyproject.toml": project("acme", more="[tool.uv.workspace]\nmembers = ['libs/*']\n"),
            "libs/core/pyproject.toml": project("core", "acme"),
        },
    )
    assert found.root_package == "acme-tools"
    assert [d.name for d in found.packages["core"].dependencies] == ["acme-tools"]


def test_a_directory_that_the_configuration_names_needs_no_bao_toml(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        {
            "bao.toml": "[workspace]\npackages = ['libs/core', 'libs/infra']\n",
            "libs/core/pyproject.toml": project("core"),
            "libs/infra/bao.toml": "name = 'infra'\n",
            "libs/other/pyproject.toml": project("other"),
        },
    )
    assert set(found.packages) - {"//"} == {"core", "infra"}


# --- the root ----------------------------------------------------------------------------------

MARKERS = {
    "bao.toml": ("",),
    "package.json": (r'"workspaces"\s*:',),
    **{name: (pattern,) for name, pattern in PythonWorkspace.root_markers.items()},
}
MANIFESTS = frozenset({"bao.toml", "package.json"}) | PythonWorkspace.manifests

POETRY = '[tool.poetry]\nname = "x"\nversion = "1"\n'

ROOTS = {
    "a uv workspace": ({"pyproject.toml": "[tool.uv.workspace]\nmembers = ['p/*']\n"}, ""),
    "a uv workspace below": (
        {"pyproject.toml": "[tool.ruff]\n", "p/pyproject.toml": "[ tool . uv . workspace ]\n"},
        "p",
    ),
    "a pdm workspace": ({"p/pyproject.toml": "[tool.pdm.workspace]\nmembers = ['a']\n"}, "p"),
    "a hatch workspace": (
        {"p/pyproject.toml": "[tool.hatch.envs.default]\nworkspace.members = ['a']\n"},
        "p",
    ),
    "a hatch workspace in a table": (
        {"p/pyproject.toml": "[tool.hatch.envs.default.workspace]\nmembers = ['a']\n"},
        "p",
    ),
    "tables of bao": ({"p/pyproject.toml": "[tool.bao.tasks.x]\ncommand = 'x'\n"}, "p"),
    "a poetry root": ({"pyproject.toml": POETRY, "poetry.lock": "", "p/a/poetry.lock": ""}, ""),
    "a poetry root of another kind": ({"pyproject.toml": "[tool.poetry]\n"}, ""),
    "nothing at the root": ({}, ""),
    "lock files of their own": (
        {"p/a/poetry.lock": "", "p/a/pdm.lock": "", "p/a/uv.lock": "", "p/a/pylock.toml": ""},
        "",
    ),
    "a bao.toml": ({"bao.toml": "", "p/pyproject.toml": "[tool.uv.workspace]\n"}, ""),
    "a bao.toml below": ({"p/bao.toml": "[workspace]\n", "pyproject.toml": POETRY}, "p"),
    "a javascript workspace": ({"package.json": '{"workspaces": ["web"]}'}, ""),
}


@pytest.mark.parametrize(("files", "expected"), ROOTS.values(), ids=list(ROOTS))
def test_the_root_is_found_from_within_a_package(
    tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    repository = tmp_path / "repository"
    (repository / ".git/objects").mkdir(parents=True)
    (repository / ".git/HEAD").write_text("ref: refs/heads/main\n")
    package = {"p/a/pyproject.toml": POETRY, "p/a/src/x.py": ""}
    write(repository, {**package, "p/b/pyproject.toml": project("b"), **files})
    for below in ("p/a/src", "p/a"):
        assert find_root(str(repository / below), MARKERS, MANIFESTS) == str(
            repository / expected
        ).rstrip("/")
