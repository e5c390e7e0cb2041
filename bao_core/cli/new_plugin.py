"""`bao plugins new`: writes the skeleton of a plugin, which is whole and passes its own tests.

The templates are the files of a plugin called `shelf`, and the tutorial on plugins shows the same.
"""

from __future__ import annotations

import keyword
import os
import re

from bao_core.errors import UsageError
from bao_core.near_misses import advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.cli.commands import NewPluginArguments
    from bao_core.cli.options import Invocation
    from bao_core.cli.terminal import Terminal

KINDS = {
    "cache-backend": (
        ("pyproject.toml.in", "pyproject.toml"),
        ("README.md.in", "README.md"),
        ("init.py.in", "src/bao_cache_shelf/__init__.py"),
        ("plugin.py.in", "src/bao_cache_shelf/plugin.py"),
        ("store.py.in", "src/bao_cache_shelf/store.py"),
        ("conftest.py.in", "tests/conftest.py"),
        ("test_shelf.py.in", "tests/test_shelf.py"),
    )
}
"""What is written of each kind: templates, and where they go."""

_MODEL = "shelf"
"""The name that the templates are written with."""

_PREFIX = "bao-cache-"


def new_plugin(invocation: Invocation, terminal: Terminal) -> int:
    """Write a skeleton; returns the exit code.

    Raises:
        UsageError: There is no such kind, the name cannot be one, or there is something already.
    """
    arguments: NewPluginArguments = invocation.arguments
    kind, *words = arguments.words
    name = words[0] if words else ""
    files = KINDS.get(kind)
    if files is None:
        possible = ", ".join(KINDS)
        raise UsageError(
            f"there is no kind of plugin '{kind}' (possible: {possible})", hint=advice(kind, KINDS)
        )
    name = _checked(name)
    directory = words[1] if words[1:] else f"{_PREFIX}{name}"
    if invocation.directory is not None and not os.path.isdir(invocation.directory):
        raise UsageError(f"--directory: there is no directory '{invocation.directory}'")
    target = os.path.join(invocation.directory or "", directory)
    try:
        for path in _write(kind, name, target):
            terminal.line(os.path.join(directory, path))
    except OSError as error:
        raise UsageError(
            f"{error.filename or target} cannot be written: {error.strerror}"
        ) from None
    terminal.note(f'next: pip install -e "{directory}[test]" && pytest {directory}')
    return 0


def _checked(name: str) -> str:
    """The plugin's name, given alone or as part of that of its distribution.

    Raises:
        UsageError: No plugin can be called so.
    """
    short = name.removeprefix("bao-").removeprefix("cache-")
    if not short:
        raise UsageError("NAME is missing: what the cache backend is called, such as redis")
    if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", short) is None or keyword.iskeyword(short):
        raise UsageError(
            f"'{name}' is no name for a plugin; it takes small letters, digits and hyphens"
        )
    return short


def _write(kind: str, name: str, target: str) -> list[str]:
    """Write the files of a kind; their paths from the target.

    Raises:
        UsageError: The target holds something.
        OSError: It cannot be written.
    """
    if os.path.exists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise UsageError(f"'{target}' is there already, and not empty")
    import bao_core.testing

    templates = os.path.join(os.path.dirname(bao_core.testing.__file__), "skeleton", kind)
    written = []
    for template, place in KINDS[kind]:
        with open(os.path.join(templates, template), encoding="utf-8") as source:
            text = _renamed(source.read(), name)
        path = _renamed(place, name)
        os.makedirs(os.path.dirname(os.path.join(target, path)), exist_ok=True)
        with open(os.path.join(target, path), "x", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return written


def _renamed(text: str, name: str) -> str:
    """A template's text with another name, in each of its spellings."""
    spellings = (
        (f"bao_cache_{_MODEL}", f"bao_cache_{name.replace('-', '_')}"),
        (f"test_{_MODEL}", f"test_{name.replace('-', '_')}"),
        (_MODEL.title(), "".join(part.title() for part in name.split("-"))),
        (_MODEL, name),
    )
    for model, spelling in spellings:
        text = text.replace(model, spelling)
    return text
