"""A way round a store's own methods, to damage what it keeps."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from bao_core.testing.entries import BytesSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bao_core.interfaces.cache import ObjectStore

FLIP, TRUNCATE, DELETE, SWAP = "flip", "truncate", "delete", "swap"
DAMAGES = (FLIP, TRUNCATE, DELETE, SWAP)
"""A bit turned over in the middle; the second half cut off; gone; another's content."""


class FilesBelow(MutableMapping[str, bytes]):
    """The files below a directory, by their paths from there.

    Args:
        root: The directory; need not exist.
        folders: Only what lies in these directories; everything where none is named.
    """

    def __init__(self, root: Path, *folders: str) -> None:
        self._root = root
        self._folders = folders

    def __getitem__(self, name: str) -> bytes:
        return (self._root / name).read_bytes()

    def __setitem__(self, name: str, data: bytes) -> None:
        (self._root / name).write_bytes(data)

    def __delitem__(self, name: str) -> None:
        (self._root / name).unlink()

    def __iter__(self) -> Iterator[str]:
        found = (path for path in self._root.rglob("*") if path.is_file())
        names = sorted(str(path.relative_to(self._root)) for path in found)
        return (
            name for name in names if not self._folders or name.split(os.sep, 1)[0] in self._folders
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ObjectsOf(MutableMapping[str, bytes]):
    """The objects of a store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __getitem__(self, name: str) -> bytes:
        found = self._store.get(name)
        if found is None:
            raise KeyError(name)
        with found as stream:
            return stream.read()

    def __setitem__(self, name: str, data: bytes) -> None:
        self._store.put(name, BytesSource(data), replace=True)

    def __delitem__(self, name: str) -> None:
        self._store.delete(name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(info.name for info in self._store.list("")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def damage(contents: MutableMapping[str, bytes], kind: str, name: str) -> None:
    """Damage something that is kept.

    Args:
        contents: The back door.
        kind: One of `DAMAGES`.
        name: What to damage; swapping takes the next one as well.
    """
    data = contents[name]
    match kind:
        case "flip":
            middle = len(data) // 2
            turned = bytes((data[middle] ^ 1,)) if data else b"\1"
            contents[name] = data[:middle] + turned + data[middle + 1 :]
        case "truncate":
            contents[name] = data[: len(data) // 2]
        case "delete":
            del contents[name]
        case "swap":
            names = list(contents)
            other = names[(names.index(name) + 1) % len(names)]
            contents[name], contents[other] = contents[other], data
        case _:
            raise ValueError(f"'{kind}' is none of {', '.join(DAMAGES)}")
