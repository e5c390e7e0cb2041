"""What bao's own configuration says of packages: `[workspace] packages` and `exclude`."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
from msgspec import Struct

from bao_core.globs import compile_globs
from bao_workspace_python.manifest import MANIFEST
from bao_workspace_python.members import LEFT_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bao_core.globs import Globs
    from bao_core.model import FileTree

_WILD = frozenset("*?[{")
_CONFIGURATION = "bao.toml"


class Table(Struct, frozen=True):
    """`[workspace]`.

    Attributes:
        packages: Globs of package directories.
        exclude: Globs of directories that are no packages after all.
    """

    packages: list[str] = []
    exclude: list[str] = []


class Configured:
    """The table `[workspace]` of bao's configuration, ready to be asked.

    Attributes:
        place: What the table is called, with its file, for hints.
    """

    def __init__(self, table: Table, place: str) -> None:
        self.place = place
        self._chosen = [_normal(pattern) for pattern in table.packages]
        self._excluded = [_normal(pattern) for pattern in table.exclude]
        self._fits = self._on_manifests([*self._chosen, *(f"!{p}" for p in self._excluded)])
        self._left_out = self._on_manifests(self._excluded)

    @property
    def excludes_some(self) -> bool:
        """Whether anything is left out."""
        return bool(self._excluded)

    def excludes(self, directory: str) -> bool:
        """Whether a directory is left out."""
        return bool(self._excluded) and self._left_out.matches(_manifest_in(directory))

    def directories(self, tree: FileTree) -> Iterator[str]:
        """Directories that `packages` names and `exclude` does not, without the root."""
        above = compile_globs([p for p in self._chosen if not _WILD.isdisjoint(p)])

        def enter(directory: str) -> bool:
            return directory.rpartition("/")[2] not in LEFT_OUT and above.reaches(directory)

        for start in self._fits.directories():
            for directory in tree.directories(start.removesuffix(MANIFEST).rstrip("/"), enter):
                if (
                    directory
                    and self._fits.matches(_manifest_in(directory))
                    and LEFT_OUT.isdisjoint(directory.split("/"))
                ):
                    yield directory

    @staticmethod
    def _on_manifests(patterns: list[str]) -> Globs:
        # `packages/**` takes in `packages` itself, and `apps` does not take in `apps/web`.
        return compile_globs([f"{pattern}/{MANIFEST}" for pattern in patterns])


def read_configured(tree: FileTree) -> Configured:
    """Read the table from wherever bao's configuration stands; empty where there is none.

    A mistake in it is not reported here: core reads the same files, and says so.
    """
    for path, keys in (
        (_CONFIGURATION, ("workspace",)),
        (MANIFEST, ("tool", "bao", "workspace")),
        ("package.json", ("bao", "workspace")),
    ):
        data = tree.read(path)
        if data is None or (path != _CONFIGURATION and b"bao" not in data):
            continue
        try:
            decoded = _document(path, data)
            for key in keys:
                decoded = decoded[key]
            table = msgspec.convert(decoded, Table)
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            continue
        return Configured(table, f"[{'.'.join(keys)}] in {path}")
    return Configured(Table(), f"[workspace] in {_CONFIGURATION}")


def _document(path: str, data: bytes) -> Any:
    if path.endswith(".json"):
        return msgspec.json.decode(data)
    return tomllib.loads(data.decode("utf-8-sig"))


def _manifest_in(directory: str) -> str:
    return f"{directory}/{MANIFEST}" if directory else MANIFEST


def _normal(pattern: str) -> str:
    return pattern.rstrip("/").removeprefix("./") or "."
