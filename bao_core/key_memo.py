"""The keys of earlier runs, with hashes over all that they were made of.

Working out a thousand keys takes a fifth of a run that finds nothing to do. Where every single
ingredient is as it was in an earlier run, so are the keys. Where only files differ, so are the keys
of the tasks that these files cannot reach.
"""

from __future__ import annotations

from msgspec import Struct

from bao_core.model import CacheKey
from bao_core.state import RunKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.model import Task, TaskId, Workspace
    from bao_core.state import WorkspaceState
    from bao_core.worktree import WorktreeFiles

_KEPT = 4
"""How many runs are remembered: a few commands that are used in turn."""

_DIGITS = 64
"""Hexadecimal digits of a key."""

_DIGEST = 16
"""Bytes of a hash over the files of one package."""


class Ingredients(Struct, frozen=True):
    """What the keys of a run are made of.

    Attributes:
        unlisted: A hash over everything but the files that are listed.
        files: A hash over those.
        whole: A hash over everything, what patterns reach as well.
        reaching: Tasks with such patterns.
    """

    unlisted: str
    files: str
    whole: str
    reaching: frozenset[TaskId]


class KeyMemo:
    """What is remembered of the keys of whole runs.

    Args:
        state: Where it is remembered.
        workspace: Whose packages the tasks belong to.
        files: As they are now.
    """

    def __init__(self, state: WorkspaceState, workspace: Workspace, files: WorktreeFiles) -> None:
        self._state = state
        self._packages = workspace.packages
        self._files = files
        self._known: list[bytes] | None = None

    def recall(self, made_of: Ingredients, tasks: Sequence[Task]) -> list[CacheKey | None]:
        """The keys that are known to be as in an earlier run, None for every other task.

        Args:
            made_of: What the keys are made of now.
            tasks: In the order of the run, each after those that it follows.

        Raises:
            InputError: An input cannot be read.
        """
        run = self._nearest(made_of, len(tasks))
        if run is None:
            return [None] * len(tasks)
        digits = run.keys.hex()
        starts = range(0, len(digits), _DIGITS)
        keys = [CacheKey(digits[start : start + _DIGITS]) for start in starts]
        if run.whole == made_of.whole:
            return [*keys]
        reached = self._reached_since(run, self._digests(made_of))
        kept: dict[TaskId, CacheKey] = {}
        for task, key in zip(tasks, keys, strict=True):
            above = (edge.id in kept for edge in task.upstream if edge.follow != "none")
            if task.package not in reached and task.id not in made_of.reaching and all(above):
                kept[task.id] = key
        return [kept.get(task.id) for task in tasks]

    def remember(self, made_of: Ingredients, keys: Sequence[CacheKey]) -> None:
        """Remember the keys of a run, unless they are those of the last one.

        Raises:
            InputError: An input cannot be read.
        """
        runs = self._state.memory.keys
        if runs and runs[-1].whole == made_of.whole:
            return
        runs[:] = [run for run in runs if run.whole != made_of.whole][1 - _KEPT :]
        joined = bytes.fromhex("".join(keys))
        digests = b"".join(self._digests(made_of))
        runs.append(RunKeys(made_of.unlisted, made_of.whole, joined, digests))
        self._state.mark_changed()

    def _nearest(self, made_of: Ingredients, count: int) -> RunKeys | None:
        """The run with the same ingredients, else the last one in which only files differ."""
        runs = self._state.memory.keys
        for place, run in enumerate(runs):
            if run.whole == made_of.whole and len(run.keys) * 2 == count * _DIGITS:
                runs.append(runs.pop(place))
                return run
        for run in reversed(runs):
            sizes = (len(run.keys) * 2, len(run.digests))
            alike = sizes == (count * _DIGITS, len(self._packages) * _DIGEST)
            if alike and run.unlisted == made_of.unlisted:
                return run
        return None

    def _reached_since(self, run: RunKeys, digests: Sequence[bytes]) -> set[str]:
        """The packages whose files have changed since then, and what depends on any of those."""
        dependents: dict[str, list[str]] = {}
        for name, package in self._packages.items():
            for dependency in package.dependencies:
                dependents.setdefault(dependency.name, []).append(name)
        starts = range(0, len(run.digests), _DIGEST)
        before = [run.digests[start : start + _DIGEST] for start in starts]
        pending = [
            name
            for name, then, now in zip(self._packages, before, digests, strict=True)
            if then != now
        ]
        reached: set[str] = set()
        while pending:
            name = pending.pop()
            if name not in reached:
                reached.add(name)
                pending.extend(dependents.get(name, ()))
        return reached

    def _digests(self, made_of: Ingredients) -> list[bytes]:
        """A hash over the files of each package, of those in packages inside of it too."""
        if self._known is None:
            everything = bytes.fromhex(made_of.files)[:_DIGEST]
            self._known = [
                self._files.digest_below(path, _DIGEST) if path else everything
                for path in (package.path for package in self._packages.values())
            ]
        return self._known
