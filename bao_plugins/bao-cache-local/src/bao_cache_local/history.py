"""Which results a task has had: one small text file a task, appended to.

It is here to explain a miss, in less time than a database takes to open. A line is a key, a time
and a tag of the workspace; a line that is broken or names an entry that is gone does not count.
"""

from __future__ import annotations

import os

from blake3 import blake3

from bao_cache_local.entries import is_hash, read_whole
from bao_cache_local.files import write_all
from bao_core.model import CacheKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bao_cache_local.files import Workshop
    from bao_core.model import TaskId

_LONG = 16 << 10
"""Bytes at which a history is cut."""

_KEPT = 50
"""Lines that a cut leaves."""

NOWHERE = "-"
"""The tag of an entry whose workspace is not known."""


class History:
    """The histories of all tasks, seen from one workspace."""

    def __init__(self, root: str, workspace: str, workshop: Workshop) -> None:
        self._directory = f"{root}/history"
        self._here = blake3(os.fsencode(workspace)).hexdigest(length=6)
        self._workshop = workshop

    def append(self, task_id: TaskId, key: CacheKey, created: float) -> None:
        """Note a new entry. Nothing happens where the disk refuses."""
        self._append(task_id, f"{key} {created:.3f} {self._here}\n")

    def complete(self, task_id: TaskId, made: Iterable[tuple[CacheKey, float]]) -> None:
        """Note entries that no history tells of, after it was lost."""
        known = {key for key, _, _ in self._read(task_id)}
        for key, created in made:
            if key not in known:
                self._append(task_id, f"{key} {created:.3f} {NOWHERE}\n")

    def newest(self, task_id: TaskId) -> list[CacheKey]:
        """Keys of a task's entries: this workspace's first, then others', each newest first."""
        lines = [(tag == self._here, created, key) for key, created, tag in self._read(task_id)]
        return list(dict.fromkeys(CacheKey(key) for _, _, key in sorted(lines, reverse=True)))

    def _append(self, task_id: TaskId, line: str) -> None:
        path = self._path(task_id)
        try:
            size = _append_line(path, line)
            if size > _LONG:
                self._cut(path)
        except OSError:
            pass  # a history is a convenience

    def _cut(self, path: str) -> None:
        lines = read_whole(path).splitlines(keepends=True)[-_KEPT:]
        made = self._workshop.make(lambda target: write_all(target, b"".join(lines)))
        os.replace(made, path)

    def _read(self, task_id: TaskId) -> list[tuple[CacheKey, float, str]]:
        try:
            data = read_whole(self._path(task_id))
        except OSError:
            return []
        found = []
        for line in data.decode("ascii", "replace").splitlines():
            fields = line.split(" ")
            if len(fields) == 3 and is_hash(fields[0]):  # noqa: PLR2004 - key, time, tag
                try:
                    found.append((CacheKey(fields[0]), float(fields[1]), fields[2]))
                except ValueError:
                    continue
        return found

    def _path(self, task_id: TaskId) -> str:
        name = blake3(task_id.encode("utf-8", "surrogateescape")).hexdigest(length=16)
        return f"{self._directory}/{name[:2]}/{name}"


def _append_line(path: str, line: str) -> int:
    """Append a line, whole even beside other writers; returns the size of the file then."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
    try:
        os.write(descriptor, line.encode("ascii"))
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)
