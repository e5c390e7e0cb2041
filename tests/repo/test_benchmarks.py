"""The benchmark makes the same workspace each time, and notices a run that was not what it says."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from measuring import Run, UnusableError, measure
from report import Report, growths, measured, verdicts

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
SMALL = ("--sizes", "6", "--files", "2", "--rounds", "1")


def script(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, str(BENCHMARKS / name), *words),
        check=False,
        capture_output=True,
        text=True,
    )


def commit_of(directory: Path, *words: str) -> str:
    done = script("generate.py", str(directory), "--packages", "6", "--files", "2", *words)
    assert done.returncode == 0, done.stderr
    return subprocess.run(
        ("git", "rev-parse", "HEAD"), cwd=directory, check=True, capture_output=True, text=True
    ).stdout


# --- the workspace ---------------------------------------------------------------------------


def test_the_same_arguments_make_the_same_bytes(tmp_path: Path) -> None:
    first = commit_of(tmp_path / "a")
    assert commit_of(tmp_path / "b") == first
    assert commit_of(tmp_path / "c", "--seed", "2") != first


def test_every_package_has_three_dependencies_once_there_are_as_many(tmp_path: Path) -> None:
    commit_of(tmp_path / "a")
    manifests = sorted(tmp_path.glob("a/packages/*/package.json"))
    counts = [len(json.loads(path.read_text())["dependencies"]) for path in manifests]
    assert counts == [0, 1, 2, 3, 3, 3]
    sizes = {path.stat().st_size for path in tmp_path.glob("a/packages/*/src/*")}
    assert sizes == {2048}
    sources = {path.read_bytes() for path in tmp_path.glob("a/packages/*/src/*")}
    assert len(sources) == 12


def test_the_lock_file_names_every_package_with_its_dependencies(tmp_path: Path) -> None:
    commit_of(tmp_path / "a")
    lock = json.loads((tmp_path / "a" / "bun.lock").read_text())
    for path in tmp_path.glob("a/packages/*/package.json"):
        manifest = json.loads(path.read_text())
        member = lock["workspaces"][f"packages/{manifest['name']}"]
        assert member.get("dependencies", {}) == manifest["dependencies"]
        assert lock["packages"][manifest["name"]][0].startswith(f"{manifest['name']}@workspace:")


# --- the driver ------------------------------------------------------------------------------


def test_bao_alone_is_measured_in_every_cell_with_its_phases(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    done = script("run.py", "--alone", *SMALL, "--json", str(target))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(target.read_text())
    cells = {row["cell"]: row for row in report["cells"]}
    assert list(cells) == ["hits", "restored", "edited", "cold", "affected"]
    for row in cells.values():
        assert row["tool"] == "bao"
        assert row["packages"] == 6
        assert row["rounds"] == 1
        assert row["median_ms"] > 0
        assert row["cpu_ms"] > 0
        assert row["peak_memory"] > 1_000_000
    assert report["ratios"] == []
    phases = report["phases"]["6"]
    assert {"start", "manifests", "git", "keys", "lookup", "stamps"} <= set(phases["hits"])
    assert "phases of bao in ms, nothing changed, 6" in done.stdout


FAKE = """#!{python}
import sys
from pathlib import Path

packages = sorted(Path("packages").iterdir())
mode = {mode!r}
if sys.argv[1] == "ls":
    for package in packages[:1] if mode == "lists another" else packages[4:]:
        print(package.name, package)
    sys.exit()
started = 0
for package in packages:
    built = package / "dist" / "out.txt"
    sources = b"".join(path.read_bytes() for path in sorted((package / "src").iterdir()))
    # It remembers what it built, beside the workspace.
    cached = Path("../home/fake") / package.name
    hit = cached.exists() and cached.read_bytes() == sources and mode != "always builds"
    built.parent.mkdir(exist_ok=True)
    if not hit:
        started += 1
        with open("../ran", "a") as ledger:
            ledger.write(package.name + "\\n")
    if mode != "restores nothing" or not hit:
        built.write_bytes(sources)
    cached.parent.mkdir(exist_ok=True)
    cached.write_bytes(sources)
count = len(packages) - started
if mode == "claims hits":
    count = len(packages)
print(f" {{len(packages)}} tasks: {{count}} restored, {{started}} run, 0 failed")
"""


def with_fake(tmp_path: Path, mode: str, cell: str) -> subprocess.CompletedProcess[str]:
    """A program in bao's place that does most things right."""
    fake = tmp_path / "bao"
    fake.write_text(FAKE.format(python=sys.executable, mode=mode))
    fake.chmod(0o755)
    return script("run.py", "--alone", "--bao", str(fake), "--cells", cell, *SMALL)


@pytest.mark.parametrize(
    ("mode", "cell", "fault"),
    [
        ("always builds", "hits", "bao started 12 commands in 2 runs, not one a package"),
        ("claims hits", "edited", "bao: says 6 hits, not 5"),
        ("restores nothing", "restored", "is not there or not complete"),
        ("lists another", "affected", "bao lists other packages"),
    ],
)
def test_a_run_that_is_not_what_the_cell_says_is_refused(
    tmp_path: Path, mode: str, cell: str, fault: str
) -> None:
    done = with_fake(tmp_path, mode, cell)
    assert done.returncode == 1
    assert fault in done.stderr


