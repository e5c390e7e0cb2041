"""Which paths git ignores, asked in bulk and remembered for the run."""

from __future__ import annotations

from threading import Lock

from bao_core.git import facts as git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class IgnoredPaths:
    """Answers for one worktree; a folder that is ignored answers for everything below it."""

    def __init__(self, root: str, environ: Mapping[str, str], *, has_git: bool) -> None:
        self._root = root
        self._environ = environ
        self._has_git = has_git
        self._known: dict[str, bool] = {}
        self._lock = Lock()

    def among(self, paths: Iterable[str]) -> set[str]:
        """Those of the paths that git ignores; none without git."""
        if not self._has_git:
            return set()
        paths = list(paths)
        with self._lock:
            asked = {
                place for path in paths for place in _with_folders(path) if place not in self._known
            }
            if asked:
                ignored = git.ignored(self._root, sorted(asked), self._environ)
                self._known.update((place, place in ignored) for place in asked)
            return {path for path in paths if any(self._known[p] for p in _with_folders(path))}


def _with_folders(path: str) -> list[str]:
    places = [path]
    while "/" in path:
        path = path.rpartition("/")[0]
        places.append(path)
    return places
