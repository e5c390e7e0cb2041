"""The workspace provider `bao`: packages that have only a `bao.toml`."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from bao_core.interfaces.workspace import WorkspaceProvider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bao_core.config.model import RootConfig
    from bao_core.model import FileTree, Package, WorkspacePart

MANIFEST = "bao.toml"
LEFT_OUT = frozenset({".git", ".venv", "node_modules"})
"""Directories in which no package lies, whatever the globs say."""

_WILD = frozenset("*?[{")


class _Named(Struct, frozen=True):
    name: str = ""


class _Tools(Struct, frozen=True):
    poetry: _Named = _Named()


class _PyProject(Struct, frozen=True):
    project: _Named = _Named()
    tool: _Tools = _Tools()

    @property
    def name(self) -> str:
        return self.project.name or self.tool.poetry.name


class BaoWorkspace(WorkspaceProvider):
    """Packages in the directories that `[workspace] packages` at the root names.

    A package's name is the one that its `bao.toml` says, else that of another manifest in the same
    directory, else the last name of the directory.
    """

    name: ClassVar[str] = "bao"
    manifests: ClassVar[frozenset[str]] = frozenset({MANIFEST})
    root_markers: ClassVar[Mapping[str, str]] = {MANIFEST: ""}

    def load(self, tree: FileTree) -> WorkspacePart:
        """See `WorkspaceProvider.load`."""
        from bao_core.config import load_root_config
        from bao_core.errors import WorkspaceError
        from bao_core.model import WorkspacePart

        config = load_root_config(tree)
        found: dict[str, Package] = {}
        for directory, literal in _directories(tree, config):
            package = _package(tree, directory)
            if package is None:
                if literal and not any(_files_beside(tree, directory)):
                    raise WorkspaceError(
                        f"workspace package '{directory}' has no {MANIFEST}",
                        where=config.path,
                        line=_line_of(tree, config.path, directory),
                        hint="add one, or take the directory out of [workspace] packages",
                    )
                continue
            other = found.setdefault(package.name, package)
            if other is not package:
                raise WorkspaceError(
                    f"two packages are called '{package.name}': "
                    f"{other.manifest} and {package.manifest}",
                    where=package.manifest,
                    hint='give one of them another name there: name = "…"',
                )
        return WorkspacePart(packages=tuple(found.values()))


def _directories(tree: FileTree, config: RootConfig) -> Iterator[tuple[str, bool]]:
    """Directories that may be packages, sorted, each with whether it was named literally."""
    from bao_core.globs import compile_globs

    if config.workspace is None:
        return
    chosen = [_normal(pattern) for pattern in config.workspace.packages]
    excluded = [f"!{_normal(pattern)}" for pattern in config.workspace.exclude]
    # What counts is whether a glob fits on the manifest's path: `packages/**` takes in `packages`
    # itself, and `apps` does not take in `apps/web`.
    fits = compile_globs([f"{pattern}/{MANIFEST}" for pattern in [*chosen, *excluded]])
    above = compile_globs([p for p in [*chosen, *excluded] if not _WILD.isdisjoint(p)])

    def enter(directory: str) -> bool:
        return directory.rpartition("/")[2] not in LEFT_OUT and above.reaches(directory)

    named = (p for p in chosen if _WILD.isdisjoint(p))
    walked = (d for start in above.directories() for d in tree.directories(start, enter))
    found = {
        directory
        for directory in (*named, *walked)
        if fits.matches(f"{directory}/{MANIFEST}") and LEFT_OUT.isdisjoint(directory.split("/"))
    }
    for directory in sorted(found - {""}):
        yield directory, directory in chosen


def _normal(pattern: str) -> str:
    return pattern.rstrip("/").removeprefix("./") or "."


def _package(tree: FileTree, directory: str) -> Package | None:
    from bao_core.config.files import parse_toml
    from bao_core.model import Package

    path = f"{directory}/{MANIFEST}"
    data = tree.read(path)
    if data is None:
        return None
    name = parse_toml(data, path).get("name")
    if not isinstance(name, str) or not name:
        name = _name_beside(tree, directory) or directory.rpartition("/")[2]
    # The tables are left for the configuration to read: it knows what may stand beside them.
    return Package(name=name, path=directory, provider="bao", manifest=path, config_path=path)


def _name_beside(tree: FileTree, directory: str) -> str:
    """The name that another manifest in the directory gives; empty where none does.

    Whoever reads that manifest as a package calls it so, and then both are one package.
    """
    import msgspec

    package_json, pyproject = _files_beside(tree, directory)
    try:
        if package_json is not None:
            return msgspec.json.decode(package_json, type=_Named).name
        if pyproject is not None:
            import tomllib

            document = tomllib.loads(pyproject.decode("utf-8-sig"))
            return msgspec.convert(document, _PyProject).name
    except ValueError:
        pass
    return ""


def _files_beside(tree: FileTree, directory: str) -> tuple[bytes | None, ...]:
    """The manifests of other kinds that lie in a directory."""
    return tuple(tree.read(f"{directory}/{name}") for name in ("package.json", "pyproject.toml"))


def _line_of(tree: FileTree, path: str, text: str) -> int | None:
    data = tree.read(path) or b""
    at = data.find(text.encode("utf-8", "surrogateescape"))
    return data.count(b"\n", 0, at) + 1 if at >= 0 else None
