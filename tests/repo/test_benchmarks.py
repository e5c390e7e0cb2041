"""The benchmark makes the same workspace each time, and notices a run that was none of hits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


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


def test_bao_alone_is_measured_with_its_phases(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    shape = ("--packages", "6", "--files", "2", "--rounds", "1")
    done = script("run.py", "--alone", *shape, "--json", str(target))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(target.read_text())
    assert report["tools"]["bao"]["median_ms"] > 0
    assert {"start", "manifests", "git", "keys", "lookup", "stamps"} <= set(report["phases"])
    assert "phases of bao" in done.stdout


def test_a_run_that_starts_a_command_is_refused(tmp_path: Path) -> None:
    """A tool that always builds must not be measured as if it had found hits."""
    fake = tmp_path / "bao"
    fake.write_text(
        '#!/bin/sh\nfor p in packages/*; do (cd "$p" && echo . >> ../../../ran); done\n'
    )
    fake.chmod(0o755)
    done = script(
        "run.py", "--alone", "--bao", str(fake), "--packages", "3", "--files", "1", "--rounds", "1"
    )
    assert done.returncode == 1
    assert "started 6 commands in 2 runs" in done.stderr
