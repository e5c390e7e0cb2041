"""Everything that a manifest requires, in the words of every tool."""

from __future__ import annotations

from bao_workspace_python.groups import check_inclusions
from bao_workspace_python.poetry import PoetryTable
from bao_workspace_python.requirements import parse_requirement
from bao_workspace_python.tables import IncludedGroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bao_workspace_python.manifest import Manifest
    from bao_workspace_python.requirements import Requirement


def requirements_of(manifest: Manifest) -> Iterator[Requirement]:
    """Every requirement that a manifest declares, those of all extras and groups among them.

    Raises:
        WorkspaceError: One of them cannot be read, or a group includes one that is not there, or
            itself.
    """
    standard = (parse_requirement(manifest, kind, text) for kind, text in _texts(manifest))
    poetry = manifest.content.tool.poetry
    if poetry is None:
        yield from standard
        return
    table = PoetryTable(manifest, poetry)
    names = set()
    for requirement in standard:
        if requirement.kind in {"runtime", "extra"}:
            names.add(requirement.name)
        yield from table.places(requirement)
    yield from table.requirements(names)


def _texts(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Kinds and texts of all requirements that are written as one text each."""
    content = manifest.content
    tool = content.tool
    yield from manifest.listed
    if content.project is not None:
        yield from (("runtime", text) for text in content.project.dependencies)
        extras = content.project.optional_dependencies
        yield from (("extra", text) for texts in extras.values() for text in texts)
    yield from (("group", text) for text in tool.uv.dev_dependencies)
    yield from _grouped(manifest)
    if tool.pdm is not None:
        groups = tool.pdm.dev_dependencies
        yield from (("group", text) for texts in groups.values() for text in texts)
    if tool.hatch is not None:
        for environment in tool.hatch.envs.values():
            texts = (*environment.dependencies, *environment.extra_dependencies)
            yield from (("group", text) for text in texts)
    yield from (("build", text) for text in content.build_system.requires)


def _grouped(manifest: Manifest) -> Iterator[tuple[str, str]]:
    groups = manifest.content.dependency_groups
    check_inclusions(
        manifest,
        {
            group: [entry.include_group for entry in entries if isinstance(entry, IncludedGroup)]
            for group, entries in groups.items()
        },
    )
    for entries in groups.values():
        # An included group is one of this file, and so read all the same.
        yield from (("group", entry) for entry in entries if isinstance(entry, str))
