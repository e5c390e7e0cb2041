"""What keys hold about the interpreter and what is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_python.contributor import PythonRuntime

from bao_core import answers
from bao_core.errors import InputError
from bao_core.interfaces.component import Context
from bao_core.model import Package, Task, TaskDefinition, TaskId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOCK = """\
version = 1
requires-python = ">=3.11"

[[package]]
name = "a"
version = "1"
source = { editable = "packages/a" }
dependencies = [
    { name = "x-lib" },
]

[[package]]
name = "b"
version = "1"
source = { editable = "packages/b" }

[[package]]
name = "forked"
version = "1"
source = { registry = "https://index.example/simple" }

[[package]]
name = "forked"
version = "2"
source = { registry = "https://index.example/simple" }

[[package]]
name = "tool"
version = "5.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "top"
version = "1"
source = { editable = "." }

[package.dev-dependencies]
dev = [
    { name = "tool" },
]

[[package]]
name = "x-lib"
version = "1.0"
source = { registry = "https://index.example/simple" }
"""


class Workspace:
    """A root with packages `a` and `b`, whose keys a test asks for."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.state = base / "state" / "deeper"
        self.programs = base / "programs"
        for directory in (self.root / "packages/a", self.root / "packages/b", self.programs):
            directory.mkdir(parents=True)
        self.environ = {"PATH": str(self.programs)}

    def lock(self, text: str = LOCK) -> None:
        (self.root / "uv.lock").write_text(text)

    def environment(self, place: str = ".venv", version: str = "3.11.7", **installed: str) -> Path:
        prefix = self.root / place
        shutil.rmtree(prefix, ignore_errors=True)
        site = prefix / "lib/python3.11/site-packages"
        site.mkdir(parents=True)
        (prefix / "pyvenv.cfg").write_text(
            f"home = /somewhere/bin\nimplementation = CPython\nversion_info = {version}\n"
        )
        for name, installed_version in installed.items():
            (site / f"{name}-{installed_version}.dist-info").mkdir()
        return prefix

    def parts(self, *names: str) -> dict[str, dict[str, str]]:
        """Parts by package name, by the name of the part."""
        context = Context(
            root=str(self.root),
            state_dir=str(self.state),
            environ=self.environ,
            cancelled=Event(),
            emit=lambda _: None,
        )
        paths = {"top": "", "a": "packages/a", "b": "packages/b", "other": "packages/b"}
        tasks = [
            (
                Task(TaskId(f"{name}#test"), name, TaskDefinition("test", "true")),
                package_at(name, paths[name]),
            )
            for name in names or ("top", "a", "b")
        ]
        contributor = PythonRuntime.open(None, context)
        found: Mapping[TaskId, Any] = contributor.parts(tasks)
        contributor.close()
        return {
            task.package: {part.name: part.value for part in found[task.id]}
            for task, _ in tasks
            if task.id in found
        }


