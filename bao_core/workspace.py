"""Puts the parts of all workspace providers and the configuration together, and remembers them."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct
from msgspec.msgpack import Decoder
from msgspec.structs import replace

from bao_core.config.model import RootConfig
from bao_core.digests import hash_text
from bao_core.errors import BaoError, OutputError, PluginError, WorkspaceError
from bao_core.interfaces.component import called
from bao_core.model import (
    ROOT,
    Dependency,
    FileTree,
    ForeignConfig,
    Package,
    TaskDefinition,
    TaskId,
    Workspace,
    WorkspacePart,
)
from bao_core.outputs import OutputSpec, find_overlaps
from bao_core.state import read_checked, write_checked
from bao_core.worktree import RecordingTree, TreeRecord, WorktreeFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.interfaces.workspace import WorkspaceProvider


class ResolvedWorkspace(Struct, frozen=True):
    """A workspace with everything the configuration says of it.

    Attributes:
        definitions: By package name and task name; under `*` what the root says of each task.
    """

    workspace: Workspace
    config: RootConfig
    definitions: dict[str, dict[str, TaskDefinition]]


def load_workspace(
    tree: FileTree, providers: "Sequence[WorkspaceProvider]", config: RootConfig
) -> Workspace:
    """Ask every provider, put the parts together, and add what the configuration says.

    Raises:
        WorkspaceError: A manifest is broken, a name is used twice, a dependency is not there.
        PluginError: A provider failed; without it the answer would be wrong.
    """
    foreign = None if config.path else _foreign_provider(providers, tree)
    parts = [_load_part(p, tree) for p in ((foreign,) if foreign else providers)]
    packages = _join_packages(package for part in parts for package in part.packages)
    root_name = next((p.name for p in packages.values() if p.path == ""), None)
    if root_name is None:
        root_name = ROOT
        packages[ROOT] = Package(ROOT, "", "bao", "")
    packages = _with_configured_edges(packages, config, tree, loops=foreign is not None)
    return Workspace(
        packages=dict(sorted(packages.items())),
        root_package=root_name,
        lock_files=tuple(sorted({path for part in parts for path in part.lock_files})),
        notes=tuple(note for part in parts for note in part.notes),
        lock_broken="; ".join(part.lock_broken for part in parts if part.lock_broken),
        lock_form="; ".join(part.lock_form for part in parts if part.lock_form),
    )


def load_foreign(
    tree: FileTree, providers: "Sequence[WorkspaceProvider]", workspace: Workspace
) -> ForeignConfig | None:
    """What another tool's configuration says, for a workspace without one of bao's own.

    Raises:
        ConfigError: That configuration holds a mistake.
        PluginError: The provider that reads it failed.
    """
    provider = _foreign_provider(providers, tree)
    if provider is None:
        return None
    with _named(provider):
        return provider.foreign_config(tree, workspace)


def _foreign_provider(
    providers: "Sequence[WorkspaceProvider]", tree: FileTree
) -> "WorkspaceProvider | None":
    """The provider that can read the configuration of another tool at the root."""
    for provider in providers:
        if any(tree.read(name) is not None for name in provider.foreign_files):
            return provider
    return None


def _load_part(provider: "WorkspaceProvider", tree: FileTree) -> WorkspacePart:
    with _named(provider):
        return provider.load(tree)


@contextmanager
def _named(provider: "WorkspaceProvider") -> Iterator[None]:
    """Name the provider in whatever goes wrong inside it."""
    try:
        yield
    except BaoError:
        raise
    except Exception as error:
        raise PluginError(
            f"workspace provider {called(provider)} failed: {type(error).__name__}: {error}",
            hint="this is a bug of its plugin; disable it with BAO_DISABLE_PLUGINS",
        ) from error


def _join_packages(found: Iterable[Package]) -> dict[str, Package]:
    by_name: dict[str, Package] = {}
    root: Package | None = None
    root_names: set[str] = set()
    for package in found:
        if package.path == "":
            root_names.add(package.name)
            root = package if root is None else _merged(root, package)
            continue
        known = by_name.get(package.name)
        if known is None:
            by_name[package.name] = package
        elif known.path == package.path:
            by_name[package.name] = _merged(known, package)
        else:
            raise _name_used_twice(known, package)
    if root is not None:
        if (other := by_name.get(root.name)) is not None:
            raise _name_used_twice(root, other)
        by_name[root.name] = root
        if others := root_names - {root.name} - by_name.keys():
            by_name = {name: _with_root_named(p, others, root.name) for name, p in by_name.items()}
    return by_name


def _with_root_named(package: Package, others: Collection[str], name: str) -> Package:
    """A package whose edges to the root lead there, whatever another manifest of it calls it."""
    if not any(dependency.name in others for dependency in package.dependencies):
        return package
    edges = (replace(d, name=name) if d.name in others else d for d in package.dependencies)
    return replace(package, dependencies=tuple(sorted({*edges})))


def _name_used_twice(first: Package, second: Package) -> WorkspaceError:
    return WorkspaceError(
        f"two packages are called '{first.name}': {first.manifest} and {second.manifest}",
        where=second.manifest,
        hint="rename one of them",
    )


def _merged(first: Package, second: Package) -> Package:
    """One package out of two manifests in one directory."""
    named = second if first.name == ROOT else first
    return replace(
        named,
        provider=" ".join(sorted({*first.provider.split(), *second.provider.split()})),
        dependencies=tuple(sorted({*first.dependencies, *second.dependencies})),
        external=tuple(sorted({*first.external, *second.external})),
        external_digest=hash_text(first.external_digest, second.external_digest)
        if first.external_digest or second.external_digest
        else "",
        external_places=first.external_places + second.external_places,
        scripts={**second.scripts, **first.scripts},
        script_source=first.script_source or second.script_source,
        script_sources={**_script_sources(second), **_script_sources(first)},
        inferred={**second.inferred, **first.inferred},
        leftovers=tuple(dict.fromkeys((*first.leftovers, *second.leftovers))),
        bin_directories=tuple(dict.fromkeys((*first.bin_directories, *second.bin_directories))),
        environment={**second.environment, **first.environment},
        task_variables={**second.task_variables, **first.task_variables},
        config=first.config or second.config,
        config_path=first.config_path if first.config else second.config_path,
        config_key=first.config_key if first.config else second.config_key,
        tags=tuple(sorted({*first.tags, *second.tags})),
        version=named.version or first.version or second.version,
    )


def _script_sources(package: Package) -> dict[str, str]:
    return {
        name: package.script_sources.get(name, package.script_source) for name in package.scripts
    }


def _with_configured_edges(
    packages: dict[str, Package], config: RootConfig, tree: FileTree, *, loops: bool
) -> dict[str, Package]:
    """The packages with the edges that the configuration adds.

    Args:
        packages: By name.
        config: The root's configuration.
        tree: What it was read from.
        loops: Whether a package may depend on itself, which `turbo.json` makes an error of.
    """
    from bao_core.config import dependency_error, package_extras

    result: dict[str, Package] = {}
    for name, package in packages.items():
        extras = package_extras(config, package, tree)
        edges = {
            d for d in package.dependencies if d.name in packages and (loops or d.name != name)
        }
        for dependency in extras.dependencies:
            if dependency not in packages:
                raise dependency_error(config, package, dependency, packages, tree)
            edges.add(Dependency(dependency, "configured"))
        result[name] = replace(
            package,
            dependencies=tuple(sorted(edges)),
            tags=tuple(sorted({*package.tags, *extras.tags})),
        )
    return result


def _adopted(
    foreign: ForeignConfig, config: RootConfig, workspace: Workspace
) -> tuple[RootConfig, Workspace]:
    """The root's configuration and the workspace with what another tool's configuration says."""
    packages = {
        name: replace(p, tags=tuple(sorted({*p.tags, *foreign.tags.get(name, ())})))
        for name, p in workspace.packages.items()
    }
    return (
        replace(
            config,
            global_inputs=foreign.global_inputs,
            global_env=foreign.global_env,
            global_pass_through_env=foreign.global_pass_through_env,
            env_mode=foreign.env_mode,
            concurrency=foreign.concurrency,
            foreign=foreign.path,
        ),
        replace(workspace, packages=packages, notes=(*workspace.notes, *foreign.notes)),
    )


def _overlapping_outputs(
    workspace: Workspace, definitions: Mapping[str, dict[str, TaskDefinition]]
) -> list[str]:
    """Refuse tasks that declare the same outputs; a note for each pair that may do so all the same.

    An inferred task gives way: it is run and not cached.

    Raises:
        OutputError: Two tasks overlap: neither could be restored without harming the other.
    """
    found: dict[TaskId, tuple[OutputSpec, TaskDefinition]] = {}
    for name, package in workspace.packages.items():
        for task, definition in definitions.get(name, {}).items():
            if definition.outputs and definition.command is not None:
                spec = OutputSpec(package.path, definition.outputs)
                found[TaskId(f"{name}#{task}")] = (spec, definition)
    notes = []
    for first, second in find_overlaps({task_id: spec for task_id, (spec, _) in found.items()}):
        message = f"{first} and {second} declare overlapping outputs"
        doubtful = second if found[second][1].inferred else first
        definition = found[doubtful][1]
        if definition.inferred:
            owner, _, task = doubtful.rpartition("#")
            other = second if doubtful == first else first
            definitions[owner][task] = _given_way(definition, other)
            continue
        definition = found[second][1]
        if definition.lenient:
            notes.append(message)
            continue
        raise OutputError(
            message,
            where=definition.source or None,
            hint="give each task a folder of its own, or exclude the other's with `!`",
        )
    return notes


def _given_way(definition: TaskDefinition, other: TaskId) -> TaskDefinition:
    source = f"{definition.source}; not cached, since {other} declares its outputs as well"
    return replace(definition, outputs=(), cache=False, source=source)


# --- remembering ------------------------------------------------------------------------------


class Snapshot(Struct, frozen=True):
    """A resolved workspace, with everything it was made from.

    Attributes:
        identity: Of the code that made it: bao, the plugins, the interpreter.
        token: Ties the closures to it.
        record: What was read of the tree.
        resolved: The workspace, without the closures in the lock files.
    """

    identity: str
    token: str
    record: TreeRecord
    resolved: ResolvedWorkspace


class Closures(Struct, frozen=True):
    """The closures that a snapshot leaves out, by package; most runs do not need them."""

    token: str
    external: dict[str, tuple[str, ...]]


class WorkspaceSource:
    """Gives the resolved workspace of a worktree: the remembered one while it still holds."""

    def __init__(self, state_dir: str, identity: str) -> None:
        self._snapshot_path = os.path.join(state_dir, "workspace")
        self._closures_path = os.path.join(state_dir, "closures")
        self._identity = identity
        self._token = ""

    @property
    def token(self) -> str:
        """Changes whenever the workspace is worked out anew; empty where it is not remembered."""
        return self._token

    def remembered(self, files: WorktreeFiles) -> ResolvedWorkspace | None:
        """The workspace as remembered, if everything it was made from is as it was."""
        snapshot: Snapshot | None = read_checked(self._snapshot_path, Decoder(Snapshot))
        if snapshot is None or snapshot.identity != self._identity:
            return None
        if not snapshot.record.still_holds(files):
            return None
        self._token = snapshot.token
        return snapshot.resolved

    def load(
        self,
        tree: FileTree,
        providers: "Callable[[RootConfig], Sequence[WorkspaceProvider]]",
    ) -> ResolvedWorkspace:
        """Work the workspace out anew and remember it.

        Args:
            tree: The worktree.
            providers: Gives the providers, once the configuration is known.
        """
        from bao_core.config import load_root_config, resolve_definitions

        recording = RecordingTree(tree)
        config = load_root_config(recording)
        asked = providers(config)
        workspace = load_workspace(recording, asked, config)
        foreign = None if config.path else load_foreign(recording, asked, workspace)
        if foreign is None:
            definitions = resolve_definitions(config, workspace, recording)
        else:
            config, workspace = _adopted(foreign, config, workspace)
            definitions = foreign.definitions
        notes = _overlapping_outputs(workspace, definitions)
        workspace = replace(workspace, notes=(*workspace.notes, *notes))
        resolved = ResolvedWorkspace(workspace, config, definitions)
        self._remember(resolved, recording.record())
        return resolved

    def closures(self) -> dict[str, tuple[str, ...]] | None:
        """`name@version` of each package's closure, for a workspace that was remembered."""
        kept: Closures | None = read_checked(self._closures_path, Decoder(Closures))
        return kept.external if kept is not None and kept.token == self._token else None

    def forget(self) -> None:
        """Make the next run work the workspace out anew."""
        for path in (self._snapshot_path, self._closures_path):
            try:
                os.unlink(path)
            except OSError:
                pass

    def _remember(self, resolved: ResolvedWorkspace, record: TreeRecord) -> None:
        workspace = resolved.workspace
        closures = {name: package.external for name, package in workspace.packages.items()}
        lean = {
            # What was inferred is among the definitions by now.
            name: replace(p, external=(), inferred={})
            for name, p in workspace.packages.items()
        }
        token = os.urandom(8).hex()
        try:
            # Closures first: a snapshot that is found must find its closures.
            write_checked(self._closures_path, Closures(token, closures))
            write_checked(
                self._snapshot_path,
                Snapshot(
                    self._identity,
                    token,
                    record,
                    replace(resolved, workspace=replace(workspace, packages=lean)),
                ),
            )
            self._token = token
        except UnicodeEncodeError:
            # A name that is not UTF-8 cannot be kept; it is worked out each time instead.
            self.forget()
