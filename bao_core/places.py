"""Where bao keeps what it remembers."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def cache_root(environ: Mapping[str, str]) -> str:
    """Where caches and states lie: `BAO_CACHE_DIR`, `XDG_CACHE_HOME/bao`, `~/.bao/cache`."""
    if chosen := environ.get("BAO_CACHE_DIR"):
        return os.path.abspath(chosen)
    if xdg := environ.get("XDG_CACHE_HOME"):
        return os.path.join(os.path.abspath(xdg), "bao")
    home = environ.get("HOME") or os.path.expanduser("~")
    return os.path.join(home, ".bao", "cache")
