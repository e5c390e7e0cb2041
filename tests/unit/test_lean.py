"""What is kept out of the import of msgspec is there for whoever wants it afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SPARED = ("typing_extensions", "msgspec.inspect", "msgspec._json_schema", "inspect", "textwrap")
"""Modules that msgspec imports, and that bao does not need on any system."""

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="platform is only spared on Linux")


def python(code: str, **variables: str) -> list[str]:
    """What code prints after the lean import, in words; it runs in a process of its own."""
    done = subprocess.run(
        (sys.executable, "-W", "error", "-c", f"import sys, bao_core.lean\n{code}"),
        env={**os.environ, **variables},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def imported() -> set[str]:
    return set(python("print(*sys.modules)"))


def test_what_bao_does_not_need_is_not_imported() -> None:
    assert imported() & set(SPARED) == set()
    assert "msgspec" in imported()


@LINUX
def test_no_regular_expressions_are_compiled_to_know_linux() -> None:
    assert "platform" not in imported()
    assert python("import platform; print(platform.system(), platform.machine())") == [
        "Linux",
        os.uname().machine,
    ]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the module is short since Python 3.12")
def test_dates_are_not_defined_twice() -> None:
    assert "datetime" not in imported()


@pytest.mark.parametrize("name", [*SPARED, "datetime", "uuid", "platform"])
def test_who_asks_later_gets_the_real_module(name: str) -> None:
    code = f"import importlib; print(importlib.import_module({name!r}).__spec__.origin)"
    (origin,) = python(code)
    assert origin.endswith(".py")


def test_msgspec_knows_the_types_that_everybody_else_has() -> None:
    code = """
import datetime, pickle, uuid
from msgspec import json
moment = datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)
assert json.decode(b'"2020-01-02T00:00:00Z"', type=datetime.datetime) == moment
assert json.encode(moment) == b'"2020-01-02T00:00:00Z"'
assert pickle.loads(pickle.dumps(moment)) == moment
assert json.decode(json.encode(uuid.UUID(int=7)), type=uuid.UUID) == uuid.UUID(int=7)
"""
    python(code)


def test_texts_can_be_annotations_afterwards() -> None:
    code = """
import typing
from msgspec import Struct, json
class Record(Struct):
    number: "typing.Optional[int]"
assert typing.get_type_hints(Record) == {"number": typing.Optional[int]}
assert json.decode(b'{"number": 7}', type=Record) == Record(7)
"""
    python(code)


def test_what_is_spared_of_msgspec_is_there_when_it_is_used() -> None:
    code = """
import msgspec
assert msgspec.json.schema(int) == {"type": "integer"}
assert msgspec.json.schema_components([int]) == (({"type": "integer"},), {})
assert msgspec.inspect.type_info(int) == msgspec.inspect.IntType()
from msgspec import inspect
assert inspect is msgspec.inspect is sys.modules["msgspec.inspect"]
assert not hasattr(msgspec, "outspect")
"""
    python(code)


def test_subprocess_does_all_that_it_does_elsewhere() -> None:
    code = """
from bao_core.lean import import_subprocess
import_subprocess()
import_subprocess()
assert not {"locale", "selectors"} & set(sys.modules)
import locale, selectors, subprocess
assert locale.getlocale and issubclass(selectors.DefaultSelector, selectors.BaseSelector)
assert subprocess.getoutput("echo read") == "read"
both = subprocess.run(["cat"], input="a" * 100_000, capture_output=True, text=True, timeout=60)
assert both.stdout == "a" * 100_000
assert subprocess.locale.getencoding() == locale.getencoding()
"""
    python(code)


def test_who_has_imported_subprocess_before_keeps_what_it_took() -> None:
    code = """
import subprocess
from bao_core.lean import import_subprocess
before = dict(sys.modules)
import_subprocess()
assert sys.modules == before and type(subprocess.locale) is type(sys)
"""
    python(code)


def test_who_has_imported_these_modules_before_keeps_them() -> None:
    code = """
import bao_core.cli, importlib
for name in ("bao_core.lean", *[each for each in sys.modules if "msgspec" in each]):
    sys.modules.pop(name)
import datetime, platform, msgspec.inspect
before = dict(sys.modules)
import bao_core.lean
assert {name: sys.modules[name] for name in before} == before
"""
    python(code)


def test_a_msgspec_that_wants_more_of_these_modules_is_imported_as_usual(tmp_path: Path) -> None:
    package = tmp_path / "msgspec"
    package.mkdir()
    (package / "__init__.py").write_text("from ._json_schema import LIMIT\nWIDTH = 2 * LIMIT\n")
    (package / "_json_schema.py").write_text("LIMIT = 7\n")
    code = f"import msgspec; print(msgspec.WIDTH, msgspec.__file__.startswith({str(tmp_path)!r}))"
    assert python(code, PYTHONPATH=str(tmp_path)) == ["14", "True"]


@LINUX
def test_a_uuid_that_wants_more_of_platform_gets_it(tmp_path: Path) -> None:
    (tmp_path / "uuid.py").write_text("import platform\nMACHINE = platform.machine()\n")
    (tmp_path / "msgspec.py").write_text("from uuid import MACHINE\n")
    code = "import msgspec; print(msgspec.MACHINE)"
    assert python(code, PYTHONPATH=str(tmp_path)) == [os.uname().machine]
