"""A real uv workspace: the root is a package, dependencies are dynamic, extras close cycles."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_python.provider import PythonWorkspace

from bao_core.model import FileTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bao_core.model import Package


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
        return {e.name: e.is_dir() for e in found.iterdir()} if found.is_dir() else {}

    def named(self, names: Iterable[str]) -> list[str]:
        wanted = set(names)
        listed = (self._root.parent / "files.txt").read_text(encoding="utf-8").splitlines()
        paths = (line.split(" ", 2)[2] for line in listed)
        return sorted(path for path in paths if path.rpartition("/")[2] in wanted)


class CommitTree(FileTree):
    """The manifests of a commit."""

    def __init__(self, repository: Path, commit: str) -> None:
        self._repository = repository
        self._commit = commit

    def read(self, path: str) -> bytes | None:
        done = subprocess.run(
            ["git", "cat-file", "blob", f"{self._commit}:{path}"],
            cwd=self._repository,
            capture_output=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else None

    def entries(self, directory: str) -> Mapping[str, bool]:
        raise NotImplementedError

    def named(self, names: Iterable[str]) -> list[str]:
        wanted = set(names)
        listing = ("git", "ls-tree", "-r", "-z", "--name-only", self._commit)
        listed = subprocess.run(listing, cwd=self._repository, capture_output=True, check=True)
        paths = listed.stdout.decode().split("\0")
        return sorted(path for path in paths if path.rpartition("/")[2] in wanted)


@pytest.fixture
def pack(realworld: Path) -> Path:
    return realworld / "pydantic-ai"


@pytest.fixture
def expected(pack: Path) -> Any:
    return json.loads((pack / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def packages(pack: Path) -> dict[str, Package]:
    part = PythonWorkspace().load(PackTree(pack / "tree"))
    assert part.lock_broken == ""
    return {package.name: package for package in part.packages}


def test_the_packages_are_found(packages: dict[str, Package], expected: Any) -> None:
    found = [{"name": p.name, "path": p.path or "."} for p in packages.values()]
    assert sorted(found, key=lambda p: p["name"]) == expected["packages"]


def test_the_edges_are_found_and_those_through_extras_told_apart(
    packages: dict[str, Package], expected: Any
) -> None:
    edges = [(p.name, d) for p in packages.values() for d in p.dependencies]
    assert sorted([a, d.name] for a, d in edges if d.kind != "extra") == expected["edges"]
    through_extras = sorted([a, d.name] for a, d in edges if d.kind == "extra")
    assert through_extras == expected["edges_through_extras_only"]


def test_the_closures_are_what_the_lock_file_says(
    packages: dict[str, Package], expected: Any
) -> None:
    sizes = {name: len(package.external) for name, package in packages.items()}
    assert sizes == expected["external_closure_size"]
    for name, closure in expected["external_closure"].items():
        assert list(packages[name].external) == closure


def test_what_changed_in_history_reaches_the_packages_that_it_should(
    pack: Path, expected: Any, tmp_path: Path
) -> None:
    repository = tmp_path / "r"
    subprocess.run(["git", "clone", "-q", pack / "history.bundle", repository], check=True)
    for pair in expected["affected"]:
        base, head = (
            _packages(CommitTree(repository, f"origin/{pair['id']}-{end}"))
            for end in ("base", "head")
        )
        files = [line.partition(" ")[2] for line in pair["changed"]]
        touched = {
            p.name
            for p in head.values()
            if any(not p.path or file.startswith(f"{p.path}/") for file in files)
        }
        locked = {
            name for name, p in head.items() if name in base and p.external != base[name].external
        }
        reached = _with_dependents(head, touched | locked)
        assert reached >= set(pair["expected"]), pair["id"]
        assert reached <= {*pair["expected"], *pair["also_allowed"]}, pair["id"]


def _packages(tree: FileTree) -> dict[str, Package]:
    return {package.name: package for package in PythonWorkspace().load(tree).packages}


def _with_dependents(packages: dict[str, Package], names: set[str]) -> set[str]:
    found = set(names)
    while True:
        more = {
            p.name for p in packages.values() if any(d.name in found for d in p.dependencies)
        } - found
        if not more:
            return found
        found |= more
