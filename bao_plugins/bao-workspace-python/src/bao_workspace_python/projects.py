"""Which lock files speak for which packages, and what each package can reach in them."""

from __future__ import annotations

import posixpath

from bao_core.digests import hash_text
from bao_workspace_python.locks import LOCK_NAMES, REQUIREMENTS, LockFiles, read_locks
from bao_workspace_python.paths import ancestors, normal, relative

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bao_core.closures import ClosureMemory
    from bao_core.model import FileTree
    from bao_workspace_python.packages import Found
    from bao_workspace_python.requirements import Requirement


class Projects:
    """The lock files of a workspace.

    A member of a declared workspace is locked where that has its root; any other package in the
    nearest directory that has a lock file, its own or one above; else at the root.

    Args:
        tree: The files of the workspace.
        found: The packages.
        memory: What was read of lock files before.
    """

    def __init__(self, tree: FileTree, found: Found, memory: ClosureMemory | None) -> None:
        locked = _Locked(tree, found)
        self._homes = {directory: locked.home(directory) for directory in found.manifests}
        self.members: dict[str, list[str]] = {"": []}
        for directory, home in self._homes.items():
            self.members.setdefault(home, []).append(directory)
        self.files = {
            home: read_locks(tree, home, [relative(member, home) for member in members], memory)
            for home, members in self.members.items()
        }
        self._closures = {home: _Closures(files) for home, files in self.files.items()}

    def home(self, directory: str) -> str:
        """The directory whose lock files speak for a package."""
        return self._homes[directory]

    def locked_edges(self, directory: str) -> Iterator[tuple[str, str]]:
        """Kinds and directories of what the lock file says that a package depends on."""
        home = self._homes[directory]
        if (lock := self.files[home].lock) is not None:
            for kind, target in lock.edges(relative(directory, home)):
                yield kind, normal(posixpath.join(home, target)) if home else target

    def closure(
        self, directory: str, external: Sequence[Requirement], foreign: Sequence[Requirement]
    ) -> tuple[tuple[str, ...], str]:
        """`name@version` of what a package can reach, and a digest over all that concerns it.

        Args:
            directory: The package's.
            external: Its requirements that no package of the workspace answers.
            foreign: Those that a package of another project answers.
        """
        home = self._homes[directory]
        return self._closures[home].of(relative(directory, home), external, foreign)

    def save(self) -> None:
        """Remember the closures that were worked out."""
        for files in self.files.values():
            if files.lock is not None:
                files.lock.save()


class _Locked:
    """Finds the directory whose lock files speak for a package."""

    def __init__(self, tree: FileTree, found: Found) -> None:
        self._tree = tree
        self._found = found
        # Under a workspace that is declared hardly anybody asks, and a list would be dear.
        self._listed = None if "" in found.roots else set(tree.named([*LOCK_NAMES, REQUIREMENTS]))

    def home(self, directory: str) -> str:
        """The directory whose lock files speak for a package."""
        if (root := self._found.homes.get(directory)) is not None:
            return root
        if directory in self._found.roots:
            return directory
        places = [directory, *ancestors(directory)] if directory else [""]
        for names in (sorted(LOCK_NAMES), [REQUIREMENTS]):
            for place in places:
                if any(self._is_there(posixpath.join(place, name)) for name in names):
                    return place
        return ""

    def _is_there(self, path: str) -> bool:
        # One at the root counts even if git ignores it.
        if self._listed is not None and "/" in path:
            return path in self._listed
        return self._tree.read(path) is not None


class _Closures:
    """What packages can reach outside of the workspace, as one directory's lock files say."""

    def __init__(self, files: LockFiles) -> None:
        self._lock = files.lock
        self._digest = files.digest
        # uv alone says what the groups of a member need; others have no more of a member than of
        # any other package.
        self._has_groups = all(posixpath.basename(path) == "uv.lock" for path in files.paths)

    def of(
        self, member: str, external: Sequence[Requirement], foreign: Sequence[Requirement]
    ) -> tuple[tuple[str, ...], str]:
        """See `Projects.closure`; the member's directory is relative to that of the lock file."""
        lock = self._lock
        if lock is None:
            written = tuple(sorted({requirement.text for requirement in external}))
            return written, hash_text(self._digest, *written)
        # What a build needs is never locked.
        kinds = {"runtime", "extra", "group"}
        if lock.knows(member):
            kinds = set() if self._has_groups else {"group"}
        wanted = [(r.name, r.extras, r.text) for r in (*foreign, *external) if r.kind in kinds]
        answer = lock.closure(member, wanted)
        return answer.labels, hash_text(self._digest, answer.digest)
