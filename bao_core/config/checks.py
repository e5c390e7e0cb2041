"""What a text in the configuration may be: one check for each kind of text.

A check answers with a clause to follow the text, such as "is absolute", or None for a good one.
Each kind also has a regular expression, in the dialect that JSON Schema shares with Python, for
editors: it accepts whatever the check accepts, and refuses most of what the check refuses.
"""

from __future__ import annotations

import re

from bao_core.globs import check_glob
from bao_core.model import TaskReference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.model import Follow

_NAME = r"[^#^$!\s](?:[^#\r\n]*[^#\s])?"
_END = r"$(?!\n)"
_WORDS = ("$default", "^$default", "$root/")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h)"
_LEAVES = r"(?:/|(?:[\s\S]*/)?\.\.(?:/|$(?!\n)))"

PATTERNS: dict[str, str] = {
    "duration": rf"^(?=[^1-9]*[1-9])(?:{_DURATION})+{_END}",
    "glob": rf"^(?!!?{_LEAVES}|!!|!?$(?!\n))[^\0]+$",
    "global input": rf"^(?:\$default|(?!!?{_LEAVES}|!!|!?$(?!\n)|!?[$^])[^\0]+){_END}",
    "input": (
        rf"^(?:\^?\$default|(?!!?(?:\$root/)?{_LEAVES}|!!|!?$(?!\n)|!?(?!\$root/[^!])[$^])"
        rf"[^\0]+){_END}"
    ),
    "output": rf"^(?!!?(?:\$root/)?{_LEAVES}|!!|!?$(?!\n)|!?(?!\$root/[^!])[$^])[^\0]+{_END}",
    "package": rf"^{_NAME}{_END}",
    "percentage": rf"^[1-9][0-9]{{0,3}}%{_END}",
    "reference": rf"^(?:\^?{_NAME}|{_NAME}#{_NAME}){_END}",
    "task": rf"^{_NAME}{_END}",
    "task key": rf"^(?:{_NAME}#)?{_NAME}{_END}",
    "text": r"\S",
    "variable": rf"^!?[^\s$!=\0]+{_END}",
    "word": rf"^[^\s,]+{_END}",
}
"""By kind."""


def check(kind: str, text: str) -> str | None:
    """What is wrong with a text of some kind; None for a good one."""
    return _CHECKS[kind](text)


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `90s` or `1h30m`."""
    return sum(
        float(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9.]+)([a-z]+)", text)
    )


def parse_reference(text: str, follow: Follow = "key") -> TaskReference:
    """What an entry of `depends_on` names."""
    if text.startswith("^"):
        return TaskReference(text[1:], "dependencies", follow=follow)
    package, sign, task = text.partition("#")
    if sign:
        return TaskReference(task, "package", package, follow)
    return TaskReference(text, follow=follow)


def _duration(text: str) -> str | None:
    if not re.search(PATTERNS["duration"], text):
        return "is no duration; write seconds, or a text such as '90s', '5m' or '1h30m'"
    return None


def _percentage(text: str) -> str | None:
    if not re.search(PATTERNS["percentage"], text):
        return "is no share; write a number such as 4, or a text such as '50%'"
    return None


def _name(text: str, what: str) -> str | None:
    if not text:
        return f"lacks its {what} name"
    if not re.search(PATTERNS["task"], text):
        return f"has no good {what} name: one starts with none of ^ $ ! and with no space"
    return None


def _package(text: str) -> str | None:
    return "names a task where a package must stand" if "#" in text else _name(text, "package")


def _task(text: str) -> str | None:
    if "#" in text:
        return "names a package; the root's configuration is the place for tasks of others"
    return _name(text, "task")


def _task_key(text: str) -> str | None:
    package, sign, task = text.partition("#")
    if "#" in task:
        return "has a '#' too many"
    return (_name(package, "package") if sign else None) or _name(task if sign else text, "task")


def _reference(text: str) -> str | None:
    if text.startswith("$"):
        return "looks like an environment variable; those belong in 'env'"
    if not text.startswith("^"):
        return _task_key(text)
    if "#" in text:
        return "names a package after '^'; write '^task' or 'package#task'"
    return _name(text[1:], "task")


def _variable(text: str) -> str | None:
    if not text.removeprefix("!"):
        return "is empty where the name of a variable must stand"
    if text.removeprefix("!").startswith("$"):
        return f"starts with '$'; write {text.replace('$', '')}"
    if "=" in text:
        return "holds a '='; variables are named here, their values come from the environment"
    if not re.search(PATTERNS["variable"], text):
        return "is no name of a variable"
    return None


def _text(text: str) -> str | None:
    return None if text.strip() else "is blank"


def _word(text: str) -> str | None:
    if not text:
        return "is empty"
    return None if re.search(PATTERNS["word"], text) else "holds a space or a comma"


def _global_input(text: str) -> str | None:
    return None if text == "$default" else _special(text, "'$default'") or check_glob(text)


def _input(text: str) -> str | None:
    if text in {"$default", "^$default"}:
        return None
    return _rooted(text, "'$default', '^$default' and '$root/…'")


def _output(text: str) -> str | None:
    if text.removeprefix("!") in {"$default", "^$default"}:
        return "belongs in 'inputs'; outputs have no default"
    return _rooted(text, "'$root/…'")


def _rooted(text: str, known: str) -> str | None:
    body = text.removeprefix("!")
    rest = body.removeprefix("$root/")
    if rest == body:
        return _special(text, known) or check_glob(text)
    return (
        "has its '!' in the wrong place; write '!$root/…'" if rest[:1] == "!" else check_glob(rest)
    )


def _special(text: str, known: str) -> str | None:
    body = text.removeprefix("!")
    if body in {"$default", "^$default"} and body != text:
        return "excludes a default; leave it out instead"
    if not body.startswith(("$", "^")):
        return None
    from bao_core.near_misses import near_misses

    # Turborepo's words are these in capitals, between dollar signs.
    word = body.lower().replace("turbo_", "").partition("/")[0]
    near = near_misses(word, [name for name in _WORDS if f"'{name}" in known])
    meant = f"did you mean {near[0]}?" if near else f"write '\\{body[0]}' for the character"
    return f"has no meaning (known: {known}); {meant}"


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "duration": _duration,
    "glob": check_glob,
    "global input": _global_input,
    "input": _input,
    "output": _output,
    "package": _package,
    "percentage": _percentage,
    "reference": _reference,
    "task": _task,
    "task key": _task_key,
    "text": _text,
    "variable": _variable,
    "word": _word,
}
