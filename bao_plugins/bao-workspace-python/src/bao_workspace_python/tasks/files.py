"""The files that say which tools a package is set up for.

They are found by their names in one listing of the whole workspace, and only those that are there
are read: what a provider reads is looked at again in every run.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from msgspec import Struct

from bao_core.globs import escape_glob
from bao_workspace_python.paths import ancestors
from bao_workspace_python.tasks.declared import table_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bao_core.model import FileTree

PYPROJECT = "pyproject.toml"
HATCH_FILE = "hatch.toml"
CONFTEST = "conftest.py"
TESTS = (CONFTEST, "test_*.py", "*_test.py")
"""Files that pytest takes for tests, or that are of use to tests alone."""

_CODE = ("__init__.py",)
_OTHERS = (PYPROJECT, "uv.lock", "poetry.lock", "pdm.lock", HATCH_FILE)


class Tool(Struct, frozen=True):
    """Where a tool's configuration may stand, best first within a directory.

    Attributes:
        name: Of the tool, and of the requirement that installs it.
        files: Names of files that are there for the tool alone.
        sections: Sections in ini files that many tools share, by the file's name.
        scope: The keys of the configuration that name what is checked, each a path of keys.
    """

    name: str
    files: tuple[str, ...]
    sections: dict[str, str] = {}
    scope: tuple[tuple[str, ...], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files that may hold its configuration."""
        return (*self.files, PYPROJECT, *self.sections)


PYTEST = Tool(
    "pytest",
    ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"),
    {"tox.ini": "pytest", "setup.cfg": "tool:pytest"},
)
RUFF = Tool("ruff", (".ruff.toml", "ruff.toml"), scope=(("include",),))
MYPY = Tool(
    "mypy",
    ("mypy.ini", ".mypy.ini"),
    {"setup.cfg": "mypy"},
    (("files",), ("packages",), ("modules",)),
)
PYRIGHT = Tool("pyright", ("pyrightconfig.json",), scope=(("include",),))
TY = Tool("ty", ("ty.toml",), scope=(("src", "include"),))
TOOLS = (PYTEST, RUFF, MYPY, PYRIGHT, TY)


class Configuration(Struct, frozen=True):
    """The configuration of a tool that holds for a package.

    Attributes:
        path: Of the file, from the root.
        place: What people call it, such as `[tool.ruff] in pyproject.toml`.
        settings: The tool's own tables; empty where they were not read.
    """

    path: str
    place: str
    settings: dict[str, Any] = {}

    @property
    def directory(self) -> str:
        """Where the file stands."""
        return self.path.rpartition("/")[0]