def package_at(name: str, path: str) -> Package:
    provider = "node" if name == "other" else "python"
    own = (f"{path}/.venv/bin",) if path else ()
    return Package(name, path, provider, "", bin_directories=(*own, ".venv/bin"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands of all processes that were started."""
    commands: list[Any] = []
    real = subprocess.run

    def run(command: Any, *args: Any, **options: Any) -> Any:
        commands.append(command)
        return real(command, *args, **options)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def real_interpreter(prefix: Path) -> None:
    (prefix / "bin").mkdir(exist_ok=True)
    (prefix / "bin/python").symlink_to(os.path.realpath(sys.executable))


# --- the interpreter -------------------------------------------------------------------------


def test_only_tasks_of_python_packages_have_parts(workspace: Workspace) -> None:
    workspace.environment()
    assert set(workspace.parts("a", "other")) == {"a"}


def test_a_virtual_environment_of_another_version_is_another_key(workspace: Workspace) -> None:
    workspace.environment(version="3.11.7")
    before = workspace.parts("a")
    workspace.environment(version="3.11.8")
    assert workspace.parts("a") != before


def test_a_virtual_environment_for_another_abi_is_another_key(workspace: Workspace) -> None:
    prefix = workspace.environment()
    before = workspace.parts("a")
    (prefix / "lib/python3.11").rename(prefix / "lib/python3.11t")
    assert workspace.parts("a") != before


def test_the_place_of_an_environment_is_in_no_key(tmp_path: Path) -> None:
    one, two = Workspace(tmp_path / "one"), Workspace(tmp_path / "two")
    for workspace in (one, two):
        real_interpreter(workspace.environment(x_lib="1.0"))
    assert one.parts() == two.parts()


def test_the_environment_of_a_package_comes_before_that_of_the_root(workspace: Workspace) -> None:
    workspace.environment(version="3.11.7")
    workspace.environment("packages/a/.venv", version="3.12.1")
    found = workspace.parts()
    assert "3.12.1" in found["a"]["environment"]
    assert "3.11.7" in found["b"]["environment"]


def test_the_active_environment_is_used_where_the_workspace_has_none(
    workspace: Workspace, tmp_path: Path
) -> None:
    prefix = workspace.environment("../elsewhere", version="3.13.0")
    workspace.environ["VIRTUAL_ENV"] = str(prefix)
    assert "3.13.0" in workspace.parts("a")["a"]["environment"]


def test_without_an_environment_the_interpreter_on_the_path_counts(workspace: Workspace) -> None:
    nothing = workspace.parts("a")["a"]
    assert nothing["interpreter"] == "none"
    (workspace.programs / "python3").symlink_to(os.path.realpath(sys.executable))
    identity = workspace.parts("a")["a"]["interpreter"]
    assert sys.implementation.name in identity
    assert "{}.{}.{}".format(*sys.version_info[:3]) in identity
    assert str(sys.implementation.cache_tag) in identity


def test_an_interpreter_is_asked_once_and_again_when_it_is_another(
    workspace: Workspace, started: list[Any]
) -> None:
    real_interpreter(workspace.environment())
    first = workspace.parts()
    assert len(started) == 1
    assert workspace.parts() == first
    assert len(started) == 1
    other = workspace.programs / "python3.99"
    shutil.copy(os.path.realpath(sys.executable), other)
    (workspace.root / ".venv/bin/python").unlink()
    (workspace.root / ".venv/bin/python").symlink_to(other)
    workspace.parts()
    assert len(started) == 2


def test_environments_on_one_interpreter_ask_it_once(
    workspace: Workspace, started: list[Any]
) -> None:
    for place in (".venv", "packages/a/.venv", "packages/b/.venv"):
        real_interpreter(workspace.environment(place))
    workspace.parts()
    assert len(started) == 1


def test_a_script_that_chooses_an_interpreter_is_asked_every_time(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "TOO_FRESH", 0)
    chosen = workspace.programs / "chosen"
    script = workspace.programs / "python3"
    script.write_text(f'#!/bin/sh\nread -r answer < {chosen}\nprintf "%b" "$answer"\n')
    script.chmod(0o755)
    chosen.write_text(r"cpython\n3.11.1\ntag\n.so\n\n" + "\n")
    before = workspace.parts("a")
    chosen.write_text(r"cpython\n3.12.1\ntag\n.so\n\n" + "\n")
    assert workspace.parts("a") != before


def test_a_version_managers_stand_in_is_asked_when_it_may_choose_otherwise(
    workspace: Workspace, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "TOO_FRESH", 0)
    shim = workspace.programs / "shims/python3"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {os.path.realpath(sys.executable)} "$@"\n')
    shim.chmod(0o755)
    workspace.environ = {"PATH": str(shim.parent)}

    def asked() -> int:
        before = len(started)
        assert sys.implementation.name in workspace.parts("a")["a"]["interpreter"]
        return sum(command[0] == str(shim) for command in started[before:])

    assert (asked(), asked()) == (1, 0)
    (workspace.root / ".python-version").write_text("3.13\n")
    assert (asked(), asked()) == (1, 0)
    (workspace.root.parent / ".tool-versions").write_text("python 3.13\n")
    assert (asked(), asked()) == (1, 0)
    workspace.environ["PYENV_VERSION"] = "3.12"
    assert (asked(), asked()) == (1, 0)
    (workspace.programs / "versions").mkdir()
    assert (asked(), asked()) == (1, 0)


def test_an_interpreter_that_does_not_answer_is_an_error(workspace: Workspace) -> None:
    script = workspace.programs / "python3"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(InputError, match="python3"):
        workspace.parts("a")


# --- what is installed -----------------------------------------------------------------------


def test_what_is_installed_as_locked_adds_nothing(workspace: Workspace) -> None:
    workspace.lock()
    workspace.environment(x_lib="1.0", tool="5.0")
    for parts in workspace.parts().values():
        assert set(parts) == {"interpreter", "environment"}


def test_a_lock_file_pulled_without_installing_is_another_key_than_one_installed(
    workspace: Workspace,
) -> None:
    workspace.lock()
    workspace.environment(x_lib="0.9", tool="5.0")
    found = workspace.parts()
    assert found["a"]["installed:x-lib"] == "0.9"
    assert "installed:x-lib" not in found["b"]
    workspace.environment(x_lib="1.0", tool="5.0")
    assert workspace.parts()["a"].keys() == {"interpreter", "environment"}


def test_a_shared_tool_installed_otherwise_than_locked_counts_for_every_package(
    workspace: Workspace,
) -> None:
    workspace.lock()
    workspace.environment(x_lib="0.9", tool="4.9")
    found = workspace.parts()
    for parts in found.values():
        assert parts["installed:tool"] == "4.9"
    assert found["a"]["installed:x-lib"] == "0.9"


def test_what_is_locked_and_not_installed_counts(workspace: Workspace) -> None:
    workspace.lock()
    workspace.environment(tool="5.0")
    assert workspace.parts()["a"]["missing"] == "x-lib"
    assert "missing" not in workspace.parts()["b"]


def test_nothing_is_missing_where_there_is_no_environment(workspace: Workspace) -> None:
    workspace.lock()
    assert set(workspace.parts("a")["a"]) == {"interpreter"}


def test_which_of_several_locked_versions_is_installed_counts(workspace: Workspace) -> None:
    workspace.lock(LOCK.replace('    { name = "x-lib" },\n', '    { name = "forked" },\n'))
    workspace.environment(forked="1", tool="5.0")
    assert workspace.parts()["a"]["installed:forked"] == "1"
    workspace.environment(forked="2", tool="5.0")
    assert workspace.parts()["a"]["installed:forked"] == "2"


def test_other_spellings_of_a_version_are_no_difference(workspace: Workspace) -> None:
    workspace.lock(LOCK.replace('version = "5.0"', 'version = "5.0.0rc1"'))
    workspace.environment(x_lib="1.0", tool="5.0.0-rc.1")
    assert "installed:tool" not in workspace.parts()["b"]


def test_without_a_lock_file_everything_installed_counts(workspace: Workspace) -> None:
    workspace.environment(x_lib="1.0")
    before = workspace.parts("a")["a"]["installed"]
    workspace.environment(x_lib="1.1")
    assert workspace.parts("a")["a"]["installed"] != before


def test_with_a_broken_lock_file_everything_installed_counts(workspace: Workspace) -> None:
    workspace.lock("<<<<<<<")
    workspace.environment(x_lib="1.0")
    before = workspace.parts("a")["a"]["installed"]
    workspace.environment(x_lib="1.1")
    assert workspace.parts("a")["a"]["installed"] != before


def test_a_package_outside_of_the_lock_file_is_compared_as_the_root_is(
    workspace: Workspace,
) -> None:
    workspace.lock(LOCK.replace('editable = "packages/b"', 'editable = "packages/gone"'))
    workspace.environment(x_lib="1.0", tool="4.9")
    assert workspace.parts()["b"]["installed:tool"] == "4.9"


def test_an_environment_of_its_own_is_compared_for_its_package_alone(workspace: Workspace) -> None:
    workspace.lock()
    workspace.environment(x_lib="1.0", tool="5.0")
    workspace.environment("packages/a/.venv", x_lib="0.9", tool="5.0")
    found = workspace.parts()
    assert found["a"]["installed:x-lib"] == "0.9"
    assert found["top"].keys() == {"interpreter", "environment"}


def test_an_active_environment_of_one_package_is_compared_for_others_too(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "TOO_FRESH", 0)
    edge = 'dependencies = [\n    { name = "x-lib" },\n]\n'
    workspace.lock(LOCK.replace('"packages/b" }\n', f'"packages/b" }}\n{edge}'))
    prefix = workspace.environment("packages/a/.venv", x_lib="0.9", tool="5.0")
    workspace.environ["VIRTUAL_ENV"] = str(prefix)
    for name in ("a", "b"):
        assert workspace.parts(name)[name]["installed:x-lib"] == "0.9"


def test_the_comparison_is_remembered_while_nothing_changes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "TOO_FRESH", 0)
    workspace.lock()
    workspace.environment(x_lib="0.9", tool="5.0")
    before = workspace.parts()

    def refuse(*_: Any) -> None:
        pytest.fail("the lock file was parsed again")

    with monkeypatch.context() as patched:
        patched.setattr("bao_workspace_python.locks.remembered.make_table", refuse)
        assert workspace.parts() == before
        # Fewer packages, asked for in another order, get the same answers.
        assert workspace.parts("b")["b"] == before["b"]
    workspace.environment(x_lib="0.8", tool="5.0")
    assert workspace.parts()["a"]["installed:x-lib"] == "0.8"
    workspace.lock(
        LOCK.replace('name = "x-lib"\nversion = "1.0"', 'name = "x-lib"\nversion = "0.8"')
    )
    assert "installed:x-lib" not in workspace.parts()["a"]


def test_a_lock_file_that_just_changed_is_not_trusted_to_stay(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "TOO_FRESH", 10**18)
    workspace.lock()
    workspace.environment(x_lib="0.9", tool="5.0")
    workspace.parts()
    asked: list[None] = []

    def parse(*args: Any) -> Any:
        asked.append(None)
        return real(*args)

    from bao_workspace_python.locks import remembered

    real = remembered.make_table
    monkeypatch.setattr(remembered, "make_table", parse)
    workspace.parts()
    assert asked


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"differences":3}', b"\xff\xfe"])
def test_a_damaged_memory_costs_time_and_nothing_else(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    monkeypatch.setattr(answers, "TOO_FRESH", 0)
    workspace.lock()
    workspace.environment(x_lib="0.9", tool="5.0")
    before = workspace.parts()
    (workspace.state / "python-runtime.json").write_bytes(damage)
    assert workspace.parts() == before


def test_a_memory_that_cannot_be_written_costs_time_and_nothing_else(workspace: Workspace) -> None:
    workspace.state.parent.mkdir(parents=True, exist_ok=True)
    workspace.state.write_text("a file where the directory should be")
    workspace.lock()
    workspace.environment(x_lib="0.9", tool="5.0")
    assert workspace.parts()["a"]["installed:x-lib"] == "0.9"
