"""The two readers of the command line understand the same; the table they read by is sound."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bao_core.cli.app import TyperReader
from bao_core.cli.arguments import leading_options, read_plain
from bao_core.cli.commands import COMMANDS, GROUPS
from bao_core.cli.options import (
    GLOBAL_OPTIONS,
    LS,
    RUN,
    Command,
    Invocation,
    LsArguments,
    Option,
    RunArguments,
)
from bao_core.errors import UsageError
from bao_core.plugins.checks import RESERVED_COMMANDS

TYPER = TyperReader()

Outcome = Invocation | str | None
"""What a reader understood, the message with which it refused, or None where it declined."""


def plain(argv: list[str]) -> Outcome:
    try:
        return read_plain(argv)
    except UsageError as error:
        return str(error)


def typer(argv: list[str]) -> Outcome:
    try:
        answer = TYPER.read(argv)
    except UsageError as error:
        return str(error)
    assert isinstance(answer, Invocation), f"answered {answer} by itself"
    return answer


# --- command lines to try --------------------------------------------------------------------


def valid_values(option: Option) -> st.SearchStrategy[str]:
    if option.choices:
        return st.sampled_from(option.choices)
    if option.pattern:
        return st.from_regex(option.pattern, fullmatch=True)
    return st.text(min_size=1, max_size=6).filter(lambda text: not text.startswith("-"))


def spelled(option: Option, value: str | None, *, attached: bool, flag: str) -> list[str]:
    if value is None:
        return [flag]
    if flag.startswith("--"):
        return [f"{flag}={value}"] if attached else [flag, value]
    return [f"{flag}{value}"] if attached else [flag, value]


@st.composite
def given_option(draw: st.DrawFn, options: tuple[Option, ...]) -> list[str]:
    """One option in one of its valid forms."""
    option = draw(st.sampled_from(options))
    if option.kind == "switch":
        return [draw(st.sampled_from((*option.flags, option.negative)))]
    flag = draw(st.sampled_from(option.flags))
    if option.kind == "flag":
        return [flag]
    if option.kind == "count":
        return [draw(st.sampled_from((flag, "-vv", "-vvv")))]
    if option.kind == "maybe":
        return draw(st.sampled_from(([flag], *([f"{flag}={c}"] for c in option.choices))))
    attached = draw(st.booleans())
    return spelled(option, draw(valid_values(option)), attached=attached, flag=flag)


@st.composite
def valid_lines(draw: st.DrawFn) -> list[str]:
    """Plain command lines: nothing in them is unusual, so the plain reader must not decline."""
    command = draw(st.sampled_from((RUN, LS)))
    before = draw(st.lists(given_option(GLOBAL_OPTIONS), max_size=2))
    options = (*command.options, *GLOBAL_OPTIONS)
    after: list[list[str]] = draw(st.lists(given_option(options), max_size=6))
    if command.words is not None:
        word = st.text(min_size=1, max_size=6).filter(lambda text: not text.startswith("-"))
        after += [[text] for text in draw(st.lists(word, max_size=3))]
        after = draw(st.permutations(after))
    passed = []
    if command.passes and draw(st.booleans()):
        passed = ["--", *draw(st.lists(st.text(max_size=4), max_size=3))]
    return [*chain(*before), command.name, *chain(*after), *passed]


ALL_FLAGS = sorted({flag for command in (RUN, LS) for flag in command.flags()})
PIECES = st.one_of(
    st.sampled_from(("run", "ls", "build", "web#test", "", "-", "--", "-x", "--=", "--unknown")),
    st.sampled_from(("json", "full", "50%", "4", "always", "-4", "!docs", "a...b", "[main]")),
    st.sampled_from(ALL_FLAGS),
    st.sampled_from(ALL_FLAGS).map(lambda flag: flag[:-1]),
    st.tuples(
        st.sampled_from(ALL_FLAGS), st.sampled_from(("", "=", "=x", "x", "=json", "4", "vv", "=4"))
    ).map("".join),
    st.text(max_size=3),
)


@settings(max_examples=250, deadline=None)
@given(valid_lines())
def test_plain_lines_are_read_without_typer_and_alike(argv: list[str]) -> None:
    understood = plain(argv)
    assert isinstance(understood, Invocation)
    assert understood == typer(argv)


@settings(max_examples=700, deadline=None)
@given(st.lists(PIECES, max_size=8))
@example(["run", "build", "--dry-run", "json"])
@example(["run", "--dry-run=", "x"])
@example(["run", "--filter", "--", "x"])
@example(["run", "x", "--since="])
@example(["run", "-vF", "x"])
@example(["run", "-F=x"])
@example(["run", "-j4", "-j", "5"])
@example(["run", "--verbose=", "x"])
@example(["-v", "run", "-vv", "x", "--verbose"])
@example(["-C", "a", "run", "-C", "b"])
@example(["-C", "a", "run", "x"])
@example(["ls", "--", "x"])
@example(["ls", "x"])
@example(["run", "", "x"])
@example(["run", "--deepen", "--no-deepen"])
@example(["run", "--", "--", "-x"])
@example(["--", "run"])
@example(["run", "build", "--", ""])
@example(["run", "caf\udce9", "-F", "\udcff"])
def test_whatever_the_plain_reader_does_not_decline_typer_reads_alike(argv: list[str]) -> None:
    understood = plain(argv)
    if understood is not None:
        assert understood == typer(argv)


# --- what is understood ----------------------------------------------------------------------


def run(**fields: Any) -> RunArguments:
    return RunArguments(**fields)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("run build", run(tasks=("build",))),
        ("run build web#test", run(tasks=("build", "web#test"))),
        ("run test -- -k x --affected", run(tasks=("test",), arguments=("-k", "x", "--affected"))),
        ("run b -F a --filter=!c -Fd", run(tasks=("b",), filters=("a", "!c", "d"))),
        ("run b --dry-run", run(tasks=("b",), dry_run="text")),
        ("run b --dry-run=json", run(tasks=("b",), dry_run="json")),
        ("run b --dry-run json", run(tasks=("b", "json"), dry_run="text")),
        ("run b -j 50%", run(tasks=("b",), concurrency="50%")),
        ("run b --continue always", run(tasks=("b",), keep_going="always")),
        ("run b --filter=--affected", run(tasks=("b",), filters=("--affected",))),
        ("run b --no-deepen", run(tasks=("b",), deepen=False)),
        ("run b --deepen", run(tasks=("b",), deepen=True)),
        ("run b --force --no-cache", run(tasks=("b",), force=True, no_cache=True)),
        ("run", run()),
    ],
)
def test_forms_of_run(line: str, expected: RunArguments) -> None:
    assert plain(line.split()) == Invocation("run", expected) == typer(line.split())


def test_global_options_stand_before_or_after_the_command() -> None:
    expected = Invocation("ls", LsArguments(json=True), "sub", "never", 2)
    for line in ("-C sub -v --color never ls --json -v", "ls --json -vv -C sub --color=never"):
        assert plain(line.split()) == expected == typer(line.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run b --output-logs ful", "did you mean 'full'?"),
        ("run b -j 0", "--concurrency does not understand '0'; it takes 4 or 50%"),
        ("run b -j x%", "it takes 4 or 50%"),
        ("run b --dry-run=yaml", "--dry-run does not take 'yaml' (possible: text, json)"),
        ("run b --since=", "--since needs a value"),
        ("ls --color sometimes", "--color does not take 'sometimes'"),
    ],
)
def test_both_readers_refuse_a_bad_value_with_the_same_words(line: str, message: str) -> None:
    refused = plain(line.split())
    assert isinstance(refused, str)
    assert message in refused
    assert refused == typer(line.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run b --filtr x", "no such option: --filtr"),
        ("run b --filter", "--filter"),
        ("run b --filter --affected", "if it is meant, write --filter=--affected"),
        ("run b -F -- x", "--filter needs a value, and '--' looks like an option"),
        ("run b --affected=1", "does not take a value"),
        ("ls extra", "extra"),
        ("rn", "no such command 'rn'"),
        ("cache", "see: bao cache --help"),
        ("cache stats x", "x"),
        ("why", "TASK_ID is missing"),
        ("why a#b c#d", "unexpected argument 'c#d'"),
        ("completion tcsh", "possible: bash, zsh, fish"),
        ("cache clean --older-than 30", "it takes 30d"),
        ("cache clean --max-size lots", "it takes 5GiB"),
        ("graph --format svg", "possible: json, dot, mermaid"),
        ("-v", "missing command"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(line: str, message: str) -> None:
    assert read_plain(line.split()) is None
    refused = typer(line.split())
    assert isinstance(refused, str)
    assert message in refused


@pytest.mark.parametrize(
    "line", ["run --help", "--help", "-h", "ls -h", "--version", "run --filt x"]
)
def test_the_unusual_is_left_to_typer(line: str) -> None:
    assert read_plain(line.split()) is None


def test_help_lists_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert TYPER.read(["--help"]) == 0
    listed = capsys.readouterr().out
    for command in COMMANDS:
        assert command.name.partition(" ")[0] in listed
        assert TYPER.read([*command.name.split(), "--help"]) == 0
        shown = capsys.readouterr().out
        for option in (*command.options, *GLOBAL_OPTIONS):
            assert option.flags[0] in shown
    assert len(listed.splitlines()) < 30


def test_no_help_line_of_a_command_is_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    TYPER.read(["--help"])
    TYPER.read(["cache", "--help"])
    listed = capsys.readouterr().out.replace("[ARGS]...\n", "")
    assert "...\n" not in listed


def test_options_before_the_command_are_known_beforehand() -> None:
    assert leading_options(["-C", "x", "-v", "hello", "-C", "y"]) == (
        {"directory": "x", "verbosity": 1},
        "hello",
    )
    assert leading_options(["--nonsense", "hello"]) == ({}, "")
    assert leading_options([]) == ({}, "")


# --- the table -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_table_fits_the_records(command: Command) -> None:
    fields = set(command.record.__struct_fields__)
    filled = {option.field for option in command.options}
    if command.words is not None:
        filled.add(command.words.field)
    if command.passes:
        filled.add("arguments")
    assert filled == fields
    assert command.record() is not None, "every field has a default"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_no_spelling_means_two_options(command: Command) -> None:
    options = (*command.options, *GLOBAL_OPTIONS)
    spellings = [flag for option in options for flag in (*option.flags, option.negative) if flag]
    assert len(spellings) == len(set(spellings))
    assert all(flag.startswith("--") for flag in (option.flags[0] for option in options))


def test_plugins_may_not_take_the_names_of_commands() -> None:
    names = {command.name.partition(" ")[0] for command in COMMANDS}
    assert names | {"help"} == RESERVED_COMMANDS
    assert {name for name in names if any(c.name.startswith(f"{name} ") for c in COMMANDS)} == set(
        GROUPS
    )


HEAVY = ("typer", "click", "rich", "pydantic", "inspect", "argparse", "json", "pathlib", "shutil")


def test_the_plain_reader_imports_nothing_heavy() -> None:
    code = (
        "import sys, msgspec, blake3; before = set(sys.modules)\n"
        "import bao_core.cli.main, bao_core.cli.arguments as a\n"
        "a.read_plain(['run', 'build', '-F', 'x', '--dry-run=json', '--', 'y'])\n"
        "print(*sorted(m.partition('.')[0] for m in set(sys.modules) - before))"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint(HEAVY)
