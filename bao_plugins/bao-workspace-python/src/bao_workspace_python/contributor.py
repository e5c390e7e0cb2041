"""The key contributor `python`."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

from bao_core.interfaces.keys import KeyContributor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bao_core.interfaces.component import Context
    from bao_core.model import KeyPart, Package, Task, TaskId


class PythonRuntime(KeyContributor):
    """What Python code runs with: the interpreter, and what is installed otherwise than locked.

    The lock file itself is in the key already. These parts are for what it cannot say: which
    interpreter there is, and whether somebody pulled a lock file without installing it.
    """

    name: ClassVar[str] = "python"

    def __init__(self, context: Context) -> None:
        self._context = context

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """See `Component.open`."""
        del settings
        return cls(context)

    def parts(self, tasks: Sequence[tuple[Task, Package]]) -> Mapping[TaskId, Sequence[KeyPart]]:
        """See `KeyContributor.parts`. Tasks of other packages than Python's have no part."""
        mine = [(task, package) for task, package in tasks if "python" in package.provider.split()]
        if not mine:
            return {}
        from bao_core.answers import Answers
        from bao_workspace_python.environments import Environments
        from bao_workspace_python.findings import AllFindings
        from bao_workspace_python.lock_places import LockPlaces

        root, state_dir = self._context.root, self._context.state_dir
        memory = Answers(os.path.join(state_dir, "python-runtime.json"))
        environments = Environments(root, self._context.environ, memory)
        findings = AllFindings(root, environments, LockPlaces(root, state_dir), memory)
        parts: dict[str, tuple[KeyPart, ...]] = {}
        for _, package in mine:
            if package.path not in parts:
                parts[package.path] = findings.parts(package)
        if findings.outside:
            from bao_core.events import WarningRaised
            from bao_workspace_python.missing import missing_environment

            if sentence := missing_environment(mine, findings, root, memory):
                self._context.emit(WarningRaised(sentence))
        memory.save()
        return {task.id: parts[package.path] for task, package in mine}
