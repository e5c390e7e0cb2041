"""Standard output and error as the reporter writes them: bytes, gathered, for as long as read."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.model import SupportsWrite

GATHER = 64 * 1024
"""Bytes after which what was gathered is written."""


class OutputStream:
    """Gathers bytes and writes them; never raises.

    Attributes:
        fault: Why nothing can be written any more; None as long as it can.
    """

    def __init__(self, target: SupportsWrite | int) -> None:
        """Begin.

        Args:
            target: A descriptor, or something that takes bytes.
        """
        self.fault: OSError | None = None
        self._target = target
        self._held: list[bytes] = []
        self._size = 0

    @property
    def broken(self) -> bool:
        """Whether the reader has gone."""
        return self.fault is not None and self.fault.errno == errno.EPIPE

    def add(self, data: bytes) -> None:
        """Gather some bytes; write when there are many."""
        self._held.append(data)
        self._size += len(data)
        if self._size > GATHER:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered; throw it away if that is no longer possible."""
        if not self._held:
            return
        data = b"".join(self._held)
        self._held.clear()
        self._size = 0
        if self.fault is not None:
            return
        try:
            if isinstance(self._target, int):
                _write_all(self._target, data)
            else:
                self._target.write(data)
        except OSError as error:
            self.fault = error

    def wants_color(self, choice: str, environ: Mapping[str, str]) -> bool:
        """Whether to colour what is written here.

        Args:
            choice: `always`, `never`, or `auto`: then `NO_COLOR` and `FORCE_COLOR` decide if they
                are not empty, else whether this is a terminal that knows colours.
            environ: The environment of the command.
        """
        if choice != "auto":
            return choice == "always"
        if environ.get("NO_COLOR"):
            return False
        if environ.get("FORCE_COLOR", "0") not in {"", "0"}:
            return True
        return environ.get("TERM") != "dumb" and self._is_terminal()

    def _is_terminal(self) -> bool:
        if isinstance(self._target, int):
            return os.isatty(self._target)
        asked = getattr(self._target, "isatty", None)
        return bool(asked and asked())


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes, to a pipe too that somebody else has set not to block.

    Raises:
        OSError: They cannot be written.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            import select

            select.select([], [descriptor], [])
