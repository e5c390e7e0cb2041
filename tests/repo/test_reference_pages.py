"""The reference says of commands, options, JSON and exit codes what the code says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bao_core.cli import cache, graph, ls
from bao_core.cli.commands import COMMANDS, SHELLS
from bao_core.cli.new_plugin import KINDS
from bao_core.cli.options import GLOBAL_OPTIONS, Command, Option
from bao_core.config import RootConfig
from bao_core.hookspecs import API_VERSION
from bao_core.model import Reason
from bao_core.plugins.checks import HOOKS, RESERVED_COMMANDS
from bao_core.plugins.isolation import TIME_LIMIT, TIMEOUT_VARIABLE
from bao_core.plugins.requirements import api_complaint, core_complaint, literal_requires
from bao_core.plugins.status import SLOW, PluginInfo
from bao_core.records import Explanation, Summary, TaskRecord

if TYPE_CHECKING:
    from msgspec import Struct

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"
COMMAND_LINE = (REFERENCE / "command-line.md").read_text()
JSON_PAGE = (REFERENCE / "json.md").read_text()


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = heading.split(" ", 1)[0]
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)",
        page,
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"there is no heading {heading!r}"
    return found.group(1)


def option_row(option: Option) -> str:
    """The row of an option, as the page must have it."""
    flags = [*option.flags, *filter(None, [option.negative])]
    if option.kind == "maybe":
        flags[0] += f"[={option.metavar}]"
    elif option.metavar:
        flags[0] += f" {option.metavar}"
    values = f": {', '.join(f'`{choice}`' for choice in option.choices)}" if option.choices else ""
    return f"| {', '.join(f'`{flag}`' for flag in flags)} | {option.help}{values} |"


def option_table(options: tuple[Option, ...]) -> str:
    return "\n".join(["| option | meaning |", "| --- | --- |", *map(option_row, options)])


# --- commands and options ----------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_its_section_with_its_options(command: Command) -> None:
    text = section(COMMAND_LINE, f"## bao {command.name}")
    assert command.help in text
    if command.options:
        assert option_table(command.options) in text, option_table(command.options)
    else:
        assert "| option |" not in text
    if command.words is not None:
        assert f"`{command.words.metavar}`" in text


def test_the_global_options_stand_in_a_section_of_their_own() -> None:
    table = option_table(GLOBAL_OPTIONS)
    assert table in section(COMMAND_LINE, "## Options of every command"), table


def test_no_section_speaks_of_a_command_that_is_not_there() -> None:
    headings = re.findall(r"^## bao (.+)$", COMMAND_LINE, re.MULTILINE)
    assert headings == [command.name for command in COMMANDS]


def test_the_shells_are_those_that_are_completed() -> None:
    text = section(COMMAND_LINE, "## bao completion")
    assert all(f"bao completion {shell}" in text for shell in SHELLS)


def test_the_words_that_plugins_may_not_take_are_listed() -> None:
    page = " ".join((REFERENCE / "plugins.md").read_text().split())
    listed = re.search(r"names of commands that bao uses itself are refused: (.+?)\.", page)
    assert listed
    assert set(re.findall(r"`([a-z]+)`", listed.group(1))) == RESERVED_COMMANDS
    for hook in HOOKS:
        assert f"`{hook}`" in page


# --- JSON --------------------------------------------------------------------------------------

RECORDS: list[tuple[str, type[Struct]]] = [
    ("## bao ls --json", ls.ListedPackage),
    ("## bao ls --tasks --json", ls.ListedTask),
    ("## bao run --dry-run=json", TaskRecord),
    ("## bao run --summary FILE", Summary),
    ("## bao why --json", Explanation),
    ("## bao cache stats --json", cache.TierStats),
    ("## bao cache ls --json", cache.ListedEntry),
    ("## bao plugins --json", PluginInfo),
    ("### A package of the graph", graph.PackageNode),
    ("### A task of the graph", graph.TaskNode),
    ("## Reasons", Reason),
]


@pytest.mark.parametrize(("heading", "record"), RECORDS, ids=[heading for heading, _ in RECORDS])
def test_every_field_of_every_document_has_a_row(heading: str, record: type[Struct]) -> None:
    text = section(JSON_PAGE, heading).partition("\nCodes that say")[0]
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", text, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    assert len(named) == len(set(named))
    fields = set(record.__struct_fields__)
    if record is TaskRecord:
        # What only a run knows has its rows where the summary is described.
        summary = section(JSON_PAGE, "## bao run --summary FILE")
        later = {name for name in fields if f"| `{name}`" in summary} - set(named)
        assert later == {"outcome", "exit_code", "start", "duration", "peak_memory", "executor"}
        fields -= later
    if record is Summary:
        fields |= {"outcome", "peak_memory", "executor"}
    assert set(named) - {"version"} == fields - {"version"}


def test_every_code_of_a_reason_is_explained() -> None:
    text = section(JSON_PAGE, "## Reasons")
    sources = (path.read_text() for path in (ROOT / "bao_core").glob("*.py"))
    codes = {
        code
        for source in sources
        for code in re.findall(r"""(?:\bReason|\b_some)\(\s*"([a-z-]+)\"""", source)
    }
    assert len(codes) > 20
    assert {code for code in codes if f"`{code}`" not in text} == set()


def test_the_examples_are_json() -> None:
    examples = re.findall(r"^```json\n(.*?)^```", JSON_PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) >= len(RECORDS) - 2
    assert all(isinstance(json.loads(example), dict) for example in examples)


def test_the_configuration_document_names_fields_that_exist() -> None:
    text = section(JSON_PAGE, "## bao config --json")
    example = re.search(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert example
    document = json.loads(example.group(1))
    assert list(document) == ["version", "root", "config"]
    assert set(document["config"]) <= set(RootConfig.__struct_fields__)


# --- plugins -----------------------------------------------------------------------------------


def words_of(page: str) -> str:
    return " ".join((REFERENCE / page).read_text().split())


def test_the_page_on_versions_says_what_the_code_says() -> None:
    text = words_of("plugin-versions.md")
    assert f"`bao_core.hookspecs.API_VERSION`. It is {API_VERSION}." in text
    assert core_complaint("bao-cache-redis", ["bao-core>=9"]) in text
    assert api_complaint("bao-cache-redis", "<1") in text
    assert api_complaint("bao-cache-redis", "1") in text
    assert literal_requires(b'requires = ">=1,<2"') == ">=1,<2"
    assert '`requires = ">=1,<2"`' in words_of("hooks.md")


def test_the_limits_on_time_are_those_of_the_code() -> None:
    assert SLOW == 0.5
    assert "half a second" in words_of("plugin-versions.md")
    assert "half a second" in words_of("plugins.md")
    assert f"above {TIME_LIMIT:g} s, or `{TIMEOUT_VARIABLE}`" in words_of("plugin-versions.md")
    assert f"longer than {TIME_LIMIT:g} s (`{TIMEOUT_VARIABLE}`)" in words_of("plugins.md")
    row = f"| `{TIMEOUT_VARIABLE}` | seconds that importing a plugin, or its answer to a hook, may "
    assert f"{row}take; {TIME_LIMIT:g} if it is not set |" in COMMAND_LINE


def test_the_kinds_of_plugins_are_those_that_are_written() -> None:
    text = section(COMMAND_LINE, "## bao plugins new")
    assert f"The kind is {', '.join(f'`{kind}`' for kind in KINDS)}." in text
