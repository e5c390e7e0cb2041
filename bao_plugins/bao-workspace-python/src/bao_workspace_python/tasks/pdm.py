"""Scripts of PDM: `[tool.pdm.scripts]`; see https://pdm-project.org/en/latest/usage/scripts/."""

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

    from bao_core.model import Command

_TABLE = "tool.pdm.scripts"
_HOOKS = ("pre_", "post_")
_SIGNALS = frozenset(
    {"build", "init", "install", "invoke", "lock", "publish", "run", "script", "use"}
)
"""What PDM does itself and calls scripts before and after, by their names."""


def pdm_tasks(path: str, text: str, document: dict[str, Any]) -> Iterator[Declared]:
    """The scripts of a `pyproject.toml`, without those that only run before and after others."""
    scripts = table_at(document, "tool", "pdm", "scripts")
    # Shared options, and scripts that PDM runs around every other.
    shared = bool(scripts.keys() & {"_", "pre_script", "post_script", "pre_run", "post_run"})
    for name, value in names_of(scripts):
        if not isinstance(value, (str, list, dict)) or _is_hook(name, scripts):
            continue
        hooked = any(f"{hook}{name}" in scripts for hook in _HOOKS)
        place = place_of(path, text, _TABLE, name)
        command = _command(name, value, plain=not shared and not hooked)
        yield Declared(name, command, f"[{_TABLE}]", place)


def _is_hook(name: str, scripts: dict[str, Any]) -> bool:
    for hook in _HOOKS:
        if name.startswith(hook):
            hooked = name.removeprefix(hook)
            return hooked in scripts or hooked in _SIGNALS
    return False


def _command(name: str, value: object, *, plain: bool) -> Command:
    if isinstance(value, dict) and value.keys() <= {"cmd", "help"}:
        value = value.get("cmd")
    if isinstance(value, list) and all(isinstance(word, str) and " " not in word for word in value):
        value = " ".join(value)
    return (plain_words(value) if plain else None) or ("pdm", "run", name)
