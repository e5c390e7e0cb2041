"""Requests on the event loop that fsspec keeps, asked from threads that wait for so long."""

from __future__ import annotations

import asyncio
import inspect
import io
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as WaitedEnough
from typing import TypeVar, cast

from fsspec.asyn import get_loop

from bao_cache_fsspec.troubles import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any, BinaryIO, Protocol

    from _typeshed import WriteableBuffer

    class Body(Protocol):
        """The body of an answer."""

        async def read(self, amount: int) -> bytes:
            """Some bytes as soon as there are any; none at the end."""


Answer = TypeVar("Answer")
Question = TypeVar("Question")

AT_ONCE = 32
"""Requests under way at the same time for one question about many names."""

SLOWEST = 16 << 10
"""Bytes a second below which a transfer is as good as dead."""

FIRST = 1 << 20
"""Bytes of an answer that are read with it, so that most answers are whole in one step."""

FIRST_WAIT = 0.5
"""Seconds after which what came of an answer is handed on, and the rest is read as it comes."""

PIECE = 256 << 10


class Asker:
    """Runs coroutines.

    Args:
        location: Who is asked, for messages.
        limit: Seconds that a request without much to send may take, retries included.
    """

    def __init__(self, location: str, limit: float) -> None:
        self.loop = get_loop()
        self._location = location
        self._limit = limit

    def ask(self, coroutine: Coroutine[Any, Any, Answer], *, size: int = 0) -> Answer:
        """The result of a coroutine.

        Args:
            coroutine: What to do.
            size: Bytes that are to be sent.

        Raises:
            StoreError: It took too long.
        """
        limit = self._limit + size / SLOWEST
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(limit)
        except (WaitedEnough, CancelledError) as error:
            future.cancel()
            raise StoreError(f"{self._location} did not answer within {limit:g} s") from error

    def ask_each(
        self, ask: Callable[[Question], Coroutine[Any, Any, Answer]], questions: Iterable[Question]
    ) -> list[Answer]:
        """The answers to many questions, in their order, some of them asked at the same time."""
        everything = list(questions)

        async def gather() -> list[Answer]:
            room = asyncio.Semaphore(AT_ONCE)

            async def one(question: Question) -> Answer:
                async with room:
                    return await ask(question)

            return await asyncio.gather(*map(one, everything))

        # As if each byte of this many were sent: so many rounds take so many times as long.
        rounds = len(everything) // AT_ONCE
        return self.ask(gather(), size=int(rounds * self._limit * SLOWEST))


async def first_of(body: Body) -> tuple[bytes, bool]:
    """What comes of a body at once, and whether that is all."""
    loop = asyncio.get_running_loop()
    until = loop.time() + FIRST_WAIT
    pieces: list[bytes] = []
    size = 0
    while size < FIRST and loop.time() < until:
        piece = await body.read(FIRST - size)
        if not piece:
            return b"".join(pieces), True
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces), False


def as_stream(asker: Asker, start: bytes, rest: Body | None, close: Callable[[], Any]) -> BinaryIO:
    """A body as a stream.

    Args:
        asker: Asks for what is to come.
        start: What came already.
        rest: The body; None where nothing is to come.
        close: Lets go of the body; a function or a coroutine function.
    """
    if rest is None:
        return io.BytesIO(start)
    return cast("BinaryIO", io.BufferedReader(_BodyReader(asker, start, rest, close), PIECE))


class _BodyReader(io.RawIOBase):
    """Reads a body piece by piece."""

    def __init__(self, asker: Asker, start: bytes, body: Body, close: Callable[[], Any]) -> None:
        self._asker = asker
        self._piece = memoryview(start)
        self._body = body
        self._close = close

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        if not self._piece:
            self._piece = memoryview(self._asker.ask(self._body.read(PIECE)))
        count = min(len(target), len(self._piece))
        target[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._asker.ask(_closed(self._close))
        super().close()


async def _closed(close: Callable[[], Any]) -> None:
    done = close()
    if inspect.isawaitable(done):
        await done
