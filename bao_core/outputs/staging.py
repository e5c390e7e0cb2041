"""Blobs on their way into a worktree: written beside it, verified, and not yet visible."""

from __future__ import annotations

import errno
import os

from blake3 import blake3

from bao_core.errors import CacheError, OutputError
from bao_core.model import Digest
from bao_core.outputs.cloning import copy_contents, digest_descriptor, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from typing import BinaryIO

    from bao_core.interfaces.cache import BlobSink as _Sink
    from bao_core.model import OutputFile

    Fetch = Callable[[Collection[Digest], _Sink], None]
else:
    _Sink = object  # interfaces lie above this module

_CHUNK = 1 << 20
_SMALL = 1 << 16
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def fetch_files(directory: str, files: Sequence[tuple[str, OutputFile]], fetch: Fetch) -> None:
    """Make files in a directory, by the names that come with them.

    Raises:
        CacheError: A blob is missing or damaged.
        OutputError: The disk takes no more.
    """
    if not files:
        return
    sink = StagingSink(directory, files)
    fetch(sink.digests(), sink)
    if missing := sink.digests():
        raise CacheError(f"blob {missing[0].hash[:12]} was not delivered")


class StagingSink(_Sink):
    """Makes one file for every output in a directory, each a copy of its own.

    Args:
        directory: Where to make them; it exists.
        files: The outputs, with the names that they get there.
    """

    def __init__(self, directory: str, files: Iterable[tuple[str, OutputFile]]) -> None:
        self._directory = directory
        self._waiting: dict[Digest, list[tuple[str, bool]]] = {}
        for name, file in files:
            self._waiting.setdefault(file.digest, []).append((name, file.executable))

    def digests(self) -> list[Digest]:
        """What has not arrived yet, each once."""
        return list(self._waiting)

    def write(self, digest: Digest, stream: BinaryIO) -> None:
        """Take a blob from a stream."""

        def fill(target: int) -> Digest:
            hasher = blake3()
            size = 0
            while chunk := stream.read(_CHUNK):
                hasher.update(chunk)
                size += len(chunk)
                write_all(target, chunk)
            return Digest(hasher.hexdigest(), size)

        self._take(digest, fill)

    def clone(self, digest: Digest, path: str) -> None:
        """Take a blob from a file."""
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(source, _SMALL + 1)
            if len(data) <= _SMALL:
                self.write_bytes(digest, data)
            else:
                self._take(digest, lambda target: _copy(source, target))
        finally:
            os.close(source)

    def write_bytes(self, digest: Digest, data: bytes) -> None:
        """Take a blob that is in memory."""
        found = Digest(blake3(data).hexdigest(), len(data))
        _require(found, digest)

        def fill(target: int) -> Digest:
            write_all(target, data)
            return found

        self._take(digest, fill)

    def _take(self, digest: Digest, fill: Callable[[int], Digest]) -> None:
        """Make every file of a digest: the first by `fill`, the others from the first."""
        targets = self._waiting.get(digest)
        if targets is None:
            return
        made: list[int] = []
        try:
            for name, executable in targets:
                made.append(self._create(name, executable=executable))
                if len(made) > 1:
                    copy_contents(made[0], made[-1])
                    os.close(made.pop())
                else:
                    _require(fill(made[0]), digest)
        except BaseException as error:
            for name, _ in targets:
                self._discard(name)
            if isinstance(error, OSError) and error.errno in _UNWRITABLE:
                # Of the place that is written to, and not of the cache that is read.
                reason = f"there is no writing it to disk: {error.strerror}"
                raise OutputError(reason, where=self._directory) from error
            raise
        finally:
            for descriptor in made:
                os.close(descriptor)
        del self._waiting[digest]

    def _create(self, name: str, *, executable: bool) -> int:
        mode = 0o755 if executable else 0o644  # the kernel takes the umask away
        return os.open(f"{self._directory}/{name}", _CREATE, mode)

    def _discard(self, name: str) -> None:
        try:
            os.unlink(f"{self._directory}/{name}")
        except OSError:
            pass  # never made, or it goes with its directory


def _copy(source: int, target: int) -> Digest:
    copy_contents(source, target)
    return digest_descriptor(target)


def _require(found: Digest, digest: Digest) -> None:
    if found != digest:
        raise CacheError(
            f"blob {digest.hash[:12]} does not hold the {digest.size} bytes that it should"
        )
