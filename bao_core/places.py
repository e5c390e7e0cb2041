"""Where bao keeps what it remembers, and putting it there."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
"""`FS_IOC_GETFLAGS` and `FS_IOC_SETFLAGS` of `linux/fs.h`; where longs have 32 bits they are other
numbers, which are not worth having."""

_TOP_OF_HIERARCHIES = 0x00020000
"""`FS_TOPDIR_FL` of `linux/fs.h`, the `T` of `chattr`."""


def cache_root(environ: Mapping[str, str]) -> str:
    """Where caches and states lie: `BAO_CACHE_DIR`, `XDG_CACHE_HOME/bao`, `~/.bao/cache`."""
    if chosen := environ.get("BAO_CACHE_DIR"):
        return os.path.abspath(chosen)
    if xdg := environ.get("XDG_CACHE_HOME"):
        return os.path.join(os.path.abspath(xdg), "bao")
    home = environ.get("HOME") or os.path.expanduser("~")
    return os.path.join(home, ".bao", "cache")


def replace_file(path: str, data: bytes, *, flush: bool = False) -> bool:
    """Write a file, whole or not at all, and its directory if need be.

    Args:
        path: The file.
        data: All that it shall hold.
        flush: Wait for the disk. What is checked when it is read needs no flush: it may be lost.

    Returns:
        False where the disk refuses; what was there before stays.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        return False
    return True


def scatter(directory: str) -> None:
    """Have the file system put what is made in a directory wherever there is room, where it can.

    ext4 puts a directory near the one that it is made in, and searches there for an inode that is
    free, and without a journal also not one of those freed in the last seconds, one after the
    other. Where a thousand directories are made in one, after a thousand others were removed, that
    search takes longer than all the rest.
    """
    if sys.platform != "linux":
        return
    import fcntl

    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        # Four bytes count, whatever the header says.
        flags = int.from_bytes(fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8))[:4], sys.byteorder)
        if not flags & _TOP_OF_HIERARCHIES:
            changed = (flags | _TOP_OF_HIERARCHIES).to_bytes(4, sys.byteorder)
            fcntl.ioctl(descriptor, _SET_FLAGS, changed + bytes(4))
    except OSError:
        pass  # another file system
    finally:
        os.close(descriptor)
