"""What this distribution offers to bao."""

from __future__ import annotations

from bao_core.hookspecs import hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.interfaces.cache import CacheBackend


@hookimpl
def bao_cache_backends() -> Sequence[type[CacheBackend]]:
    """Offer the local cache."""
    from bao_cache_local.backend import LocalCache

    return [LocalCache]
