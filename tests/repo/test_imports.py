"""Modules import alone and in silence, and the command imports nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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
    done = acme.bao(*words, PYTHONPROFILEIMPORTTIME="1")
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


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
