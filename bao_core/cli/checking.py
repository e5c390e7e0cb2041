"""Checks what a reader of the command line read, and makes the records of it."""

from __future__ import annotations

import re

from bao_core.cli.options import GLOBAL_OPTIONS, Invocation
from bao_core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from bao_core.cli.options import Command, Option, Words


def invocation(command: Command, values: Mapping[str, Any]) -> Invocation:
    """Check what a reader read, and make the records of it.

    Args:
        command: The command.
        values: What was given, by field: text, a tuple of texts, a bool or a count. What was not
            given is missing.

    Raises:
        UsageError: A value is none that its option takes, or there are too many words.
    """
    remaining = dict(values)
    for option in (*command.options, *GLOBAL_OPTIONS):
        if option.field in remaining:
            _check_option(option, remaining[option.field])
    if command.words is not None:
        _check_words(command.words, remaining.get(command.words.field, ()))
    common = {
        option.field: remaining.pop(option.field)
        for option in GLOBAL_OPTIONS
        if option.field in remaining
    }
    return Invocation(command.name, command.record(**remaining), **common)


def _check_option(option: Option, value: Any) -> None:
    texts = value if isinstance(value, tuple) else (value,)
    for text in texts:
        if isinstance(text, str):
            _check_value(option, text)


def _check_value(option: Option, text: str) -> None:
    flag = option.flags[0]
    if not text:
        raise UsageError(f"{flag} needs a value")
    if option.choices and text not in option.choices:
        raise UsageError(_not_among(flag, text, option.choices))
    if option.pattern and re.fullmatch(option.pattern, text) is None:
        raise UsageError(f"{flag} does not understand '{text}'; it takes {option.example}")


def _check_words(words: Words, given: Sequence[str]) -> None:
    if words.required and not given:
        raise UsageError(f"{words.metavar} is missing: {words.help}")
    if words.limit is not None and len(given) > words.limit:
        raise UsageError(f"unexpected argument '{given[words.limit]}'")
    for word in given:
        if not word:
            raise UsageError(f"{words.metavar} must not be empty")
        if words.choices and word not in words.choices:
            raise UsageError(_not_among(words.metavar, word, words.choices))


def _not_among(what: str, given: str, choices: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(given, choices, 1)
    meant = f"; did you mean '{near[0]}'?" if near else ""
    return f"{what} does not take '{given}' (possible: {', '.join(choices)}){meant}"
