"""The members that a workspace declares: in the words of uv, PDM and Hatch, and in bao's own."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from msgspec import Struct

from bao_core.globs import check_glob, compile_globs, escape_glob
from bao_workspace_python.manifest import MANIFEST
from bao_workspace_python.paths import is_outside, resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bao_core.model import FileTree
    from bao_workspace_python.manifest import Manifest

LEFT_OUT = frozenset({".git", ".venv", "__pycache__", "node_modules"})
"""Directories that no `**` enters; no member lies in one."""

_MAGIC = re.compile(r"[*?\[]")


class Members(Struct, frozen=True):
    """What one table says of members.

    Attributes:
        table: Where it stands, such as `tool.uv.workspace`.
        patterns: Globs of directories, as written.
        exclude: The same, of what is no member after all.
        strict: Whether a directory that is named literally must have a manifest.
    """

    table: str
    patterns: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    strict: bool = True


def declared_members(manifest: Manifest) -> list[Members]:
    """The tables of a manifest that make it the root of a workspace."""
    tool = manifest.content.tool
    found = []
    if (uv := tool.uv.workspace) is not None:
        found.append(Members("tool.uv.workspace", tuple(uv.members), tuple(uv.exclude)))
    if tool.pdm is not None and (pdm := tool.pdm.workspace) is not None:
        # PDM passes over what is not there.
        found.append(Members("tool.pdm.workspace", tuple(pdm.members), strict=False))
    if tool.hatch is not None:
        for name, environment in tool.hatch.envs.items():
            members = environment.workspace.members
            if members:
                found.append(
                    Members(
                        f"tool.hatch.envs.{name}.workspace",
                        tuple(_hatch_path(m if isinstance(m, str) else m.path) for m in members),
                        tuple(environment.workspace.exclude),
                    )
                )
    return found


def member_directories(tree: FileTree, owner: Manifest, members: Members) -> dict[str, str]:
    """Directories that a table names and does not exclude, without that of the owner.

    Args:
        tree: The files of the workspace.
        owner: The manifest in which the table stands.
        members: The table.

    Returns:
        The pattern by directory, sorted; a pattern without wildcards goes before others.

    Raises:
        WorkspaceError: A pattern cannot be understood.
    """
    base = owner.directory
    found: dict[str, str] = {}
    for written in members.patterns:
        if complaint := check_glob(written):
            raise owner.error(f"workspace member '{written}' {complaint}", written)
        literal = is_literal(written)
        pattern = resolved(base if literal else escape_glob(base), written)
        if pattern is None or is_outside(pattern):
            continue
        if literal:
            found[pattern] = written
        else:
            for directory in _matching(tree, pattern):
                found.setdefault(directory, written)
    excluded = [pattern for p in members.exclude if (pattern := resolved(base, p)) is not None]
    return {
        directory: found[directory]
        for directory in sorted(found)
        if directory != base and not any(_excludes(pattern, directory) for pattern in excluded)
    }


def is_literal(pattern: str) -> bool:
    """Whether a pattern names one directory."""
    return _MAGIC.search(pattern) is None


def _hatch_path(path: str) -> str:
    """A member as Hatch writes it, relative to the manifest."""
    return re.sub(r"^\{root(?::real)?\}/", "", path)


def _matching(tree: FileTree, pattern: str) -> Iterator[str]:
    """Directories on which a normalised pattern with wildcards fits."""
    above = compile_globs([pattern])
    # `packages/**` takes in `packages` itself, as the manifest's own path shows.
    fits = compile_globs([f"{pattern}/{MANIFEST}"])

    def enter(directory: str) -> bool:
        return directory.rpartition("/")[2] not in LEFT_OUT and above.reaches(directory)

    for start in above.directories():
        for directory in tree.directories(start, enter):
            if fits.matches(f"{directory}/{MANIFEST}" if directory else MANIFEST):
                yield directory


def _excludes(pattern: str, directory: str) -> bool:
    """Whether a pattern fits on a directory: its stars match `/` as well."""
    return fnmatchcase(directory, pattern) or fnmatchcase(directory, pattern.replace("**/", ""))
