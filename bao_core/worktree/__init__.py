"""The files of the worktree: which there are, and what each of them holds.

Git was started by `bao_core.git.begun`; `PendingFiles.result` waits for it.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from stat import S_ISREG

from blake3 import blake3

from bao_core.git.begun import BegunListing
from bao_core.git.listed import CLAIMED, UNKNOWN, Listed
from bao_core.git.listing import list_nested
from bao_core.git.process import find_toplevel, fits_on_a_line, run_git
from bao_core.git.walking import walk, walked
from bao_core.worktree.content import MISSING, Contents, HashMemo, mode_text, stamp_from
from bao_core.worktree.index_trust import IndexTrust
from bao_core.worktree.trees import RecordingTree, TreeRecord, WorktreeTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bao_core.git.ahead import AskedAhead
    from bao_core.worktree.bulk import Hashing

    Verifying = tuple[list[tuple[int, os.stat_result]], int, Hashing]
    """Indices and stats of files, a time before they were read, and their ids to come."""

__all__ = [
    "HashMemo",
    "PendingFiles",
    "RecordingTree",
    "TreeRecord",
    "WorktreeFiles",
    "WorktreeTree",
    "begin",
]

MANY = 1000
"""Files from which on git hashes them: some 30 µs each by bao itself, 10 ms to start git."""

MANY_AHEAD = 100
"""The same while bao has other things to do: then git costs it one millisecond."""

_UNVERIFIED = 2
"""A state beside `CLAIMED` and `UNKNOWN`: git claims a blob id that nobody has checked."""


def begin(root: str, probe_dir: str, environ: Mapping[str, str], memo: HashMemo) -> PendingFiles:
    """Start finding out about the worktree, and return at once; see `BegunListing`."""
    return PendingFiles(BegunListing(root, probe_dir, environ), environ, memo)


class PendingFiles:
    """The worktree's files to come."""

    __slots__ = ("_begun", "_environ", "_memo")

    def __init__(self, begun: BegunListing, environ: Mapping[str, str], memo: HashMemo) -> None:
        """Take over what was begun.

        Args:
            begun: Git's answers to come.
            environ: The user's environment.
            memo: What was hashed before; it takes up what is hashed now.
        """
        self._begun = begun
        self._environ = environ
        self._memo = memo

    @property
    def ahead(self) -> AskedAhead | None:
        """See `BegunListing`."""
        return self._begun.ahead

    def result(self) -> WorktreeFiles:
        """Wait for git and read what it says.

        Raises:
            GitError: git cannot read the repository, or refuses to.
        """
        begun, memo = self._begun, self._memo
        root, taken = begun.root, begun.taken
        listed = begun.listing.result() if begun.listing is not None else None
        if listed is not None and not (listed.paths or listed.nested) and self._is_ignored():
            listed = None
        if listed is None:
            return WorktreeFiles(root, taken, walked(root), memo, self._environ, has_git=False)
        list_nested(listed, root, self._environ)
        listed.order()
        return WorktreeFiles(root, taken, listed, memo, self._environ, has_git=True)

    def _is_ignored(self) -> bool:
        """Whether the repository around the workspace ignores all of it: it is none of its own."""
        root = os.path.realpath(self._begun.root)
        toplevel = find_toplevel(root)
        if toplevel is None or toplevel == root:
            return False
        path = os.path.relpath(root, toplevel)
        return run_git(toplevel, ("check-ignore", "-q", "--", path), self._environ).code == 0


