"""Where bao keeps what it remembers, and putting it there."""

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


def replace_file(path: str, data: bytes, *, flush: bool = False) -> bool:
    """Write a file, whole or not at all, and its directory if need be.

    Args:
        path: The file.
        data: All that it shall hold.
        flush: Wait for the disk. What is checked when it is read needs no flush: it may be lost.

    Returns:
        False where the disk refuses; what was there before stays.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        return False
    return True
