"""Task tables to task definitions: what each package's tasks are, after all inheritance."""

from __future__ import annotations

from typing import Any

from msgspec import convert

from bao_core.config.checks import parse_duration, parse_reference
from bao_core.config.errors import unknown_name
from bao_core.config.files import read_package_file, root_file
from bao_core.config.records import FollowTable, TaskTable
from bao_core.graph import ROOT_DEFINITIONS
from bao_core.model import ROOT, TaskDefinition, TaskReference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bao_core.config.errors import ConfigFile
    from bao_core.config.lines import Key
    from bao_core.config.model import RootConfig
    from bao_core.model import Command, FileTree, Package, Workspace


class Layer:
    """One task table, and where it stands."""

    __slots__ = ("_source", "file", "key", "table")

    def __init__(self, table: TaskTable, file: ConfigFile, key: Key) -> None:
        self.table = table
        self.file = file
        self.key = key
        self._source = ""

    @property
    def source(self) -> str:
        """File and line."""
        if not self._source:
            self._source = self.file.source(self.key)
        return self._source


class Definitions:
    """Works out what each package's tasks are.

    A package's own table inherits, key by key, from `package#task` in the root's configuration,
    and that from the root's table of the task's name.
    """

    def __init__(self, config: RootConfig, workspace: Workspace, tree: FileTree) -> None:
        self._workspace = workspace
        self._tree = tree
        self._general: dict[str, Layer] = {}
        self._single: dict[str, dict[str, Layer]] = {}
        self._shared: dict[tuple[str, Command | None], TaskDefinition] = {}
        self._infers = config.infer
        if config.path:
            self._read_root(config, root_file(config, tree))

    def resolve(self) -> dict[str, dict[str, TaskDefinition]]:
        """`bao_core.config.resolve_definitions`."""
        general = {name: self._inherited(name, [layer]) for name, layer in self._general.items()}
        found = {p.name: self._of_package(p) for p in self._workspace.packages.values()}
        had = set().union(*found.values())
        for name, definition in general.items():
            # A task that only stands for others is one of every package but the root.
            if name not in had and definition.command is None and definition.depends_on:
                for package in self._workspace.packages.values():
                    if not self._is_mere_root(package):
                        found[package.name][name] = definition
        return {ROOT_DEFINITIONS: general, **found}

    def _read_root(self, config: RootConfig, file: ConfigFile) -> None:
        packages = self._workspace.packages
        for name in config.packages:
            if name != ROOT and name not in packages:
                raise _unknown_package(name, packages, file, ("packages", name))
        for name, table in config.tasks.items():
            key: Key = ("tasks", name)
            layer = Layer(convert(table, TaskTable), file, key)
            package, sign, task = name.partition("#")
            if not sign:
                self._general[name] = layer
                continue
            package = self._workspace.root_package if package == ROOT else package
            if package not in packages:
                raise _unknown_package(package, packages, file, key)
            if task in self._single.setdefault(package, {}):
                raise file.error(key, f"tasks: '{name}' is there already, as '{ROOT}#{task}'")
            self._single[package][task] = layer

    def _of_package(self, package: Package) -> dict[str, TaskDefinition]:
        own, infers = self._own_layers(package)
        single = self._single.get(package.name, {})
        inferred = package.inferred if infers else {}
        found: dict[str, TaskDefinition] = {}
        for name in dict.fromkeys((*self._general, *single, *own, *package.scripts, *inferred)):
            specific = [layers[name] for layers in (single, own) if name in layers]
            definition = self._definition(name, specific, package, inferred.get(name))
            # A task without a command may still stand for others, in this package alone.
            if definition is not None and (
                definition.command is not None
                or any(layer.table.depends_on is not None for layer in specific)
            ):
                found[name] = definition
        return found

    def _definition(
        self,
        name: str,
        specific: Sequence[Layer],
        package: Package,
        inferred: TaskDefinition | None,
    ) -> TaskDefinition | None:
        script = _runnable(package.scripts.get(name))
        guess = None if name in package.scripts else inferred
        if not specific and self._is_root_of_many(package):
            # What stands at the root for everybody, such as a script that calls bao for all
            # packages, is no task of the root package unless somebody says so.
            if package.name == ROOT:
                return None
            script = guess = None
        if name in self._general or specific:
            general = [self._general[name]] if name in self._general else []
            layers = [*general, *specific]
            if any(layer.table.command is not None for layer in layers):
                guess = None  # it was made for another command
            return (
                self._inherited(name, layers, script)
                if guess is None
                else self._merged(name, layers, None, guess)
            )
        return guess if script is None else _unconfigured(name, script, package)

    def _own_layers(self, package: Package) -> tuple[dict[str, Layer], bool]:
        """The tables of a package, and whether tasks are inferred for it."""
        own = read_package_file(package, self._tree)
        if own is None:
            return {}, self._infers
        layers = {
            name: Layer(table, own.file, ("tasks", name))
            for name, table in own.tables.tasks.items()
        }
        infer = own.tables.infer
        return layers, self._infers if infer is None else infer

    def _is_root_of_many(self, package: Package) -> bool:
        return not package.path and len(self._workspace.packages) > 1

    def _is_mere_root(self, package: Package) -> bool:
        return package.name == ROOT and self._is_root_of_many(package)

    def _inherited(
        self, name: str, layers: Sequence[Layer], script: Command | None = None
    ) -> TaskDefinition:
        """The definition that some tables and a script come to."""
        if len(layers) > 1 or name not in self._general:
            return self._merged(name, layers, script)
        known = self._shared.get((name, script))
        if known is None:
            known = self._shared[name, script] = self._merged(name, layers, script)
        return known

    def _merged(
        self,
        name: str,
        layers: Sequence[Layer],
        script: Command | None,
        guess: TaskDefinition | None = None,
    ) -> TaskDefinition:
        """The definition that some tables come to, on top of a script or an inferred task."""
        said = _said(layers)
        values: dict[str, Any] = {key: value for key, (value, _) in said.items()}
        source = layers[-1].source
        if guess is not None and not any(layer.table.extends is False for layer in layers):
            values = {**_guessed(guess, said), **values}
            source = f"{source}, {guess.source}"
        endless = bool(values.get("persistent") or values.get("interactive"))
        if values.get("cache") and values.get("persistent"):
            raise _mistake(said["cache"][1], "cache", "a persistent task has no result to keep")
        values.setdefault("cache", not endless)
        values.setdefault("command", script)
        if isinstance(values.get("timeout"), str):
            values["timeout"] = parse_duration(values["timeout"])
        if "depends_on" in said:
            values["depends_on"] = self._references("depends_on", *said["depends_on"])
        if "beside" in said:
            values["beside"] = self._references("beside", *said["beside"])
        return TaskDefinition(name, source=source, **values)

    def _references(
        self, name: str, entries: Sequence[str | FollowTable], layer: Layer
    ) -> tuple[TaskReference, ...]:
        found: dict[str, TaskReference] = {}
        for index, entry in enumerate(entries):
            if isinstance(entry, str):
                reference = parse_reference(entry)
            else:
                reference = parse_reference(entry.task, entry.follow)
            key = (*layer.key, name, index)
            package = reference.package
            if package not in {"", ROOT} and package not in self._workspace.packages:
                raise _unknown_package(package, self._workspace.packages, layer.file, key)
            known = found.setdefault(str(reference), reference)
            if known.follow != reference.follow:
                raise layer.file.error(
                    key,
                    f"{_label(layer)}.{name}: '{reference}' is there twice, with follow = "
                    f"'{known.follow}' and '{reference.follow}'",
                    "keep one of the two",
                )
        return tuple(found.values())


