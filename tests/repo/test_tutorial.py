"""The tutorial is executed: every command in order, and what it prints is what the page shows.

In a page, `…` within a line stands for any text, and a line that is only `…` for any lines.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from conftest import Acme

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted(ROOT.glob("docs/tutorial/*-*.md"))


class Step(NamedTuple):
    """A command of a page and what the page says that it prints."""

    line: int
    command: str
    printed: str


def steps(page: Path) -> list[Step]:
    found: list[Step] = []
    inside = False
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            found.append(Step(number, line[2:], ""))
        elif inside:
            last = found[-1]
            found[-1] = last._replace(printed=f"{last.printed}{line}\n")
    return found


def pattern(printed: str) -> str:
    lines = []
    for line in printed.splitlines():
        if line == "…":
            lines.append("(?:.*\n)*?")
        else:
            lines.append("[^\n]*".join(re.escape(part) for part in line.split("…")) + "\n")
    return "".join(lines)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_every_command_prints_what_the_page_shows(page: Path, acme: Acme) -> None:
    environ = dict(acme.environ)
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    assert steps(page)
    for step in steps(page):
        done = subprocess.run(
            ("sh", "-c", step.command),
            cwd=acme.root,
            env=environ,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        shown = f"{page.name}:{step.line}: {step.command}\n{done.stdout}"
        assert re.fullmatch(pattern(step.printed), done.stdout), shown


def test_a_page_that_shows_something_else_is_noticed() -> None:
    assert re.fullmatch(pattern("built … in … s\n…\nend\n"), "built x in 3 s\n1\n2\nend\n")
    assert re.fullmatch(pattern("built … in … s\n…\nend\n"), "built x in 3 s\nend\n")
    assert not re.fullmatch(pattern("built …\nend\n"), "built x\n1\nend\n")
    assert not re.fullmatch(pattern("a.b\n"), "axb\n")
