"""What each package can reach outside the workspace."""

from __future__ import annotations

from bao_core.closures import Closure, LockBrokenError, question_of
from bao_core.digests import hash_text
from bao_workspace_node.locks import LockSource, RememberedLock
from bao_workspace_node.locks.table import SHORT, FormatUnknownError, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bao_core.closures import ClosureMemory
    from bao_core.model import FileTree
    from bao_workspace_node.locks import LockTable
    from bao_workspace_node.manifest import Manifest
    from bao_workspace_node.settings import WorkspaceSettings


class Closures:
    """The closures of the packages of one workspace.

    Args:
        tree: Where the patches lie that the lock file names.
        root: The root's manifest.
        members: Those of the packages.
        settings: Says which lock file there is.
        memory: Of lock files.

    Attributes:
        broken: Why the lock file could not be used; empty when it could.
        form: Its version and settings; empty where there is no lock file that can be read.
        notes: What the user should know.
        patches: The paths of patches that the lock file names.
    """

    def __init__(
        self,
        tree: FileTree,
        root: Manifest,
        members: Sequence[Manifest],
        settings: WorkspaceSettings,
        memory: ClosureMemory,
    ) -> None:
        self.broken = ""
        self.form = ""
        self.notes: list[str] = []
        self.patches: tuple[str, ...] = ()
        self._lock: RememberedLock | None = None
        # What stands for a lock file that is not read package by package.
        self._whole = ""
        if settings.lock_file:
            self._read(root, members, settings, memory)
        self._contents = _contents(tree, self.patches)

    def of(self, manifest: Manifest, internal: set[str]) -> Closure:
        """Everything outside the workspace that a package can reach.

        Args:
            manifest: Of the package.
            internal: The names in it that mean other packages of the workspace.
        """
        if self._lock is None:
            written = {f"{name}@{s}" for _, name, s in manifest.edges() if name not in internal}
            labels = tuple(sorted(written | ({self._whole} if self._whole else set())))
            return Closure(labels, hash_text(*labels))
        question = question_of(manifest.directory, manifest.data)
        answer = self._lock.answers.recall(question)
        if answer is None:
            answer = _closure(self._lock.table, manifest)
            self._lock.answers.remember(question, answer)
        more: set[str] = set()
        for name, what in answer.rest:
            if name:  # not locked yet
                more.update(() if name in internal else (what,))
            else:
                more.add(f"{what}@{self._contents[what]}")
        if not more:
            return answer
        return Closure(
            tuple(sorted({*answer.labels, *more})),
            hash_text(answer.digest, *sorted(more)),
            answer.places,
        )

    def save(self) -> None:
        """Remember the answers that are new."""
        if self._lock is not None:
            self._lock.answers.save()

    def _read(
        self,
        root: Manifest,
        members: Sequence[Manifest],
        settings: WorkspaceSettings,
        memory: ClosureMemory,
    ) -> None:
        source = LockSource(
            settings.lock_file,
            settings.lock_data,
            tuple(manifest.directory for manifest in members),
            dict(texts(root.content.resolutions)),
        )
        lock = RememberedLock(source, memory)
        try:
            self.form = lock.facts.form
            self.patches = lock.facts.patches
            self._lock = lock
        except LockBrokenError as error:
            self.broken = str(error)
        except FormatUnknownError as error:
            self.notes.append(f"{error}; any change of it counts for every package")
        if self._lock is None:
            self._whole = f"{source.path}@{hash_text(source.data.hex())[:16]}"


def _closure(lock: LockTable, manifest: Manifest) -> Closure:
    """What a package reaches.

    Its `rest` are pairs: a name that is not locked, with its specification, or, without a name, the
    path of a patch.
    """
    own: list[int] = []
    # Who uses a package brings its peers. They are there for its own tests all the same, so that
    # they count for keys and not for what is affected.
    peers: list[int] = []
    unlocked: list[tuple[str, str]] = []
    package = manifest.content.name or ""
    for kind, name, specification in manifest.requirements():
        found = lock.find(manifest.directory, package, name, specification)
        if found is not None:
            (peers if kind == "peer" else own).extend(found)
        elif kind not in {"peer", "optional"}:
            # It is there as it is written.
            unlocked.append((name, f"{name}@{specification}"))
    whole = lock.whole or lock.reach
    compared, held = lock.reach.reach_all(own), whole.reach_all([*own, *peers])
    patches = [("", path) for path, nodes in lock.patches.items() if held & whole.only(nodes)]
    return Closure(
        lock.reach.labels(compared),
        hash_text(lock.form, whole.digest(held)),
        lock.reach.digest(compared) if lock.places else "",
        (*unlocked, *patches),
    )


def _contents(tree: FileTree, patches: Iterable[str]) -> dict[str, str]:
    """What the patches are by now, as short hashes."""
    found = {path: tree.read(path) for path in patches}
    return {
        path: "missing" if content is None else hash_text(content.hex())[:SHORT]
        for path, content in found.items()
    }
