"""What was measured, beside what is to be reached, as text and as JSON."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from cells import CELLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from measuring import Run


class Target(NamedTuple):
    """At most this ratio of bao's median to that of another tool."""

    cell: str
    packages: int
    beside: str
    at_most: float


def _targets() -> tuple[Target, ...]:
    rows = {
        "hits": (3.0, 1.1, 0.35),
        "restored": (3.0, 1.0, 0.5),
        "edited": (2.0, 1.0, 0.4),
        "cold": (1.5, 0.9, 0.75),
        "affected": (5.0, 4.0, 1.5),
    }
    sizes = (10, 100, 1000)
    return (
        *(
            Target(cell, packages, "turbo", limit)
            for cell, limits in rows.items()
            for packages, limit in zip(sizes, limits, strict=True)
        ),
        Target("hits", 10, "turbo-npm", 1.0),
    )


TARGETS = _targets()

MEMORY_TARGET = (1000, 100_000_000)
"""Packages, and the bytes that bao may take at most for as many."""


class Measured(NamedTuple):
    """A tool in a cell: milliseconds and bytes over its runs."""

    cell: str
    packages: int
    tool: str
    rounds: int
    median_ms: float
    min_ms: float
    max_ms: float
    cpu_ms: float
    peak_memory: int


def measured(cell: str, packages: int, tool: str, runs: Sequence[Run]) -> Measured:
    """Sum up at least one run."""
    times = [run.ms for run in runs]
    return Measured(
        cell,
        packages,
        tool,
        len(runs),
        round(median(times), 1),
        round(min(times), 1),
        round(max(times), 1),
        round(median(run.cpu_ms for run in runs), 1),
        max(run.memory for run in runs),
    )


class Verdict(NamedTuple):
    """A ratio of bao's median to that of another tool, in time and in processor time."""

    cell: str
    packages: int
    beside: str
    ratio: float
    cpu_ratio: float
    at_most: float | None
    reached: bool | None


def verdicts(rows: Iterable[Measured]) -> list[Verdict]:
    """Every ratio that there is a target for, and all others to turbo's own binary."""
    found = {(row.cell, row.packages, row.tool): row for row in rows}
    limits = {target[:3]: target.at_most for target in TARGETS}
    answers = []
    for (cell, packages, tool), other in found.items():
        bao = found.get((cell, packages, "bao"))
        if bao is None or tool == "bao":
            continue
        ratio = round(bao.median_ms / other.median_ms, 3)
        cpu = round(bao.cpu_ms / max(other.cpu_ms, 0.1), 3)
        limit = limits.get((cell, packages, tool))
        reached = None if limit is None else ratio <= limit
        answers.append(Verdict(cell, packages, tool, ratio, cpu, limit, reached))
    return answers


LINEAR = 1.1
"""How much more than in proportion to the packages a larger workspace may cost."""


class Growth(NamedTuple):
    """What bao takes for many packages, as multiples of what it takes for fewer."""

    cell: str
    few: int
    many: int
    time: float
    cpu: float
    memory: float
    reached: bool


def growths(rows: Iterable[Measured]) -> list[Growth]:
    """From 1,000 packages, where starting counts for little, to each larger size."""
    found = {(row.cell, row.packages): row for row in rows if row.tool == "bao"}
    answers = []
    for (cell, many), row in found.items():
        base = found.get((cell, 1000))
        if base is None or many <= base.packages:
            continue
        factors = (
            round(row.median_ms / base.median_ms, 2),
            round(row.cpu_ms / max(base.cpu_ms, 0.1), 2),
            round(row.peak_memory / base.peak_memory, 2),
        )
        # The time of the processor is what does not depend on the machine's other work.
        reached = max(factors[1:]) <= many / base.packages * LINEAR
        answers.append(Growth(cell, base.packages, many, *factors, reached))
    return answers


