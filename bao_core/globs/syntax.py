"""The grammar of path patterns: taking them apart, and saying what is wrong with them."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_ALTERNATIVES = 1000
"""How many patterns the braces of one pattern may stand for."""

MAX_NESTING = 20
"""How deep the braces of one pattern may lie in each other."""

ANYTHING = "**"
"""The segment that stands for any number of segments."""


def signs(text: str) -> Iterator[str]:
    """Single characters, escaped ones with their backslash, and whole classes."""
    at = 0
    while at < len(text):
        length = 1
        if text[at] == "\\" and at + 1 < len(text):
            length = 2
        elif text[at] == "[":
            length = _class_end(text, at) - at
        yield text[at : at + length]
        at += length


def _class_end(text: str, start: int) -> int:
    """The index behind the class that starts here; behind the bracket where none does.

    A `]` that comes first is a member, and no class goes beyond its segment.
    """
    item = r"\[[!^]?+(?:\\[^/]|[^/\\])(?:\\[^/]|[^]/\\])*\]"
    found = re.compile(item, re.DOTALL).match(text, start)
    return found.end() if found else start + 1


def is_class(sign: str) -> bool:
    """Whether a sign is a class, such as `[a-z]`."""
    return len(sign) > 1 and sign[0] == "["


def is_wild(sign: str) -> bool:
    """Whether a sign stands for other text than its own."""
    return sign in {"*", "?"} or is_class(sign)


def class_ranges(sign: str) -> tuple[bool, list[tuple[str, str]]]:
    """What a class holds: whether it is negated, and its ranges, most of them of one character."""
    body = sign[1:-1]
    negated = body[0] in "!^"
    members = [
        None if sign == "-" else unescape(sign)
        for sign in re.findall(r"\\.|.", body[1:] if negated else body, re.DOTALL)
    ]
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(members):
        first = members[at] or "-"
        if at + 2 < len(members) and members[at + 1] is None:
            ranges.append((first, members[at + 2] or "-"))
            at += 3
        else:
            ranges.append((first, first))
            at += 1
    return negated, ranges


def is_literal(segment: str) -> bool:
    """Whether a segment stands for nothing but its own text."""
    if "*" in segment or "?" in segment or "[" in segment:
        return not any(map(is_wild, signs(segment)))
    return True


def unescape(text: str) -> str:
    """Text as it stands in a path."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if "\\" in text else text


def split(pattern: str) -> list[str]:
    """The texts between the slashes."""
    if "\\" not in pattern and "[" not in pattern:
        return pattern.split("/")
    pieces = [""]
    for sign in signs(pattern):
        if sign in {"/", "\\/"}:
            pieces.append("")
        else:
            pieces[-1] += sign
    return pieces


def segments(pattern: str) -> list[str]:
    """The segments of a pattern without braces.

    `ANYTHING` comes never twice in a row, and last where the pattern ends in a slash.
    """
    found: list[str] = []
    for piece in split(pattern):
        if len(piece) > 1 and not piece.strip("*"):
            if found[-1:] != [ANYTHING]:
                found.append(ANYTHING)
        elif piece not in {"", "."}:
            found.append(piece)
    if pattern.endswith("/") and found[-1:] != [ANYTHING]:
        found.append(ANYTHING)
    return found


def expand(pattern: str) -> list[str]:
    """The patterns without braces that a pattern stands for; itself where they are too many."""
    if "{" not in pattern or _count_alternatives(pattern) > MAX_ALTERNATIVES:
        return [pattern]
    return _expand(list(signs(pattern)))


def _expand(text: Sequence[str]) -> list[str]:
    before = ""
    for index, sign in enumerate(text):
        if sign == "{" and (group := _brace_group(text, index)):
            choices, end = group
            tails = _expand(text[end:])
            heads = [before + found for choice in choices for found in _expand(choice)]
            return [head + tail for head in heads for tail in tails]
        before += sign
    return [before]


def _brace_group(text: Sequence[str], start: int) -> tuple[list[list[str]], int] | None:
    """The choices of the group that starts here, and the index behind it."""
    choices: list[list[str]] = [[]]
    depth = 0
    for index in range(start + 1, len(text)):
        sign = text[index]
        if sign == "}" and not depth:
            return choices, index + 1
        if sign == "," and not depth:
            choices.append([])
            continue
        depth += (sign == "{") - (sign == "}")
        choices[-1].append(sign)
    return None


def _count_alternatives(pattern: str) -> int:
    """At least how many patterns the braces stand for, without writing them down."""
    total = 1
    commas: list[int] = []
    for sign in signs(pattern):
        if sign == "{":
            commas.append(0)
        elif sign == "," and commas:
            commas[-1] += 1
        elif sign == "}" and commas:
            total *= commas.pop() + 1
        if len(commas) > MAX_NESTING:
            return MAX_ALTERNATIVES + 1
    return total


def check_glob(pattern: str) -> str | None:
    """What is wrong with a pattern, as a clause to follow its name; None for a good one."""
    body = pattern.removeprefix("!")
    return _check_whole(body) or _check_signs(body) or _check_alternatives(body)


def _check_whole(pattern: str) -> str | None:
    if not pattern:
        return "is empty"
    if pattern.startswith("!"):
        return "is negated twice"
    return "holds a NUL character" if "\0" in pattern else None


def _check_alternatives(pattern: str) -> str | None:
    if _count_alternatives(pattern) > MAX_ALTERNATIVES:
        return f"stands for more than {MAX_ALTERNATIVES} patterns"
    for alternative in expand(pattern):
        if alternative.startswith("/"):
            return "is absolute; patterns are relative"
        if ".." in segments(alternative):
            return "holds a '..' segment"
    return None


def _check_signs(pattern: str) -> str | None:
    depth = 0
    for sign in signs(pattern):
        depth += (sign == "{") - (sign == "}")
        if sign == "\\":
            return "ends in a backslash"
        if sign == "[":
            return "has a '[' without its ']' in the same segment; write '\\[' for the character"
        if depth < 0:
            return "has a '}' without a '{'; write '\\}' for the character"
        if is_class(sign) and (complaint := _check_class(sign)):
            return complaint
    return "has a '{' without its '}'; write '\\{' for the character" if depth else None


def _check_class(sign: str) -> str | None:
    if "[:" in sign:
        return "has a named class such as [[:alpha:]], which is not known; write [a-zA-Z]"
    for first, last in class_ranges(sign)[1]:
        if first > last:
            return f"has a range that is the wrong way round, {first}-{last}"
    return None
