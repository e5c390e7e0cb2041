"""Measures bao beside other tools: `python benchmarks/run.py`, or `nox -s benchmark`.

Each tool has a copy of the workspace of its own and the runs are interleaved, so that whatever the
machine does meanwhile hits them alike. Every run is checked: which commands were started, whether
the outputs are what the sources say, and how many hits the tool itself counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from arena import Arena, Plan
from cells import CELLS, WrongRunError
from generate import BUN, Shape
from measuring import UnusableError
from others import MOON, NX
from report import Report
from tools import TURBO

DEFAULT_TOOLS = "bao,turbo,turbo-npm,turbo-sh,shell,nx,moon:100"
DEFAULT_SIZES = "10,100,1000"
GROWTH_SIZES = "1000,5000"
VERSIONS = {"turbo": TURBO, "nx": NX, "moon": MOON, "bun": BUN}


def compare(plan: Plan, directory: Path) -> Report:
    """Measure every size, and return everything that the report says."""
    started = time.monotonic()
    about = {
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "files a package": str(plan.files),
        "rounds": str(plan.rounds),
    }
    named = {name.partition("-")[0] for name in plan.tools} | {"bun"}
    if plan.tools.keys() - {"bao"}:
        about |= {name: version for name, version in VERSIONS.items() if name in named}
    report = Report(about, [], {}, {})
    for size in plan.sizes:
        arena = Arena(plan, size, directory / str(size))
        try:
            arena.open()
            arena.measure(started)
            report.phases[str(size)] = arena.phases()
        finally:
            arena.close()
            report.rows.extend(arena.rows())
            report.left_out.update(arena.left_out)
    return report


def read_plan(given: argparse.Namespace, directory: Path) -> Plan:
    """Check the arguments."""
    cells = (given.cells or ",".join(CELLS)).split(",")
    if wrong := sorted(set(cells) - set(CELLS)):
        sys.exit(f"--cells: there is no {wrong[0]!r}, but: {', '.join(CELLS)}")
    sizes = given.sizes or (GROWTH_SIZES if given.growth else DEFAULT_SIZES)
    numbers = [int(word) for word in sizes.split(",")]
    if min(numbers) < 2:  # noqa: PLR2004 - one is edited, another one is the leaf
        sys.exit("--sizes: a workspace has at least 2 packages")
    return Plan(
        sizes=numbers,
        files=given.files,
        cells=[cell for cell in CELLS if cell in cells],
        rounds=given.rounds,
        tools=read_tools("bao" if given.alone or given.growth else given.tools),
        minutes=given.minutes,
        programs=given.programs or directory / "programs",
        bao=given.bao,
    )


def read_tools(words: str) -> dict[str, int | None]:
    """Each tool with the largest size that it is measured at, if one is told."""
    known = [word.partition(":")[0] for word in DEFAULT_TOOLS.split(",")]
    tools: dict[str, int | None] = {}
    for word in words.split(","):
        name, _, largest = word.partition(":")
        if name not in known:
            sys.exit(f"--tools: there is no {name!r}, but: {', '.join(known)}")
        tools[name] = int(largest) if largest else None
    return tools


def arguments() -> argparse.ArgumentParser:
    """What the driver takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes",
        "--packages",
        help=f"how many packages, separated by commas; {DEFAULT_SIZES} if not told",
    )
    parser.add_argument("--files", type=int, default=Shape().files, help="files a package")
    parser.add_argument("--cells", help=f"of {', '.join(CELLS)}; all if not told")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--tools",
        default=DEFAULT_TOOLS,
        help=f"each may be followed by the largest size it is measured at; {DEFAULT_TOOLS}",
    )
    parser.add_argument(
        "--growth", action="store_true", help=f"bao alone with {GROWTH_SIZES} packages"
    )
    parser.add_argument("--alone", action="store_true", help="measure only bao: no npm, no network")
    parser.add_argument("--minutes", type=float, default=8, help="begin no round after as many")
    parser.add_argument("--programs", type=Path, help="keep in this directory what npm fetches")
    parser.add_argument("--bao", help="the command to measure instead of the installed one")
    parser.add_argument("--json", type=Path, help="write the report to this file as well")
    parser.add_argument("--markdown", type=Path, help="write the table for the documentation")
    return parser


def main() -> None:
    """Read the arguments, measure, print."""
    given = arguments().parse_args()
    # A measured bao may keep its compiled modules, as an installed one does.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="bao-benchmark-") as place:
        plan = read_plan(given, Path(place))
        try:
            report = compare(plan, Path(place))
        except (UnusableError, WrongRunError) as error:
            sys.exit(str(error))
    print(report.as_text())
    if given.json:
        given.json.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    if given.markdown:
        given.markdown.write_text(report.as_markdown())


if __name__ == "__main__":
    main()
