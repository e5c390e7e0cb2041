"""What the tests of the Node provider share."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Protocol

import pytest
from bao_workspace_node.provider import NodeWorkspace

from bao_core.testing.fakes import MemoryTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.model import Package, WorkspacePart


class Loaded:
    """A part of a workspace, with what tests ask of it."""

    def __init__(self, part: WorkspacePart) -> None:
        self.part = part
        self.packages: dict[str, Package] = {p.name: p for p in part.packages}

    @property
    def paths(self) -> dict[str, str]:
        return {p.name: p.path for p in self.part.packages}

    def edges(self, name: str) -> dict[str, str]:
        return {d.name: d.kind for d in self.packages[name].dependencies}

    def external(self, name: str) -> list[str]:
        return list(self.packages[name].external)

    def digest(self, name: str) -> str:
        return self.packages[name].external_digest


class Load(Protocol):
    def __call__(
        self, files: Mapping[str, str | bytes], state_dir: str | None = None
    ) -> Loaded: ...


@pytest.fixture
def load() -> Load:
    """Load a workspace from files given as text, by path."""

    def load(files: Mapping[str, str | bytes], state_dir: str | None = None) -> Loaded:
        tree = MemoryTree(
            {
                path: text if isinstance(text, bytes) else dedent(text)
                for path, text in files.items()
            }
        )
        return Loaded(NodeWorkspace(state_dir).load(tree))

    return load


@pytest.fixture
def realworld() -> Path:
    """Manifests and lock files of real workspaces, which lie beside the repository."""
    for directory in Path(__file__).resolve().parents:
        if (directory / "bao_core").is_dir():
            folder = directory.parent / "shared" / "realworld"
            if folder.is_dir():
                return folder
            pytest.skip(f"no real workspaces to test against in {folder}")
    pytest.skip("not in a checkout, so no real workspaces to test against")
