"""Finding the members of a uv workspace."""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatchcase

from bao_core.errors import WorkspaceError
from bao_core.globs import check_glob, compile_globs
from bao_workspace_python.manifest import Manifest, read_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bao_core.model import FileTree

MANIFEST = "pyproject.toml"
LEFT_OUT = frozenset({".git", ".venv", "__pycache__", "node_modules"})
"""Directories that no `**` enters; no member lies in one."""

_MAGIC = re.compile(r"[*?\[]")


def find_manifests(tree: FileTree, root: Manifest) -> dict[str, Manifest]:
    """Read the manifests of all members, and of what their path sources point to.

    A path source inside of the workspace is something that a member is built from, whether uv
    counts it as a member or not.

    Args:
        tree: The files of the workspace.
        root: The manifest at the top.

    Returns:
        Manifests by directory, in the order of the directories; the root's among them.

    Raises:
        WorkspaceError: A manifest is broken or missing, or two packages have one name.
    """
    found = {"": root}
    for directory in _member_directories(tree, root):
        if (manifest := _read(tree, directory)) is not None:
            if manifest.content.tool.uv.managed and manifest.project:
                found[directory] = manifest
        elif _is_literal(root, directory):
            raise root.error(
                f"workspace member '{directory}' has no {MANIFEST}",
                directory,
                hint="add one, or take the member out of [tool.uv.workspace]",
            )
    waiting = list(found.values())
    while waiting:
        for directory in _path_sources(waiting.pop()):
            if directory in found:
                continue
            manifest = _read(tree, directory)
            if manifest is not None and manifest.content.project is not None:
                found[directory] = manifest
                waiting.append(manifest)
    _check_names(found.values())
    return dict(sorted(found.items()))


def _read(tree: FileTree, directory: str) -> Manifest | None:
    path = f"{directory}/{MANIFEST}" if directory else MANIFEST
    data = tree.read(path)
    return None if data is None else read_manifest(path, data)


def _member_directories(tree: FileTree, root: Manifest) -> list[str]:
    """Directories that `members` names and `exclude` does not, without the root."""
    workspace = root.content.tool.uv.workspace
    if workspace is None:
        return []
    directories: set[str] = set()
    for pattern in workspace.members:
        if complaint := check_glob(pattern):
            raise root.error(f"workspace member '{pattern}' {complaint}", pattern)
        if _MAGIC.search(pattern):
            directories.update(_matching(tree, pattern))
        else:
            directories.add(_normal(pattern))
    return sorted(
        directory
        for directory in directories
        if directory and not any(_excludes(pattern, directory) for pattern in workspace.exclude)
    )


def _matching(tree: FileTree, pattern: str) -> Iterator[str]:
    """Directories on which a pattern with wildcards fits."""
    pattern = _normal(pattern)
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
    """Whether a pattern of `exclude` fits on a directory: its stars match `/` as well."""
    pattern = _normal(pattern)
    return fnmatchcase(directory, pattern) or fnmatchcase(directory, pattern.replace("**/", ""))


def _is_literal(root: Manifest, directory: str) -> bool:
    workspace = root.content.tool.uv.workspace
    return workspace is not None and any(
        _normal(pattern) == directory for pattern in workspace.members
    )


def _path_sources(manifest: Manifest) -> Iterator[str]:
    for entries in manifest.sources.values():
        for source in entries:
            directory = source_directory(manifest, source.path)
            if directory:
                yield directory


def source_directory(manifest: Manifest, path: str | None) -> str | None:
    """The directory that a path source of a manifest names; None where it is outside."""
    if path is None or path.startswith("/"):
        return None
    directory = _normal(posixpath.join(manifest.directory, path))
    return None if directory.startswith("..") else directory


def _normal(path: str) -> str:
    normal = posixpath.normpath(path)
    return "" if normal == "." else normal


def _check_names(manifests: Iterable[Manifest]) -> None:
    known: dict[str, Manifest] = {}
    for manifest in manifests:
        if manifest.content.project is None:
            continue
        other = known.setdefault(manifest.key, manifest)
        if other is not manifest:
            raise WorkspaceError(
                f"two packages are called '{manifest.project.name}': "
                f"{other.path} and {manifest.path}",
                where=manifest.path,
                line=manifest.line_of(manifest.project.name),
                hint="rename one of them",
            )
