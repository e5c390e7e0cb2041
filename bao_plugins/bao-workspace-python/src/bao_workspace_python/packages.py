"""Finding the Python packages of a workspace, whatever tool they are made with."""

from __future__ import annotations

from msgspec import Struct

from bao_core.errors import WorkspaceError
from bao_workspace_python.configured import read_configured
from bao_workspace_python.declared import requirements_of
from bao_workspace_python.discovery import is_aside, undeclared_directories
from bao_workspace_python.manifest import MANIFEST, read_directory
from bao_workspace_python.members import declared_members, is_literal, member_directories
from bao_workspace_python.names import is_name
from bao_workspace_python.paths import ancestors, is_outside, resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bao_core.model import FileTree
    from bao_workspace_python.manifest import Manifest
    from bao_workspace_python.members import Members
    from bao_workspace_python.requirements import Requirement

_DISTINCT_TABLES = "tool.uv.workspace"
"""The members of this table do not become dependencies of the root."""


class Found(Struct, frozen=True):
    """The packages that were found.

    Attributes:
        manifests: By directory, in the order of the directories; that of the root is among them
            if it is more than the settings of some tools.
        requirements: What each of them requires, by directory.
        roots: Manifests of the workspaces that members were found through, by directory; such a
            root need not be a package itself.
        homes: The directory of the workspace that a member belongs to, by its own directory.
        implied: What a root of PDM or Hatch has installed without saying so: its members.
        incomplete: Whether bao's configuration leaves packages out.
        notes: Warnings for the user.
    """

    manifests: dict[str, Manifest]
    requirements: dict[str, tuple[Requirement, ...]]
    roots: dict[str, Manifest]
    homes: dict[str, str]
    implied: dict[str, tuple[str, ...]]
    incomplete: bool
    notes: tuple[str, ...]


def find_packages(tree: FileTree) -> Found:
    """Find the packages.

    The members that the root declares, if it does; else the directories that bao's configuration
    names, if it names any with a manifest; else every directory with a manifest that is listed.
    Then whatever these take from a path inside of the workspace.

    Args:
        tree: The files of the workspace.

    Raises:
        WorkspaceError: A manifest is broken or missing, or two packages have one name.
    """
    return _Search(tree).run()


