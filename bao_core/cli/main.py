"""The entry point: parse, hand over to the command, map what comes back to an exit code."""

from __future__ import annotations

import os
import sys

import bao_core.lean  # noqa: F401 - before whatever imports msgspec
from bao_core.cli.arguments import COMPLETE_VARIABLE, read_plain
from bao_core.cli.terminal import Terminal, silence_stdout
from bao_core.errors import BaoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bao_core.cli.options import Invocation
    from bao_core.git.begun import BegunListing

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None, begun: BegunListing | None = None) -> int:
    """Run bao.

    Args:
        argv: The words after the program's name; those of the process by default.
        begun: What git was asked already.

    Returns:
        The exit code.
    """
    try:
        code = invoke(sys.argv[1:] if argv is None else argv, dict(os.environ), begun)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def invoke(
    argv: Sequence[str], environ: Mapping[str, str], begun: BegunListing | None = None
) -> int:
    """Read a command line and carry it out; every error is printed here.

    Raises:
        BrokenPipeError: Whoever read standard output has gone.
        KeyboardInterrupt: The user wants an end.
    """
    terminal = Terminal("auto", environ)
    try:
        understood = _read(argv, environ, terminal)
        if isinstance(understood, int):
            return understood
        terminal = Terminal(understood.color, environ)
        if begun is not None:
            from msgspec.structs import replace

            understood = replace(understood, begun=begun)
        return _carry_out(understood, terminal, environ)
    except BaoError as error:
        sys.stdout.flush()
        terminal.error(error)
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, it is reported as a bug
        return _report_bug(terminal)


def _read(argv: Sequence[str], environ: Mapping[str, str], terminal: Terminal) -> Invocation | int:
    if COMPLETE_VARIABLE not in environ:
        understood = read_plain(argv)
        if understood is not None:
            return understood
    from bao_core.cli.app import read_unusual

    return read_unusual(argv, environ, terminal)


def _carry_out(  # noqa: C901, PLR0911 - one for each command
    invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]
) -> int:
    match invocation.command:
        case "run":
            from bao_core.cli.run import run

            return run(invocation, terminal, environ)
        case "ls":
            from bao_core.cli.ls import ls

            return ls(invocation, terminal, environ)
        case "init":
            from bao_core.cli.init import init

            return init(invocation, terminal, environ)
        case "graph":
            from bao_core.cli.graph import graph

            return graph(invocation, terminal, environ)
        case "why":
            from bao_core.cli.why import why

            return why(invocation, terminal, environ)
        case "plugins":
            from bao_core.cli.plugins import plugins

            return plugins(invocation, terminal, environ)
        case "plugins new":
            from bao_core.cli.new_plugin import new_plugin

            return new_plugin(invocation, terminal)
        case "config":
            from bao_core.cli.config import config

            return config(invocation, terminal, environ)
        case "completion":
            from bao_core.cli.app import TyperReader

            return TyperReader().script(invocation.arguments.shell[0])
        case name if name.startswith("cache "):
            from bao_core.cli.cache import cache

            return cache(invocation, terminal, environ)
        case _:
            from bao_core.cli.plugin_command import plugin_command

            return plugin_command(invocation, terminal)


def _report_bug(terminal: Terminal) -> int:
    """Print what no code foresaw, whole."""
    from traceback import format_exc

    from bao_core import __version__

    sys.stdout.flush()
    terminal.note(format_exc().rstrip())
    terminal.note(f"this is a bug in bao {__version__}; please report it with the lines above")
    return BaoError.exit_code
