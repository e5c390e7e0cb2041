"""Finds the lines of keys in a configuration file that is known to parse.

Decoders give no lines, and only a mistake needs one, so the text is read again when one is made. A
key is a tuple of names and, for entries of lists, indices: `("cache", 0, "backend")`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Key = tuple[str | int, ...]

# Texts, which are compiled where they are used: most runs only write keys.
_BARE = r"[A-Za-z0-9_-]+"
_STRING = (
    r'"""(?:\\[\s\S]|[^\\])*?"""(?!")'
    r"|'''[\s\S]*?'''(?!')"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
)
_PLAIN_VALUE = r"[^\s,\]}#][^,\]}#\n]*"
_GAP = r"(?:[\s,]+|#[^\n]*)*"
_SPACE = r"[ \t]*"


def format_key(key: Key) -> str:
    """A key as people write it: `cache[0].backend`, with quotes around unusual names."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(_BARE, part) else f'"{part}"'
            text += f".{name}" if text else name
    return text


def parse_key(text: str) -> Key:
    """The key that `format_key` wrote."""
    found = re.findall(r'\[(\d+)\]|"([^"]*)"|([^.\[\]"]+)', text)
    return tuple(int(index) if index else quoted or bare for index, quoted, bare in found)


def find_header(text: str, key: Key) -> int | None:
    """The one-based line of a TOML table's header, where it can be told without reading the rest.

    Only a text over several lines could hold a line that looks like a header and is none.
    """
    names = [part for part in key if isinstance(part, str) and re.fullmatch(_BARE, part)]
    if len(names) != len(key) or '"""' in text or "'''" in text:
        return None
    at = f"\n{text}".find(f"\n[{'.'.join(names)}]")
    return text.count("\n", 0, at) + 1 if at >= 0 else None


def find_lines(text: str, *, toml: bool) -> dict[Key, int]:
    """The one-based line of every key in a text.

    Args:
        text: TOML or JSON that parses.
        toml: Whether it is TOML.
    """
    return (_Toml(text) if toml else _Json(text)).lines()


class _Scanner:
    """Walks over a text and notes where each key stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Key, int] = {}

    def lines(self) -> dict[Key, int]:
        """The line of every key."""
        self.scan()
        breaks = [found.start() for found in re.finditer("\n", self.text)]
        return {key: bisect_left(breaks, at) + 1 for key, at in self.places.items()}

    def scan(self) -> None:
        raise NotImplementedError

    def take(self, pattern: str) -> str:
        """What a pattern matches here, stepped over."""
        found = re.compile(pattern).match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def sees(self, sign: str) -> bool:
        """Whether a sign stands here; it is stepped over."""
        there = self.text.startswith(sign, self.at)
        self.at += len(sign) * there
        return there

    def entries(self, close: str, gap: str, entry: Callable[[], None]) -> None:
        """Take entries until the closing sign, or until there is nothing more to make of it."""
        while True:
            self.take(gap)
            start = self.at
            if self.sees(close) or self.at >= len(self.text):
                return
            entry()
            if self.at == start:
                return


class _Toml(_Scanner):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.sizes: dict[Key, int] = {}
        self.table: Key = ()

    def scan(self) -> None:
        self.entries("\0", _GAP, self.statement)

    def statement(self) -> None:
        start = self.at
        if self.sees("[["):
            key = self.resolved(self.dotted())
            index = self.sizes.get(key, 0)
            self.sizes[key] = index + 1
            self.table = (*key, index)
            self.note(self.table, start)
            self.sees("]]")
        elif self.sees("["):
            self.table = self.resolved(self.dotted())
            self.note(self.table, start)
            self.sees("]")
        else:
            self.pair(self.table)

    def resolved(self, names: Key) -> Key:
        """The names of a header with the index of the latest entry behind each list of tables."""
        key: Key = ()
        for name in names:
            if key in self.sizes:
                key = (*key, self.sizes[key] - 1)
            key = (*key, name)
        return key

    def pair(self, table: Key) -> None:
        start = self.at
        names = self.dotted()
        if not names:
            return
        key = (*table, *names)
        self.note(key, start)
        self.take(_SPACE)
        if self.sees("="):
            self.value(key)

    def dotted(self) -> Key:
        names: list[str | int] = []
        while True:
            self.take(_SPACE)
            name = self.take(_STRING) or self.take(_BARE)
            if not name:
                return tuple(names)
            names.append(_toml_name(name))
            self.take(_SPACE)
            if not self.sees("."):
                return tuple(names)

    def value(self, key: Key) -> None:
        self.take(_SPACE)
        if self.sees("["):
            index = count()

            def entry() -> None:
                place = (*key, next(index))
                self.note(place, self.at)
                self.value(place)

            self.entries("]", _GAP, entry)
        elif self.sees("{"):
            self.entries("}", _GAP, lambda: self.pair(key))
        elif not self.take(_STRING):
            self.take(_PLAIN_VALUE)

    def note(self, key: Key, at: int) -> None:
        for length in range(1, len(key)):
            self.places.setdefault(key[:length], at)
        self.places[key] = at


class _Json(_Scanner):
    def scan(self) -> None:
        self.take(_GAP)
        self.value(())

    def value(self, key: Key) -> None:
        if self.sees("{"):
            self.entries("}", _GAP, lambda: self.member(key))
        elif self.sees("["):
            index = count()

            def entry() -> None:
                place = (*key, next(index))
                self.places[place] = self.at
                self.value(place)

            self.entries("]", _GAP, entry)
        elif not self.take(_STRING):
            self.take(_PLAIN_VALUE)

    def member(self, table: Key) -> None:
        start = self.at
        name = self.take(_STRING)
        if not name:
            return
        key = (*table, _json_name(name))
        self.places[key] = start
        self.take(_GAP)
        if self.sees(":"):
            self.take(_GAP)
            self.value(key)


def _toml_name(written: str) -> str:
    if written[0] == "'" or "\\" not in written:
        return written[1:-1] if written[0] in "'\"" else written
    from tomllib import loads

    try:
        return str(loads(f"name = {written}")["name"])
    except ValueError:
        return written


def _json_name(written: str) -> str:
    from json import loads

    try:
        return str(loads(written, strict=False))
    except ValueError:
        return written
