"""Reading every `turbo.json` of a workspace, and putting together what they say."""

from __future__ import annotations

import re
from typing import Any

from bao_core.model import ROOT, ForeignConfig
from bao_core.near_misses import advice
from bao_workspace_node.manifest import MANIFEST, read_manifest
from bao_workspace_node.settings import read_settings
from bao_workspace_node.turbo.checking import check_package, check_root, label
from bao_workspace_node.turbo.definitions import Sources, all_definitions, general_definitions
from bao_workspace_node.turbo.files import read_turbo_file
from bao_workspace_node.turbo.keys import RENAMED
from bao_workspace_node.turbo.layers import check_variable, read_layers, read_texts
from bao_workspace_node.turbo.patterns import root_patterns
from bao_workspace_node.turbo.variables import ALWAYS_COUNTED, PASSED_THROUGH, variable_patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bao_core.model import FileTree, Workspace
    from bao_workspace_node.turbo.checking import Checked
    from bao_workspace_node.turbo.jsonc import Key
    from bao_workspace_node.turbo.layers import Layer

ROOT_DEFINITIONS = "*"
"""Where core expects what the root file says of each task name."""


def load_turbo(tree: FileTree, workspace: Workspace) -> ForeignConfig | None:
    """What the `turbo.json` of the root and those of the packages say; None without one.

    Raises:
        ConfigError: One of them is wrong; names the file and the line.
    """
    file = read_turbo_file(tree, "")
    if file is None:
        return None
    root = check_root(file)
    files = _package_files(tree, workspace)
    single = _is_single(tree, workspace)
    layers = read_layers(root, root=True)
    _check_task_names(root, layers, single=single)
    sources = Sources(
        layers,
        files,
        {name: read_layers(checked, root=False) for name, checked in files.items()},
        _chains(files),
    )
    # The root has a name of its own where a workspace glob reaches it.
    whole_root = single or workspace.root_package != ROOT
    found = all_definitions(sources, workspace, tree, whole_root=whole_root)
    settings = _Globals(root)
    return ForeignConfig(
        file.path,
        {ROOT_DEFINITIONS: general_definitions(layers), **found},
        global_inputs=(*settings.inputs(), file.path),
        global_env=(*ALWAYS_COUNTED, *settings.variables("globalEnv")),
        global_pass_through_env=(*PASSED_THROUGH, *settings.variables("globalPassThroughEnv")),
        env_mode=settings.env_mode(),
        concurrency=settings.concurrency(),
        tags=_tags(root, files, workspace),
        notes=tuple(_notes(root, files, workspace)),
    )


def _is_single(tree: FileTree, workspace: Workspace) -> bool:
    """Whether the root is the only package there can be, so that all tasks are its own."""
    data = tree.read(MANIFEST)
    if data is None or len(workspace.packages) > 1:
        return False
    return not read_settings(tree, read_manifest(MANIFEST, data)).packages


def _package_files(tree: FileTree, workspace: Workspace) -> dict[str, Checked]:
    found = {}
    for package in workspace.packages.values():
        if package.path and "node" in package.provider.split():
            file = read_turbo_file(tree, package.path)
            if file is not None:
                checked = found[package.name] = check_package(file)
                _check_extends(checked)
                _check_plain_names(checked)
    return found


def _check_extends(checked: Checked) -> None:
    extends = checked.file.table.get("extends")
    if not extends:
        raise checked.file.error(
            ("extends",), "the file of a package must say what it extends", 'add "extends": ["//"]'
        )
    if extends[0] != ROOT:
        raise checked.file.error(
            ("extends", 0), f"extends: '{ROOT}' comes first", f'write ["{ROOT}", "{extends[0]}"]'
        )


def _check_plain_names(checked: Checked) -> None:
    for name in checked.tasks:
        if "#" in name:
            raise checked.file.error(
                (checked.tasks_key, name),
                f"'{name}': the file of a package speaks of its own tasks only",
                f"write '{name.partition('#')[2]}', or move it to the turbo.json of the root",
            )


def _check_task_names(root: Checked, layers: Mapping[str, Layer], *, single: bool) -> None:
    for name in layers:
        if single and "#" in name:
            raise root.file.error(
                (root.tasks_key, name),
                f"'{name}' names a package, and this workspace has only one",
                f"write '{name.partition('#')[2]}'",
            )


def _chains(files: Mapping[str, Checked]) -> dict[str, Sequence[str]]:
    """By package, those whose files it inherits from, itself last."""
    known: dict[str, Sequence[str]] = {}
    for name in files:
        _chain(name, files, known, ())
    return known


