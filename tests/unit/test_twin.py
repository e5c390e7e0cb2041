"""A twin knows what was known when it was forked, answers, and ends with the process it is of.

Each test runs a program of its own: a process that holds threads makes no twin, and those that run
tests may hold some.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) == 1,
    reason="twins are made on Linux, for a second processor",
)

ECHO = """
import os, signal, sys, threading
from bao_core.twin import Twin, TwinLostError

known = "before"

def serve(request):
    if request == b"end":
        os.kill(os.getpid(), signal.SIGKILL)
    if request == b"fail":
        raise ValueError(request)
    return b" ".join([known.encode(), request, str(os.getpid()).encode()])
"""


def told(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ECHO + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_it_answers_from_what_was_known_and_is_another_process() -> None:
    program = """
twin = Twin.fork(serve)
known = "after"
first, second = twin.ask(b"a").split(), twin.ask(b"b" * 200_000).split()
twin.close()
assert first[0] == b"before" and second[1] == b"b" * 200_000
assert first[2] == second[2] != str(os.getpid()).encode()
try:
    os.kill(int(first[2]), 0)
except ProcessLookupError:
    print("gone")
"""
    assert told(program) == "gone"


@pytest.mark.parametrize("request_", ["end", "fail"])
def test_one_that_ended_is_told_of_every_time_it_is_asked(request_: str) -> None:
    program = f"""
twin = Twin.fork(serve)
for request in (b"{request_}", b"a", b"a"):
    try:
        twin.ask(request)
    except TwinLostError:
        print("lost", end=" ")
twin.close()
"""
    assert told(program) == "lost lost lost"


def test_none_is_made_beside_another_thread() -> None:
    program = """
held = threading.Event()
threading.Thread(target=held.wait).start()
print(Twin.fork(serve))
held.set()
"""
    assert told(program) == "None"


def test_none_is_made_for_one_processor() -> None:
    program = """
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(Twin.fork(serve))
"""
    assert told(program) == "None"


def test_what_a_terminal_sends_to_both_does_not_end_it() -> None:
    program = """
twin = Twin.fork(serve)
pid = int(twin.ask(b"a").split()[2])
os.kill(pid, signal.SIGINT)
print(int(twin.ask(b"a").split()[2]) == pid)
twin.close()
"""
    assert told(program) == "True"


def test_it_holds_no_pipe_open_that_somebody_reads_to_its_end() -> None:
    program = """
reading, writing = os.pipe()
twin = Twin.fork(serve)
twin.ask(b"a")
os.close(writing)
print(os.read(reading, 1))
twin.close()
"""
    assert told(program) == "b''"


def test_it_ends_when_the_other_one_is_killed() -> None:
    program = """
twin = Twin.fork(serve)
print(int(twin.ask(b"a").split()[2]), flush=True)
signal.pause()
"""
    words = [sys.executable, "-c", ECHO + program]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        assert is_alive(pid)
        started.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
