"""The workspace provider `python`."""

from __future__ import annotations

from typing import ClassVar

from bao_core.interfaces.workspace import WorkspaceProvider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.model import FileTree, WorkspacePart


class PythonWorkspace(WorkspaceProvider):
    """Packages with a `pyproject.toml`: those of a uv workspace, or a single one."""

    name: ClassVar[str] = "python"
    manifests: ClassVar[frozenset[str]] = frozenset({"pyproject.toml"})
    root_markers: ClassVar[Mapping[str, str]] = {
        "pyproject.toml": r"^\s*\[\s*tool\s*\.\s*(uv\s*\.\s*workspace|bao)\b",
        "uv.lock": "",
    }

    def load(self, tree: FileTree) -> WorkspacePart:
        """See `WorkspaceProvider.load`."""
        from bao_workspace_python.loading import load_part

        return load_part(tree)
