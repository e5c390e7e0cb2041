"""Reading `pyproject.toml`."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec
from msgspec import Struct, field

from bao_core.errors import WorkspaceError
from bao_workspace_python.names import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_EXTRAS = re.compile(r"\s*\[([^\]]*)\]")


class Source(Struct, frozen=True):
    """One entry of `[tool.uv.sources]`: where a requirement is taken from."""

    workspace: bool = False
    path: str | None = None


class UvWorkspace(Struct, frozen=True):
    """`[tool.uv.workspace]`."""

    members: list[str] = []
    exclude: list[str] = []


class Uv(Struct, frozen=True, rename="kebab"):
    """`[tool.uv]`."""

    workspace: UvWorkspace | None = None
    sources: dict[str, Source | list[Source]] = {}
    dev_dependencies: list[str] = []
    managed: bool = True


class Tool(Struct, frozen=True):
    """`[tool]`."""

    uv: Uv = Uv()
    bao: dict[str, Any] | None = None


class Project(Struct, frozen=True, rename="kebab"):
    """`[project]`."""

    name: str
    version: str = ""
    dependencies: list[str] = []
    optional_dependencies: dict[str, list[str]] = {}


class IncludedGroup(Struct, frozen=True, rename="kebab"):
    """A dependency group's way to take in another."""

    include_group: str


class BuildSystem(Struct, frozen=True):
    """`[build-system]`."""

    requires: list[str] = []


class PyProject(Struct, frozen=True, rename="kebab"):
    """What bao knows of a `pyproject.toml`."""

    project: Project | None = None
    build_system: BuildSystem = BuildSystem()
    dependency_groups: dict[str, list[str | IncludedGroup]] = {}
    tool: Tool = field(default_factory=Tool)


class Requirement(Struct, frozen=True):
    """A requirement as a manifest says it.

    Attributes:
        kind: `runtime`, `extra`, `group` or `build`.
        text: As written.
        name: Normalised.
        extras: Normalised.
    """

    kind: str
    text: str
    name: str
    extras: tuple[str, ...]


class Manifest(Struct, frozen=True):
    """A `pyproject.toml` that was read.

    Attributes:
        path: From the root.
        directory: Of the package, from the root; empty for the root.
        text: The whole file, to find lines in when an error is made.
    """

    path: str
    directory: str
    text: str
    content: PyProject

    @property
    def project(self) -> Project:
        """Its `[project]` table; only for a manifest that is known to have one."""
        if self.content.project is None:
            raise self.error("has no [project] table, and so no name")
        return self.content.project

    @property
    def key(self) -> str:
        """The normalised name of the package."""
        return normalise(self.project.name)

    @property
    def sources(self) -> dict[str, tuple[Source, ...]]:
        """Where its requirements are taken from, by normalised name."""
        return {
            normalise(name): tuple(entry) if isinstance(entry, list) else (entry,)
            for name, entry in self.content.tool.uv.sources.items()
        }

    def requirements(self) -> Iterator[Requirement]:
        """Every requirement it declares, those of all extras and groups among them."""
        content = self.content
        if content.project is not None:
            yield from self._parsed("runtime", content.project.dependencies)
            for texts in content.project.optional_dependencies.values():
                yield from self._parsed("extra", texts)
        yield from self._parsed("group", content.tool.uv.dev_dependencies)
        known = {normalise(group) for group in content.dependency_groups}
        for group, entries in content.dependency_groups.items():
            for entry in entries:
                # An included group is one of this file, and so read all the same.
                if isinstance(entry, IncludedGroup) and normalise(entry.include_group) not in known:
                    raise self.error(
                        f"dependency group '{group}' includes '{entry.include_group}', "
                        f"which is none of its groups ({', '.join(content.dependency_groups)})",
                        entry.include_group,
                    )
            yield from self._parsed("group", [e for e in entries if isinstance(e, str)])
        yield from self._parsed("build", content.build_system.requires)

    def _parsed(self, kind: str, texts: list[str]) -> Iterator[Requirement]:
        for text in texts:
            match = _NAME.match(text)
            if match is None:
                raise self.error(f"requirement '{text}' does not start with a name", text)
            extras = _EXTRAS.match(text, match.end())
            names = extras.group(1).split(",") if extras else ()
            yield Requirement(
                kind,
                text,
                normalise(match.group(1)),
                tuple(sorted(normalise(name.strip()) for name in names if name.strip())),
            )

    def error(
        self, message: str, near: str = "", *, line: int | None = None, hint: str | None = None
    ) -> WorkspaceError:
        """An error about this file, at a line or at the first one that holds a text."""
        line = line or self.line_of(near)
        return WorkspaceError(message, where=self.path, line=line, hint=hint)

    def source_line(self, name: str) -> int | None:
        """The line of a requirement's source, given its normalised name."""
        table = self.text.find("[tool.uv.sources")
        for match in re.compile(r"^\s*\W?([\w.-]+)\W?\s*=", re.MULTILINE).finditer(
            self.text, max(table, 0)
        ):
            if normalise(match.group(1)) == name:
                return self.text.count("\n", 0, match.start(1)) + 1
        return self.line_of(name)

    def line_of(self, text: str) -> int | None:
        """The first line that holds a text, in quotes if there is one."""
        places = (self.text.find(form) for form in (f'"{text}"', f"'{text}'", text) if text)
        at = next((place for place in places if place >= 0), None)
        return None if at is None else self.text.count("\n", 0, at) + 1


def read_manifest(path: str, data: bytes) -> Manifest:
    """Decode a `pyproject.toml`.

    Raises:
        WorkspaceError: It is no UTF-8, no TOML, or something in it has the wrong type.
    """
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WorkspaceError("is not UTF-8", where=path, line=line) from None
    try:
        content = msgspec.convert(tomllib.loads(text), PyProject)
    except tomllib.TOMLDecodeError as error:
        line, reason = toml_mistake(text, error)
        raise WorkspaceError(f"is not TOML: {reason}", where=path, line=line) from None
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        raise WorkspaceError(
            f"{reason[:1].lower()}{reason[1:]} in {place.rstrip('`') or 'the file'}",
            where=path,
            line=_line_of_key(text, place.rstrip("`")),
        ) from None
    return Manifest(path, path.rpartition("/")[0], text, content)


def toml_mistake(text: str, error: tomllib.TOMLDecodeError) -> tuple[int, str]:
    """The line of a mistake in a TOML document, and what it is in a clause."""
    message = str(error)
    reason, _, place = message.partition(" (at ")
    found = re.match(r"line (\d+)", place)
    line = int(found.group(1)) if found else text.rstrip().count("\n") + 1
    return line, f"{reason[:1].lower()}{reason[1:]}"


def _line_of_key(text: str, place: str) -> int | None:
    """The line where a dotted place such as `tool.uv.sources` most likely stands."""
    at = 0
    found = False
    for part in re.split(r"\.|\[", place):
        match = re.compile(rf"\b{re.escape(part.rstrip(']'))}\b").search(text, at)
        if match is not None:
            at = match.start()
            found = True
    return text.count("\n", 0, at) + 1 if found else None
