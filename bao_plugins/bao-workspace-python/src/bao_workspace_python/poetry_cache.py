"""Where Poetry keeps the environments that do not lie in their projects."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def cached_environment(directory: str, environ: Mapping[str, str]) -> str | None:
    """The environment that Poetry made for a project in its cache; None where there is none.

    Poetry names it after the project, a hash over the project's place, and the version of Python;
    `envs.toml` says which of several is in use. Asking Poetry itself takes half a second.

    Args:
        directory: Of the project, absolute.
        environ: The environment of the command.
    """
    above = _place(environ)
    try:
        names = os.listdir(above)
    except OSError:
        return None
    mark = f"-{_hash(directory)}-py"
    found = sorted(name for name in names if mark in name)
    if not found:
        return None
    base = found[-1].rpartition("-py")[0]
    chosen = f"{base}-py{_version_in_use(above, base)}"
    return os.path.join(above, chosen if chosen in found else found[-1])


def _place(environ: Mapping[str, str]) -> str:
    if chosen := environ.get("POETRY_VIRTUALENVS_PATH"):
        return chosen
    cache = environ.get("POETRY_CACHE_DIR")
    if not cache:
        home = environ.get("HOME", "")
        usual = "Library/Caches" if sys.platform == "darwin" else ".cache"
        caches = environ.get("XDG_CACHE_HOME") or os.path.join(home, usual)
        cache = os.path.join(caches, "pypoetry")
    return os.path.join(cache, "virtualenvs")


def _hash(directory: str) -> str:
    import base64
    import hashlib

    digest = hashlib.sha256(os.fsencode(os.path.realpath(directory))).digest()
    return base64.urlsafe_b64encode(digest).decode()[:8]


def _version_in_use(above: str, base: str) -> str:
    try:
        with open(os.path.join(above, "envs.toml"), encoding="utf-8") as stream:
            text = stream.read()
    except (OSError, ValueError):
        return ""
    table = re.search(rf'^\["?{re.escape(base)}"?\]\n((?:[^\[].*\n?)*)', text, re.MULTILINE)
    minor = re.search(r'^minor = "([^"]+)"', table.group(1), re.MULTILINE) if table else None
    return minor.group(1) if minor else ""
