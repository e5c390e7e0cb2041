"""What a run would do: every task with its key, and whether the cache has it."""

from __future__ import annotations

from bao_core.explain import Explainer
from bao_core.inputs import relative_names
from bao_core.records import Explanation, TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bao_core.model import Task, TaskGraph, TaskId
    from bao_core.task_keys import KeyedTask
    from bao_core.tiers import Hit
    from bao_core.workbench import Finished, Workbench


class Forecast:
    """Keys and lookups of a graph, without doing anything."""

    def __init__(
        self, graph: TaskGraph, bench: Workbench, external: Callable[[str], tuple[str, ...]]
    ) -> None:
        self._graph = graph
        self._bench = bench
        self._external = external
        self._explainer = Explainer(bench)
        self.keyed = bench.keys.keys_known_now()
        wanted = [keyed.key for keyed in self.keyed.values()] if bench.look_up else []
        self._hits = bench.tiers.look_up(wanted)

    def records(self) -> list[TaskRecord]:
        """A record for every task, in the order of the graph."""
        return [self._record(task) for task in self._graph.tasks.values()]

    def answer(self, task: Task) -> str:
        """`hit`, `miss`, `off` or `pending`."""
        if task.transit or not task.definition.cache or self._bench.uncacheable(task):
            return "off"
        keyed = self.keyed.get(task.id)
        if keyed is None:
            return "pending"
        return "hit" if keyed.key in self._hits else "miss"

    def explain(self, task: Task) -> Explanation:
        """Everything that is known of why a task is a hit or a miss."""
        keyed = self.keyed.get(task.id)
        answer = self.answer(task)
        explanation = Explanation(task_id=task.id, key=None, outcome=answer)
        if keyed is None:
            return explanation
        explanation.key = keyed.key
        explanation.parts = self._bench.keys.storable(task, keyed).parts
        hit = self._hits.get(keyed.key)
        if hit is not None and answer == "hit":
            explanation.tier = hit.tier.name
            explanation.created = hit.result.started
            explanation.saved = hit.result.duration
            explanation.compared_with = keyed.key
            return explanation
        # For one task, a shared cache may be asked as well.
        explainer = Explainer(self._bench, near=False)
        last = explainer.last_result(task.id)
        if last is not None:
            explanation.compared_with = last[0]
        if answer == "miss":
            explanation.differences = list(explainer.why_missed(task, keyed))
        return explanation

    def _record(self, task: Task) -> TaskRecord:
        answer = self.answer(task)
        keyed = self.keyed.get(task.id)
        hit = self._hits.get(keyed.key) if keyed is not None and answer == "hit" else None
        why: list[str] = []
        if answer == "miss" and keyed is not None:
            why = [reason.text for reason in self._explainer.why_missed(task, keyed)]
        return record_of(task, keyed, self._bench, self._external, answer, hit, why)


def record_of(
    task: Task,
    keyed: KeyedTask | None,
    bench: Workbench,
    external: Callable[[str], tuple[str, ...]],
    answer: str,
    hit: Hit | None,
    why: list[str],
) -> TaskRecord:
    """The record of one task."""
    package = bench.workspace.packages[task.package]
    parts = bench.keys.storable(task, keyed).parts if keyed is not None else {}
    inputs: dict[str, str] = {}
    if keyed is not None:
        names = relative_names(keyed.inputs.paths, package)
        inputs = dict(zip(names, keyed.inputs.identities, strict=True))
    return TaskRecord(
        id=task.id,
        package=task.package,
        task=task.name,
        command=task.definition.command,
        directory=package.path or ".",
        key=keyed.key if keyed is not None else None,
        cache=answer,
        tier=hit.tier.name if hit is not None else None,
        dependencies=[edge.id for edge in task.upstream],
        inputs=inputs,
        outputs=list(task.definition.outputs),
        env={name[4:]: tag for name, tag in parts.items() if name.startswith("env:")},
        external_dependencies=list(external(task.package)),
        why=why,
    )


def summary_records(
    graph: TaskGraph,
    finished: Mapping[TaskId, Finished],
    bench: Workbench,
    external: Callable[[str], tuple[str, ...]],
) -> list[TaskRecord]:
    """The records of a run that has ended."""
    records = []
    for task in graph.tasks.values():
        end = finished.get(task.id)
        if end is None:
            continue
        hit = end.outcome in {"stood", "restored"}
        off = task.transit or not task.definition.cache
        answer = "hit" if hit else "off" if off else "miss"
        why = [reason.text for reason in end.reasons]
        record = record_of(task, end.keyed, bench, external, answer, None, why)
        record.tier = end.tier
        record.outcome = end.outcome
        record.exit_code = end.exit_code
        record.start = end.started or None
        record.duration = end.duration
        record.peak_memory = end.usage.peak_memory
        record.executor = end.worker
        records.append(record)
    return records
