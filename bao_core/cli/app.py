"""Typer, built from the option table: reads every command line that is not plain.

Typer only splits the command line and prints help; values are checked by the table
(`checking.invocation`), so that both readers refuse the same with the same words.
"""

from __future__ import annotations

import os
from inspect import Parameter, Signature
from typing import Any

import typer
from msgspec import Struct

from bao_core import __version__
from bao_core.cli.arguments import COMPLETE_VARIABLE, leading_options
from bao_core.cli.checking import invocation
from bao_core.cli.commands import COMMANDS, GROUPS, PluginCommandArguments
from bao_core.cli.completion import completer
from bao_core.cli.options import GLOBAL_OPTIONS, Command
from bao_core.cli.spelling import prepare
from bao_core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bao_core.cli.options import Invocation, Option, Words
    from bao_core.events import Sink
    from bao_core.hookspecs import CommandSpec

_HELP = """Run the tasks of a repository that holds many packages: those that a change can reach,
in the order of their dependencies, restoring what was computed before."""

_HELP_FLAGS = frozenset(("--help", "-h"))


class PluginCommand(Struct, frozen=True):
    """A command that a plugin offers, and which plugin that is, for messages."""

    spec: CommandSpec
    origin: str


def read_unusual(argv: Sequence[str], environ: Mapping[str, str], sink: Sink) -> Invocation | int:
    """Understand any command line, or answer it here and return the exit code.

    Args:
        argv: The words after the program's name.
        environ: The environment of the command.
        sink: Hears of plugins that are broken.

    Raises:
        UsageError: It cannot be understood.
    """
    if COMPLETE_VARIABLE in environ:
        return TyperReader().complete()
    given, name = leading_options(argv)
    known = {command.name.partition(" ")[0] for command in COMMANDS}
    asks_help = not name and (not argv or not _HELP_FLAGS.isdisjoint(argv))
    plugin_commands = []
    if asks_help or (name and name not in known):
        plugin_commands = _offered(given.get("directory"), environ, sink)
    return TyperReader(plugin_commands).read(argv)


def _offered(directory: str | None, environ: Mapping[str, str], sink: Sink) -> list[PluginCommand]:
    """The commands that plugins offer."""
    from bao_core.cli.opening import opened_host

    with opened_host(directory, environ, sink) as host:
        return [
            PluginCommand(spec, host.offered_by("bao_commands", spec.name))
            for spec in host.commands()
        ]


class TyperReader:
    """Reads command lines with Typer.

    Args:
        plugin_commands: The commands that plugins offer; they are listed in the help, and their
            words are left to them.
    """

    def __init__(self, plugin_commands: Sequence[PluginCommand] = ()) -> None:
        self._offered = {command.spec.name: command for command in plugin_commands}
        stubs = [
            Command(spec.name, spec.help, PluginCommandArguments)
            for spec in (command.spec for command in plugin_commands)
        ]
        self._commands = _by_name((*COMMANDS, *stubs))
        self._root: Any = typer.main.get_command(_build(list(self._commands.values())))
        # Typer's own options for this are left out: `bao completion` is the one way.
        self._root.params = [p for p in self._root.params if not p.name.endswith("_completion")]

    def read(self, argv: Sequence[str]) -> Invocation | int:
        """Understand a command line, or answer it here and return the exit code.

        Raises:
            UsageError: It cannot be understood.
        """
        prepared = prepare(argv, self._commands)
        given = self._call(prepared.argv or ["--help"])
        if isinstance(given, int):
            return given
        command, values = given
        offered = self._offered.get(command.name)
        if offered is not None:
            target = offered.spec.target
            values.update(words=prepared.passed, target=target, origin=offered.origin)
        elif prepared.passed:
            values["arguments"] = prepared.passed
        return invocation(command, values)

    def complete(self) -> int:
        """Answer the shell, which asks through environment variables."""
        self._call([])
        return 0

    def script(self, shell: str) -> int:
        """Print the script that makes a shell ask."""
        os.environ[COMPLETE_VARIABLE] = f"source_{shell}"
        return self.complete()

    def _call(self, argv: list[str]) -> Any:
        try:
            return self._root.main(args=argv, prog_name="bao", standalone_mode=False)
        except Exception as error:
            converted = as_usage_error(error)
            if converted is None:
                raise
            raise converted from None


