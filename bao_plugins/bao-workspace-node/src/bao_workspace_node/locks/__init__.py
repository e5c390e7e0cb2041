"""Lock files of Node's package managers, one module a format."""

from __future__ import annotations

import os
from functools import cached_property

from bao_core.closures import ClosureAnswers, ClosureMemory
from bao_workspace_node.locks.table import LockFacts, LockSource, LockTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["LockSource", "LockTable", "RememberedLock", "lock_memory"]

_BERRY = b"__metadata:"


def lock_memory(state_dir: str | None) -> ClosureMemory:
    """What is remembered of lock files below the state directory of components."""
    directory = None if state_dir is None else os.path.join(state_dir, "node-locks")
    return ClosureMemory(directory, os.path.dirname(__file__))


class RememberedLock:
    """A lock file, read as late as possible: what was asked before needs no reading.

    Args:
        source: The lock file.
        memory: Of what was read.
    """

    def __init__(self, source: LockSource, memory: ClosureMemory) -> None:
        self._source = source
        self._memory = memory
        self._module = _module_for(source)
        asks = self._module.asks(source)
        self._key = memory.key(self._module.__name__, source.path, source.data, *asks)
        self.answers = ClosureAnswers(memory, self._key)

    @cached_property
    def facts(self) -> LockFacts:
        """What concerns all packages.

        Raises:
            LockBrokenError: It cannot be parsed, or is not of the form that its program writes.
            FormatUnknownError: It is of a version that is not known here.
        """
        facts = self._memory.recall(LockFacts, self._key)
        if facts is None:
            table = self.table
            facts = LockFacts(table.form, tuple(table.patches))
            self._memory.remember(self._key, facts)
        return facts

    @cached_property
    def table(self) -> LockTable:
        """All of it. Raises what `facts` raises."""
        table: LockTable | None = self._memory.recall(self._module.Lock, self._key)
        if table is None:
            table = self._module.read(self._source)
            self._memory.remember(self._key, table)
        return table


def _module_for(source: LockSource) -> ModuleType:
    """The module that reads a lock file.

    Each has `Lock`, a `LockTable`; `read`, which makes one; and `asks`, which names what the
    answer depends on besides the file.
    """
    from importlib import import_module

    match source.path:
        case "pnpm-lock.yaml":
            name = "pnpm"
        case "yarn.lock":
            berry = source.data.startswith(_BERRY) or b"\n" + _BERRY in source.data
            name = "yarn_berry" if berry else "yarn_classic"
        case "bun.lock":
            name = "bun"
        case "bun.lockb":
            name = "bun_binary"
        case _:
            name = "npm"
    return import_module(f"bao_workspace_node.locks.{name}")
