"""What bao reads of a `pyproject.toml`, table by table.

Only what is used stands here, so that a manifest is refused for nothing that bao does not need.
Each table is that of the tool's own documentation.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

# --- the standards ---------------------------------------------------------------------------


class Project(Struct, frozen=True, rename="kebab"):
    """`[project]`."""

    name: str = ""
    version: str = ""
    dependencies: list[str] = []
    optional_dependencies: dict[str, list[str]] = {}


class IncludedGroup(Struct, frozen=True, rename="kebab"):
    """A dependency group's way to take in another."""

    include_group: str


class BuildSystem(Struct, frozen=True):
    """`[build-system]`."""

    requires: list[str] = []


# --- uv --------------------------------------------------------------------------------------


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


# --- Poetry ----------------------------------------------------------------------------------


class PoetryDependency(Struct, frozen=True):
    """A dependency that is a table."""

    path: str | None = None
    subdirectory: str = ""
    version: str = ""
    git: str | None = None
    url: str | None = None
    file: str | None = None
    extras: list[str] = []
    optional: bool = False


PoetryEntry = str | PoetryDependency | list[str | PoetryDependency]


class PoetryGroup(Struct, frozen=True, rename="kebab"):
    """`[tool.poetry.group.NAME]`."""

    dependencies: dict[str, PoetryEntry] = {}
    include_groups: list[str] = []


class Poetry(Struct, frozen=True, rename="kebab"):
    """`[tool.poetry]`."""

    name: str = ""
    version: str = ""
    package_mode: bool = True
    dependencies: dict[str, PoetryEntry] = {}
    dev_dependencies: dict[str, PoetryEntry] = {}
    group: dict[str, PoetryGroup] = {}


# --- PDM -------------------------------------------------------------------------------------


class PdmWorkspace(Struct, frozen=True):
    """`[tool.pdm.workspace]`."""

    members: list[str] = []


class Pdm(Struct, frozen=True, rename="kebab"):
    """`[tool.pdm]`."""

    workspace: PdmWorkspace | None = None
    dev_dependencies: dict[str, list[str]] = {}


# --- Hatch -----------------------------------------------------------------------------------


class HatchMember(Struct, frozen=True):
    """A workspace member that is a table."""

    path: str


class HatchWorkspace(Struct, frozen=True):
    """`[tool.hatch.envs.NAME.workspace]`."""

    members: list[str | HatchMember] = []
    exclude: list[str] = []


class HatchEnvironment(Struct, frozen=True, rename="kebab"):
    """`[tool.hatch.envs.NAME]`."""

    dependencies: list[str] = []
    extra_dependencies: list[str] = []
    sources: dict[str, Source] = {}
    workspace: HatchWorkspace = HatchWorkspace()


class Hatch(Struct, frozen=True):
    """`[tool.hatch]`, or the whole of a `hatch.toml`."""

    envs: dict[str, HatchEnvironment] = {}
    sources: dict[str, Source] = {}


# --- setuptools ------------------------------------------------------------------------------


class SetuptoolsAttribute(Struct, frozen=True):
    """A field whose value stands elsewhere."""

    file: str | list[str] = []


class SetuptoolsDynamic(Struct, frozen=True, rename="kebab"):
    """`[tool.setuptools.dynamic]`."""

    dependencies: SetuptoolsAttribute = SetuptoolsAttribute()
    optional_dependencies: dict[str, SetuptoolsAttribute] = {}


class Setuptools(Struct, frozen=True):
    """`[tool.setuptools]`."""

    dynamic: SetuptoolsDynamic = SetuptoolsDynamic()


# --- all of it -------------------------------------------------------------------------------


class Tool(Struct, frozen=True):
    """`[tool]`; a table that is None is not there."""

    uv: Uv = Uv()
    poetry: Poetry | None = None
    pdm: Pdm | None = None
    hatch: Hatch | None = None
    setuptools: Setuptools = Setuptools()
    bao: dict[str, Any] | None = None


class PyProject(Struct, frozen=True, rename="kebab"):
    """What bao knows of a `pyproject.toml`."""

    project: Project | None = None
    build_system: BuildSystem = BuildSystem()
    dependency_groups: dict[str, list[str | IncludedGroup]] = {}
    tool: Tool = field(default_factory=Tool)
