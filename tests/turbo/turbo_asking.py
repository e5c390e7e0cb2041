"""Questions asked of turbo, and the form that answers have, also those of bao."""

from __future__ import annotations

import json
import os
import posixpath
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from bao_core.model import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}
QUIET = {
    "TURBO_TELEMETRY_DISABLED": "1",
    "DO_NOT_TRACK": "1",
    "TURBO_NO_UPDATE_NOTIFIER": "1",
    "TURBO_GLOBAL_WARNING_DISABLED": "1",
}
PACKAGES = "query { packages { items { name path directDependencies { items { name } } } } }"


class Refusal(Struct, frozen=True):
    """The tool ends with an error instead of an answer."""

    message: str


class Listed(Struct, frozen=True):
    """A package: where it lies and what it depends on inside the workspace.

    turbo says nothing of dependencies where they make a cycle of tasks.
    """

    path: str
    dependencies: tuple[str, ...] | None = None


class Planned(Struct, frozen=True):
    """A task of a dry run.

    Attributes:
        outputs: Globs, those that exclude with `!`, sorted.
        env: Names of variables of the key that are set.
        key: What changes when the task must run again; None where it is not known yet.
        external: What stands for the closure in the lock file.
        definition: The whole definition, as turbo resolved it.
    """

    command: str | None
    directory: str
    dependencies: tuple[str, ...]
    outputs: tuple[str, ...]
    cache: bool
    inputs: tuple[str, ...]
    env: tuple[str, ...]
    key: str | None
    external: Any
    definition: dict[str, Any] = {}


class Run(Struct, frozen=True):
    """What a run is asked for."""

    tasks: tuple[str, ...]
    filters: tuple[str, ...] = ()
    only: bool = False
    affected: bool = False
    cwd: str = ""

    def words(self) -> list[str]:
        found = [*self.tasks, *(f"--filter={expression}" for expression in self.filters)]
        return [*found, *(["--only"] if self.only else []), *(["--affected"] * self.affected)]


class Place:
    """A git repository to put a made-up workspace in."""

    def __init__(self, base: Path, template: Path) -> None:
        self.base = base
        self.root = base / "w"
        self.root.mkdir(parents=True)
        shutil.copytree(template, self.root / ".git")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self.environ = {"PATH": path, "LANG": "C.UTF-8", "HOME": str(base), **GIT}
        self.base_commit = ""

    def write(self, files: dict[str, str | None]) -> None:
        """Write files, or delete those that are None, with folders that become empty."""
        for name, content in files.items():
            path = self.root / name
            if content is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
                continue
            path.unlink()
            parent = path.parent
            while parent != self.root and not any(parent.iterdir()):
                parent.rmdir()
                parent = parent.parent

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ("git", *words), cwd=self.root, env=self.environ, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(self, forced: tuple[str, ...] = ()) -> str:
        self.git("add", "--all")
        if forced:
            self.git("add", "--force", *forced)
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def commit_files(self, names: Iterable[str]) -> None:
        """Commit some files, and leave others as they lie."""
        known = {*self.git("ls-files", "-z").split("\0")}
        mine = [name for name in names if name in known or (self.root / name).exists()]
        pathspec = "\0".join(f":(literal){name}" for name in mine or ["package.json"])
        for words in (("add", "--force", "--all"), ("commit", "-q", "--allow-empty", "-m", "y")):
            command = ("git", *words, "--pathspec-from-file=-", "--pathspec-file-nul")
            subprocess.run(
                command if words[0] == "add" else ("git", *words),
                cwd=self.root,
                env=self.environ,
                input=pathspec.encode(),
                check=True,
                capture_output=True,
            )


class Turbo:
    """The program from npm."""

    def __init__(self, binary: str) -> None:
        self.binary = binary

    def packages(self, place: Place) -> dict[str, Listed] | Refusal:
        """The packages but for the root."""
        answer = self._json(place, "", "query", PACKAGES)
        if isinstance(answer, Refusal):
            listed = self._json(place, "", "ls", "--output=json")
            if isinstance(listed, Refusal):
                return listed
            return {item["name"]: Listed(item["path"]) for item in listed["packages"]["items"]}
        if answer.get("errors"):
            return Refusal(json.dumps(answer["errors"]))
        return {
            item["name"]: Listed(
                item["path"],
                tuple(sorted({d["name"] for d in item["directDependencies"]["items"]} - {ROOT})),
            )
            for item in answer["data"]["packages"]["items"]
            if item["name"] != ROOT
        }

    def selected(
        self, place: Place, filters: tuple[str, ...], *, affected: bool = False
    ) -> tuple[str, ...] | Refusal:
        """Names of packages."""
        words = [f"--filter={expression}" for expression in filters]
        words += ["--affected"] if affected else []
        answer = self._json(place, "", "ls", *words, "--output=json")
        if isinstance(answer, Refusal):
            return answer
        return tuple(sorted(item["name"] for item in answer["packages"]["items"]))

    def plan(self, place: Place, run: Run) -> dict[str, Planned] | Refusal:
        """The tasks of a dry run."""
        answer = self._json(place, run.cwd, "run", *run.words(), "--dry=json")
        if isinstance(answer, Refusal):
            return answer
        everywhere = _names(answer["globalCacheInputs"]["environmentVariables"])
        return {task["taskId"]: _planned_by_turbo(task, everywhere) for task in answer["tasks"]}

    def _json(self, place: Place, cwd: str, *words: str) -> Any:
        base = {"TURBO_SCM_BASE": place.base_commit} if place.base_commit else {}
        done = subprocess.run(
            (self.binary, *words),
            cwd=place.root / cwd,
            env={**place.environ, **QUIET, **base},
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            return Refusal(done.stderr.decode(errors="replace"))
        return json.loads(done.stdout)


def _names(variables: dict[str, Any]) -> set[str]:
    said = [*variables["configured"], *variables["inferred"]]
    return {entry.split("=", 1)[0] for entry in said}


def one_form_of_outputs(globs: Iterable[str], directory: str) -> tuple[str, ...]:
    """Globs in one form, seen from the root."""
    found = set()
    for glob in globs:
        sign, body = ("!", glob[1:]) if glob.startswith("!") else ("", glob)
        root = body.startswith("$root/")
        path = body.removeprefix("$root/") if root else f"{directory}/{body}"
        found.add(sign + posixpath.normpath(path).removeprefix("/"))
    return tuple(sorted(found))


def one_form_of_inputs(paths: Iterable[str], directory: str) -> tuple[str, ...]:
    """Paths in one form, seen from the root."""
    found = (p[2:] if p.startswith("//") else posixpath.join(directory, p) for p in paths)
    return tuple(sorted(map(posixpath.normpath, found)))


def _planned_by_turbo(task: dict[str, Any], everywhere: set[str]) -> Planned:
    excluded = tuple(f"!{glob}" for glob in task["excludedOutputs"] or ())
    command = task["command"]
    return Planned(
        command=None if command == "<NONEXISTENT>" else command,
        directory=task["directory"] or ".",
        dependencies=tuple(sorted({*task["dependencies"]})),
        outputs=one_form_of_outputs({*(task["outputs"] or ()), *excluded}, task["directory"]),
        cache=task["resolvedTaskDefinition"]["cache"],
        inputs=one_form_of_inputs(task["inputs"], task["directory"]),
        env=tuple(sorted(_names(task["environmentVariables"]) | everywhere)),
        key=task["hash"],
        external=task["hashOfExternalDependencies"],
        definition=task["resolvedTaskDefinition"],
    )
