"""nx and moon, which are measured where nothing changed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from generate import Shape, dependencies, package_name, script_of
from tools import Tool

if TYPE_CHECKING:
    from pathlib import Path

NX = "24.0.6"
MOON = "2.5.5"


class Nx(Tool):
    """nx with its daemon, which watches the workspace between runs.

    Its tasks are commands that it starts itself; it takes half a second to start a script of a
    manifest.
    """

    name = "nx"
    place = "nx"
    cells = frozenset({"hits"})

    def __init__(self, home: Path, programs: Path, modules: Path) -> None:
        super().__init__(home, programs)
        self._modules = modules
        self._program = str(modules / ".bin" / "nx")
        self.environ |= {"NX_DAEMON": "true", "NX_NO_CLOUD": "true", "DO_NOT_TRACK": "1"}

    def furnish(self, root: Path, shape: Shape) -> None:
        """Write its configuration, and tasks in the manifests."""
        (root / "node_modules").symlink_to(self._modules)
        with (root / ".gitignore").open("a") as ignored:
            ignored.write("node_modules\n.nx/\n")
        build = {"cache": True, "dependsOn": ["^build"], "outputs": ["{projectRoot}/dist"]}
        settings = {"targetDefaults": {"build": build}, "analytics": False}
        (root / "nx.json").write_text(json.dumps(settings))
        for number in range(shape.packages):
            path = root / "packages" / package_name(number) / "package.json"
            manifest = json.loads(path.read_text())
            command = {"command": script_of(number), "cwd": "{projectRoot}"}
            del manifest["scripts"]
            manifest["nx"] = {
                "targets": {"build": {"executor": "nx:run-commands", "options": command}}
            }
            path.write_text(json.dumps(manifest, indent=2))

    def build(self) -> list[str]:
        """The command that builds everything."""
        return [self._program, "run-many", "-t", "build", "--outputStyle=static"]

    def hits(self, printed: str) -> int | None:
        """What nx counts itself, on the line `Cache: 10/10 hit (100%)`."""
        found = re.search(r"^ *Cache: +(\d+)/\d+ hit", printed, re.MULTILINE)
        return int(found.group(1)) if found else None

    def forget(self, root: Path) -> None:
        """Remove the cache, which is in the workspace."""
        self.close(root)
        shutil.rmtree(root / ".nx", ignore_errors=True)

    def close(self, root: Path) -> None:
        """Stop the daemon."""
        subprocess.run(
            (self._program, "daemon", "--stop"),
            cwd=root,
            env=self.environ,
            check=False,
            capture_output=True,
        )


class Moon(Tool):
    """moon's native binary."""

    name = "moon"
    place = "moon"
    cells = frozenset({"hits"})

    def __init__(self, home: Path, programs: Path, modules: Path) -> None:
        super().__init__(home, programs)
        self._program = str(next(modules.glob("@moonrepo/core-*/moon")))

    def furnish(self, root: Path, shape: Shape) -> None:
        """Write its configuration, and a file of tasks for each package."""
        with (root / ".gitignore").open("a") as ignored:
            ignored.write(".moon/cache/\n")
        (root / ".moon").mkdir()
        (root / ".moon" / "workspace.yml").write_text(
            'projects: ["packages/*"]\ntelemetry: false\nvcs: {client: git, defaultBranch: main}\n'
        )
        for number, needed in enumerate(dependencies(shape)):
            # JSON is YAML.
            task = {
                "script": script_of(number),
                "inputs": ["**/*"],
                "outputs": ["dist"],
                "deps": ["^:build"],
                "toolchains": ["system"],
            }
            project = {
                "dependsOn": [package_name(other) for other in needed],
                "tasks": {"build": task},
            }
            path = root / "packages" / package_name(number) / "moon.yml"
            path.write_text(json.dumps(project, indent=2))

    def build(self) -> list[str]:
        """The command that builds everything."""
        return [self._program, "run", ":build"]

    def hits(self, printed: str) -> int | None:
        """What moon counts itself, on the line `Tasks: 10 completed (10 cached)`."""
        found = re.search(r"^Tasks: \d+ completed(?: \((\d+) cached)?", printed, re.MULTILINE)
        return int(found.group(1) or 0) if found else None

    def forget(self, root: Path) -> None:
        """Remove the cache, which is in the workspace."""
        shutil.rmtree(root / ".moon" / "cache", ignore_errors=True)
