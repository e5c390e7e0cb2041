"""`--affected` asks git little, some of it ahead, and never answers from what was before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

MOST_COLD = 8
"""Two list the files, three tell names and remotes, one each the ancestor and the index; one
is to spare."""

MOST_HOT = 7


@pytest.fixture
def asked(topic: Any) -> Path:
    """A file to which every git that bao starts adds its arguments, on a line."""
    real = shutil.which("git", path=topic.env["PATH"])
    ledger: Path = topic.base / "asked"
    program = topic.base / "programs" / "git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> {ledger}\nexec {real} "$@"\n')
    program.chmod(0o755)
    topic.env["PATH"] = f"{program.parent}{os.pathsep}{topic.env['PATH']}"
    return ledger


def affected(repo: Any, *arguments: str) -> list[str]:
    listed = repo.ok("ls", "--affected", "--json", *arguments)
    return [package["name"] for package in listed.json["packages"]]


def questions(ledger: Path) -> list[str]:
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    ledger.unlink(missing_ok=True)
    return lines


def test_a_listing_starts_few_processes_and_lists_once(topic: Any, asked: Path) -> None:
    topic.write({"packages/lib/src/a.txt": "changed\n"})
    topic.commit()
    asked.unlink()
    for most in (MOST_COLD, MOST_HOT, MOST_HOT):
        assert affected(topic) == ["app", "lib"]
        lines = questions(asked)
        assert 0 < len(lines) <= most, lines
        assert sum("--exclude-standard" in line for line in lines) == 1
    topic.ok("run", "build", "--affected")
    questions(asked)
    topic.ok("run", "build", "--affected")
    assert len(questions(asked)) <= MOST_HOT + 1


def test_an_edited_file_costs_one_process_more(topic: Any, asked: Path) -> None:
    topic.write({"packages/lib/src/a.txt": "changed\n", "packages/other/new.txt": "new\n"})
    affected(topic)
    questions(asked)
    assert affected(topic) == ["app", "lib", "other"]
    assert len(questions(asked)) <= MOST_HOT


def test_every_step_of_a_branch_is_seen_although_the_same_was_asked_before(topic: Any) -> None:
    assert affected(topic) == []
    topic.write({"packages/other/src/o.txt": "edited\n"})
    assert affected(topic) == ["other"]
    topic.git("add", "--all")
    assert affected(topic) == ["other"]
    topic.git("commit", "-qm", "x")
    assert affected(topic) == ["other"]
    topic.write({"packages/other/src/o.txt": "o\n"})
    assert affected(topic) == []  # the edit takes the commit back
    topic.git("checkout", "-q", ".")
    topic.git("branch", "-f", "main", "topic")
    assert affected(topic) == []
    topic.git("branch", "-f", "main", "topic~1")
    assert affected(topic) == ["other"]
    topic.git("mv", "packages/lib/src/a.txt", "packages/lib/src/c.txt")
    assert affected(topic) == ["app", "lib", "other"]
    topic.git("reset", "-q", "--hard", "main")
    assert affected(topic) == []


def test_the_base_is_chosen_anew_each_time(topic: Any) -> None:
    topic.write({"packages/other/src/o.txt": "edited\n"})
    first = topic.commit()
    topic.write({"packages/app/src/main.txt": "edited\n"})
    topic.commit()
    assert affected(topic) == ["app", "other"]
    assert affected(topic, "--since", first) == ["app"]
    assert affected(topic, "--since", "HEAD") == []
    assert affected(topic) == ["app", "other"]
    topic.git("update-ref", "refs/remotes/origin/main", first)
    assert affected(topic) == ["app"]
    topic.git("update-ref", "-d", "refs/remotes/origin/main")
    topic.git("branch", "-m", "main", "elsewhere")
    assert affected(topic) == ["app", "lib", "other"]  # no base, so everything
    topic.git("remote", "add", "fork", "nowhere")
    topic.git("update-ref", "refs/remotes/fork/main", first)
    assert affected(topic) == ["app"]
    assert topic.bao("ls", "--since", "nothing").code != 0
    assert affected(topic) == ["app"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n\n",
        b"\xff\0main\n1\nx y\n--output=x\n",
        b"main\n\n-a -b\n\n",
        b"HEAD\0-x\n\n\n\n",
    ],
)
def test_damage_to_what_is_remembered_changes_no_answer(topic: Any, content: bytes) -> None:
    topic.write({"packages/lib/src/a.txt": "changed\n"})
    topic.commit()
    assert affected(topic) == ["app", "lib"]
    (remembered,) = (topic.base / "cache").rglob("compared")
    remembered.write_bytes(content)
    assert affected(topic) == ["app", "lib"]
