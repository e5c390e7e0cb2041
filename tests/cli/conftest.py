"""Workspaces that the command-line tests start from."""

from __future__ import annotations

import os
from typing import Any

import pytest

BUILD = 'echo "$BAO_TASK" >> "$LEDGER"; mkdir -p dist; cat src/* > dist/out.txt'
NOTE = 'echo "$BAO_TASK" >> "$LEDGER"'

ROOT_CONFIG = f"""
global_pass_through_env = ["LEDGER"]

[workspace]
packages = ["packages/*"]

[tasks.build]
command = '{BUILD}'
depends_on = ["^build"]
outputs = ["dist/**"]

[tasks.test]
command = '{NOTE}; cat dist/out.txt'
depends_on = ["build"]
"""


@pytest.fixture
def two_packages() -> dict[str, str]:
    """`app` depends on `lib`; both are built by concatenating their sources."""
    return {
        "bao.toml": ROOT_CONFIG,
        ".gitignore": "dist/\n",
        "packages/lib/bao.toml": 'name = "lib"\n',
        "packages/lib/src/a.txt": "lib a\n",
        "packages/lib/src/b.txt": "lib b\n",
        "packages/app/bao.toml": 'name = "app"\ndependencies = ["lib"]\n',
        "packages/app/src/main.txt": "app main\n",
    }


@pytest.fixture
def pair(repo: Any, two_packages: dict[str, str]) -> Any:
    """`app` and `lib`, committed."""
    repo.write(two_packages)
    repo.commit()
    return repo


@pytest.fixture
def topic(pair: Any) -> Any:
    """`pair` with an independent package, on a branch that starts at `main`."""
    pair.write({"packages/other/bao.toml": 'name = "other"\n', "packages/other/src/o.txt": "o\n"})
    pair.commit()
    pair.git("checkout", "-q", "-b", "topic")
    return pair


class Gate:
    """Holds a task's command at a point until the test lets it go on."""

    HOLD = 'echo here > "$GATE/started"; cat "$GATE/go" > "$GATE/null"'

    def __init__(self, repo: Any) -> None:
        self.directory = repo.base / "gate"
        self.directory.mkdir()
        os.mkfifo(self.directory / "started")
        os.mkfifo(self.directory / "go")
        repo.env["GATE"] = str(self.directory)

    def wait(self) -> None:
        """Block until the command has come to the point."""
        (self.directory / "started").read_text()

    def open(self) -> None:
        """Let the command go on."""
        (self.directory / "go").write_text("go")


@pytest.fixture
def gate(repo: Any) -> Gate:
    """A gate for tasks that run `Gate.HOLD`."""
    return Gate(repo)
