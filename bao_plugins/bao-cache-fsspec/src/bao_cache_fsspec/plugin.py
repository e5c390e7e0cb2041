"""What this distribution offers to bao."""

from __future__ import annotations

from bao_core.hookspecs import hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.interfaces.cache import ObjectStore


@hookimpl
def bao_cache_backends() -> Sequence[type[ObjectStore]]:
    """Offer the object store behind any URL that fsspec knows."""
    from bao_cache_fsspec.store import FsspecStore

    return [FsspecStore]
