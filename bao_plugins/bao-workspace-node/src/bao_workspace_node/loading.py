"""Putting the JavaScript part of a workspace together."""

from __future__ import annotations

import os
import sys

from bao_core.model import ROOT, Dependency, Package, WorkspacePart
from bao_workspace_node.closures import Closures
from bao_workspace_node.dependencies import Specifications
from bao_workspace_node.manifest import MANIFEST, read_manifest
from bao_workspace_node.members import find_manifests
from bao_workspace_node.settings import LOCK_FILES, read_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.closures import ClosureMemory
    from bao_core.model import FileTree, TaskFact
    from bao_workspace_node.manifest import Manifest
    from bao_workspace_node.settings import PackageManager


TASK_VARIABLES: dict[str, TaskFact] = {
    "npm_lifecycle_event": "task",
    "npm_lifecycle_script": "command",
    "npm_package_json": "manifest",
    "INIT_CWD": "directory",
}
"""What package managers tell a script of itself."""


def load_part(tree: FileTree, memory: ClosureMemory) -> WorkspacePart:
    """Find the JavaScript packages; see `WorkspaceProvider.load`.

    Args:
        tree: The files.
        memory: Of lock files: what it holds follows from their content alone.
    """
    data = tree.read(MANIFEST)
    if data is None:
        return WorkspacePart()
    root = read_manifest(MANIFEST, data)
    settings = read_settings(tree, root)
    members = find_manifests(tree, root, settings)
    specifications = Specifications(members, links=settings.links, catalogs=settings.catalogs)
    closures = Closures(tree, root, members, settings, memory)
    notes: list[str] = []
    packages: list[Package] = []
    user_agent = _user_agent(settings.manager)
    # The root is a package of its own name only where a glob reaches it.
    named_root = any(not manifest.directory for manifest in members)
    for manifest in (*([] if named_root else [root]), *members):
        edges = _Edges(manifest, specifications)
        notes.extend(edges.notes())
        packages.append(_package(manifest, edges, closures, user_agent, named=manifest is not root))
    closures.save()
    return WorkspacePart(
        packages=tuple(packages),
        lock_files=(*LOCK_FILES.get(settings.manager.name, ()), *closures.patches),
        notes=(*notes, *closures.notes),
        lock_broken=closures.broken,
        lock_form=closures.form,
    )


def _user_agent(manager: PackageManager) -> str:
    """How package managers call themselves, in the form that scripts take apart."""
    others = "" if manager.name == "npm" else "npm/? "
    machine = f"{sys.platform} {os.uname().machine}"
    return f"{manager.name}/{manager.version or '?'} {others}node/? {machine}"


def _package(
    manifest: Manifest, edges: _Edges, closures: Closures, user_agent: str, *, named: bool
) -> Package:
    content = manifest.content
    name = content.name or ""
    closure = closures.of(manifest, edges.internal)
    variables = {
        "npm_package_name": name,
        "npm_package_version": content.version or "",
        "npm_config_user_agent": user_agent,
    }
    return Package(
        name=name if named else ROOT,
        path=manifest.directory,
        provider="node",
        manifest=manifest.path,
        dependencies=tuple(
            sorted(Dependency(target, kind) for target, kind in edges.targets.items())
        ),
        external=closure.labels,
        external_digest=closure.digest,
        external_places=closure.places,
        scripts=dict(manifest.scripts()),
        script_source=f"{MANIFEST} scripts",
        bin_directories=_bin_directories(manifest.directory),
        environment={variable: value for variable, value in variables.items() if value},
        task_variables=TASK_VARIABLES,
        config=content.bao or {},
        config_path=manifest.path,
        config_key="bao",
        version=content.version or "",
    )


def _bin_directories(directory: str) -> tuple[str, ...]:
    """Where npm looks for programs: the package's own folder and those of all above it."""
    parts = directory.split("/") if directory else []
    return tuple("/".join([*parts[:end], "node_modules/.bin"]) for end in range(len(parts), -1, -1))


class _Edges:
    """What a package depends on.

    Attributes:
        targets: Packages of the workspace, each with the kind of its edge.
        internal: The names that its manifest calls them.
    """

    def __init__(self, manifest: Manifest, specifications: Specifications) -> None:
        self._manifest = manifest
        self._known = specifications.names
        self._missing: list[str] = []
        self.targets: dict[str, str] = {}
        self.internal: set[str] = set()
        for kind, name, specification in manifest.edges():
            target = specifications.target(manifest.directory, name, specification)
            if target is not None:
                self.targets.setdefault(target, kind)
                self.internal.add(name)
            elif specification.startswith("workspace:"):
                self._missing.append(name)

    def notes(self) -> list[str]:
        """What should be in the workspace and is not, as in a partial checkout."""
        if not self._missing:
            return []
        from difflib import get_close_matches

        notes: list[str] = []
        for name in self._missing:
            near = get_close_matches(name, self._known, n=3)
            notes.append(
                str(
                    self._manifest.error(
                        f"'{name}' is asked for with 'workspace:' and is no package of the "
                        "workspace",
                        name,
                        hint=f"did you mean {', '.join(near)}?" if near else None,
                    )
                )
            )
        return notes
