"""Where the workspace begins."""

from __future__ import annotations

import os
import re

from bao_core.errors import BaoError
from bao_core.git.process import find_toplevel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

ANYWHERE = "**/"
"""Before the name of a marker: such a file makes a root of the repository that it lies in."""

_DEPTH = 4
_MOST_DIRECTORIES = 4000
"""How far below the top of a repository a file is looked for, and in how many directories."""

_NO_PACKAGES = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})


def find_root(
    directory: str, markers: Mapping[str, Sequence[str]], manifests: Collection[str]
) -> str | None:
    """The root of the workspace that a directory lies in.

    The nearest directory whose `bao.toml` has a `[workspace]` table; else the outermost one with a
    root marker of some provider; else the outermost one with a manifest. Only directories up to
    git's top level count, or without git those below the home directory.

    Projects that lie side by side belong together even where nothing above them says so. So git's
    top level takes the place of a directory that has nothing but a manifest of such a kind, and
    is the root where there is a manifest of that kind only further down.

    Args:
        directory: Absolute.
        markers: Regular expressions by file name, one of which the file's content must match; an
            empty one matches any content. `**/` before the name says that packages of this kind
            are found wherever they lie in a repository.
        manifests: Names of files that make a package.
    """
    candidates = list(_upwards(directory))
    top = _repository(directory)
    for candidate in candidates:
        if _declares_root(os.path.join(candidate, "bao.toml")):
            return candidate
    patterns = {name: [p.encode() for p in regexes] for name, regexes in markers.items()}
    anywhere = {
        name.removeprefix(ANYWHERE): patterns.pop(name)
        for name in markers
        if name.startswith(ANYWHERE)
    }
    for candidate in reversed(candidates):
        if _holds(candidate, patterns):
            return candidate
    for candidate in reversed(candidates):
        if any(os.path.isfile(os.path.join(candidate, name)) for name in manifests):
            others = {n: [b""] for n in manifests if n not in anywhere}
            alone = _holds(candidate, anywhere) and not _holds(candidate, others)
            return top if alone and top is not None else candidate
    return top if top is not None and anywhere and _holds_below(top, anywhere) else None


def disabled_above(directory: str) -> set[str]:
    """Plugins that a configuration in a directory or above it disables.

    Asked before any plugin is imported that is not known yet, and so before the root is known. A
    configuration that is wrong disables nothing here; it is reported when it is read for good.
    """
    from bao_core.config import load_root_config
    from bao_core.worktree import WorktreeTree

    disabled: set[str] = set()
    for place in _upwards(directory):
        try:
            config = load_root_config(WorktreeTree(place, None))
        except BaoError:
            continue
        disabled.update(config.plugins.disable)
    return disabled


def _repository(directory: str) -> str | None:
    """Git's top level, unless that is the home directory: what lies there is no one workspace."""
    top = find_toplevel(directory)
    return None if top == os.path.realpath(os.path.expanduser("~")) else top


def _holds(directory: str, patterns: Mapping[str, Sequence[bytes]]) -> bool:
    """Whether one of some files lies in a directory, with a content that matches."""
    return any(_matches(os.path.join(directory, name), patterns[name]) for name in patterns)


def _holds_below(top: str, patterns: Mapping[str, Sequence[bytes]]) -> bool:
    """The same for the directories below one, those nearby first, and not very far down."""
    level = [top]
    seen = 0
    for _ in range(_DEPTH):
        below = [found for directory in level for found in _directories_in(directory)]
        seen += len(below)
        if any(_holds(directory, patterns) for directory in below):
            return True
        if seen > _MOST_DIRECTORIES:
            return False
        level = below
    return False


def _directories_in(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(
                entry.path
                for entry in entries
                if not entry.name.startswith(".")
                and entry.name not in _NO_PACKAGES
                and entry.is_dir(follow_symlinks=False)
            )
    except OSError:
        return []


def _upwards(directory: str) -> Iterator[str]:
    last = find_toplevel(directory)
    home = os.path.realpath(os.path.expanduser("~"))
    current = directory
    while True:
        yield current
        parent = os.path.dirname(current)
        if current in {last, parent} or (last is None and parent == home):
            return
        current = parent


def _declares_root(path: str) -> bool:
    """Whether a `bao.toml` has the table that makes a root of it, whatever lies above."""
    try:
        with open(path, "rb", buffering=0) as file:
            content = file.read()
    except OSError:
        return False
    if b"workspace" not in content:
        return False
    return any(b"".join(line.split()).startswith(b"[workspace]") for line in content.splitlines())


def _matches(path: str, patterns: Sequence[bytes]) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:
            if b"" in patterns:
                return True
            content = file.read()
    except OSError:
        return False
    return any(re.search(pattern, content, re.MULTILINE) for pattern in patterns)
