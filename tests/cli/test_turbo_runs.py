"""Whole runs in a workspace that only a `turbo.json` configures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

pytest.importorskip("bao_workspace_node")

MANIFEST = '{"name": "NAME", "version": "1.0.0", "scripts": {"build": "echo NAME >> $LEDGER"}}'
FILES = {
    "package.json": '{"private": true, "packageManager": "npm@10.0.0", "workspaces": ["p/*"], '
    '"devDependencies": {"tool": "*"}}',
    "turbo.json": '{"globalPassThroughEnv": ["LEDGER"], "tasks": {"build": {}}}',
    **{f"p/{name}/package.json": MANIFEST.replace("NAME", name) for name in ("a", "b", "tool")},
    "p/tool/index.js": "1",
}


def test_files_of_what_the_root_depends_on_are_part_of_every_key(repo: Repo) -> None:
    repo.write(FILES)
    repo.commit()
    repo.ok("run", "build")
    assert sorted(repo.ran()) == ["a", "b", "tool"]
    repo.ok("run", "build")
    assert repo.ran() == []
    repo.write({"p/tool/index.js": "2"})
    repo.ok("run", "build")
    assert sorted(repo.ran()) == ["a", "b", "tool"]
    repo.write({"p/tool/index.js": "3"})
    why = repo.plan("build")["a#build"]["why"]
    assert why == ["files of dependency tool changed"]


def test_a_python_package_beside_the_workspace_is_none_of_it(repo: Repo) -> None:
    python = '[project]\nname = "snake"\nversion = "1"\n'
    repo.write({**FILES, "py/snake/pyproject.toml": python})
    repo.commit()
    names = [package["name"] for package in repo.ok("ls", "--json").json["packages"]]
    assert names == ["a", "b", "tool"]


def test_only_what_was_asked_for_is_run_and_not_cached_without_what_it_needs(repo: Repo) -> None:
    tasks = '{"tasks": {"build": {"dependsOn": ["//#first"], "passThroughEnv": ["LEDGER"]}, '
    root = FILES["package.json"].replace("{", '{"scripts": {"first": "echo first >> $LEDGER"}, ', 1)
    repo.write({**FILES, "package.json": root, "turbo.json": tasks + '"//#first": {}}}'})
    repo.commit()
    repo.ok("run", "build", "--only", "--filter=a")
    assert repo.ran() == ["a"]
    assert repo.plan("build", "--only", "--filter=a")["a#build"]["cache"] == "off"


def test_inside_a_package_a_run_means_that_package(repo: Repo) -> None:
    repo.write(FILES)
    repo.commit()
    repo.ok("run", "build", cwd="p/b")
    assert repo.ran() == ["b"]
