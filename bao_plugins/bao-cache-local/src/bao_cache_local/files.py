"""Making files appear whole, and making them go away."""

from __future__ import annotations

import errno
import itertools
import os

from bao_core.outputs import scatter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""How file systems without hard links say so."""

UNWRITABLE = frozenset(
    {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
)
"""What writing fails with where it would fail again."""


SHARDS = 16
"""Directories of unfinished files."""

SHARD_SIZE = 64
"""Files that are made in one of them before the next."""


class Workshop:
    """The directory of a cache in which new files are made, beside the finished ones.

    Nothing is flushed to disk: everything that is read is verified, so what a power cut damaged is
    a miss. Files are made in several directories that are scattered over the disk, since ext4
    looks for room near the directory that a file is made in.
    """

    def __init__(self, root: str) -> None:
        self.directory = f"{root}/unfinished"
        tag = os.urandom(6).hex()
        self._prefix = f"{os.getpid()}-{tag}"
        self._first = int(tag[0], 16)
        self._numbers = itertools.count()

    def name(self) -> str:
        """A path that nobody else uses; the directory may have to be made."""
        number = next(self._numbers)
        shard = (self._first + number // SHARD_SIZE) % SHARDS
        return f"{self.directory}/{shard:x}/{self._prefix}-{number}"

    def make_directory(self, path: str) -> None:
        """Make the directory of a name."""
        if not os.path.isdir(self.directory):
            os.makedirs(self.directory, exist_ok=True)
            scatter(self.directory)
        os.makedirs(os.path.dirname(path), exist_ok=True)

    def make(self, fill: Callable[[int], None]) -> str:
        """Make a file and return its path; it is gone again if filling it fails."""
        path = self.name()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o666)
        except FileNotFoundError:
            self.make_directory(path)
            descriptor = os.open(path, flags, 0o666)
        try:
            try:
                fill(descriptor)
            finally:
                os.close(descriptor)
        except BaseException:
            remove(path)
            raise
        return path


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of some bytes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def publish(made: str, path: str, *, replace: bool) -> bool:
    """Give a finished file its name.

    Args:
        made: Where it was made; nothing is there afterwards.
        path: Where it shall be.
        replace: Whether to take the place of another file.

    Returns:
        False if another file was there and stays.
    """
    try:
        return _with_directory(path, lambda: _publish(made, path, replace=replace))
    except BaseException:
        remove(made)
        raise


def _publish(made: str, path: str, *, replace: bool) -> bool:
    if not replace:
        try:
            os.link(made, path)
        except FileExistsError:
            remove(made)
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if os.path.lexists(path):
                remove(made)
                return False
        else:
            remove(made)
            return True
    try:
        os.replace(made, path)
    except IsADirectoryError:
        discard_directory(path)
        os.replace(made, path)
    return True


def remove(path: str) -> bool:
    """Remove a file if that can be done; whether it was done."""
    try:
        os.unlink(path)
    except IsADirectoryError:
        return discard_directory(path)
    except OSError:
        return False
    return True


def discard_directory(path: str) -> bool:
    """Remove a directory that stands where a file should be."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)


def _with_directory(path: str, action: Callable[[], bool]) -> bool:
    try:
        return action()
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return action()
