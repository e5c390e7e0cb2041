"""The content identity of whatever stands at a path: type, executable bit, git's id of the bytes.

Nothing here asks git. The raw bytes on disk count; what was hashed before is known again by its
stat, under the rule of `settled`.
"""

from __future__ import annotations

import errno
import os
import time
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG

from bao_core.digests import CHUNK, blob_hasher, blob_id, hash_text
from bao_core.errors import InputError
from bao_core.git.listed import is_text
from bao_core.git.walking import walk
from bao_core.model import Stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MISSING = "missing"
"""The identity of what is not there, or not there any more."""

LINKED_FILES_LIMIT = 100_000
"""A link to a directory that holds more files than this is no input that anybody meant."""

_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_READ_ATTEMPTS = 3
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})

_SECOND = 1_000_000_000
_CLOCK_LAG = 20_000_000
"""Nanoseconds by which the clock of file times may lag behind `time.time_ns`: two slow ticks."""


def settled(ctime: int, now: int) -> bool:
    """Whether any later change must show in a file's ctime, even in its whole seconds.

    A file that changes twice within one tick of the clock keeps its stat (the "racy" case). What
    was read of a file counts for later only if the file was older than the tick by then. Whole
    seconds, because git compares no more than those, and some file systems store no more.

    Args:
        ctime: The file's, in nanoseconds since the epoch.
        now: A time before the content was read.
    """
    return ctime // _SECOND < (now - _CLOCK_LAG) // _SECOND


_MOST_ENTRIES = 50_000
"""A memo with more entries keeps only those that were of use in the last run."""


class HashMemo:
    """Blob ids of files that were hashed before, known again by their stat.

    Attributes:
        entries: By path from the root, or absolute for what lies outside of it.
    """

    __slots__ = ("_before_looking", "_changed", "_used", "entries")

    def __init__(self, entries: dict[str, tuple[Stamp, str]] | None = None) -> None:
        self.entries: dict[str, tuple[Stamp, str]] = {} if entries is None else entries
        self._changed = False
        self._used: set[str] = set()
        self._before_looking: Callable[[], None] | None = None

    @property
    def changed(self) -> bool:
        """Whether `entries` differ from what they were made with, and deserve to be saved."""
        if self._before_looking is not None:
            self._before_looking()
        if self._changed and len(self.entries) > _MOST_ENTRIES:
            # Files come and go; what this run had no use for is hashed again if need be.
            for path in self.entries.keys() - self._used:
                del self.entries[path]
        return self._changed

    def before_looking(self, action: Callable[[], None]) -> None:
        """Have `action` called before anybody looks whether something changed."""
        if self._before_looking is not None:
            self._before_looking()
        self._before_looking = action

    def known(self, path: str, found: os.stat_result) -> str | None:
        """The blob id of a file with this stat, if it is known."""
        entry = self.entries.get(path)
        if entry is None:
            return None
        stamp, content = entry
        if (
            stamp.ctime == found.st_ctime_ns
            and stamp.mtime == found.st_mtime_ns
            and stamp.size == found.st_size
            and stamp.inode == found.st_ino
            and stamp.mode == found.st_mode
        ):
            self._used.add(path)
            return content
        return None

    def remember(self, path: str, found: os.stat_result, content: str, *, now: int) -> None:
        """Remember what was hashed, if its stat will tell it from everything that comes later.

        Args:
            path: From the root, or absolute.
            found: The file's stat when it was read.
            content: Its blob id.
            now: A time before it was read, in nanoseconds since the epoch.
        """
        if not settled(found.st_ctime_ns, now) or not is_text(path):
            return
        self.put(path, stamp_from(found), content)

    def keep(self, path: str) -> None:
        """Count an entry as used."""
        self._used.add(path)

    def put(self, path: str, stamp: Stamp, content: str) -> None:
        """Set an entry."""
        self.entries[path] = (stamp, content)
        self._used.add(path)
        self._changed = True


