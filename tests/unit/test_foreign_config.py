"""What another tool's configuration says, as core takes it over from a workspace provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from bao_core.config import load_root_config
from bao_core.errors import PluginError
from bao_core.interfaces.workspace import WorkspaceProvider
from bao_core.model import (
    FileTree,
    ForeignConfig,
    Package,
    TaskDefinition,
    Workspace,
    WorkspacePart,
)
from bao_core.workspace import WorkspaceSource, load_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bao_core.workspace import ResolvedWorkspace


class MemoryTree(FileTree):
    """Files in memory."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        text = self._files.get(path)
        return None if text is None else text.encode()

    def entries(self, directory: str) -> Mapping[str, bool]:
        start = f"{directory}/" if directory else ""
        below = [path[len(start) :] for path in self._files if path.startswith(start)]
        return {rest.partition("/")[0]: "/" in rest for rest in below}

    def named(self, names: Iterable[str]) -> list[str]:
        return sorted(path for path in self._files if path.rpartition("/")[2] in set(names))


class Plain(WorkspaceProvider):
    name = "plain"
    manifests: ClassVar[frozenset[str]] = frozenset({"plain.cfg"})

    def load(self, tree: FileTree) -> WorkspacePart:
        del tree
        return WorkspacePart((Package("p", "p", "plain", "p/plain.cfg", scripts={"x": "x"}),))


class Other(WorkspaceProvider):
    name = "other"
    manifests: ClassVar[frozenset[str]] = frozenset({"other.cfg"})
    foreign_files: ClassVar[tuple[str, ...]] = ("other.json",)

    def load(self, tree: FileTree) -> WorkspacePart:
        del tree
        return WorkspacePart((Package("o", "o", "other", "o/other.cfg", scripts={"x": "x"}),))

    def foreign_config(self, tree: FileTree, workspace: Workspace) -> ForeignConfig | None:
        if tree.read("other.json") == b"broken":
            raise RuntimeError("cannot")
        build = TaskDefinition("build", "make", source="other.json:1")
        return ForeignConfig(
            "other.json",
            {name: {"build": build} for name in workspace.packages},
            global_inputs=("other.json",),
            global_env=("SHARED",),
            env_mode="loose",
            tags={"o": ("fast",)},
            notes=("'speed' in other.json means nothing to bao",),
        )


def resolve(tmp_path: Path, files: Mapping[str, str]) -> ResolvedWorkspace:
    providers: Sequence[WorkspaceProvider] = (Other(), Plain())
    return WorkspaceSource(str(tmp_path), "identity").load(MemoryTree(files), lambda _: providers)


def test_without_a_file_of_another_tool_all_providers_are_asked(tmp_path: Path) -> None:
    resolved = resolve(tmp_path, {})
    assert sorted(resolved.workspace.packages) == ["//", "o", "p"]
    assert resolved.config.foreign == ""
    assert sorted(resolved.definitions["o"]) == ["x"]


def test_where_another_tool_is_configured_its_rules_alone_hold(tmp_path: Path) -> None:
    resolved = resolve(tmp_path, {"other.json": "{}"})
    assert sorted(resolved.workspace.packages) == ["//", "o"]
    assert resolved.definitions["o"]["build"].command == "make"
    assert "x" not in resolved.definitions["o"]
    assert resolved.workspace.packages["o"].tags == ("fast",)
    assert resolved.workspace.notes == ("'speed' in other.json means nothing to bao",)
    config = resolved.config
    assert (config.foreign, config.global_inputs) == ("other.json", ("other.json",))
    assert (config.global_env, config.env_mode) == (("SHARED",), "loose")


def test_configuration_of_bao_goes_before_that_of_another_tool(tmp_path: Path) -> None:
    resolved = resolve(tmp_path, {"other.json": "{}", "bao.toml": "[tasks.x]\n"})
    assert sorted(resolved.workspace.packages) == ["//", "o", "p"]
    assert resolved.config.foreign == ""


def test_a_base_revision_follows_the_same_rule() -> None:
    tree = MemoryTree({"other.json": "{}"})
    workspace = load_workspace(tree, (Other(), Plain()), load_root_config(tree))
    assert sorted(workspace.packages) == ["//", "o"]


def test_a_provider_that_fails_to_read_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="workspace provider 'other' failed: RuntimeError"):
        resolve(tmp_path, {"other.json": "broken"})
