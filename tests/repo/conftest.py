"""The example workspace in a git repository of its own, and the real command to run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIM = """#!/bin/sh
echo "{name} $PWD" >> {log}
exec {real} "$@"
"""


class Acme:
    """A copy of examples/acme with a cache of its own; tells which programs its tasks started."""

    def __init__(self, place: Path) -> None:
        self.root = place / "acme"
        self._log = place / "started"
        shutil.copytree(
            ROOT / "examples" / "acme",
            self.root,
            ignore=shutil.ignore_patterns("dist", "__pycache__", ".venv", "node_modules"),
        )
        shims = place / "shims"
        shims.mkdir()
        for name in ("python3", "sed", "grep"):
            real = sys.executable if name == "python3" else shutil.which(name)
            shim = shims / name
            shim.write_text(SHIM.format(name=name, real=real, log=self._log))
            shim.chmod(0o755)
        home = place / "home"
        home.mkdir()
        self.environ = {
            "PATH": f"{shims}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "BAO_CACHE_DIR": str(place / "cache"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self.git("init", "-q", "-b", "main")
        self.commit("A shop")

    def git(self, *words: str) -> str:
        """Run git in the workspace; what it printed."""
        return subprocess.run(
            ("git", "-c", "user.name=test", "-c", "user.email=test@example.org", *words),
            cwd=self.root,
            env=self.environ,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "-q", "-m", message)

    def bao(self, *words: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the real command and expect an exit code."""
        done = subprocess.run(
            (str(Path(sys.executable).with_name("bao")), *words),
            cwd=self.root,
            env={**self.environ, **variables},
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def started(self) -> dict[str, int]:
        """How many programs tasks have started since the last call, by `package program`.

        What is started at the root is not a task but bao, which asks an interpreter for its name.
        """
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        started = ((Path(place), name) for name, place in (line.split(" ", 1) for line in lines))
        return dict(
            Counter(f"{place.name} {name}" for place, name in started if place != self.root)
        )

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace some text that must be there in a file."""
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def outputs(self) -> dict[str, bytes]:
        """Every built file with its content."""
        files = (path for path in self.root.glob("packages/*/dist/**/*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in sorted(files)}


@pytest.fixture
def acme(tmp_path: Path) -> Acme:
    """A fresh copy of the example."""
    return Acme(tmp_path)
