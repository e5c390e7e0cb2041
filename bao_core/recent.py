"""Which workspace a directory was in the last time: a guess, to start git with before all else.

Finding the root takes the plugins, and importing what finds them takes longer than git does. So the
guess is written down, and whoever uses it still finds the root and compares.
"""

from __future__ import annotations

import os

from bao_core.places import cache_root, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT = 64
"""Directories that are remembered, the last used ones."""


def recall_root(directory: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The root and the state directory of the workspace that a directory was in."""
    found = _read(environ).get(directory)
    return found if found is not None and os.path.isdir(found[0]) else None


def remember_root(directory: str, root: str, state_dir: str, environ: Mapping[str, str]) -> None:
    """Write down where a directory's workspace is; a disk that refuses does no harm."""
    known = _read(environ)
    if known.get(directory) == (root, state_dir) or "\n" in directory:
        return
    known.pop(directory, None)
    known[directory] = (root, state_dir)
    lines = ["\0".join((place, *found)) for place, found in list(known.items())[-_KEPT:]]
    replace_file(_path(environ), "\n".join(lines).encode("utf-8", "surrogateescape"))


def _read(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    try:
        with open(_path(environ), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except OSError:
        return {}
    fields = (line.split("\0") for line in lines)
    return {found[0]: (found[1], found[2]) for found in fields if len(found) == 3}  # noqa: PLR2004 - directory, root, state


def _path(environ: Mapping[str, str]) -> str:
    return os.path.join(cache_root(environ), "recent")
