"""What README and documentation show is understood: configurations, and every command line."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bao_core.cli.app import TyperReader
from bao_core.config import load_root_config
from bao_core.model import FileTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "examples/acme/README.md",
    *sorted(ROOT.glob("docs/how-to/*.md")),
    *sorted(ROOT.glob("docs/explanation/*.md")),
    *sorted(ROOT.glob("docs/tutorial/*.md")),
]


class OneFile(FileTree):
    """A tree with a single file."""

    def __init__(self, name: str, content: str) -> None:
        self._files = {name: content.encode()}

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)

    def entries(self, directory: str) -> Mapping[str, bool]:
        return {} if directory else dict.fromkeys(self._files, False)

    def named(self, names: Iterable[str]) -> list[str]:
        return sorted(set(names) & set(self._files))


def blocks(*languages: str) -> list[tuple[str, str]]:
    """Every fenced block in one of these languages, with its place."""
    found = []
    for page in PAGES:
        # Opening and closing fences look alike: every other part is a block.
        parts = re.split(r"^ *```(.*)\n", page.read_text() + "\n", flags=re.MULTILINE)
        line = 1
        for number in range(1, len(parts) - 2, 4):
            line += parts[number - 1].count("\n") + 1
            language, block = parts[number], parts[number + 1]
            if language in languages:
                found.append((f"{page.relative_to(ROOT)}:{line}", textwrap.dedent(block)))
            line += block.count("\n") + 1
    return found


# What a tutorial shows of the project of a plugin is no configuration of bao.
CONFIGURATIONS = [
    (place, block) for place, block in blocks("toml", "json") if "[project" not in block
]


@pytest.mark.parametrize(
    "block", [block for _, block in CONFIGURATIONS], ids=[place for place, _ in CONFIGURATIONS]
)
def test_every_configuration_is_without_mistakes(block: str) -> None:
    if block.lstrip().startswith("{"):
        name = "package.json"
    else:
        name = "pyproject.toml" if "[tool.bao" in block else "bao.toml"
    config = load_root_config(OneFile(name, block))
    assert config.tasks or config.packages


def command_lines() -> list[tuple[str, str]]:
    found = []
    for place, block in blocks("", "sh", "console"):
        for line in block.splitlines():
            command = re.fullmatch(r"(?:\$ )?(?:[A-Z_]+=\S+ )?bao( .*)?", line)
            if command and " bao " not in line[3:]:
                found.append((place, command.group(1) or ""))
    return found


COMMANDS = command_lines()


@pytest.mark.parametrize(
    "line", [line for _, line in COMMANDS], ids=[f"{place} bao{line}" for place, line in COMMANDS]
)
def test_every_command_line_is_understood(line: str) -> None:
    argv = shlex.split(line, comments=True)
    answer = TyperReader().read(argv)
    assert not isinstance(answer, int) or "--help" in argv


def test_there_is_something_to_understand() -> None:
    assert len(CONFIGURATIONS) > 8
    assert len(COMMANDS) > 20
