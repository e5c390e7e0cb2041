"""What differs between two states of the repository, as selection asks for it."""

from __future__ import annotations

from typing import Protocol

from bao_core.errors import BaoError, GitError
from bao_core.git import facts as git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bao_core.git.facts import ChangedFile
    from bao_core.git.listed import Uncommitted
    from bao_core.model import FileTree, Workspace
    from bao_core.selection.base_revision import Base


class Changes(Protocol):
    """What selection wants to know of the repository. Asked lazily: every answer costs."""

    def base(self) -> str | None:
        """The commit that `--affected` compares with, a merge base; None where there is none."""

    def how(self) -> str:
        """How that commit was chosen, or why there is none, as one clause."""

    def files(
        self, base: str, head: str | None, *, merge_base: bool, worktree: bool
    ) -> list[ChangedFile] | None:
        """The files that differ, sorted; None where one of the revisions is not known.

        Args:
            base: A revision.
            head: A revision; None for HEAD.
            merge_base: Compare with the merge base of the two and not with `base` itself.
            worktree: Count what is not committed and what is untracked as well.
        """

    def merge_base(self, base: str, head: str) -> str | None:
        """The commit where two revisions parted; None where they have nothing in common."""

    def workspace_at(self, revision: str) -> Workspace | None:
        """The packages as of a revision, closures included; None where they cannot be made out."""

    def closures(self) -> Mapping[str, tuple[str, ...]]:
        """`name@version` of what each package of the worktree reaches through the lock file."""

    def global_input(self, path: str) -> bool:
        """Whether a change of this file, which need not exist any more, affects everything."""


class GitChanges:
    """The answers of a git repository.

    Args:
        root: The workspace's root.
        environ: The environment of the command.
        choose: Chooses the base; called once, when it is first needed.
        load: Makes out the packages of a tree; may raise a BaoError.
        closures: See `Changes.closures`; called once, when first needed.
        global_input: See `Changes.global_input`.
        revisions: What is known of revisions already.
        uncommitted: What git told of the worktree already; None to ask it.
    """

    def __init__(
        self,
        root: str,
        environ: Mapping[str, str],
        *,
        choose: Callable[[], Base],
        load: Callable[[FileTree], Workspace],
        closures: Callable[[], Mapping[str, tuple[str, ...]]],
        global_input: Callable[[str], bool],
        revisions: git.Revisions | None = None,
        uncommitted: Uncommitted | None = None,
    ) -> None:
        self._root = root
        self._environ = environ
        self._revisions = revisions or git.Revisions(root, environ)
        self._uncommitted = uncommitted
        self._choose = choose
        self._load = load
        self.closures = closures
        self.global_input = global_input
        self._base: Base | None = None
        self._workspaces: dict[str, Workspace | None] = {}

    def base(self) -> str | None:
        """See `Changes.base`."""
        return self._chosen().commit

    def how(self) -> str:
        """See `Changes.how`."""
        return self._chosen().how

    def files(
        self, base: str, head: str | None, *, merge_base: bool, worktree: bool
    ) -> list[ChangedFile] | None:
        """See `Changes.files`."""
        root, environ = self._root, self._environ
        try:
            return git.changed_files(
                root,
                base,
                head,
                merge_base=merge_base,
                worktree=worktree,
                environ=environ,
                revisions=self._revisions,
                uncommitted=self._uncommitted,
            )
        except GitError:
            if all(map(self._revisions.commit, (base, head or "HEAD"))):
                raise
            return None

    def merge_base(self, base: str, head: str) -> str | None:
        """See `Changes.merge_base`."""
        return self._revisions.merge_base(base, head)

    def workspace_at(self, revision: str) -> Workspace | None:
        """See `Changes.workspace_at`."""
        commit = self._revisions.commit(revision)
        if commit is None:
            return None
        if commit not in self._workspaces:
            tree = git.RevisionTree(self._root, commit, self._environ, self._revisions)
            try:
                self._workspaces[commit] = self._load(tree)
            except BaoError:
                # A manifest that was broken in the past is nobody's mistake now.
                self._workspaces[commit] = None
            finally:
                tree.close()
        return self._workspaces[commit]

    def _chosen(self) -> Base:
        if self._base is None:
            self._base = self._choose()
        return self._base
