"""The tutorial is executed: every command in order, and what it prints is what the page shows.

In a page, `…` within a line stands for any text, and a line that is only `…` for any lines. The
order of lines does not count, since tasks run side by side.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from conftest import Acme, Environment

ROOT = Path(__file__).parents[2]
PLUGIN_TUTORIAL = ROOT / "docs/tutorial/first-plugin.md"
TUTORIALS = sorted({*ROOT.glob("docs/tutorial/*-*.md")} - {PLUGIN_TUTORIAL})


class Step(NamedTuple):
    """A command of a page and what the page says that it prints."""

    line: int
    command: str
    printed: str


def steps(page: Path) -> list[Step]:
    return steps_of(page.read_text(), inside=False)


def steps_of(text: str, *, inside: bool = True) -> list[Step]:
    found: list[Step] = []
    for number, line in enumerate(text.splitlines(), start=1):
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


# --- the tutorial on plugins ------------------------------------------------------------------

NOT_EXECUTED = {
    "python3 -m venv .venv && . .venv/bin/activate",
    'pip install "bao-core[testing]" bao-cache-local',
    'pip install -e ".[test]"',
    "pip install build twine",
    "python -m build",
    "twine upload dist/*",
}
"""What needs an index of packages; installing the plugin is done in another way."""


class Walk:
    """Does what the page says, in a directory of its own."""

    def __init__(self, place: Path, environment: Environment) -> None:
        self._state = place / "where"
        self.directory = place / "empty"
        self.directory.mkdir()
        self._environ = {
            "PATH": f"{environment.bin}:{os.environ['PATH']}",
            "HOME": str(place),
            "LANG": "C.UTF-8",
            "GIT_CEILING_DIRECTORIES": str(place),
        }

    def run(self, command: str) -> str:
        """What a command prints."""
        done = subprocess.run(
            ("sh", "-c", f'{command}\npwd > "{self._state}"'),
            cwd=self.directory,
            env=self._environ,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        self.directory = Path(self._state.read_text().strip())
        return done.stdout


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and content of each block, in order."""
    return re.findall(r"^```(.*)\n((?:.*\n)*?)```$", page.read_text(), re.MULTILINE)


def test_the_tutorial_on_plugins_prints_and_writes_what_it_shows(
    tmp_path: Path, environment: Environment
) -> None:
    walk = Walk(tmp_path, environment)
    project = walk.directory / "bao-cache-shelf"
    written: dict[Path, str] = {}
    for language, block in blocks(PLUGIN_TUTORIAL):
        if language == "console":
            for step in steps_of(block):
                printed = walk.run(step.command)
                assert differences(step.printed, printed) == [], f"{step.command}\n{printed}"
            if not written:
                written = {p: p.read_text() for p in project.rglob("*") if p.is_file()}
        elif not language:
            assert set(block.splitlines()) <= NOT_EXECUTED
            if "-e" in block:
                environment.install(project)
        elif block.startswith("[workspace]"):
            (walk.directory / "bao.toml").write_text(block)
        else:
            inside = textwrap.indent(block, "    ", lambda line: bool(line.strip()))
            (path,) = [p for p, text in written.items() if block in text or inside in text]
            written[path] = written[path].replace(block, "").replace(inside, "")
    left = {path.name: text.strip() for path, text in written.items() if text.strip()}
    assert set(left) == {"README.md", "__init__.py"}, "the page shows everything else"
