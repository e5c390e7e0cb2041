"""Runs a command that a plugin offers; its module is imported here and not before."""

from __future__ import annotations

import os

from bao_core.errors import BaoError, PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bao_core.cli.commands import PluginCommandArguments
    from bao_core.cli.options import Invocation
    from bao_core.cli.terminal import Terminal


def plugin_command(invocation: Invocation, terminal: Terminal) -> int:
    """Run the command in the directory of `-C`; returns the exit code.

    Raises:
        UsageError: The command refuses its words.
        PluginError: The command cannot be imported, or failed; with the traceback printed.
    """
    arguments: PluginCommandArguments = invocation.arguments
    if invocation.directory is not None:
        os.chdir(invocation.directory)
    try:
        command = _typer_command(_imported(arguments.target))
        code = _call(command, f"bao {invocation.command}", list(arguments.words))
    except (BaoError, BrokenPipeError):
        raise
    except Exception as error:
        _print_traceback(error, terminal)
        raise PluginError(
            f"the command '{invocation.command}' of {arguments.origin} failed: "
            f"{type(error).__name__}: {error}"
        ) from error
    return code


def _imported(target: str) -> Any:
    from importlib import import_module

    module, _, attribute = target.partition(":")
    found: Any = import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _typer_command(target: Any) -> Any:
    """A Typer app, or a function as an app of one command, ready to be called."""
    import typer

    if not isinstance(target, typer.Typer):
        app = typer.Typer(
            add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
        )
        app.command()(target)
        target = app
    return typer.main.get_command(target)


def _call(command: Any, name: str, words: list[str]) -> int:
    from bao_core.cli.app import as_usage_error

    try:
        answer = command.main(args=words, prog_name=name, standalone_mode=False)
    except SystemExit as exit_:
        answer = exit_.code
    except Exception as error:
        converted = as_usage_error(error)
        if converted is None:
            raise
        raise converted from None
    return answer if isinstance(answer, int) else 0


def _print_traceback(error: Exception, terminal: Terminal) -> None:
    from traceback import format_exception

    terminal.note("".join(format_exception(error)).rstrip())
