"""Names of Python packages."""

from __future__ import annotations

import re

_SEPARATORS = re.compile(r"[-_.]+")


def normalise(name: str) -> str:
    """A package's name as package indexes compare it: lower case, runs of `-_.` as one `-`."""
    return _SEPARATORS.sub("-", name).lower()
