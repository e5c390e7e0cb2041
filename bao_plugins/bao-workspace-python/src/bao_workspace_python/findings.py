"""What environments add to keys."""

from __future__ import annotations

import os

from bao_core.model import KeyPart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.answers import Answers
    from bao_core.model import Package
    from bao_workspace_python.environments import Environment, Environments, Interpreter
    from bao_workspace_python.lock_places import LockPlace, LockPlaces


class AllFindings:
    """What the environments of all packages add to keys, each looked at once.

    Attributes:
        outside: What was found for packages whose environment lies outside of the workspace, by
            their directories.

    Args:
        root: The workspace's root directory.
        environments: Finds environments.
        places: Finds lock files.
        memory: What earlier runs found out.
    """

    def __init__(
        self, root: str, environments: Environments, places: LockPlaces, memory: Answers
    ) -> None:
        self.outside: dict[str, Findings] = {}
        self._root = root
        self._environments = environments
        self._places = places
        self._memory = memory
        self._known: dict[tuple[str, str], Findings] = {}

    def parts(self, package: Package) -> tuple[KeyPart, ...]:
        """What the environment of a package adds to the keys of its tasks."""
        directory = package.path
        environment = self._environments.of(package.bin_directories)
        above = f"{self._root}/{directory}"
        own = bool(directory) and environment.prefix == f"{above}/.venv"
        inside = environment.prefix.startswith(f"{self._root}/")
        if not inside:
            cached = self._cached_by_poetry(environment, directory)
            environment, inside, own = cached or (environment, inside, own)
        which = (environment.prefix or environment.program, directory if own else "")
        found = self._known.get(which)
        if found is None:
            found = self._known[which] = self._findings(environment, which[1])
        if not inside:
            self.outside[directory] = found
        return found.parts(directory)

    def place_of(self, directory: str) -> LockPlace | None:
        """The lock files that are nearest to a package."""
        return self._places.nearest(directory)

    def _findings(self, environment: Environment, only: str) -> Findings:
        inside = environment.prefix.removeprefix(f"{self._root}/")
        # What says what belongs into an environment lies beside it, or above.
        base = only or (os.path.dirname(inside) if inside != environment.prefix else "")
        interpreter = self._environments.interpreter(environment)
        findings = Findings(
            environment, interpreter, self._places.nearest(base), self._memory, only=only
        )
        findings.add("uv-environment", self._identity_of(self._environments.chosen(), environment))
        if findings.place is not None and "pdm.lock" in findings.place.names:
            chosen = _pdm_program(findings.place.path)
            other = self._environments.of_program(chosen) if chosen else None
            findings.add("pdm-environment", self._identity_of(other, environment))
            findings.add("pypackages", _in_pypackages(findings.place.path))
        return findings

    def _identity_of(self, other: Environment | None, environment: Environment) -> str:
        """What an environment is that a package manager may choose instead of the one found."""
        if other is None or (other.prefix, other.program) == (
            environment.prefix,
            environment.program,
        ):
            return ""
        from bao_workspace_python.installed import installed_digest

        interpreter = self._environments.interpreter(other)
        installed = installed_digest(other.site_packages(interpreter), self._memory)
        return f"{interpreter.identity} {other.described} {installed}"

    def _cached_by_poetry(
        self, environment: Environment, directory: str
    ) -> tuple[Environment, bool, bool] | None:
        """The environment that Poetry keeps elsewhere for the nearest project."""
        if environment.prefix:
            return None  # one that is active
        place = self._places.nearest(directory)
        if place is None or "poetry.lock" not in place.names:
            return None
        found = self._environments.cached_by_poetry(place.path)
        return None if found is None else (found, True, place.directory == directory != "")


