"""The plain reader: understands the usual forms of `run` and `ls` without importing Typer.

It declines whatever is unusual, by answering None, and Typer reads that; a property test holds
that both understand the same where this one does not decline.
"""

from __future__ import annotations

from bao_core.cli.options import GLOBAL_OPTIONS, LS, RUN, Invocation, by_flag, invocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from bao_core.cli.options import Command, Option


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
    if word[:2] == "--":
        flag, equals, value = word.partition("=")
        attached = bool(equals)
    else:
        flag, value = word[:2], word[2:]
        attached = bool(value)
    option = flags.get(flag)
    if option is None:
        return False
    if option.takes_value:
        if not attached:
            # A value that looks like an option is more likely a forgotten value: Typer decides.
            if not rest or rest[-1][:1] == "-":
                return False
            value = rest.pop()
        if option.kind == "list":
            values[option.field] = (*values.get(option.field, ()), value)
        else:
            values[option.field] = value
        return True
    if option.kind == "maybe":
        values[option.field] = value if attached else option.bare
        return True
    if option.kind == "count":
        # `-vvv` is three times `-v`; nothing else may be attached.
        if value.strip(flag[1]) or word[:2] == "--" and attached:
            return False
        values[option.field] = values.get(option.field, 0) + 1 + len(value)
        return True
    if attached:
        return False
    values[option.field] = flag != option.negative
    return True
