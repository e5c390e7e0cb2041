"""What all task runners have in common: a declared task, and when its line needs no runner."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bao_core.model import Command

_PLAIN = re.compile(r"[A-Za-z0-9_./:,@%+-][A-Za-z0-9_./:,@%+=-]*")
_NAME = re.compile(r"(?![\^$!\s])[^#\0\r\n]*[^#\s\0]")


class Declared(Struct, frozen=True):
    """A task that a runner's tables declare.

    Attributes:
        name: Of the task.
        command: What runs it, in the package's directory.
        table: The table that declares it, such as `[tool.poe.tasks]`.
        place: The file, and the line where that is known.
    """

    name: str
    command: Command
    table: str
    place: str

    @property
    def source(self) -> str:
        """Where the task is declared, such as `pyproject.toml:12 [tool.poe.tasks]`."""
        return f"{self.place} {self.table}"


def table_at(document: object, *names: str) -> dict[str, Any]:
    """A table inside tables; empty where there is none, or something else."""
    found: object = document
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def is_task_name(name: str) -> bool:
    """Whether bao can call a task so."""
    return _NAME.fullmatch(name) is not None


def plain_words(line: object) -> tuple[str, ...] | None:
    """The program and the arguments of a command line that means the same to everybody.

    Such a line has no quotes, variables, wildcards, placeholders or operators, so that every
    runner splits it at its spaces and starts the program in the package's directory.

    Returns:
        None for any other line, and for what is no text.
    """
    words = line.split(" ") if isinstance(line, str) else []
    if not words or not all(map(_PLAIN.fullmatch, words)):
        return None
    # `NAME=value` sets a variable, and some runners start `.py` files with an interpreter.
    if "=" in words[0] or words[0].endswith(".py"):
        return None
    return tuple(words)


def place_of(path: str, text: str, table: str, name: str) -> str:
    """The file and line where a table declares a name; the file alone where the line is not found.

    Args:
        path: The file's.
        text: Its content.
        table: The dotted name of the table, such as `tool.poe.tasks`.
        name: The key in it.
    """
    header, key = re.escape(table), rf"[\"']?{re.escape(name)}[\"']?"
    found = re.search(rf"^[ \t]*\[[ \t]*{header}\.{key}[ \t]*\]", text, re.MULTILINE)
    if found is None:
        start = re.search(rf"^[ \t]*\[[ \t]*{header}[ \t]*\]", text, re.MULTILINE)
        if start is not None:
            entry = re.compile(rf"^[ \t]*{key}[ \t]*[=.]", re.MULTILINE)
            found = entry.search(text, start.end())
    return path if found is None else f"{path}:{text.count(chr(10), 0, found.start()) + 1}"


def by_precedence(found: Iterable[Declared]) -> tuple[dict[str, Command], dict[str, str]]:
    """The command of each task and its source, from all that declare it, the first one counting."""
    commands: dict[str, Command] = {}
    sources: dict[str, list[str]] = {}
    for task in found:
        commands.setdefault(task.name, task.command)
        named = task.table if task.name in sources else task.source
        sources.setdefault(task.name, []).append(named)
    return commands, {
        name: f"{first}, before {' and '.join(others)}" if others else first
        for name, (first, *others) in sources.items()
    }


def names_of(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The entries of a table whose names bao can use and the runner does not hide."""
    for name, value in table.items():
        if is_task_name(name) and not name.startswith("_"):
            yield name, value
