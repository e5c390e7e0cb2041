"""The files of a git revision, without a checkout."""

from __future__ import annotations

import os

from bao_core.errors import GitError
from bao_core.git.process import find_git, git_environment, no_git, run_git, spawn
from bao_core.git.revisions import Revisions
from bao_core.model import FileTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_MOST_LINKS = 40
"""So many links are followed in one path, as the kernel does."""


class GitPipe:
    """A git command that answers one question after the other until it is closed."""

    __slots__ = ("_answers", "_buffer", "_pid", "_questions")

    def __init__(self, root: str, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start the command.

        Raises:
            GitError: There is no git.
        """
        git = find_git(environ)
        if git is None:
            raise no_git()
        theirs_in, self._questions = os.pipe()
        self._answers, theirs_out = os.pipe()
        silence = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        try:
            self._pid = spawn(
                git, root, arguments, git_environment(environ), (theirs_in, theirs_out, silence)
            )
        finally:
            for fd in (theirs_in, theirs_out, silence):
                os.close(fd)
        self._buffer = b""

    def ask(self, question: bytes) -> bytes:
        """Write a question and return the first line of the answer; empty when git has ended."""
        os.write(self._questions, question)
        while b"\n" not in self._buffer:
            data = os.read(self._answers, 1 << 16)
            if not data:
                return b""
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def take(self, size: int) -> bytes:
        """The next bytes of the answer."""
        pieces = [self._buffer]
        have = len(self._buffer)
        while have < size and (data := os.read(self._answers, 1 << 20)):
            pieces.append(data)
            have += len(data)
        whole = b"".join(pieces)
        self._buffer = whole[size:]
        return whole[:size]

    def close(self) -> None:
        """End the command."""
        if self._pid:
            os.close(self._questions)
            os.close(self._answers)
            os.waitpid(self._pid, 0)
            self._pid = 0

    def __del__(self) -> None:
        self.close()


class RevisionTree(FileTree):
    """The files of a revision below the workspace root.

    All names come from one `ls-tree`, all contents from one `cat-file --batch` that stays open
    until `close`. Submodules are no part of the revision and seem empty.
    """

    def __init__(
        self,
        root: str,
        rev: str,
        environ: Mapping[str, str],
        revisions: Revisions | None = None,
    ) -> None:
        """List the revision.

        Args:
            root: The workspace root, absolute; it may be below the top of git's worktree.
            rev: A commit, by any name.
            environ: The user's environment.
            revisions: What is known of revisions already.

        Raises:
            GitError: git does not know the revision.
        """
        self._root = root
        self._environ = environ
        self._pipe: GitPipe | None = None
        commit = (revisions or Revisions(root, environ)).commit(rev)
        if commit is None:
            raise GitError(f"git knows no revision '{rev}'", hint="fetch it, or name another")
        listed = run_git(root, ("ls-tree", "-r", "-z", commit), environ)
        if listed.code != 0:
            raise listed.error()
        self._blobs: dict[str, str] = {}
        self._links: set[str] = set()
        for line in listed.fields():
            facts, _, path = line.partition("\t")
            mode, _, content = facts.split(" ")
            if mode != "160000":
                self._blobs[path] = content
            if mode == "120000":
                self._links.add(path)
        self._folders: dict[str, dict[str, bool]] | None = None

    def read(self, path: str) -> bytes | None:
        """The content of a file, links inside the revision followed; None where there is none."""
        resolved = self._resolve(path)
        content = self._blobs.get(resolved) if resolved is not None else None
        return None if content is None else self._cat(content)

    def entries(self, directory: str) -> Mapping[str, bool]:
        """The names in a directory, each with whether it is a directory; a link is none."""
        resolved = self._resolve(directory)
        return self._by_folder().get(resolved, {}) if resolved is not None else {}

    def named(self, names: Iterable[str]) -> list[str]:
        """Sorted paths of all files with one of these last names."""
        wanted = set(names)
        patterns = [name.split("*", 1) for name in wanted if "*" in name]
        found = []
        for path in self._blobs:
            name = path.rpartition("/")[2]
            if name in wanted or any(
                name.startswith(start) and name.endswith(end) and len(name) >= len(start) + len(end)
                for start, end in patterns
            ):
                found.append(path)
        return sorted(found)

    def close(self) -> None:
        """Let go of the process that gives contents."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _cat(self, content: str) -> bytes:
        if self._pipe is None:
            self._pipe = GitPipe(self._root, ("cat-file", "--batch"), self._environ)
        header = self._pipe.ask(content.encode() + b"\n").split()
        if len(header) != 3:  # noqa: PLR2004 - the id, the type, the size
            raise GitError(f"git lacks the object {content}", where=self._root,
                           hint="fetch it: git fetch --refetch")  # fmt: skip
        return self._pipe.take(int(header[2]) + 1)[:-1]

    def _resolve(self, path: str) -> str | None:
        """The path that links lead to; None outside of the tree or in a circle."""
        if not self._links:
            return _inside(path)
        for _ in range(_MOST_LINKS):
            resolved = _inside(path)
            link = self._first_link(resolved) if resolved is not None else None
            if resolved is None or link is None:
                return resolved
            text = os.fsdecode(self._cat(self._blobs[link]))
            if text.startswith("/"):
                return None
            path = f"{os.path.dirname(link)}/{text}/{resolved[len(link) :]}".lstrip("/")
        return None

    def _first_link(self, path: str) -> str | None:
        end = path.find("/")
        while end >= 0:
            if path[:end] in self._links:
                return path[:end]
            end = path.find("/", end + 1)
        return path if path in self._links else None

    def _by_folder(self) -> dict[str, dict[str, bool]]:
        """Names by directory."""
        if self._folders is None:
            self._folders = {"": {}}
            for path in self._blobs:
                is_folder = False
                while path:
                    folder, _, name = path.rpartition("/")
                    known = self._folders.setdefault(folder, {})
                    if name in known:
                        break
                    known[name] = is_folder
                    path, is_folder = folder, True  # noqa: PLW2901 - it climbs up
        return self._folders


def _inside(path: str) -> str | None:
    """A path without `.` and `..`; None where it leaves the tree."""
    normal = os.path.normpath(path) if path else "."
    if normal == "." or normal.startswith("/"):
        return "" if normal == "." else None
    return None if normal == ".." or normal.startswith("../") else normal