class Findings:
    """What one environment adds to keys.

    Attributes:
        environment: The environment.
        place: The lock files that say what belongs into it.

    Args:
        environment: The environment.
        interpreter: What its interpreter answered.
        place: The lock files that say what belongs into it.
        memory: What earlier runs found out.
        only: The one package that uses the environment; empty where all may.
    """

    def __init__(
        self,
        environment: Environment,
        interpreter: Interpreter,
        place: LockPlace | None,
        memory: Answers,
        *,
        only: str,
    ) -> None:
        from bao_workspace_python.installed import installed_digest

        self.environment = environment
        self.place = place
        self._memory = memory
        self._only = only
        self._sites = environment.site_packages(interpreter)
        self._digest = installed_digest(self._sites, memory)
        self._different: dict[str, dict[str, str]] | None = None
        self._common = {"interpreter": interpreter.identity}
        self._made: dict[str, tuple[KeyPart, ...]] = {}
        if environment.prefix:
            self._common["environment"] = environment.described
        if place is None:
            # Nothing else says what is installed.
            self._common["installed"] = self._digest

    def add(self, name: str, value: str) -> None:
        """Add a part for every package, if there is anything to say."""
        if value:
            self._common[name] = value

    def parts(self, directory: str) -> tuple[KeyPart, ...]:
        """The parts for the tasks of a package."""
        inside = "" if self.place is None else self.place.inside(directory)
        different = self._differences()
        which = inside if inside in different else ""
        made = self._made.get(which)
        if made is None:
            values = {**self._common, **different.get(which, {})}
            made = tuple(KeyPart(name, value) for name, value in values.items())
            self._made[which] = made
        return made

    def installed(self) -> dict[str, str]:
        """The version of everything installed, by normalised name."""
        from bao_workspace_python.installed import installed_versions

        return installed_versions(self._sites)

    def holds_anything_of(self, place: LockPlace) -> bool:
        """Whether anything that lock files name is installed.

        True where they name nothing but the workspace's own packages: code that needs nothing else
        may well do without an environment.
        """
        witness = self._witness(place)
        question = f"holds {self._where} {place.directory}"
        known = self._memory.recall(question, witness, bool)
        if known is None:
            table = place.table
            names = set() if table is None else table.names()
            others = names.difference(table.member_names) if table is not None else names
            known = not others or not names.isdisjoint(self.installed())
            self._memory.remember(question, witness, known)
        return known

    @property
    def _where(self) -> str:
        return self.environment.prefix or self.environment.program

    def _witness(self, place: LockPlace) -> str | None:
        locked = place.witness()
        return None if locked is None else f"{self._digest} {locked}"

    def _differences(self) -> dict[str, dict[str, str]]:
        """Differences by directory; those of the root hold for a package that has none here."""
        if self._different is None:
            self._different = {} if self.place is None else self._compared(self.place)
        return self._different

    def _compared(self, place: LockPlace) -> dict[str, dict[str, str]]:
        witness = self._witness(place)
        question = f"differences {self._where} {self._only}"
        known = self._memory.recall(question, witness, dict[str, dict[str, str]])
        if known is not None:
            return known
        from bao_workspace_python.installed import differences

        lock = place.table
        if lock is None:
            # Everything installed counts, as if there were no lock file.
            return {"": {"installed": self._digest}}
        own = [place.inside(self._only)] if self._only else lock.directories()
        missing = bool(self.environment.prefix)
        found = differences(lock, self.installed(), ("", *own), missing=missing)
        self._memory.remember(question, witness, found)
        return found


def _pdm_program(directory: str) -> str:
    """The interpreter that PDM was told to use for a project; empty where it was not."""
    try:
        with open(os.path.join(directory, ".pdm-python"), encoding="utf-8") as stream:
            program = stream.read().strip()
    except (OSError, ValueError):
        return ""
    return program if os.path.isabs(program) and os.access(program, os.F_OK) else ""


def _in_pypackages(directory: str) -> str:
    """What PDM installed without an environment, as PEP 582 proposed."""
    above = os.path.join(directory, "__pypackages__")
    if not os.path.isdir(above):
        return ""
    from bao_workspace_python.installed import digest_of, installed_versions

    versions = sorted(os.listdir(above))
    installed = {v: installed_versions([os.path.join(above, v, "lib")]) for v in versions}
    return " ".join(f"{version} {digest_of(found)}" for version, found in installed.items())
