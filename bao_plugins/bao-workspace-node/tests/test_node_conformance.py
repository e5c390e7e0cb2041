"""The Node plugin keeps what every workspace provider and key contributor promises."""

from __future__ import annotations

import json

import pytest
from bao_workspace_node.contributor import NodeRuntime
from bao_workspace_node.provider import NodeWorkspace

from bao_core.model import Package
from bao_core.testing.keys import KeyContributorSuite, example_task
from bao_core.testing.workspace import WorkspaceProviderSuite

LOCK = {
    "name": "root",
    "lockfileVersion": 3,
    "requires": True,
    "packages": {
        "": {"name": "root", "workspaces": ["packages/*"]},
        "node_modules/app": {"resolved": "packages/app", "link": True},
        "node_modules/lib": {"resolved": "packages/lib", "link": True},
        "node_modules/outside": {"version": "2.0.0", "integrity": "sha512-x"},
        "packages/app": {"version": "1.0.0", "dependencies": {"lib": "*", "outside": "^2.0.0"}},
        "packages/lib": {"version": "1.0.0"},
    },
}
APP = {"name": "app", "version": "1.0.0", "dependencies": {"lib": "*", "outside": "^2.0.0"}}
ROOT = {"name": "root", "packageManager": "npm@10.0.0", "workspaces": ["packages/*"]}
WORKSPACE = {
    "package.json": json.dumps(ROOT),
    "packages/app/package.json": json.dumps({**APP, "scripts": {"build": "make"}}),
    "packages/lib/package.json": json.dumps({"name": "lib", "version": "1.0.0"}),
    "package-lock.json": json.dumps(LOCK, indent=1),
}


class TestNodeWorkspace(WorkspaceProviderSuite):
    component = NodeWorkspace
    expected = {"//": "", "app": "packages/app", "lib": "packages/lib"}  # noqa: RUF012 - as authors write it

    @pytest.fixture
    def files(self):
        return WORKSPACE


class TestNodeRuntime(KeyContributorSuite):
    component = NodeRuntime

    @pytest.fixture
    def files(self):
        return WORKSPACE

    @pytest.fixture
    def tasks(self):
        app = Package("app", "packages/app", "node", "packages/app/package.json")
        other = Package("py", "packages/py", "python", "packages/py/pyproject.toml")
        return [example_task(app), example_task(app, "test"), example_task(other)]

    @pytest.fixture
    def changes(self):
        def use_another_manager(root) -> None:
            manifest = {**ROOT, "packageManager": "npm@11.0.0"}
            (root / "package.json").write_text(json.dumps(manifest))

        return {"the package manager": use_another_manager}
