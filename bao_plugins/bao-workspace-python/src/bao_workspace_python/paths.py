"""Paths between the root of the workspace and what a manifest names."""

from __future__ import annotations

import posixpath


def normal(path: str) -> str:
    """A path without `.`, needless `..` and doubled slashes; empty for the directory itself."""
    normalised = posixpath.normpath(path)
    return "" if normalised == "." else normalised


def resolved(directory: str, path: str) -> str | None:
    """What a path in a manifest means, from the root of the workspace.

    Args:
        directory: Of the manifest, from the root.
        path: As written.

    Returns:
        The normalised path; it begins with `..` where it leads out of the workspace. None where it
        is absolute.
    """
    return None if path.startswith("/") else normal(posixpath.join(directory, path))


def is_outside(path: str) -> bool:
    """Whether a normalised path leads out of the workspace."""
    return path == ".." or path.startswith("../")


def relative(path: str, directory: str) -> str:
    """A path from the root of the workspace, seen from a directory; empty for that itself."""
    if not directory:
        return path  # by far the most are asked for from the root
    return normal(posixpath.relpath(path or ".", directory))


def ancestors(path: str) -> list[str]:
    """The directories above one, innermost first, the root of the workspace last."""
    found = []
    while path:
        path = path.rpartition("/")[0]
        found.append(path)
    return found
