"""The workspace provider `node`."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from bao_core.interfaces.workspace import WorkspaceProvider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.interfaces.component import Context
    from bao_core.model import FileTree, ForeignConfig, Workspace, WorkspacePart


class NodeWorkspace(WorkspaceProvider):
    """Packages with a `package.json`: those of a workspace, or a single one.

    Args:
        state_dir: Where to remember lock files; None to read them each time.
    """

    name: ClassVar[str] = "node"
    manifests: ClassVar[frozenset[str]] = frozenset({"package.json"})
    root_markers: ClassVar[Mapping[str, str]] = {
        "package.json": r'"workspaces"\s*:',
        "pnpm-workspace.yaml": "",
        "package-lock.json": "",
        "npm-shrinkwrap.json": "",
        "pnpm-lock.yaml": "",
        "yarn.lock": "",
        "bun.lock": "",
        "bun.lockb": "",
    }
    foreign_files: ClassVar[tuple[str, ...]] = ("turbo.json", "turbo.jsonc")

    def __init__(self, state_dir: str | None = None) -> None:
        self._state_dir = state_dir

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """See `Component.open`."""
        del settings
        return cls(context.state_dir)

    def load(self, tree: FileTree) -> WorkspacePart:
        """See `WorkspaceProvider.load`."""
        from bao_workspace_node.loading import load_part
        from bao_workspace_node.locks import lock_memory

        return load_part(tree, lock_memory(self._state_dir))

    def foreign_config(self, tree: FileTree, workspace: Workspace) -> ForeignConfig | None:
        """What `turbo.json` says; see `WorkspaceProvider.foreign_config`."""
        from bao_workspace_node.turbo import load_turbo

        return load_turbo(tree, workspace)
