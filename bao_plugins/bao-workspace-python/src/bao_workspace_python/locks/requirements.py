"""Requirements files, which are hashed whole."""

from __future__ import annotations

import posixpath
import re

from bao_core.digests import digest_bytes
from bao_workspace_python.locks.records import Entry, LockContent, label_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bao_core.model import FileTree

FOLDER = "requirements"

_NAME = re.compile(r"(?:[\w.-]*[-_.])?(?:requirements|constraints)(?:[-_.][\w.-]*)?\.txt", re.ASCII)
_INCLUDED = re.compile(
    rb"^[ \t]*(?:-[rc][ \t]*|--(?:requirement|constraint)[ \t=]+)"
    rb"(?:\"([^\"\r\n]+)\"|'([^'\r\n]+)'|([^\s#]+))",
    re.MULTILINE,
)


def find_requirements(tree: FileTree, directory: str, names: Mapping[str, bool]) -> list[str]:
    """The requirements files of a directory, and those in its folder `requirements`.

    Args:
        tree: The files of the workspace.
        directory: From the root of the workspace.
        names: What lies in it, each with whether it is a directory.

    Returns:
        Sorted paths from the root.
    """
    found = [name for name, is_folder in names.items() if not is_folder and _NAME.fullmatch(name)]
    if names.get(FOLDER):
        inside = tree.entries(posixpath.join(directory, FOLDER))
        found += [
            f"{FOLDER}/{name}"
            for name, is_folder in inside.items()
            if not is_folder and name.endswith(".txt")
        ]
    return sorted(posixpath.join(directory, name) for name in found)


def with_included(tree: FileTree, paths: Iterable[str]) -> dict[str, bytes]:
    """Requirements files, and those inside the workspace that they include, by path."""
    found: dict[str, bytes] = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in found and (data := tree.read(path)) is not None:
            found[path] = data
            waiting.extend(_included(path, data))
    return dict(sorted(found.items()))


def read_requirements(files: Mapping[str, bytes]) -> LockContent:
    """Requirements files as a lock file whose entries are those files."""
    entries = []
    for path, data in files.items():
        digest = digest_bytes(data).hash
        label = label_of(path, digest[:12])
        entries.append(Entry(path, "", label, digest))
    return LockContent(entries, traced=False)


def _included(path: str, data: bytes) -> Iterator[str]:
    for match in _INCLUDED.finditer(data):
        text = next(filter(None, match.groups())).decode("utf-8", "surrogateescape")
        if "://" in text or text.startswith("/"):
            continue
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
        if not target.startswith("../"):
            yield target