class ConfigFiles:
    """Finds the configuration of tools, tests and other signs of what a package is set up for.

    Args:
        tree: The files of the workspace.
        documents: The manifests of the packages, parsed, by directory.
    """

    def __init__(self, tree: FileTree, documents: Mapping[str, dict[str, Any]]) -> None:
        self._tree = tree
        self._documents = dict(documents)
        self._texts: dict[str, str] = {}
        self._names: dict[str, set[str]] = {}
        self._with_tests: set[str] = set()
        self._with_code: set[str] = set()
        configs = {*_OTHERS, *(name for tool in TOOLS for name in tool.names)}
        for path in tree.named([*TESTS, *_CODE, *configs]):
            directory, _, name = path.rpartition("/")
            if name in configs or name == CONFTEST:
                self._names.setdefault(directory, set()).add(name)
            if name in configs:
                continue
            owner = next((d for d in (directory, *ancestors(directory)) if d in documents), None)
            if owner is not None:
                self._with_code.add(owner)
                if name not in _CODE:
                    self._with_tests.add(owner)

    def has(self, directory: str, name: str) -> bool:
        """Whether a file is there that git does not ignore."""
        return name in self._names.get(directory, ())

    def has_tests(self, directory: str) -> bool:
        """Whether tests belong to a package."""
        return directory in self._with_tests

    def has_code(self, directory: str) -> bool:
        """Whether a package holds any Python."""
        if directory in self._with_code:
            return True
        # Not even a package in the sense of Python: a module or two, if anything.
        places = (directory, f"{directory}/src" if directory else "src")
        return any(
            name.endswith((".py", ".pyi")) for place in places for name in self._tree.entries(place)
        )

    def above(self, directory: str, names: Iterable[str]) -> list[str]:
        """Patterns of the files with these names in the directories above one, from the root."""
        wanted = sorted(set(names))
        return [
            f"$root/{escape_glob(_join(place, name))}"
            for place in ancestors(directory)
            for name in wanted
            if self.has(place, name)
        ]

    def configuration(self, tool: Tool, directory: str) -> Configuration | None:
        """The configuration of a tool that is the nearest to a directory, there or above it."""
        for place in (directory, *ancestors(directory)):
            for name in tool.names:
                if self.has(place, name):
                    found = self._read(tool, _join(place, name), name)
                    if found is not None:
                        return found
        return None

    def document(self, directory: str) -> dict[str, Any]:
        """The `pyproject.toml` in a directory; empty where there is none, or a broken one."""
        known = self._documents.get(directory)
        if known is None:
            text = self.text(_join(directory, PYPROJECT)) if self.has(directory, PYPROJECT) else ""
            known = self._documents[directory] = _parsed(text)
        return known

    def text(self, path: str) -> str:
        """A file's text; empty where there is none."""
        known = self._texts.get(path)
        if known is None:
            data = self._tree.read(path)
            text = "" if data is None else data.decode("utf-8-sig", "replace")
            known = self._texts[path] = text.replace("\r\n", "\n")
        return known

    def _read(self, tool: Tool, path: str, name: str) -> Configuration | None:
        place = path
        if name == PYPROJECT:
            settings = table_at(self.document(path.rpartition("/")[0]), "tool")
            if tool.name not in settings:
                return None
            inner = ".ini_options" if "ini_options" in table_at(settings, tool.name) else ""
            place = f"[tool.{tool.name}{inner}] in {path}"
        elif name in tool.sections:
            section = tool.sections[name]
            if not re.search(rf"^\[{re.escape(section)}\]", self.text(path), re.MULTILINE):
                return None
            place = f"[{section}] in {path}"
        return Configuration(path, place, self.settings(tool, path))

    def settings(self, tool: Tool, path: str) -> dict[str, Any]:
        """What a file says to a tool; empty where it cannot be read."""
        directory, _, name = path.rpartition("/")
        if name == PYPROJECT:
            return table_at(self.document(directory), "tool", tool.name)
        text = self.text(path)
        if path.endswith(".toml"):
            return _parsed(text)
        if path.endswith(".json"):
            import json

            try:
                return table_at(json.loads(text))
            except (ValueError, RecursionError):
                return {}  # it may hold comments; what it says of the scope is not known then
        return _section(text, tool.sections.get(name, tool.name))


def scope_of(tool: Tool, configuration: Configuration) -> list[str] | None:
    """The paths and patterns that a configuration names to be checked.

    Returns:
        None where it names none. Names of modules are no paths, and stand for nothing here.
    """
    found: list[str] | None = None
    for keys in tool.scope:
        *outer, last = keys
        value = table_at(configuration.settings, *outer).get(last)
        if value is None:
            continue
        found = found or []
        if last not in {"packages", "modules"}:
            found += _texts(value)
    return found


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from filter(None, map(str.strip, value.split(",")))
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))


def _section(text: str, name: str) -> dict[str, Any]:
    """A section of an ini file; empty where it cannot be read."""
    from configparser import Error, RawConfigParser

    parser = RawConfigParser(strict=False)
    try:
        parser.read_string(text)
        return dict(parser[name]) if name in parser else {}
    except Error:
        return {}


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}  # its own tool says so better


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
