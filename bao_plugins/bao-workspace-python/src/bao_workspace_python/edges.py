"""Which packages depend on which."""

from __future__ import annotations

from bao_core.model import ROOT, Dependency
from bao_core.near_misses import near_misses
from bao_workspace_python.paths import resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bao_workspace_python.manifest import Manifest
    from bao_workspace_python.packages import Found
    from bao_workspace_python.projects import Projects
    from bao_workspace_python.requirements import Requirement
    from bao_workspace_python.tables import Source

KINDS = ("runtime", "build", "group", "extra")
"""Kinds of edges; where several lead to one package, the first of these counts."""


class Edges:
    """What the manifests say and what the lock files say.

    Both count, since the manifest of a package with dynamic dependencies names none, and since a
    lock file may be older than the manifests. A requirement that says nothing of where it is taken
    from leads to the package of that name, whatever versions it asks for: what a team has in its
    repository is what it means, and one edge too many costs less than one that is missing.

    Args:
        found: The packages.
        projects: Their lock files.
    """

    def __init__(self, found: Found, projects: Projects) -> None:
        self._found = found
        self._projects = projects
        self._sources = {
            directory: manifest.sources
            for directory, manifest in (*found.manifests.items(), *found.roots.items())
        }
        self._by_key = {
            manifest.key: directory
            for directory, manifest in found.manifests.items()
            if manifest.name
        }

    def of(self, manifest: Manifest) -> tuple[Dependency, ...]:
        """The packages that a package depends on, sorted by name, each with one kind.

        Raises:
            WorkspaceError: A requirement is to come from a member that there is not.
        """
        kinds: dict[str, str] = {}
        for kind, directory in self._all(manifest):
            known = kinds.get(directory)
            if known is None or KINDS.index(kind) < KINDS.index(known):
                kinds[directory] = kind
        # A package whose extra asks for another of its own extras does not depend on itself.
        kinds.pop(manifest.directory, None)
        manifests = self._found.manifests
        return tuple(
            sorted(
                Dependency(manifests[directory].name or ROOT, kind)
                for directory, kind in kinds.items()
            )
        )

    def elsewhere(self, manifest: Manifest) -> tuple[list[Requirement], list[Requirement]]:
        """The requirements that no package of the same project answers.

        Returns:
            Those that no package of the workspace answers, and those that a package of another
            project does: what that needs is installed in the versions that are locked here.
        """
        home = self._projects.home(manifest.directory)
        external: list[Requirement] = []
        foreign: list[Requirement] = []
        for requirement in self._found.requirements[manifest.directory]:
            homes = {self._projects.home(d) for d in self._targets(manifest, requirement)}
            if not homes:
                external.append(requirement)
            elif home not in homes:
                foreign.append(requirement)
        return external, foreign

    def _all(self, manifest: Manifest) -> Iterator[tuple[str, str]]:
        directory = manifest.directory
        for requirement in self._found.requirements[directory]:
            for target in self._targets(manifest, requirement):
                yield requirement.kind, target
        for member in self._found.implied.get(directory, ()):
            if member in self._found.manifests:
                yield "group", member
        for kind, target in self._projects.locked_edges(directory):
            if target in self._found.manifests:
                yield kind, target

    def _targets(self, manifest: Manifest, requirement: Requirement) -> Iterator[str]:
        if requirement.path is not None or requirement.elsewhere:
            if requirement.path in self._found.manifests:
                yield requirement.path
            return
        owner, sources = self._sources_of(manifest, requirement.name)
        if not sources and requirement.name in self._by_key:
            yield self._by_key[requirement.name]
        for source in sources:
            if source.workspace:
                yield from self._member(owner, requirement)
            elif source.path is not None:
                directory = resolved(owner.directory, source.path)
                if directory is None:
                    # An absolute path: nobody can tell where the workspace lies.
                    directory = self._by_key.get(requirement.name)
                if directory is not None and directory in self._found.manifests:
                    yield directory

    def _sources_of(self, manifest: Manifest, name: str) -> tuple[Manifest, tuple[Source, ...]]:
        """The sources of a requirement, and the manifest they stand in.

        Those of a workspace's root hold for all of its members.
        """
        if own := self._sources[manifest.directory].get(name):
            return manifest, own
        root = self._found.roots.get(self._found.homes.get(manifest.directory, ""))
        if root is None:
            return manifest, ()
        return root, self._sources[root.directory].get(name, ())

    def _member(self, owner: Manifest, requirement: Requirement) -> Iterator[str]:
        if (directory := self._by_key.get(requirement.name)) is not None:
            yield directory
        elif not self._found.incomplete:
            near = near_misses(requirement.name, self._by_key)
            raise owner.error(
                f"'{requirement.name}' has the source workspace = true and is no member of the "
                "workspace",
                line=owner.source_line(requirement.name),
                hint=f"did you mean {', '.join(near)}?"
                if near
                else f"the members are {', '.join(sorted(self._by_key))}",
            )
