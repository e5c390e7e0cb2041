"""The reference of turbo.json says of keys, frameworks and variables what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bao_workspace_node.turbo.frameworks import FRAMEWORKS
from bao_workspace_node.turbo.keys import (
    GLOBAL,
    OLD_ROOT,
    OLD_TASK,
    PACKAGE,
    RENAMED,
    ROOT,
    STRUCTURED_INPUT,
    TASK,
    Known,
)
from bao_workspace_node.turbo.variables import ALWAYS_COUNTED, PASSED_THROUGH

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = (Path(__file__).parents[2] / "docs/reference/turbo.md").read_text()

KINDS = {
    "any": "anything",
    "flag": "`true` or `false`",
    "inputs": "list of texts and objects",
    "number": "number",
    "table": "object",
    "tasks": "object",
    "text": "text",
    "texts": "list of texts",
}


def table(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + " --- |" * columns, *rows])


def key_table(keys: Mapping[str, Known]) -> str:
    rows = [
        f"| `{name}` | {KINDS[key.kind]} | {key.effect or '—'} |"
        for name, key in sorted(keys.items())
    ]
    return table("| key | holds | what bao makes of it |", rows)


def words(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def framework_table() -> str:
    rows = []
    for framework in FRAMEWORKS:
        joined = " and " if framework.needs_all else ", "
        packages = joined.join(f"`{name}`" for name in framework.packages)
        rows.append(f"| {framework.name} | {packages} | {words(framework.env)} |")
    return table("| framework | shown by | variables |", rows)


def section(heading: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert found, f"there is no heading {heading!r}"
    return found.group(1)


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("The root's file", ROOT),
        ("The file of a package", PACKAGE),
        ("A task", TASK),
        ("Objects among the inputs", STRUCTURED_INPUT),
        ("Under `global`", {name: key for name, key in GLOBAL.items() if name not in ROOT}),
        ("Files for turbo 1", {**OLD_ROOT, **OLD_TASK}),
    ],
)
def test_every_key_has_its_row(heading: str, keys: Mapping[str, Known]) -> None:
    assert key_table(keys) in section(heading), key_table(keys)


def test_every_other_name_under_global_is_told() -> None:
    assert set(RENAMED.values()) | {*ROOT} >= {*GLOBAL}


def test_every_framework_has_its_row() -> None:
    assert framework_table() in section("Frameworks"), framework_table()


def test_every_variable_that_is_let_through_or_counted_is_listed() -> None:
    text = " ".join(section("Variables that nobody declares").split())
    assert words(PASSED_THROUGH) in text
    assert words(ALWAYS_COUNTED) in text
