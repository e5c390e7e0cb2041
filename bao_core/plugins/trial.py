"""Tries plugins that bao does not know yet, each in a process that it may take down.

A plugin that is imported can do anything: end the process, hang where no exception reaches it,
close files, change the working directory. The process forks for it, which costs a few milliseconds
once for each plugin; only a plugin that came through is ever imported by the command itself.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import warnings

from msgspec import DecodeError, Struct, msgpack

from bao_core.plugins.inventory import Knowledge, KnownFault, loaded_sources, source_of
from bao_core.plugins.isolation import HangingFault, PluginFault, described
from bao_core.plugins.loading import PluginLoader, module_file, module_source
from bao_core.plugins.requirements import api_complaint, literal_requires
from bao_core.plugins.status import Plugin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from bao_core.plugins.inventory import PluginRecord

_GRACE = 1.0
"""Seconds that the process has to tell where in a plugin the time was spent."""

_PAUSE = 0.01
"""Seconds between two looks at a process that has closed its pipe and has not ended."""

_LENGTH = 8
"""Bytes of the length that comes before the verdict."""


class Verdict(Struct, array_like=True):
    """What came of trying a plugin.

    Attributes:
        knowledge: What it offers; None where it is broken.
        fault: Why it is broken, as a clause that continues its name.
        hanging: What is remembered of one that used up its time, so that it does so once only.
        printed: What it printed to standard output.
        interrupted: Whether the user put an end to it.
        unspeakable: Whether it came through, but has names that are no text.
    """

    knowledge: Knowledge | None = None
    fault: str = ""
    hanging: KnownFault | None = None
    printed: str = ""
    interrupted: bool = False
    unspeakable: bool = False


def tried(record: PluginRecord, limit: float) -> Verdict:
    """Import a plugin and ask it everything, in a process of its own.

    Args:
        record: The plugin.
        limit: Seconds that it may take.

    Raises:
        KeyboardInterrupt: The user puts an end to it.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    read, write = os.pipe()
    pid = _fork()
    if pid == 0:
        _answer_and_end(record, limit, write)
    os.close(write)
    child = _Child(pid, read)
    try:
        answer = child.answer(time.monotonic() + limit + _GRACE)
    finally:
        child.end()
    if answer is not None:
        return _understood(answer, record, limit)
    if child.status is not None:
        return Verdict(fault=f"ended the process that imported it ({child.ending()})")
    text = f"took longer than {limit:g} s to be imported"
    return Verdict(fault=text, hanging=_known(record, text))


def tried_here(record: PluginRecord, limit: float) -> Verdict:
    """Import a plugin and ask it everything, in this process."""
    loader = PluginLoader(limit)
    plugin = Plugin(record)
    started = time.perf_counter()
    try:
        _check_requires(record, literal_requires(module_source(record.target) or b""))
        plugin.implemented = loader.load(record.name, record.target)
        _check_requires(record, getattr(sys.modules[record.target], "requires", None))
        for hook, implementation in plugin.implemented.items():
            plugin.answers[hook] = loader.ask(hook, implementation)
    except HangingFault as fault:
        return Verdict(fault=str(fault), hanging=_known(record, str(fault)))
    except PluginFault as fault:
        return Verdict(fault=str(fault), printed=loader.printed())
    printed = loader.printed()
    return Verdict(plugin.gained(time.perf_counter() - started, printed), printed=printed)


def _understood(answer: bytes, record: PluginRecord, limit: float) -> Verdict:
    try:
        verdict = msgpack.decode(answer, type=Verdict)
    except (DecodeError, UnicodeDecodeError):
        return Verdict(fault="spoiled the answer of the process that imported it")
    if verdict.interrupted:
        raise KeyboardInterrupt
    # What has come through can be imported here as well.
    return tried_here(record, limit) if verdict.unspeakable else verdict


def _check_requires(record: PluginRecord, requires: object) -> None:
    if requires is not None and (complaint := api_complaint(record.distribution, requires)):
        raise PluginFault(complaint)


def _known(record: PluginRecord, text: str) -> KnownFault:
    own = source_of(module_file(record.target) or "")
    sources = {*loaded_sources(record.target), *([own] if own else [])}
    return KnownFault(text, record.version, tuple(sorted(sources, key=lambda found: found.path)))


# --- the process -----------------------------------------------------------------------------


def _fork() -> int:
    with warnings.catch_warnings():
        # Python warns of forks beside other threads. bao has none yet where it meets a plugin,
        # except for git's reader in `bao plugins`; the process only imports, and ends.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _answer_and_end(record: PluginRecord, limit: float, write: int) -> NoReturn:
    """What the process does: try the plugin, look what it did to the process, say so."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        directory, files = os.getcwd(), _open_files()
        verdict = tried_here(record, limit)
        if verdict.knowledge is not None and (harm := _harm(directory, files)):
            verdict = Verdict(fault=f"{harm} when it is imported")
    except KeyboardInterrupt:
        verdict = Verdict(interrupted=True)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the plugin is the reason
        verdict = Verdict(fault=f"failed: {described(error)}")
    try:
        try:
            data = msgpack.encode(verdict)
        except UnicodeEncodeError:
            data = msgpack.encode(Verdict(unspeakable=True))
        _write_all(write, len(data).to_bytes(_LENGTH) + data)
    finally:
        os._exit(0)


def _open_files() -> list[int]:
    """Which of the standard files are open."""
    found = []
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found


def _harm(directory: str, files: list[int]) -> str:
    """What a plugin did to its process; empty where that is nothing."""
    if os.getcwd() != directory:
        return "changes the working directory"
    if _open_files() != files:
        return "closes files that are not its own"
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    if any(stream is not None and stream.closed for stream in streams):
        return "closes the standard streams"
    return ""


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]


class _Child:
    """The process, seen from the one that waits for it.

    Attributes:
        status: How it ended by itself, as `waitpid` tells it; None where it did not.
    """

    def __init__(self, pid: int, read: int) -> None:
        self._pid = pid
        self._read = read
        self.status: int | None = None

    def answer(self, deadline: float) -> bytes | None:
        """What it has to say; None where it ends without a word, or the time is up."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        data = b""
        while (left := deadline - time.monotonic()) > 0 and poll.poll(left * 1000):
            piece = os.read(self._read, 1 << 16)
            if not piece:
                self._wait(deadline)
                return None
            data += piece
            if len(data) >= _LENGTH and len(data) - _LENGTH >= int.from_bytes(data[:_LENGTH]):
                return data[_LENGTH:]
        return None

    def _wait(self, deadline: float) -> None:
        """Wait for the end of a process that has closed its side."""
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self.status = status
                return
            time.sleep(_PAUSE)

    def end(self) -> None:
        """See to it that it is gone."""
        os.close(self._read)
        if self.status is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def ending(self) -> str:
        """How it ended, in words."""
        code = os.waitstatus_to_exitcode(self.status or 0)
        return f"exit code {code}" if code >= 0 else f"signal {-code}"
