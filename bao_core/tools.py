"""Declared tools: which program a name leads to, and what is in it."""

from __future__ import annotations

import os

from bao_core.digests import blob_id_of_file
from bao_core.outputs.stamps import GRANULARITY, stamp_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.model import Stamp
    from bao_core.state import WorkspaceState


class Toolbox:
    """Knows the content of programs; a program is read again only after its file has changed."""

    def __init__(self, root: str, path: str, state: WorkspaceState) -> None:
        self._root = root
        self._path = path.split(os.pathsep)
        self._state = state

    def identity(self, name: str, bin_directories: Sequence[str]) -> str:
        """The content of the program that a task would start by this name, or `missing`."""
        program = self._find(name, bin_directories)
        if program is None:
            return "missing"
        try:
            stamp = stamp_from(os.stat(program))
        except OSError:
            return "missing"
        known = self._state.memory.tools.get(program)
        if known is not None and known[0] == stamp:
            return known[1]
        return self._read(program, stamp)

    def _read(self, program: str, stamp: Stamp) -> str:
        import time

        now = time.time_ns()
        try:
            content = blob_id_of_file(program)
        except OSError as error:
            return f"unreadable: {error.strerror}"
        # A change within one tick of the clock would leave the stamp as it is.
        if stamp.ctime < now - GRANULARITY:
            self._state.memory.tools[program] = (stamp, content)
            self._state.mark_changed()
        return content

    def _find(self, name: str, bin_directories: Sequence[str]) -> str | None:
        if "/" in name:
            path = os.path.join(self._root, name)
            return os.path.realpath(path) if os.access(path, os.X_OK) else None
        places = [os.path.join(self._root, directory) for directory in bin_directories]
        for directory in (*places, *self._path):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return os.path.realpath(path)
        return None
