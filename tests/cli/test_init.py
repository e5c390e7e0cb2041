"""`bao init` writes a configuration that means what it says, and never over another one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.session import Session

if TYPE_CHECKING:
    from tests.conftest import Repo

pytest.importorskip("bao_workspace_node")

REALWORLD = Path(__file__).resolve().parents[3] / "shared" / "realworld"
ROOT = {
    "package.json": '{"name": "root", "private": true, "packageManager": "npm@10.0.0", '
    '"workspaces": ["packages/*"], "scripts": {"fmt": "echo x >> $LEDGER"}}',
}
A = '{"name": "a", "version": "1.0.0", "scripts": {"build": "echo x >> $LEDGER", "dev": "sleep 9"}}'
B = (
    '{"name": "b", "version": "1.0.0", "dependencies": {"a": "*"}, '
    '"scripts": {"build": "echo x >> $LEDGER", "test": "echo x >> $LEDGER"}}'
)
PACKAGES = {**ROOT, "packages/a/package.json": A, "packages/b/package.json": B}

RESULT_FIELDS = (
    "command depends_on beside outputs env pass_through_env cache clean persistent interactive "
    "output_logs tags"
).split()
"""What of a definition must be the same, written in bao.toml or read from turbo.json."""


def test_a_first_configuration_has_a_table_for_each_script(repo: Repo) -> None:
    repo.write(PACKAGES)
    repo.commit()
    repo.ok("init")
    assert json.loads(repo.ok("config", "--json").out)["config"]["tasks"] == {
        "build": {"depends_on": ["^build"], "cache": False},
        "test": {"depends_on": ["^build"]},
        "dev": {"persistent": True},
    }


def test_a_first_configuration_keeps_no_result_whose_outputs_nobody_declared(repo: Repo) -> None:
    repo.write(PACKAGES)
    repo.commit()
    repo.ok("init")
    repo.ok("run", "build", "--env-mode=loose")
    repo.ok("run", "build", "--env-mode=loose")
    assert len(repo.ran()) == 4
    repo.ok("run", "test", "--env-mode=loose")
    repo.ok("run", "test", "--env-mode=loose")
    assert len(repo.ran()) == 3, "b's test once, a's build twice"


def test_a_workspace_without_scripts_gets_tables_to_fill_in(repo: Repo) -> None:
    repo.write(
        {"package.json": '{"name": "single", "version": "1.0.0"}', "package-lock.json": "{}"}
    )
    repo.ok("init")
    assert "[tasks.build]" in repo.read("bao.toml")
    repo.ok("ls")


@pytest.mark.parametrize(
    "files",
    [
        {"bao.toml": "# mine\n"},
        {"package.json": ROOT["package.json"].replace("{", '{"bao": {"tasks": {}}, ', 1)},
    ],
)
def test_a_workspace_that_is_configured_is_left_alone(repo: Repo, files: dict[str, str]) -> None:
    repo.write({**PACKAGES, **files})
    before = repo.git("status", "--porcelain")
    for arguments in (["init"], ["init", "--from-turbo"]):
        result = repo.bao(*arguments)
        assert result.code != 0
        assert "configured here already" in result.err
        assert next(iter(files)) in result.err
    assert repo.git("status", "--porcelain") == before


def test_translating_without_a_turbo_json_says_so(repo: Repo) -> None:
    repo.write(PACKAGES)
    result = repo.bao("init", "--from-turbo")
    assert result.code != 0
    assert "no turbo.json" in result.err
    assert not repo.exists("bao.toml")


def test_beside_a_turbo_json_init_points_to_the_translation(repo: Repo) -> None:
    repo.write({**PACKAGES, "turbo.json": '{"tasks": {"build": {}}}'})
    result = repo.bao("init")
    assert result.code != 0
    assert "bao init --from-turbo" in result.err
    assert not repo.exists("bao.toml")


def told(repo: Repo) -> dict[str, Any]:
    """What every task that has a command comes to."""
    session = Session.open(str(repo.root), repo.env)
    tasks: dict[str, Any] = {
        f"{package}#{name}": {
            **{field: getattr(definition, field) for field in RESULT_FIELDS},
            "output_logs": definition.output_logs or "full",
        }
        for package, definitions in session.definitions.items()
        for name, definition in definitions.items()
        if package != "*" and definition.command is not None and definition.configured
    }
    session.close()
    return tasks


def graph_of(repo: Repo, task: str) -> dict[str, Any]:
    records = repo.ok("run", task, "--dry-run=json").json["tasks"]
    return {
        record["id"]: (record["command"], record["dependencies"], sorted(record["inputs"]))
        for record in records
        if record["command"] is not None
    }


def assert_means_the_same(repo: Repo, *tasks: str) -> None:
    before = told(repo)
    graphs = {task: graph_of(repo, task) for task in tasks}
    repo.ok("init", "--from-turbo")
    # Packages of other kinds, which turbo knows nothing of, take part from now on.
    packages = {task_id.rpartition("#")[0] for task_id in before}
    after = {id_: task for id_, task in told(repo).items() if id_.rpartition("#")[0] in packages}
    assert after == before
    for task, graph in graphs.items():
        found = graph_of(repo, task)
        after = {id_: found[id_] for id_ in found if id_.rpartition("#")[0] in packages}
        # turbo also takes what packages would need for a task that they do not have.
        common = {id_: known for id_, known in graph.items() if id_ in after}
        assert {id_ for id_ in before if id_.endswith(f"#{task}")} <= set(after)
        for inputs in (*common.values(), *after.values()):
            for name in ("turbo.json", "bao.toml", "../../turbo.json", "../../bao.toml"):
                if name in inputs[2]:
                    inputs[2].remove(name)
        assert after == common


def test_a_translated_turbo_json_means_the_same(repo: Repo) -> None:
    repo.write(
        {
            **PACKAGES,
            "packages/c/package.json": B.replace('"b"', '"c"'),
            "packages/c/turbo.json": '{"extends": ["//"], "tasks": '
            '{"build": {"dependsOn": ["$TURBO_EXTENDS$", "test"], "env": ["C"]}, '
            '"test": {"dependsOn": [], "inputs": ["src/**", "!src/x"]}}}',
            "packages/c/src/x": "",
            "packages/c/src/y": "",
            "tsconfig.json": "{}",
            "turbo.json": """{
              // everything that can be said
              "globalDependencies": ["tsconfig.json"], "globalEnv": ["MODE"],
              "globalPassThroughEnv": ["TOKEN"],
              "tasks": {
                "build": {"dependsOn": ["^build"], "outputs": ["dist/**", "!dist/x/**"],
                          "inputs": ["$TURBO_DEFAULT$", "!README.md"]},
                "test": {"dependsOn": ["build"], "env": ["X_*", "!X_Y"], "outputLogs": "new-only"},
                "b#test": {"cache": false, "passThroughEnv": ["AWS_*"]},
                "dev": {"persistent": true, "cache": false, "with": ["b#build"]},
                "//#fmt": {"inputs": ["$TURBO_ROOT$/tsconfig.json"]},
              },
            }""",
        }
    )
    repo.commit()
    assert_means_the_same(repo, "build", "test", "fmt")


@pytest.mark.parametrize("name", ["hono-middleware", "supermemory"])
def test_a_real_turbo_json_translated_means_the_same(repo: Repo, name: str) -> None:
    if not REALWORLD.is_dir():
        pytest.skip("the real workspaces are not beside this checkout")
    bundle = REALWORLD / name / "history.bundle"
    subprocess.run(
        ["git", "clone", "-q", "-b", "head", bundle, repo.root / "clone"], env=repo.env, check=True
    )
    repo.root = repo.root / "clone"
    tasks = {task_id.rpartition("#")[2] for task_id in told(repo)} - {"dev"}
    assert len(tasks) > 1
    assert_means_the_same(repo, *sorted(tasks))
