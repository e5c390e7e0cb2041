"""What this distribution offers to bao. Importing it must cost almost nothing."""

from __future__ import annotations

from bao_core.hookspecs import hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.interfaces.cache import ObjectStore

requires = ">=1,<2"
"""The versions of bao's hook API that this works with."""


@hookimpl
def bao_cache_backends() -> Sequence[type[ObjectStore]]:
    """Offer the backend `redis`."""
    from bao_cache_redis.store import RedisStore

    return [RedisStore]
