"""Putting the JavaScript part of a workspace together."""

from __future__ import annotations

from bao_core.digests import hash_text
from bao_core.model import ROOT, Dependency, Package, WorkspacePart
from bao_workspace_node.dependencies import Specifications
from bao_workspace_node.manifest import MANIFEST, read_manifest
from bao_workspace_node.members import find_manifests
from bao_workspace_node.npm_lock import FORMATS, LockBrokenError, NpmLock, decode_lock
from bao_workspace_node.settings import LOCK_FILES, read_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.model import FileTree
    from bao_workspace_node.manifest import Manifest
    from bao_workspace_node.settings import WorkspaceSettings


def load_part(tree: FileTree) -> WorkspacePart:
    """Find the JavaScript packages; see `WorkspaceProvider.load`."""
    data = tree.read(MANIFEST)
    if data is None:
        return WorkspacePart()
    root = read_manifest(MANIFEST, data)
    settings = read_settings(tree, root)
    members = find_manifests(tree, root, settings)
    specifications = Specifications(members, links=settings.links, catalogs=settings.catalogs)
    closures, broken = _closures(settings, members)
    notes: list[str] = []
    packages: list[Package] = []
    # The root is a package of its own name only where a glob reaches it.
    named_root = any(not manifest.directory for manifest in members)
    for manifest in (*([] if named_root else [root]), *members):
        edges = _Edges(manifest, specifications)
        notes.extend(edges.notes())
        packages.append(_package(manifest, edges, closures, named=manifest is not root))
    return WorkspacePart(
        packages=tuple(packages),
        lock_files=LOCK_FILES.get(settings.manager.name, ()),
        notes=tuple(notes),
        lock_broken=broken,
    )


def _package(manifest: Manifest, edges: _Edges, closures: _Closures, *, named: bool) -> Package:
    content = manifest.content
    name = content.name or ""
    external, digest = closures.of(manifest, edges.internal)
    variables = {"npm_package_name": name, "npm_package_version": content.version or ""}
    return Package(
        name=name if named else ROOT,
        path=manifest.directory,
        provider="node",
        manifest=manifest.path,
        dependencies=tuple(
            sorted(Dependency(target, kind) for target, kind in edges.targets.items())
        ),
        external=external,
        external_digest=digest,
        scripts=dict(manifest.scripts()),
        script_source=f"{MANIFEST} scripts",
        bin_directories=_bin_directories(manifest.directory),
        environment={variable: value for variable, value in variables.items() if value},
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


class _Closures:
    """What each package can reach outside the workspace.

    Args:
        lock: npm's lock file; None where there is none that can be used.
        whole: What stands for a lock file that is not read package by package; empty without one.
    """

    def __init__(self, lock: NpmLock | None, whole: str) -> None:
        self._lock = lock
        self._whole = whole
        self._known: dict[int, tuple[tuple[str, ...], str]] = {}

    def of(self, manifest: Manifest, internal: set[str]) -> tuple[tuple[str, ...], str]:
        """`name@version` of a package's closure, and a digest over all that concerns it."""
        if self._lock is None:
            written = {f"{name}@{s}" for _, name, s in manifest.edges() if name not in internal}
            labels = tuple(sorted(written | ({self._whole} if self._whole else set())))
            return labels, hash_text(*labels)
        names = dict.fromkeys(name for name, _, _ in manifest.requirements())
        mask, unknown = self._lock.closure(manifest.directory, names)
        # Most packages reach the same as some other one.
        known = self._known.get(mask)
        if known is None:
            known = self._known[mask] = self._lock.labels(mask), self._lock.digest(mask)
        labels, digest = known
        # What the lock file does not know yet is there as it is written.
        unlocked = sorted(
            f"{name}@{specification}"
            for name, specification, must in manifest.requirements()
            if must and name in unknown and name not in internal
        )
        if unlocked:
            labels = tuple(sorted({*labels, *unlocked}))
        return labels, hash_text(digest, *unlocked)


def _closures(settings: WorkspaceSettings, members: Sequence[Manifest]) -> tuple[_Closures, str]:
    """The closures, and why the lock file could not be used."""
    path, data = settings.lock_file, settings.lock_data
    if not path:
        return _Closures(None, ""), ""
    whole = f"{path}@{hash_text(data.hex())[:16]}"
    if path not in LOCK_FILES["npm"]:
        # Read as one: any change of it may be a change for every package.
        return _Closures(None, whole), ""
    try:
        document = decode_lock(path, data)
    except LockBrokenError as error:
        return _Closures(None, whole), str(error)
    if document.lockfile_version not in FORMATS or document.packages is None:
        return _Closures(None, whole), ""
    lock = NpmLock(document.packages, (manifest.directory for manifest in members))
    return _Closures(lock, whole), ""
