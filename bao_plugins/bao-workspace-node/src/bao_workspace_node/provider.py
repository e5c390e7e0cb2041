"""The workspace provider `node`."""

from __future__ import annotations

from typing import ClassVar

from bao_core.interfaces.workspace import WorkspaceProvider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.model import FileTree, WorkspacePart


class NodeWorkspace(WorkspaceProvider):
    """Packages with a `package.json`: those of a workspace, or a single one."""

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

    def load(self, tree: FileTree) -> WorkspacePart:
        """See `WorkspaceProvider.load`."""
        from bao_workspace_node.loading import load_part

        return load_part(tree)
