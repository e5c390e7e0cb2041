"""Tasks of Poe the Poet: `[tool.poe]`, or a `poe_tasks.toml` or `poe_tasks.json` beside it.

Its configuration: https://poethepoet.natn.io/tasks/ and https://poethepoet.natn.io/guides/include_guide.html
"""

from __future__ import annotations

import tomllib
from typing import Any

from msgspec import Struct

from bao_core.errors import WorkspaceError
from bao_workspace_python.paths import is_outside, resolved
from bao_workspace_python.tasks.declared import (
    Declared,
    names_of,
    place_of,
    plain_words,
    table_at,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bao_core.model import Command, FileTree

FILES = ("poe_tasks.toml", "poe_tasks.json")
"""What Poe reads where `pyproject.toml` does not speak of it; the first one that is there."""

_HARMLESS = frozenset({"tasks", "groups", "include", "verbosity", "poetry_command", "poetry_hooks"})
"""Settings that change nothing about how a plain command runs."""


class _File(Struct, frozen=True):
    """A file with tables of Poe.

    Attributes:
        prefix: Where the tables stand in the file, such as `tool.poe.`; may be empty.
    """

    path: str
    text: str
    tables: dict[str, Any]
    prefix: str


def poe_tasks(
    tree: FileTree, directory: str, path: str, text: str, document: dict[str, Any]
) -> Iterator[Declared]:
    """The tasks that Poe knows in a directory.

    Args:
        tree: To read further files from.
        directory: Of the package, from the root.
        path: Of its `pyproject.toml`.
        text: The content of that file.
        document: The same, parsed.

    Raises:
        WorkspaceError: One of Poe's own files is broken.
    """
    main = _File(path, text, table_at(document, "tool", "poe"), "tool.poe.")
    if not main.tables:
        files = (_read(tree, _beside(directory, name)) for name in FILES)
        first = next((file for file in files if file is not None), None)
        if first is None:
            return
        main = first
    plain = main.tables.keys() <= _HARMLESS
    yield from _tasks_of(main, plain=plain)
    # An included file may set a directory or an environment for its tasks.
    seen = {main.path}
    for file in _included(tree, directory, main, seen):
        yield from _tasks_of(file, plain=False)


def _tasks_of(file: _File, *, plain: bool) -> Iterator[Declared]:
    tables = [("tasks", table_at(file.tables, "tasks"), plain)]
    for name, group in table_at(file.tables, "groups").items():
        simple = plain and "executor" not in table_at(group)
        tables.append((f"groups.{name}.tasks", table_at(group, "tasks"), simple))
    for name, table, simple in tables:
        full = f"{file.prefix}{name}"
        for task, value in names_of(table):
            if not isinstance(value, (str, list, dict)):
                continue
            place = place_of(file.path, file.text, full, task)
            yield Declared(task, _command(task, value, plain=simple), f"[{full}]", place)


def _command(name: str, value: object, *, plain: bool) -> Command:
    if isinstance(value, dict) and value.keys() <= {"cmd", "help"}:
        value = value.get("cmd")
    return (plain_words(value) if plain else None) or ("poe", name)


def _included(tree: FileTree, directory: str, file: _File, seen: set[str]) -> Iterator[_File]:
    """The files that a file includes, and those that they include, each after who includes it."""
    entries = file.tables.get("include")
    for entry in entries if isinstance(entries, list) else [entries]:
        name = entry.get("path") if isinstance(entry, dict) else entry
        path = resolved(directory, name) if isinstance(name, str) else None
        # A variable may stand in the path, and Poe alone knows what it means.
        if path is None or is_outside(path) or "$" in path or path in seen:
            continue
        seen.add(path)
        found = _read(tree, path)
        if found is None:
            continue
        yield found
        if not isinstance(entry, dict) or entry.get("recursive", True):
            yield from _included(tree, path.rpartition("/")[0], found, seen)


def _read(tree: FileTree, path: str) -> _File | None:
    data = tree.read(path)
    if data is None or not path.endswith((".toml", ".json")):
        return None
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    document = _parsed(path, text)
    own = table_at(document, "tool", "poe") or table_at(document, "tool.poe")
    if own or path.rpartition("/")[2] == "pyproject.toml":
        return _File(path, text, own, "tool.poe.")
    return _File(path, text, table_at(document), "")


def _parsed(path: str, text: str) -> object:
    try:
        if path.endswith(".toml"):
            return tomllib.loads(text)
        import json

        return json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "TOML" if path.endswith(".toml") else "JSON"
        raise WorkspaceError(
            f"is not {kind}: {error}", where=path, hint="Poe the Poet reads this file"
        ) from None


def _beside(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
