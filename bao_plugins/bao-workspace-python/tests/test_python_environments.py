"""Which environment counts, and what is said where there is none."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import venv
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_python.contributor import PythonRuntime

from bao_core.events import WarningRaised
from bao_core.interfaces.component import Context
from bao_core.model import Package, Task, TaskDefinition, TaskId

if TYPE_CHECKING:
    from pathlib import Path

UV = """\
version = 1
[[package]]
name = "a"
version = "1"
source = { editable = "packages/a" }
dependencies = [{ name = "x-lib" }]
[[package]]
name = "x-lib"
version = "1.0"
source = { registry = "https://index.example/simple" }
"""
POETRY = """\
[[package]]
name = "x-lib"
version = "1.0"
optional = false
python-versions = "*"
files = []
[metadata]
lock-version = "2.1"
"""
PDM = POETRY.replace('lock-version = "2.1"', 'lock_version = "4.5.0"')
PYLOCK = 'lock-version = "1.0"\n[[packages]]\nname = "x-lib"\nversion = "1.0"\n'


class Place:
    """A workspace with packages `a` and `b`, and what is said about it."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.home = base / "home"
        self.programs = base / "programs/bin"
        self.said: list[str] = []
        for directory in (self.root / "packages/a", self.root / "packages/b", self.programs):
            directory.mkdir(parents=True)
        (self.programs / "python3").symlink_to(os.path.realpath(sys.executable))
        self.environ = {"PATH": str(self.programs), "HOME": str(self.home)}
        self.state = base / "state"

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    def environment(self, place: Path | str, version: str = "3.11.7", **installed: str) -> Path:
        prefix = self.root / place
        site = prefix / "lib/python3.11/site-packages"
        site.mkdir(parents=True)
        (prefix / "pyvenv.cfg").write_text(f"implementation = CPython\nversion_info = {version}\n")
        for name, installed_version in installed.items():
            (site / f"{name}-{installed_version}.dist-info").mkdir()
        (prefix / "bin").mkdir()
        (prefix / "bin/python").symlink_to(os.path.realpath(sys.executable))
        return prefix

    def parts(self, *names: str, command: Any = "pytest") -> dict[str, dict[str, str]]:
        context = Context(
            root=str(self.root),
            state_dir=str(self.state),
            environ=self.environ,
            cancelled=Event(),
            emit=self._hear,
        )
        tasks = []
        for name in names or ("a", "b"):
            path = f"packages/{name}"
            bins = (f"{path}/.venv/bin", ".venv/bin")
            provider = "node" if name == "node" else "python"
            package = Package(name, path, provider, f"{path}/pyproject.toml", bin_directories=bins)
            definition = TaskDefinition("test", command)
            tasks.append((Task(TaskId(f"{name}#test"), name, definition), package))
        found = PythonRuntime.open(None, context).parts(tasks)
        return {
            task.package: {part.name: part.value for part in found[task.id]}
            for task, _ in tasks
            if task.id in found
        }

    def _hear(self, event: Any) -> None:
        assert isinstance(event, WarningRaised)
        self.said.append(event.message)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- which one -------------------------------------------------------------------------------


def test_a_real_environment_tells_implementation_version_abi_and_platform(place: Place) -> None:
    venv.create(place.root / ".venv", with_pip=False, symlinks=True)
    asked = [sys.executable, "-I", "-c", "import sysconfig; print(sysconfig.get_platform())"]
    platform = subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip()
    parts = place.parts("a")["a"]
    for word in (sys.implementation.name, "{}.{}.{}".format(*sys.version_info), platform):
        assert word in parts["interpreter"]
    assert str(sys.implementation.cache_tag) in parts["interpreter"]
    assert place.said == []


