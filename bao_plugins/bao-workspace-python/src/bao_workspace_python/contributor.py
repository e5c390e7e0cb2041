"""The key contributor `python`."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

from bao_core.interfaces.keys import KeyContributor
from bao_core.model import KeyPart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bao_core.answers import Answers
    from bao_core.interfaces.component import Context
    from bao_core.model import Package, Task, TaskId
    from bao_workspace_python.environments import Environment, Interpreter
    from bao_workspace_python.uv_lock import UvLock

LOCK_FILE = "uv.lock"


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
        mine = [(task.id, p.path) for task, p in tasks if "python" in p.provider.split()]
        if not mine:
            return {}
        from bao_core.answers import Answers
        from bao_workspace_python.environments import Environments

        memory = Answers(os.path.join(self._context.state_dir, "python-runtime.json"))
        environments = Environments(self._context.root, self._context.environ, memory)
        lock = _Lock(os.path.join(self._context.root, LOCK_FILE))
        findings: dict[tuple[str, str], _Findings] = {}
        parts: dict[str, tuple[KeyPart, ...]] = {}
        for directory in dict.fromkeys(directory for _, directory in mine):
            environment = environments.of(directory)
            # An environment of a package's own is compared for this package alone.
            own = os.path.join(self._context.root, directory, ".venv") == environment.prefix
            which = (environment.prefix, directory if own else "")
            found = findings.get(which)
            if found is None:
                interpreter = environments.interpreter(environment)
                found = _Findings(environment, interpreter, lock, only=which[1])
                findings[which] = found
            parts[directory] = found.parts(directory, memory)
        memory.save()
        return {id_: parts[directory] for id_, directory in mine}


class _Lock:
    """The lock file, parsed only if somebody needs it, and once."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.exists = os.path.exists(path)
        self._parsed: UvLock | None = None

    def parsed(self) -> UvLock | None:
        """The lock file; None where it is broken."""
        from bao_workspace_python.uv_lock import LockBrokenError, read_lock

        if self._parsed is None:
            try:
                with open(self.path, "rb") as stream:
                    self._parsed = read_lock(stream.read())
            except (OSError, LockBrokenError):
                return None
        return self._parsed


class _Findings:
    """What one environment adds to keys.

    Args:
        environment: The environment.
        interpreter: What its interpreter answered.
        lock: The lock file.
        only: The one package that uses the environment; empty where all may.
    """

    def __init__(
        self, environment: Environment, interpreter: Interpreter, lock: _Lock, *, only: str
    ) -> None:
        from bao_workspace_python.installed import digest_of, installed_versions

        self._environment = environment
        self._lock = lock
        self._only = only
        self._installed = installed_versions(environment.site_packages(interpreter))
        self._digest = digest_of(self._installed)
        self._different: dict[str, dict[str, str]] | None = None
        common = {"interpreter": interpreter.identity}
        if environment.prefix:
            common["environment"] = environment.described
        if not lock.exists:
            # Nothing else says what is installed.
            common["installed"] = self._digest
        self._common = tuple(KeyPart(name, value) for name, value in common.items())

    def parts(self, directory: str, memory: Answers) -> tuple[KeyPart, ...]:
        """The parts for the tasks of a package."""
        if not self._lock.exists:
            return self._common
        if self._different is None:
            self._different = self._compared(memory)
        different = self._different.get(directory) or self._different.get("")
        if not different:
            return self._common
        return (*self._common, *(KeyPart(name, value) for name, value in different.items()))

    def _compared(self, memory: Answers) -> dict[str, dict[str, str]]:
        """Differences by directory; those of the root hold for a package that has none here."""
        from bao_core.answers import witness_of

        lock_witness = witness_of(self._lock.path)
        witness = None if lock_witness is None else f"{self._digest} {lock_witness}"
        place = self._environment.prefix or self._environment.program
        question = f"differences {place} {self._only}"
        known = memory.recall(question, witness, dict[str, dict[str, str]])
        if known is not None:
            return known
        from bao_workspace_python.installed import differences

        lock = self._lock.parsed()
        if lock is None:
            # Everything installed counts, as if there were no lock file.
            return {"": {"installed": self._digest}}
        users = ("", *([self._only] if self._only else lock.directories()))
        found = differences(lock, self._installed, users, missing=bool(self._environment.prefix))
        memory.remember(question, witness, found)
        return found
