"""Workspace providers find the packages of a workspace and what they depend on."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from bao_core.interfaces.component import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.model import FileTree, ForeignConfig, Workspace, WorkspacePart


class WorkspaceProvider(Component):
    """Reads one kind of workspace.

    A provider is pure: what it returns depends on the tree alone, so that the packages of a base
    revision are known without a checkout, and so that core may remember the answer for as long as
    nothing that was read has changed.

    Attributes:
        manifests: Names of the files that make a package, such as `package.json`.
        root_markers: Names of files that mark a workspace root, each with a regular expression
            that the file's content must match, or an empty string where the name is enough. With
            `**/` before the name, the file says that this provider finds packages wherever they
            lie: where nothing marks a root, that is the top of the repository.
        foreign_files: Names of files at the root that configure another tool, such as
            `turbo.json`, and that the provider can read. Where the workspace has no configuration
            of bao's own and one of them is there, that tool's rules hold: this provider alone is
            asked for packages, and `foreign_config` for their tasks.
    """

    manifests: ClassVar[frozenset[str]]
    root_markers: ClassVar[Mapping[str, str]] = {}
    foreign_files: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def load(self, tree: FileTree) -> WorkspacePart:
        """Find the packages of this kind.

        Called at most once for each tree and run, on the main thread. The parts of all providers
        are put together sorted by provider name; two packages of one name in different
        directories are an error, two of one name in one directory become one package.

        Args:
            tree: The files to read, and nothing else.

        Returns:
            Packages with their dependencies; an empty part where the tree holds no such workspace.

        Raises:
            WorkspaceError: A manifest is broken; names the file and the line. `run` and `ls` stop,
                as they do for any other exception, which is a bug of the provider.
        """

    def foreign_config(self, tree: FileTree, workspace: Workspace) -> ForeignConfig | None:
        """Read the configuration of the other tool; None by default.

        Called after `load`, at most once for each tree, on the main thread, and only where one of
        `foreign_files` is there and bao itself is not configured.

        Args:
            tree: The files to read, and nothing else.
            workspace: The packages, the root package among them.

        Raises:
            ConfigError: The file holds a mistake; names the file and the line.
        """
        del tree, workspace
        return None
