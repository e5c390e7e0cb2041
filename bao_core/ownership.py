"""Who owns what stands at an output path: what a task may delete or overwrite, and what not."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class Ownership:
    """The rules of DESIGN section 5, "Who owns an output", for one task.

    A tracked file is always an input. Of the rest a task may delete what its own stamps record
    and what git ignores, unless another task recorded it.

    Args:
        owned: Paths that this task's stamps record.
        others: Whether another task recorded a path as its output.
        is_tracked: Whether git tracks a path.
        is_ignored: Whether git ignores a path; asked only about files and links that exist, are
            not tracked, and that nobody recorded.
    """

    __slots__ = ("_ignored", "_is_ignored", "_others", "_owned", "is_tracked")

    def __init__(
        self,
        owned: Collection[str],
        *,
        is_tracked: Callable[[str], bool],
        is_ignored: Callable[[str], bool],
        others: Callable[[str], bool] | None = None,
    ) -> None:
        self._owned = frozenset(owned)
        self._others = others or _nobody
        self.is_tracked = is_tracked
        self._is_ignored = is_ignored
        self._ignored: dict[str, bool] = {}

    def may_remove(self, path: str) -> bool:
        """Whether the task may delete a file or link."""
        if self.is_tracked(path) or self._others(path):
            return False
        if path in self._owned:
            return True
        known = self._ignored.get(path)
        if known is None:
            known = self._ignored[path] = self._is_ignored(path)
        return known

    def may_drop(self, directory: str) -> bool:
        """Whether the task may delete a directory that is empty: git keeps none, so anybody's
        but another task's."""
        return not self._others(directory)


def _nobody(path: str) -> bool:
    del path
    return False
