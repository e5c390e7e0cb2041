"""Which versions of programs there are."""

from __future__ import annotations

import os

import msgspec
from msgspec import Struct

from bao_core.answers import Answers, ask_program, choice_witness, witness_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_DEEPEST = 4
"""How far above a program its package's manifest may lie."""


class _ProgramPackage(Struct, frozen=True):
    name: str = ""
    version: str = ""


class Programs:
    """Finds programs and their versions.

    Args:
        root: The workspace's root directory.
        environ: The environment of the command.
        memory: What earlier runs found out.
    """

    def __init__(self, root: str, environ: Mapping[str, str], memory: Answers) -> None:
        self._root = root
        self._environ = environ
        self._memory = memory

    def runtime(self, name: str) -> str:
        """The version of a runtime such as `node`, as it says itself; `none` without one.

        Raises:
            InputError: There is one, and it does not answer.
        """
        program = self._find(name)
        return self._asked(name, program) if program else "none"

    def manager(self, name: str) -> str:
        """A package manager's version, as the package that it is installed from says.

        Raises:
            InputError: It is no package, and does not answer.
        """
        program = self._find(name)
        if not program:
            return "none"
        package = _package_of(os.path.realpath(program))
        if package is None:
            return self._asked(name, program)
        # corepack stands in for others; what it chooses is named in the manifest, or unknown.
        return package.version if package.name == name else f"{package.name}@{package.version}"

    def _find(self, name: str) -> str:
        """A program as tasks find it: what the root has installed comes first."""
        path = self._environ.get("PATH", "").split(os.pathsep)
        for directory in (os.path.join(self._root, "node_modules", ".bin"), *path):
            program = os.path.join(directory, name)
            if directory and os.path.isfile(program) and os.access(program, os.X_OK):
                return program
        return ""

    def _asked(self, name: str, program: str) -> str:
        resolved = os.path.realpath(program)
        if os.path.basename(resolved).startswith(name) and not _is_script(resolved):
            witness = witness_of(resolved)
        else:
            # Something that stands in for the program: a version manager's chooses by things that
            # can be watched, any other by things that are not to be seen from here.
            witness = choice_witness(program, self._root, self._environ)
        known = self._memory.recall(f"version {program}", witness, str)
        if known is None:
            answer = ask_program(
                program, ("--version",), directory=self._root, environ=self._environ
            )
            known = answer.decode("utf-8", "replace").strip()
            self._memory.remember(f"version {program}", witness, known)
        return known


def _package_of(program: str) -> _ProgramPackage | None:
    """The package that a program belongs to, by the nearest manifest with a name above it."""
    directory = os.path.dirname(program)
    for _ in range(_DEEPEST):
        try:
            with open(os.path.join(directory, "package.json"), "rb") as stream:
                found = msgspec.json.decode(stream.read(), type=_ProgramPackage)
        except (OSError, ValueError):
            found = _ProgramPackage()
        if found.name and found.version:
            return found
        directory = os.path.dirname(directory)
    return None


def _is_script(program: str) -> bool:
    try:
        with open(program, "rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:
        return False
