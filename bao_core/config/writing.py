"""Writing a `bao.toml`: one to begin with, or one that says what another tool's file says."""

from __future__ import annotations

from tomlkit import array, comment, document, nl, table

from bao_core.graph import ROOT_DEFINITIONS
from bao_core.model import ROOT, TaskDefinition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tomlkit import TOMLDocument
    from tomlkit.items import Array, Table

    from bao_core.config.model import RootConfig
    from bao_core.model import Package, Workspace

    Definitions = Mapping[str, Mapping[str, TaskDefinition]]

__all__ = ["starter", "translation"]

NARROW = 60
"""Characters up to which a list stands on one line."""

CHECKS = frozenset(
    {"check", "check-types", "format:check", "lint", "test", "tests", "type-check", "typecheck"}
)
"""Names of tasks that look at files and leave none."""

ENDLESS = frozenset({"dev", "preview", "serve", "start", "watch"})
"""Names of tasks that do not end by themselves."""

WORTH_CONFIGURING = ("build", "test", "lint", "typecheck")
"""Tasks to show where a workspace has none yet."""

KEYS = (
    "depends_on",
    "beside",
    "inputs",
    "outputs",
    "env",
    "pass_through_env",
    "cache",
    "clean",
    "persistent",
    "interactive",
    "output_logs",
)
"""What of a definition another tool's configuration can say, in the order of writing."""


def starter(definitions: Definitions) -> str:
    """A configuration to begin with, for the scripts that there are.

    Nothing in it can make a result wrong: a task whose outputs nobody has declared is not cached.
    """
    text = document()
    text.add(comment("Tasks for every package that has a script, or a command here, of that name."))
    text.add(nl())
    names = {task for package in definitions.values() for task in package}
    tasks = table(is_super_table=True)
    for name in sorted(names, key=_by_worth) or WORTH_CONFIGURING:
        tasks.append(name, _first_guess(name))
    text.append("tasks", tasks)
    return text.as_string()


def _by_worth(name: str) -> tuple[int, str]:
    known = name in WORTH_CONFIGURING
    return (WORTH_CONFIGURING.index(name) if known else len(WORTH_CONFIGURING)), name


def _first_guess(name: str) -> Table:
    task = table()
    if name in ENDLESS:
        task.append("persistent", True)
    elif name in CHECKS:
        task.append("depends_on", _list(["^build"]))
    else:
        task.append("depends_on", _list([f"^{name}"]))
        task.add(comment('outputs = ["dist/**"]  # what it leaves; with this, drop the next line'))
        task.append("cache", False)
    return task


def translation(config: RootConfig, workspace: Workspace, definitions: Definitions) -> str:
    """The configuration of another tool as a `bao.toml` that means the same.

    Args:
        config: With what the other tool's file says of the whole workspace.
        workspace: Its packages.
        definitions: By package and task name, and under `*` those that hold for all packages.
    """
    text = document()
    text.add(comment(f"Written from {config.foreign}, which has no effect beside this file."))
    text.add(nl())
    _add_globals(text, config)
    tasks = table(is_super_table=True)
    general = definitions.get(ROOT_DEFINITIONS, {})
    for name, definition in general.items():
        tasks.append(name, _task_table(definition, TaskDefinition(name)))
    for package in workspace.packages.values():
        for name, own in _own_tables(package, general, definitions.get(package.name, {})):
            tasks.append(name, own)
    text.append("tasks", tasks)
    if tagged := [p for p in workspace.packages.values() if p.tags]:
        packages = table(is_super_table=True)
        for package in tagged:
            entry = table()
            entry.append("tags", _list(package.tags))
            packages.append(package.name, entry)
        text.append("packages", packages)
    return text.as_string()


def _add_globals(text: TOMLDocument, config: RootConfig) -> None:
    inputs = [path for path in config.global_inputs or () if path != config.foreign]
    text.append("global_inputs", _list(inputs))
    for name in ("global_env", "global_pass_through_env"):
        if value := getattr(config, name):
            text.append(name, _list(value))
    if config.env_mode != "strict":
        text.append("env_mode", config.env_mode)
    if config.concurrency is not None:
        text.append("concurrency", config.concurrency)


def _own_tables(
    package: Package, general: Mapping[str, TaskDefinition], own: Mapping[str, TaskDefinition]
) -> Iterator[tuple[str, Table]]:
    """What a package's tasks have of their own, by `package#task`."""
    label = package.name if package.path else ROOT
    for name, definition in own.items():
        inherited = general.get(name, TaskDefinition(name))
        found = _task_table(definition, inherited)
        # A table on its own is what makes a script of the root a task.
        if found or name not in general or not package.path:
            yield f"{label}#{name}", found
    if not package.path:
        return
    for name in general:
        if name not in own and package.scripts.get(name):
            removed = table()
            removed.add(comment("taken away from this package; its script stays, uncached"))
            removed.append("extends", False)
            removed.append("cache", False)
            yield f"{label}#{name}", removed


def _task_table(definition: TaskDefinition, inherited: TaskDefinition) -> Table:
    """The keys in which a definition differs from what it inherits."""
    task = table()
    endless = definition.persistent or definition.interactive
    for key in KEYS:
        value = getattr(definition, key)
        if value == getattr(inherited, key) or (key == "cache" and endless and not value):
            continue
        if key == "output_logs":
            value = value or "full"
        if isinstance(value, tuple):
            task.append(key, _list([str(entry) for entry in value]))
        else:
            task.append(key, value)
    return task


def _list(entries: Sequence[str]) -> Array:
    items = array()
    items.extend(entries)
    items.multiline(multiline=sum(len(entry) + 4 for entry in entries) > NARROW)
    return items
