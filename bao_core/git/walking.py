"""Finding files without git."""

from __future__ import annotations

import os

from bao_core.git.listed import UNKNOWN, Listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LEFT_OUT = frozenset(
    "node_modules bower_components __pycache__ .venv .hg .svn .jj .sl .tox .nox .cache .turbo "
    ".nx .next .nuxt .parcel-cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .eggs "
    ".pnpm-store .yarn .gradle .terraform .direnv .ipynb_checkpoints .import_linter_cache".split()
)
"""Directories that hold no inputs where there is no git to say what is ignored."""


def walk(
    root: str,
    directory: str,
    *,
    limit: int | None = None,
    skip: Callable[[str, str], bool] | None = None,
) -> list[str]:
    """Sorted paths of every file and link on disk below a directory, links not followed.

    `.git` is never among them.

    Args:
        root: The workspace root.
        directory: From the root, or absolute; so are the results.
        limit: Stop a little after so many.
        skip: Called with the absolute path and the name of each directory; true to leave it out.
    """
    found: list[str] = []
    folders = [directory]
    while folders and (limit is None or len(found) <= limit):
        folder = folders.pop()
        prefix = f"{folder}/" if folder else ""
        try:
            entries = os.scandir(os.path.join(root, folder))
        except OSError:
            continue  # gone, no directory, or not to be read
        with entries:
            for entry in entries:
                name = entry.name
                if name == ".git":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if skip is None or not skip(entry.path, name):
                        folders.append(prefix + name)
                elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                    found.append(prefix + name)
    found.sort()
    return found


def walked(root: str) -> Listed:
    """The files below a directory where there is no git to list them."""
    listed = Listed()
    listed.paths = walk(root, "", skip=holds_no_inputs)
    listed.claims = [""] * len(listed.paths)
    listed.states = bytearray([UNKNOWN]) * len(listed.paths)
    listed.tracked = bytearray(len(listed.paths))
    return listed


def holds_no_inputs(path: str, name: str) -> bool:
    """Whether a directory is one that `walked` leaves out, given its path and its name."""
    if name in _LEFT_OUT or os.path.lexists(f"{path}/pyvenv.cfg"):
        return True
    return name.startswith(".") and os.path.lexists(f"{path}/CACHEDIR.TAG")
