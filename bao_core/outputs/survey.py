"""What stands on disk where a task's output patterns look, found without following links."""

from __future__ import annotations

import os

from msgspec import Struct, field

from bao_core.errors import OutputError
from bao_core.outputs.safe_paths import DIRECTORY, LINK, kind_of
from bao_core.outputs.stamps import ABSENT, WATCHED, stamp_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.globs import Globs
    from bao_core.model import Stamp
    from bao_core.outputs.safe_paths import SafeTree

_SOME_NAME = "\x01"  # stands for any name at all; no pattern means it in particular


class Survey(Struct):
    """What stands where output patterns look.

    Attributes:
        leaves: What matches and is no directory, by path, with its kind; sorted.
        empty: Directories that belong to the outputs as a whole and hold nothing at all; sorted.
        whole: Stamps of directories in which any new name would be an output.
        watched: Entries for a record of stamps that only say when to look again.
        blocked: Symbolic links where a pattern needs a directory.
        absent: Where patterns start and nothing stands, in a directory that does.
    """

    leaves: dict[str, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    whole: dict[str, Stamp] = field(default_factory=dict)
    watched: dict[str, Stamp] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)

    def stamps(self) -> dict[str, Stamp]:
        """The directories' share of a record of stamps."""
        return {**self.whole, **self.watched}

    def untracked(self, is_tracked: Callable[[str], bool]) -> list[str]:
        """Files, links and empty directories that git does not track."""
        return [*(path for path in self.leaves if not is_tracked(path)), *self.empty]


def take_survey(tree: SafeTree, globs: Globs, package_path: str) -> Survey:
    """Find what matches below all directories that patterns start at.

    Args:
        tree: The workspace.
        globs: Over paths from its root.
        package_path: Whose directory, and those above it, never belong to the outputs as a whole.

    Raises:
        OutputError: A directory cannot be read.
    """
    return _Surveyor(tree, globs, package_path).run()


def belongs_whole(globs: Globs, directory: str, package_path: str) -> bool:
    """Whether any new name in a directory would be an output."""
    return (
        bool(directory)
        and directory != package_path
        and not package_path.startswith(f"{directory}/")
        and globs.matches(f"{directory}/{_SOME_NAME}")
    )


class _Surveyor:
    def __init__(self, tree: SafeTree, globs: Globs, package_path: str) -> None:
        self._tree = tree
        self._globs = globs
        self._package = package_path
        self._found = Survey()

    def run(self) -> Survey:
        for start in self._globs.directories():
            self._begin(start)
        found = self._found
        found.leaves = dict(sorted(found.leaves.items()))
        found.empty.sort()
        return found

    def _begin(self, start: str) -> None:
        if start and (obstacle := self._tree.obstacle(start)) is not None:
            above = self._tree.lstat(obstacle)
            if above is not None and kind_of(above.st_mode) == LINK:
                self._found.blocked.append(obstacle)
            self._watch(start)
            return
        there = self._tree.lstat(start) if start else None
        kind = DIRECTORY if not start else kind_of(there.st_mode) if there is not None else None
        if kind == DIRECTORY:
            self._walk(start)
        elif kind is None:
            if self._stands(start.rpartition("/")[0]):
                self._found.absent.add(start)
            self._watch(start)
        elif self._globs.matches(start):
            self._found.leaves[start] = kind
        elif kind == LINK:
            self._found.blocked.append(start)

    def _stands(self, directory: str) -> bool:
        try:
            self._tree.directory(directory)
        except (FileNotFoundError, OutputError):
            return False
        return True

    def _watch(self, start: str) -> None:
        self._found.watched[f"{WATCHED}{start}"] = ABSENT

    def _walk(self, start: str) -> None:
        matches, reaches = self._globs.matches, self._globs.reaches
        pending = [start]
        while pending:
            directory = pending.pop()
            inside = f"{directory}/" if directory else ""
            for name, kind in self._enter(directory):
                path = inside + name
                if path == ".git":
                    continue
                if kind != DIRECTORY:
                    if matches(path):
                        self._found.leaves[path] = kind
                elif reaches(path):
                    pending.append(path)

    def _enter(self, directory: str) -> list[tuple[str, str]]:
        """Take a directory's stamp, then list it: what appears meanwhile changes the stamp."""
        try:
            stamp = stamp_from(os.fstat(self._tree.directory(directory)))
            names = self._tree.scan(directory)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutputError(
                f"the directory cannot be read: {error.strerror}", where=directory or "."
            ) from error
        if belongs_whole(self._globs, directory, self._package):
            self._found.whole[directory] = stamp
            if not names:
                self._found.empty.append(directory)
        else:
            self._found.watched[f"{WATCHED}{directory}"] = stamp
        return names
