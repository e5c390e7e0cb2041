"""Finds the tasks of each package."""

from __future__ import annotations

from msgspec import Struct, field

from bao_core.model import Command, TaskDefinition
from bao_workspace_python.paths import ancestors
from bao_workspace_python.tasks.building import build_task
from bao_workspace_python.tasks.declared import by_precedence, table_at
from bao_workspace_python.tasks.files import HATCH_FILE, ConfigFiles
from bao_workspace_python.tasks.hatch import hatch_tasks
from bao_workspace_python.tasks.inference import Subject, lint_task, test_task, typecheck_task
from bao_workspace_python.tasks.pdm import pdm_tasks
from bao_workspace_python.tasks.poe import poe_tasks
from bao_workspace_python.tasks.taskipy import taskipy_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bao_core.model import FileTree
    from bao_workspace_python.manifest import Manifest
    from bao_workspace_python.requirements import Requirement
    from bao_workspace_python.tasks.declared import Declared

_RULES = (test_task, lint_task, typecheck_task, build_task)


class PackageTasks(Struct, frozen=True):
    """What a package has for tasks; the fields are those of `bao_core.model.Package`."""

    scripts: dict[str, Command] = field(default_factory=dict)
    script_sources: dict[str, str] = field(default_factory=dict)
    inferred: dict[str, TaskDefinition] = field(default_factory=dict)


class TaskFinder:
    """Finds what is declared and what can be inferred.

    Args:
        tree: The files of the workspace.
        manifests: Those of all packages, by directory.
        requirements: What each of them requires, by directory.
    """

    def __init__(
        self,
        tree: FileTree,
        manifests: Mapping[str, Manifest],
        requirements: Mapping[str, Iterable[Requirement]],
    ) -> None:
        self._tree = tree
        self._manifests = manifests
        self._required = {
            directory: frozenset(r.name for r in found if r.kind != "build")
            for directory, found in requirements.items()
        }
        documents = {directory: m.document for directory, m in manifests.items()}
        self._files = ConfigFiles(tree, documents)

    def of(self, directory: str) -> PackageTasks:
        """The tasks of the package in a directory.

        Raises:
            WorkspaceError: A file that declares tasks is broken.
        """
        scripts, sources = by_precedence(self._declared(self._manifests[directory]))
        subject = self._subject(directory)
        inferred = (rule(subject, self._files) for rule in _RULES)
        return PackageTasks(scripts, sources, {t.name: t for t in inferred if t is not None})

    def _declared(self, manifest: Manifest) -> Iterator[Declared]:
        """What task runners know, in the order in which they count."""
        path, text, document = manifest.path, manifest.text, manifest.document
        yield from poe_tasks(self._tree, manifest.directory, path, text, document)
        if not table_at(document, "tool"):
            return
        yield from pdm_tasks(path, text, document)
        yield from self._hatch(manifest)
        yield from taskipy_tasks(path, text, document)

    def _hatch(self, manifest: Manifest) -> Iterator[Declared]:
        environments = table_at(manifest.document, "tool", "hatch", "envs")
        directory = manifest.directory
        if environments and self._files.has(directory, HATCH_FILE):
            # Hatch takes that file instead of its tables in the manifest.
            path = f"{directory}/{HATCH_FILE}" if directory else HATCH_FILE
            return hatch_tasks(path, self._files.text(path), environments, "")
        return hatch_tasks(manifest.path, manifest.text, environments)

    def _subject(self, directory: str) -> Subject:
        required = {
            name: self._manifests[place].path
            # Shared tools are required at the root; what is nearer is named first.
            for place in (*reversed(ancestors(directory)), directory)
            if place in self._manifests
            for name in self._required.get(place, ())
        }
        document = self._manifests[directory].document
        return Subject(directory, document, required, self._manifests)
