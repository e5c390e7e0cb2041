"""The command `bao cache-dir`."""

from __future__ import annotations

import os
import sys

from bao_cache_local.settings import cache_directory


def cache_dir() -> None:
    """Print the directory of the local cache."""
    directory = cache_directory(None, os.getcwd(), os.environ)
    sys.stdout.write(f"{directory}\n")
