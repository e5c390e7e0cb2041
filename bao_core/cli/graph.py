"""`bao graph`: the package graph or the task graph, as JSON or for tools that draw."""

from __future__ import annotations

from msgspec import Struct

from bao_core.cli.opening import opened, selecting
from bao_core.errors import UsageError
from bao_core.model import ROOT, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from bao_core.cli.commands import GraphArguments
    from bao_core.cli.options import Invocation
    from bao_core.cli.terminal import Terminal
    from bao_core.model import TaskGraph, Workspace


class PackageEdge(Struct, frozen=True, order=True):
    """An internal dependency of a package, and where it is declared."""

    name: str
    kind: str


class PackageNode(Struct, frozen=True):
    """A package in the JSON that `bao graph` prints; `path` is `.` for the root."""

    name: str
    path: str
    dependencies: list[PackageEdge]


class TaskEdgeNode(Struct, frozen=True, order=True):
    """An upstream task, and what of it counts."""

    id: str
    follow: str


class TaskNode(Struct, frozen=True):
    """A task in the JSON that `bao graph` prints; a transit task has no command."""

    id: str
    package: str
    task: str
    command: Command | None
    dependencies: list[TaskEdgeNode]


class _Drawn(Struct, frozen=True):
    """A node to draw.

    Attributes:
        faint: It stands only between others: a transit task.
        edges: What it depends on, each with whether the edge counts only in part.
    """

    name: str
    faint: bool
    edges: list[tuple[str, bool]]


def graph(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Print a graph; returns the exit code."""
    from bao_core.session import RunOptions

    arguments: GraphArguments = invocation.arguments
    if arguments.tasks and arguments.packages:
        raise UsageError("--packages prints the package graph, which has no tasks; name none")
    with opened(invocation, environ, terminal) as session:
        chosen = selecting(arguments)
        if arguments.tasks:
            plan = session.plan_of(RunOptions(tasks=arguments.tasks, selecting=chosen))
            tasks = task_nodes(plan)
            drawn = [_drawn_task(node) for node in tasks]
            document = {"version": 1, "tasks": tasks}
        else:
            selection = session.select(chosen)
            for note in selection.notes:
                terminal.note(note)
            # The root is a package to be drawn only where its manifest makes it one.
            names = {package.name for package in selection.packages} - {ROOT}
            packages = package_nodes(session.workspace, names)
            drawn = [_drawn_package(node) for node in packages]
            document = {"version": 1, "packages": packages}
    match arguments.format:
        case "dot":
            terminal.line("\n".join(dot(drawn)))
        case "mermaid":
            terminal.line("\n".join(mermaid(drawn)))
        case _:
            terminal.json(document)
    return 0


def package_nodes(workspace: Workspace, names: Collection[str]) -> list[PackageNode]:
    """The packages of these names, with the dependencies among them."""
    return [
        PackageNode(
            package.name,
            package.path or ".",
            sorted(
                PackageEdge(dependency.name, dependency.kind)
                for dependency in package.dependencies
                if dependency.name in names
            ),
        )
        for package in workspace.packages.values()
        if package.name in names
    ]


def task_nodes(tasks: TaskGraph) -> list[TaskNode]:
    """The tasks of a graph, every one after what it depends on."""
    return [
        TaskNode(
            task.id,
            task.package,
            task.name,
            task.definition.command,
            sorted(TaskEdgeNode(edge.id, edge.follow) for edge in task.upstream),
        )
        for task in tasks.tasks.values()
    ]


def _drawn_package(node: PackageNode) -> _Drawn:
    kinds: dict[str, bool] = {}
    for edge in node.dependencies:
        # Declared twice, it counts in full if one of the two does.
        kinds[edge.name] = kinds.get(edge.name, True) and edge.kind == "extra"
    return _Drawn(node.name, faint=False, edges=list(kinds.items()))


def _drawn_task(node: TaskNode) -> _Drawn:
    edges = [(edge.id, edge.follow == "none") for edge in node.dependencies]
    return _Drawn(node.id, faint=node.command is None, edges=edges)


def dot(nodes: Sequence[_Drawn]) -> Iterator[str]:
    """A graph in Graphviz's language; arrows point at what is depended on."""
    yield "digraph bao {"
    yield "  rankdir=LR;"
    yield "  node [shape=box];"
    for node in nodes:
        style = " [style=dashed]" if node.faint else ""
        yield f"  {_dot_quoted(node.name)}{style};"
    for node in nodes:
        for target, partly in node.edges:
            style = " [style=dashed]" if partly else ""
            yield f"  {_dot_quoted(node.name)} -> {_dot_quoted(target)}{style};"
    yield "}"


def mermaid(nodes: Sequence[_Drawn]) -> Iterator[str]:
    """A graph in Mermaid's language; arrows point at what is depended on."""
    ids = {node.name: f"n{index}" for index, node in enumerate(nodes)}
    yield "flowchart LR"
    for node in nodes:
        opening, closing = ("([", "])") if node.faint else ("[", "]")
        yield f"  {ids[node.name]}{opening}{_mermaid_quoted(node.name)}{closing}"
    for node in nodes:
        for target, partly in node.edges:
            yield f"  {ids[node.name]} {'-.->' if partly else '-->'} {ids[target]}"


def _dot_quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _mermaid_quoted(name: str) -> str:
    """A label in quotes: whatever Mermaid gives a meaning to is written as its code point."""
    plain = (
        char if char.isalnum() or char in " @/._-:+()[]{}," or char == "\\" else f"#{ord(char)};"
        for char in name
    )
    return f'"{"".join(plain)}"'
