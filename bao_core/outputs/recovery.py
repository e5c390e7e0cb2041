"""Undoing what a killed process left half done in a worktree."""

from __future__ import annotations

import os
import time

from msgspec import DecodeError
from msgspec.msgpack import Decoder

from bao_core.outputs.safe_paths import SafeTree
from bao_core.outputs.swap import Changes, Swap, remove_swap, task_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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
    mine = f"{task_tag(task_id)}-"
    undone = False
    for directory in _remains(root, staging_dir):
        if os.path.basename(directory).startswith(mine):
            undone |= _recover_one(root, directory)
        elif _is_abandoned(directory):
            remove_swap(directory)
    return undone


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


def _remains(root: str, staging_dir: str) -> Iterator[str]:
    for home in (staging_dir, f"{root}/.git/bao-staging"):
        try:
            names = os.listdir(home)
        except OSError:
            continue
        yield from (f"{home}/{name}" for name in sorted(names))


def _is_abandoned(directory: str) -> bool:
    try:
        age = time.time() - os.lstat(directory).st_mtime
    except OSError:
        return False
    return age > _ABANDONED and not os.path.lexists(f"{directory}/journal")
