"""JSON with comments and trailing commas, read so that every value's line is known.

Of several members with one name the last one counts, as it does for turbo.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Any

import msgspec
from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Key = tuple[str | int, ...]
"""The place of a value: names of members and indices of entries, from the outermost."""

DEEPEST = 64
"""How many arrays and objects may lie in each other."""

_GAP = re.compile(r"(?:[ \t\r\n]++|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*+"')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?(?![\w.])")
_WORD = re.compile(r"\w+")
_WORDS = {"true": True, "false": False, "null": None}
_LONGEST_NUMBER = 300


class JsoncError(ValueError):
    """A text is no JSON, even with comments; `line` is one-based."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Document(Struct, frozen=True):
    """A text that was read.

    Attributes:
        value: What it holds.
        lines: The one-based line of each value, of a member that of its name.
    """

    value: Any
    lines: dict[Key, int]


def read_jsonc(data: bytes) -> Document:
    """Read a document; a byte-order mark is fine.

    Raises:
        JsoncError: It is no JSON with comments.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JsoncError("it is not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
    return _Reader(text).document()


class _Reader:
    """Walks over a text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._places: dict[Key, int] = {}
        self._breaks = [found.start() for found in re.finditer("\n", text)]

    def document(self) -> Document:
        self._skip()
        value = self._value(())
        self._skip()
        if self._at < len(self._text):
            raise self._wrong("the document ends before this")
        return Document(value, {key: self._line(at) for key, at in self._places.items()})

    def _value(self, key: Key) -> Any:
        self._places.setdefault(key, self._at)
        sign = self._text[self._at : self._at + 1]
        if sign in {"{", "["} and len(key) >= DEEPEST:
            raise self._wrong(f"more than {DEEPEST} levels lie in each other")
        if sign == "{":
            return self._object(key)
        if sign == "[":
            return self._array(key)
        if sign == '"':
            return self._string()
        return self._plain()

    def _object(self, key: Key) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def member() -> None:
            if self._text[self._at : self._at + 1] != '"':
                raise self._wrong("the name of a member in double quotes is expected")
            start = self._at
            name = self._string()
            self._skip()
            self._expect(":", f"a ':' behind \"{name}\"")
            self._skip()
            place = (*key, name)
            self._forget(place)
            self._places[place] = start
            found[name] = self._value(place)

        self._entries("}", member)
        return found

    def _array(self, key: Key) -> list[Any]:
        found: list[Any] = []
        self._entries("]", lambda: found.append(self._value((*key, len(found)))))
        return found

    def _entries(self, close: str, entry: Callable[[], None]) -> None:
        self._at += 1
        self._skip()
        while not self._take(close):
            entry()
            self._skip()
            if not self._take(","):
                self._expect(close, f"',' or '{close}'")
                return
            self._skip()

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise self._wrong("this text does not end on its line")
        try:
            value = msgspec.json.decode(found[0], type=str)
        except ValueError:
            raise self._wrong("this text holds a backslash that means nothing") from None
        self._at = found.end()
        return value

    def _plain(self) -> Any:
        if found := _NUMBER.match(self._text, self._at):
            self._at = found.end()
            written = found[0]
            whole = written.lstrip("-").isdigit() and len(written) < _LONGEST_NUMBER
            return int(written) if whole else float(written)
        found = _WORD.match(self._text, self._at)
        if found is None or found[0] not in _WORDS:
            seen = f", not '{found[0]}'" if found else ""
            raise self._wrong(f"a value is expected{seen}")
        self._at = found.end()
        return _WORDS[found[0]]

    def _forget(self, key: Key) -> None:
        """An earlier member of this name does not count."""
        if key in self._places:
            self._places = {k: v for k, v in self._places.items() if k[: len(key)] != key}

    def _skip(self) -> None:
        found = _GAP.match(self._text, self._at)
        if found is not None:
            self._at = found.end()

    def _take(self, sign: str) -> bool:
        there = self._text.startswith(sign, self._at)
        self._at += there
        return there

    def _expect(self, sign: str, what: str) -> None:
        if not self._take(sign):
            raise self._wrong(f"{what} is expected")

    def _wrong(self, message: str) -> JsoncError:
        rest = self._text[self._at : self._at + 2]
        if not rest:
            message = "it ends too early"
        elif rest == "/*":
            message = "this comment has no end"
        elif rest[0] == "'":
            message = "texts and names stand in double quotes"
        return JsoncError(message, self._line(self._at))

    def _line(self, at: int) -> int:
        return bisect_left(self._breaks, at) + 1
