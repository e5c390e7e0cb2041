"""The local cache keeps what every cache backend promises."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from bao_cache_local.backend import LocalCache

from bao_core.testing.back_door import FilesBelow
from bao_core.testing.cache import CacheBackendSuite

if TYPE_CHECKING:
    from pathlib import Path

KEPT = ("results", "blobs")
"""The folders that hold what counts; the rest is derived from it."""


class TestLocalCache(CacheBackendSuite):
    component = LocalCache
    keeps_history = lists_entries = tells_stats = evicts = verifies = True

    @pytest.fixture
    def settings_at(self):
        return lambda place: {"path": str(place / "cache")}

    @pytest.fixture
    def contents_at(self):
        return lambda place: FilesBelow(place / "cache", *KEPT)

    @pytest.fixture
    def grow_old_at(self):
        def grow_old(place: Path, seconds: float) -> None:
            for name in FilesBelow(place / "cache", *KEPT):
                path = place / "cache" / name
                then = path.stat().st_mtime - seconds
                os.utime(path, (then, then))

        return grow_old
