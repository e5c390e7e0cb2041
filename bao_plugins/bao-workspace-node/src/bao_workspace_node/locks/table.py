"""What every lock file comes to: nodes, and where a package finds what it asks for."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from bao_core.closures import LockBrokenError, Node, ReachTable, reach_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BYTE_ORDER_MARK = "\ufeff"
SHORT = 12
"""Digits of a hash that stands in a label."""


class FormatUnknownError(Exception):
    """A lock file is of a version that is not known here; the text says which."""


class LockSource(Struct, frozen=True):
    """A lock file, and what else says how it is to be read.

    Attributes:
        path: From the root.
        data: Its content.
        members: The directories of the workspace's packages.
        resolutions: What the root's manifest wants instead of what packages ask for.
    """

    path: str
    data: bytes
    members: tuple[str, ...] = ()
    resolutions: dict[str, str] = {}

    def broken(self, reason: str, line: int | None = None) -> LockBrokenError:
        """An error about this file."""
        where = self.path if line is None else f"{self.path}:{line}"
        return LockBrokenError(f"{where}: {reason}")

    def text(self) -> str:
        """Its content as text.

        Raises:
            LockBrokenError: It is not UTF-8.
        """
        try:
            text = self.data.decode()
        except UnicodeDecodeError as error:
            line = self.data.count(b"\n", 0, error.start) + 1
            raise self.broken("is not UTF-8", line) from None
        return text.removeprefix(BYTE_ORDER_MARK)

    def convert(self, raw: Any, kind: type[Any]) -> Any:
        """A parsed document as a record.

        Raises:
            LockBrokenError: Something in it has the wrong type.
        """
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            raise self.broken_by(error) from None

    def broken_by(self, error: msgspec.ValidationError) -> LockBrokenError:
        """An error about a wrong type, at the first line that names the place, if one does."""
        reason, _, where = str(error).partition(" - at ")
        place = where.partition("`$")[2].strip("`.")
        key = re.split(r"[.\[]", place)[0]
        found = re.search(rf"^\s*\"?{re.escape(key)}\"?:".encode(), self.data, re.MULTILINE)
        line = self.data.count(b"\n", 0, found.start()) + 1 if key and found else 1
        return self.broken(f"{reason[:1].lower()}{reason[1:]} in {place or 'the file'}", line)


class LockFacts(Struct, frozen=True, array_like=True):
    """What of a lock file concerns all packages; see `LockTable`."""

    form: str
    patches: tuple[str, ...]


class LockTable(Struct, frozen=True, array_like=True):
    """A lock file, ready to be asked.

    Attributes:
        form: Its version, and the settings that it was made with: where these differ, all differs.
        reach: What can be reached from where, as `--affected` compares it: by `name@version`.
        whole: The same for keys, by all that identifies a node and with what may be reached only
            perhaps; None where `reach` says as much.
        index: Nodes by what they are looked up by, which each format chooses. An empty list stands
            for a package of the workspace.
        patches: The nodes that a patch changes, by the patch's path from the root.
        places: Whether `reach` tells apart where things are installed, since moving a package
            changes who finds it.
    """

    form: str
    reach: ReachTable
    whole: ReachTable | None
    index: dict[str, list[int]]
    patches: dict[str, list[int]]
    places: bool = False

    def find(self, directory: str, package: str, name: str, specification: str) -> list[int] | None:
        """The nodes that a package of the workspace means.

        Args:
            directory: Of the package.
            package: Its name.
            name: Of what it asks for, as its manifest calls it.
            specification: The version, range, path or protocol beside that name.

        Returns:
            Several where it is not certain which; none for a package of the workspace; None where
            the lock file does not know it.
        """
        raise NotImplementedError


class Draft:
    """Collects the nodes of a lock file, whose keys are known before their successors are."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.numbers = {key: number for number, key in enumerate(keys)}
        self._nodes = [Node("")] * len(self.numbers)
        self._whole = [Node("")] * len(self.numbers)
        self._differ = False

    def put(
        self,
        key: str,
        label: str,
        identity: Any,
        successors: Iterable[int],
        *,
        place: str = "",
        perhaps: Sequence[int] = (),
    ) -> None:
        """Set a node.

        Args:
            key: One of those given.
            label: `name@version`.
            identity: All that identifies it.
            successors: What comes with it, by number.
            place: What of its identity `--affected` compares besides the label.
            perhaps: What it uses only where it happens to be there.
        """
        number = self.numbers[key]
        said = identity_of(identity)
        certain = list(successors)
        self._nodes[number] = Node(label, place or said, certain)
        self._whole[number] = Node(label, said, [*certain, *perhaps])
        self._differ = self._differ or bool(place or perhaps)

    def tables(self) -> tuple[ReachTable, ReachTable | None]:
        """`reach` and `whole` of a `LockTable`."""
        return reach_table(self._nodes), reach_table(self._whole) if self._differ else None


def identity_of(value: Any) -> str:
    """Text that differs when a decoded value does."""
    return msgspec.json.encode(value, order="sorted").decode()


def text_of(value: Any) -> str:
    """A scalar as text; a version may read as a number."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def name_of(descriptor: str) -> str:
    """The name in `name@anything`, where the name may begin with a scope."""
    at = descriptor.find("@", 1)
    return descriptor if at < 0 else descriptor[:at]


def texts(table: Mapping[str, Any] | None) -> Sequence[tuple[str, str]]:
    """The entries of a table whose values are text."""
    return [(key, value) for key, value in (table or {}).items() if isinstance(value, str)]
