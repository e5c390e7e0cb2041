"""Putting the Python part of a workspace together."""

from __future__ import annotations

from bao_core.digests import hash_text
from bao_core.model import ROOT, Dependency, Package, WorkspacePart
from bao_workspace_python.manifest import Manifest, read_manifest
from bao_workspace_python.members import MANIFEST, find_manifests, source_directory
from bao_workspace_python.uv_lock import LOCK_FILE, LockBrokenError, UvLock, read_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bao_core.model import FileTree
    from bao_workspace_python.manifest import Requirement, Source

KINDS = ("runtime", "build", "group", "extra")
"""Kinds of edges; where several lead to one package, the first of these counts."""


def load_part(tree: FileTree) -> WorkspacePart:
    """Find the Python packages; see `WorkspaceProvider.load`."""
    data = tree.read(MANIFEST)
    if data is None:
        return WorkspacePart()
    root = read_manifest(MANIFEST, data)
    lock_data = tree.read(LOCK_FILE)
    if lock_data is None and not _is_workspace(root):
        return WorkspacePart()
    manifests = find_manifests(tree, root)
    lock: UvLock | None = None
    broken = ""
    if lock_data is not None:
        try:
            lock = read_lock(lock_data, manifests)
        except LockBrokenError as error:
            broken = str(error)
    edges = _Edges(manifests, lock)
    closures = _Closures(lock, lock_data if broken else None)
    return WorkspacePart(
        packages=tuple(
            _package(manifest, edges.of(manifest), *closures.of(manifest, edges.external(manifest)))
            for manifest in manifests.values()
        ),
        lock_files=(LOCK_FILE,),
        lock_broken=broken,
    )


def _is_workspace(root: Manifest) -> bool:
    """Whether a manifest at the top is more than the settings of some tools."""
    content = root.content
    return (
        content.project is not None
        or content.tool.uv.workspace is not None
        or content.tool.bao is not None
        or bool(content.dependency_groups)
    )


def _package(
    manifest: Manifest,
    dependencies: tuple[Dependency, ...],
    external: tuple[str, ...],
    external_digest: str,
) -> Package:
    project = manifest.content.project
    directory = manifest.directory
    own = (f"{directory}/.venv/bin",) if directory else ()
    return Package(
        name=ROOT if project is None else project.name,
        path=directory,
        provider="python",
        manifest=manifest.path,
        dependencies=dependencies,
        external=external,
        external_digest=external_digest,
        script_source=f"{MANIFEST} scripts",
        bin_directories=(*own, ".venv/bin"),
        config=manifest.content.tool.bao or {},
        config_path=manifest.path,
        config_key="tool.bao",
        version="" if project is None else project.version,
    )


class _Edges:
    """Which packages depend on which: what the manifests say and what the lock file says.

    Both count, since the manifest of a package with dynamic dependencies names none, and since a
    lock file may be older than the manifests.
    """

    def __init__(self, manifests: Mapping[str, Manifest], lock: UvLock | None) -> None:
        self._manifests = manifests
        self._lock = lock
        self._sources = {d: manifest.sources for d, manifest in manifests.items()}
        self._by_key = {
            manifest.key: directory
            for directory, manifest in manifests.items()
            if manifest.content.project is not None
        }

    def of(self, manifest: Manifest) -> tuple[Dependency, ...]:
        """The packages that a package depends on, sorted by name, each with one kind."""
        found: dict[str, str] = {}
        for kind, directory in self._all(manifest):
            known = found.get(directory)
            if known is None or KINDS.index(kind) < KINDS.index(known):
                found[directory] = kind
        # A package whose extra asks for another of its own extras does not depend on itself.
        found.pop(manifest.directory, None)
        return tuple(
            sorted(
                Dependency(self._manifests[directory].project.name, kind)
                for directory, kind in found.items()
            )
        )

    def external(self, manifest: Manifest) -> list[Requirement]:
        """The requirements that no package of the workspace answers."""
        return [r for r in manifest.requirements() if not list(self._targets(manifest, r))]

    def _all(self, manifest: Manifest) -> Iterator[tuple[str, str]]:
        for requirement in manifest.requirements():
            for directory in self._targets(manifest, requirement):
                yield requirement.kind, directory
        if self._lock is not None:
            yield from self._lock.edges(manifest.directory)

    def _targets(self, manifest: Manifest, requirement: Requirement) -> Iterator[str]:
        owner, sources = self._sources_of(manifest, requirement.name)
        if not sources and requirement.name in self._by_key:
            yield self._by_key[requirement.name]
        for source in sources:
            if source.workspace:
                yield self._member(owner, requirement)
                continue
            directory = source_directory(owner, source.path)
            if directory is not None and directory in self._manifests:
                yield directory

    def _sources_of(self, manifest: Manifest, name: str) -> tuple[Manifest, tuple[Source, ...]]:
        """The sources of a requirement, and the manifest they stand in: the root's hold for all."""
        if own := self._sources[manifest.directory].get(name):
            return manifest, own
        return self._manifests[""], self._sources[""].get(name, ())

    def _member(self, owner: Manifest, requirement: Requirement) -> str:
        if (directory := self._by_key.get(requirement.name)) is not None:
            return directory
        from difflib import get_close_matches

        near = get_close_matches(requirement.name, self._by_key, n=3)
        raise owner.error(
            f"'{requirement.name}' has the source workspace = true and is no member of the "
            "workspace",
            line=owner.source_line(requirement.name),
            hint=f"did you mean {', '.join(near)}?"
            if near
            else f"the members are {', '.join(sorted(self._by_key))}",
        )


class _Closures:
    """What each package can reach outside the workspace.

    Args:
        lock: The lock file; None where there is none that can be used.
        broken: The bytes of a lock file that cannot be used.
    """

    def __init__(self, lock: UvLock | None, broken: bytes | None) -> None:
        self._lock = lock
        self._broken = "" if broken is None else hash_text(broken.hex())
        self._known: dict[int, tuple[tuple[str, ...], str]] = {}

    def of(
        self, manifest: Manifest, requirements: list[Requirement]
    ) -> tuple[tuple[str, ...], str]:
        """`name@version` of a package's closure, and a digest over all that concerns it."""
        if self._lock is None:
            written = tuple(sorted({requirement.text for requirement in requirements}))
            return written, hash_text(self._broken, *written)
        mask = self._lock.closure(manifest.directory)
        unlocked: set[str] = set()
        for requirement in requirements:
            # What a build needs is never locked, and a new member not yet.
            if requirement.kind == "build" or self._lock.knows(manifest.directory):
                continue
            reached = self._lock.reached_by(requirement.name, requirement.extras)
            if reached is None:
                unlocked.add(requirement.text)
            else:
                mask |= reached
        # Most packages reach the same as some other one.
        known = self._known.get(mask)
        if known is None:
            known = self._known[mask] = self._lock.labels(mask), self._lock.digest(mask)
        labels, digest = known
        if unlocked:
            labels = tuple(sorted({*labels, *unlocked}))
        own = self._lock.entry_digest(manifest.directory)
        return labels, hash_text(own, digest, *sorted(unlocked))
