"""Which results a task has had, to explain a miss with, in less time than a database takes to open.

Tasks share 256 files. A line is a tag of the task, a key, a time and a tag of the workspace; a line
that is broken or names an entry that is gone does not count.
"""

from __future__ import annotations

import os

from blake3 import blake3

from bao_cache_local.appending import RecordFiles
from bao_cache_local.entries import is_hash
from bao_core.model import CacheKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bao_cache_local.files import Workshop
    from bao_core.model import TaskId

_LONG = 64 << 10
"""Bytes at which a file is shortened."""

_KEPT = 5
"""Lines of each task and workspace that shortening keeps."""

_NOWHERE = "-"
"""The tag of an entry whose workspace is not known."""


class History:
    """The histories of all tasks, seen from one workspace."""

    def __init__(self, root: str, workspace: str, workshop: Workshop) -> None:
        self._files = RecordFiles(f"{root}/history", workshop, long=_LONG, choose=_newest_lines)
        self._here = blake3(os.fsencode(workspace)).hexdigest(length=6)
        self.flush = self._files.flush

    def append(self, task_id: TaskId, key: CacheKey, created: float) -> None:
        """Note a new entry."""
        self._append(_tag(task_id), key, created, self._here)

    def complete(self, task_id: TaskId, made: Iterable[tuple[CacheKey, float]]) -> None:
        """Note entries that no history tells of, after it was lost."""
        tag = _tag(task_id)
        known = {key for _, _, _, key in self._read(tag)}
        for key, created in made:
            if key not in known:
                self._append(tag, key, created, _NOWHERE)

    def newest(self, task_id: TaskId) -> list[CacheKey]:
        """Keys of a task's entries: this workspace's first, then others', each newest first."""
        lines = sorted(self._read(_tag(task_id)), reverse=True)
        return list(dict.fromkeys(key for _, _, _, key in lines))

    def _append(self, tag: str, key: CacheKey, created: float, here: str) -> None:
        self._files.add(tag[:2], f"{tag} {key} {created:.6f} {here}\n".encode("ascii"))

    def _read(self, tag: str) -> list[tuple[bool, float, int, CacheKey]]:
        """Of each line: whether it is of this workspace, its time, its place, its key."""
        start = f"{tag} ".encode("ascii")
        found = []
        for place, line in enumerate(self._files.read(tag[:2]).splitlines()):
            if not line.startswith(start):
                continue
            fields = line.decode("ascii", "replace").split(" ")
            if len(fields) == 4 and is_hash(fields[1]):  # noqa: PLR2004 - as written above
                try:
                    created = float(fields[2])
                except ValueError:
                    continue
                found.append((fields[3] == self._here, created, place, CacheKey(fields[1])))
        return found


def _tag(task_id: TaskId) -> str:
    return blake3(task_id.encode("utf-8", "surrogateescape")).hexdigest(length=8)


def _newest_lines(data: bytes) -> bytes:
    kept: list[bytes] = []
    counts: dict[tuple[bytes, bytes], int] = {}
    for line in reversed(data.splitlines(keepends=True)):
        whose = (line[:16], line[line.rfind(b" ") :])
        counts[whose] = counts.get(whose, 0) + 1
        if counts[whose] <= _KEPT:
            kept.append(line)
    return b"".join(reversed(kept))
