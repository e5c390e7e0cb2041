"""Runs the suites against wrong implementations, all in one session within this one."""

from __future__ import annotations

import contextlib
import io
import os
import signal
from pathlib import Path

import pytest
from hypothesis import Phase

HERE = Path(__file__).parent
PATIENCE = 0.5
"""Seconds that a test waits for what a wrong implementation never does."""

WAITING = ("cache", "executor", "fakes", "gate", "objects")


class Recorder:
    """Keeps the tests that should fail, and what became of them: outcomes by class."""

    def __init__(self) -> None:
        self.outcomes = {}
        self.reports = {}

    def pytest_collection_modifyitems(self, items) -> None:
        items[:] = [
            item for item in items if getattr(item.cls, "caught_by", "") == item.originalname
        ]

    def pytest_runtest_logreport(self, report) -> None:
        name = report.nodeid.split("::")[1]
        self.outcomes.setdefault(name, set()).add((report.when, report.outcome))
        if report.failed:
            self.reports[name] = report.longreprtext


class Recorded:
    """Every wrong implementation of one module.

    Attributes:
        caught: The names of those that a test caught, each by the test it names.
        reports: What was said of each.
    """

    def __init__(self, recorder) -> None:
        self.caught = {
            name
            for name, outcomes in recorder.outcomes.items()
            if ("call", "failed") in outcomes
            or (("setup", "failed") in outcomes and "was skipped" in recorder.reports[name])
        }
        self.reports = recorder.reports


@pytest.fixture(scope="session")
def run_wrong():
    """Runs a module of wrong implementations."""
    done = {}

    def run(name) -> Recorded:
        if name not in done:
            done[name] = _run(HERE / "wrong" / name)
        return done[name]

    return run


def _run(path) -> Recorded:
    recorder = Recorder()
    said = io.StringIO()
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    options = ("-c", os.devnull, "--rootdir", str(HERE), "--import-mode=importlib", "-s", "-q")
    off = ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:faulthandler")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        for module in WAITING:
            patch.setattr(f"bao_core.testing.{module}.PATIENCE", PATIENCE)
        patch.setattr("bao_core.testing.events.QUICK", 0.1)
        # In CI pytest shows differences whole, which takes minutes where they are large.
        for name in ("CI", "BUILD_NUMBER"):
            patch.delenv(name, raising=False)
        for module in ("cache_machine", "scheduler"):
            patch.setattr(f"bao_core.testing.{module}.PHASES", (Phase.generate,))
        code = pytest.main([*options, *off, str(path)], plugins=[recorder])
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert code in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}, said.getvalue()
    assert recorder.outcomes, said.getvalue()
    return Recorded(recorder)
