"""Who owns what stands at an output path: what a task may delete or overwrite, and what not."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence


class Ownership:
    """The rules of DESIGN section 5, "Who owns an output", for one task.

    A tracked file is always an input. Of the rest a task may delete what its own stamps record
    and what git ignores, unless another task recorded it.

    Args:
        owned: Paths that this task's stamps record.
        others: Whether another task recorded a path as its output.
        is_tracked: Whether git tracks a path.
        is_ignored: Which of some paths git ignores; asked only about files and links that exist,
            are not tracked, and that nobody recorded.
    """

    __slots__ = ("_is_ignored", "_known", "_others", "_owned", "is_tracked")

    def __init__(
        self,
        owned: Collection[str],
        *,
        is_tracked: Callable[[str], bool],
        is_ignored: Callable[[Sequence[str]], Collection[str]],
        others: Callable[[str], bool] | None = None,
    ) -> None:
        self._owned = frozenset(owned)
        self._others = others or _nobody
        self.is_tracked = is_tracked
        self._is_ignored = is_ignored
        self._known: dict[str, bool] = {}

    def consider(self, paths: Iterable[str]) -> None:
        """Ask git about many paths at once, ahead of `may_remove`, as far as it has to be asked."""
        asked = [path for path in paths if path not in self._known and self._decide(path) is None]
        if asked:
            ignored = frozenset(self._is_ignored(asked))
            self._known.update((path, path in ignored) for path in asked)

    def may_remove(self, path: str) -> bool:
        """Whether the task may delete a file or link."""
        decided = self._decide(path)
        if decided is None:
            self.consider([path])
            return self._known[path]
        return decided

    def may_drop(self, directory: str) -> bool:
        """Whether the task may delete an empty directory: git keeps none, so any but others'."""
        return not self._others(directory)

    def _decide(self, path: str) -> bool | None:
        """What can be said without git; None where it has to be asked."""
        if self.is_tracked(path) or self._others(path):
            return False
        return True if path in self._owned else None


def _nobody(path: str) -> bool:
    del path
    return False
