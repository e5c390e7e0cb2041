"""Saying that there is no environment, and how one is made."""

from __future__ import annotations

import os
import posixpath
from itertools import islice

from msgspec import Struct

from bao_core.answers import witness_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bao_core.answers import Answers
    from bao_core.model import Package, Task
    from bao_workspace_python.findings import AllFindings, Findings
    from bao_workspace_python.lock_places import LockPlace

MANIFEST = "pyproject.toml"
PROVIDERS = frozenset("conda hatch mamba nox pdm pixi poetry tox uv uvx".split())
"""Programs that make an environment for what they run, or complain themselves."""

SAMPLE = 100
"""How many packages are looked at: one that lacks its environment is enough for a sentence."""

_COMMANDS = {
    "uv.lock": "uv sync",
    "poetry.lock": "POETRY_VIRTUALENVS_IN_PROJECT=1 poetry install",
    "pdm.lock": "pdm install",
    "pylock.toml": "uv venv && uv pip sync pylock.toml",
}
_TABLES = {"[tool.uv": "uv.lock", "[tool.poetry": "poetry.lock", "[tool.pdm": "pdm.lock"}
_PLAIN = "python -m venv .venv && .venv/bin/pip install -e ."


class _Wish(Struct, frozen=True):
    """What a package without a lock file asks for.

    Attributes:
        names: Normalised names of its requirements.
        command: What makes an environment for it.
    """

    names: list[str]
    command: str


def missing_environment(
    tasks: Sequence[tuple[Task, Package]], findings: AllFindings, root: str, memory: Answers
) -> str:
    """One sentence about what has no environment, with the command that makes one.

    A package has one if it lies in the workspace, or if anything that the package needs is
    installed in what is used instead.

    Args:
        tasks: Those of Python packages.
        findings: What was found for them.
        root: The workspace's root directory.
        memory: What earlier runs found out.

    Returns:
        Empty where nothing is missing.
    """
    missing: dict[str, str] = {}
    seen: set[LockPlace] = set()
    for package in islice(_needing_one(tasks, findings), SAMPLE):
        found = findings.outside[package.path]
        place = findings.place_of(package.path)
        if place is None:
            wish = _wish_of(root, package, memory)
            if wish.names and not _holds(found, wish.names):
                missing[package.path] = wish.command
            continue
        if place in seen:
            continue
        seen.add(place)
        if not found.holds_anything_of(place):
            shared = place.directory != package.path
            everything = " --all-packages" if shared and place.names[0] == "uv.lock" else ""
            missing[place.directory] = _COMMANDS[place.names[0]] + everything
    return _sentence(missing) if missing else ""


def _needing_one(tasks: Sequence[tuple[Task, Package]], findings: AllFindings) -> Iterator[Package]:
    """The packages whose tasks do not see to an environment themselves, each once."""
    seen: set[str] = set()
    for task, package in tasks:
        command = task.definition.command
        if package.path in seen or package.path not in findings.outside or not command:
            continue
        words = command.split() if isinstance(command, str) else command
        if words and os.path.basename(words[0]) not in PROVIDERS:
            seen.add(package.path)
            yield package


def _holds(found: Findings, names: list[str]) -> bool:
    return not found.installed().keys().isdisjoint(names)


def _wish_of(root: str, package: Package, memory: Answers) -> _Wish:
    manifest = os.path.join(root, package.path, MANIFEST)
    at_root = os.path.join(root, MANIFEST)
    paths = (manifest, at_root) if os.path.exists(at_root) else (manifest,)
    witness = witness_of(*paths)
    question = f"wish {package.path}"
    known = memory.recall(question, witness, _Wish)
    if known is None:
        known = _read_wish(package, paths)
        memory.remember(question, witness, known)
    return known


def _read_wish(package: Package, paths: tuple[str, ...]) -> _Wish:
    from bao_core.errors import BaoError
    from bao_workspace_python.declared import requirements_of
    from bao_workspace_python.manifest import read_manifest

    texts = []
    names: set[str] = set()
    for path in paths:
        try:
            with open(path, "rb") as stream:
                data = stream.read()
            texts.append(data.decode("utf-8", "replace"))
            if path == paths[0]:
                manifest = read_manifest(posixpath.join(package.path, MANIFEST), data)
                wanted = requirements_of(manifest)
                names = {r.name for r in wanted if r.kind != "build" and r.name}
        except (OSError, BaoError):
            continue
    text = "\n".join(texts)
    lock = next((lock for table, lock in _TABLES.items() if table in text), None)
    return _Wish(sorted(names), _PLAIN if lock is None else _COMMANDS[lock])


def _sentence(missing: dict[str, str]) -> str:
    directory, command = next(iter(missing.items()))
    more = " and for others" if len(missing) > 1 else ""
    if not directory:
        return f"there is no environment for the Python packages{more}; `{command}` makes it"
    return f"there is no Python environment for {directory}{more}; `{command}` there makes it"
