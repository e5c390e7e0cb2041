"""Interrupting and killing bao: nothing of its tasks is left, and nothing half-done is believed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
global_pass_through_env = ["LEDGER", "GATE"]
[workspace]
packages = ["p"]
[tasks.build]
command = '''
(setsid sh -c 'trap "" TERM; echo $$ >> "$GATE/pids"; while :; do sleep 0.05; done') &
(trap "" TERM INT; sh -c 'echo $$ >> "$GATE/pids"; exec sleep 1000') &
echo $$ >> "$GATE/pids"
while [ $(wc -l < "$GATE/pids") -lt 3 ]; do sleep 0.01; done
mkdir -p dist; echo half > dist/out
echo here > "$GATE/started"
cat "$GATE/go"
'''
outputs = ["dist/**"]
"""


def alive(pids: list[int]) -> list[int]:
    """Which of these processes are there and no zombies."""
    there = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            there.append(pid)
    return there


def gone_within(seconds: float, pids: list[int]) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def held(repo: Any, gate: Any) -> Any:
    """A run that is held in the middle of a task with stubborn descendants."""
    repo.write({"bao.toml": CONFIG, "p/bao.toml": 'name = "p"\n', ".gitignore": "dist/\n"})
    repo.commit()
    process = repo.start("run", "build")
    gate.wait()
    repo.process = process
    repo.pids = [int(line) for line in (gate.directory / "pids").read_text().split()]
    assert len(alive(repo.pids)) == 3
    yield repo
    for pid in alive(repo.pids):
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_no_process_and_says_which_signal_ended_it(
    held: Any, number: signal.Signals
) -> None:
    held.process.send_signal(number)
    out, err = held.process.communicate(timeout=30)
    assert held.process.returncode == 128 + number, (out, err)
    assert b"Traceback" not in err
    assert alive(held.pids) == []


def test_a_second_interrupt_does_not_wait_for_the_grace(held: Any) -> None:
    held.process.send_signal(signal.SIGINT)
    assert b"interrupt again" in held.process.stderr.readline()
    held.process.send_signal(signal.SIGINT)
    started = time.monotonic()
    held.process.communicate(timeout=30)
    assert time.monotonic() - started < 4
    assert alive(held.pids) == []


def test_a_killed_bao_leaves_no_process_for_longer_than_two_seconds(held: Any) -> None:
    held.process.kill()
    held.process.wait()
    assert gone_within(2.0, held.pids)


def test_what_an_interrupted_task_left_is_neither_stored_nor_kept(held: Any, gate: Any) -> None:
    held.process.kill()
    held.process.wait()
    assert gone_within(2.0, held.pids)
    assert held.read("p/dist/out") == "half\n"
    other = CONFIG.replace("echo half > dist/out", "ls dist > ../seen; echo w > dist/w")
    held.write({"bao.toml": other})
    (gate.directory / "pids").unlink()
    process = held.start("run", "build")
    gate.wait()
    gate.open()
    process.communicate(timeout=30)
    assert process.returncode == 0
    # The half-written file of the killed run was removed before the task ran again.
    assert held.read("seen") == ""
    assert not held.exists("p/dist/out")
