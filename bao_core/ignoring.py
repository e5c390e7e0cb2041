"""Which paths git ignores, asked in bulk and remembered for the run."""

from __future__ import annotations

from threading import Lock

from bao_core.git.walking import holds_no_inputs

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
        """Those of the paths that git ignores; without git, those that are never listed."""
        if not self._has_git:
            return {path for path in paths if any(map(self._is_left_out, _with_folders(path)[1:]))}
        paths = list(paths)
        with self._lock:
            asked = {
                place for path in paths for place in _with_folders(path) if place not in self._known
            }
            if asked:
                from bao_core.git import facts

                ignored = facts.ignored(self._root, sorted(asked), self._environ)
                self._known.update((place, place in ignored) for place in asked)
            return {path for path in paths if any(self._known[p] for p in _with_folders(path))}

    def _is_left_out(self, folder: str) -> bool:
        return holds_no_inputs(f"{self._root}/{folder}", folder.rpartition("/")[2])


def _with_folders(path: str) -> list[str]:
    places = [path]
    while "/" in path:
        path = path.rpartition("/")[0]
        places.append(path)
    return places
