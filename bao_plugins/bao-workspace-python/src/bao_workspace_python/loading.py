"""Putting the Python part of a workspace together."""

from __future__ import annotations

from bao_core.model import ROOT, Package, WorkspacePart
from bao_workspace_python.edges import Edges
from bao_workspace_python.locks import DEFAULT_LOCK
from bao_workspace_python.manifest import MANIFEST
from bao_workspace_python.packages import find_packages
from bao_workspace_python.projects import Projects
from bao_workspace_python.tasks import LEFTOVERS, TaskFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.closures import ClosureMemory
    from bao_core.model import FileTree
    from bao_workspace_python.manifest import Manifest


def load_part(tree: FileTree, memory: ClosureMemory | None = None) -> WorkspacePart:
    """Find the Python packages; see `WorkspaceProvider.load`.

    Args:
        tree: The files of the workspace.
        memory: What was read of lock files before.
    """
    found = find_packages(tree)
    if not found.manifests:
        return WorkspacePart(notes=found.notes)
    projects = Projects(tree, found, memory)
    edges = Edges(found, projects)
    tasks = TaskFinder(tree, found.manifests, found.requirements)
    paths: list[str] = []
    broken: list[str] = []
    notes = list(found.notes)
    for home, files in projects.files.items():
        notes += files.notes
        # The lock file of a single package below the root is a file of that package like any other.
        if not home or len(projects.members[home]) > 1:
            paths += files.paths
            broken += filter(None, [files.broken])
        elif files.broken:
            notes.append(files.broken)
    packages = tuple(
        _package(manifest, edges, projects, tasks) for manifest in found.manifests.values()
    )
    projects.save()
    return WorkspacePart(
        packages=packages,
        lock_files=tuple(sorted(paths)) or (DEFAULT_LOCK,),
        notes=tuple(notes),
        lock_broken="; ".join(broken),
    )


def _package(manifest: Manifest, edges: Edges, projects: Projects, tasks: TaskFinder) -> Package:
    directory = manifest.directory
    own = tasks.of(directory)
    home = projects.home(directory)
    closure, digest = projects.closure(directory, *edges.elsewhere(manifest))
    return Package(
        name=manifest.name or ROOT,
        path=directory,
        provider="python",
        manifest=manifest.path,
        dependencies=edges.of(manifest),
        external=closure,
        external_digest=digest,
        scripts=own.scripts,
        script_source=f"{MANIFEST} scripts",
        script_sources=own.script_sources,
        inferred=own.inferred,
        leftovers=LEFTOVERS,
        bin_directories=tuple(
            dict.fromkeys(f"{d}/.venv/bin" if d else ".venv/bin" for d in (directory, home, ""))
        ),
        config=manifest.content.tool.bao or {},
        config_path=manifest.path,
        config_key="tool.bao",
        version=manifest.version,
    )
