"""The tools that are compared: how each is installed, started, and asked what it did.

`others.py` has those that are measured only where nothing changed.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from generate import BUN, Shape, package_name, script_of
from measuring import UnusableError

TURBO = "2.11.11"
"""The version of turbo that the ratios in the documentation are about."""


class Tool(ABC):
    """A task runner.

    Attributes:
        name: What the table calls it.
        place: Whose copy of the workspace it uses; tools of one place share their cache.
        cells: The cells that it is measured in.
        quiet: Whether it never says how many tasks were hits.
        environ: The environment it is started with.
    """

    name: ClassVar[str]
    place: ClassVar[str]
    cells: ClassVar[frozenset[str]] = frozenset({"hits", "restored", "edited", "cold", "affected"})
    quiet: ClassVar[bool] = False

    def __init__(self, home: Path, programs: Path) -> None:
        kept = ("LANG", "TMPDIR")
        self.environ = {name: os.environ[name] for name in kept if name in os.environ}
        self.environ["HOME"] = str(home)
        self.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"

    @abstractmethod
    def build(self) -> list[str]:
        """The command that builds everything."""

    def affected(self) -> list[str]:
        """The command that lists what the current branch can reach."""
        raise NotImplementedError

    @abstractmethod
    def hits(self, printed: str) -> int | None:
        """How many tasks the tool says were hits; None where its output does not say."""

    def listed(self, printed: str) -> set[str]:
        """The packages that the tool lists, each on a line with its path."""
        return set(re.findall(r"^\s*(pkg-\d+)\s+packages/", printed, re.MULTILINE))

    def furnish(self, root: Path, shape: Shape) -> None:  # noqa: B027 - most need nothing
        """Write what the tool needs in its copy of the workspace; it is committed then."""

    @abstractmethod
    def forget(self, root: Path) -> None:
        """Remove everything that the tool remembers."""

    def close(self, root: Path) -> None:  # noqa: B027 - most leave nothing
        """End what the tool left running."""


class Bao(Tool):
    """bao, as installed beside the interpreter that runs the benchmark."""

    name = "bao"
    place = "bao"

    def __init__(self, home: Path, programs: Path, command: str | None = None) -> None:
        super().__init__(home, programs)
        self._command = command or str(Path(sys.executable).with_name("bao"))
        self._cache = home / "bao-cache"
        self.environ["BAO_CACHE_DIR"] = str(self._cache)

    def build(self) -> list[str]:
        """The command that builds everything."""
        return [self._command, "run", "build"]

    def affected(self) -> list[str]:
        """The command that lists what the current branch can reach."""
        return [self._command, "ls", "--affected"]

    def hits(self, printed: str) -> int | None:
        """What bao counts itself, on the line `1000 tasks: 1000 restored, 0 run, 0 failed`."""
        return _number(r"^ *\d+ tasks?: (\d+) restored", printed)

    def forget(self, root: Path) -> None:
        """Remove everything but what is known of the installed plugins."""
        del root
        for path in self._cache.iterdir():
            if path.name != "plugins":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


class Turbo(Tool):
    """turbo's native binary, without the launcher that npm puts before it.

    It starts every script through the workspace's package manager, which is Bun: `bun run` takes
    a tenth or less of the time of `npm run`.
    """

    name = "turbo"
    place = "turbo"

    def __init__(self, home: Path, programs: Path, binary: str) -> None:
        super().__init__(home, programs)
        self._binary = binary
        # Nothing is sent, asked or started beside the run itself.
        self.environ |= {
            "TURBO_TELEMETRY_DISABLED": "1",
            "DO_NOT_TRACK": "1",
            "TURBO_NO_UPDATE_NOTIFIER": "1",
        }

    def build(self) -> list[str]:
        """The command that builds everything."""
        return [self._binary, "run", "build", "--ui=stream"]

    def affected(self) -> list[str]:
        """The command that lists what the current branch can reach."""
        return [self._binary, "ls", "--affected"]

    def hits(self, printed: str) -> int | None:
        """What turbo counts itself, on the line `Cached: 1000 cached, 1000 total`."""
        return _number(r"^ *Cached: +(\d+) cached", printed)

    def forget(self, root: Path) -> None:
        """Remove the cache, which is in the workspace."""
        shutil.rmtree(root / ".turbo", ignore_errors=True)


class TurboLauncher(Turbo):
    """turbo as npm installs it: a Node program that starts the binary."""

    name = "turbo-npm"
    cells = frozenset({"hits"})


SCRIPT_STAND_IN = r"""#!/bin/sh
# Runs a script of the package as `bun run` does, at the cost of the shell alone.
while read -r line; do
    case $line in
        "\"$2\": "*) line=${line#*: \"}; line=${line%,}; eval "${line%\"}"; exit ;;
    esac
done < package.json
exit 1
"""


class TurboShell(Turbo):
    """turbo with a stand-in for the package manager, which runs scripts for next to nothing.

    No user has it. It tells what of turbo's time is turbo's own where scripts run.
    """

    name = "turbo-sh"
    cells = frozenset({"edited", "cold"})

    def __init__(self, home: Path, programs: Path, binary: str) -> None:
        stand_in = home / "bin" / "bun"
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_text(SCRIPT_STAND_IN)
        stand_in.chmod(0o755)
        super().__init__(home, stand_in.parent, binary)
        del programs


class Shell(Tool):
    """The same commands without any tool, two at a time, in no order, with nothing stored."""

    name = "shell"
    place = "shell"
    cells = frozenset({"cold"})
    quiet = True

    def __init__(self, home: Path, programs: Path) -> None:
        super().__init__(home, programs)
        self._commands = home / "commands"

    def furnish(self, root: Path, shape: Shape) -> None:
        """Write the commands down, beside the workspace."""
        del root
        lines = (
            f"cd packages/{package_name(number)} && {script_of(number)}"
            for number in range(shape.packages)
        )
        self._commands.write_text("\0".join(lines))

    def build(self) -> list[str]:
        """The command that builds everything."""
        at_a_time = f"xargs -0 -n 1 -P 2 sh -c < {shlex.quote(str(self._commands))}"
        return ["sh", "-c", f"exec {at_a_time}"]

    def hits(self, printed: str) -> int | None:
        """There are none."""
        del printed
        return None

    def forget(self, root: Path) -> None:
        """Nothing is remembered."""


def _number(pattern: str, printed: str) -> int | None:
    found = re.search(pattern, printed, re.MULTILINE)
    return int(found.group(1)) if found else None


def install(place: Path, *packages: str) -> Path:
    """Fetch packages from npm into a directory of their own; returns its `node_modules`.

    Raises:
        UnusableError: There is no npm, or it could not fetch them.
    """
    modules = place / "node_modules"
    if all(_installed(modules, package) for package in packages):
        return modules
    npm = shutil.which("npm")
    if npm is None:
        raise UnusableError("npm is not here, which fetches it")
    place.mkdir(parents=True, exist_ok=True)
    quiet = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
    done = subprocess.run(
        (npm, "install", *quiet, "--prefix", str(place), *packages),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        shutil.rmtree(modules, ignore_errors=True)
        raise UnusableError(f"npm could not fetch {' '.join(packages)}: {done.stderr.strip()}")
    return modules


def _installed(modules: Path, package: str) -> bool:
    """Whether a package is there, given as `name@version`."""
    name, _, version = package.rpartition("@")
    manifest = modules / name / "package.json"
    return manifest.exists() and json.loads(manifest.read_text())["version"] == version


def install_turbo(place: Path, version: str = TURBO) -> str:
    """Fetch turbo's native binary from npm, unless it is there already; returns its path.

    Raises:
        SystemExit: There is no npm, or it could not fetch turbo.
    """
    system = {"Linux": "linux", "Darwin": "darwin"}[platform.system()]
    arch = "arm64" if _is_arm() else "64"
    package = f"@turbo/{system}-{arch}"
    try:
        return str(install(place, f"{package}@{version}") / package / "bin" / "turbo")
    except UnusableError as error:
        sys.exit(f"{error}; with --alone only bao is measured")


def install_bun(place: Path) -> Path:
    """Fetch Bun from npm, unless it is there already; returns the directory of its program.

    Raises:
        UnusableError: There is no npm, or it could not fetch Bun.
    """
    system = platform.system().lower()
    package = f"@oven/bun-{system}-{'aarch64' if _is_arm() else 'x64'}"
    return install(place, f"{package}@{BUN}") / package / "bin"


def _is_arm() -> bool:
    return platform.machine() in {"aarch64", "arm64"}
