"""Finding the packages of a workspace by its globs."""

from __future__ import annotations

from bao_core.errors import WorkspaceError
from bao_core.globs import check_glob, compile_globs
from bao_workspace_node.manifest import MANIFEST, Manifest, read_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bao_core.model import FileTree
    from bao_workspace_node.settings import WorkspaceSettings

LEFT_OUT = frozenset({"node_modules", ".git"})
"""Directories in which no package lies, whatever the globs say."""

WILD = frozenset("*?[{")


def find_manifests(
    tree: FileTree, root: Manifest, settings: WorkspaceSettings
) -> tuple[Manifest, ...]:
    """Read the manifests of all packages that the globs reach, sorted by directory.

    The globs walk the files as they lie on the disk, so that ignored directories count. A manifest
    without a name makes no package. The root is among the result where a glob reaches it.

    Raises:
        WorkspaceError: A manifest or a glob is broken, or two packages have one name.
    """
    found: list[Manifest] = []
    for directory in _package_directories(tree, settings):
        path = f"{directory}/{MANIFEST}" if directory else MANIFEST
        data = root.data if path == root.path else tree.read(path)
        if data is not None:
            manifest = read_manifest(path, data)
            if manifest.content.name:
                found.append(manifest)
    _check_names(found)
    return tuple(found)


def _package_directories(tree: FileTree, settings: WorkspaceSettings) -> list[str]:
    patterns = [_signed(pattern) for pattern in settings.packages or ()]
    for sign, pattern in patterns:
        if complaint := check_glob(pattern):
            raise WorkspaceError(
                f"workspace glob '{sign}{pattern}' {complaint}", where=settings.source
            )
    left_out = LEFT_OUT | ({"bower_components"} if settings.manager.name == "pnpm" else frozenset())
    # What counts is whether a glob fits on the manifest's path: `packages/**` takes in `packages`
    # itself, and `apps` does not take in `apps/web`, but `!apps` takes it away.
    fits = compile_globs(
        [f"{sign}{pattern}/{'**' if sign else MANIFEST}" for sign, pattern in patterns]
    )
    # A directory that is named outright stays, whatever else is taken away.
    named = {p: f"{p}/{MANIFEST}" for s, p in patterns if not s and WILD.isdisjoint(p)}
    above = compile_globs(
        [f"{s}{pattern}" for s, pattern in patterns if not WILD.isdisjoint(pattern)]
    )

    def enter(directory: str) -> bool:
        return directory.rpartition("/")[2] not in left_out and above.reaches(directory)

    found: set[str] = set()
    # It may also lie below one that no glob looks into.
    for start in (*fits.directories(), *named.values()):
        for directory in tree.directories(start.removesuffix(MANIFEST).rstrip("/"), enter):
            path = f"{directory}/{MANIFEST}" if directory else MANIFEST
            fit = directory in named or fits.matches(path)
            if fit and left_out.isdisjoint(directory.split("/")):
                found.add(directory)
    return sorted(found)


def _signed(pattern: str) -> tuple[str, str]:
    """A glob without its sign, and the sign."""
    sign = "!" if pattern.startswith("!") else ""
    return sign, pattern[len(sign) :].strip("/").removeprefix("./") or "."


def _check_names(manifests: Iterable[Manifest]) -> None:
    known: dict[str | None, Manifest] = {}
    for manifest in manifests:
        other = known.setdefault(manifest.content.name, manifest)
        if other is not manifest:
            raise manifest.error(
                f"two packages are called '{manifest.content.name}': "
                f"{other.path} and {manifest.path}",
                "name",
                hint="rename one of them",
            )
