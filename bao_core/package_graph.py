"""The packages of a workspace and the edges between them, and the order that edges give."""

from __future__ import annotations

from typing import TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bao_core.model import Package, Workspace

Node = TypeVar("Node", bound=str)


class PackageGraph:
    """The packages of a workspace and the edges between them.

    An edge goes from a package to one it depends on. Edges that exist through an extra only are
    left out unless they are asked for, and so are those that exist through a dependency group only
    and close a cycle: a project's development tools may well be built on the project.

    Attributes:
        workspace: Where the packages come from.
    """

    __slots__ = ("_by_directory", "_circular", "_dependencies", "_dependents", "workspace")

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._dependencies: tuple[dict[str, tuple[str, ...]], ...] = ({}, {})
        self._dependents: list[dict[str, tuple[str, ...]] | None] = [None, None]
        self._by_directory: dict[str, tuple[str, ...]] | None = None
        self._circular = self._circular_group_edges()

    def dependencies(self, name: str, *, extras: bool = False) -> tuple[str, ...]:
        """The packages that one depends on directly, sorted."""
        known = self._dependencies[extras]
        found = known.get(name)
        if found is None:
            packages = self.workspace.packages
            names = {
                edge.name
                for edge in packages[name].dependencies
                if (extras or edge.kind != "extra") and edge.name in packages
            }
            if not extras and self._circular:
                names = {other for other in names if (name, other) not in self._circular}
            found = known[name] = tuple(sorted(names))
        return found

    def needed_by_root(self) -> list[Package]:
        """The packages that the root package depends on, directly or through others, by name."""
        root = self.workspace.root_package
        names = self.closure([root], up=False) - {root}
        return [self.workspace.packages[name] for name in sorted(names)]

    def dependents(self, name: str, *, extras: bool = False) -> tuple[str, ...]:
        """The packages that depend on one directly, sorted."""
        reverse = self._dependents[extras]
        if reverse is None:
            found: dict[str, list[str]] = {package: [] for package in self.workspace.packages}
            for package in sorted(found):
                for dependency in self.dependencies(package, extras=extras):
                    found[dependency].append(package)
            reverse = {package: tuple(names) for package, names in found.items()}
            self._dependents[extras] = reverse
        return reverse[name]

    def closure(self, names: Iterable[str], *, up: bool, extras: bool = False) -> set[str]:
        """Everything that can be reached from some packages, themselves included.

        Args:
            names: Where to start.
            up: Go up to the packages that depend on them; otherwise down to those they need.
            extras: Follow edges through extras as well.
        """
        neighbours = self.dependents if up else self.dependencies
        reached = set(names)
        waiting = list(reached)
        while waiting:
            for name in neighbours(waiting.pop(), extras=extras):
                if name not in reached:
                    reached.add(name)
                    waiting.append(name)
        return reached

    def order(self) -> list[str]:
        """Every package after those it depends on, ties by name.

        Where packages depend on each other in a circle, the first name that is left goes ahead.
        """
        return topological_order(self._edges(), break_cycles=True)

    def cycle(self) -> list[str] | None:
        """A circle of packages, as a path that ends where it starts; None where there is none."""
        return find_cycle(self._edges())

    def owners(self, path: str) -> tuple[str, ...]:
        """Every package whose directory holds a path, or is it: innermost first, the root last."""
        directories = self._directories()
        found: list[str] = []
        end = len(path)
        while end > 0:
            found += directories.get(path[:end], ())
            end = path.rfind("/", 0, end)
        return (*found, *directories.get("", ()))

    def _declared(self, name: str) -> dict[str, set[str]]:
        """The packages that one depends on directly, each with the kinds of edges to it."""
        packages = self.workspace.packages
        declared: dict[str, set[str]] = {}
        for edge in packages[name].dependencies:
            if edge.name in packages:
                declared.setdefault(edge.name, set()).add(edge.kind)
        return declared

    def _circular_group_edges(self) -> frozenset[tuple[str, str]]:
        """Edges through nothing but dependency groups that lie on a cycle."""
        optional = {"extra", "group"}
        candidates = [
            (name, dependency)
            for name, package in self.workspace.packages.items()
            if any(edge.kind == "group" for edge in package.dependencies)
            for dependency, kinds in self._declared(name).items()
            if "group" in kinds and kinds <= optional
        ]
        return frozenset(edge for edge in candidates if self._reaches(edge[1], edge[0]))

    def _reaches(self, start: str, goal: str) -> bool:
        seen = {start}
        waiting = [start]
        while waiting:
            for dependency, kinds in self._declared(waiting.pop()).items():
                if dependency not in seen and kinds != {"extra"}:
                    seen.add(dependency)
                    waiting.append(dependency)
        return goal in seen

    def _edges(self) -> dict[str, tuple[str, ...]]:
        return {name: self.dependencies(name) for name in self.workspace.packages}

    def _directories(self) -> dict[str, tuple[str, ...]]:
        if self._by_directory is None:
            found: dict[str, tuple[str, ...]] = {}
            for package in self.workspace.packages.values():
                found[package.path] = (*found.get(package.path, ()), package.name)
            self._by_directory = found
        return self._by_directory


def topological_order(
    edges: Mapping[Node, Collection[Node]], *, break_cycles: bool = False
) -> list[Node]:
    """Nodes in an order that puts each after all it needs; among those that could come, by name.

    Args:
        edges: What each node needs; every node that is needed is a node itself.
        break_cycles: Let the first name go ahead where all that is left needs something that is
            left. Otherwise such nodes do not appear in the answer.
    """
    from heapq import heapify, heappop, heappush

    needed_by: dict[Node, list[Node]] = {}
    missing: dict[Node, int] = {}
    ready: list[Node] = []
    for node, needs in edges.items():
        if needs:
            missing[node] = len(needs)
            for need in needs:
                needed_by.setdefault(need, []).append(node)
        else:
            ready.append(node)
    heapify(ready)
    ordered: list[Node] = []
    while ready or (break_cycles and missing):
        if not ready:
            first = min(missing)
            del missing[first]
            ready.append(first)
        node = heappop(ready)
        ordered.append(node)
        for other in needed_by.get(node, ()):
            left = missing.get(other)
            if left is None:
                continue
            if left == 1:
                del missing[other]
                heappush(ready, other)
            else:
                missing[other] = left - 1
    return ordered


def find_cycle(edges: Mapping[Node, Collection[Node]]) -> list[Node] | None:
    """A circle along edges, as a path that ends where it starts; None where there is none.

    Starts with the first name in the circle, and is the same for the same edges.
    """
    stuck = edges.keys() - set(topological_order(edges))
    if not stuck:
        return None
    # What is stuck needs something that is stuck, so a walk among it comes back to itself.
    path: list[Node] = []
    node = min(stuck)
    while node not in path:
        path.append(node)
        node = min(need for need in edges[node] if need in stuck)
    circle = path[path.index(node) :]
    start = circle.index(min(circle))
    return [*circle[start:], *circle[: start + 1]]
