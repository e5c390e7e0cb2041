"""`bun.lockb`, the binary form of older versions of Bun: only the whole of it counts."""

from __future__ import annotations

from bao_workspace_node.locks.table import FormatUnknownError, LockSource, LockTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Lock(LockTable, frozen=True):
    """Never made: there is no table of a binary lock file."""


def asks(source: LockSource) -> Sequence[str]:
    """Nothing decides but the file."""
    del source
    return ()


def read(source: LockSource) -> Lock:
    """Say how to get a form that can be read."""
    raise FormatUnknownError(
        f"{source.path} is binary; `bun install --save-text-lockfile` writes bun.lock, which is "
        "read package by package"
    )
