"""Stamps: telling from `lstat` alone that outputs are still what they were.

A record of stamps is a mapping of paths to `Stamp`. It holds every output file and link and every
folder that belongs to the outputs as a whole. Two more kinds of entries stand under `./<path>`,
a name that no path has, so that they are never taken for outputs: folders that hold outputs among
other things, and, with a mode of 0, places where an output pattern found nothing. Both only say
when to look again: something new in them may match.
"""

from __future__ import annotations

import errno
import os
import stat

from bao_core.model import Stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

GRANULARITY = 20_000_000
"""Nanoseconds within which two changes may get the same ctime.

Linux stamps files from a clock that ticks with the timer, every 1 to 10 ms (`CONFIG_HZ` 1000 to
100); twice the longest tick leaves room for the two clocks that are compared. APFS counts
nanoseconds.
"""

COARSE_GRANULARITY = 2_000_000_000
"""The same for file systems that count whole seconds, or two of them (FAT, HFS+, old NFS)."""

WATCHED = "./"
"""What comes before the path of an entry that is no output."""

ABSENT = Stamp(0, 0, 0, 0, 0)
"""Nothing stands there."""


def stamp_from(found: os.stat_result) -> Stamp:
    """The stamp that an `lstat` answer makes."""
    mode = found.st_mode
    size = 0 if stat.S_ISDIR(mode) else found.st_size
    return Stamp(mode, size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def stamp_of(root: str, path: str) -> Stamp | None:
    """The stamp of what stands at a path from the root, links not followed; None for nothing."""
    try:
        return stamp_from(os.lstat(f"{root}/{path}"))
    except (OSError, ValueError):
        return None


def stamps_stand(root: str, stamps: Mapping[str, Stamp], *, recorded_at: int) -> bool:
    """Whether everything a record names is as it was; nothing is read or written.

    A file may change twice within one tick of the file system's clock and look the same, so a
    ctime that is not clearly older than the record proves nothing, and neither does a record of
    another boot, which the caller looks after. The caller then compares the contents once, with
    `bao_core.outputs.standing`, and records the stamps that it returns.

    Args:
        root: The workspace's root directory.
        stamps: By path from the root.
        recorded_at: Nanoseconds since the epoch on the file system's clock, read before the
            stamps were taken.
    """
    limit = recorded_at - GRANULARITY
    coarse_limit = recorded_at - COARSE_GRANULARITY
    for path, stamp in stamps.items():
        if not _same(f"{root}/{path}", stamp):
            return False
        ctime = stamp.ctime
        if ctime >= limit or (ctime >= coarse_limit and not ctime % 1_000_000_000):
            return False
    return True


def stamps_equal(root: str, stamps: Mapping[str, Stamp]) -> bool:
    """Whether the outputs that a record names have not been touched since.

    Unlike `stamps_stand` this leaves out what is only watched, and knows no moment too close:
    it is for looking again while a run goes on.
    """
    return all(
        _same(f"{root}/{path}", stamp)
        for path, stamp in stamps.items()
        if not path.startswith(WATCHED)
    )


def _same(path: str, stamp: Stamp) -> bool:
    try:
        found = os.lstat(path)
    except OSError as error:
        return not stamp.mode and error.errno in {errno.ENOENT, errno.ENOTDIR}
    except ValueError:  # a NUL in the path: a damaged record
        return False
    return (
        found.st_ino == stamp.inode
        and found.st_ctime_ns == stamp.ctime
        and found.st_mtime_ns == stamp.mtime
        and found.st_mode == stamp.mode
        and (found.st_size == stamp.size or stat.S_ISDIR(stamp.mode))
    )
