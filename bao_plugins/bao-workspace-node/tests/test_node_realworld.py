"""Real JavaScript workspaces: one of pnpm, one of Bun with exclusions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_node.provider import NodeWorkspace

from bao_core.model import ROOT, FileTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class PackTree(FileTree):
    """The stored tree, in which a leading dot is written `dot-`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _at(self, path: str) -> Path:
        parts = [f"dot-{p[1:]}" if p.startswith(".") else p for p in path.split("/") if p]
        return self._root.joinpath(*parts)

    def read(self, path: str) -> bytes | None:
        found = self._at(path)
        return found.read_bytes() if found.is_file() else None

    def entries(self, directory: str) -> Mapping[str, bool]:
        found = self._at(directory)
        if not found.is_dir():
            return {}
        return {e.name.replace("dot-", ".", 1): e.is_dir() for e in found.iterdir()}

    def named(self, names: Iterable[str]) -> list[str]:
        raise NotImplementedError


@pytest.fixture(params=["hono-middleware", "supermemory"])
def pack(request: pytest.FixtureRequest, realworld: Path) -> Path:
    return realworld / request.param


def test_packages_and_edges_are_what_they_should_be(pack: Path) -> None:
    expected: Any = json.loads((pack / "expected.json").read_text(encoding="utf-8"))
    part = NodeWorkspace().load(PackTree(pack / "tree"))
    members = [p for p in part.packages if p.path]
    found = [{"name": p.name, "path": p.path} for p in members]
    assert sorted(found, key=lambda p: p["name"]) == expected["packages"]
    assert sorted([p.name, d.name] for p in members for d in p.dependencies) == expected["edges"]
    (root,) = (p for p in part.packages if not p.path)
    assert root.name == ROOT
    assert [d.name for d in root.dependencies] == expected["root_depends_on"]
    assert part.notes == ()
