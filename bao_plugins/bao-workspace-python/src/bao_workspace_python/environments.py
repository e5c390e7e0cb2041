"""Which Python a package's tasks run with."""

import os
from collections.abc import Iterable, Mapping

from msgspec import Struct

from bao_core.answers import Answers, ask_program, choice_witness, witness_of

SETTINGS_FILE = "pyvenv.cfg"
BIN = "/bin"
"""How the directory of an environment's programs ends."""

_QUESTION = """\
import _imp, site, sys, sysconfig
print(sys.implementation.name)
print("%d.%d.%d-%s%d" % sys.version_info[:5])
print(sys.implementation.cache_tag)
print(next(iter(_imp.extension_suffixes()), ""))
print(sysconfig.get_platform())
print("\\0".join(site.getsitepackages()))
"""
_WHICH = "import sys; print(sys.executable)"


class Interpreter(Struct, frozen=True):
    """An interpreter's answer.

    Attributes:
        identity: Implementation, version, ABI and platform.
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
        libraries: The directories of its libraries, such as `python3.13t`: they tell the ABI.
    """

    prefix: str
    settings: dict[str, str]
    program: str
    libraries: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """What a virtual environment says of itself: implementation, version and libraries."""
        settings = self.settings
        version = settings.get("version_info") or settings.get("version", "")
        words = [settings.get("implementation", ""), version, *self.libraries]
        return " ".join([*filter(None, words), *(["system-site-packages"] * self._sees_system)])

    def site_packages(self, interpreter: Interpreter) -> tuple[str, ...]:
        """The directories of what is installed in it."""
        if not self.prefix:
            return interpreter.site_packages
        own = [f"{self.prefix}/lib/{name}/site-packages" for name in self.libraries]
        return (*own, *(interpreter.site_packages if self._sees_system else ()))

    @property
    def _sees_system(self) -> bool:
        return self.settings.get("include-system-site-packages", "false").lower() == "true"


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
        self._targets: dict[str, str] = {}
        self._cached: dict[str, str | None] = {}
        self._default: Environment | None = None

    def of(self, bin_directories: Iterable[str]) -> Environment:
        """The environment of a package: the first that its PATH names, the active one, or none.

        Args:
            bin_directories: What comes first on the package's PATH, from the root.
        """
        for directory in bin_directories:
            if directory.endswith(BIN):
                found = self._virtual(f"{self._root}/{directory[: -len(BIN)]}")
                if found is not None:
                    return found
        if self._default is None:
            self._default = self._outside()
        return self._default

    def chosen(self) -> Environment | None:
        """The environment that uv is told to use instead of `.venv`; None where it is not."""
        place = self._environ.get("UV_PROJECT_ENVIRONMENT", "")
        if not place:
            return None
        return self._virtual(os.path.normpath(os.path.join(self._root, place)))

    def of_program(self, program: str) -> Environment:
        """The environment that an interpreter belongs to."""
        prefix = os.path.dirname(os.path.dirname(program))
        return self._virtual(prefix) or Environment("", {}, program)

    def cached_by_poetry(self, directory: str) -> Environment | None:
        """The environment that Poetry keeps in its cache for a project, given its directory."""
        from bao_workspace_python.poetry_cache import cached_environment

        if directory not in self._cached:
            self._cached[directory] = cached_environment(directory, self._environ)
        found = self._cached[directory]
        return None if found is None else self._virtual(found)

    def interpreter(self, environment: Environment) -> Interpreter:
        """The answer of an environment's interpreter.

        Raises:
            InputError: There is one, and it cannot be asked.
        """
        if not environment.program:
            return Interpreter("none")
        program = self._behind(environment.program)
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
        known = self._memory.recall(f"identity {program}", witness, Interpreter)
        if known is None:
            known = self._ask(program)
            self._memory.remember(f"identity {program}", witness, known)
        return known

    def _ask(self, program: str) -> Interpreter:
        *identity, sites = self._run(program, _QUESTION).removesuffix("\n").split("\n")
        return Interpreter(" ".join(identity), tuple(filter(None, sites.split("\0"))))

    def _run(self, program: str, question: str) -> str:
        answer = ask_program(
            program,
            ("-I", "-c", question),
            directory=self._root,
            environ=self._environ,
            called=f"the interpreter '{program}'",
            hint="repair the environment, or make it anew",
        )
        return answer.decode("utf-8", "surrogateescape")

    def _behind(self, program: str) -> str:
        """The file of an interpreter: a thousand environments may stand on one."""
        try:
            target = os.readlink(program)
        except OSError:
            target = ""
        if not os.path.isabs(target):
            return os.path.realpath(program)
        known = self._targets.get(target)
        if known is None:
            known = self._targets[target] = os.path.realpath(target)
        return known

    def _outside(self) -> Environment:
        """The environment of packages that have none in the workspace."""
        if (chosen := self.chosen()) is not None:
            return chosen
        for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            if not (prefix := self._environ.get(variable)):
                continue
            prefix = os.path.normpath(prefix)
            if (found := self._virtual(prefix) or _conda(prefix)) is not None:
                return found
        program = _on_path("python3", self._environ.get("PATH", ""))
        return self.of_program(program) if program else Environment("", {}, "")

    def _virtual(self, prefix: str) -> Environment | None:
        try:
            return self._known[prefix]
        except KeyError:
            pass
        settings = f"{prefix}/{SETTINGS_FILE}"
        # Most packages have none, and an exception takes longer than the question.
        found = _read_settings(settings) if os.access(settings, os.F_OK) else None
        environment = None
        if found is not None:
            environment = _environment(prefix, found)
        self._known[prefix] = environment
        return environment


def _conda(prefix: str) -> Environment | None:
    """An environment of conda, which tells what it is by what is installed in it."""
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        return None
    return _environment(prefix, {"implementation": "conda"})


def _environment(prefix: str, settings: dict[str, str]) -> Environment:
    try:
        names = sorted(os.listdir(f"{prefix}/lib"))
    except OSError:
        names = []
    program = f"{prefix}/bin/python"
    return Environment(
        prefix,
        settings,
        program if os.access(program, os.F_OK) else "",
        tuple(name for name in names if name.startswith(("python", "pypy", "graalpy"))),
    )


def _read_settings(path: str) -> dict[str, str] | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None
    pairs = (line.partition("=") for line in lines)
    return {key.strip().lower(): value.strip() for key, sign, value in pairs if sign}


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
