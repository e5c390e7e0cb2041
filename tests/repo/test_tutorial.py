"""The tutorial is executed: every command in order, and what it prints is what the page shows.

In a page, `…` within a line stands for any text, and a line that is only `…` for any lines. The
order of lines does not count, since tasks run side by side.
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


def differences(shown: str, printed: str) -> list[str]:
    """Lines that the page shows and the command did not print, and the other way round."""
    left = printed.splitlines()
    wrong = []
    for line in shown.splitlines():
        pattern = "[^\n]*".join(re.escape(part) for part in line.split("…"))
        found = next((other for other in left if re.fullmatch(pattern, other)), None)
        if line == "…":
            continue
        if found is None:
            wrong.append(f"- {line}")
        else:
            left.remove(found)
    if "…" in shown.splitlines():
        left = []
    return wrong + [f"+ {line}" for line in left]


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
        wrong = differences(step.printed, done.stdout)
        assert wrong == [], f"{page.name}:{step.line}: {step.command}\n{done.stdout}"


def test_a_page_that_shows_something_else_is_noticed() -> None:
    assert differences("built … in … s\n…\nend\n", "1\nend\nbuilt x in 3 s\n") == []
    assert differences("built …\nend\n", "built x\n1\nend\n") == ["+ 1"]
    assert differences("a.b\n", "axb\n") == ["- a.b", "+ axb"]
    assert differences("x\nx\n", "x\n") == ["- x"]
