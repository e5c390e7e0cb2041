"""The rest of the option table: commands that the plain reader leaves to Typer."""

from __future__ import annotations

from msgspec import Struct

from bao_core.cli.options import (
    LS,
    RUN,
    SELECTING_OPTIONS,
    Command,
    Option,
    SelectingArguments,
    Words,
)

_JSON = Option("json", ("--json",), "flag", "print JSON")
_TIER = Option(
    "tier",
    ("--tier",),
    "value",
    "only this cache tier",
    metavar="NAME",
    completes="tiers",
)
SHELLS = ("bash", "zsh", "fish")


class InitArguments(Struct, frozen=True, kw_only=True):
    """The command line of `bao init`."""

    from_turbo: bool = False


class GraphArguments(SelectingArguments, frozen=True, kw_only=True):
    """The command line of `bao graph`."""

    tasks: tuple[str, ...] = ()
    format: str = "json"
    packages: bool = False


class WhyArguments(Struct, frozen=True, kw_only=True):
    """The command line of `bao why`."""

    task_id: tuple[str, ...] = ()
    json: bool = False


class CacheArguments(Struct, frozen=True, kw_only=True):
    """The command line of `bao cache stats`, `ls` and `verify`."""

    tier: str | None = None
    json: bool = False


class RebuildArguments(Struct, frozen=True, kw_only=True):
    """The command line of `bao cache rebuild`."""

    tier: str | None = None


class CleanArguments(Struct, frozen=True, kw_only=True):
    """The command line of `bao cache clean`."""

    tier: str | None = None
    older_than: str | None = None
    max_size: str | None = None
    all: bool = False


class PluginsArguments(Struct, frozen=True, kw_only=True):
    """The command line of `bao plugins`."""

    json: bool = False


class NewPluginArguments(Struct, frozen=True, kw_only=True):
    """The command line of `bao plugins new`.

    Attributes:
        words: A kind, a name, and where to write, which may be missing.
    """

    words: tuple[str, ...] = ()


class ConfigArguments(Struct, frozen=True, kw_only=True):
    """The command line of `bao config`."""

    json: bool = False
    schema: bool = False


class CompletionArguments(Struct, frozen=True, kw_only=True):
    """The command line of `bao completion`."""

    shell: tuple[str, ...] = ()


class PluginCommandArguments(Struct, frozen=True, kw_only=True):
    """The command line of a command that a plugin offers.

    Attributes:
        words: All that follows the command's name; the plugin reads it itself.
        target: Where the command is: `module:attribute`.
        origin: The plugin that offers it, for messages.
    """

    words: tuple[str, ...] = ()
    target: str = ""
    origin: str = ""


GROUPS = {
    "cache": "Look at, mend and clean what was stored.",
    "plugins": "List plugins, or write one.",
}
"""Groups of commands, with their help. One that is a command as well is carried out by itself where
none of its commands follows."""

COMMANDS: tuple[Command, ...] = (
    RUN,
    LS,
    Command(
        "init",
        "Write a bao.toml to begin with.",
        InitArguments,
        options=(
            Option(
                "from_turbo",
                ("--from-turbo",),
                "flag",
                "write one that says what turbo.json says",
            ),
        ),
    ),
    Command(
        "graph",
        "Print the package graph, or the graph of some tasks.",
        GraphArguments,
        words=Words("tasks", "TASK", "tasks to draw the graph of", completes="tasks"),
        options=(
            *SELECTING_OPTIONS,
            Option(
                "format",
                ("--format",),
                "value",
                "how to print it (default: json)",
                metavar="FORMAT",
                choices=("json", "dot", "mermaid"),
            ),
            Option("packages", ("--packages",), "flag", "the package graph, which is the default"),
        ),
    ),
    Command(
        "why",
        "Explain a task: its key, hit or miss, and what changed.",
        WhyArguments,
        words=Words(
            "task_id",
            "TASK_ID",
            "a task, such as `package#build`",
            limit=1,
            required=True,
            completes="task_ids",
        ),
        options=(_JSON,),
    ),
    Command(
        "cache stats",
        "Print how much each tier holds.",
        CacheArguments,
        options=(_TIER, _JSON),
    ),
    Command("cache ls", "List the entries, newest first.", CacheArguments, options=(_TIER, _JSON)),
    Command(
        "cache clean",
        "Remove entries, least recently used first.",
        CleanArguments,
        options=(
            _TIER,
            Option(
                "older_than",
                ("--older-than",),
                "value",
                "what was not used for this long",
                metavar="TIME",
                pattern=r"[0-9]+(\.[0-9]+)?[smhdw]",
                example="30d, 12h, 45m, 90s or 2w",
            ),
            Option(
                "max_size",
                ("--max-size",),
                "value",
                "until no more than this is left",
                metavar="SIZE",
                pattern=r"[0-9]+(\.[0-9]+)?([KMGT]i?)?B?",
                example="5GiB, 500MB or 1024",
            ),
            Option("all", ("--all",), "flag", "everything"),
        ),
    ),
    Command(
        "cache verify",
        "Read everything, and remove what is damaged.",
        CacheArguments,
        options=(_TIER, _JSON),
    ),
    Command(
        "cache rebuild",
        "Make the catalogue anew from the entries.",
        RebuildArguments,
        options=(_TIER,),
    ),
    Command(
        "plugins",
        "List plugins, what they offer, and which are broken.",
        PluginsArguments,
        options=(_JSON,),
    ),
    Command(
        "plugins new",
        "Write the skeleton of a plugin, with tests that pass.",
        NewPluginArguments,
        words=Words(
            "words",
            "KIND NAME [DIRECTORY]",
            "`cache-backend`, what it is called, and where to write it",
            limit=3,
            required=True,
        ),
    ),
    Command(
        "config",
        "Print the configuration as bao understands it.",
        ConfigArguments,
        options=(
            _JSON,
            Option("schema", ("--schema",), "flag", "print the JSON Schema of `bao.toml`"),
        ),
    ),
    Command(
        "completion",
        "Print what makes a shell complete command lines of bao.",
        CompletionArguments,
        words=Words("shell", "SHELL", "bash, zsh or fish", limit=1, required=True, choices=SHELLS),
    ),
)


def command_named(name: str) -> Command | None:
    """The command of this name, such as `cache stats`."""
    return next((command for command in COMMANDS if command.name == name), None)
