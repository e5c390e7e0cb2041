"""Modules import alone and in silence, and the command imports nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hot_path import grow_old, imported_modules

if TYPE_CHECKING:
    from conftest import Acme

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT, *sorted(ROOT.glob("bao_plugins/*/src"))]
HEAVY = {"typer", "click", "rich", "sqlalchemy", "fsspec", "s3fs", "grpc", "opentelemetry"}
SLOW = {
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "importlib.metadata",
    "inspect",
    "logging",
    "pluggy",
}
"""What costs more than a hot run can spare."""


def module_names() -> list[str]:
    return sorted(
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for source in SOURCES
        for path in source.glob("bao_*/**/*.py")
        if path.relative_to(source).parts[0] != "bao_plugins"
    )


def run_python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-W", "error", "-c", code),
        env={**os.environ, **variables},
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT / "docs",
    )


def test_every_module_imports_alone_without_a_warning_or_a_word() -> None:
    """Each in a fresh process, forked from one that has only the outside libraries."""
    code = f"""
import os, sys, traceback
failed = []
for name in {module_names()!r}:
    pid = os.fork()
    if pid == 0:
        try:
            __import__(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        failed.append(name)
print(" ".join(failed))
"""
    done = run_python(code)
    assert done.stdout.strip() == "", done.stderr
    assert done.stderr == ""


def modules_imported(acme: Acme, *words: str) -> set[str]:
    """What the command imports, by Python's own account of it."""
    return imported_modules(acme.bao(*words, PYTHONPROFILEIMPORTTIME="1").stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "build", "test"),
        ("run", "test", "--affected", "--output-logs=errors-only"),
        ("ls", "--json"),
    ],
    ids=" ".join,
)
def test_a_run_of_hits_imports_nothing_heavy(acme: Acme, words: tuple[str, ...]) -> None:
    acme.bao("run", "build", "test")
    acme.bao(*words)
    imported = modules_imported(acme, *words)
    assert "bao_core.session" in imported
    tops = {name.partition(".")[0] for name in imported}
    assert tops & HEAVY == set()


def test_a_run_of_hits_leaves_out_the_slow_parts_of_the_library(acme: Acme) -> None:
    acme.bao("run", "build", "test")
    acme.bao("run", "build", "test")
    assert modules_imported(acme, "run", "build", "test") & SLOW == set()


RECORD = Path(__file__).with_name("hot_run_modules.txt")
"""Bao's own modules in a run of hits: one a line, with the commands that import it."""

OTHERS = {("run", "build", "test"): 79, ("ls", "--affected"): 77}
"""How many modules of Python and of libraries CPython 3.11 imports, or looks for."""

ANOTHER_PYTHON = 1.2
"""Other versions divide their library in other ways."""


def hot_modules(acme: Acme, words: tuple[str, ...]) -> set[str]:
    """What a run imports once all that is remembered has been written."""
    acme.bao("run", "build", "test")
    grow_old(acme.root)
    for _ in range(2):
        acme.bao(*words)
    return modules_imported(acme, *words)


@pytest.mark.parametrize("words", OTHERS, ids=" ".join)
def test_a_run_of_hits_imports_just_the_modules_that_are_recorded(
    acme: Acme, words: tuple[str, ...]
) -> None:
    """A new module on the hot path is a decision: measure it, and write it into the record."""
    imported = hot_modules(acme, words)
    own = {name for name in imported if name.startswith("bao_")}
    lines = (line.split() for line in RECORD.read_text().splitlines())
    recorded = {name for name, *commands in lines if words[0] in commands}
    assert sorted(own - recorded) == [], "imported, but not recorded"
    assert sorted(recorded - own) == [], "recorded, but no longer imported"
    others = sorted(imported - own)
    assert len(others) <= OTHERS[words] * ANOTHER_PYTHON, others


def test_importing_a_plugin_module_imports_nothing_heavy() -> None:
    plugins = [name for name in module_names() if name.endswith(".plugin")]
    assert plugins
    code = f"""
import sys
for name in {plugins!r}:
    __import__(name)
print(" ".join(sorted({{name.partition(".")[0] for name in sys.modules}} & {HEAVY!r})))
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
