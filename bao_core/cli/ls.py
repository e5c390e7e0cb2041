"""`bao ls`: packages, and why each is there."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from bao_core.cli.opening import opened, selecting
from bao_core.model import ROOT, Command, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bao_core.cli.options import Invocation, LsArguments
    from bao_core.cli.terminal import Terminal
    from bao_core.session import Session


class ListedTask(Struct, frozen=True):
    """One task in the JSON that `bao ls --tasks` prints.

    Attributes:
        task: Its name.
        command: A line for the shell, or a program and its arguments.
        cache: Whether its results are kept.
        inferred: Whether nobody declared it.
        source: Where it was said, or what it was inferred from.
    """

    task: str
    command: Command
    cache: bool
    inferred: bool
    source: str


class ListedPackage(Struct, frozen=True):
    """One package in the JSON that `bao ls` prints.

    Attributes:
        path: From the workspace root; `.` for the root.
        dependencies: Names of internal packages, sorted; without those that only an extra adds.
        tasks: Names of the tasks it has a command for; only with `--tasks`.
        definitions: The same tasks, with where each of them comes from.
    """

    name: str
    path: str
    provider: str
    dependencies: list[str]
    reasons: tuple[Reason, ...]
    tasks: list[str] | UnsetType = UNSET
    definitions: list[ListedTask] | UnsetType = UNSET


def ls(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """List packages; returns the exit code."""
    arguments: LsArguments = invocation.arguments
    with opened(invocation, environ, terminal) as session:
        selection = session.select(selecting(arguments))
        tasks = package_tasks(session) if arguments.tasks else None
        packages = session.workspace.packages
        listed = [
            ListedPackage(
                name=chosen.name,
                path=packages[chosen.name].path or ".",
                provider=packages[chosen.name].provider,
                dependencies=list(session.packages.dependencies(chosen.name)),
                reasons=chosen.reasons,
                tasks=UNSET if tasks is None else tasks.get(chosen.name, []),
                definitions=UNSET if tasks is None else _definitions(session, chosen.name),
            )
            for chosen in selection.packages
            # The root is a package to be listed only where its manifest makes it one.
            if chosen.name != ROOT or (tasks and tasks.get(ROOT))
        ]
    for note in selection.notes:
        terminal.note(note)
    if arguments.json:
        terminal.json({"version": 1, "packages": listed})
    else:
        _print(listed, terminal, affected=selecting(arguments).affected)
    return 0


def _definitions(session: Session, package: str) -> list[ListedTask]:
    found = sorted(session.definitions.get(package, {}).items())
    return [
        ListedTask(task, d.command, d.cache, d.inferred, d.source)
        for task, d in found
        if d.command is not None
    ]


def package_tasks(session: Session) -> dict[str, list[str]]:
    """The names of the tasks that each package has a command for, sorted."""
    return {
        name: sorted(
            task
            for task, definition in session.definitions.get(name, {}).items()
            if definition.command is not None
        )
        for name in session.workspace.packages
    }


def task_names(session: Session) -> list[str]:
    """The names of all tasks that some package has a command for, sorted."""
    return sorted({task for tasks in package_tasks(session).values() for task in tasks})


def _print(listed: Sequence[ListedPackage], terminal: Terminal, *, affected: bool) -> None:
    from bao_core.cli.terminal import BOLD, DIM, shown

    if not listed:
        terminal.note("no package is affected" if affected else "no package is selected")
        return
    width = max(len(shown(package.name)) for package in listed)
    for package in listed:
        name = terminal.style(shown(package.name), BOLD) + " " * (width - len(shown(package.name)))
        terminal.line(f"{name}  {shown(package.path)}  ({package.provider})")
        if package.definitions:
            _print_tasks(package.definitions, terminal)
        for reason in package.reasons:
            terminal.line(terminal.style(f"    {shown(reason.text)}", DIM))


def _print_tasks(tasks: Sequence[ListedTask], terminal: Terminal) -> None:
    from bao_core.cli.terminal import DIM, shown

    names = [shown(task.task) for task in tasks]
    width = max(map(len, names))
    for name, task in zip(names, tasks, strict=True):
        words = task.command if isinstance(task.command, str) else " ".join(task.command)
        source = terminal.style(f"({shown(task.source)})", DIM) if task.source else ""
        terminal.line(f"    {name:<{width}}  {shown(words)}  {source}".rstrip())
