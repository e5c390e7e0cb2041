"""Measures bao beside turbo: `python benchmarks/run.py`, or `nox -s benchmark -- --packages 100`.

Each tool has a copy of the workspace of its own and the runs are interleaved, so that whatever the
machine does meanwhile hits them alike. Every run is checked: no command may have been started, and
the tool must say that all tasks were hits.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

from generate import Shape, generate
from tools import TURBO, Bao, Tool, Turbo

PRIMING = 2
"""Runs before the measured ones: the first builds, the second settles what tools remember."""


class Run(NamedTuple):
    """One run: milliseconds from start to end, and the largest resident size in bytes."""

    ms: float
    memory: int
    printed: str


def measure(command: list[str], root: Path, environ: dict[str, str]) -> Run:
    """Run a command and wait for it; any exit code but 0 ends the benchmark.

    Its output goes to a file, so that no reader of a pipe slows it down.
    """
    with tempfile.TemporaryFile() as output:
        actions = [(os.POSIX_SPAWN_DUP2, output.fileno(), stream) for stream in (1, 2)]
        before = Path.cwd()
        os.chdir(root)
        started = time.perf_counter()
        child = os.posix_spawn(command[0], command, environ, file_actions=actions)
        _, status, usage = os.wait4(child, 0)
        taken = time.perf_counter() - started
        os.chdir(before)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{printed[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(taken * 1000, usage.ru_maxrss * unit, printed)


class Contestant:
    """A tool with its copy of the workspace and what was measured of it."""

    def __init__(self, tool: Tool, place: Path, shape: Shape) -> None:
        self.tool = tool
        self.root = place / "workspace"
        self.runs: list[Run] = []
        self._ran = place / "ran"
        self._shape = shape
        generate(self.root, shape)

    def prime(self) -> None:
        """Build everything, and check that the count of commands can be trusted."""
        for _ in range(PRIMING):
            measure(self.tool.build(), self.root, self.tool.environ)
        started = len(self._ran.read_text().splitlines())
        if started != self._shape.packages:
            sys.exit(
                f"{self.tool.name} started {started} commands in {PRIMING} runs, not one a package"
            )

    def nothing_changed(self) -> None:
        """One measured run in which nothing may be started."""
        self._ran.unlink(missing_ok=True)
        run = measure(self.tool.build(), self.root, self.tool.environ)
        hits = self.tool.hits(run.printed)
        if self._ran.exists() or hits not in {None, self._shape.packages}:
            sys.exit(f"{self.tool.name} did not have a hit for every task:\n{run.printed[-2000:]}")
        self.runs.append(run)

    def figures(self) -> dict[str, float]:
        """Milliseconds and bytes over all measured runs."""
        times = [run.ms for run in self.runs]
        return {
            "median_ms": round(median(times), 1),
            "min_ms": round(min(times), 1),
            "max_ms": round(max(times), 1),
            "peak_memory": max(run.memory for run in self.runs),
        }


def phases_of(bao: Bao, root: Path, rounds: int) -> dict[str, float]:
    """Median milliseconds of each phase, over runs of their own."""
    seen: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for phase, ms in bao.phases(root).items():
            seen[phase].append(ms)
    return {phase: round(median(times), 1) for phase, times in seen.items()}


def compare(
    shape: Shape, rounds: int, place: Path, *, alone: bool, command: str | None
) -> dict[str, object]:
    """Measure, and return everything that the report says."""
    (place / "home").mkdir()
    bao = Bao(place / "home", command)
    tools: list[Tool] = [bao] if alone else [bao, Turbo(place / "home")]
    contestants = [Contestant(tool, place / tool.name, shape) for tool in tools]
    for contestant in contestants:
        contestant.prime()
    for number in range(rounds):
        # Whoever goes second finds a warmer machine: take turns.
        for contestant in contestants if number % 2 else contestants[::-1]:
            contestant.nothing_changed()
    root = contestants[0].root
    hits = bao.planned_hits(root)
    if hits != shape.packages:
        sys.exit(f"bao would have {hits} hits for {shape.packages} tasks")
    figures = {contestant.tool.name: contestant.figures() for contestant in contestants}
    report: dict[str, object] = {
        "cell": "nothing changed",
        "packages": shape.packages,
        "files": shape.files,
        "rounds": rounds,
        "python": sys.version.split()[0],
        "tools": figures,
        "phases": phases_of(bao, root, rounds),
    }
    if not alone:
        report["turbo"] = TURBO
        report["ratio"] = round(figures["bao"]["median_ms"] / figures["turbo"]["median_ms"], 3)
    return report


def as_text(report: dict[str, object]) -> str:
    """The report for people."""
    figures = report["tools"]
    phases = report["phases"]
    assert isinstance(figures, dict)
    assert isinstance(phases, dict)
    size = f"{report['packages']} packages of {report['files']} files"
    lines = [
        f"{report['cell']}: {size}, {report['rounds']} interleaved rounds",
        "",
        f"{'':8}{'median':>10}{'min':>10}{'max':>10}{'memory':>10}",
    ]
    for name, row in figures.items():
        times = "".join(f"{row[key]:>7.0f} ms" for key in ("median_ms", "min_ms", "max_ms"))
        lines.append(f"{name:8}{times}{row['peak_memory'] / 1e6:>7.0f} MB")
    if "ratio" in report:
        lines += ["", f"bao takes {report['ratio']} of the time of turbo {report['turbo']}"]
    if phases:
        told = ", ".join(f"{phase} {ms:.0f}" for phase, ms in phases.items())
        lines += ["", f"phases of bao in ms: {told}"]
    return "\n".join(lines)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, default=Shape().packages)
    parser.add_argument("--files", type=int, default=Shape().files)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="measure bao without turbo")
    parser.add_argument("--bao", help="the command to measure instead of the installed one")
    parser.add_argument("--json", type=Path, help="write the report to this file as well")
    given = parser.parse_args()
    # A measured bao may keep its compiled modules, as an installed one does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="bao-benchmark-") as place:
        report = compare(
            Shape(given.packages, given.files),
            given.rounds,
            Path(place),
            alone=given.alone,
            command=given.bao,
        )
    print(as_text(report))
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
