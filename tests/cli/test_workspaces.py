"""Workspaces of both kinds, with and without configuration, and what is remembered of them."""

from __future__ import annotations

import json
from typing import Any


def node(name: str, build: str = "", **more: Any) -> str:
    scripts = {"build": build} if build else {}
    return json.dumps({"name": name, "version": "1.0.0", "scripts": scripts, **more})


def note(word: str) -> str:
    return f"echo {word} >> $LEDGER"


def plain_node(repo: Any) -> None:
    """`app` depends on `lib`; no configuration at all but the variable that tests need."""
    repo.write(
        {
            "package.json": json.dumps({"private": True, "workspaces": ["packages/*"]}),
            "packages/lib/package.json": node("lib", note("lib")),
            "packages/app/package.json": node("app", note("app"), dependencies={"lib": "*"}),
            "packages/other/package.json": node("other"),
        }
    )
    repo.commit()


def test_without_configuration_builds_run_after_their_dependencies_builds(repo: Any) -> None:
    plain_node(repo)
    repo.ok("run", "build", "--env-mode=loose")
    assert repo.ran() == ["lib", "app"]


def test_what_nobody_declared_outputs_for_is_not_taken_from_the_cache(repo: Any) -> None:
    plain_node(repo)
    repo.ok("run", "build", "--env-mode=loose")
    repo.ok("run", "build", "--env-mode=loose")
    assert repo.ran() == ["lib", "app", "lib", "app"]


def test_a_configured_script_is_cached(repo: Any) -> None:
    plain_node(repo)
    repo.write(
        {
            "bao.toml": """
global_pass_through_env = ["LEDGER"]
[tasks.build]
depends_on = ["^build"]
"""
        }
    )
    repo.ok("run", "build")
    repo.ok("run", "build")
    assert repo.ran() == ["lib", "app"]


def mixed(repo: Any) -> None:
    repo.write(
        {
            "bao.toml": """
global_pass_through_env = ["LEDGER"]
[tasks.build]
depends_on = ["^build"]
[packages.service]
dependencies = ["web"]
""",
            "package.json": json.dumps({"private": True, "workspaces": ["js/*"]}),
            "js/web/package.json": node("web", note("web")),
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["py/*"]\n',
            "py/core/pyproject.toml": """
[project]
name = "core"
version = "1"
[tool.bao.tasks.build]
command = "echo core >> $LEDGER"
""",
            "py/service/pyproject.toml": """
[project]
name = "service"
version = "1"
dependencies = ["core"]
[tool.uv.sources]
core = { workspace = true }
[tool.bao.tasks.build]
command = "echo service >> $LEDGER"
""",
        }
    )
    repo.commit()


def test_both_kinds_stand_in_one_repository_and_depend_on_each_other(repo: Any) -> None:
    mixed(repo)
    repo.ok("run", "build", "-j1")
    ran = repo.ran()
    assert sorted(ran) == ["core", "service", "web"]
    assert ran[-1] == "service"
    repo.write({"js/web/index.js": "1"})
    repo.ok("run", "build", "-j1")
    assert repo.ran() == ["web", "service"]


def test_a_change_reaches_across_kinds_in_what_is_affected(repo: Any) -> None:
    mixed(repo)
    repo.git("checkout", "-q", "-b", "topic")
    repo.write({"js/web/index.js": "1"})
    listed = repo.ok("ls", "--affected", "--since=main", "--json").json["packages"]
    assert [package["name"] for package in listed] == ["service", "web"]
    assert listed[1]["reasons"][0]["text"] == "index.js added"


# --- what is remembered -----------------------------------------------------------------------


def names(repo: Any) -> list[str]:
    return [package["name"] for package in repo.ok("ls", "--json").json["packages"]]


def test_a_new_package_is_found_though_the_workspace_was_remembered(repo: Any) -> None:
    plain_node(repo)
    assert names(repo) == ["app", "lib", "other"]
    repo.write({"packages/new/package.json": node("new")})
    assert names(repo) == ["app", "lib", "new", "other"]
    repo.write({"packages/new/package.json": None})
    assert names(repo) == ["app", "lib", "other"]


def test_a_changed_manifest_counts_though_the_workspace_was_remembered(repo: Any) -> None:
    plain_node(repo)
    names(repo)
    repo.write({"packages/other/package.json": node("renamed", dependencies={"app": "*"})})
    listed = repo.ok("ls", "--json").json["packages"]
    assert {p["name"]: p["dependencies"] for p in listed}["renamed"] == ["app"]


