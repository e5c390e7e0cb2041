"""Keys that are remembered are the keys that would be made, whatever changes in between."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.model import CacheKey
    from tests.conftest import Repo

CONFIG = """
global_env = ["ALL"]
[workspace]
packages = ["p/*"]
[tasks.build]
command = "true"
depends_on = ["^build"]
inputs = ["$default", "made/*.txt"]
env = ["MODE_*"]
tools = ["sometool"]
[tasks.test]
command = "true"
depends_on = ["build"]
[tasks.other]
command = "true"
depends_on = [{ task = "build", follow = "outputs" }]
"""
FILES = {
    "bao.toml": CONFIG,
    ".gitignore": "made\n.env.local\n",
    "root.cfg": "1",
    "p/a/bao.toml": 'name = "a"\n',
    "p/a/src.py": "1",
    "p/b/bao.toml": 'name = "b"\ndependencies = ["a"]\n',
    "p/b/src.py": "1",
    "bin/sometool": "#!/bin/sh\n",
}

CHANGES: dict[str, Callable[[Repo], object]] = {
    "nothing": lambda _: None,
    "a tracked file": lambda repo: repo.write({"p/a/src.py": "2"}),
    "a file is gone": lambda repo: repo.write({"p/a/src.py": None}),
    "an untracked file": lambda repo: repo.write({"p/a/new.py": "1"}),
    "its content": lambda repo: repo.write({"p/a/new.py": "2"}),
    "a mode": lambda repo: (repo.root / "p/b/src.py").chmod(0o755),
    "an ignored .env file": lambda repo: repo.write({"p/b/.env.local": "1"}),
    "what it says": lambda repo: repo.write({"p/b/.env.local": "2"}),
    "an ignored file that a pattern reaches": lambda repo: repo.write({"p/a/made/x.txt": "1"}),
    "and its content": lambda repo: repo.write({"p/a/made/x.txt": "2"}),
    "a global input": lambda repo: repo.write({"root.cfg": "2"}),
    "a tool": lambda repo: repo.write({"bin/sometool": "#!/bin/sh\n:\n"}),
    "a commit": lambda repo: repo.commit(),
    "a variable": lambda repo: repo.env.update(MODE_X="1"),
    "another value": lambda repo: repo.env.update(MODE_X="2"),
    "a global variable": lambda repo: repo.env.update(ALL="1"),
    "a command": lambda repo: repo.write({"bao.toml": CONFIG.replace('"true"', '"true 1"')}),
    "a dependency": lambda repo: repo.write({"p/b/bao.toml": 'name = "b"\n'}),
}


def keys(repo: Repo, *arguments: str, cache: str = "cache") -> dict[str, str]:
    env = {"BAO_CACHE_DIR": str(repo.base / cache)}
    tasks = repo.ok("run", "--dry-run=json", *arguments, env=env).json["tasks"]
    return {task["id"]: task["key"] for task in tasks}


def keys_used(repo: Repo, *arguments: str) -> dict[str, str]:
    """The keys that a run goes by: a dry run makes those anew that it tells the inputs of."""
    log = repo.base / "events"
    repo.ok("run", *arguments, env={"BAO_EVENT_LOG": str(log)})
    events = [json.loads(line) for line in log.read_text().splitlines()]
    log.unlink()
    return {event["id"]: event["key"] for event in events if event["type"] == "TaskFinished"}


COMMANDS = (
    ("build",),
    ("build", "test"),
    ("build", "--", "-x"),
    ("test", "--only"),
    ("build", "--filter=b"),
    ("other",),
    ("build", "--env-mode=loose"),
)


def test_remembered_keys_are_those_that_would_be_made(repo: Repo) -> None:
    repo.write(FILES)
    (repo.root / "bin/sometool").chmod(0o755)
    repo.env["PATH"] = f"{repo.root / 'bin'}:{repo.env['PATH']}"
    repo.commit()
    seen: dict[tuple[str, ...], set[str]] = {command: set() for command in COMMANDS}
    for number, (what, change) in enumerate(CHANGES.items()):
        change(repo)
        if what == "a tool":
            (repo.root / "bin/sometool").chmod(0o755)
        for command in COMMANDS:
            if number % 3 and command not in {("build",), ("build", "--", "-x")}:
                continue
            made = keys(repo, *command, cache=f"fresh-{number}")
            for _ in range(2):
                used = keys_used(repo, *command)
                assert used.keys() == made.keys(), (what, command)
                known = {task: key for task, key in made.items() if key is not None}
                assert known.items() <= used.items(), (what, command)
            assert keys(repo, *command) == made, (what, command)
            seen[command].add(str(sorted(made.items())))
    assert len(seen["build",]) == len(CHANGES) - 1, "all but a commit change some key"


REACHED = {
    "bao.toml": """
        [workspace]
        packages = ["p/*", "p/d/inner"]
        [tasks.plain]
        command = "true"
        [tasks.up]
        command = "true"
        depends_on = ["^up"]
        [tasks.narrow]
        command = "true"
        inputs = ["*.txt"]
        [tasks.after]
        command = "true"
        depends_on = ["plain", { task = "up", follow = "none" }]
        inputs = ["nothing"]
        [tasks.far]
        command = "true"
        depends_on = ["e#plain"]
        inputs = ["$default"]
    """,
    ".gitignore": "*.local.txt\n",
    "root.cfg": "1",
    "p/a/bao.toml": 'name = "a"\n',
    "p/a/src.py": "1",
    "p/a/a.txt": "1",
    "p/b/bao.toml": 'name = "b"\ndependencies = ["a"]\n',
    "p/b/src.py": "1",
    "p/c/bao.toml": 'name = "c"\ndependencies = ["b"]\n',
    "p/c/src.py": "1",
    "p/d/bao.toml": 'name = "d"\n',
    "p/d/src.py": "1",
    "p/d/inner/bao.toml": 'name = "inner"\n',
    "p/d/inner/src.py": "1",
    "p/e/bao.toml": 'name = "e"\n',
    "p/e/src.py": "1",
}
EDITS: dict[str, dict[str, str | None]] = {
    "below everything": {"p/a/src.py": "2"},
    "in the middle": {"p/b/src.py": "2"},
    "above everything": {"p/c/src.py": "2"},
    "around another package": {"p/d/src.py": "2"},
    "inside another package": {"p/d/inner/src.py": "2"},
    "behind a link": {"p/e/src.py": "2"},
    "two at once": {"p/a/src.py": "3", "p/d/src.py": "3"},
    "what a pattern reaches": {"p/a/a.txt": "2"},
    "an ignored file that a pattern reaches": {"p/d/x.local.txt": "1"},
    "a new file": {"p/b/new.txt": "1"},
    "a file is gone": {"p/b/new.txt": None},
    "an earlier state": {"p/a/src.py": "2", "p/d/src.py": "2", "p/a/a.txt": "1"},
    "a global input": {"root.cfg": "2"},
    "a manifest": {"p/c/bao.toml": 'name = "c"\ndependencies = ["b", "e"]\n'},
    "nothing": {},
}


def refuse(*_: object) -> None:
    raise AssertionError("a key was made, or about to be")


def test_of_an_edit_the_keys_are_those_that_would_be_made(repo: Repo) -> None:
    repo.write(REACHED)
    (repo.root / "p/c/link.py").symlink_to("../e/src.py")
    repo.commit()
    command = ("plain", "up", "narrow", "after", "far")
    before = keys_used(repo, *command)
    changed = {}
    for number, (what, files) in enumerate(EDITS.items()):
        repo.write(files)
        made = keys(repo, *command, cache=f"fresh-{number}")
        found = keys_used(repo, *command)
        assert found == made, what
        assert keys_used(repo, *command) == made, what
        changed[what] = sorted(task for task in found if found[task] != before[task])
        before = found
    assert changed["above everything"] == ["c#after", "c#far", "c#plain", "c#up"]
    assert changed["an ignored file that a pattern reaches"] == ["d#narrow"]
    every_far = {task for task in before if task.endswith("#far")}
    around = {f"{package}#{task}" for package in "ce" for task in ("after", "plain", "up")}
    assert set(changed["behind a link"]) == every_far | around


def test_of_an_edit_only_the_keys_that_it_reaches_are_made(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bao_core import task_keys
    from bao_core.key_memo import KeyMemo
    from bao_core.session import RunOptions, Session

    repo.write(REACHED)
    repo.commit()
    made: list[str] = []
    compute = task_keys.compute_key

    def noting(parts: dict[str, str]) -> CacheKey:
        made.append(parts["task:id"])
        return compute(parts)

    def run() -> list[str]:
        del made[:]
        session = Session.open(str(repo.root), repo.env)
        assert session.run(RunOptions(tasks=("plain", "up"))) == 0
        session.close()
        return sorted(made)

    monkeypatch.setattr(task_keys, "compute_key", noting)
    assert len(run()) == 12
    repo.write({"p/b/src.py": "2"})
    assert run() == ["b#plain", "b#up", "c#plain", "c#up"]
    assert run() == []
    repo.write({"p/e/src.py": "2"})
    assert run() == ["e#plain", "e#up"]
    repo.write({"README.md": "2"})
    assert run() == []
    monkeypatch.setattr(KeyMemo, "_reached_since", refuse)
    assert run() == [], "nor is it looked at twice what a file reaches that no task has"


def test_a_run_of_hits_makes_no_key(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    from bao_core import task_keys
    from bao_core.session import RunOptions, Session

    repo.write({**FILES, "bao.toml": CONFIG.replace('tools = ["sometool"]', "")})
    repo.commit()

    def run() -> int:
        session = Session.open(str(repo.root), repo.env)
        code = session.run(RunOptions(tasks=("build",)))
        session.close()
        return code

    assert run() == 0
    monkeypatch.setattr(task_keys, "compute_key", refuse)
    assert run() == 0
