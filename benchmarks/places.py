"""A tool's copy of the workspace, and what a run did to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from generate import FILE_SIZE, Shape, dependencies, package_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tools import Tool

BRANCH = "topic"
"""The branch that all runs are on: one commit after `main`, which edits one package."""


class Place:
    """A directory with a copy of the workspace, a home, and the ledger of started commands.

    Attributes:
        root: The workspace, on a branch with one commit of its own.
        home: For what the tool keeps outside of the workspace.
        names: Of all packages.
        leaf: The package that the cells edit; nothing depends on it.
    """

    def __init__(self, directory: Path, shape: Shape) -> None:
        self.shape = shape
        self.root = directory / "workspace"
        self.home = directory / "home"
        self.names = [package_name(number) for number in range(shape.packages)]
        self.leaf = self.names[-1]
        self._committed = (shape.packages - 1) * 9 // 10
        self._ran = directory / "ran"
        self.home.mkdir(parents=True)

    def fill(self, template: Path, tools: Iterable[Tool]) -> None:
        """Copy the workspace, let the tools add what they need, and commit on a branch."""
        self._git("clone", "--quiet", "--local", str(template), str(self.root))
        for tool in tools:
            tool.furnish(self.root, self.shape)
        self._commit("Furnish", "main")
        self.edit(self.names[self._committed], "committed")
        self._commit("Edit one package", BRANCH)

    def settle(self) -> None:
        """Make the index of git certain, as it is once a workspace is some seconds old."""
        self._git("-C", str(self.root), "update-index", "--refresh", "-q")

    def edit(self, name: str, text: str) -> None:
        """Put a line at the end of a source file, in place of any earlier one."""
        with self._edited(name).open("r+b") as file:
            file.seek(FILE_SIZE)
            file.write(f"{text}\n".encode())
            file.truncate()

    def undo(self, name: str) -> None:
        """Take the line out again."""
        os.truncate(self._edited(name), FILE_SIZE)

    def started(self) -> list[str]:
        """The packages whose commands were started since the last call, sorted."""
        lines = self._ran.read_text().split() if self._ran.exists() else []
        self._ran.unlink(missing_ok=True)
        return sorted(lines)

    def remove_outputs(self) -> None:
        """Delete what the builds made; all of it must have been there."""
        for name in self.names:
            shutil.rmtree(self.root / "packages" / name / "dist")

    def fault(self, edited: str = "") -> str:
        """What is wrong with the outputs, or nothing."""
        for name in self.names:
            extra = b"" if name != self.leaf or not edited else f"{edited}\n".encode()
            if name == self.names[self._committed]:
                extra = b"committed\n"
            size = self.shape.files * FILE_SIZE + len(extra)
            output = self.root / "packages" / name / "dist" / "out.txt"
            if not output.exists() or output.stat().st_size != size:
                return f"{output} is not there or not complete"
        return self._contents_fault()

    def _contents_fault(self) -> str:
        """Compare a few outputs with their sources, byte by byte."""
        for name in {self.names[0], self.names[len(self.names) // 2], self.leaf}:
            package = self.root / "packages" / name
            sources = sorted((package / "src").iterdir())
            expected = b"".join(path.read_bytes() for path in sources)
            if (package / "dist" / "out.txt").read_bytes() != expected:
                return f"{package / 'dist' / 'out.txt'} is not what its sources say"
        return ""

    def affected(self) -> set[str]:
        """The package that the branch edits and everything that depends on it."""
        found = {self._committed}
        for number, needed in enumerate(dependencies(self.shape)):
            if found.intersection(needed):
                found.add(number)
        return {self.names[number] for number in found}

    def _edited(self, name: str) -> Path:
        return self.root / "packages" / name / "src" / "file-00.txt"

    def _commit(self, message: str, branch: str) -> None:
        git = ("-C", str(self.root), "-c", "user.name=bench", "-c", "user.email=b@example.org")
        self._git(*git, "switch", "--quiet", "--force-create", branch)
        self._git(*git, "add", "--all")
        self._git(*git, "commit", "--quiet", "--allow-empty", "--message", message)

    @staticmethod
    def _git(*words: str) -> None:
        environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(("git", *words), env=environ, check=True)


def settle(places: Iterable[Place]) -> None:
    """Wait until no file is as young as an index of git, and tell git."""
    time.sleep(1.1)
    for place in places:
        place.settle()
