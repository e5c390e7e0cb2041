"""What this distribution offers to bao."""

from __future__ import annotations

from bao_core.hookspecs import hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.interfaces.keys import KeyContributor
    from bao_core.interfaces.workspace import WorkspaceProvider


@hookimpl
def bao_workspace_providers() -> list[type[WorkspaceProvider]]:
    """Packages with a `package.json`."""
    from bao_workspace_node.provider import NodeWorkspace

    return [NodeWorkspace]


@hookimpl
def bao_key_contributors() -> list[type[KeyContributor]]:
    """Node, the package manager, and what is installed otherwise than the lock file says."""
    from bao_workspace_node.contributor import NodeRuntime

    return [NodeRuntime]
