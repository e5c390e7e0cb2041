"""Writes out what Typer does not know of bao's command line, before Typer reads it."""

from __future__ import annotations

from msgspec import Struct

from bao_core.cli.commands import PluginCommandArguments
from bao_core.cli.options import GLOBAL_OPTIONS, by_flag
from bao_core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bao_core.cli.options import Command, Option


class Prepared(Struct, frozen=True):
    """A command line in the form that Typer can read.

    Attributes:
        argv: Its words.
        passed: What follows `--`, for the tasks; or all that follows a plugin's command.
    """

    argv: list[str]
    passed: tuple[str, ...] = ()


def prepare(argv: Sequence[str], commands: Mapping[str, Command]) -> Prepared:
    """Write out what Typer does not know.

    These are options whose value may be missing, and words that are for somebody else.
    """
    words = iter(argv)
    prepared: list[str] = []
    flags = by_flag(GLOBAL_OPTIONS)
    name = ""
    passed: tuple[str, ...] = ()
    for word in words:
        if word == "--":
            if name in commands and commands[name].passes:
                passed = tuple(words)
            else:
                prepared += [word, *words]
        elif word[:1] == "-" and word != "-":
            prepared += _option_words(word, words, flags)
        else:
            prepared.append(word)
            if not name:
                name = word
                flags = _flags_below(name, commands)
                if name in commands and commands[name].record is PluginCommandArguments:
                    passed = tuple(words)
    return Prepared(prepared, passed)


def _flags_below(name: str, commands: Mapping[str, Command]) -> dict[str, Option]:
    """The options of a command, or of all commands of a group."""
    flags = by_flag(GLOBAL_OPTIONS)
    for command in commands.values():
        if command.name == name or command.name.startswith(f"{name} "):
            flags.update(command.flags())
    return flags


def _option_words(word: str, words: Iterator[str], flags: dict[str, Option]) -> list[str]:
    """One option as Typer reads it, with its value if that is a word of its own."""
    if word.startswith("--"):
        option = flags.get(word)
        if option is None:
            return [word]
        if option.kind == "maybe":
            return [f"{word}={option.bare}"]
        return [word, *_value_word(option, words)] if option.takes_value else [word]
    for index, letter in enumerate(word[1:], start=2):
        option = flags.get(f"-{letter}")
        if option is not None and option.takes_value:
            return [word] if word[index:] else [word, *_value_word(option, words)]
    return [word]


def _value_word(option: Option, words: Iterator[str]) -> list[str]:
    """The value of an option as the next word; empty at the end, of which Typer complains.

    Raises:
        UsageError: It looks like an option, so that the value was more likely forgotten.
    """
    value = next(words, None)
    if value is None:
        return []
    if value[:1] == "-" and value != "-":
        flag = option.flags[0]
        raise UsageError(
            f"{flag} needs a value, and '{value}' looks like an option",
            hint=f"if it is meant, write {flag}={value}",
        )
    return [value]
