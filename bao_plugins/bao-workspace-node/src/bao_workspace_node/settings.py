"""Which package manager a workspace uses, and the settings of it that decide what a package is."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bao_core.errors import WorkspaceError
from bao_workspace_node.manifest import line_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.model import FileTree
    from bao_workspace_node.manifest import Manifest

Document = TypeVar("Document", bound=Struct)

LOCK_FILES = {
    "npm": ("npm-shrinkwrap.json", "package-lock.json"),
    "pnpm": ("pnpm-lock.yaml",),
    "yarn": ("yarn.lock",),
    "bun": ("bun.lock", "bun.lockb"),
}
"""Lock files by package manager, each before those it takes precedence over."""

PNPM_WORKSPACE = "pnpm-workspace.yaml"
FIRST_STRICT_PNPM = 9
"""From this version on, pnpm links packages of the workspace only where `workspace:` says so."""
FIRST_STRICT_PNPM_LOCK = 9.0


class PackageManager(Struct, frozen=True):
    """A package manager.

    Attributes:
        name: `npm`, `pnpm`, `yarn` or `bun`.
        version: As the root's manifest says; empty where it does not.
    """

    name: str
    version: str = ""


class WorkspaceSettings(Struct, frozen=True):
    """What the files at the root say of the workspace.

    Attributes:
        manager: The package manager.
        packages: Globs of the packages, `!` negates; None where there is only the root.
        source: The file that the globs stand in.
        links: Whether a package of the workspace answers an ordinary version range.
        catalogs: Versions by name of a package, by name of a catalog.
        lock_file: The lock file that there is; empty where there is none.
        lock_data: Its content.
    """

    manager: PackageManager
    packages: tuple[str, ...] | None
    source: str
    links: bool
    catalogs: dict[str, dict[str, Any]]
    lock_file: str = ""
    lock_data: bytes = b""


class _PnpmWorkspace(Struct, frozen=True, rename="camel"):
    packages: list[str] | None = None
    link_workspace_packages: bool | str | None = None
    catalog: dict[str, Any] | None = None
    catalogs: dict[str, dict[str, Any]] | None = None


class _YarnSettings(Struct, frozen=True, rename="camel"):
    enable_transparent_workspaces: bool = True
    catalog: dict[str, Any] | None = None
    catalogs: dict[str, dict[str, Any]] | None = None


def read_settings(tree: FileTree, root: Manifest) -> WorkspaceSettings:
    """Read what the files at the root say.

    Raises:
        WorkspaceError: One of them is broken.
    """
    named = named_manager(root)
    # Only pnpm has this file, and it reads no other.
    pnpm_file = tree.read(PNPM_WORKSPACE) if named is None or named.name == "pnpm" else None
    if named is None and pnpm_file is not None:
        named = PackageManager("pnpm")
    lock_file, lock_data = _lock_file(tree, named)
    manager = named or PackageManager(_manager_of(lock_file))
    match manager.name:
        case "pnpm":
            return _pnpm_settings(tree, manager, pnpm_file, lock_file, lock_data)
        case "yarn":
            yarn = _read_yaml(tree.read(".yarnrc.yml"), ".yarnrc.yml", _YarnSettings)
            links = yarn.enable_transparent_workspaces
            catalogs = {"": yarn.catalog or {}, **(yarn.catalogs or {})}
        case _:
            links = True
            catalogs = _own_catalogs(root)
    return WorkspaceSettings(
        manager=manager,
        packages=_globs(root),
        source=root.path,
        links=links,
        catalogs=catalogs,
        lock_file=lock_file,
        lock_data=lock_data,
    )


def _pnpm_settings(
    tree: FileTree,
    manager: PackageManager,
    data: bytes | None,
    lock_file: str,
    lock_data: bytes,
) -> WorkspaceSettings:
    content = _read_yaml(data, PNPM_WORKSPACE, _PnpmWorkspace)
    links = _links_by_default(manager, lock_data)
    said = content.link_workspace_packages
    # A pnpm that is known to link by default is too old to read settings in that file.
    if said is not None and not (links and manager.version):
        links = said in {True, "deep"}
    elif found := re.search(
        rb"^\s*link-workspace-packages\s*=\s*(\w+)", tree.read(".npmrc") or b"", re.MULTILINE
    ):
        links = found.group(1) != b"false"
    catalogs = content.catalogs or {}
    return WorkspaceSettings(
        manager=manager,
        packages=None if data is None else tuple(content.packages or ()),
        source=PNPM_WORKSPACE,
        links=links,
        catalogs={**catalogs, "": content.catalog or catalogs.get("default", {})},
        lock_file=lock_file,
        lock_data=lock_data,
    )


def _links_by_default(manager: PackageManager, lock_data: bytes) -> bool:
    if major := re.match(r"\d+", manager.version):
        return int(major.group()) < FIRST_STRICT_PNPM
    format_ = re.search(rb"^lockfileVersion:\s*['\"]?(\d+(?:\.\d+)?)", lock_data, re.MULTILINE)
    return format_ is not None and float(format_.group(1)) < FIRST_STRICT_PNPM_LOCK


def named_manager(root: Manifest) -> PackageManager | None:
    """The package manager that the root's manifest names."""
    content = root.content
    if content.package_manager:
        name, _, version = content.package_manager.partition("@")
        return PackageManager(name, version.partition("+")[0])
    tools = content.dev_engines.package_manager if content.dev_engines else None
    for tool in tools if isinstance(tools, list) else [tools]:
        if tool is not None and tool.name in LOCK_FILES:
            return PackageManager(tool.name, re.sub(r"^[^\d]*", "", tool.version))
    return None


def _lock_file(tree: FileTree, manager: PackageManager | None) -> tuple[str, bytes]:
    names = LOCK_FILES.get(manager.name, ()) if manager else sum(LOCK_FILES.values(), ())
    for name in names:
        if (data := tree.read(name)) is not None:
            return name, data
    return "", b""


def _manager_of(lock_file: str) -> str:
    return next((name for name, files in LOCK_FILES.items() if lock_file in files), "npm")


def _globs(root: Manifest) -> tuple[str, ...] | None:
    workspaces = root.content.workspaces
    if workspaces is None:
        return None
    return tuple(workspaces if isinstance(workspaces, list) else workspaces.packages)


def _own_catalogs(root: Manifest) -> dict[str, dict[str, Any]]:
    content = root.content
    table = content.workspaces
    catalogs = dict(content.catalogs or {})
    default = content.catalog or {}
    if table is not None and not isinstance(table, list):
        catalogs = {**catalogs, **table.catalogs}
        default = table.catalog or default
    return {**catalogs, "": default or catalogs.get("default", {})}


def _read_yaml(data: bytes | None, path: str, kind: type[Document]) -> Document:
    """Decode a YAML file; one that is missing or empty says nothing."""
    if data is None:
        return kind()
    from msgspec import yaml

    try:
        return yaml.decode(data, type=kind | None) or kind()
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        key = re.split(r"[.\[]", place.rstrip("`"))[0]
        raise WorkspaceError(
            f"{reason[:1].lower()}{reason[1:]} in {place.rstrip('`') or 'the file'}",
            where=path,
            line=line_of(data, key.encode()),
        ) from None
    except ValueError as error:
        mark = getattr(error.__cause__ or error.__context__, "problem_mark", None)
        raise WorkspaceError(
            f"is not YAML: {str(error).splitlines()[0]}",
            where=path,
            line=None if mark is None else mark.line + 1,
        ) from None
