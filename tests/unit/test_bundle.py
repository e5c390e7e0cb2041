"""The bundle of compiled modules: what comes out of it, and when it is not believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import inspect, json, sys
from bao_core.cli.bundle import CodeBundle

bundle = CodeBundle(sys.argv[1])
sys.meta_path.insert(0, bundle)
import sample, sample.inner

print(json.dumps({
    module.__name__: {
        "value": module.VALUE,
        "bundled": type(module.__loader__).__name__ != "SourceFileLoader",
        "source": inspect.getsource(module.function),
        "attributes": [module.__file__, module.__cached__, module.__package__,
                       getattr(module, "__path__", None), module.__spec__.parent],
        "where": module.function.__code__.co_filename,
    }
    for module in (sample, sample.inner)
}))
bundle.save()
"""


class Site:
    """A directory on the import path, and a program that imports from it."""

    def __init__(self, root: Path) -> None:
        self.library = root / "library"
        self.bundle = root / "kept" / "a.bundle"
        self.bundle.parent.mkdir()
        self.write("__init__", 1)
        self.write("inner", 2)

    def write(self, name: str, value: int) -> Path:
        path = self.library / "sample" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"VALUE = {value}\n\ndef function():\n    return VALUE\n")
        return path

    def run(self, *more: Path, **variables: str) -> dict[str, Any]:
        """What the modules are in a new process."""
        path = os.pathsep.join(map(str, (self.library, *more)))
        environ = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(
            (sys.executable, "-c", PROGRAM, str(self.bundle)),
            env={**environ, "PYTHONPATH": path, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def bundled(self, *more: Path) -> list[str]:
        """The modules that a new process takes out of the bundle."""
        return [name for name, module in self.run(*more).items() if module["bundled"]]


BOTH = ["sample", "sample.inner"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Whose bundle holds both modules."""
    site = Site(tmp_path)
    site.run()
    site.run()  # what Python compiled the first time changed a directory
    assert site.bundled() == BOTH
    return site


def test_a_module_out_of_the_bundle_is_like_any_other(tmp_path: Path) -> None:
    site = Site(tmp_path)
    first, _, third = site.run(), site.run(), site.run()
    assert [module.pop("bundled") for module in first.values()] == [False, False]
    assert [module.pop("bundled") for module in third.values()] == [True, True]
    assert third == first


def test_an_edited_module_is_imported_anew_and_bundled_again(site: Site) -> None:
    site.write("inner", 33)
    found = site.run()
    assert found["sample.inner"]["value"] == 33
    assert [module["bundled"] for module in found.values()] == [True, False]
    found = site.run()
    assert found["sample.inner"]["value"] == 33
    assert site.bundled() == BOTH


def test_a_module_that_went_elsewhere_is_found_there(site: Site) -> None:
    source = site.library / "sample" / "inner.py"
    package = site.library / "sample" / "inner"
    package.mkdir()
    source.rename(package / "__init__.py")
    found = site.run()
    assert found["sample.inner"]["attributes"][0] == str(package / "__init__.py")


def test_another_import_path_is_not_answered_for(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert site.bundled(other) == []
    assert site.bundled() == BOTH, "nor is the bundle given away to it at once"


def test_after_an_hour_the_bundle_goes_over_to_another_import_path(
    site: Site, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    os.utime(site.bundle, (1e9, 1e9))
    site.run(other)
    assert site.bundled(other) == BOTH


def test_something_new_on_the_import_path_may_stand_before_what_is_bundled(site: Site) -> None:
    (site.library / "new.py").touch()
    assert site.bundled() == []
    assert site.bundled() == BOTH


@pytest.mark.parametrize("damage", [b"", b"\0" * 8, b"\xff" * 4000, b"shorter"])
def test_a_damaged_bundle_is_replaced(site: Site, damage: bytes) -> None:
    site.bundle.write_bytes(damage)
    assert site.bundled() == []
    assert site.bundled() == BOTH


def test_a_bundle_that_was_cut_off_is_replaced(site: Site) -> None:
    site.bundle.write_bytes(site.bundle.read_bytes()[:-1])
    assert site.bundled() == []
    assert site.bundled() == BOTH


def test_where_python_shall_write_no_compiled_files_there_is_no_bundle(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.run(PYTHONDONTWRITEBYTECODE="1")
    assert not site.bundle.exists()


def test_where_nothing_can_be_written_all_goes_on_without(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.bundle.parent.rmdir()
    site.bundle.parent.touch()
    assert site.bundled() == []
    assert site.bundled() == []


def test_no_half_of_a_bundle_stays_behind(site: Site) -> None:
    assert [path.name for path in site.bundle.parent.iterdir()] == [site.bundle.name]


def test_what_runs_with_other_assertions_has_another_bundle(site: Site) -> None:
    assert [m["bundled"] for m in site.run(PYTHONOPTIMIZE="1").values()] == [False, False]
