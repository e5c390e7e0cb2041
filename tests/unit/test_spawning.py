"""Both ways to start a process do the same."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.builtins import spawning
from bao_core.builtins.spawning import Start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Spawn = Callable[[Start], int]


@pytest.fixture(params=["library", "subprocess"])
def spawn(request: pytest.FixtureRequest) -> Spawn:
    if request.param == "subprocess":
        return spawning.spawn_by_subprocess
    if not hasattr(ctypes.CDLL(None), "posix_spawn_file_actions_addchdir_np"):
        pytest.skip("this C library cannot start a process in another directory")
    return spawning._Library(ctypes.CDLL(None)).spawn


def start(at: Path, *words: str, output: int = 1, **fields: Any) -> Start:
    given = {
        "program": words[0],
        "arguments": words,
        "directory": str(at),
        "env": {"A": "1"},
        "stdin": None,
        "output": output,
        "session": True,
        **fields,
    }
    return Start(**given)


def told(spawn: Spawn, at: Path, script: str, **fields: Any) -> str:
    """What a shell prints to both of its outputs."""
    reading, writing = os.pipe()
    pid = spawn(start(at, "/bin/sh", "-c", script, output=writing, **fields))
    os.close(writing)
    with open(reading, "rb") as pipe:
        printed = pipe.read()
    assert os.waitpid(pid, 0) == (pid, 0)
    return os.fsdecode(printed)


def test_it_runs_in_its_directory(spawn: Spawn, tmp_path: Path) -> None:
    odd = tmp_path / "a \udcff b"
    odd.mkdir()
    assert told(spawn, odd, "pwd -P").rstrip("\n") == str(odd.resolve())


def test_it_sees_its_environment_and_nothing_else(spawn: Spawn, tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "ODD": "a=\udcff\n"}
    printed = told(spawn, tmp_path, "", program="/usr/bin/env", arguments=("env", "-0"), env=env)
    assert set(printed.split("\0")) - {""} == {f"{name}={value}" for name, value in env.items()}


def test_both_outputs_go_to_one_place_in_their_order(spawn: Spawn, tmp_path: Path) -> None:
    assert told(spawn, tmp_path, "echo a; echo b >&2; echo c") == "a\nb\nc\n"


def test_it_reads_what_it_is_given(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("given\n")
    with (tmp_path / "input").open() as file:
        assert told(spawn, tmp_path, "cat", stdin=file.fileno()) == "given\n"


@pytest.mark.parametrize("session", [True, False])
def test_it_leads_a_session_if_it_shall(spawn: Spawn, tmp_path: Path, session: bool) -> None:
    script = f"{sys.executable} -c 'import os; print(os.getsid(0) == os.getppid())'; :"
    assert told(spawn, tmp_path, script, session=session) == f"{session}\n"


def test_a_broken_pipe_ends_it_although_python_goes_on(spawn: Spawn, tmp_path: Path) -> None:
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    reading, writing = os.pipe()
    os.close(reading)
    pid = spawn(start(tmp_path, "/bin/sh", "-c", "echo a; exit 3", output=writing))
    os.close(writing)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGPIPE


def test_it_inherits_no_other_descriptor(spawn: Spawn, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w"):
        assert "open" not in told(spawn, tmp_path, "ls -l /dev/fd/ 2>&1; :", env={})


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"program": "/nowhere/program"}, FileNotFoundError),
        ({"program": "/etc"}, PermissionError),
        ({"directory": "/nowhere"}, FileNotFoundError),
        ({"arguments": ("sh", "a\0b")}, ValueError),
        ({"env": {"A": "b\0c"}}, ValueError),
        ({"env": {"A=B": "c"}}, ValueError),
    ],
    ids=repr,
)
def test_what_cannot_be_started_is_told(
    spawn: Spawn, tmp_path: Path, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        spawn(start(tmp_path, "/bin/sh", **fields))
