"""Whatever stands in a lock file, it is read or said to be broken, and never anything else."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bao_workspace_node.locks import LockSource, RememberedLock, lock_memory
from bao_workspace_node.locks.table import FormatUnknownError

from bao_core.closures import LockBrokenError

FOLDER = Path(__file__).parent / "locks"
WORKSPACES: dict[str, Any] = json.loads((FOLDER / "manifests.json").read_text(encoding="utf-8"))
FORMATS = ["npm-1", "npm-3", "pnpm-7", "pnpm-11", "yarn1", "berry-4", "bun"]
JUNK = [
    *"{}[]:,\"#&*!|>%@`-?\n\t\0\\'1 ",
    "\ufeff",
    "\u2028",
    "é",
    "~",
    "<<: *a",
    "- ",
    "null",
    "\\ud800",
]
VALUES: list[Any] = [
    None,
    True,
    1,
    -1.5,
    "",
    "x",
    [],
    {},
    [[]],
    {"a": []},
    [None],
    "a@b@c",
    "\ud800",
]


def lock_of(name: str) -> tuple[str, bytes]:
    path = WORKSPACES[name]["lock"]
    return path, (FOLDER / f"{name}-{path}").read_bytes()


def read(path: str, data: bytes) -> str:
    """Reads it and asks for something; the reason where it is broken."""
    source = LockSource(path, data, ("packages/a",), {"x": "1"})
    try:
        lock = RememberedLock(source, lock_memory(None)).table
    except LockBrokenError as error:
        return str(error)
    except FormatUnknownError:
        return ""
    for name in ("left-pad", "is-odd", "", "@s/x", "a/../b"):
        for number in lock.find("packages/a", "a", name, "^1") or ():
            lock.reach.labels(lock.reach.reach(number))
            (lock.whole or lock.reach).digest((lock.whole or lock.reach).reach(number))
    return ""


def check(path: str, data: bytes) -> None:
    reason = read(path, data)
    assert reason == "" or reason.startswith(f"{path}:"), data
    assert "\n" not in reason, data
    assert "Error" not in reason, data


@pytest.mark.parametrize("name", FORMATS)
def test_a_lock_file_may_end_anywhere(name: str) -> None:
    path, data = lock_of(name)
    for end in range(0, len(data), 61):
        check(path, data[:end])


@pytest.mark.parametrize("name", FORMATS)
def test_any_bytes_may_be_anywhere(name: str) -> None:
    path, data = lock_of(name)
    chance = random.Random(name)
    text = data.decode()
    for _ in range(150):
        letters = list(text[: chance.randrange(300, 3000)])
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(letters))
            letters[place : place + chance.randint(0, 2)] = chance.choice(JUNK)
        check(path, "".join(letters).encode())
    for _ in range(50):
        place = chance.randrange(len(data))
        check(path, data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :])


def places(document: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values in a document."""
    found = [above] if above else []
    entries: Any = ()
    if isinstance(document, dict):
        entries = document.items()
    elif isinstance(document, list):
        entries = enumerate(document)
    for key, value in entries:
        found += places(value, (*above, key))
    return found


@pytest.mark.parametrize("name", ["npm-1", "npm-3", "pnpm-7", "pnpm-11", "berry-4", "bun"])
def test_any_value_may_be_of_any_type(name: str) -> None:
    import fast_yaml

    path, data = lock_of(name)
    document = fast_yaml.safe_load(data.decode())
    chance = random.Random(name)
    ways = places(document)
    assert len(ways) > 50
    for way in chance.sample(ways, 120) if len(ways) > 120 else ways:
        copy = json.loads(json.dumps(document))
        inner = copy
        for step in way[:-1]:
            inner = inner[step]
        inner[way[-1]] = chance.choice(VALUES)
        # JSON is YAML as well.
        check(path, json.dumps(copy, indent=1).encode())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("letter", ["[", "{", "a: ", '{"a":', "- ", "x:\n  "])
def test_no_depth_is_too_deep(name: str, letter: str) -> None:
    path, _ = lock_of(name)
    check(path, letter.encode() * 20_000)
    check(path, b'{"lockfileVersion": 1, "dependencies": ' + b'{"a": {"dependencies": ' * 5000)


def test_aliases_that_multiply_do_not_fill_the_memory() -> None:
    lines = ["lockfileVersion: '9.0'", "a: &a [x, x, x, x, x, x, x, x, x]"]
    letters = "abcdefghijk"
    for one, two in pairwise(letters):
        lines.append(f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]")
    check("pnpm-lock.yaml", "\n".join(lines).encode())
