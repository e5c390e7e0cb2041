"""What a run costs in which nothing changed, counted and not timed, so that no machine is too slow.

The recorded numbers are those of CPython 3.11 on Linux. Whoever makes bao do less lowers them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hot_path import Calls, Workspace, works

RUN = ("run", "build")
LS = ("ls", "--affected")
COMMANDS = pytest.mark.parametrize("words", [RUN, LS], ids=" ".join)

needs_strace = pytest.mark.skipif(
    not works("strace", "-f", "-o", "/dev/null", "true"),
    reason="strace is not here, or may not trace",
)
needs_valgrind = pytest.mark.skipif(
    not works("valgrind", "--tool=none", sys.executable, "-c", "import blake3, msgspec.json"),
    reason="valgrind is not here, or does not know this processor",
)


class Cost(NamedTuple):
    """System calls of bao and of git, processes, opened files and directories, bytes read."""

    own: float
    git: float
    processes: float
    opened: float
    read: float


RECORDED = {
    # git is asked for files, tracked and untracked, and for changed files.
    RUN: Cost(own=1670, git=1945, processes=3, opened=78, read=2_283_000),
    LS: Cost(own=1186, git=2695, processes=7, opened=77, read=1_976_000),
}
"""With 100 packages of 3 files. Most of it is Python's start and imports."""

RECORDED_EACH = {
    # bao looks at each package, its manifests, its output folder and its output, and opens nothing.
    RUN: Cost(own=5, git=17.3, processes=0, opened=0, read=2604),
    LS: Cost(own=1, git=17.3, processes=0, opened=0, read=2604),
}
"""What a package adds."""

LINES_EACH = {RUN: 622, LS: 103}
"""Lines of Python that a package adds."""

ANOTHER_PYTHON = 1.25
"""Other versions of Python, git and the C library open and read more or less as they start."""

ANOTHER_VERSION = 1.15
"""The same where starting does not count."""

LINEAR = 1.2
"""How much more than in proportion the second step of growth may cost."""


@pytest.fixture(scope="session")
def hot(tmp_path_factory: pytest.TempPathFactory) -> Hot:
    return Hot(tmp_path_factory.mktemp("hot"))


class Hot:
    """Workspaces by their number of packages, made when they are needed, and traced once."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._made: dict[int, Workspace] = {}
        self._calls: dict[tuple[int, tuple[str, ...]], Calls] = {}

    def __getitem__(self, packages: int) -> Workspace:
        if packages not in self._made:
            self._made[packages] = Workspace(self._place / str(packages), packages)
        return self._made[packages]

    def calls(self, packages: int, words: tuple[str, ...]) -> Calls:
        """The system calls of a run in which nothing is to be done."""
        if (packages, words) not in self._calls:
            self._calls[packages, words] = self[packages].calls(*words)
        return self._calls[packages, words]


def cost(calls: Calls) -> Cost:
    return Cost(
        calls.own.total(), calls.git.total(), len(calls.processes), calls.opened, calls.read
    )


def too_much(found: Cost, recorded: Cost, tolerance: float) -> list[str]:
    return [
        f"{name}: {now:g}, recorded were {was:g}"
        for name, now, was in zip(Cost._fields, found, recorded, strict=True)
        if now > was * tolerance
    ]


@needs_strace
@COMMANDS
def test_a_run_of_hits_asks_no_more_of_the_system(hot: Hot, words: tuple[str, ...]) -> None:
    calls = hot.calls(100, words)
    assert too_much(cost(calls), RECORDED[words], ANOTHER_PYTHON) == [], calls


@needs_strace
@COMMANDS
def test_a_run_of_hits_starts_nothing_but_git(hot: Hot, words: tuple[str, ...]) -> None:
    processes = hot.calls(100, words).processes
    assert set(processes[1:]) == {"git"}
    assert len(processes) <= RECORDED[words].processes, processes


@needs_strace
@COMMANDS
def test_a_package_asks_no_more_of_the_system(hot: Hot, words: tuple[str, ...]) -> None:
    small, large = (hot.calls(size, words) for size in (100, 200))
    each = Cost(*((more - less) / 100 for less, more in zip(cost(small), cost(large), strict=True)))
    assert too_much(each, RECORDED_EACH[words], ANOTHER_VERSION) == [], large.own - small.own


@COMMANDS
def test_lines_of_python_grow_in_proportion(hot: Hot, words: tuple[str, ...]) -> None:
    few, some, many = (hot[size].lines(*words) for size in (100, 200, 400))
    assert (some - few) / 100 <= LINES_EACH[words] * ANOTHER_VERSION
    assert many - some <= 2 * (some - few) * LINEAR


@COMMANDS
def test_a_run_of_hits_compiles_nothing(hot: Hot, words: tuple[str, ...]) -> None:
    """The first call of `compile` alone costs as much as 20 hits; see decision 0032."""
    assert hot[100].compiled(*words) == []


def test_restoring_and_executing_compile_nothing_either(tmp_path: Path) -> None:
    small = Workspace(tmp_path, 3)
    small.delete_outputs()
    assert small.compiled(*RUN) == []
    assert small.compiled(*RUN, "--force", outcome="run") == []


@needs_valgrind
def test_instructions_grow_in_proportion(hot: Hot) -> None:
    """Also what happens inside of a call into C, as when a list is searched, which is no line."""
    few, some, many = (hot[size].instructions(*RUN) for size in (100, 200, 400))
    assert many - some <= 2 * (some - few) * LINEAR
