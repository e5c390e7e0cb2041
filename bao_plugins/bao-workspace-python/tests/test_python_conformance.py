"""The Python plugin keeps what every workspace provider and key contributor promises."""

from __future__ import annotations

import pytest
from bao_workspace_python.contributor import PythonRuntime
from bao_workspace_python.provider import PythonWorkspace

from bao_core.model import Package
from bao_core.testing.keys import KeyContributorSuite, example_task
from bao_core.testing.workspace import WorkspaceProviderSuite

MEMBER = """
[project]
name = "{name}"
version = "1.0"
dependencies = [{dependencies}]

[tool.uv.sources]
app = {{ workspace = true }}
lib = {{ workspace = true }}
"""
LOCK = """
version = 1
requires-python = ">=3.11"

[[package]]
name = "app"
version = "1.0"
source = { editable = "packages/app" }
dependencies = [
    { name = "lib" },
    { name = "outside" },
]

[[package]]
name = "lib"
version = "1.0"
source = { editable = "packages/lib" }

[[package]]
name = "outside"
version = "2.0"
source = { registry = "https://index.example/simple" }
"""
WORKSPACE = {
    "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
    "packages/app/pyproject.toml": MEMBER.format(name="app", dependencies='"lib", "outside>=1"'),
    "packages/lib/pyproject.toml": MEMBER.format(name="lib", dependencies=""),
    "uv.lock": LOCK,
}


class TestPythonWorkspace(WorkspaceProviderSuite):
    component = PythonWorkspace
    expected = {"//": "", "app": "packages/app", "lib": "packages/lib"}  # noqa: RUF012 - as authors write it

    @pytest.fixture
    def files(self):
        return WORKSPACE


class TestPythonRuntime(KeyContributorSuite):
    component = PythonRuntime

    @pytest.fixture
    def files(self):
        return WORKSPACE

    @pytest.fixture
    def tasks(self):
        app = Package("app", "packages/app", "python", "packages/app/pyproject.toml")
        other = Package("web", "packages/web", "node", "packages/web/package.json")
        return [example_task(app), example_task(app, "test"), example_task(other)]

    @pytest.fixture
    def changes(self):
        return {"the lock file": lambda root: (root / "uv.lock").unlink()}
