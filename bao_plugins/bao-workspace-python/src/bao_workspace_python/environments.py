"""Which Python a package's tasks run with."""

from __future__ import annotations

import os

from msgspec import Struct

from bao_core.answers import Answers, choice_witness, witness_of
from bao_core.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS_FILE = "pyvenv.cfg"

_QUESTION = """\
import _imp, site, sys
print(sys.implementation.name)
print("%d.%d.%d-%s%d" % sys.version_info[:5])
print(sys.implementation.cache_tag)
print(next(iter(_imp.extension_suffixes()), ""))
print("\\0".join(site.getsitepackages()))
"""
_WHICH = "import sys; print(sys.executable)"
_PATIENCE = 60
"""Seconds that an interpreter may take to answer; a cold disk is slow."""


class Interpreter(Struct, frozen=True):
    """An interpreter's answer.

    Attributes:
        identity: Implementation, version and ABI.
        site_packages: Where it looks for what is installed.
    """

    identity: str
    site_packages: tuple[str, ...] = ()


class Environment(Struct, frozen=True):
    """What Python code runs in.

    Attributes:
        prefix: The virtual environment; empty for an interpreter of its own.
        settings: The content of its `pyvenv.cfg`.
        program: The interpreter; empty where there is none.
    """

    prefix: str
    settings: dict[str, str]
    program: str

    @property
    def described(self) -> str:
        """What a virtual environment says of itself: implementation, version and libraries."""
        settings = self.settings
        version = settings.get("version_info") or settings.get("version", "")
        system = settings.get("include-system-site-packages", "false").lower()
        words = [settings.get("implementation", ""), version, *self._libraries()]
        return " ".join([*filter(None, words), *(["system-site-packages"] * (system == "true"))])

    def site_packages(self, interpreter: Interpreter) -> tuple[str, ...]:
        """The directories of what is installed in it."""
        if not self.prefix:
            return interpreter.site_packages
        own = [os.path.join(self.prefix, "lib", n, "site-packages") for n in self._libraries()]
        if self.settings.get("include-system-site-packages", "false").lower() == "true":
            own.extend(interpreter.site_packages)
        return tuple(own)

    def _libraries(self) -> list[str]:
        """The directories of its libraries, such as `python3.13t`: they tell the ABI."""
        try:
            names = os.listdir(os.path.join(self.prefix, "lib")) if self.prefix else []
        except OSError:
            return []
        return sorted(name for name in names if name.startswith(("python", "pypy", "graalpy")))


class Environments:
    """Finds environments, each once.

    Args:
        root: The workspace's root directory.
        environ: The environment of the command.
        memory: What earlier runs found out.
    """

    def __init__(self, root: str, environ: Mapping[str, str], memory: Answers) -> None:
        self._root = root
        self._environ = environ
        self._memory = memory
        self._known: dict[str, Environment | None] = {}
        self._interpreters: dict[str, Interpreter] = {}
        self._default: Environment | None = None

    def of(self, directory: str) -> Environment:
        """The environment of a package: its own `.venv`, the root's, the active one, or none."""
        own = self._virtual(os.path.join(self._root, directory, ".venv")) if directory else None
        return own or self._shared()

    def interpreter(self, environment: Environment) -> Interpreter:
        """The answer of an environment's interpreter.

        Raises:
            InputError: There is one, and it cannot be asked.
        """
        if not environment.program:
            return Interpreter("none")
        # A thousand virtual environments may stand on one interpreter.
        program = os.path.realpath(environment.program)
        known = self._interpreters.get(program)
        if known is None:
            known = self._interpreters[program] = self._identified(program)
        return known

    def _identified(self, program: str) -> Interpreter:
        if not _is_script(program):
            return self._remembered(program)
        # A script chooses an interpreter: a version manager's by things that can be watched, any
        # other by things that are not to be seen from here.
        witness = choice_witness(program, self._root, self._environ)
        if witness is None:
            return self._ask(program)
        chosen = self._memory.recall(f"chosen by {program}", witness, str)
        if chosen is None:
            chosen = os.path.realpath(self._run(program, _WHICH).strip())
            self._memory.remember(f"chosen by {program}", witness, chosen)
        return self._remembered(chosen)

    def _remembered(self, program: str) -> Interpreter:
        witness = witness_of(program)
        known = self._memory.recall(f"interpreter {program}", witness, Interpreter)
        if known is None:
            known = self._ask(program)
            self._memory.remember(f"interpreter {program}", witness, known)
        return known

    def _ask(self, program: str) -> Interpreter:
        *identity, sites = self._run(program, _QUESTION).removesuffix("\n").split("\n")
        return Interpreter(" ".join(identity), tuple(filter(None, sites.split("\0"))))

    def _run(self, program: str, question: str) -> str:
        import subprocess

        try:
            return subprocess.run(  # noqa: S603 - the user's own interpreter
                [program, "-I", "-c", question],
                cwd=self._root,
                env=dict(self._environ),
                capture_output=True,
                timeout=_PATIENCE,
                check=True,
            ).stdout.decode("utf-8", "surrogateescape")
        except (OSError, subprocess.SubprocessError) as error:
            raise InputError(
                f"the interpreter '{program}' cannot be asked for its version: {error}",
                hint="repair the environment, or make it anew",
            ) from None

    def _shared(self) -> Environment:
        if self._default is None:
            self._default = (
                self._virtual(os.path.join(self._root, ".venv"))
                or self._virtual(self._environ.get("VIRTUAL_ENV", ""))
                or Environment("", {}, _on_path("python3", self._environ.get("PATH", "")))
            )
        return self._default

    def _virtual(self, prefix: str) -> Environment | None:
        if prefix not in self._known:
            settings = _read_settings(os.path.join(prefix, SETTINGS_FILE)) if prefix else None
            self._known[prefix] = (
                None if settings is None else Environment(prefix, settings, _program_of(prefix))
            )
        return self._known[prefix]


def _read_settings(path: str) -> dict[str, str] | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None
    pairs = (line.partition("=") for line in lines)
    return {key.strip().lower(): value.strip() for key, sign, value in pairs if sign}


def _program_of(prefix: str) -> str:
    program = os.path.join(prefix, "bin", "python")
    return program if os.path.isfile(program) else ""


def _on_path(name: str, path: str) -> str:
    for directory in path.split(os.pathsep):
        program = os.path.join(directory, name)
        if directory and os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    return ""


def _is_script(program: str) -> bool:
    try:
        with open(program, "rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:
        return False
