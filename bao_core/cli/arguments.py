"""The plain reader: understands the usual forms of `run` and `ls` without importing Typer.

It declines whatever is unusual, by answering None, and Typer reads that; a property test holds
that both understand the same where this one does not decline.
"""

from __future__ import annotations

from bao_core.cli.checking import invocation
from bao_core.cli.options import GLOBAL_OPTIONS, LS, RUN, by_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from bao_core.cli.options import Command, Invocation, Option


_SHORT = 2
"""Characters of a short spelling, such as `-v`."""

COMPLETE_VARIABLE = "_BAO_COMPLETE"
"""Set by a shell that asks what a word may become; Typer answers it."""


def read_plain(argv: Sequence[str]) -> Invocation | None:
    """Understand a command line, or decline it.

    Args:
        argv: The words after the program's name.

    Raises:
        UsageError: The form is understood, and a value is none that its option takes.
    """
    command: Command | None = None
    flags = by_flag(GLOBAL_OPTIONS)
    values: dict[str, Any] = {}
    words: list[str] = []
    rest = list(reversed(argv))
    while rest:
        word = rest.pop()
        if word == "--":
            if command is None or not command.passes:
                return None
            values["arguments"] = tuple(reversed(rest))
            break
        if word[:1] == "-":
            if not _take(word, rest, flags, values):
                return None
        elif command is not None:
            words.append(word)
        else:
            command = {"run": RUN, "ls": LS}.get(word)
            if command is None:
                return None
            flags = command.flags()
    if command is None or (words and command.words is None):
        return None
    if command.words is not None and words:
        values[command.words.field] = tuple(words)
    return invocation(command, values)


def leading_options(argv: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The global options before the command, by field, and the command's name.

    Neither is complete where a form is not plain; the name is empty then.
    """
    flags = by_flag(GLOBAL_OPTIONS)
    values: dict[str, Any] = {}
    rest = list(reversed(argv))
    while rest and rest[-1][:1] == "-":
        if not _take(rest.pop(), rest, flags, values):
            return values, ""
    return values, rest[-1] if rest else ""


def _take(word: str, rest: list[str], flags: dict[str, Option], values: dict[str, Any]) -> bool:
    """Take one option, and its value from `rest`; False to decline the command line."""
    flag, attached = _split(word)
    option = flags.get(flag)
    if option is None:
        return False
    match option.kind:
        case "value" | "list":
            # The value was more likely forgotten; the other reader says so.
            if attached is None and (not rest or rest[-1][:1] == "-"):
                return False
            value = rest.pop() if attached is None else attached
            earlier = values.get(option.field, ())
            values[option.field] = value if option.kind == "value" else (*earlier, value)
        case "maybe":
            values[option.field] = option.bare if attached is None else attached
        case "count":
            # `-vvv` is three times `-v`; nothing else may be attached.
            if attached is not None and (len(flag) != _SHORT or attached.strip(flag[1])):
                return False
            values[option.field] = values.get(option.field, 0) + 1 + len(attached or "")
        case "flag" | "switch":
            if attached is not None:
                return False
            values[option.field] = flag != option.negative
    return True


def _split(word: str) -> tuple[str, str | None]:
    """An option's spelling, and the value that is attached to it."""
    if word[:2] != "--":
        return word[:_SHORT], word[_SHORT:] or None
    flag, equals, value = word.partition("=")
    return flag, value if equals else None
