"""Task definitions for every package, after all inheritance."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bao_core.model import ROOT, TaskDefinition, TaskReference
from bao_workspace_node.manifest import EDGES, MANIFEST, read_manifest
from bao_workspace_node.turbo.frameworks import framework_env
from bao_workspace_node.turbo.layers import merge
from bao_workspace_node.turbo.patterns import input_patterns, output_patterns
from bao_workspace_node.turbo.variables import variable_patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bao_core.model import Command, FileTree, Package, Workspace
    from bao_workspace_node.turbo.checking import Checked
    from bao_workspace_node.turbo.layers import Layer, Said, Written

    Layers = Mapping[str, Layer]


class Sources(Struct, frozen=True):
    """Everything that the files say.

    Attributes:
        root: Layers of the root file by task as written: `build`, `package#build`, `//#build`.
        files: The files of packages, by package.
        packages: Their layers, by package.
        chains: By package, whose layers it inherits from, in order, itself last.
    """

    root: Layers
    files: Mapping[str, Checked]
    packages: Mapping[str, Layers]
    chains: Mapping[str, Sequence[str]]


class Setting(Struct, frozen=True):
    """What of a package bears on its definitions.

    Attributes:
        framework: Patterns of the variables that its framework reads.
        always: Files of it that are inputs of every task.
        has_dependencies: Whether `^` leads anywhere.
    """

    directory: str
    framework: tuple[str, ...]
    always: tuple[str, ...]
    has_dependencies: bool


def all_definitions(
    sources: Sources, workspace: Workspace, tree: FileTree, *, whole_root: bool
) -> dict[str, dict[str, TaskDefinition]]:
    """The definitions of every package, by its name and the task's.

    Args:
        sources: What the files say.
        workspace: The packages; those of other kinds have no tasks here.
        tree: To read manifests from.
        whole_root: The root package has the tasks that every package has, and not only its own.

    Raises:
        ConfigError: A task says what cannot be.
    """
    plain = [name for name in sources.root if "#" not in name]
    found: dict[str, dict[str, TaskDefinition]] = {}
    for package in workspace.packages.values():
        if "node" in package.provider.split():
            names = plain if package.path or whole_root else []
            found[package.name] = _of_package(package, sources, tree, names)
    return found


def general_definitions(root: Layers) -> dict[str, TaskDefinition]:
    """What the root file says of each task name."""
    setting = Setting("", (), (MANIFEST,), has_dependencies=True)
    found = {}
    for name, layer in root.items():
        said = merge([layer])
        if "#" not in name and said is not None:
            found[name] = _definition(name, said, setting, None)
    return found


def _of_package(
    package: Package, sources: Sources, tree: FileTree, plain: Sequence[str]
) -> dict[str, TaskDefinition]:
    own = _named_for(package, sources.root)
    chain = [sources.packages[name] for name in sources.chains.get(package.name, ())]
    names = dict.fromkeys((*plain, *own, *(task for layers in chain for task in layers)))
    if not names:
        return {}
    setting = _setting_of(package, sources, tree)
    found: dict[str, TaskDefinition] = {}
    for name in names:
        first = own.get(name) or (sources.root.get(name) if name in plain else None)
        layers = [first] if first else []
        layers += [layers_[name] for layers_ in chain if name in layers_]
        said = merge(layers)
        if said is not None:
            found[name] = _definition(name, said, setting, package.scripts.get(name))
    return found


def _named_for(package: Package, root: Layers) -> dict[str, Layer]:
    """What the root file says of `package#task`."""
    labels = {package.name} if package.path else {package.name, ROOT}
    found = {}
    for name, layer in root.items():
        label, sign, task = name.partition("#")
        if sign and label in labels:
            found[task] = layer
    return found


def _setting_of(package: Package, sources: Sources, tree: FileTree) -> Setting:
    data = tree.read(package.manifest)
    dependencies: set[str] = set()
    if data is not None:
        content = read_manifest(package.manifest, data).content
        for _, table in EDGES:
            dependencies.update(getattr(content, table) or ())
    always = [MANIFEST]
    if file := sources.files.get(package.name):
        always.append(file.file.path.rpartition("/")[2])
    return Setting(
        package.path,
        framework_env(dependencies),
        tuple(always),
        any(dependency.kind != "extra" for dependency in package.dependencies),
    )


def _definition(name: str, said: Said, setting: Setting, command: Command | None) -> TaskDefinition:
    _check_said(said)
    scalars: dict[str, Any] = said.scalars
    persistent = bool(scalars.get("persistent"))
    interactive = bool(scalars.get("interactive"))
    env = (entry.text for entry in said.texts("env"))
    return TaskDefinition(
        name,
        command=command,
        depends_on=_references(said.texts("dependsOn"), setting),
        inputs=_inputs(said, setting),
        outputs=output_patterns(said.texts("outputs"), setting.directory),
        env=variable_patterns((*setting.framework, *env)),
        pass_through_env=variable_patterns(entry.text for entry in said.texts("passThroughEnv")),
        # Turbo keeps what a server printed; it has no result.
        cache=scalars.get("cache", True) and not persistent and not interactive,
        clean=False,
        persistent=persistent,
        interactive=interactive,
        output_logs=scalars.get("outputLogs", ""),
        tags=tuple(dict.fromkeys(entry.text for entry in said.texts("tags"))),
        description=scalars.get("description", ""),
        source=said.source.file.source(said.source.key),
        lenient=True,
        beside=_references(said.texts("with"), setting),
    )


def _inputs(said: Said, setting: Setting) -> tuple[str, ...]:
    inputs = input_patterns(said.texts("inputs"), setting.directory, setting.always)
    dot_env = output_patterns(said.texts("dotEnv"), setting.directory)
    return tuple(dict.fromkeys((*inputs, *dot_env)))


def _check_said(said: Said) -> None:
    scalars, source = said.scalars, said.source
    name = source.key[-1]
    if scalars.get("interactive") and scalars.get("cache", True):
        raise source.file.error(
            (*source.key, "interactive"),
            f"task '{name}' is interactive, and what somebody types is not cached",
            'add "cache": false',
        )
    if scalars.get("interruptible") and not scalars.get("persistent"):
        raise source.file.error(
            (*source.key, "interruptible"),
            f"task '{name}' is interruptible, which goes with persistent tasks alone",
            'add "persistent": true',
        )


def _references(written: Iterable[Written], setting: Setting) -> tuple[TaskReference, ...]:
    found: dict[TaskReference, None] = {}
    for entry in written:
        above = entry.text.startswith("^")
        package, sign, task = entry.text[above:].rpartition("#")
        if sign:
            # `^package#task` is that one task, for packages that depend on anything.
            if setting.has_dependencies or not above:
                found[TaskReference(task, "package", package)] = None
        else:
            found[TaskReference(task, "dependencies" if above else "self")] = None
    return tuple(found)
