"""Starting the processes of commands, without keeping bao's other threads waiting.

Whatever way Python has to start a process, it holds the lock of the interpreter until the new
program runs: a millisecond, in which no other thread can start, collect or store anything. The
`posix_spawn` of the C library does the same when it is called through ctypes, which lets go of the
lock. Where that function knows no working directory, `subprocess` is used.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from msgspec import Struct

SETSIGDEF = 0x04
SETSID = 0x80
"""Flags of glibc's and musl's spawn.h."""

ATTRIBUTES = 1024
"""Bytes; `posix_spawnattr_t` has 336 and `posix_spawn_file_actions_t` 80 on 64 bits."""

SIGNALS = 128
"""Bytes of a `sigset_t`."""

RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, and that other programs expect to end them."""


class Start(Struct, frozen=True):
    """A process to be started.

    Attributes:
        program: Its file.
        arguments: The first is the name it is called by.
        directory: Where it runs.
        env: Its whole environment.
        stdin: A descriptor; None for that of bao.
        output: A descriptor for standard output and standard error.
        session: Whether it leads a session of its own.
    """

    program: str
    arguments: Sequence[str]
    directory: str
    env: dict[str, str]
    stdin: int | None
    output: int
    session: bool


def prepare() -> None:
    """Import what it takes. Call on the main thread, before there are others."""
    _how()


def spawn(start: Start) -> int:
    """Start a process and return its id, which the caller has to wait for.

    All descriptors but the first three are taken to close by themselves.

    Raises:
        OSError: The system refuses: no such program or directory, no room, no right.
        ValueError: A text holds a NUL, or the name of a variable an equals sign.
    """
    return _how()(start)


@cache
def _how() -> Callable[[Start], int]:
    if sys.platform == "linux":
        import ctypes

        library = ctypes.CDLL(None)
        if hasattr(library, "posix_spawn_file_actions_addchdir_np"):
            return _Library(library).spawn
    from bao_core.lean import import_subprocess

    import_subprocess()
    return spawn_by_subprocess


class _Library:
    def __init__(self, library: Any) -> None:
        import ctypes

        self._types = ctypes
        self._library = library
        signals = ctypes.create_string_buffer(SIGNALS)
        library.sigemptyset(signals)
        for number in RESTORED:
            library.sigaddset(signals, number)
        self._attributes = {
            session: self._make_attributes(signals, SETSIGDEF | (SETSID if session else 0))
            for session in (False, True)
        }

    def spawn(self, start: Start) -> int:
        ctypes, library = self._types, self._library
        arguments = _as_bytes(start.arguments)
        env = _as_bytes([f"{name}={value}" for name, value in _checked(start.env).items()])
        actions = ctypes.create_string_buffer(ATTRIBUTES)
        pid = ctypes.c_int()
        _check(library.posix_spawn_file_actions_init(actions))
        try:
            add = library.posix_spawn_file_actions_adddup2
            if start.stdin is not None:
                _check(add(actions, start.stdin, 0))
            _check(add(actions, start.output, 1))
            _check(add(actions, start.output, 2))
            directory, program = _as_bytes([start.directory, start.program])
            _check(library.posix_spawn_file_actions_addchdir_np(actions, directory))
            _check(
                library.posix_spawn(
                    ctypes.byref(pid),
                    program,
                    actions,
                    self._attributes[start.session],
                    (ctypes.c_char_p * (len(arguments) + 1))(*arguments),
                    (ctypes.c_char_p * (len(env) + 1))(*env),
                )
            )
        finally:
            library.posix_spawn_file_actions_destroy(actions)
        return int(pid.value)

    def _make_attributes(self, signals: Any, flags: int) -> Any:
        attributes = self._types.create_string_buffer(ATTRIBUTES)
        _check(self._library.posix_spawnattr_init(attributes))
        _check(self._library.posix_spawnattr_setsigdefault(attributes, signals))
        _check(self._library.posix_spawnattr_setflags(attributes, self._types.c_short(flags)))
        return attributes


def spawn_by_subprocess(start: Start) -> int:
    """The same for systems whose C library does not know all of it."""
    import subprocess

    process = subprocess.Popen(  # noqa: S603 - to run what the user configured is the task
        start.arguments,
        executable=start.program,
        cwd=start.directory,
        env=start.env,
        stdin=start.stdin,
        stdout=start.output,
        stderr=start.output,
        start_new_session=start.session,
        close_fds=False,  # a walk over them for each command would cost
    )
    process.returncode = 0  # somebody else waits for it; `subprocess` must not
    return process.pid


def _as_bytes(texts: Sequence[str]) -> list[bytes]:
    found = [os.fsencode(text) for text in texts]
    if b"\0" in b"".join(found):
        raise ValueError("embedded null byte")
    return found


def _checked(env: dict[str, str]) -> dict[str, str]:
    if "=" in "".join(env):
        raise ValueError("illegal environment variable name")
    return env


def _check(error: int) -> None:
    """What these functions return instead of setting `errno`."""
    if error:
        raise OSError(error, os.strerror(error))