@pytest.mark.parametrize("cell", ["hits", "edited", "restored", "affected"])
def test_the_fake_of_these_tests_passes_where_it_does_what_the_cell_says(
    tmp_path: Path, cell: str
) -> None:
    done = with_fake(tmp_path, "", cell)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tools", "bao,make"), "there is no 'make'"),
        (("--cells", "warm"), "there is no 'warm'"),
        (("--sizes", "1"), "at least 2 packages"),
    ],
)
def test_a_word_that_means_nothing_is_refused(words: tuple[str, ...], told: str) -> None:
    done = script("run.py", *words)
    assert done.returncode == 1
    assert told in done.stderr


# --- one process -----------------------------------------------------------------------------


def test_a_process_is_measured_with_what_it_prints(tmp_path: Path) -> None:
    run = measure(["sh", "-c", "pwd; echo told >&2"], tmp_path, dict(os.environ))
    assert run.printed == f"{tmp_path.resolve()}\ntold\n"
    assert run.ms > 0
    assert run.memory > 0


def test_a_process_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match="failed:\nbroken"):
        measure(["sh", "-c", "echo broken; exit 3"], tmp_path, dict(os.environ))


def test_a_process_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    with pytest.raises(UnusableError, match="took longer than 0 s"):
        measure(["sh", "-c", "sleep 60 & wait"], tmp_path, dict(os.environ), limit=0.2)
    os.close(theirs)
    # Nothing can be read, but for the end: that is there once the last holder is gone.
    assert select.select([ours], [], [], 10)[0]
    os.close(ours)


# --- the report ------------------------------------------------------------------------------


def runs(*times: float, memory: int = 50_000_000) -> list[Run]:
    return [Run(time, time / 2, memory, "") for time in times]


def test_a_ratio_is_that_of_the_medians_and_is_held_against_its_target() -> None:
    rows = [
        measured("hits", 1000, "bao", runs(100, 300, 90)),
        measured("hits", 1000, "turbo", runs(400, 500, 9000)),
        measured("hits", 1000, "nx", runs(1000)),
        measured("cold", 1000, "bao", runs(80)),
        measured("cold", 1000, "turbo", runs(100)),
    ]
    found = {(one.cell, one.beside): one for one in verdicts(rows)}
    assert found["hits", "turbo"].ratio == 0.2
    assert found["hits", "turbo"].at_most == 0.35
    assert found["hits", "turbo"].reached
    assert found["hits", "nx"].ratio == 0.1
    assert found["hits", "nx"].at_most is None
    assert found["cold", "turbo"].reached is False
    text = Report({}, rows, {}, {"moon at 1000": "too slow"}).as_text()
    lines = {line.split("  ")[0]: line for line in text.splitlines() if "turbo" in line}
    assert lines["nothing changed"].split()[-5:] == ["0.20", "<=", "0.35", "reached", "0.20"]
    assert "MISSED" in lines["cold"]
    assert "left out: moon at 1000: too slow" in text


def test_the_table_for_the_documentation_has_a_column_for_each_tool() -> None:
    rows = [
        measured("hits", 1000, "bao", runs(1200)),
        measured("hits", 1000, "turbo", runs(4000)),
        measured("cold", 7, "bao", runs(80)),
    ]
    assert Report({}, rows, {}, {}).as_markdown().splitlines() == [
        "|  | packages | bao | turbo | bao / turbo | target |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| nothing changed | 1,000 | 1,200 | 4,000 | 0.30 | ≤ 0.35 |",
        "| cold | 7 | 80 |  |  |  |",
    ]


def test_only_the_memory_of_bao_at_1000_packages_has_a_target() -> None:
    large = runs(100, memory=101_000_000)
    rows = [measured("hits", size, "bao", large) for size in (100, 1000)]
    text = Report({}, rows, {}, {}).as_text()
    assert "peak memory at 100: bao 101 MB\n" in text
    assert "peak memory at 1,000: bao 101 MB; bao's target is 100 MB: MISSED" in text


@pytest.mark.parametrize(
    ("times", "memory", "linear"), [(540, 1, True), (560, 1, False), (540, 6, False)]
)
def test_growth_is_linear_up_to_a_tenth(times: float, memory: int, linear: bool) -> None:
    rows = [
        measured("hits", 10, "bao", runs(50)),
        measured("hits", 1000, "bao", runs(100)),
        measured("hits", 5000, "bao", runs(times, memory=memory * 50_000_000)),
    ]
    (found,) = growths(rows)
    assert (found.few, found.many) == (1000, 5000)
    assert found.reached is linear
    word = "linear" if linear else "MORE THAN LINEAR"
    assert f"{found.memory:.1f} times the memory: {word}" in Report({}, rows, {}, {}).as_text()
