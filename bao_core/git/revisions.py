"""What revisions name, each asked for once in an invocation, and many at a time.

A process for each question would take longer than all the rest of a listing of affected packages.
"""

from __future__ import annotations

from bao_core.git.process import run_git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bao_core.git.ahead import AskedAhead
    from bao_core.git.process import Finished

CHECK = ("cat-file", "--batch-check=%(objectname)")
"""Gives the id for each line of its input, or a text with a blank where there is none."""

REMOTES = ("remote",)

_ID_LENGTHS = (40, 64)


class Revisions:
    """The commits that names stand for in one repository.

    Attributes:
        ahead: Answers that git was asked for before anybody knew the questions; None for none.
        asked: The names that were looked up.
        remote: What `main_remote` gave; empty where nobody asked.
        parted: The two commits whose common ancestor was asked for last.
        compared: The commit that the worktree was compared with last; empty for none.
    """

    __slots__ = (
        "_commits", "_environ", "_root", "ahead", "asked", "compared", "parted", "remote",
    )  # fmt: skip

    def __init__(
        self, root: str, environ: Mapping[str, str], ahead: AskedAhead | None = None
    ) -> None:
        self._root = root
        self._environ = environ
        self._commits: dict[str, str | None] = {}
        self.ahead = ahead
        self.asked: dict[str, None] = {}
        self.remote = ""
        self.parted: tuple[str, str] | None = None
        self.compared = ""

    def look_up(self, names: Iterable[str]) -> None:
        """Ask for several names at once, so that asking for each of them costs nothing."""
        if self.ahead is not None and not self._commits:
            self._commits.update(self.ahead.commits())
        names = [name for name in dict.fromkeys(names) if _goes_on_a_line(name)]
        self.asked |= dict.fromkeys(names)
        new = [name for name in names if name not in self._commits]
        if not new:
            return
        finished = run_git(self._root, CHECK, self._environ, given=lines_of(new))
        self._commits.update(dict.fromkeys(new))
        self._commits.update(read_commits(new, finished))

    def commit(self, name: str) -> str | None:
        """The full id of the commit that a revision names; None where there is none.

        A name that only a remote knows as a branch means that branch, as for `git checkout`.
        """
        if not name or name.startswith("-") or "\0" in name:
            return None
        found = self._plain(name)
        if found is None and not name.startswith("refs/"):
            prefix = f"refs/remotes/{self.main_remote()}/"
            others = [n for n in self.asked if not n.startswith("refs/")]
            self.look_up(prefix + n for n in others if self._commits.get(n, n) is None)
            found = self._plain(prefix + name)
        if found is not None:
            self._commits[found] = found
        return found

    def main_remote(self) -> str:
        """The remote that is meant where none is named: `origin`, else the first."""
        if not self.remote:
            finished = self.ahead.remotes() if self.ahead is not None else None
            if finished is None:
                finished = run_git(self._root, REMOTES, self._environ)
            remotes = finished.text().split()
            self.remote = "origin" if "origin" in remotes or not remotes else remotes[0]
        return self.remote

    def merge_base(self, a: str, b: str) -> str | None:
        """The id of the best common ancestor of two revisions; None where there is none here."""
        self.look_up((a, b))
        first, second = self.commit(a), self.commit(b)
        if first is None or second is None:
            return None
        return self.common_ancestor(first, second)

    def common_ancestor(self, a: str, b: str) -> str | None:
        """The same for two ids of commits that are there."""
        if a == b:
            return a
        self.parted = (a, b)
        finished = self.ahead.ancestor(a, b) if self.ahead is not None else None
        if finished is None:
            finished = run_git(self._root, ("merge-base", a, b), self._environ)
        if finished.code == 1:
            return None
        if finished.code != 0:
            raise finished.error()
        return finished.text().split("\n", 1)[0]

    def forget(self) -> None:
        """Ask again from now on: something was fetched."""
        self._commits.clear()
        self.ahead = None

    def _plain(self, name: str) -> str | None:
        """The commit that a name stands for without a remote."""
        self.look_up((name,))
        if name not in self._commits:  # it holds the end of a line
            arguments = ("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
            finished = run_git(self._root, arguments, self._environ)
            self._commits[name] = finished.text().strip() if finished.code == 0 else None
        return self._commits[name]


def lines_of(names: Sequence[str]) -> bytes:
    """The questions for `CHECK`."""
    text = "".join(f"{name}^{{commit}}\n" for name in names)
    return text.encode("utf-8", "surrogateescape")


def read_commits(names: Sequence[str], finished: Finished) -> dict[str, str | None]:
    """The answers to `lines_of`, as far as there are any."""
    lines = finished.text().split("\n")[:-1]
    return {name: line if is_id(line) else None for name, line in zip(names, lines, strict=False)}


def is_id(text: str) -> bool:
    """Whether a text is the full id of an object."""
    return len(text) in _ID_LENGTHS and not text.strip("0123456789abcdef")


def _goes_on_a_line(name: str) -> bool:
    return bool(name) and not name.startswith("-") and not {"\n", "\0"}.intersection(name)
