"""What this distribution offers to bao."""

from __future__ import annotations

from bao_core.hookspecs import CommandSpec, hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.interfaces.cache import CacheBackend


@hookimpl
def bao_cache_backends() -> Sequence[type[CacheBackend]]:
    """Offer the local cache."""
    from bao_cache_local.backend import LocalCache

    return [LocalCache]


@hookimpl
def bao_commands() -> Sequence[CommandSpec]:
    """Offer a command for scripts that keep or clear the cache, in CI for example."""
    text = "Print the directory of the local cache."
    return [CommandSpec("cache-dir", text, "bao_cache_local.command:cache_dir")]
