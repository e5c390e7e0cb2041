"""The tools that are compared: how each is installed, started, and asked what it did."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

TURBO = "2.11.11"
"""The version of turbo that the ratios in the documentation are about."""


class Tool(ABC):
    """A task runner.

    Attributes:
        name: What the table calls it.
        environ: The environment it is started with.
    """

    name: str

    def __init__(self, home: Path) -> None:
        kept = ("PATH", "LANG", "TMPDIR")
        self.environ = {name: os.environ[name] for name in kept if name in os.environ}
        self.environ["HOME"] = str(home)

    @abstractmethod
    def build(self) -> list[str]:
        """The command that builds everything."""

    @abstractmethod
    def hits(self, printed: str) -> int | None:
        """How many tasks the tool says were hits; None where its output does not say."""


class Bao(Tool):
    """bao, as installed beside the interpreter that runs the benchmark."""

    name = "bao"

    def __init__(self, home: Path, command: str | None = None) -> None:
        super().__init__(home)
        self._command = command or str(Path(sys.executable).with_name("bao"))
        self.environ["BAO_CACHE_DIR"] = str(home / "bao-cache")

    def build(self) -> list[str]:
        """The command that builds everything."""
        return [self._command, "run", "build"]

    def hits(self, printed: str) -> int | None:
        """Bao is asked by `planned_hits`; what it prints for people may change."""
        del printed
        return None

    def planned_hits(self, root: Path) -> int:
        """How many tasks would be hits now."""
        done = subprocess.run(
            [*self.build(), "--dry-run=json"],
            cwd=root,
            env=self.environ,
            check=True,
            capture_output=True,
        )
        return sum(task["cache"] == "hit" for task in json.loads(done.stdout)["tasks"])

    def phases(self, root: Path) -> dict[str, float]:
        """Milliseconds by phase of one run, in the order in which they came."""
        log = Path(self.environ["HOME"]) / "phases.jsonl"
        log.unlink(missing_ok=True)
        environ = {**self.environ, "BAO_PHASES": str(log)}
        subprocess.run(self.build(), cwd=root, env=environ, check=True, capture_output=True)
        if not log.exists():
            return {}
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return {line["phase"]: line["ms"] for line in lines}


NPM_STAND_IN = r"""#!/bin/sh
# Runs a script of the package as `npm run` does, without the second that npm takes for it.
exec sh -c "$(sed -n "s/^ *\"$2\": \"\(.*\)\",*$/\1/p" package.json)"
"""


class Turbo(Tool):
    """turbo's native binary, without the launcher that npm puts before it.

    It starts every script through npm. While caches are primed, a stand-in for npm runs the
    scripts; no measured run starts either.
    """

    name = "turbo"

    def __init__(self, home: Path, version: str = TURBO) -> None:
        super().__init__(home)
        self._binary = install_turbo(home / "turbo", version)
        stand_in = home / "bin" / "npm"
        stand_in.parent.mkdir()
        stand_in.write_text(NPM_STAND_IN)
        stand_in.chmod(0o755)
        self.environ["PATH"] = f"{stand_in.parent}{os.pathsep}{self.environ['PATH']}"
        # Nothing is sent, asked or started beside the run itself.
        self.environ |= {
            "TURBO_TELEMETRY_DISABLED": "1",
            "DO_NOT_TRACK": "1",
            "TURBO_NO_UPDATE_NOTIFIER": "1",
        }

    def build(self) -> list[str]:
        """The command that builds everything."""
        return [self._binary, "run", "build", "--no-daemon", "--ui=stream"]

    def hits(self, printed: str) -> int | None:
        """What turbo counts itself, on the line `Cached: 1000 cached, 1000 total`."""
        found = re.search(r"Cached:\s+(\d+) cached", printed)
        return int(found.group(1)) if found else None


def install_turbo(place: Path, version: str = TURBO) -> str:
    """Fetch turbo's native binary from npm, unless it is there already; returns its path.

    Raises:
        SystemExit: There is no npm, or it could not fetch turbo.
    """
    system = {"Linux": "linux", "Darwin": "darwin"}[platform.system()]
    arch = "arm64" if platform.machine() in {"aarch64", "arm64"} else "64"
    package = f"@turbo/{system}-{arch}"
    binary = place / "node_modules" / package / "bin" / "turbo"
    if binary.exists():
        return str(binary)
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not here, which fetches turbo; with --alone only bao is measured")
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        (npm, "install", "--no-save", "--prefix", str(place), f"{package}@{version}"),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"npm could not fetch {package}@{version}: {done.stderr.strip()}")
    return str(binary)
