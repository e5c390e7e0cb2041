"""What a program answers, and what is said where it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bao_core.answers import ask_program
from bao_core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\nread line\necho \"$1 $NAME $(pwd) '$line'\"\necho noise >&2\n")
    path.chmod(0o755)
    return path


def test_a_program_answers_where_it_is_started_with_what_it_sees(program: Path) -> None:
    answer = ask_program(
        str(program), ("--version",), directory=str(program.parent), environ={"NAME": "x"}
    )
    assert answer == f"--version x {program.parent} ''\n".encode()


def test_a_program_reads_nothing_that_is_meant_for_bao(program: Path) -> None:
    code = f"""
from bao_core.answers import ask_program
print(ask_program({str(program)!r}, (), directory="/", environ={{}}))
print(input())
"""
    done = subprocess.run(
        (sys.executable, "-c", code), input="typed\n", capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1] == "typed"
    assert "typed" not in done.stdout.splitlines()[0]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("script", "reason"), [("#!/bin/sh\nexit 3\n", "exit status 3"), ("", "Exec format error")]
)
def test_a_program_that_does_not_answer_is_named(tmp_path: Path, script: str, reason: str) -> None:
    path = tmp_path / "program"
    path.write_text(script)
    path.chmod(0o755)
    with pytest.raises(InputError) as found:
        ask_program(str(path), (), directory="/", environ=os.environ, called="it", hint="mend it")
    assert str(found.value).startswith("it cannot be asked for its version: ")
    assert reason in str(found.value)
    assert found.value.hint == "mend it"