def test_the_environment_that_uv_is_told_to_use_counts(place: Place) -> None:
    prefix = place.environment("../elsewhere", "3.13.1")
    place.environ["UV_PROJECT_ENVIRONMENT"] = "../elsewhere"
    place.environ["VIRTUAL_ENV"] = str(place.environment("../active", "3.12.0"))
    assert "3.13.1" in place.parts("a")["a"]["environment"]
    # Beside a `.venv`, which comes first on PATH, it counts as well: `uv run` takes it.
    place.environment(".venv", "3.11.9")
    before = place.parts("a")["a"]
    assert "3.11.9" in before["environment"]
    assert "3.13.1" in before["uv-environment"]
    (prefix / "lib/python3.11/site-packages/new-1.dist-info").mkdir()
    assert place.parts("a")["a"]["uv-environment"] != before["uv-environment"]


def test_an_environment_of_conda_counts_where_it_is_active(place: Place) -> None:
    prefix = place.environment("../conda", x_lib="1.0")
    (prefix / "pyvenv.cfg").unlink()
    (prefix / "conda-meta").mkdir()
    place.environ["CONDA_PREFIX"] = str(prefix)
    before = place.parts("a")["a"]
    assert before["environment"] == "conda python3.11"
    (prefix / "lib/python3.11/site-packages/y-1.dist-info").mkdir()
    assert place.parts("a")["a"]["installed"] != before["installed"]


def test_an_environment_that_is_only_on_the_path_is_one(place: Place) -> None:
    prefix = place.environment("../activated", "3.12.5", x_lib="0.9")
    (prefix / "bin/python3").symlink_to("python")
    place.environ["PATH"] = f"{prefix}/bin"
    place.write("uv.lock", UV)
    parts = place.parts("a")["a"]
    assert "3.12.5" in parts["environment"]
    assert parts["installed:x-lib"] == "0.9"


def test_the_environment_in_the_cache_of_poetry_counts_for_its_project(place: Place) -> None:
    place.write("packages/a/poetry.lock", POETRY)
    directory = os.path.realpath(place.root / "packages/a")
    digest = hashlib.sha256(os.fsencode(directory)).digest()
    name = f"a-{base64.urlsafe_b64encode(digest).decode()[:8]}"
    cache = place.home / "cache"
    place.environ["POETRY_CACHE_DIR"] = str(cache)
    assert "environment" not in place.parts("a")["a"]
    for version in ("3.11", "3.12"):
        place.environment(cache / "virtualenvs" / f"{name}-py{version}", f"{version}.4", x_lib="2")
    found = place.parts()
    assert "3.12.4" in found["a"]["environment"]
    assert found["a"]["installed:x-lib"] == "2"
    assert "environment" not in found["b"]
    (cache / "virtualenvs/envs.toml").write_text(f'["{name}"]\nminor = "3.11"\npatch = "3.11.4"\n')
    assert "3.11.4" in place.parts("a")["a"]["environment"]


def test_the_interpreter_that_pdm_was_told_to_use_counts(place: Place) -> None:
    place.write("pdm.lock", PDM)
    place.environment(".venv", x_lib="1.0")
    assert "pdm-environment" not in place.parts("a")["a"]
    other = place.environment("../other", "3.13.2")
    place.write(".pdm-python", f"{other}/bin/python")
    before = place.parts("a")["a"]["pdm-environment"]
    assert "3.13.2" in before
    (other / "lib/python3.11/site-packages/q-1.dist-info").mkdir()
    assert place.parts("a")["a"]["pdm-environment"] != before
    place.write(".pdm-python", f"{place.root}/.venv/bin/python")
    assert "pdm-environment" not in place.parts("a")["a"]


def test_what_pdm_installed_beside_the_project_counts(place: Place) -> None:
    place.write("pdm.lock", PDM)
    library = place.root / "__pypackages__/3.11/lib"
    library.mkdir(parents=True)
    before = place.parts("a")["a"]["pypackages"]
    (library / "x_lib-1.0.dist-info").mkdir()
    assert place.parts("a")["a"]["pypackages"] != before


@pytest.mark.parametrize("content", ["", "relative/python", "/no/such/python", "\0"])
def test_a_choice_of_pdm_that_leads_nowhere_is_none(place: Place, content: str) -> None:
    place.write("pdm.lock", PDM)
    place.environment(".venv", x_lib="1.0")
    place.write(".pdm-python", content)
    assert "pdm-environment" not in place.parts("a")["a"]