def stamp_from(found: os.stat_result) -> Stamp:
    """The stamp of a file."""
    return Stamp(found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


class Contents:
    """Computes content identities from the disk."""

    __slots__ = ("_length", "_listed", "_root", "algorithm", "memo")

    def __init__(
        self,
        root: str,
        memo: HashMemo,
        *,
        algorithm: str = "sha1",
        listed: Callable[[str], list[tuple[str, str | None]]] | None = None,
    ) -> None:
        """Prepare.

        Args:
            root: The workspace root.
            memo: What was hashed before.
            algorithm: The repository's object format.
            listed: Gives the input files below a directory of the workspace, each with its
                identity where that is known and depends on no link; empty where there are none.
        """
        self._root = root
        self.memo = memo
        self.algorithm = algorithm
        self._listed = listed
        self._length = 64 if algorithm == "sha256" else 40

    def identity(self, path: str) -> str | None:
        """The content identity of a file or link; None where there is neither.

        Args:
            path: From the root, or absolute.

        Raises:
            InputError: It cannot be read, or it changes faster than it can be read.
        """
        return self._identity(path, set())

    def regular(self, path: str, found: os.stat_result) -> str:
        """The content identity of a regular file of which `lstat` said this."""
        content = self.blob(path, found)
        if content is None:
            return MISSING
        return f"{mode_text(found)} {content}"

    def blob(self, path: str, found: os.stat_result) -> str | None:
        """The blob id of a regular file's raw bytes, from the memo or by reading it.

        Args:
            path: From the root, or absolute; links are followed.
            found: What `stat` said of it just before.

        Returns:
            None where there is no regular file any more.

        Raises:
            InputError: It cannot be read, or it changes faster than it can be read.
        """
        known = self.memo.known(path, found)
        if known is not None and len(known) == self._length:
            return known
        now = time.time_ns()
        read = self.read(path, follow=True)
        if read is None:
            return None
        content, at_reading = read
        self.memo.remember(path, at_reading, content, now=now)
        return content

    def read(self, path: str, *, follow: bool = False) -> tuple[str, os.stat_result] | None:
        """Hash a regular file: the blob id of its raw bytes, and its stat at that time.

        Returns:
            None where there is no regular file.

        Raises:
            InputError: It cannot be read, or it changes faster than it can be read.
        """
        flags = _OPEN_FLAGS if follow else _OPEN_FLAGS | os.O_NOFOLLOW
        for _ in range(_READ_ATTEMPTS):
            try:
                fd = os.open(f"{self._root}/{path}" if path[:1] != "/" else path, flags)
            except OSError as error:
                if error.errno in _GONE:
                    return None
                raise _unreadable(path, error) from error
            try:
                found = os.fstat(fd)
                if not S_ISREG(found.st_mode):
                    return None
                expected = found.st_size
                hasher = blob_hasher(self.algorithm, expected)(
                    b"blob %d\0" % expected, usedforsecurity=False
                )
                size, wanted = 0, min(CHUNK, expected + 1)
                # One byte more than is expected shows a file that has grown.
                while size <= expected and (data := os.read(fd, wanted)):
                    hasher.update(data)
                    size += len(data)
                    if size == expected and len(data) < wanted:
                        break  # less than was asked for is the end of a regular file
            except OSError as error:
                raise _unreadable(path, error) from error
            finally:
                os.close(fd)
            if size == expected:
                return hasher.hexdigest(), found
        raise InputError(
            "this input keeps changing while it is read",
            where=path,
            hint="leave it out of the inputs, or stop what writes it",
        )

    def _identity(self, path: str, seen: set[str]) -> str | None:
        try:
            found = os.lstat(os.path.join(self._root, path))
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise _unreadable(path, error) from error
        if S_ISREG(found.st_mode):
            return self.regular(path, found)
        if S_ISLNK(found.st_mode):
            return self._link(path, seen)
        return None

    def _link(self, path: str, seen: set[str]) -> str:
        """A link's text, and what stands where it leads.

        Args:
            path: From the root, or absolute.
            seen: Directories that are part of the answer already: links may lead in circles.
        """
        absolute = os.path.join(self._root, path)
        try:
            text = os.readlink(absolute)
        except OSError:
            return MISSING
        return f"120000 {blob_id(os.fsencode(text), self.algorithm)} -> {self._target(path, seen)}"

    def _target(self, path: str, seen: set[str]) -> str:
        absolute = os.path.join(self._root, path)
        try:
            found = os.stat(absolute)
            if S_ISREG(found.st_mode):
                return self.regular(path, found)
            if S_ISDIR(found.st_mode):
                return self._directory(os.path.realpath(absolute), path, seen)
        except OSError as error:
            if error.errno in _GONE:
                return MISSING
            raise _unreadable(path, error) from error
        return f"special {S_IMODE(found.st_mode):o}"

    def _directory(self, directory: str, link: str, seen: set[str]) -> str:
        """The identity of everything below a directory that a link leads to."""
        if directory in seen:
            return f"seen {os.path.relpath(directory, os.path.realpath(self._root))}"
        seen.add(directory)
        inside = _below(os.path.realpath(self._root), directory)
        files: list[tuple[str, str | None]] = []
        if inside is not None and self._listed is not None:
            files = self._listed(inside)
        prefix = directory if inside is None else inside
        if not files:
            files = [(path, None) for path in walk(self._root, prefix, limit=LINKED_FILES_LIMIT)]
        if len(files) > LINKED_FILES_LIMIT:
            raise InputError(
                f"this link leads to a directory of more than {LINKED_FILES_LIMIT} files",
                where=link,
                hint="leave the link out of the inputs",
            )
        cut = len(prefix) + 1 if prefix else 0
        texts: list[str] = []
        for path, identity in files:
            texts += (path[cut:], identity or self._identity(path, seen) or MISSING)
        return f"040000 {hash_text(*texts)}"


def _below(root: str, path: str) -> str | None:
    """A path from the root, if it is the root or below it."""
    if path == root:
        return ""
    prefix = root.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def mode_text(found: os.stat_result) -> str:
    """The type and executable bit of a regular file as git writes them."""
    return "100755" if found.st_mode & 0o100 else "100644"


def _unreadable(path: str, error: OSError) -> InputError:
    reason = (error.strerror or str(error)).lower()
    return InputError(
        f"this input cannot be read: {reason}",
        where=path,
        hint="make it readable, or leave it out of the inputs",
    )
