"""The pages about the kit say what the kit does, and their examples run."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from _pytest.fixtures import FixtureFunctionDefinition

import bao_core.testing
from bao_core.testing import fixtures
from bao_core.testing.component import ComponentSuite

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/reference/testing.md").read_text()
HOW_TO = (ROOT / "docs/how-to/test-a-plugin.md").read_text()
PARTS = {"CacheDamageSuite", "CacheUpkeepSuite"}
"""Suites that are only parts of another one."""

INTERFACES = sorted(
    path.stem for path in ROOT.glob("bao_core/interfaces/*.py") if path.stem != "__init__"
)


def modules() -> dict[str, Any]:
    names = [info.name for info in pkgutil.iter_modules(bao_core.testing.__path__)]
    return {name: importlib.import_module(f"bao_core.testing.{name}") for name in names}


def suites() -> dict[str, type[ComponentSuite]]:
    return {
        name: value
        for module in modules().values()
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, ComponentSuite)
    }


SUITES = suites()
DOCUMENTED = sorted(set(SUITES) - PARTS)


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found.group(1)


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_has_a_module_with_its_suite(interface: str) -> None:
    module = modules()[interface]
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, ComponentSuite)
        and value.__module__ == module.__name__
    ]
    assert own


def test_the_page_lists_the_suites_that_there_are() -> None:
    rows = re.findall(r"^\| `(\w+Suite)` \| `([\w.]+)` \| \[(\w+)\]", REFERENCE, re.MULTILINE)
    assert {(name, module) for name, module, _ in rows} == {
        (name, SUITES[name].__module__) for name in DOCUMENTED
    }
    assert {interface for _, _, interface in rows} == set(INTERFACES)
    assert re.findall(r"^## (\w+Suite)$", REFERENCE, re.MULTILINE) == [name for name, _, _ in rows]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_attribute_and_fixture_of_a_suite_has_its_row(name: str) -> None:
    suite = SUITES[name]
    own = [base for base in suite.__mro__ if base is suite or base.__name__ in PARTS]
    if name == "ObjectStoreCacheSuite":
        own = [suite]
    given = {
        member
        for base in own
        for member, value in vars(base).items()
        if not member.startswith(("_", "test_"))
        and (isinstance(value, FixtureFunctionDefinition) or not callable(value))
    } | {m for base in own for m in inspect.get_annotations(base) if m[0] != "_"}
    inherited = {
        member
        for base in suite.__mro__
        if base not in own
        for member in {*vars(base), *inspect.get_annotations(base)}
    }
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section(name), re.MULTILINE)
    named = {member for row in rows for member in re.findall(r"`(\w+)`", row)}
    assert named == given - inherited


def test_every_fixture_has_its_row() -> None:
    own = {n for n, v in vars(fixtures).items() if isinstance(v, FixtureFunctionDefinition)}
    assert set(re.findall(r"^\| `(\w+)` \|", section("Fixtures"), re.MULTILINE)) == own


def test_every_fake_has_its_row_and_every_name_in_it_exists() -> None:
    rows = re.findall(r"^\| `bao_core\.testing\.(\w+)` \| (.*) \|$", section("Fakes"), re.MULTILINE)
    with_suites = {SUITES[name].__module__.rpartition(".")[2] for name in SUITES}
    inner = {"cache_machine", "fixtures", "guarding"}
    assert {module for module, _ in rows} == set(modules()) - with_suites - inner
    for module, text in rows:
        for name in re.findall(r"`(\w+)`", text):
            assert hasattr(modules()[module], name), f"{module}.{name}"


def test_every_component_that_bao_brings_is_run_through_its_suite() -> None:
    patterns = ("bao_core/builtins/*.py", "bao_plugins/*/src/*/*.py")
    offered = {
        name
        for pattern in patterns
        for path in ROOT.glob(pattern)
        if path.stem == "plugin"
        for name in re.findall(r"return \[(\w+)\]", path.read_text())
    }
    tests = "".join(path.read_text() for path in ROOT.glob("**/test_*conformance.py"))
    assert len(offered) >= 9
    assert {name for name in offered if f"component = {name}\n" not in tests} - {"CommandSpec"} == (
        set()
    )


def test_the_examples_of_the_how_to_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", HOW_TO, re.MULTILINE | re.DOTALL)
    assert {name for name, _ in blocks} >= {"store.py", "test_store.py", "conftest.py"}
    for name, text in blocks:
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "."),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " skipped" not in done.stdout
