"""What is remembered of a task's outputs while they change.

A task owns what its stamps record. While it runs or is restored, an intent on disk says which
matches of its outputs were there before and are not its own: if bao dies in between, everything
else that matches is the task's, half-written or not.
"""

from __future__ import annotations

import os

from blake3 import blake3
from msgspec import Struct
from msgspec.msgpack import Decoder

from bao_core.outputs import list_outputs
from bao_core.state import escape_path, read_checked, unescape_path, write_checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.model import TaskId
    from bao_core.outputs import OutputSpec
    from bao_core.state import WorkspaceState


class Intent(Struct, frozen=True, array_like=True):
    """Written before a task's outputs change, removed once they are recorded.

    Attributes:
        owned: Paths that the task owned before.
        spared: Paths that match its outputs and are not its own.
    """

    owned: tuple[str, ...]
    spared: tuple[str, ...]


class OutputIntents:
    """The intents of one workspace."""

    def __init__(self, root: str, state: WorkspaceState, is_tracked: Callable[[str], bool]) -> None:
        self._root = root
        self._is_tracked = is_tracked
        self._state = state
        self._directory = os.path.join(state.directory, "intents")
        self._settled: list[str] = []
        try:
            self._interrupted = frozenset(os.listdir(self._directory))
        except OSError:
            self._interrupted = frozenset()

    def begin(self, task_id: TaskId, spec: OutputSpec) -> set[str]:
        """Say that a task's outputs are about to change; the paths that it owns now."""
        if not spec.patterns:
            return set()
        present = list_outputs(self._root, spec, is_tracked=self._is_tracked)
        owned = self._owned(task_id, present)
        spared = [path for path in present if path not in owned]
        self._state.forget(task_id)
        intent = Intent(
            tuple(escape_path(path) for path in sorted(owned)),
            tuple(escape_path(path) for path in spared),
        )
        write_checked(self._path(task_id), intent)
        return owned

    def settle(self, task_id: TaskId) -> None:
        """Its outputs are recorded; the intent goes once the record is on disk."""
        self._settled.append(self._path(task_id))

    def saved(self) -> None:
        """The record is on disk."""
        for path in self._settled:
            try:
                os.unlink(path)
            except OSError:
                continue
        self._settled.clear()

    def _owned(self, task_id: TaskId, present: list[str]) -> set[str]:
        memory = self._state.task(task_id)
        owned = set(memory.stamps) if memory is not None else set()
        if os.path.basename(self._path(task_id)) in self._interrupted:
            intent = read_checked(self._path(task_id), Decoder(Intent))
            if intent is not None:
                spared = {unescape_path(path) for path in intent.spared}
                owned.update(unescape_path(path) for path in intent.owned)
                owned.update(path for path in present if path not in spared)
        return owned

    def _path(self, task_id: TaskId) -> str:
        name = blake3(task_id.encode("utf-8", "surrogateescape")).hexdigest(length=10)
        return os.path.join(self._directory, name)
