"""Blobs from a thread that may hang to the one that waits for them and writes them to disk.

The thread that asks the remote never touches the worktree: left behind, it could write into what
is somebody else's by then.
"""

from __future__ import annotations

import io
from queue import SimpleQueue
from threading import Semaphore

from bao_core.interfaces.cache import BlobSink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

    from bao_core.model import Digest

PIECE = 256 << 10
"""Bytes handed over at a time."""

AHEAD = 8
"""Pieces that may lie between the two threads."""


class AbandonedError(Exception):
    """Nobody waits any more."""


class Handover(BlobSink):
    """The sink that the asking thread is given; the waiting thread passes on what arrives.

    Args:
        progress: Called with the size of each piece that arrived.
    """

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress
        self._arrived: SimpleQueue[Callable[[BlobSink], None] | BaseException | None] = (
            SimpleQueue()
        )
        self._replies: SimpleQueue[BaseException | None] = SimpleQueue()
        self._pieces = _Pieces()
        self._abandoned = False

    # --- the asking thread -------------------------------------------------------------------

    def write(self, digest: Digest, stream: BinaryIO) -> None:
        """Hand a stream over, piece by piece, and return when it was taken."""
        pieces = self._pieces = _Pieces()
        self._check()
        self._arrived.put(lambda sink: _deliver(sink, digest, pieces))
        try:
            while piece := stream.read(PIECE):
                self._progress(len(piece))
                pieces.put(piece)
                self._check()
            pieces.put(b"")
        except BaseException as error:
            pieces.put(error)
            self._replies.get()
            raise
        self._take_reply()

    def clone(self, digest: Digest, path: str) -> None:
        """Hand a file over, and return when it was taken."""
        self._check()
        self._arrived.put(lambda sink: sink.clone(digest, path))
        self._take_reply()

    def finish(self, error: BaseException | None) -> None:
        """Nothing more will come."""
        self._arrived.put(error)

    def _take_reply(self) -> None:
        reply = self._replies.get()
        if reply is not None:
            raise reply

    def _check(self) -> None:
        if self._abandoned:
            raise AbandonedError

    # --- the waiting thread ------------------------------------------------------------------

    def pass_on(self, sink: BlobSink) -> None:
        """Write to a sink what arrives, until nothing more comes.

        Raises:
            BaseException: Whatever the asking thread ended with, or the sink raised.
            AbandonedError: Somebody called `abandon`.
        """
        while (step := self._arrived.get()) is not None:
            if isinstance(step, BaseException):
                raise step
            try:
                step(sink)
            except BaseException as error:
                self._replies.put(error)
                self.abandon()
                raise
            self._replies.put(None)

    def abandon(self) -> None:
        """Wait no longer. From any thread."""
        self._abandoned = True
        self._arrived.put(AbandonedError())
        self._replies.put(AbandonedError())
        self._pieces.abandon()


class _Pieces(io.RawIOBase):
    """A stream of pieces that come from another thread, not too many ahead."""

    def __init__(self) -> None:
        self._coming: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._room = Semaphore(AHEAD)
        self._rest = memoryview(b"")
        self._ended = False

    def put(self, piece: bytes | BaseException) -> None:
        """The next piece, the end if it is empty, or what there is instead of an end."""
        self._room.acquire()
        self._coming.put(piece)

    def abandon(self) -> None:
        """Nobody reads, and nobody writes."""
        self._coming.put(AbandonedError())
        # More than will ever be put by one who looks after each whether somebody waits.
        self._room.release(AHEAD)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if not self._rest and not self._ended:
            piece = self._coming.get()
            if isinstance(piece, BaseException):
                raise piece
            self._room.release()
            self._rest = memoryview(piece)
            self._ended = not piece
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _deliver(sink: BlobSink, digest: Digest, pieces: _Pieces) -> None:
    with io.BufferedReader(pieces, PIECE) as stream:
        sink.write(digest, stream)
        while stream.read(PIECE):
            pass  # the other side puts everything, whether the sink wants it or not
