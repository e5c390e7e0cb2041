"""Reading `pyproject.toml`."""

from __future__ import annotations

import posixpath
import re
import tomllib
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bao_core.errors import WorkspaceError
from bao_workspace_python.names import is_name, normalise
from bao_workspace_python.paths import is_outside, resolved
from bao_workspace_python.tables import Hatch, PyProject, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bao_core.model import FileTree

MANIFEST = "pyproject.toml"
HATCH_FILE = "hatch.toml"

_REQUIREMENT_LINE = re.compile(r"(?![A-Za-z0-9+]+://)[A-Za-z0-9]|(?:-e|--editable)[\s=]")
"""Other lines of a requirements file are options of pip, or addresses without a name."""

_Table = TypeVar("_Table", bound=Struct)


class Manifest(Struct, frozen=True):
    """A `pyproject.toml` that was read.

    Attributes:
        path: From the root.
        directory: Of the package, from the root; empty for the root.
        text: The whole file, to find lines in when an error is made.
        content: The tables that bao reads, decoded.
        document: The whole file, for whoever reads other tables.
        fallback: What the package is called if the file itself does not say; empty where that
            makes it no package.
        listed: Kinds and texts of requirements that stand in files which it names.
    """

    path: str
    directory: str
    text: str
    content: PyProject
    document: dict[str, Any] = {}
    fallback: str = ""
    listed: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The name of the package; empty where the file makes no package."""
        content = self.content
        if content.project is not None and content.project.name:
            return content.project.name
        if content.tool.poetry is not None and content.tool.poetry.name:
            return content.tool.poetry.name
        return self.fallback

    @property
    def version(self) -> str:
        """The version of the package; empty where the file does not say."""
        content = self.content
        if content.project is not None and content.project.version:
            return content.project.version
        return "" if content.tool.poetry is None else content.tool.poetry.version

    @property
    def key(self) -> str:
        """The normalised name of the package."""
        return normalise(self.name)

    @property
    def sources(self) -> dict[str, tuple[Source, ...]]:
        """Where its requirements are taken from, by normalised name."""
        uv = self.content.tool.uv.sources
        found = {n: tuple(e) if isinstance(e, list) else (e,) for n, e in uv.items()}
        if (hatch := self.content.tool.hatch) is not None:
            for table in (hatch.sources, *(env.sources for env in hatch.envs.values())):
                for name, source in table.items():
                    found[name] = (*found.get(name, ()), source)
        return {normalise(name): sources for name, sources in found.items()}

    def checked(self) -> Manifest:
        """Itself, if it makes a package.

        Raises:
            WorkspaceError: It has no name, or one that no package can have.
        """
        if not self.name:
            raise self.error("has no [project] table, and so no name")
        if not is_name(self.name):
            raise self.error(
                f"'{self.name}' is no name of a package",
                # An escape in the name hides where it is written.
                line=self.line_of(self.name) or _line_of_key(self.text, "name"),
                hint="a name is made of letters, digits and .-_ between them",
            )
        return self

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


def read_directory(tree: FileTree, directory: str) -> Manifest | None:
    """Read the manifest in a directory, and the files that say more of what it says.

    Returns:
        None where there is no manifest.

    Raises:
        WorkspaceError: It is broken.
    """
    path = posixpath.join(directory, MANIFEST)
    data = tree.read(path)
    if data is None:
        return None
    manifest = read_manifest(path, data)
    # Hatch reads this file instead of `[tool.hatch]`; only its users have one.
    if b"hatch" in data:
        path = posixpath.join(directory, HATCH_FILE)
        if (settings := tree.read(path)) is not None:
            manifest = _with_hatch_file(manifest, path, settings)
    if b"setuptools" in data:
        manifest = replace(manifest, listed=tuple(_listed(tree, manifest)))
    return manifest


def read_manifest(path: str, data: bytes) -> Manifest:
    """Decode a `pyproject.toml`.

    Raises:
        WorkspaceError: It is no UTF-8, no TOML, or something in it has the wrong type.
    """
    text, document = _parsed(path, data)
    content = _decoded(path, text, document, PyProject)
    directory = path.rpartition("/")[0]
    manifest = Manifest(path, directory, text, content, document)
    poetry = content.tool.poetry
    if poetry is not None and not poetry.package_mode:
        # Such a project has dependencies and tasks; only the root may go without a name.
        return replace(manifest, fallback=directory.rpartition("/")[2])
    if not manifest.name:
        for table, place in ((content.project, "project"), (poetry, "tool.poetry")):
            if table is not None:
                line = _line_of_key(text, place)
                raise manifest.error(f"[{place}] has no `name`", line=line)
    return manifest


def _with_hatch_file(manifest: Manifest, path: str, data: bytes) -> Manifest:
    text, document = _parsed(path, data)
    hatch = _decoded(path, text, document, Hatch)
    tool = {**manifest.document.get("tool", {}), "hatch": document}
    return replace(
        manifest,
        content=replace(manifest.content, tool=replace(manifest.content.tool, hatch=hatch)),
        document={**manifest.document, "tool": tool},
    )


def _listed(tree: FileTree, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Kinds and texts of what stands in the requirements files that setuptools is told to read."""
    dynamic = manifest.content.tool.setuptools.dynamic
    extras = dynamic.optional_dependencies.values()
    for kind, attribute in (("runtime", dynamic.dependencies), *(("extra", e) for e in extras)):
        for name in [attribute.file] if isinstance(attribute.file, str) else attribute.file:
            path = resolved(manifest.directory, name)
            data = None if path is None or is_outside(path) else tree.read(path)
            for line in (data or b"").decode("utf-8", "replace").splitlines():
                text = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
                if _REQUIREMENT_LINE.match(text):
                    yield kind, text


def _parsed(path: str, data: bytes) -> tuple[str, dict[str, Any]]:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WorkspaceError("is not UTF-8", where=path, line=line) from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, reason = toml_mistake(text, error)
        raise WorkspaceError(f"is not TOML: {reason}", where=path, line=line) from None
    except (RecursionError, ValueError) as error:
        # Nested too deeply, or a number of too many digits.
        raise WorkspaceError(f"is not TOML: {error}", where=path) from None


def _decoded(path: str, text: str, document: dict[str, Any], kind: type[_Table]) -> _Table:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        reason = reason.replace(" | null", "")  # TOML has none
        # msgspec writes `[...]` for a key of a table.
        place = place.rstrip("`").replace("[...]", ".*")
        raise WorkspaceError(
            f"{reason[:1].lower()}{reason[1:]} in {place or 'the file'}",
            where=path,
            line=_line_of_key(text, place.replace(".*", "")),
        ) from None


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