class WorktreeFiles:
    """The files that may be inputs, and the content identity of each.

    Attributes:
        root: The workspace root, absolute.
        taken: T0: a file with an earlier ctime is as it was when git was asked; nanoseconds since
            the epoch.
        has_git: Whether git listed the files.
        paths: Sorted; tracked files that are on disk, and untracked ones that are not ignored.
        index_id: Changes whenever the index of git does; empty without git.
        algorithm: The hash function of content identities, `sha1` or `sha256`.
        uncommitted: How the worktree differs from the index; None without git.
    """

    __slots__ = (
        "_absent", "_ahead", "_contents", "_environ", "_false", "_identities", "_joined", "_open",
        "_tracked", "_trust", "algorithm", "has_git", "index_id", "paths", "root", "taken",
        "uncommitted",
    )  # fmt: skip

    def __init__(
        self,
        root: str,
        taken: int,
        listed: Listed,
        memo: HashMemo,
        environ: Mapping[str, str],
        *,
        has_git: bool,
    ) -> None:
        self.root = root
        self.taken = taken
        self.has_git = has_git
        self.paths = listed.paths
        self.index_id = listed.index_id
        self.algorithm = listed.algorithm
        self.uncommitted = listed.uncommitted
        self._absent = listed.absent
        self._environ = environ
        self._tracked = listed.tracked
        self._contents = Contents(root, memo, algorithm=listed.algorithm, listed=self._listed_below)
        self._identities = listed.claims
        self._open = listed.states
        self._joined: str | None = None
        self._false: set[int] = set()
        self._ahead: Verifying | None = None
        self._trust = IndexTrust(memo, listed.index_id)
        if has_git:
            self._prepare_claims(memo)

    def _prepare_claims(self, memo: HashMemo) -> None:
        """Set aside the claims that are still to be checked."""
        trust = self._trust
        if trust.complete:
            for path in trust.exceptions:
                index = self._index(path)
                if index is not None and self._open[index] == CLAIMED:
                    self._open[index] = _UNVERIFIED
        else:
            self._open = self._open.translate(bytes((_UNVERIFIED, *range(1, 256))))
        if not trust.complete or trust.exceptions:
            memo.before_looking(self._save_trust)

    def span(self, directory: str) -> tuple[int, int]:
        """The half-open range of indices of the paths below a directory; `""` is the root."""
        if not directory:
            return 0, len(self.paths)
        # "0" is the character after "/".
        first = bisect_left(self.paths, f"{directory}/")
        return first, bisect_left(self.paths, f"{directory}0", first)

    def identity(self, index: int) -> str:
        """The content identity of one of `paths`.

        `100644 <blob id>` or `100755 <blob id>`; of a link, `120000 <blob id of its text> ->` and
        the identity of what it leads to; `missing` if it has gone meanwhile.

        Raises:
            InputError: The file cannot be read.
        """
        if self._open[index]:
            self._settle(index)
        return self._identities[index]

    def identities(self, first: int, last: int) -> list[str]:
        """The content identities of a range of `paths`.

        Raises:
            InputError: A file cannot be read.
        """
        undecided = self._open[first:last]
        if undecided.strip(b"\0"):
            if undecided.count(_UNVERIFIED) >= (MANY_AHEAD if self._ahead else MANY):
                self._verify_many(first, last)
                undecided = self._open[first:last]
            for index, state in enumerate(undecided, first):
                if state:
                    self._settle(index)
        return self._identities[first:last]

    def fingerprint(self) -> str:
        """A hash over all `paths`, what they hold, and which of them git tracks.

        Raises:
            InputError: A file cannot be read.
        """
        return self._hashed(0, len(self.paths)).hexdigest()

    def digest_below(self, directory: str, length: int) -> bytes:
        """A hash over the `paths` below a directory, what they hold, and which git tracks.

        Args:
            directory: From the root.
            length: Bytes of the hash.

        Raises:
            InputError: A file cannot be read.
        """
        return self._hashed(*self.span(directory)).digest(length=length)

    def _hashed(self, first: int, last: int) -> blake3:
        held = (*self.paths[first:last], *self.identities(first, last), "")
        text = "\0".join(held).encode("utf-8", "surrogateescape")
        return blake3(text + self._tracked[first:last])

    def identity_of(self, path: str) -> str | None:
        """The content identity of any file or link, ignored ones too; None where there is none.

        Raises:
            InputError: The file cannot be read.
        """
        index = self._index(path)
        if index is None:
            return self._contents.identity(path)
        identity = self.identity(index)
        return None if identity == MISSING else identity

    def identity_now(self, path: str) -> str | None:
        """The content identity at this moment, whatever was listed; None where there is none.

        Raises:
            InputError: The file cannot be read.
        """
        return self._contents.identity(path)

    def content_of(self, path: str) -> str:
        """The blob id of a file's content, links followed; empty where there is no file.

        Raises:
            InputError: The file cannot be read.
        """
        index = self._index(path)
        if index is not None:
            identity = self.identity(index)
        elif os.path.lexists(f"{self.root}/{path}"):
            identity = self._contents.identity(path) or MISSING
        else:
            return ""
        if identity.startswith("120000"):
            identity = identity.partition(" -> ")[2]
        return identity[7:] if identity.startswith("100") else ""

    def is_tracked(self, path: str) -> bool:
        """Whether git's index holds this path, even where the file was deleted."""
        index = self._index(path)
        return bool(self._tracked[index]) if index is not None else path in self._absent

    def tracked_below(self, directory: str) -> list[str]:
        """Those of `paths` below a directory that git tracks."""
        return self._chosen_below(directory, 1)

    def untracked_below(self, directory: str) -> list[str]:
        """Those of `paths` below a directory that git does not track."""
        if not self._tracked.count(0, *self.span(directory)):
            return []
        return self._chosen_below(directory, 0)

    def walk(self, directory: str, reaches: Callable[[str], bool] | None = None) -> list[str]:
        """Every file and link on disk below a directory, ignored ones too, sorted.

        Args:
            directory: From the root.
            reaches: Whether to enter a directory, given from the root; None to enter all.
        """
        if reaches is None:
            return walk(self.root, directory)
        start = len(self.root) + 1
        return walk(self.root, directory, skip=lambda path, _name: not reaches(path[start:]))

    def named(self, names: Iterable[str]) -> list[str]:
        """Those of `paths` with one of these last names, sorted; `*` as in `FileTree.named`."""
        if self._joined is None:
            self._joined = "\0/".join(("", *self.paths, ""))
        joined = self._joined
        found: list[str] = []
        for name in set(names):
            if "*" in name:
                found += _like(joined, *name.split("*", 1))
                continue
            ending = f"/{name}\0"
            place = joined.find(ending)
            while place >= 0:
                start = joined.rfind("\0", 0, place) + 2
                found.append(joined[start : place + len(name) + 1])
                place = joined.find(ending, place + 1)
        return sorted(set(found))

    def _chosen_below(self, directory: str, wanted: int) -> list[str]:
        first, last = self.span(directory)
        tracked = self._tracked
        if not any(flag != wanted for flag in tracked[first:last]):
            return self.paths[first:last]
        return [self.paths[index] for index in range(first, last) if tracked[index] == wanted]

    def _index(self, path: str) -> int | None:
        index = bisect_left(self.paths, path)
        return index if index < len(self.paths) and self.paths[index] == path else None

    def _settle(self, index: int) -> None:
        """Find out the content identity of a file of which git does not tell it."""
        path = self.paths[index]
        identity = None
        if self._open[index] == _UNVERIFIED:
            identity = self._verified(index, path)
        self._identities[index] = identity or self._contents.identity(path) or MISSING
        self._open[index] = CLAIMED

    def _verified(self, index: int, path: str) -> str | None:
        """Check what git's index claims of a file against the file.

        Returns:
            The identity of the regular file that is there; None where there is something else.
        """
        claim, trust, contents = self._identities[index], self._trust, self._contents
        if not trust.blank:
            try:
                found = os.lstat(f"{self.root}/{path}")
            except OSError:
                return None
            if trust.confirms(claim, found):
                return claim
            if contents.memo.known(path, found):  # the claim was false before
                self._false.add(index)
                return None
        now = time.time_ns()
        read = contents.read(path)
        if read is None:
            return None
        content, found = read
        return self._noted(index, found, content, now)

    def verify_ahead(self) -> None:
        """Where nobody has checked git's claims, have git begin to while bao does other things."""
        if self._trust.blank and self._open.count(_UNVERIFIED) >= MANY_AHEAD:
            self._ahead = self._begin_verifying(0, len(self.paths), MANY_AHEAD)

    def _begin_verifying(self, first: int, last: int, least: int) -> Verifying | None:
        """Have git hash the regular files in a range, as far as that is easy and worth it."""
        from bao_core.worktree.bulk import Hashing

        trust, contents, root = self._trust, self._contents, self.root
        read: list[tuple[int, os.stat_result]] = []
        for index in range(first, last):
            path = self.paths[index]
            if self._open[index] != _UNVERIFIED or not fits_on_a_line(path):
                continue
            try:
                found = os.lstat(f"{root}/{path}")
            except OSError:
                continue
            if trust.confirms(self._identities[index], found):
                self._open[index] = CLAIMED
            elif S_ISREG(found.st_mode) and not contents.memo.known(path, found):
                read.append((index, found))
        if len(read) < least:
            return None
        now = time.time_ns()
        paths = [self.paths[index] for index, _ in read]
        return read, now, Hashing(root, paths, self._environ)

    def _verify_many(self, first: int, last: int) -> None:
        """Check what git's index claims of the regular files in a range, as far as that is easy."""
        verifying, self._ahead = self._ahead or self._begin_verifying(first, last, MANY), None
        if verifying is None:
            return
        read, now, hashing = verifying
        for (index, found), content in zip(read, hashing.ids(), strict=True):
            if self._open[index] != _UNVERIFIED:
                continue  # something else wanted to know it meanwhile
            if content and _is_as_it_was(f"{self.root}/{self.paths[index]}", found):
                self._identities[index] = self._noted(index, found, content, now)
                self._open[index] = CLAIMED

    def _noted(self, index: int, found: os.stat_result, content: str, now: int) -> str:
        """Remember what a file holds, of which git's index claims something; its identity."""
        claim, identity = self._identities[index], f"{mode_text(found)} {content}"
        if identity != claim:
            self._contents.memo.remember(self.paths[index], found, content, now=now)
            self._false.add(index)
        elif not self._trust.confirm(claim, found, now=now):
            self._false.add(index)
        return identity

    def _save_trust(self) -> None:
        unchecked = [index for index, state in enumerate(self._open) if state == _UNVERIFIED]
        exceptions = [self.paths[index] for index in sorted({*unchecked, *self._false})]
        self._trust.save(exceptions, files=len(self.paths), all_seen=not unchecked)

    def _listed_below(self, directory: str) -> list[tuple[str, str | None]]:
        found: list[tuple[str, str | None]] = []
        for index in range(*self.span(directory)):
            identity = None if self._open[index] == UNKNOWN else self.identity(index)
            if identity is not None and identity.startswith("120000"):
                identity = None
            found.append((self.paths[index], identity))
        return found


def _is_as_it_was(path: str, found: os.stat_result) -> bool:
    try:
        return stamp_from(os.lstat(path)) == stamp_from(found)
    except OSError:
        return False


def _like(joined: str, prefix: str, suffix: str) -> Iterator[str]:
    """Paths whose last name starts and ends like this, of many that are joined as in `named`."""
    sought = f"/{prefix}" if prefix else f"{suffix}\0"
    place = joined.find(sought)
    while place >= 0:
        start, end = joined.rfind("\0", 0, place + 1) + 2, joined.find("\0", place)
        name = joined[joined.rfind("/", 0, end) + 1 : end]
        first = not prefix or end - len(name) == place + 1
        long_enough = len(name) >= len(prefix) + len(suffix)
        if first and long_enough and name.endswith(suffix):
            yield joined[start:end]
        place = joined.find(sought, place + 1)
