"""Many hits are restored by two processes, and nothing of that can be seen but the time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bao_core.engine import MANY_HITS

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) == 1,
    reason="only there a second process is made",
)

COUNT = MANY_HITS + 4

CONFIG = """
[workspace]
packages = ["packages/*"]
[tasks.build]
command = '''
mkdir -p made/empty; cat src.txt > made/out && chmod 755 made/out && ln -sf out made/link
echo built $BAO_TASK
'''
outputs = ["made/**"]
"""

WATCHED = """
import os, signal, sys
import bao_core.task_run, bao_core.twin

ask, bring = bao_core.twin.Twin.ask, bao_core.task_run.TaskRun.bring

def asking(self, request):
    with open(os.environ["ASKED"], "a") as log:
        log.write("asked\\n")
    return ask(self, request)

def bringing(self):
    brought = bring(self)
    if self.task_id == os.environ.get("KILLED_AT"):
        os.kill(os.getpid(), signal.SIGKILL)
    return brought

bao_core.twin.Twin.ask = asking
bao_core.task_run.TaskRun.bring = bringing
from bao_core.cli.start import program
sys.argv[:1] = ["bao"]
program()
"""
"""Runs bao, notes each batch that the second process is given, and ends that one at a task."""


@pytest.fixture
def many(repo: Any) -> Any:
    """Packages that were built, and whose outputs are gone."""
    files = {"bao.toml": CONFIG, ".gitignore": "made/out\nmade/link\n"}
    for number in range(COUNT):
        files[f"packages/p{number}/bao.toml"] = f'name = "p{number}"\n'
        files[f"packages/p{number}/src.txt"] = f"source {number}\n"
    repo.write(files)
    repo.commit()
    repo.ok("run", "build")
    repo.was = standing(repo.root)
    for number in range(COUNT):
        remove_outputs(repo.root / f"packages/p{number}")
    repo.asked = repo.base / "asked"
    repo.asked.touch()
    return repo


def remove_outputs(package: Path) -> None:
    for name in ("out", "link"):
        (package / "made" / name).unlink()
    (package / "made/empty").rmdir()
    (package / "made").rmdir()


def standing(root: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of all outputs."""
    found = {}
    for path in sorted(root.glob("packages/*/made/**/*")):
        content = os.fsencode(os.readlink(path)) if path.is_symlink() else b""
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else content
        found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found


def restored(repo: Any, *words: str, **variables: str) -> Any:
    """A run under watch."""
    env = {"ASKED": str(repo.asked), **variables}
    return subprocess.run(
        [sys.executable, "-c", WATCHED, "run", "build", *words],
        cwd=repo.root,
        env={**repo.env, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
        text=True,
    )


def batches(repo: Any) -> int:
    return len(repo.asked.read_text().splitlines())


def settled(repo: Any) -> bool:
    """Whether nothing is left of what was noted while outputs changed."""
    return not list(Path(repo.env["BAO_CACHE_DIR"]).glob("workspaces/*/output-intents"))


def test_everything_comes_back_as_it_was(many: Any) -> None:
    done = restored(many)
    assert done.returncode == 0, done.stdout
    assert batches(many) > 1
    assert f"{COUNT} restored, 0 run, 0 failed" in done.stdout
    assert done.stdout.count("built p") == COUNT
    assert standing(many.root) == many.was
    assert settled(many)


def test_what_the_second_process_restored_is_remembered(many: Any) -> None:
    restored(many)
    places = [many.root / path for path in many.was]
    inodes = [path.lstat().st_ino for path in places]
    assert f"{COUNT} restored, 0 run" in many.ok("run", "build").out
    assert [path.lstat().st_ino for path in places] == inodes
    # Outputs that are recorded are the task's: they go where the task no longer makes them.
    many.write({"packages/p1/src.txt": "other\n"})
    many.ok("run", "build")
    assert many.read("packages/p1/made/out") == "other\n"


def test_one_task_at_a_time_needs_no_second_process(many: Any) -> None:
    done = restored(many, "--concurrency", "1")
    assert f"{COUNT} restored" in done.stdout
    assert batches(many) == 0


def test_when_the_second_process_is_killed_the_first_does_its_work(many: Any) -> None:
    done = restored(many, KILLED_AT="p3#build")
    assert done.returncode == 0, done.stdout
    assert batches(many) >= 1
    assert f"{COUNT} restored, 0 run, 0 failed" in done.stdout
    assert standing(many.root) == many.was
    assert settled(many)


def test_damaged_entries_are_named_and_run_again(many: Any) -> None:
    results = sorted(Path(many.env["BAO_CACHE_DIR"]).glob("results/*/*"))
    assert len(results) == COUNT
    for path in results[::10]:
        data = path.read_bytes()
        assert b"source " in data
        path.write_bytes(data.replace(b"source ", b"sauces "))
    done = restored(many)
    assert done.returncode == 0, done.stdout
    assert batches(many) > 1
    damaged = len(results[::10])
    assert f"{COUNT - damaged} restored, {damaged} run, 0 failed" in done.stdout
    assert standing(many.root) == many.was


def test_what_is_left_alone_is_named(many: Any) -> None:
    others = {f"packages/p{number}/made/mine": "mine\n" for number in range(0, COUNT, 8)}
    many.write(dict(others))
    done = restored(many)
    assert done.returncode == 0, done.stdout
    assert batches(many) > 1
    named = [path for path in others if f"{path} matched the outputs of" in done.stdout]
    assert named == list(others)
    assert standing(many.root).keys() == {*many.was, *others}


def test_what_stands_in_the_way_is_told_and_stays(many: Any) -> None:
    for state in Path(many.env["BAO_CACHE_DIR"]).glob("workspaces/*/state"):
        state.unlink()  # with it, who made what
    many.write({"packages/p8/made/empty": "mine\n"})
    done = restored(many)
    assert batches(many) > 1
    told = "p8#build was not restored: packages/p8/made/empty: a file stands where"
    assert done.stdout.count(told) == 1
    assert many.read("packages/p8/made/empty") == "mine\n"
    assert f"{COUNT - 1} restored, 1 run, 0 failed" in done.stdout
