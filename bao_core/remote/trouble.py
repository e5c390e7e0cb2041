"""What went wrong with a tier in a run, and how it is told in one warning."""

from __future__ import annotations

from threading import Lock

from bao_core.errors import BaoError, CacheError


class RemoteGoneError(BaoError):
    """A remote tier is off, or failed in this call; what it has may be whole."""

    exit_code = CacheError.exit_code


class Trouble:
    """What went wrong with a tier in a run.

    Attributes:
        why: What went wrong first.
        said: Whether the user knows.
    """

    def __init__(self) -> None:
        self.why = ""
        self.said = False
        self._failures = 0
        self._write_failures = 0
        self._damaged = 0
        self._in_a_row = 0
        self._hits = 0
        self._lock = Lock()

    def failed(self, why: str) -> int:
        """A call failed; how many have by now."""
        with self._lock:
            self.why = self.why or why
            self._failures += 1
            return self._failures

    def failed_to_write(self, why: str) -> int:
        """An upload failed; how many have by now."""
        with self._lock:
            self.why = self.why or why
            self._write_failures += 1
            return self._write_failures

    def damaged(self, what: str, hits: int) -> int:
        """Something damaged came; how many have, one after the other without a hit between."""
        with self._lock:
            self.why = self.why or what
            self._damaged += 1
            self._in_a_row = 1 if hits != self._hits else self._in_a_row + 1
            self._hits = hits
            return self._in_a_row

    def summary(self, dropped: int) -> str:
        """All of it in a clause; empty where nothing went wrong."""
        counts = [
            f"{count} {what}"
            for count, what in (
                (self._failures + self._write_failures, "failures"),
                (self._damaged, "damaged objects"),
                (dropped, "results too many to be uploaded"),
            )
            if count
        ]
        if not counts:
            return ""
        return f"had {', '.join(counts)} in this run" + (f": {self.why}" if self.why else "")


def said_of(error: BaseException) -> str:
    """An exception in words."""
    if isinstance(error, BaoError):
        return str(error)
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
