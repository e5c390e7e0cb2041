"""What keys hold about Node, the package manager and what is installed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_node.contributor import NodeRuntime

from bao_core import answers
from bao_core.errors import InputError
from bao_core.interfaces.component import Context
from bao_core.model import Package, Task, TaskDefinition, TaskId

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Workspace:
    """A root, whose keys a test asks for, and a PATH of its own."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.state = base / "state"
        self.programs = base / "programs"
        self.path = str(self.programs)
        for directory in (self.root, self.programs):
            directory.mkdir(parents=True)
        self.write("package.json", '{"packageManager": "npm@10.0.0"}')

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def script(self, name: str, text: str, directory: Path | None = None) -> Path:
        """A program that counts in `asked` how often it was started."""
        program = (directory or self.programs) / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho {name} >> {self.programs}/asked\n{text}\n")
        program.chmod(0o755)
        return program

    @property
    def asked(self) -> list[str]:
        ledger = self.programs / "asked"
        return ledger.read_text().split() if ledger.exists() else []

    def lock(self, name: str = "package-lock.json", **versions: str) -> None:
        self.write(name, locked(versions))

    def install(self, **versions: str) -> None:
        self.write("node_modules/.package-lock.json", locked(versions))

    def parts(self) -> dict[str, str]:
        """The parts of a package of Node's, by name."""
        return self.all_parts()["a"]

    def all_parts(self) -> dict[str, dict[str, str]]:
        context = Context(
            root=str(self.root),
            state_dir=str(self.state),
            environ={"PATH": self.path},
            cancelled=Event(),
            emit=lambda _: None,
        )
        tasks = [
            (
                Task(TaskId(f"{name}#test"), name, TaskDefinition("test", "true")),
                Package(name, name, provider, ""),
            )
            for name, provider in (("a", "node"), ("mixed", "node python"), ("other", "python"))
        ]
        contributor = NodeRuntime.open(None, context)
        found: Mapping[TaskId, Any] = contributor.parts(tasks)
        contributor.close()
        return {
            task.package: {part.name: part.value for part in found[task.id]}
            for task, _ in tasks
            if task.id in found
        }


