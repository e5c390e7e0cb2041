"""A `turbo.json` as a file: finding it, and saying where in it something stands."""

from __future__ import annotations

from typing import Any

from bao_core.errors import ConfigError
from bao_workspace_node.turbo.jsonc import Document, JsoncError, read_jsonc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.model import FileTree
    from bao_workspace_node.turbo.jsonc import Key

NAMES = ("turbo.json", "turbo.jsonc")


class TurboFile:
    """A `turbo.json` or `turbo.jsonc`.

    Attributes:
        path: From the workspace root.
        table: What it holds, not yet checked.
    """

    __slots__ = ("_lines", "path", "table")

    def __init__(self, path: str, document: Document) -> None:
        self.path = path
        self._lines = document.lines
        if not isinstance(document.value, dict):
            raise self.error((), 'should be an object, such as {"tasks": {}}')
        self.table: dict[str, Any] = document.value

    def line(self, key: Key) -> int:
        """The one-based line of a value; of what it would stand in where it is missing."""
        return next(
            (self._lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self._lines),
            self._lines[()],
        )

    def source(self, key: Key) -> str:
        """File and line of a value, such as `turbo.json:12`."""
        return f"{self.path}:{self.line(key)}"

    def error(self, key: Key, message: str, hint: str | None = None) -> ConfigError:
        """The error for a mistake at a value."""
        return ConfigError(message, where=self.path, line=self.line(key), hint=hint)


def read_turbo_file(tree: FileTree, directory: str) -> TurboFile | None:
    """The file of a directory; None where there is none.

    Raises:
        ConfigError: There are two of them, or one is no JSON.
    """
    prefix = f"{directory}/" if directory else ""
    found = [
        (prefix + name, data) for name in NAMES if (data := tree.read(prefix + name)) is not None
    ]
    if not found:
        return None
    path, data = found[0]
    if len(found) > 1:
        raise ConfigError(
            f"stands beside {found[1][0]}, and only one of the two can hold",
            where=path,
            hint="remove one of them",
        )
    try:
        return TurboFile(path, read_jsonc(data))
    except JsoncError as error:
        raise ConfigError(f"is not JSON: {error}", where=path, line=error.line) from None
