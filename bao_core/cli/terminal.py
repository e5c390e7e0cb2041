"""Where the command line prints: what was asked for to standard output, the rest to the other."""

from __future__ import annotations

import os
import sys

from msgspec import Struct
from msgspec.json import Encoder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TextIO

    from bao_core.errors import BaoError
    from bao_core.events import Event

RED = "31"
YELLOW = "33"
DIM = "2"
BOLD = "1"


def wants_color(choice: str, environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether to colour what goes to a stream.

    `--color` decides; then `NO_COLOR` and `FORCE_COLOR`, if they are not empty; then whether
    the stream is a terminal that knows colours.
    """
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


def encode_json(value: Any) -> bytes:
    r"""A value as one line of JSON, without a line end.

    Bytes of names that are not UTF-8 become lone surrogate escapes such as `\udcff`, which
    Python's `json` reads back as it does file names.
    """
    try:
        return Encoder().encode(value)
    except UnicodeEncodeError:
        import json

        from msgspec import to_builtins

        return json.dumps(to_builtins(value), separators=(",", ":")).encode("ascii")


def shown(text: str) -> str:
    """A name as people may see it.

    Control characters are written out, so that a name can neither break a line nor command the
    terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or "\udc80" <= char <= "\udcff" else ascii(char)[1:-1]
        for char in text
    )


class Versioned(Struct, frozen=True):
    """The start of every JSON document that bao prints."""

    version: int = 1


class Terminal:
    """Prints for one invocation; also a sink that shows warnings, for commands without a reporter.

    Args:
        color: `auto`, `always` or `never`.
        environ: Tells what the user wishes besides.
    """

    name = "terminal"

    def __init__(self, color: str, environ: Mapping[str, str]) -> None:
        self._warned: set[str] = set()
        self.out_color = wants_color(color, environ, sys.stdout)
        self.error_color = wants_color(color, environ, sys.stderr)

    def line(self, text: str = "") -> None:
        """Print a line that was asked for."""
        _write(sys.stdout, f"{text}\n".encode("utf-8", "surrogateescape"))

    def json(self, value: Any) -> None:
        """Print a document that was asked for."""
        _write(sys.stdout, encode_json(value) + b"\n")

    def note(self, text: str) -> None:
        """Tell the user something about the answer, on standard error."""
        _write(sys.stderr, f"{text}\n".encode("utf-8", "surrogateescape"))

    def warn(self, text: str) -> None:
        """Warn the user."""
        self.note(f"{self._error_style('warning:', YELLOW)} {shown(text)}")

    def error(self, error: BaoError) -> None:
        """Name a mistake or misfortune."""
        lines = str(error).split("\n")
        self.note("\n".join([f"{self._error_style('error:', RED)} {shown(lines[0])}", *lines[1:]]))

    def handle(self, event: Event) -> None:
        """Show a warning or a note; every other event is for reporters."""
        from bao_core.events import NoteAdded, WarningRaised

        if isinstance(event, NoteAdded):
            self.note(shown(event.message))
        if not isinstance(event, WarningRaised):
            return
        message = event.message if event.id is None else f"{event.id}: {event.message}"
        if message not in self._warned:
            self._warned.add(message)
            self.warn(message)

    def style(self, text: str, code: str) -> str:
        """Text for standard output in a colour."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.out_color else text

    def _error_style(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.error_color else text


def _write(stream: TextIO, data: bytes) -> None:
    """Write bytes to a stream of text, in order with whatever text is on its way."""
    stream.flush()
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        stream.write(data.decode("utf-8", "replace"))
    else:
        buffer.write(data)
        buffer.flush()


def silence_stdout() -> None:
    """Let nothing be said any more to a reader that has gone, also not when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