class Report(NamedTuple):
    """Everything that is said about one invocation of the driver.

    Attributes:
        about: The machine, the versions, the shape.
        rows: What was measured.
        phases: Milliseconds of bao by size, cell and phase.
        left_out: Why a tool is missing, by its name and size.
    """

    about: dict[str, str]
    rows: list[Measured]
    phases: dict[str, dict[str, dict[str, float]]]
    left_out: dict[str, str]

    def as_json(self) -> dict[str, object]:
        """The report for programs."""
        return {
            "version": 1,
            "about": self.about,
            "cells": [row._asdict() for row in self.rows],
            "ratios": [verdict._asdict() for verdict in verdicts(self.rows)],
            "growth": [growth._asdict() for growth in growths(self.rows)],
            "phases": self.phases,
            "memory": self._memory(),
            "left_out": self.left_out,
        }

    def as_text(self) -> str:
        """The report for people."""
        parts = [", ".join(f"{name} {value}" for name, value in self.about.items())]
        parts += [self._times(), self._ratios(), self._memory_line(), self._growth()]
        parts.append(self._phase_lines())
        parts += [f"left out: {name}: {reason}" for name, reason in self.left_out.items()]
        return "\n\n".join(part for part in parts if part)

    def as_markdown(self) -> str:
        """Medians and the ratio to turbo, as a table for the documentation."""
        tools = list(dict.fromkeys(row.tool for row in self.rows))
        found = {(row.cell, row.packages, row.tool): row for row in self.rows}
        ratios = {one[:3]: one for one in verdicts(self.rows)}
        table = [["", "packages", *tools, "bao / turbo", "target"]]
        table.append(["---", *("---:" for _ in table[0][1:])])
        for cell, packages in self._keys():
            rows = (found.get((cell, packages, tool)) for tool in tools)
            times = [f"{row.median_ms:,.0f}" if row else "" for row in rows]
            one = ratios.get((cell, packages, "turbo"))
            ratio = f"{one.ratio:.2f}" if one else ""
            target = f"≤ {one.at_most}" if one and one.at_most else ""
            table.append([CELLS[cell], f"{packages:,}", *times, ratio, target])
        return "".join(f"| {' | '.join(line)} |\n" for line in table)

    def _times(self) -> str:
        """Medians with smallest and largest; a column for each tool."""
        tools = list(dict.fromkeys(row.tool for row in self.rows))
        found = {(row.cell, row.packages, row.tool): row for row in self.rows}
        table = [["milliseconds", "packages", *tools]]
        for cell, packages in self._keys():
            line = [CELLS[cell], f"{packages:,}"]
            for tool in tools:
                row = found.get((cell, packages, tool))
                spread = (
                    f"{row.median_ms:,.0f} ({row.min_ms:,.0f}-{row.max_ms:,.0f})" if row else ""
                )
                line.append(spread)
            table.append(line)
        return aligned(table)

    def _ratios(self) -> str:
        table = [
            ["bao's time to that of", "packages", "", "ratio", "target", "", "of processor time"]
        ]
        answers = {(one.cell, one.packages, one.beside): one for one in verdicts(self.rows)}
        for cell, packages in self._keys():
            for (at, size, _), one in answers.items():
                if (at, size) != (cell, packages):
                    continue
                target = "" if one.at_most is None else f"<= {one.at_most}"
                word = {None: "", True: "reached", False: "MISSED"}[one.reached]
                head = [CELLS[cell], f"{packages:,}", one.beside]
                table.append([*head, f"{one.ratio:.2f}", target, word, f"{one.cpu_ratio:.2f}"])
        return aligned(table) if len(table) > 1 else ""

    def _growth(self) -> str:
        lines = (
            f"{CELLS[one.cell]}, from {one.few:,} to {one.many:,} packages: {one.time:.1f} times"
            f" the time, {one.cpu:.1f} times that of the processor, {one.memory:.1f} times the"
            f" memory: {'linear' if one.reached else 'MORE THAN LINEAR'}"
            for one in growths(self.rows)
        )
        return "\n".join(lines)

    def _keys(self) -> list[tuple[str, int]]:
        """Cells and sizes that were measured, in the order of the table."""
        found = {(row.cell, row.packages) for row in self.rows}
        order = list(CELLS)
        return sorted(found, key=lambda key: (order.index(key[0]), key[1]))

    def _memory(self) -> dict[str, dict[str, int]]:
        """The largest resident size of each tool, in bytes, by size of the workspace."""
        peaks: dict[str, dict[str, int]] = {}
        for row in self.rows:
            of_size = peaks.setdefault(str(row.packages), {})
            of_size[row.tool] = max(of_size.get(row.tool, 0), row.peak_memory)
        return peaks

    def _memory_line(self) -> str:
        lines = []
        for size, peaks in self._memory().items():
            told = ", ".join(f"{tool} {peak / 1e6:.0f} MB" for tool, peak in peaks.items())
            if int(size) == MEMORY_TARGET[0] and "bao" in peaks:
                word = "reached" if peaks["bao"] <= MEMORY_TARGET[1] else "MISSED"
                told += f"; bao's target is {MEMORY_TARGET[1] / 1e6:.0f} MB: {word}"
            lines.append(f"peak memory at {int(size):,}: {told}")
        return "\n".join(lines)

    def _phase_lines(self) -> str:
        lines = []
        for size, by_cell in self.phases.items():
            for cell, phases in by_cell.items():
                told = ", ".join(f"{phase} {ms:.0f}" for phase, ms in phases.items())
                lines.append(f"phases of bao in ms, {CELLS[cell]}, {int(size):,}: {told}")
        return "\n".join(lines)


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Lines with columns of even width; the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)
