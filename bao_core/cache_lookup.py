"""What the cache has for the tasks of a run: what is here at once, what is remote as it comes."""

from __future__ import annotations

from bao_core.outputs.stamps import stamps_equal, stamps_stand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bao_core.model import CacheKey, Task, TaskId
    from bao_core.task_keys import KeyedTask
    from bao_core.tiers import Hit
    from bao_core.workbench import Workbench


class CacheLookup:
    """Used on the main thread.

    Args:
        bench: What the run works with.
        heard: Called with the answer of a remote tier, on any thread; to be handed to `take`.

    Attributes:
        standing: The tier of each hit whose outputs are all in place.
    """

    def __init__(self, bench: Workbench, heard: Callable[[CacheKey, Hit | None], None]) -> None:
        self._bench = bench
        self._heard = heard
        self.standing: dict[TaskId, str] = {}
        self._hits: dict[CacheKey, Hit] = {}
        self._asked: set[CacheKey] = set()

    def begin(
        self,
        tasks: Mapping[TaskId, Task],
        keyed: Mapping[TaskId, KeyedTask],
        phase: Callable[[str], None],
    ) -> None:
        """Look up everything whose key is known before anything runs."""
        bench = self._bench
        wanted = {
            task_id: known.key for task_id, known in keyed.items() if self.may_ask(tasks[task_id])
        }
        candidates: dict[TaskId, CacheKey] = {}
        memories, root, boot = bench.state.memory.tasks, bench.files.root, bench.boot
        for task_id, key in wanted.items():
            memory = memories.get(task_id)
            if (
                memory is not None
                and memory.key == key
                and memory.boot == boot
                and not memory.escaped
                and (memory.log is not None or not bench.replay(tasks[task_id]))
                and stamps_stand(root, memory.stamps, recorded_at=memory.recorded_at)
            ):
                candidates[task_id] = key
        phase("stamps")
        there = bench.tiers.touch(candidates.values()) if candidates else {}
        if candidates and (far := bench.tiers.only_remote()):
            # Nobody here can be asked, and to ask far away may take longer than to run: what is
            # remembered was stored or had from there. Main takes nothing from other scopes.
            scopes = {"", bench.scope}
            there = {key: far for t, key in candidates.items() if memories[t].scope in scopes}
        self.standing = {t: there[key] for t, key in candidates.items() if key in there}
        self.ask({t: key for t, key in wanted.items() if t not in self.standing})
        phase("lookup")

    def may_ask(self, task: Task) -> bool:
        """Whether a result of the task may be used in this run."""
        bench = self._bench
        cached = task.definition.cache and not task.transit
        return bench.look_up and cached and not bench.uncacheable(task)

    def ask(self, wanted: Mapping[TaskId, CacheKey]) -> None:
        """Look keys up."""
        if not wanted:
            return
        tiers = self._bench.tiers
        self._hits.update(tiers.look_up(list(wanted.values()), near=True))
        if not tiers.remotes():
            return
        # A remote tier that takes longer to answer than the task to run is not asked.
        far = {
            key: self._worth(task_id, key)
            for task_id, key in wanted.items()
            if key not in self._hits
        }
        self._asked |= tiers.ask(far, self._heard)

    def _worth(self, task_id: TaskId, key: CacheKey) -> float | None:
        """Seconds that a result is worth waiting for; None for as long as it takes.

        That is where it tells whether outputs are what they were that only look like it, because
        they changed too shortly before they were recorded; the next run knows by itself then.
        """
        bench = self._bench
        memory = bench.state.memory.tasks.get(task_id)
        if memory is None:
            return None
        if memory.key == key and not memory.escaped and bench.tiers.only_remote():
            return None if stamps_equal(bench.files.root, memory.stamps) else memory.duration
        return memory.duration

    def take(self, key: CacheKey, hit: Hit | None) -> None:
        """A remote tier has answered."""
        self._asked.discard(key)
        if hit is not None:
            self._hits[key] = hit

    @property
    def found(self) -> int:
        """How many hits are known whose outputs are not in place."""
        return len(self._hits)

    def is_open(self, key: CacheKey) -> bool:
        """Whether an answer is still to come."""
        return key in self._asked

    def hit(self, key: CacheKey) -> Hit | None:
        """What was found."""
        return self._hits.get(key)
