"""What inputs depend on beside the files of the packages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bao_core.graph import PackageGraph
from bao_core.inputs import InputResolver
from bao_core.model import Package, TaskGraph, Workspace
from bao_core.state import WorkspaceState

if TYPE_CHECKING:
    from pathlib import Path


def test_a_manifest_outside_of_its_package_counts_beside_the_files_of_the_package(
    tmp_path: Path,
) -> None:
    packages = {
        "//": Package("//", "", "bao", "bao.toml"),
        "inside": Package("inside", "p/inside", "bao", "p/inside/bao.toml"),
        "beside": Package("beside", "p/beside", "bao", "manifests/beside.toml"),
    }
    for package in packages.values():
        (tmp_path / package.path).mkdir(parents=True, exist_ok=True)
    workspace = Workspace(packages, "//")
    files: Any = SimpleNamespace(
        root=str(tmp_path),
        taken=0,
        is_tracked=lambda _: True,
        identity_of=lambda path: f"content of {path}",
    )
    state = WorkspaceState(str(tmp_path / "state"))
    resolver = InputResolver(files, workspace, PackageGraph(workspace), TaskGraph({}), {}, state)
    assert list(resolver.unlisted()) == ["manifests/beside.toml\0content of manifests/beside.toml"]
