"""turbo itself, fetched from npm once, and a summary of what was compared with it.

`BAO_TEST_TURBO` names the directory that it is fetched into; then it must work. Without it, a
directory of the user's cache is taken, and the tests are skipped where turbo cannot be fetched.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "benchmarks")]

from tools import TURBO, install_turbo  # noqa: E402 - found only on the path that is set above
from turbo_asking import GIT, Turbo  # noqa: E402 - the same


@pytest.fixture(scope="session")
def turbo() -> Turbo:
    """The program, of the one version that bao is held against."""
    told = os.environ.get("BAO_TEST_TURBO")
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    place = Path(told or f"{home}/bao-tests/turbo-{TURBO}").resolve()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with open(place / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes, one npm
            return Turbo(install_turbo(place))
    except (OSError, SystemExit) as error:
        if told:
            pytest.fail(f"turbo {TURBO} cannot be had: {error}")
        pytest.skip(f"turbo {TURBO} cannot be had: {error}")


@pytest.fixture(scope="session")
def git_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty repository's `.git`, to be copied."""
    place = tmp_path_factory.mktemp("template")
    words = ("git", "init", "-q", "-b", "main", "--template=", str(place))
    subprocess.run(words, check=True, env={**os.environ, **GIT})
    return place / ".git"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was compared, and which differences were met on purpose."""
    counts: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, value in report.user_properties:
                if name == "turbo counts":
                    counts.update(value)
                elif name == "turbo differences":
                    named.update(value)
    if not counts:
        return
    terminalreporter.section(f"bao beside turbo {TURBO}")
    for name, number in counts.items():
        terminalreporter.write_line(f"{number:7} {name}")
    terminalreporter.write_line("deliberate differences, by rule:")
    for name, number in sorted(named.items()):
        terminalreporter.write_line(f"{number:7} {name}")
