"""Where the workspace begins."""

from __future__ import annotations

import os
import re

from bao_core.errors import BaoError
from bao_core.git.process import find_toplevel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_DECLARES_ROOT = rb"^\s*\[\s*workspace\s*\]"
"""What a `bao.toml` says that is a root whatever lies above it."""


def find_root(
    directory: str, markers: Mapping[str, Sequence[str]], manifests: Collection[str]
) -> str | None:
    """The root of the workspace that a directory lies in.

    The nearest directory whose `bao.toml` has a `[workspace]` table; else the outermost one with a
    root marker of some provider; else the outermost one with a manifest. Only directories up to
    git's top level count, or without git those below the home directory.

    Args:
        directory: Absolute.
        markers: Regular expressions by file name, one of which the file's content must match; an
            empty one matches any content.
        manifests: Names of files that make a package.
    """
    candidates = list(_upwards(directory))
    for candidate in candidates:
        if _matches(os.path.join(candidate, "bao.toml"), [_DECLARES_ROOT]):
            return candidate
    patterns = {name: [p.encode() for p in regexes] for name, regexes in markers.items()}
    for candidate in reversed(candidates):
        if any(_matches(os.path.join(candidate, name), patterns[name]) for name in patterns):
            return candidate
    for candidate in reversed(candidates):
        if any(os.path.isfile(os.path.join(candidate, name)) for name in manifests):
            return candidate
    return None


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


def _matches(path: str, patterns: Sequence[bytes]) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:
            if b"" in patterns:
                return True
            content = file.read()
    except OSError:
        return False
    return any(re.search(pattern, content, re.MULTILINE) for pattern in patterns)
