"""Names of Python packages."""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[-_.]+")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def normalise(name: str) -> str:
    """A package's name as package indexes compare it: lower case, runs of `-_.` as one `-`."""
    return _SEPARATORS.sub("-", name).lower()


def is_name(text: str) -> bool:
    """Whether a text can be the name of a package, as the core metadata defines it."""
    return _NAME.fullmatch(text) is not None
