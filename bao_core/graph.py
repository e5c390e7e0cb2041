"""The task graph: what was asked for, and everything upstream of it.

It is built on the way of every run, so this module is lean: a thousand tasks take some ten
milliseconds. What is only needed to explain a mistake is worked out when one is made.
"""

from __future__ import annotations

from msgspec.structs import replace

from bao_core.errors import GraphError, SelectionError
from bao_core.model import ROOT, Task, TaskDefinition, TaskEdge, TaskGraph, TaskId, TaskReference
from bao_core.package_graph import PackageGraph, find_cycle, topological_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from bao_core.model import Follow, Workspace

    Definitions = Mapping[str, Mapping[str, TaskDefinition]]

__all__ = ["ROOT_DEFINITIONS", "PackageGraph", "build_task_graph"]

ROOT_DEFINITIONS = "*"
"""Where what the root says of each task name stands among the definitions of the packages."""

_STRENGTH = {"none": 0, "outputs": 1, "key": 2}


def build_task_graph(
    workspace: Workspace,
    packages: PackageGraph,
    definitions: Definitions,
    *,
    tasks: Sequence[str],
    selected: Collection[str],
    arguments: tuple[str, ...] = (),
    allows: Callable[[str, str], bool] | None = None,
    only: bool = False,
) -> TaskGraph:
    """The tasks that were asked for, and everything upstream of them.

    Args:
        workspace: Its packages.
        packages: Their graph.
        definitions: By package and task name; under `*` what the root says of each task name.
        tasks: Task names, for every selected package that has them, or `package#task`, which counts
            whatever is selected; `//#task` is the root package's.
        selected: Names of packages.
        arguments: For the tasks asked for.
        allows: Whether a task of a selected package is asked for; None for all.
        only: Leave out what is upstream and was not asked for itself.

    Returns:
        Every task after its upstream ones; among those that could come, by id.

    Raises:
        SelectionError: A task is asked for that nobody defines, or of a package that lacks it.
        GraphError: A task depends on one that nobody defines, on a package that is not there, on a
            persistent task, or on itself along some path.
    """
    builder = _TaskGraphBuilder(workspace, packages, definitions)
    for task in tasks:
        builder.request(task, selected, allows)
    return builder.build(arguments, only=only)


