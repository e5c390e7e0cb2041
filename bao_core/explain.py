"""Why a task was executed: its key against the key of the last result of the same task."""

from __future__ import annotations

from bao_core.keys import decode_parts, explain_difference
from bao_core.model import Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.keys import StoredParts
    from bao_core.model import CacheKey, Task, TaskId
    from bao_core.task_keys import KeyedTask
    from bao_core.workbench import Workbench


class Explainer:
    """Compares keys with what this machine, or a shared cache, remembers.

    Args:
        bench: What the run works with.
        near: Ask no remote tier, since nothing in a run waits for it for that.
    """

    def __init__(self, bench: Workbench, *, near: bool = True) -> None:
        self._bench = bench
        self._near = near

    def why_executed(self, task: Task, keyed: KeyedTask) -> tuple[Reason, ...]:
        """Why there is no hit; one reason at least."""
        bench = self._bench
        if not task.definition.cache:
            word = "is persistent" if task.definition.persistent else "is not cached"
            return (Reason("not-cached", f"it {word}"),)
        if why := bench.uncacheable(task):
            return (Reason("uncacheable", why),)
        if not bench.tiers:
            return (Reason("no-cache", "no cache is installed, or none works"),)
        if not bench.look_up:
            return (Reason("forced", "the cache is not asked in this run"),)
        return self.why_missed(task, keyed)

    def why_missed(self, task: Task, keyed: KeyedTask) -> tuple[Reason, ...]:
        """The differences from the last result; one reason at least."""
        last = self.last_result(task.id)
        if last is None:
            return (Reason("no-earlier-result", "no earlier result"),)
        key, parts = last
        if key == keyed.key:
            return (Reason("evicted", "its result is no longer in the cache"),)
        differences = explain_difference(parts, self._bench.keys.storable(task, keyed))
        if not differences:
            return (Reason("unknown", "a part of its key that is not kept changed"),)
        return tuple(differences)

    def last_result(self, task_id: TaskId) -> tuple[CacheKey, StoredParts] | None:
        """The key and the parts of the last result of a task, from here or from a tier."""
        memory = self._bench.state.memory.tasks.get(task_id)
        if memory is not None and memory.key:
            blob = self._bench.tiers.read_blob(memory.parts, near=self._near)
            parts = decode_parts(blob) if blob is not None else None
            if parts is not None:
                return memory.key, parts
        return self._bench.tiers.latest_parts(task_id, near=self._near)