class _Search:
    def __init__(self, tree: FileTree) -> None:
        self._tree = tree
        self._configured = read_configured(tree)
        self._manifests: dict[str, Manifest] = {}
        self._requirements: dict[str, tuple[Requirement, ...]] = {}
        self._roots: dict[str, Manifest] = {}
        self._homes: dict[str, str] = {}
        self._implied: dict[str, list[str]] = {}
        self._asides: set[str] = set()
        self._followed: set[str] = set()
        self._waiting: list[str] = []
        self._notes: list[str] = []

    def run(self) -> Found:
        """See `find_packages`."""
        root = read_directory(self._tree, "")
        if root is not None:
            if root.name:
                root.checked()
            self._add("", root)
        named = self._take_configured()
        if not named and "" not in self._roots:
            self._discover()
        self._follow_paths()
        self._settle_names()
        if root is not None and len(self._manifests) == 1 and not _is_workspace(root):
            self._manifests.clear()
        return Found(
            dict(sorted(self._manifests.items())),
            self._requirements,
            self._roots,
            self._homes,
            {directory: tuple(found) for directory, found in self._implied.items()},
            self._configured.excludes_some,
            tuple(self._notes),
        )

    # --- where packages come from ------------------------------------------------------------

    def _add(self, directory: str, manifest: Manifest) -> None:
        """Take a manifest as a package, and the members that it declares."""
        if directory in self._manifests or (directory and self._configured.excludes(directory)):
            return
        self._requirements[directory] = tuple(requirements_of(manifest))
        self._manifests[directory] = manifest
        self._waiting.append(directory)
        self._expand(manifest)

    def _expand(self, root: Manifest) -> None:
        """Take the members that a manifest declares."""
        for members in declared_members(root):
            self._roots[root.directory] = root
            for directory, pattern in member_directories(self._tree, root, members).items():
                self._take_member(root, members, directory, pattern)

    def _take_member(self, root: Manifest, members: Members, directory: str, pattern: str) -> None:
        manifest = read_directory(self._tree, directory)
        if manifest is None:
            if members.strict and is_literal(pattern) and not self._configured.excludes(directory):
                raise root.error(
                    f"workspace member '{pattern}' has no {MANIFEST}",
                    pattern,
                    hint=f"add one, or take the member out of [{members.table}]",
                )
            return
        if members.table == _DISTINCT_TABLES:
            if not manifest.content.tool.uv.managed:
                return
        elif manifest.name:
            self._implied.setdefault(root.directory, []).append(directory)
        if members.strict or manifest.name:
            self._homes.setdefault(directory, root.directory)
            self._add(directory, manifest.checked())

    def _take_configured(self) -> bool:
        """Take what bao's configuration names; whether it names anything that is Python's."""
        found = False
        for directory in sorted(set(self._configured.directories(self._tree))):
            manifest = read_directory(self._tree, directory)
            if manifest is not None and self._take_if_package(directory, manifest):
                found = True
        return found

    def _take_if_package(self, directory: str, manifest: Manifest) -> bool:
        """Take a manifest if it makes a package, or else what it declares."""
        if manifest.name:
            self._add(directory, manifest.checked())
        else:
            self._expand(manifest)
        return bool(manifest.name) or directory in self._roots

    def _discover(self) -> None:
        for directory in undeclared_directories(self._tree):
            # Whoever declares members has no others.
            if directory in self._manifests or any(a in self._roots for a in ancestors(directory)):
                continue
            if self._configured.excludes(directory):
                continue
            if is_aside(directory):
                self._take_aside(directory)
            else:
                self._take_undeclared(directory)

    def _take_undeclared(self, directory: str) -> None:
        manifest = read_directory(self._tree, directory)
        if manifest is None:
            return
        if manifest.name and not is_name(manifest.name):
            # Most likely a template that is to be filled in.
            self._leave_out(manifest.path, f"'{manifest.name}' is no name of a package")
        else:
            self._take_if_package(directory, manifest)

    def _take_aside(self, directory: str) -> None:
        """Take an example, if there is nothing wrong with it."""
        before = set(self._manifests)
        try:
            self._take_undeclared(directory)
        except WorkspaceError as error:
            self._leave_out(f"{directory}/{MANIFEST}", str(error))
            for other in self._manifests.keys() - before:
                del self._manifests[other]
        self._asides |= self._manifests.keys() - before

    def _leave_out(self, path: str, reason: str) -> None:
        self._notes.append(f"{path} is left out: {reason}")

    # --- paths -------------------------------------------------------------------------------

    def _follow_paths(self) -> None:
        """Take what packages are taken from, wherever in the workspace it lies."""
        while self._waiting:
            directory = self._waiting.pop()
            if (manifest := self._manifests.get(directory)) is None:
                continue
            for path in dict.fromkeys(self._paths(manifest)):
                if is_outside(path):
                    self._notes.append(
                        f"{manifest.path}: '{path}' lies outside of the workspace, "
                        "so that no change there is seen"
                    )
                else:
                    self._asides.discard(path)
                    self._take_path(path)

    def _paths(self, manifest: Manifest) -> Iterator[str]:
        for entries in manifest.sources.values():
            for source in entries:
                if source.path is not None:
                    path = resolved(manifest.directory, source.path)
                    if path is not None:
                        yield path
        for requirement in self._requirements[manifest.directory]:
            if requirement.path is not None:
                yield requirement.path

    def _take_path(self, directory: str) -> None:
        if directory in self._manifests or directory in self._followed:
            return
        self._followed.add(directory)
        manifest = read_directory(self._tree, directory)
        if manifest is None or not manifest.name:
            if self._tree.entries(directory):
                self._notes.append(
                    f"{directory} is a dependency and no package, since it has no {MANIFEST} with "
                    "a name: changes there count for the package around it only"
                )
            return
        sources = manifest.content.tool.uv.sources.values()
        if any(s.workspace for e in sources for s in (e if isinstance(e, list) else [e])):
            self._take_workspace_around(directory)
        self._add(directory, manifest.checked())

    def _take_workspace_around(self, directory: str) -> None:
        """Take the workspace that a package is a member of, if that is one below the root."""
        for above in ancestors(directory):
            if above in self._roots:
                return
            root = read_directory(self._tree, above) if above else None
            if root is not None and any(
                directory in member_directories(self._tree, root, members)
                for members in declared_members(root)
            ):
                self._take_if_package(above, root)
                return

    # --- names -------------------------------------------------------------------------------

    def _settle_names(self) -> None:
        """Leave out examples whose names are taken.

        Raises:
            WorkspaceError: Two packages have one name.
        """
        by_name: dict[str, list[Manifest]] = {}
        for directory in sorted(self._manifests):
            manifest = self._manifests[directory]
            if manifest.name:
                by_name.setdefault(manifest.key, []).append(manifest)
        for manifests in by_name.values():
            kept = [m for m in manifests if m.directory not in self._asides]
            if len(kept) > 1:
                raise self._name_used_twice(kept[0], kept[1])
            if len(manifests) > 1:
                for manifest in manifests:
                    if manifest.directory in self._asides:
                        other = next(m for m in manifests if m is not manifest)
                        self._leave_out(
                            manifest.path, f"{other.path} is called '{manifest.name}' as well"
                        )
                        del self._manifests[manifest.directory]

    def _name_used_twice(self, first: Manifest, second: Manifest) -> WorkspaceError:
        unwanted = second.directory or first.directory
        return WorkspaceError(
            f"two packages are called '{second.name}': {first.path} and {second.path}",
            where=second.path,
            line=second.line_of(second.name),
            hint=f'rename one of them, or leave one out: exclude = ["{unwanted}"] under '
            f"{self._configured.place}",
        )


def _is_workspace(root: Manifest) -> bool:
    """Whether a manifest at the top is more than the settings of some tools."""
    content = root.content
    tool = content.tool
    return (
        bool(root.name)
        or tool.uv.workspace is not None
        or tool.bao is not None
        or tool.poetry is not None
        or tool.pdm is not None
        or tool.hatch is not None
        or bool(content.dependency_groups)
    )
