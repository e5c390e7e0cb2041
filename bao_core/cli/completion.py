"""What the shell offers for a word that is being typed.

A completion must be quick and must never print anything else, so whatever goes wrong here means
that nothing is offered.
"""

from __future__ import annotations

import os

import typer  # noqa: TC002 - Typer reads the annotations of `complete`

from bao_core.cli.ls import package_tasks, task_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bao_core.session import Session


def completer(
    kind: str, choices: Sequence[str] = ()
) -> Callable[[typer.Context, str], list[str]] | None:
    """A function that lists what a word may become.

    Args:
        kind: What stands there: `tasks`, `packages`, `tiers`, `task_ids`, or nothing known.
        choices: The only values, where they are known beforehand.
    """
    if not kind and not choices:
        return None

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            offered = choices or _from_workspace(ctx, kind)
        except Exception:  # noqa: BLE001 - a broken workspace has nothing to offer or to say here
            return []
        return sorted(word for word in offered if word.startswith(incomplete))

    return complete


def _from_workspace(ctx: typer.Context, kind: str) -> list[str]:
    from bao_core.session import Session

    session = Session.open(_directory(ctx), os.environ)
    try:
        return _words(session, kind)
    finally:
        session.close()


def _words(session: Session, kind: str) -> list[str]:
    match kind:
        case "tasks":
            return task_names(session)
        case "packages":
            return list(session.workspace.packages)
        case "tiers":
            return [tier.name for tier in session.tiers]
        case "task_ids":
            return [
                f"{name}#{task}" for name, tasks in package_tasks(session).items() for task in tasks
            ]
        case _:
            return []


def _directory(ctx: typer.Context) -> str | None:
    """The value of `-C`, wherever it stands."""
    context: typer.Context | None = ctx
    while context is not None:
        if directory := context.params.get("directory"):
            return str(directory)
        context = context.parent  # type: ignore[assignment]
    return None
