"""Key contributors add ingredients to cache keys."""

from __future__ import annotations

from abc import abstractmethod

from bao_core.interfaces.component import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bao_core.model import KeyPart, Package, Task, TaskId


class KeyContributor(Component):
    """Adds parts to the keys of tasks, such as the identity of an interpreter."""

    @abstractmethod
    def parts(self, tasks: Sequence[tuple[Task, Package]]) -> Mapping[TaskId, Sequence[KeyPart]]:
        """Name what else can influence these tasks.

        Called once a run, on the main thread, with every task that has a key. Parts are prefixed
        with the contributor's name and sorted before hashing, so their order does not count. A
        task without extra parts may be left out.

        If this raises, its tasks are run and not cached, and the contributor is named once.
        """
