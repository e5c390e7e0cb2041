"""A copy of this process that does pieces of its work, at the same time on another processor.

Python lets only one thread of a process go on at a time. A copy made by `fork` knows all that this
process knew at that moment, so that a piece of work can be as little as a name.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, NoReturn

_LENGTH = 4
"""Bytes that tell how long a message is."""


class TwinLostError(Exception):
    """The twin has ended before it answered; how much it did is unknown."""


class Twin:
    """A process forked off this one. It ends when this one does, however that happens."""

    def __init__(self, pid: int, requests: BinaryIO, answers: BinaryIO) -> None:
        self._pid = pid
        self._requests = requests
        self._answers = answers

    @classmethod
    def fork(cls, serve: Callable[[bytes], bytes]) -> Twin | None:
        """Make one.

        Args:
            serve: What it does with a request; if that raises, it ends.

        Returns:
            None where that is not safe or would not pay: beside other threads, whose locks the
            twin would find closed for ever, on one processor, and on anything but Linux.
        """
        if not _can_fork():
            return None
        from signal import SIG_BLOCK, SIG_SETMASK, SIGINT, pthread_sigmask

        requests, to_twin = os.pipe()
        from_twin, answers = os.pipe()
        # A terminal sends it to both. The first process is interrupted, and ends the twin.
        mask = pthread_sigmask(SIG_BLOCK, (SIGINT,))
        try:
            pid = os.fork()
            if not pid:
                _live(serve, requests, answers)
        except OSError:
            for descriptor in (requests, to_twin, from_twin, answers):
                os.close(descriptor)
            return None
        finally:
            pthread_sigmask(SIG_SETMASK, mask)
        os.close(requests)
        os.close(answers)
        return cls(pid, open(to_twin, "wb"), open(from_twin, "rb"))

    def ask(self, request: bytes) -> bytes:
        """Have a piece of work done, and wait for it. For one thread at a time.

        Raises:
            TwinLostError: It is gone.
        """
        try:
            _send(self._requests, request)
            answer = _receive(self._answers)
        except OSError:
            answer = None
        if answer is None:
            raise TwinLostError
        return answer

    def close(self) -> None:
        """Let it end, once it has done what it was asked for."""
        try:
            self._requests.close()
        except OSError:  # it is gone, and something was left to be sent
            pass
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:  # nobody keeps exit codes here
            pass
        self._answers.close()


def _can_fork() -> bool:
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) == 1:
        return False
    threading = sys.modules.get("threading")
    return threading is None or threading.active_count() == 1


def _live(serve: Callable[[bytes], bytes], requests: int, answers: int) -> NoReturn:
    try:
        _let_go_of_all_but(requests, answers)
        with open(requests, "rb") as receiving, open(answers, "wb") as sending:
            while (request := _receive(receiving)) is not None:
                _send(sending, serve(request))
    finally:
        os._exit(0)


def _let_go_of_all_but(*kept: int) -> None:
    """Hold no end of a pipe that others wait to see closed.

    The numbers stay taken, so that whatever closes one of them closes nothing new.
    """
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in {null, *kept}:
            os.dup2(null, int(name), inheritable=False)


def _send(stream: BinaryIO, message: bytes) -> None:
    stream.write(len(message).to_bytes(_LENGTH) + message)
    stream.flush()


def _receive(stream: BinaryIO) -> bytes | None:
    """The next message; None at the end."""
    header = stream.read(_LENGTH)
    size = int.from_bytes(header)
    message = stream.read(size)
    return message if len(header) == _LENGTH and len(message) == size else None
