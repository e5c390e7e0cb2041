"""Real workspaces in git repositories of their own, and the real command run in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cached_property
from textwrap import dedent
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMIT = 120.0
"""Seconds that a command may take."""


class BaoResult:
    """A command that has ended.

    Attributes:
        code: Its exit code.
        out, err: What it wrote, as text.
        raw: Standard output as bytes.
        events: What happened, as the sink `event-log` tells it: one dictionary each, with `type`.
    """

    def __init__(
        self, done: subprocess.CompletedProcess[bytes], events: list[dict[str, Any]]
    ) -> None:
        self.code = done.returncode
        self.raw = done.stdout
        self.out = done.stdout.decode("utf-8", "surrogateescape")
        self.err = done.stderr.decode("utf-8", "surrogateescape")
        self.events = events

    @cached_property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def outcomes(self) -> dict[str, str]:
        """How each task ended, by its id."""
        return {e["id"]: e["outcome"] for e in self.events if e["type"] == "TaskFinished"}

    @property
    def warnings(self) -> list[str]:
        """What the user was warned of."""
        return [event["message"] for event in self.events if event["type"] == "WarningRaised"]

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


class BaoWorkspace:
    """A workspace with a home, a cache and a configuration of its own.

    Nothing of the machine's is read: no other home, no git configuration, none of the variables
    that bao or its plugins heed. The plugins are those that are installed beside the tests.

    Attributes:
        root: The workspace's root directory.
        base: The directory that holds everything.
        environ: The variables of every command; may be changed.
    """

    def __init__(self, base: Path, *, git: bool = True) -> None:
        self.base = base
        self.root = base / "workspace"
        self.root.mkdir(parents=True)
        self._log = base / "events"
        binaries = os.path.dirname(sys.executable)
        self.environ = {
            "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "LANG": "C.UTF-8",
            "HOME": str(base / "home"),
            "XDG_CACHE_HOME": str(base / "home" / "cache"),
            "XDG_CONFIG_HOME": str(base / "home" / "config"),
            "BAO_CACHE_DIR": str(base / "cache"),
            "BAO_EVENT_LOG": str(self._log),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org",
        }
        (base / "home").mkdir()
        if git:
            self.git("init", "-q", "-b", "main")

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files, dedented if they are text, or delete those that are None."""
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())

    def read(self, name: str) -> str:
        """A file's text."""
        return (self.root / name).read_text()

    def git(self, *words: str) -> str:
        """Run git; its standard output.

        Raises:
            subprocess.CalledProcessError: It fails.
        """
        done = subprocess.run(
            ("git", *words), cwd=self.root, env=self.environ, capture_output=True, check=True
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def commit(self, message: str = "x") -> str:
        """Commit everything; the commit's id."""
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def start(self, *words: str, cwd: str = "", **variables: str) -> subprocess.Popen[bytes]:
        """Start bao and return at once."""
        return subprocess.Popen(
            self._command(words),
            cwd=self.root / cwd,
            env={**self.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def bao(self, *words: str, cwd: str = "", **variables: str) -> BaoResult:
        """Run bao to its end.

        Args:
            words: What follows `bao`.
            cwd: Where, from the root.
            variables: More variables.
        """
        before = self._log.stat().st_size if self._log.exists() else 0
        done = subprocess.run(
            self._command(words),
            cwd=self.root / cwd,
            env={**self.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
        return BaoResult(done, self._events_after(before))

    def ok(self, *words: str, **options: str) -> BaoResult:
        """Run bao, which must succeed."""
        result = self.bao(*words, **options)
        if result.code:
            raise AssertionError(repr(result))
        return result

    def _events_after(self, size: int) -> list[dict[str, Any]]:
        if not self._log.exists():
            return []
        with self._log.open("rb") as stream:
            stream.seek(size)
            return [json.loads(line) for line in stream]

    @staticmethod
    def _command(words: tuple[str, ...]) -> tuple[str, ...]:
        program = os.path.join(os.path.dirname(sys.executable), "bao")
        return (program, *words)
