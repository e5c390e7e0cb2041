"""One size of the workspace: its contestants, taking turns."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from cells import Contestant
from generate import Shape
from measuring import UnusableError
from others import MOON, NX, Moon, Nx
from places import Place, settle
from report import Measured, measured
from tools import (
    TURBO,
    Bao,
    Shell,
    Tool,
    Turbo,
    TurboLauncher,
    TurboShell,
    install,
    install_bun,
    install_turbo,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from measuring import Run


class Plan(NamedTuple):
    """What is to be measured.

    Attributes:
        tools: Each tool with the largest size that it is measured at, if any.
        minutes: When no further round begins; the first of each size always takes place.
        programs: Where what npm fetches is kept.
        bao: The command to measure instead of the installed one.
    """

    sizes: list[int]
    files: int
    cells: list[str]
    rounds: int
    tools: dict[str, int | None]
    minutes: float
    programs: Path
    bao: str | None


class Arena:
    """One size: the contestants, their places, and what was measured of them."""

    def __init__(self, plan: Plan, size: int, directory: Path) -> None:
        self._plan = plan
        self._size = size
        self._shape = Shape(size, plan.files)
        self._directory = directory
        self._places: dict[str, Place] = {}
        self._contestants: list[Contestant] = []
        self._runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
        self.left_out: dict[str, str] = {}

    def open(self) -> None:
        """Make the workspaces and build in each of them."""
        template = self._directory / "template"
        # In a process of its own: a measured process is never counted as smaller than this one.
        self._tell("making the workspaces")
        words = ("--packages", str(self._size), "--files", str(self._plan.files))
        script = Path(__file__).with_name("generate.py")
        subprocess.run((sys.executable, str(script), str(template), *words), check=True)
        tools = list(self._tools())
        for name in dict.fromkeys(tool.place for tool in tools):
            self._places[name].fill(template, [tool for tool in tools if tool.place == name])
        settle(self._places.values())
        primed: set[str] = set()
        for tool in tools:
            self._tell(f"building with {tool.name}")
            contestant = Contestant(tool, self._places[tool.place])
            if tool.place in primed or self._try(contestant, contestant.prime):
                self._contestants.append(contestant)
                primed.add(tool.place)

    def measure(self, started: float) -> None:
        """Measure round by round; whoever goes second finds a warmer machine: take turns."""
        longest = 0.0
        for number in range(self._plan.rounds):
            begun = time.monotonic()
            if number and begun + longest > started + self._plan.minutes * 60:
                self.left_out[f"rounds at {self._size}"] = f"the time was up after {number}"
                return
            self._tell(f"round {number + 1} of {self._plan.rounds}")
            for cell in self._plan.cells:
                takers = [one for one in self._contestants if cell in one.tool.cells]
                for contestant in turned(takers, number):
                    self._try(contestant, partial(self._run, contestant, cell))
            longest = max(longest, time.monotonic() - begun)

    def rows(self) -> list[Measured]:
        """What was measured, summed up."""
        return [measured(cell, self._size, tool, runs) for (cell, tool), runs in self._runs.items()]

    def phases(self) -> dict[str, dict[str, float]]:
        """Median milliseconds of each phase of bao by cell, over runs of their own."""
        log = self._directory / "phases.jsonl"
        answer = {}
        for contestant in self._contestants:
            if contestant.tool.name != "bao":
                continue
            for cell in self._plan.cells:
                seen: dict[str, list[float]] = defaultdict(list)
                rounds = min(3, self._plan.rounds) if cell in {"hits", "affected"} else 1
                for _ in range(rounds):
                    contestant.run(cell, {"BAO_PHASES": str(log)})
                    for phase, ms in read_phases(log).items():
                        seen[phase].append(ms)
                answer[cell] = {phase: round(median(times), 1) for phase, times in seen.items()}
        return answer

    def close(self) -> None:
        """End what tools left running, and remove the workspaces."""
        for contestant in self._contestants:
            contestant.tool.close(contestant.place.root)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _tell(self, what: str) -> None:
        """Say to whoever waits how far it is."""
        print(f"{self._size:,} packages: {what}", file=sys.stderr, flush=True)

    def _run(self, contestant: Contestant, cell: str) -> None:
        self._runs[cell, contestant.tool.name].append(contestant.run(cell))

    def _try(self, contestant: Contestant, action: Callable[[], None]) -> bool:
        """Act; a tool other than bao and turbo that cannot be measured leaves with a note."""
        try:
            action()
        except UnusableError as error:
            name = contestant.tool.name
            if name in {"bao", "turbo"}:
                raise
            self.left_out[f"{name} at {self._size}"] = str(error)
            contestant.tool.close(contestant.place.root)
            self._contestants = [one for one in self._contestants if one is not contestant]
            return False
        return True

    def _tools(self) -> Iterator[Tool]:
        """The tools of the plan that can be had."""
        bun = self._directory
        if self._plan.tools.keys() - {"bao"}:
            bun = install_bun(self._plan.programs / "bun")
        for name, largest in self._plan.tools.items():
            if largest is not None and self._size > largest:
                self.left_out[f"{name} at {self._size}"] = f"measured up to {largest}"
                continue
            try:
                yield self._tool(name, bun)
            except UnusableError as error:
                self.left_out[f"{name} at {self._size}"] = str(error)

    def _tool(self, name: str, bun: Path) -> Tool:
        kept = self._plan.programs
        makers: dict[str, Callable[[], Tool]] = {
            "bao": lambda: Bao(self._home("bao"), bun, self._plan.bao),
            "turbo": lambda: Turbo(self._home("turbo"), bun, install_turbo(kept / "turbo")),
            "turbo-sh": lambda: TurboShell(self._home("turbo"), bun, install_turbo(kept / "turbo")),
            "turbo-npm": lambda: TurboLauncher(
                self._home("turbo"),
                bun,
                str(install(kept / "turbo-npm", f"turbo@{TURBO}") / ".bin" / "turbo"),
            ),
            "shell": lambda: Shell(self._home("shell"), bun),
            "nx": lambda: Nx(self._home("nx"), bun, install(kept / "nx", f"nx@{NX}")),
            "moon": lambda: Moon(
                self._home("moon"), bun, install(kept / "moon", f"@moonrepo/cli@{MOON}")
            ),
        }
        return makers[name]()

    def _home(self, place: str) -> Path:
        """The home of a place, which is made when its first tool asks."""
        if place not in self._places:
            self._places[place] = Place(self._directory / place, self._shape)
        return self._places[place].home


def turned(takers: list[Contestant], number: int) -> list[Contestant]:
    """The same contestants, beginning with another one in each round."""
    turn = number % len(takers) if takers else 0
    return takers[turn:] + takers[:turn]


def read_phases(log: Path) -> dict[str, float]:
    """Milliseconds by phase, in the order in which they came; removes the file."""
    if not log.exists():
        return {}
    sums: dict[str, float] = defaultdict(float)
    for line in log.read_text().splitlines():
        phase = json.loads(line)
        sums[phase["phase"]] += phase["ms"]
    log.unlink()
    return dict(sums)