def _chain(
    name: str,
    files: Mapping[str, Checked],
    known: dict[str, Sequence[str]],
    below: tuple[str, ...],
) -> Sequence[str]:
    if name in known:
        return known[name]
    found: dict[str, None] = {}
    checked = files[name]
    for index, other in enumerate(checked.file.table["extends"]):
        if other == ROOT:
            continue
        key: Key = ("extends", index)
        if other not in files:
            raise checked.file.error(
                key,
                f"extends: package '{other}' has no turbo.json to extend",
                advice(other, files),
            )
        if other in (*below, name):
            circle = " -> ".join((*below, name, other))
            raise checked.file.error(key, f"these files extend each other: {circle}")
        for inherited in _chain(other, files, known, (*below, name)):
            # Of several mentions the last one counts.
            found.pop(inherited, None)
            found[inherited] = None
    known[name] = (*found, name)
    return known[name]


class _Globals:
    """What the root file says of the whole workspace, whichever way it is written."""

    def __init__(self, root: Checked) -> None:
        self._root = root
        self._file = root.file
        table = root.file.table
        self._nested = bool(table.get("futureFlags", {}).get("globalConfiguration"))
        if "global" in table and not self._nested:
            raise self._file.error(
                ("global",),
                "'global' needs the future flag globalConfiguration",
                'add "futureFlags": {"globalConfiguration": true}',
            )
        self._table: dict[str, Any] = table.get("global", {}) if self._nested else table
        if self._nested:
            self._refuse_replaced(table)

    def _refuse_replaced(self, table: Mapping[str, Any]) -> None:
        from bao_workspace_node.turbo.keys import GLOBAL

        for name in table:
            if RENAMED.get(name, name) in GLOBAL:
                raise self._file.error(
                    (name,),
                    f"'{name}' stands under 'global' where globalConfiguration is on",
                    f"move it to global.{RENAMED.get(name, name)}",
                )

    def _place(self, name: str) -> Key:
        return ("global", RENAMED.get(name, name)) if self._nested else (name,)

    def _entries(self, name: str) -> list[str]:
        entries: list[str] = self._table.get(str(self._place(name)[-1]), [])
        return entries

    def inputs(self) -> tuple[str, ...]:
        """Globs of files that are part of every key."""
        names = ("globalDependencies", "globalDotEnv")
        texts = [read_texts(self._file, self._place(n), self._entries(n)) for n in names]
        return tuple(dict.fromkeys(p for written in texts for p in root_patterns(written)))

    def variables(self, name: str) -> tuple[str, ...]:
        """Patterns of variables for every task."""
        written = read_texts(self._file, self._place(name), self._entries(name))
        for entry in written:
            check_variable(entry)
        return variable_patterns(entry.text for entry in written)

    def env_mode(self) -> str:
        """`strict` or `loose`."""
        # Turbo 1 was strict only where somebody had said what to pass through.
        strict = not self._root.old or "globalPassThroughEnv" in self._table
        return str(self._table.get("envMode", "strict" if strict else "loose"))

    def concurrency(self) -> int | str | None:
        """A number, or a share of the processors such as `50%`."""
        text = self._table.get("concurrency")
        if text is None:
            return None
        if re.fullmatch(r"[1-9]\d{0,8}", text):
            return int(text)
        if found := re.fullmatch(r"([1-9]\d{0,3})(?:\.\d+)?%", text):
            # Bao knows whole shares.
            return f"{found[1]}%"
        key = self._place("concurrency")
        raise self._file.error(
            key, f"{label(key)}: '{text}' is neither a number of tasks nor a share such as 50%"
        )


def _tags(
    root: Checked, files: Mapping[str, Checked], workspace: Workspace
) -> dict[str, tuple[str, ...]]:
    tables = {workspace.root_package: root, **files}
    tags = {name: checked.file.table.get("tags", ()) for name, checked in tables.items()}
    return {name: tuple(dict.fromkeys(words)) for name, words in tags.items() if words}


def _notes(root: Checked, files: Mapping[str, Checked], workspace: Workspace) -> Iterator[str]:
    if root.old:
        yield (
            f"{root.file.source(('pipeline',))}: 'pipeline' is the name that 'tasks' had in turbo"
            " 1; bao reads it all the same"
        )
    ignored = sorted({name for checked in (root, *files.values()) for name in checked.ignored})
    if ignored:
        yield f"{root.file.path}: bao does not act on {', '.join(ignored)}"
    for name in root.tasks:
        package, sign, _ = name.partition("#")
        if sign and package != ROOT and package not in workspace.packages:
            hint = advice(package, workspace.packages) if package else ""
            place = root.file.source((root.tasks_key, name))
            yield (
                f"{place}: '{name}' is for a package that is not there{f'; {hint}' if hint else ''}"
            )
