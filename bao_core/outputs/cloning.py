"""Copying files the cheapest way that leaves two files: by reflink, in the kernel, or by hand."""

from __future__ import annotations

import errno
import os
import sys

from blake3 import blake3

from bao_core.model import Digest

_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
_CHUNK = 1 << 20
_SMALL = 1 << 16
_UNSUPPORTED = frozenset(
    {
        errno.EINVAL,
        errno.ENOSYS,
        errno.ENOTSUP,
        errno.ENOTTY,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.ETXTBSY,
        errno.EXDEV,
    }
)


def copy_contents(source: int, target: int) -> None:
    """Fill an empty file with the content of another; never shares anything but disk blocks.

    Args:
        source: A descriptor to read, at any position; it is left anywhere.
        target: A descriptor to write, at the start of an empty file.

    Raises:
        OSError: Reading or writing fails, such as for a full disk.
    """
    size = os.fstat(source).st_size
    if size > _SMALL and (_reflink(source, target) or _copy_range(source, target, size)):
        return
    os.lseek(source, 0, os.SEEK_SET)
    while chunk := os.read(source, min(size + 1, _CHUNK)):
        write_all(target, chunk)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of some bytes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def digest_descriptor(descriptor: int) -> Digest:
    """The digest of a file's content, from its start."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    length = min(os.fstat(descriptor).st_size + 1, _CHUNK)
    hasher = blake3()
    size = 0
    while chunk := os.read(descriptor, length):
        hasher.update(chunk)
        size += len(chunk)
    return Digest(hasher.hexdigest(), size)


def _reflink(source: int, target: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def _copy_range(source: int, target: int, size: int) -> bool:
    if not hasattr(os, "copy_file_range"):
        return False
    copied = 0
    try:
        while copied < size:
            count = os.copy_file_range(source, target, size - copied, copied, copied)
            if not count:
                break
            copied += count
    except OSError as error:
        if copied or error.errno not in _UNSUPPORTED:
            raise
        return False
    # Some file systems have said yes and copied nothing; then the plain loop does it.
    return copied == size
