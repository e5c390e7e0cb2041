"""The key contributor `node`."""

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
    from bao_workspace_node.locks.npm import LockDocument
    from bao_workspace_node.settings import PackageManager


class NodeRuntime(KeyContributor):
    """What JavaScript code runs with: Node, the package manager, and what is not as locked.

    The lock file itself is in the key already. These parts are for what it cannot say: which Node
    there is, and whether somebody pulled a lock file without installing it.
    """

    name: ClassVar[str] = "node"

    def __init__(self, context: Context) -> None:
        self._context = context

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """See `Component.open`."""
        del settings
        return cls(context)

    def parts(self, tasks: Sequence[tuple[Task, Package]]) -> Mapping[TaskId, Sequence[KeyPart]]:
        """See `KeyContributor.parts`. Tasks of other packages than Node's have no part.

        All packages have the same parts, since all are installed by one package manager at once.
        """
        mine = [task.id for task, package in tasks if "node" in package.provider.split()]
        if not mine:
            return {}
        from bao_core.answers import Answers
        from bao_workspace_node.programs import Programs

        root = self._context.root
        memory = Answers(os.path.join(self._context.state_dir, "node-runtime.json"))
        programs = Programs(root, self._context.environ, memory)
        manager = _manager_at(root)
        version = manager.version or programs.manager(manager.name)
        values = {
            "node": programs.runtime("node"),
            "package-manager": f"{manager.name}@{version}",
            **_installed_differently(root, manager, memory),
        }
        if manager.name == "bun":
            values["bun"] = programs.runtime("bun")
        memory.save()
        parts = tuple(KeyPart(name, value) for name, value in values.items())
        return dict.fromkeys(mine, parts)


def _manager_at(root: str) -> PackageManager:
    """The package manager that the root names, or whose lock file lies there."""
    from bao_workspace_node.manifest import MANIFEST, read_manifest
    from bao_workspace_node.settings import LOCK_FILES, PackageManager, named_manager

    try:
        with open(os.path.join(root, MANIFEST), "rb") as stream:
            manifest = read_manifest(MANIFEST, stream.read())
    except OSError:
        return PackageManager("npm")
    if (named := named_manager(manifest)) is not None:
        return named
    for name, files in LOCK_FILES.items():
        if any(os.path.exists(os.path.join(root, file)) for file in files):
            return PackageManager(name)
    return PackageManager("npm")


def _installed_differently(root: str, manager: PackageManager, memory: Answers) -> dict[str, str]:
    from bao_core.answers import witness_of
    from bao_workspace_node.settings import LOCK_FILES

    installed = os.path.join(root, "node_modules", ".package-lock.json")
    locks = (os.path.join(root, name) for name in LOCK_FILES["npm"])
    lock = next((path for path in locks if os.path.exists(path)), None)
    if manager.name != "npm" or lock is None or not os.path.exists(installed):
        return {}
    witness = witness_of(installed, lock)
    known = memory.recall("differences", witness, dict[str, str])
    if known is None:
        from bao_core.closures import LockBrokenError
        from bao_workspace_node.installed import differences

        try:
            known = differences(_decoded(lock), _decoded(installed))
        except (OSError, LockBrokenError):
            # No telling what is different: all that is installed counts.
            return {"installed": _digest(installed)}
        memory.remember("differences", witness, known)
    return known


def _decoded(path: str) -> LockDocument:
    from bao_workspace_node.locks.npm import decode_lock

    with open(path, "rb") as stream:
        return decode_lock(os.path.basename(path), stream.read())


def _digest(path: str) -> str:
    from bao_core.digests import digest_file

    try:
        return digest_file(path).hash
    except OSError:
        return "unreadable"