class _TaskGraphBuilder:
    """Collects the nodes and edges of a task graph."""

    def __init__(
        self, workspace: Workspace, packages: PackageGraph, definitions: Definitions
    ) -> None:
        self._workspace = workspace
        self._packages = packages
        self._definitions = definitions
        self._known: set[str] = set().union(*definitions.values())
        self._transit: dict[str, TaskDefinition] = {}
        self._requested: dict[TaskId, None] = {}
        self._nodes: dict[TaskId, tuple[str, TaskDefinition]] = {}
        self._upstream: dict[TaskId, dict[TaskId, Follow]] = {}

    def request(
        self, task: str, selected: Collection[str], allows: Callable[[str, str], bool] | None
    ) -> None:
        if "#" in task:
            self._request_one(task)
            return
        if task not in self._known:
            raise self._unknown_task(task)
        for package in selected:
            if task in self._definitions.get(package, ()) and (
                allows is None or allows(package, task)
            ):
                self._requested[self._node(package, task)] = None

    def build(self, arguments: tuple[str, ...], *, only: bool) -> TaskGraph:
        waiting = list(self._requested)
        while waiting:
            task_id = waiting.pop()
            if task_id not in self._upstream:
                upstream = self._upstream_of(task_id)
                if only:
                    upstream = self._requested_of(task_id, upstream)
                self._check_ends(task_id, upstream)
                self._upstream[task_id] = upstream
                waiting += upstream
                waiting += self._beside(task_id)
        order = topological_order(self._upstream)
        if len(order) < len(self._upstream):
            raise self._cyclic()
        edges: dict[tuple[TaskId, Follow], TaskEdge] = {}
        tasks: dict[TaskId, Task] = {}
        for task_id in order:
            package, definition = self._nodes[task_id]
            upstream = self._upstream[task_id]
            found = []
            for pair in sorted(upstream.items()):
                edge = edges.get(pair)
                if edge is None:
                    edge = edges[pair] = TaskEdge(*pair)
                found.append(edge)
            requested = task_id in self._requested
            tasks[task_id] = Task(
                task_id,
                package,
                definition,
                tuple(found),
                requested,
                arguments if requested else (),
            )
        return TaskGraph(tasks)

    def _node(self, package: str, task: str) -> TaskId:
        """The id of a package's task, which is a transit task where the package lacks it."""
        task_id = TaskId(f"{package}#{task}")
        if task_id not in self._nodes:
            definition = self._definitions.get(package, {}).get(task)
            if definition is None:
                definition = self._transit_definition(task)
                if definition.lenient:
                    # Under turbo.json a package lacks a task only if it was taken away from it.
                    definition = replace(definition, depends_on=())
            self._nodes[task_id] = (package, definition)
        return task_id

    def _transit_definition(self, task: str) -> TaskDefinition:
        known = self._transit.get(task)
        if known is None:
            root = self._definitions.get(ROOT_DEFINITIONS, {}).get(task)
            if root is None:
                onward = (TaskReference(task, "dependencies"),)
                known = TaskDefinition(task, depends_on=onward, configured=False)
            else:
                # It leaves nothing behind, so what lies where outputs would be is an input.
                known = replace(root, command=None, outputs=(), persistent=False, interactive=False)
            self._transit[task] = known
        return known

    def _upstream_of(self, task_id: TaskId) -> dict[TaskId, Follow]:
        definition = self._nodes[task_id][1]
        found: dict[TaskId, Follow] = {}
        for reference in definition.depends_on:
            for upstream in self._named(task_id, reference):
                follow = found.get(upstream, reference.follow)
                stronger = _STRENGTH[reference.follow] > _STRENGTH[follow]
                found[upstream] = reference.follow if stronger else follow
        return found

    def _check_ends(self, task_id: TaskId, upstream: Iterable[TaskId]) -> None:
        for other in upstream:
            definition = self._nodes[other][1]
            if definition.persistent and definition.command is not None:
                raise _never_ends(task_id, self._nodes[task_id][1], other)

    def _beside(self, task_id: TaskId) -> list[TaskId]:
        definition = self._nodes[task_id][1]
        return [node for reference in definition.beside for node in self._named(task_id, reference)]

    def _named(self, task_id: TaskId, reference: TaskReference) -> list[TaskId]:
        """The tasks that a task's reference stands for."""
        package, definition = self._nodes[task_id]
        if reference.task not in self._known and not definition.lenient:
            raise self._undefined(task_id, definition, reference)
        targets: tuple[str, ...] = (package,)
        if reference.scope == "dependencies":
            targets = self._packages.dependencies(package)
        elif reference.scope == "package":
            targets = (self._package_named(task_id, definition, reference),)
        if definition.lenient and not all(self._has(name, reference.task) for name in targets):
            raise self._undefined(task_id, definition, reference)
        return [self._node(target, reference.task) for target in targets]

    def _has(self, package: str, task: str) -> bool:
        """Whether a task is defined for a package, by itself or for all of them."""
        named = (self._definitions.get(name, ()) for name in (package, ROOT_DEFINITIONS))
        return any(task in known for known in named)

    def _requested_of(
        self, task_id: TaskId, upstream: Mapping[TaskId, Follow]
    ) -> dict[TaskId, Follow]:
        """The upstream tasks that are run even where nothing but what was asked for is run.

        What is left out may have left anything behind, so that a task which needs it is not cached.
        """
        kept = {other: follow for other, follow in upstream.items() if other in self._requested}
        if len(kept) < len(upstream):
            package, definition = self._nodes[task_id]
            self._nodes[task_id] = (package, replace(definition, cache=False))
        return kept

    def _package_named(
        self, task_id: TaskId, definition: TaskDefinition, reference: TaskReference
    ) -> str:
        if reference.package == ROOT:
            return self._workspace.root_package
        if reference.package in self._workspace.packages:
            return reference.package
        raise GraphError(
            f"{task_id} depends on '{reference}', and there is no package '{reference.package}'",
            where=definition.source or None,
            hint=_advice(reference.package, self._workspace.packages, "see the names with: bao ls"),
        )

    def _request_one(self, task: str) -> None:
        name, _, wanted = task.partition("#")
        package = self._workspace.root_package if name == ROOT else name
        if package not in self._workspace.packages:
            raise SelectionError(
                f"task '{task}': there is no package '{name}'",
                hint=_advice(name, self._workspace.packages, "see the names with: bao ls"),
            )
        own = self._definitions.get(package, {})
        if wanted not in own:
            if wanted not in self._known:
                raise self._unknown_task(wanted)
            raise SelectionError(
                f"package '{package}' has no task '{wanted}'",
                hint=f"it has {', '.join(sorted(own))}" if own else "it has no tasks at all",
            )
        self._requested[self._node(package, wanted)] = None

    def _unknown_task(self, task: str) -> SelectionError:
        every = ", ".join(sorted(self._known)[:12])
        return SelectionError(
            f"no package has a task '{task}'",
            hint=_advice(task, self._known, f"there are: {every}" if every else ""),
        )

    def _undefined(
        self, task_id: TaskId, definition: TaskDefinition, reference: TaskReference
    ) -> GraphError:
        return GraphError(
            f"{task_id} depends on '{reference}', and nobody defines a task '{reference.task}'",
            where=definition.source or None,
            hint=_advice(reference.task, self._known, "define it, or take it out of depends_on"),
        )

    def _cyclic(self) -> GraphError:
        circle = find_cycle(self._upstream) or []
        *tasks, _ = circle
        source = self._nodes[tasks[0]][1].source or None
        hint = self._advice_on_cycle([self._nodes[task_id][0] for task_id in circle])
        if len(tasks) == 1:
            return GraphError(f"{tasks[0]} depends on itself", where=source, hint=hint)
        path = " -> ".join(circle)
        return GraphError(f"these tasks wait for each other: {path}", where=source, hint=hint)

    def _advice_on_cycle(self, packages: Sequence[str]) -> str:
        """What to do about a circle of tasks, given their packages in its order."""
        from itertools import pairwise

        steps = list(pairwise(packages))
        if not all(needed in self._packages.dependencies(name) for name, needed in steps):
            return "take one of them out of depends_on"
        if len(steps) == 1:
            return f"package '{packages[0]}' depends on itself, and '^' follows that"
        return f"the packages depend on each other: {' -> '.join(packages)}; remove one edge"


def _never_ends(task_id: TaskId, definition: TaskDefinition, upstream: TaskId) -> GraphError:
    return GraphError(
        f"{task_id} depends on {upstream}, which is persistent and never ends",
        where=definition.source or None,
        hint="take it out of depends_on and name both on the command line",
    )


def _advice(word: str, known: Iterable[str], otherwise: str) -> str | None:
    from bao_core.near_misses import advice

    return advice(word, known, otherwise)