# --- compared with every kind of lock file ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"), [("poetry.lock", POETRY), ("pdm.lock", PDM), ("pylock.toml", PYLOCK)]
)
@pytest.mark.parametrize("inside", ["", "packages/a/"])
def test_what_is_installed_otherwise_than_locked_is_another_key(
    place: Place, name: str, text: str, inside: str
) -> None:
    place.write(f"{inside}{name}", text)
    prefix = place.environment(f"{inside}.venv", x_lib="1.0")
    assert place.parts("a")["a"].keys() == {"interpreter", "environment"}
    site = prefix / "lib/python3.11/site-packages"
    (site / "x_lib-1.0.dist-info").rename(site / "x_lib-0.9.dist-info")
    assert place.parts("a")["a"]["installed:x-lib"] == "0.9"
    (site / "x_lib-0.9.dist-info").rmdir()
    assert place.parts("a")["a"]["missing"] == "x-lib"


# --- none ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "command"),
    [
        ("uv.lock", UV, "uv sync --all-packages"),
        ("poetry.lock", POETRY, "POETRY_VIRTUALENVS_IN_PROJECT=1 poetry install"),
        ("pdm.lock", PDM, "pdm install"),
        ("pylock.toml", PYLOCK, "uv venv && uv pip sync pylock.toml"),
    ],
)
def test_a_missing_environment_is_said_once_with_the_command_that_makes_it(
    place: Place, name: str, text: str, command: str
) -> None:
    place.write(name, text)
    place.parts()
    assert place.said == [f"there is no environment for the Python packages; `{command}` makes it"]
    place.environment(".venv")
    place.parts()
    assert len(place.said) == 1


def test_a_package_with_a_lock_file_of_its_own_is_named(place: Place) -> None:
    for name in ("a", "b"):
        place.write(f"packages/{name}/poetry.lock", POETRY)
    place.parts()
    (said,) = place.said
    assert said.startswith("there is no Python environment for packages/a and for others; ")
    assert said.endswith("`POETRY_VIRTUALENVS_IN_PROJECT=1 poetry install` there makes it")


@pytest.mark.parametrize(
    ("manifest", "command"),
    [
        ("", "python -m venv .venv && .venv/bin/pip install -e ."),
        ("[tool.uv]\n", "uv sync"),
        ("[tool.pdm]\n", "pdm install"),
    ],
)
def test_without_a_lock_file_the_manifest_tells_the_command(
    place: Place, manifest: str, command: str
) -> None:
    head = '[project]\nname = "a"\nversion = "1"\n'
    place.write("packages/a/pyproject.toml", head + manifest)
    place.parts("a")
    assert place.said == []  # it needs nothing
    place.write("packages/a/pyproject.toml", f'{head}dependencies = ["no-such-lib"]\n{manifest}')
    place.parts("a")
    (said,) = place.said
    assert said.endswith(f"for packages/a; `{command}` there makes it")


def test_nothing_is_said_where_what_is_locked_is_installed_elsewhere(place: Place) -> None:
    place.write("uv.lock", UV)
    place.environ["VIRTUAL_ENV"] = str(place.environment("../active", x_lib="0.1"))
    place.parts()
    assert place.said == []
    place.environ["VIRTUAL_ENV"] = str(place.environment("../foreign", other="1"))
    place.parts()
    assert len(place.said) == 1


@pytest.mark.parametrize(
    "command", ["uv run pytest", ("hatch", "test"), "/usr/bin/tox -e py", None]
)
def test_nothing_is_said_of_tasks_that_see_to_it_themselves(place: Place, command: Any) -> None:
    place.write("uv.lock", UV)
    place.parts(command=command)
    assert place.said == []


def test_other_packages_than_pythons_have_nothing_said_of_them(place: Place) -> None:
    place.write("uv.lock", UV)
    assert place.parts("node") == {}
    assert place.said == []


def test_a_broken_lock_file_or_manifest_is_not_said_to_lack_an_environment(place: Place) -> None:
    place.write("uv.lock", "<<<<<<<")
    place.parts()
    (place.root / "uv.lock").unlink()
    place.write("packages/a/pyproject.toml", "<<<<<<<")
    place.parts()
    assert place.said == []
