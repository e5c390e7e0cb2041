"""What is said when a store does not work."""

from __future__ import annotations

from bao_core.errors import BaoError, CacheError


class StoreError(BaoError):
    """A request failed.

    It is no `CacheError`: that would say that what was asked for is missing or damaged.
    """

    exit_code = CacheError.exit_code


def cannot_be_written(location: str) -> StoreError:
    """What is said of stores that can only be read."""
    return StoreError(f"{location} can only be read", hint='set `write = "never"` in its table')
