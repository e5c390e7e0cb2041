"""What `[tool.poetry]` requires."""

from __future__ import annotations

import posixpath

from bao_workspace_python.groups import check_inclusions
from bao_workspace_python.names import normalise
from bao_workspace_python.paths import resolved
from bao_workspace_python.requirements import Requirement
from bao_workspace_python.tables import PoetryDependency

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from bao_workspace_python.manifest import Manifest
    from bao_workspace_python.tables import Poetry, PoetryEntry

_INTERPRETER = "python"
"""The name under which the versions of Python stand among the dependencies."""


class PoetryTable:
    """`[tool.poetry]` of a manifest, ready to be asked.

    Args:
        manifest: Where it stands.
        poetry: The table.
    """

    def __init__(self, manifest: Manifest, poetry: Poetry) -> None:
        self._manifest = manifest
        self._poetry = poetry
        self._entries = {normalise(name): e for name, e in poetry.dependencies.items()}

    def places(self, requirement: Requirement) -> list[Requirement]:
        """Where a requirement of `[project]` is taken from: since Poetry 2 it is said here.

        Returns:
            The requirement itself where nothing is said, else one for each place.
        """
        entry = self._entries.get(requirement.name)
        found = [] if entry is None else self._read(requirement.kind, requirement.name, entry)
        placed = [r for r in found if r.path is not None or r.elsewhere]
        return placed or [requirement]

    def requirements(self, standard: Collection[str]) -> Iterator[Requirement]:
        """Every requirement that stands here alone.

        Args:
            standard: The names that `[project]` requires.

        Raises:
            WorkspaceError: A group includes one that is not there, or itself.
        """
        for name, entry in self._entries.items():
            if name not in standard:
                yield from self._read("runtime", name, entry)
        yield from self._group(self._poetry.dev_dependencies)
        groups = self._poetry.group
        check_inclusions(self._manifest, {n: group.include_groups for n, group in groups.items()})
        for group in groups.values():
            yield from self._group(group.dependencies)

    def _group(self, entries: Mapping[str, PoetryEntry]) -> Iterator[Requirement]:
        for name, entry in entries.items():
            yield from self._read("group", normalise(name), entry)

    def _read(self, kind: str, name: str, entry: PoetryEntry) -> list[Requirement]:
        if name == _INTERPRETER:
            return []
        alternatives = entry if isinstance(entry, list) else [entry]
        return [self._one(kind, name, alternative) for alternative in alternatives]

    def _one(self, kind: str, name: str, entry: str | PoetryDependency) -> Requirement:
        if not isinstance(entry, PoetryDependency):
            return Requirement(kind, f"{name} {entry}", name)
        path = None
        if entry.path is not None:
            place = posixpath.join(entry.path, entry.subdirectory)
            path = resolved(self._manifest.directory, place)
        origin = entry.git or entry.url or entry.file or entry.path or ""
        return Requirement(
            # An optional dependency is there to be asked for by an extra.
            "extra" if entry.optional and kind == "runtime" else kind,
            " ".join(filter(None, (name, entry.version, origin))),
            name,
            tuple(sorted(map(normalise, entry.extras))),
            path,
            elsewhere=path is None and bool(origin),
        )
