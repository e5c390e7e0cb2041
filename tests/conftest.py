"""What the tests share: real git repositories, and the real `bao` command run in them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Started in the background, tests inherit ignored signals, and so would the commands they start.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

# A busy machine is no reason for a property not to hold.
settings.register_profile("bao", deadline=None)
settings.load_profile("bao")

BAO = Path(sys.executable).with_name("bao")

CLEAN_ENVIRONMENT = {
    "PATH": f"{BAO.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    "LANG": "C.UTF-8",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


class Result:
    """A finished `bao`."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.out = done.stdout.decode("utf-8", "surrogateescape")
        self.err = done.stderr.decode("utf-8", "surrogateescape")
        self.raw = done.stdout

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


class Repo:
    """A workspace in a git repository of its own, with a cache and a home of its own.

    Commands of tasks prove that they ran by a line in `self.ledger`, which lies outside of the
    workspace: `echo x >> $LEDGER`.
    """

    def __init__(self, base: Path, *, git: bool = True) -> None:
        self.base = base
        self.root = base / "workspace"
        self.root.mkdir(parents=True)
        self.ledger = base / "ledger"
        self.ledger.touch()
        self.env = {
            **CLEAN_ENVIRONMENT,
            "HOME": str(base / "home"),
            "BAO_CACHE_DIR": str(base / "cache"),
            "LEDGER": str(self.ledger),
        }
        if git:
            self.git("init", "-q", "-b", "main")

    def write(self, files: dict[str, str | bytes | None]) -> None:
        """Write files, or delete those that are None."""
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def read(self, name: str) -> str:
        """A file's text."""
        return (self.root / name).read_text()

    def exists(self, name: str) -> bool:
        """Whether something stands there."""
        return os.path.lexists(self.root / name)

    def git(self, *arguments: str) -> str:
        """Run git; its standard output."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=self.env, capture_output=True, check=True
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def commit(self, message: str = "x") -> str:
        """Commit everything; the commit's id."""
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def start(
        self, *arguments: str, cwd: str = "", env: dict[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start `bao` and return at once."""
        return subprocess.Popen(
            [BAO, *arguments],
            cwd=self.root / cwd,
            env={**self.env, **(env or {})},
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            **options,
        )

    def bao(
        self, *arguments: str, cwd: str = "", env: dict[str, str] | None = None, timeout: float = 60
    ) -> Result:
        """Run `bao` to its end."""
        done = subprocess.run(
            [BAO, *arguments],
            cwd=self.root / cwd,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Result(done)

    def ok(self, *arguments: str, **options: Any) -> Result:
        """Run `bao`, which must succeed."""
        result = self.bao(*arguments, **options)
        assert result.code == 0, result
        return result

    def ran(self) -> list[str]:
        """What commands wrote to the ledger since the last call."""
        lines = self.ledger.read_text().splitlines()
        self.ledger.write_text("")
        return lines

    def plan(self, *arguments: str, **options: Any) -> dict[str, Any]:
        """The records of a dry run, by task id."""
        result = self.ok("run", *arguments, "--dry-run=json", **options)
        return {task["id"]: task for task in result.json["tasks"]}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """An empty git repository to make a workspace in."""
    return Repo(tmp_path)


@pytest.fixture
def plain_directory(tmp_path: Path) -> Repo:
    """An empty directory that is no git repository."""
    return Repo(tmp_path, git=False)


class Environment:
    """A virtual environment that sees everything installed here, and plugins besides.

    Attributes:
        bin: Where its commands are.
    """

    def __init__(self, place: Path) -> None:
        venv.create(place, with_pip=False)
        self.bin = place / "bin"
        (self._site,) = place.glob("lib/python*/site-packages")
        here = sysconfig.get_path("purelib")
        (self._site / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
        for name, code in (
            ("bao", "import bao_core.cli.main as it; raise SystemExit(it.main())"),
            ("pytest", "import pytest; raise SystemExit(pytest.main())"),
        ):
            (self.bin / name).write_text(f"#!{self.bin / 'python'}\n{code}\n")
            (self.bin / name).chmod(0o755)

    def install(self, project: Path) -> None:
        """Leave what an installer makes of a project, editable, without asking any index."""
        table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
        name, version = table["name"], table["version"]
        info = self._site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        needs = [f"Requires-Dist: {line}" for line in table["dependencies"]]
        points = [f"{key} = {value}" for key, value in table["entry-points"]["bao"].items()]
        (info / "METADATA").write_text("\n".join((*head, *needs, "")))
        (info / "entry_points.txt").write_text("\n".join(("[bao]", *points, "")))
        (self._site / f"{name}.pth").write_text(f"{project / 'src'}\n")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A virtual environment to install plugins in."""
    return Environment(tmp_path / "environment")
