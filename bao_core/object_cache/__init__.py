"""A whole cache backend on the five methods of an object store.

Nothing here is imported before a tier on an object store is opened. The page of the interface,
`docs/reference/interfaces/cache.md`, describes how objects are named and what is in them.
"""

from __future__ import annotations

from bao_core.object_cache.backend import ObjectStoreCache

__all__ = ["ObjectStoreCache"]
