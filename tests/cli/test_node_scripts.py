"""Scripts of a `package.json` find what package managers give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Repo

pytest.importorskip("bao_workspace_node")


def workspace(manager: str, script: str) -> dict[str, str]:
    return {
        "package.json": f'{{"packageManager": "{manager}", "workspaces": ["p/*"]}}',
        "pnpm-workspace.yaml": "packages: [p/*]\n",
        "p/a/package.json": f'{{"name": "@s/a", "version": "1.2.3", "scripts": {{{script}}}}}',
    }


@pytest.mark.parametrize(
    ("manager", "agent"),
    [
        ("npm@10.1.0", "npm/10.1.0 node/?"),
        ("pnpm@9.15.0", "pnpm/9.15.0 npm/? node/?"),
        ("yarn@4.9.2", "yarn/4.9.2 npm/? node/?"),
        ("bun@1.2.0", "bun/1.2.0 npm/? node/?"),
    ],
)
def test_a_script_is_told_what_package_managers_tell(repo: Repo, manager: str, agent: str) -> None:
    script = '"say:it": "env > out.txt"'
    repo.write(workspace(manager, script))
    repo.commit()
    repo.ok("run", "say:it")
    told = dict(line.split("=", 1) for line in repo.read("p/a/out.txt").splitlines() if "=" in line)
    assert told["npm_lifecycle_event"] == "say:it"
    assert told["npm_lifecycle_script"] == "env > out.txt"
    assert (told["npm_package_name"], told["npm_package_version"]) == ("@s/a", "1.2.3")
    assert told["npm_package_json"] == str(repo.root / "p/a/package.json")
    assert told["INIT_CWD"] == str(repo.root / "p/a")
    assert told["npm_config_user_agent"].startswith(agent)


def test_programs_of_the_package_come_before_those_of_the_root(repo: Repo) -> None:
    repo.write(
        {
            **workspace("npm@10.1.0", '"build": "which-one > out.txt"'),
            "node_modules/.bin/which-one": "#!/bin/sh\necho root\n",
            "p/a/node_modules/.bin/which-one": "#!/bin/sh\necho package\n",
        }
    )
    for program in repo.root.rglob("which-one"):
        program.chmod(0o755)
    repo.ok("run", "build")
    assert repo.read("p/a/out.txt") == "package\n"
