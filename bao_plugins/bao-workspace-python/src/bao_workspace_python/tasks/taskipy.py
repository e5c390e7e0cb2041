"""Tasks of taskipy: `[tool.taskipy.tasks]`; see https://github.com/taskipy/taskipy."""

from __future__ import annotations

from typing import Any

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

_TABLE = "tool.taskipy.tasks"
_HOOKS = ("pre_", "post_")


def taskipy_tasks(path: str, text: str, document: dict[str, Any]) -> Iterator[Declared]:
    """The tasks of a `pyproject.toml`, without those that only run before and after others."""
    taskipy = table_at(document, "tool", "taskipy")
    tasks = table_at(taskipy, "tasks")
    # A runner to put before each command, another directory, variables.
    settings = bool(table_at(taskipy, "settings"))
    for name, value in names_of(tasks):
        hook = next((hook for hook in _HOOKS if name.startswith(hook)), None)
        is_hook = hook is not None and name.removeprefix(hook) in tasks
        if not isinstance(value, (str, dict)) or is_hook:
            continue
        line = value
        if isinstance(value, dict) and value.keys() <= {"cmd", "help"}:
            line = value.get("cmd", "")
        hooked = any(f"{hook}{name}" in tasks for hook in _HOOKS)
        words = None if settings or hooked else plain_words(line)
        place = place_of(path, text, _TABLE, name)
        yield Declared(name, words or ("task", name), f"[{_TABLE}]", place)
