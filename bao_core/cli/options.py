"""The option table: every command and option of bao, said once.

The plain reader (`arguments`) and Typer (`app`) both read the command line by this table, and the
reference page is compared with it. Only `run` and `ls` stand here, since this module is imported
by every run; the other commands stand in `commands`.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.git.begun import BegunListing

Kind = Literal["flag", "switch", "count", "value", "list", "maybe"]
"""How an option is written.

`flag` and `count` take no value, the second may be repeated; a `switch` has an opposite; a `value`
given twice counts as given last; a `list` collects; `maybe` may leave its value out, and takes one
only after `=`.
"""


OutputLogs = Literal["full", "hash-only", "new-only", "errors-only", "none"]
"""Whose output is shown."""

ColorChoice = Literal["auto", "always", "never"]


class Option(Struct, frozen=True):
    """One option.

    Attributes:
        field: The field of the command's record that it fills.
        flags: Its spellings, the long one first.
        help: One clause, for `--help` and the reference.
        metavar: What stands for its value.
        negative: The opposite of a `switch`.
        choices: The only values it takes; empty where any will do.
        bare: What a `maybe` means without a value.
        pattern: A regular expression that the whole value must match.
        example: What a valid value looks like, for the error message about one that is not.
        completes: What the shell offers for its value: `tasks`, `packages`, `tiers`, or nothing.
    """

    field: str
    flags: tuple[str, ...]
    kind: Kind
    help: str
    metavar: str = ""
    negative: str = ""
    choices: tuple[str, ...] = ()
    bare: str = ""
    pattern: str = ""
    example: str = ""
    completes: str = ""

    @property
    def takes_value(self) -> bool:
        """Whether the next word belongs to it."""
        return self.kind in {"value", "list"}


class Words(Struct, frozen=True):
    """The words of a command that are no options.

    Attributes:
        limit: How many there may be; None for any number.
        required: Whether there must be one. A command that can say more than Typer about a
            missing word does not require it here.
    """

    field: str
    metavar: str
    help: str
    limit: int | None = None
    required: bool = False
    choices: tuple[str, ...] = ()
    completes: str = ""


class Command(Struct, frozen=True):
    """One command.

    Attributes:
        name: What users type; `cache stats` is a command of the group `cache`.
        record: The record that its options and words fill; the defaults are the record's.
        words: None where it takes none.
        passes: What follows `--` is for the tasks, and fills the field `arguments`.
    """

    name: str
    help: str
    record: type[Struct]
    options: tuple[Option, ...] = ()
    words: Words | None = None
    passes: bool = False

    def flags(self) -> dict[str, Option]:
        """Its options, the global ones included, by every spelling."""
        return by_flag((*self.options, *GLOBAL_OPTIONS))


class Invocation(Struct, frozen=True):
    """A command line that was understood.

    Attributes:
        command: The command's name.
        arguments: The command's record.
        directory: Where to work instead of the current directory.
        color: `auto`, `always` or `never`.
        verbosity: How often `-v` was given.
        begun: What git was asked before the command line was read.
    """

    command: str
    arguments: Any
    directory: str | None = None
    color: ColorChoice = "auto"
    verbosity: int = 0
    begun: BegunListing | None = None


class SelectingArguments(Struct, frozen=True, kw_only=True):
    """What commands that work on a selection of packages have in common."""

    filters: tuple[str, ...] = ()
    affected: bool = False
    since: str | None = None
    deepen: bool | None = None


class RunArguments(SelectingArguments, frozen=True, kw_only=True):
    """The command line of `bao run`; names as in `session.RunOptions` where it has them."""

    tasks: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    no_cache: bool = False
    force: bool = False
    remote: bool | None = None
    only: bool = False
    dry_run: str | None = None
    concurrency: str | None = None
    keep_going: str = "never"
    output_logs: OutputLogs | None = None
    log_order: Literal["stream", "grouped"] = "grouped"
    log_prefix: Literal["task", "none"] = "task"
    env_mode: str | None = None
    summary: str | None = None


class LsArguments(SelectingArguments, frozen=True, kw_only=True):
    """The command line of `bao ls`."""

    json: bool = False
    tasks: bool = False


GLOBAL_OPTIONS = (
    Option(
        "directory",
        ("--directory", "-C"),
        "value",
        "work as if bao had been started in this directory",
        metavar="DIR",
    ),
    Option(
        "color",
        ("--color",),
        "value",
        "whether to colour what is printed",
        metavar="WHEN",
        choices=("auto", "always", "never"),
    ),
    Option("verbosity", ("--verbose", "-v"), "count", "say more; may be repeated"),
)

SELECTING_OPTIONS = (
    Option(
        "filters",
        ("--filter", "-F"),
        "list",
        "only packages that match, such as `web...`, `./apps/*`, `[main]`, `!docs`",
        metavar="FILTER",
        completes="packages",
    ),
    Option("affected", ("--affected",), "flag", "only packages that a change can reach"),
    Option(
        "since",
        ("--since",),
        "value",
        "compare with this git revision; implies `--affected`",
        metavar="REF",
    ),
    Option(
        "deepen",
        ("--deepen",),
        "switch",
        "whether to fetch history that a shallow clone lacks (default: in CI)",
        negative="--no-deepen",
    ),
)

RUN = Command(
    "run",
    "Run tasks, or restore what they left before.",
    RunArguments,
    words=Words("tasks", "TASK", "tasks such as `build`, or `package#build`", completes="tasks"),
    passes=True,
    options=(
        *SELECTING_OPTIONS,
        Option(
            "no_cache",
            ("--no-cache",),
            "flag",
            "store no results; those that are there are still restored",
        ),
        Option("force", ("--force",), "flag", "run everything, and replace what is in the cache"),
        Option(
            "remote",
            ("--remote",),
            "switch",
            "whether to ask and fill remote cache tiers (default: unless `BAO_REMOTE` is 0)",
            negative="--no-remote",
        ),
        Option(
            "only",
            ("--only",),
            "flag",
            "leave out upstream tasks that were not asked for; what needs them is not cached",
        ),
        Option(
            "dry_run",
            ("--dry-run",),
            "maybe",
            "only say what would be done",
            metavar="FORMAT",
            choices=("text", "json"),
            bare="text",
        ),
        Option(
            "concurrency",
            ("--concurrency", "-j"),
            "value",
            "how many tasks may run at once: a number, or a percentage of the processors",
            metavar="N",
            pattern=r"0*[1-9][0-9]*%?",
            example="4 or 50%",
        ),
        Option(
            "keep_going",
            ("--continue",),
            "value",
            "what else is run after a task has failed (default: never)",
            metavar="WHEN",
            choices=("never", "dependencies-successful", "always"),
        ),
        Option(
            "output_logs",
            ("--output-logs",),
            "value",
            "which output of tasks is shown (default: as configured, else full)",
            metavar="WHICH",
            choices=("full", "hash-only", "new-only", "errors-only", "none"),
        ),
        Option(
            "log_order",
            ("--log-order",),
            "value",
            "show output as it comes, or task by task (default: grouped)",
            metavar="ORDER",
            choices=("stream", "grouped"),
        ),
        Option(
            "log_prefix",
            ("--log-prefix",),
            "value",
            "what stands before each line of output (default: task)",
            metavar="WHAT",
            choices=("task", "none"),
        ),
        Option(
            "env_mode",
            ("--env-mode",),
            "value",
            "whether tasks see undeclared environment variables (default: as configured, "
            "else strict)",
            metavar="MODE",
            choices=("strict", "loose"),
        ),
        Option(
            "summary",
            ("--summary",),
            "value",
            "write what was done to this file, as JSON",
            metavar="FILE",
        ),
    ),
)

LS = Command(
    "ls",
    "List packages, and why each is affected.",
    LsArguments,
    options=(
        *SELECTING_OPTIONS,
        Option("json", ("--json",), "flag", "print JSON"),
        Option(
            "tasks",
            ("--tasks",),
            "flag",
            "also list the tasks of each package, their commands, and where each comes from",
        ),
    ),
)


def by_flag(options: Sequence[Option]) -> dict[str, Option]:
    """Options by every spelling."""
    table = {flag: option for option in options for flag in option.flags}
    table.update({option.negative: option for option in options if option.negative})
    return table
