"""Asking git before anything else: the longest step of a run that finds nothing to do."""

from __future__ import annotations

import os
import time

from bao_core.git.listing import GitListing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.git.ahead import AskedAhead

_CLOCK_LAG = 20_000_000
"""Nanoseconds by which the clock of file times may lag behind `time.time_ns`."""

_SECOND = 1_000_000_000


class BegunListing:
    """A listing of a worktree that was asked for.

    Attributes:
        root: Of the workspace, absolute.
        taken: T0: a file with an earlier ctime is as it was when git was asked; nanoseconds since
            the epoch.
        listing: Git's answers to come; None where there is no repository.
        ahead: Answers to what a comparison with another revision is likely to ask; None where none
            is expected.
    """

    __slots__ = ("ahead", "listing", "root", "taken")

    def __init__(
        self, root: str, probe_dir: str, environ: Mapping[str, str], *, compare: bool = False
    ) -> None:
        """Start git, and return at once.

        Args:
            root: The workspace root, absolute; it may be below the top of git's worktree.
            probe_dir: A directory where a file may be made for a moment.
            environ: The user's environment.
            compare: Ask ahead what was asked by the last comparison that was written down in
                `probe_dir`.
        """
        self.root = root
        self.taken = _file_time(probe_dir)
        found = os.stat(root)
        if found.st_mtime_ns % _SECOND == 0 and found.st_ctime_ns % _SECOND == 0:
            # The file system seems to keep whole seconds only: a change right after looks older.
            self.taken -= self.taken % _SECOND
        self.listing = GitListing.start(root, environ)
        self.ahead: AskedAhead | None = None
        if compare and self.listing is not None:
            from bao_core.git.ahead import ask_ahead

            self.ahead = ask_ahead(self.listing, probe_dir)


def _file_time(directory: str) -> int:
    """The time that a file gets which changes now, in nanoseconds since the epoch."""
    path = os.path.join(directory, f"probe-{os.getpid()}-{time.monotonic_ns()}")
    try:
        os.makedirs(directory, exist_ok=True)
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError:
        return time.time_ns() - _CLOCK_LAG
    try:
        return os.fstat(fd).st_ctime_ns
    finally:
        os.close(fd)
        os.unlink(path)
