"""Reading `package.json`."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from bao_core.errors import WorkspaceError

MANIFEST = "package.json"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

EDGES = (
    ("runtime", "dependencies"),
    ("optional", "optional_dependencies"),
    ("dev", "dev_dependencies"),
)
"""Kinds of edges and their tables; where several name one package, the first counts."""


class WorkspacesTable(Struct, frozen=True):
    """The longer form of `workspaces`."""

    packages: list[str] = []
    catalog: dict[str, Any] = {}
    catalogs: dict[str, dict[str, Any]] = {}


class NamedTool(Struct, frozen=True):
    """One entry of `devEngines.packageManager`."""

    name: str = ""
    version: str = ""


class DevEngines(Struct, frozen=True, rename="camel"):
    """`devEngines`."""

    package_manager: NamedTool | list[NamedTool] | None = None


class PackageJson(Struct, frozen=True, rename="camel"):
    """What bao knows of a `package.json`.

    Values that people use for remarks as well are taken as they come and looked at later.
    """

    name: str | None = None
    version: str | None = None
    workspaces: list[str] | WorkspacesTable | None = None
    package_manager: str | None = None
    dev_engines: DevEngines | None = None
    dependencies: dict[str, Any] | None = None
    dev_dependencies: dict[str, Any] | None = None
    optional_dependencies: dict[str, Any] | None = None
    peer_dependencies: dict[str, Any] | None = None
    scripts: dict[str, Any] | None = None
    catalog: dict[str, Any] | None = None
    catalogs: dict[str, dict[str, Any]] | None = None
    resolutions: dict[str, Any] | None = None
    bao: dict[str, Any] | None = None


class Manifest(Struct, frozen=True):
    """A `package.json` that was read.

    Attributes:
        path: From the root.
        directory: Of the package, from the root; empty for the root.
        data: The whole file, to find lines in when an error is made.
    """

    path: str
    directory: str
    data: bytes
    content: PackageJson

    def edges(self) -> Iterator[tuple[str, str, str]]:
        """Kind, name and specification of what may be packages of the workspace; never peers."""
        for kind, table in EDGES:
            yield from ((kind, name, spec) for name, spec in self._table(table))

    def requirements(self) -> Iterator[tuple[str, str, str]]:
        """Kind, name and specification of all it needs, peers included."""
        yield from self.edges()
        yield from (("peer", name, spec) for name, spec in self._table("peer_dependencies"))

    def scripts(self) -> dict[str, str]:
        """Its scripts, without those that do nothing."""
        scripts = self.content.scripts or {}
        return {n: line for n, line in scripts.items() if isinstance(line, str) and line.strip()}

    def _table(self, name: str) -> Iterator[tuple[str, str]]:
        table: dict[str, Any] = getattr(self.content, name) or {}
        return ((key, value) for key, value in table.items() if isinstance(value, str))

    def error(self, message: str, near: str = "", *, hint: str | None = None) -> WorkspaceError:
        """An error about this file, at the first line that holds a text in quotes."""
        line = line_of(self.data, f'"{near}"'.encode("utf-8", "surrogateescape")) if near else None
        return WorkspaceError(message, where=self.path, line=line, hint=hint)


def read_manifest(path: str, data: bytes) -> Manifest:
    """Decode a `package.json`.

    Raises:
        WorkspaceError: It is no JSON, or something in it has the wrong type.
    """
    text = data.removeprefix(BYTE_ORDER_MARK)
    try:
        content = _decoder().decode(text)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        key = re.split(r"[.\[]", place.rstrip("`"))[0]
        raise WorkspaceError(
            f"{reason[:1].lower()}{reason[1:]} in {place.rstrip('`') or 'the file'}",
            where=path,
            line=line_of(data, f'"{key}"'.encode()),
        ) from None
    except ValueError as error:
        line, reason = json_mistake(text, error)
        raise WorkspaceError(f"is not JSON: {reason}", where=path, line=line) from None
    return Manifest(path, path.rpartition("/")[0], data, content)


def json_mistake(data: bytes, error: ValueError) -> tuple[int, str]:
    """The line of a mistake in a JSON document, and what it is in a clause."""
    try:
        data.decode()
    except UnicodeDecodeError as wrong:
        return data.count(b"\n", 0, wrong.start) + 1, "it is not UTF-8"
    reason = re.sub(r"^JSON is malformed: | \(byte \d+\)$", "", str(error))
    found = re.search(r"\(byte (\d+)\)$", str(error))
    at = int(found.group(1)) if found else len(data.rstrip())
    return data.count(b"\n", 0, at) + 1, f"{reason[:1].lower()}{reason[1:]}"


def line_of(data: bytes, text: bytes) -> int | None:
    """The first line that holds some bytes."""
    at = data.find(text)
    return data.count(b"\n", 0, at) + 1 if at >= 0 else None


@lru_cache(maxsize=1)
def _decoder() -> msgspec.json.Decoder[PackageJson]:
    return msgspec.json.Decoder(PackageJson)
