"""The workspace provider `python`."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from bao_core.interfaces.workspace import WorkspaceProvider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.interfaces.component import Context
    from bao_core.model import FileTree, WorkspacePart

_DECLARES_MEMBERS = (
    r"^\s*\[\s*tool\s*\.\s*(uv\s*\.\s*workspace|pdm\s*\.\s*workspace|bao)\b"
    r"|^\s*\[\s*tool\s*\.\s*hatch\s*\.\s*envs\s*\.[^\]\n]*\.\s*workspace\s*\]"
    r"|^\s*workspace\s*\.\s*members\s*="
)


class PythonWorkspace(WorkspaceProvider):
    """Packages with a `pyproject.toml`, whatever tool they are made with.

    A lock file marks no root: each project of a repository may have one. Where nothing marks a
    root, the packages of a whole repository belong together.

    Args:
        state_dir: Where to remember lock files; None to read them each time.
    """

    name: ClassVar[str] = "python"
    manifests: ClassVar[frozenset[str]] = frozenset({"pyproject.toml"})
    root_markers: ClassVar[Mapping[str, str]] = {
        "pyproject.toml": _DECLARES_MEMBERS,
        "**/pyproject.toml": r"^\s*\[\s*(project|tool\s*\.\s*poetry)\s*\]",
    }

    def __init__(self, state_dir: str | None = None) -> None:
        self._state_dir = state_dir

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """See `Component.open`."""
        del settings
        return cls(context.state_dir)

    def load(self, tree: FileTree) -> WorkspacePart:
        """See `WorkspaceProvider.load`."""
        if not tree.named(self.manifests):
            from bao_core.model import WorkspacePart

            return WorkspacePart()  # spared is the import of all that reads manifests
        from bao_workspace_python.loading import load_part
        from bao_workspace_python.locks import lock_memory

        return load_part(tree, lock_memory(self._state_dir))