def test_a_changed_configuration_counts_though_the_workspace_was_remembered(repo: Any) -> None:
    plain_node(repo)
    repo.write({"bao.toml": '[tasks.build]\ncommand = "exit 3"\n'})
    assert repo.bao("run", "build").code == 3
    repo.write({"bao.toml": '[tasks.build]\ncommand = "exit 4"\n'})
    assert repo.bao("run", "build").code == 4
    repo.write({"packages/lib/bao.toml": '[tasks.build]\ncommand = "exit 5"\n'})
    assert repo.bao("run", "lib#build").code == 5


def test_disabling_a_plugin_counts_though_the_workspace_was_remembered(repo: Any) -> None:
    mixed(repo)
    assert names(repo) == ["core", "service", "web"]
    # Without the Node workspace there is no `web` for `service` to depend on.
    result = repo.bao("ls", "--json", env={"BAO_DISABLE_PLUGINS": "workspace-node"})
    assert result.code != 0
    assert "web" in result.err
    assert names(repo) == ["core", "service", "web"]


def test_an_edit_that_keeps_size_and_time_of_a_manifest_counts(repo: Any) -> None:
    import os

    plain_node(repo)
    names(repo)
    path = repo.root / "packages/other/package.json"
    before = path.stat()
    path.write_text(path.read_text().replace("other", "outer"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(repo) == ["app", "lib", "outer"]


# --- locks ------------------------------------------------------------------------------------


def lock(version: str, tool: str) -> str:
    return json.dumps(
        {
            "name": "root",
            "lockfileVersion": 3,
            "packages": {
                "": {"workspaces": ["packages/*"], "devDependencies": {"tool": "*"}},
                "node_modules/lib": {"resolved": "packages/lib", "link": True},
                "node_modules/app": {"resolved": "packages/app", "link": True},
                "node_modules/dep": {"version": version},
                "node_modules/tool": {"version": tool, "dev": True},
                "packages/lib": {"name": "lib", "version": "1.0.0", "dependencies": {"dep": "*"}},
                "packages/app": {"name": "app", "version": "1.0.0"},
            },
        }
    )


def locked(repo: Any) -> None:
    repo.write(
        {
            "bao.toml": 'global_pass_through_env = ["LEDGER"]\n[tasks.build]\n',
            "package.json": json.dumps(
                {"private": True, "workspaces": ["packages/*"], "devDependencies": {"tool": "*"}}
            ),
            "package-lock.json": lock("1.0.0", "1.0.0"),
            "packages/lib/package.json": node("lib", note("lib"), dependencies={"dep": "*"}),
            "packages/app/package.json": node("app", note("app")),
        }
    )
    repo.commit()
    repo.ok("run", "build", "-j1")
    repo.ran()


def test_a_lock_change_reruns_only_what_can_reach_it_and_says_which_version(repo: Any) -> None:
    locked(repo)
    repo.write({"package-lock.json": lock("1.1.0", "1.0.0")})
    result = repo.ok("run", "build", "-j1")
    assert repo.ran() == ["lib"]
    assert "lock: dep 1.0.0 → 1.1.0" in result.out


def test_a_root_tool_upgraded_reruns_everything(repo: Any) -> None:
    locked(repo)
    repo.write({"package-lock.json": lock("1.0.0", "2.0.0")})
    repo.ok("run", "build", "-j1")
    assert sorted(repo.ran()) == ["app", "lib"]


def test_a_lock_file_pulled_without_installing_is_another_key_than_installed(repo: Any) -> None:
    """What is installed differs from the lock: the result belongs to what is installed."""
    locked(repo)
    installed = json.loads(lock("1.0.0", "1.0.0"))
    del installed["packages"][""]
    repo.write(
        {
            ".gitignore": "node_modules\n",
            "node_modules/.package-lock.json": json.dumps(installed),
            "package-lock.json": lock("1.1.0", "1.0.0"),
        }
    )
    repo.commit()
    repo.ok("run", "build", "-j1")
    repo.ran()
    # Now it is installed: the same lock file, but another result.
    installed["packages"]["node_modules/dep"]["version"] = "1.1.0"
    repo.write({"node_modules/.package-lock.json": json.dumps(installed)})
    repo.ok("run", "build", "-j1")
    assert "lib" in repo.ran()


def test_a_broken_lock_file_is_said_and_does_not_stop_the_run(repo: Any) -> None:
    locked(repo)
    repo.write({"package-lock.json": "{ not json"})
    result = repo.ok("run", "build", "-j1")
    assert sorted(repo.ran()) == ["app", "lib"]
    assert "package-lock.json" in result.err
