"""Undoing what a killed process left half done in a worktree."""

from __future__ import annotations

import os
import time
from functools import lru_cache

from msgspec import DecodeError
from msgspec.msgpack import Decoder

from bao_core.outputs.safe_paths import SafeTree
from bao_core.outputs.swap import Changes, Swap, choose_home, remove_swap, swap_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.model import TaskId

_ABANDONED = 86_400.0
"""Seconds after which the remains of a swap without a journal are rubbish, whosever they are."""


def recover(root: str, staging_dir: str, task_id: TaskId) -> bool:
    """Undo what an earlier process was killed over while it restored a task's outputs.

    Called by whoever holds the task's lock, before its outputs are looked at; it costs next to
    nothing when there is nothing to do.

    Returns:
        Whether anything was undone.
    """
    undone = False
    for home in _homes(root, staging_dir):
        directory = swap_path(home, task_id)
        if os.access(directory, os.F_OK):
            undone |= _recover_one(root, directory)
    return undone


def remove_abandoned(root: str, staging_dir: str) -> None:
    """Remove what is left of swaps that changed nothing, of tasks that may not exist any more."""
    for home in _homes(root, staging_dir):
        for part in _listed(home):
            for directory in _listed(part):
                if _is_abandoned(directory):
                    remove_swap(directory)


def _listed(directory: str) -> list[str]:
    try:
        return [f"{directory}/{name}" for name in os.listdir(directory)]
    except OSError:
        return []


@lru_cache(maxsize=1)
def _homes(root: str, staging_dir: str) -> tuple[str, ...]:
    """Where swaps of this workspace may lie."""
    beside = f"{root}/.git/bao-staging"
    try:
        chosen = choose_home(root, staging_dir)
    except OSError:
        chosen = beside
    if chosen == staging_dir and not os.path.lexists(beside):
        return (staging_dir,)
    return staging_dir, beside


def _recover_one(root: str, directory: str) -> bool:
    changes = _read_journal(directory)
    if changes is not None:
        with SafeTree(root) as tree:
            Swap(directory).undo(tree, changes)
    remove_swap(directory)
    return changes is not None


def _read_journal(directory: str) -> Changes | None:
    try:
        with open(f"{directory}/journal", "rb", buffering=0) as file:
            return Decoder(Changes).decode(file.read())
    except (OSError, DecodeError, UnicodeDecodeError):
        return None


def _is_abandoned(directory: str) -> bool:
    try:
        age = time.time() - os.lstat(directory).st_mtime
    except OSError:
        return False
    return age > _ABANDONED and not os.path.lexists(f"{directory}/journal")