def locked(versions: Mapping[str, str]) -> str:
    packages: dict[str, Any] = {"": {}, "packages/a": {"version": "1.0.0"}}
    for name, version in versions.items():
        packages[f"node_modules/{name}"] = {"version": version, "integrity": f"sha512-{version}"}
    return json.dumps({"lockfileVersion": 3, "packages": packages})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust files that were written just now, as tests write theirs."""
    monkeypatch.setattr(answers, "TOO_FRESH", 0)


# --- programs --------------------------------------------------------------------------------


def test_only_tasks_of_node_packages_have_parts(workspace: Workspace) -> None:
    assert set(workspace.all_parts()) == {"a", "mixed"}


def test_the_version_of_node_is_in_the_key(workspace: Workspace) -> None:
    assert workspace.parts()["node"] == "none"
    workspace.script("node", "echo v20.1.0")
    assert workspace.parts()["node"] == "v20.1.0"


def test_node_as_the_root_has_installed_it_comes_first(workspace: Workspace) -> None:
    workspace.script("node", "echo v20.1.0")
    workspace.script("node", "echo v22.0.0", workspace.root / "node_modules/.bin")
    assert workspace.parts()["node"] == "v22.0.0"


def test_a_program_is_asked_once_while_it_is_the_same(
    workspace: Workspace, remembering: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = workspace.programs / "node"
    shutil.copy(os.path.realpath(sys.executable), program)
    version = workspace.parts()["node"]
    assert version.startswith("Python ")

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("asked again")

    with monkeypatch.context() as patched:
        patched.setattr("subprocess.run", refuse)
        assert workspace.parts()["node"] == version
    program.unlink()
    workspace.script("node", "echo v20.1.0")
    assert workspace.parts()["node"] == "v20.1.0"


def test_what_chooses_a_node_is_asked_every_time(workspace: Workspace, remembering: None) -> None:
    chosen = workspace.write("../chosen", "v20.1.0\n")
    workspace.script("node", f'read -r version < {chosen}; echo "$version"')
    assert workspace.parts()["node"] == "v20.1.0"
    chosen.write_text("v22.0.0\n")
    assert workspace.parts()["node"] == "v22.0.0"


def test_a_version_managers_stand_in_is_asked_when_it_may_choose_otherwise(
    workspace: Workspace, remembering: None
) -> None:
    workspace.script("node", "echo v20.1.0", workspace.programs / "shims")
    workspace.path = str(workspace.programs / "shims")
    assert workspace.parts()["node"] == workspace.parts()["node"] == "v20.1.0"
    assert workspace.asked == ["node"]
    workspace.write(".tool-versions", "nodejs 20.1.0\n")
    assert workspace.parts()["node"] == workspace.parts()["node"] == "v20.1.0"
    assert workspace.asked == ["node"] * 2
    (workspace.programs / "installs").mkdir()
    workspace.parts()
    assert workspace.asked == ["node"] * 3


def test_a_node_that_does_not_answer_is_an_error(workspace: Workspace) -> None:
    workspace.script("node", "exit 3")
    with pytest.raises(InputError, match="node"):
        workspace.parts()


def test_the_package_manager_that_is_named_counts_as_it_is_named(workspace: Workspace) -> None:
    workspace.script("npm", "echo 1.2.3")
    workspace.write("package.json", '{"packageManager": "npm@10.1.0+sha512.abc"}')
    assert workspace.parts()["package-manager"] == "npm@10.1.0"
    assert workspace.asked == []


def test_one_that_is_not_named_is_told_by_its_lock_file_and_its_own_manifest(
    workspace: Workspace,
) -> None:
    workspace.write("package.json", "{}")
    workspace.write("yarn.lock", "")
    home = workspace.programs / "lib/yarn"
    program = workspace.script("yarn.js", "echo never", home / "bin")
    (home / "package.json").write_text('{"name": "yarn", "version": "1.22.22"}')
    (workspace.programs / "yarn").symlink_to(program)
    assert workspace.parts()["package-manager"] == "yarn@1.22.22"
    assert workspace.asked == []


def test_one_without_a_manifest_is_asked(workspace: Workspace) -> None:
    workspace.write("package.json", "{}")
    workspace.write("bun.lock", "{}")
    assert workspace.parts()["package-manager"] == "bun@none"
    workspace.script("bun", "echo 1.2.9")
    assert workspace.parts()["package-manager"] == "bun@1.2.9"
    assert workspace.parts()["bun"] == "1.2.9"


def test_what_stands_in_for_a_package_manager_is_named(workspace: Workspace) -> None:
    workspace.write("package.json", "{}")
    workspace.write("pnpm-lock.yaml", "")
    home = workspace.programs / "lib/corepack"
    program = workspace.script("pnpm.js", "echo never", home / "dist")
    (home / "package.json").write_text('{"name": "corepack", "version": "0.30.0"}')
    (workspace.programs / "pnpm").symlink_to(program)
    assert workspace.parts()["package-manager"] == "pnpm@corepack@0.30.0"


# --- what is installed -----------------------------------------------------------------------

PLAIN = {"node", "package-manager"}


def test_what_is_installed_as_locked_adds_nothing(workspace: Workspace) -> None:
    assert set(workspace.parts()) == PLAIN
    workspace.lock(x="1.0.0")
    assert set(workspace.parts()) == PLAIN
    workspace.install(x="1.0.0")
    assert set(workspace.parts()) == PLAIN


def test_a_lock_file_pulled_without_installing_is_another_key_than_one_installed(
    workspace: Workspace,
) -> None:
    workspace.lock(x="2.0.0", y="1.0.0")
    workspace.install(x="1.0.0", y="1.0.0")
    assert workspace.parts()["installed:node_modules/x"].startswith("1.0.0")
    assert "installed:node_modules/y" not in workspace.parts()
    workspace.install(x="2.0.0", y="1.0.0")
    assert set(workspace.parts()) == PLAIN


def test_other_content_of_the_same_version_counts(workspace: Workspace) -> None:
    workspace.lock(x="1.0.0")
    workspace.write(
        "node_modules/.package-lock.json", locked({"x": "1.0.0"}).replace("sha512-1", "sha512-9")
    )
    assert "installed:node_modules/x" in workspace.parts()


def test_what_is_installed_and_not_locked_counts(workspace: Workspace) -> None:
    workspace.lock()
    workspace.install(x="1.0.0")
    assert "installed:node_modules/x" in workspace.parts()


def test_what_is_linked_instead_of_installed_counts(workspace: Workspace) -> None:
    workspace.lock(x="1.0.0")
    linked = {"packages": {"node_modules/x": {"link": True, "resolved": "packages/x"}}}
    workspace.write("node_modules/.package-lock.json", json.dumps(linked))
    assert workspace.parts()["installed:node_modules/x"] == "link packages/x"
    workspace.write("package-lock.json", json.dumps({"lockfileVersion": 3, **linked}))
    assert set(workspace.parts()) == PLAIN
    linked["packages"]["node_modules/x"]["resolved"] = "packages/y"
    workspace.write("package-lock.json", json.dumps({"lockfileVersion": 3, **linked}))
    assert workspace.parts()["installed:node_modules/x"] == "link packages/x"


def test_what_is_locked_and_not_installed_counts_unless_it_is_optional(
    workspace: Workspace,
) -> None:
    workspace.lock(x="1.0.0", y="1.0.0")
    workspace.install(y="1.0.0")
    assert workspace.parts()["missing"] == "node_modules/x"
    lock = json.loads(locked({"x": "1.0.0", "y": "1.0.0"}))
    lock["packages"]["node_modules/x"]["optional"] = True
    workspace.write("package-lock.json", json.dumps(lock))
    assert set(workspace.parts()) == PLAIN


def test_many_missing_packages_differ_from_many_others(workspace: Workspace) -> None:
    def missing(names: str) -> str:
        workspace.lock(**dict.fromkeys(names, "1.0.0"))
        workspace.install()
        return workspace.parts()["missing"]

    assert missing("abcdefghijk") != missing("abcdefghijl")
    assert len(missing("abcdefghijk")) < 60


def test_a_shrinkwrap_is_what_npm_installs_from(workspace: Workspace) -> None:
    workspace.lock(x="1.0.0")
    workspace.lock("npm-shrinkwrap.json", x="2.0.0")
    workspace.install(x="2.0.0")
    assert set(workspace.parts()) == PLAIN


def test_with_a_broken_lock_file_everything_installed_counts(workspace: Workspace) -> None:
    workspace.write("package-lock.json", "<<<<<<<")
    workspace.install(x="1.0.0")
    before = workspace.parts()["installed"]
    workspace.install(x="1.1.0")
    assert workspace.parts()["installed"] != before


def test_the_comparison_is_remembered_while_nothing_changes(
    workspace: Workspace, remembering: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.lock(x="2.0.0")
    workspace.install(x="1.0.0")
    before = workspace.parts()

    def refuse(*_: Any) -> None:
        pytest.fail("compared again")

    with monkeypatch.context() as patched:
        patched.setattr("bao_workspace_node.locks.npm.decode_lock", refuse)
        assert workspace.parts() == before
    workspace.install(x="1.5.0")
    assert workspace.parts() != before
    workspace.lock(x="1.5.0")
    assert set(workspace.parts()) == PLAIN


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"differences":3}', b"\xff\xfe"])
def test_a_damaged_memory_costs_time_and_nothing_else(
    workspace: Workspace, remembering: None, damage: bytes
) -> None:
    workspace.lock(x="2.0.0")
    workspace.install(x="1.0.0")
    before = workspace.parts()
    (workspace.state / "node-runtime.json").write_bytes(damage)
    assert workspace.parts() == before
