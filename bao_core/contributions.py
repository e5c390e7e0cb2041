"""What key contributors say of the tasks of a run."""

from __future__ import annotations

from bao_core.interfaces.component import called

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bao_core.components import Components
    from bao_core.model import KeyPart, TaskGraph, TaskId, Workspace
    from bao_core.plugins import PluginHost


class Contributions:
    """Asks the contributors, once a run.

    Attributes:
        fault: Why nothing may be cached in this run: what a contributor would have said is unknown;
            empty where all have answered.
    """

    def __init__(
        self, host: PluginHost, components: Components, warn: Callable[[str], None]
    ) -> None:
        self._host = host
        self._components = components
        self._warn = warn
        self.fault = ""

    def of(
        self, graph: TaskGraph, workspace: Workspace
    ) -> tuple[tuple[str, ...], dict[TaskId, Mapping[str, str]]]:
        """The names of the contributors, and the values of their parts, by name and by task.

        Tasks of which the same is said share one mapping.
        """
        classes = self._host.key_contributors()
        for broken in self._host.failed_offering("bao_key_contributors"):
            self.fault = f"key contributor plugin '{broken.name}' is broken"
        tasks = [(task, workspace.packages[task.package]) for task in graph.tasks.values()]
        contributed: dict[TaskId, Mapping[str, str]] = {}
        for cls in classes:
            try:
                said = self._components.open(cls).parts(tasks)
            except Exception as error:  # noqa: BLE001 - without its parts nothing may be cached
                self.fault = f"key contributor {called(cls)} failed: {error}"
                self._warn(f"{self.fault}; nothing is cached in this run")
                continue
            _add(contributed, cls.name, said)
        return tuple(cls.name for cls in classes), contributed


def _add(
    contributed: dict[TaskId, Mapping[str, str]],
    name: str,
    said: Mapping[TaskId, Sequence[KeyPart]],
) -> None:
    merged: dict[tuple[int, int], Mapping[str, str]] = {}
    nothing: Mapping[str, str] = {}
    for task_id, parts in said.items():
        before = contributed.get(task_id, nothing)
        both = (id(before), id(parts))
        if both not in merged:
            merged[both] = {**before, **{f"{name}:{part.name}": part.value for part in parts}}
        contributed[task_id] = merged[both]