def as_usage_error(error: Exception) -> UsageError | None:
    """A usage error of Typer's as one of bao's; None for any other exception."""
    # Which module holds Typer's usage errors differs between its versions; their form does not.
    describe = getattr(error, "format_message", None)
    if describe is None:
        return None
    text = " ".join(describe().split()).removesuffix(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "bao"
    advice = None if text.endswith(("?", ")")) else f"see: {path} --help"
    return UsageError(text[:1].lower() + text[1:], hint=advice)


def _by_name(commands: Sequence[Command]) -> dict[str, Command]:
    return {command.name: command for command in commands}


# --- the table as a Typer app ----------------------------------------------------------------


def _build(commands: Sequence[Command]) -> typer.Typer:
    app = typer.Typer(
        help=_HELP,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": sorted(_HELP_FLAGS), "max_content_width": 100},
    )
    app.callback()(_root_function())
    groups: dict[str, typer.Typer] = {}
    for command in commands:
        group, _, name = command.name.rpartition(" ")
        opened = group or command.name
        if opened in GROUPS and opened not in groups:
            groups[opened] = typer.Typer(help=GROUPS[opened], rich_markup_mode=None)
            app.add_typer(groups[opened], name=opened)
        function = _command_function(command)
        if command.name in groups:
            groups[command.name].callback(invoke_without_command=True)(function)
        else:
            groups.get(group, app).command(name, help=command.help)(function)
    return app


def _root_function() -> Callable[..., None]:
    def root(ctx: typer.Context, **given: Any) -> None:
        ctx.obj = _values(GLOBAL_OPTIONS, given)

    version = typer.Option(
        False,  # noqa: FBT003 - Typer's form
        "--version",
        is_eager=True,
        callback=_print_version,
        help="print bao's version",
        show_default=False,
    )
    parameters = {option.field: _parameter(option) for option in GLOBAL_OPTIONS}
    return _with_signature(root, {**parameters, "version": (bool, version)})


def _print_version(value: bool) -> None:  # noqa: FBT001 - Typer calls it
    if value:
        typer.echo(f"bao {__version__}")
        raise typer.Exit


def _command_function(command: Command) -> Callable[..., Any]:
    options = (*command.options, *GLOBAL_OPTIONS)

    def call(ctx: typer.Context, **given: Any) -> tuple[Command, dict[str, Any]] | None:
        values = dict(ctx.obj or {})
        before = values.get("verbosity", 0)
        values.update(_values(options, given))
        if before and given["verbosity"]:
            values["verbosity"] = before + given["verbosity"]
        if command.words is not None and (words := given[command.words.field]):
            values[command.words.field] = tuple(words)
        if ctx.invoked_subcommand is None:
            return command, values
        # A group that is a command as well: what stands here is for the command that follows.
        for option in command.options:
            if option.field in values:
                raise UsageError(
                    f"{option.flags[0]} is no option of bao {command.name} {ctx.invoked_subcommand}"
                )
        ctx.obj = values
        return None

    parameters = {option.field: _parameter(option) for option in options}
    if command.words is not None:
        parameters[command.words.field] = _argument(command.words)
    return _with_signature(call, parameters)


def _values(options: Sequence[Option], given: dict[str, Any]) -> dict[str, Any]:
    """What was given on the command line, by field; defaults are left to the records."""
    values = {}
    for option in options:
        value = given[option.field]
        left_out = value is None if option.kind in {"switch", "value", "maybe"} else not value
        if not left_out:
            values[option.field] = tuple(value) if option.kind == "list" else value
    return values


def _parameter(option: Option) -> tuple[Any, Any]:
    """The annotation and the default of an option's parameter."""
    text = option.help
    if option.choices:
        text += f" [{'|'.join(option.choices)}]"
    common: dict[str, Any] = {"help": text, "show_default": False}
    match option.kind:
        case "flag":
            return bool, typer.Option(False, *option.flags, **common)  # noqa: FBT003 - Typer's form
        case "switch":
            spelling = f"{option.flags[0]}/{option.negative}"
            return bool | None, typer.Option(None, spelling, **common)
        case "count":
            return int, typer.Option(0, *option.flags, count=True, metavar="", **common)
        case "maybe":
            common["metavar"] = f"[={option.metavar}]"
        case "value" | "list":
            common["metavar"] = option.metavar
    common["autocompletion"] = completer(option.completes, option.choices)
    annotation = list[str] | None if option.kind == "list" else str | None
    return annotation, typer.Option(None, *option.flags, **common)


def _argument(words: Words) -> tuple[Any, Any]:
    metavar = words.metavar
    argument = typer.Argument(
        None,
        metavar=metavar,
        help=words.help,
        show_default=False,
        autocompletion=completer(words.completes, words.choices),
    )
    return list[str] | None, argument


def _with_signature(
    function: Callable[..., Any], parameters: dict[str, tuple[Any, Any]]
) -> Callable[..., Any]:
    """Give a function that takes anything the parameters that Typer is to see."""
    seen = [Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
    seen += [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in parameters.items()
    ]
    function.__signature__ = Signature(seen)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in seen}
    return function