def _said(layers: Sequence[Layer]) -> dict[str, tuple[Any, Layer]]:
    """Each key that the layers give, from the last one that does."""
    said: dict[str, tuple[Any, Layer]] = {}
    for layer in layers:
        if layer.table.extends is False:
            said = {}
        for name in TaskTable.__struct_fields__:
            value = getattr(layer.table, name)
            if value is not None and name != "extends":
                said[name] = (value, layer)
    return said


def _guessed(guess: TaskDefinition, said: Mapping[str, tuple[Any, Layer]]) -> dict[str, Any]:
    """What stays of an inferred task where tables say more."""
    values = {
        key: value
        for key in TaskTable.__struct_fields__
        if key != "extends" and (value := getattr(guess, key)) is not None
    }
    if any(name in said and said[name][0] for name in ("persistent", "interactive")):
        # Whether results are kept depends on how it is run.
        del values["cache"]
    return values


def _unconfigured(name: str, script: Command, package: Package) -> TaskDefinition:
    return TaskDefinition(
        name,
        command=script,
        depends_on=(TaskReference(name, "dependencies"),),
        cache=False,
        configured=False,
        source=package.script_sources.get(name, package.script_source),
    )


def _runnable(script: Command | None) -> Command | None:
    if isinstance(script, str):
        return script if script.strip() else None
    return script or None


def _label(layer: Layer) -> str:
    return ".".join(map(str, layer.key))


def _mistake(layer: Layer, name: str, message: str) -> Exception:
    return layer.file.error((*layer.key, name), f"{_label(layer)}.{name}: {message}")


def _unknown_package(
    name: str, packages: Mapping[str, Package], file: ConfigFile, key: Key
) -> Exception:
    message, hint = unknown_name(name, packages, "package")
    return file.error(key, message, hint)
