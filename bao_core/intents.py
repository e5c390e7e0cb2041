"""What is remembered of a task's outputs while they change.

A task owns what its stamps record. While it runs or is restored, an intent on disk says which
matches of its outputs were there before and are not its own: if bao dies in between, everything
else that matches is the task's, half-written or not.

The intents of all processes lie in one file, which each of them appends to and whoever saved its
stamps rewrites without what is settled by that. A record is four bytes of length, eight of BLAKE3,
and the content; what cannot be read ends the file.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from blake3 import blake3
from msgspec import DecodeError, Struct
from msgspec.msgpack import Decoder, Encoder

from bao_core.model import TaskId
from bao_core.places import replace_file
from bao_core.state import escape_path, unescape_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.state import WorkspaceState

_LENGTH = 4
_CHECK = 8
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Intent(Struct, frozen=True, array_like=True, gc=False):
    """Written before a task's outputs change, removed once they are recorded.

    Attributes:
        task: Whose outputs.
        process: A text that no other run of bao has.
        owned: Paths that the task owned before.
        spared: Paths that match its outputs and are not its own.
    """

    task: TaskId
    process: str
    owned: tuple[str, ...]
    spared: tuple[str, ...]


class OutputIntents:
    """The intents of one workspace. For several threads."""

    def __init__(self, state: "WorkspaceState") -> None:
        self._state = state
        self._path = os.path.join(state.directory, "output-intents")
        self._process = os.urandom(8).hex()
        self._open: dict[TaskId, Intent] = {}
        self._settled: set[TaskId] = set()
        self._descriptor: int | None = None
        self._end = 0
        self._mutex = Lock()

    def begin(self, task_id: TaskId, present: Sequence[str]) -> set[str]:
        """Say that a task's outputs are about to change.

        Args:
            task_id: Whose outputs; the caller holds its lock.
            present: Paths of what stands where they are declared, as far as git does not track it.

        Returns:
            The paths that the task owns now.
        """
        with self._mutex, self._locked() as descriptor:
            owned = self._owned(task_id, present)
            self._state.forget(task_id)
            intent = Intent(
                task_id,
                self._process,
                tuple(escape_path(path) for path in sorted(owned)),
                tuple(escape_path(path) for path in present if path not in owned),
            )
            self._open[task_id] = intent
            self._settled.discard(task_id)
            if descriptor is not None:
                self._append(descriptor, intent)
        return owned

    def adopt(self, task_id: TaskId) -> None:
        """A copy of this process, forked before anything was begun, has brought a task's outputs.

        It has told of that in the file, in the name of this process; what it opened is its own.
        """
        with self._mutex:
            self._settled.add(task_id)

    def settle(self, task_id: TaskId) -> None:
        """Its outputs are recorded; the intent goes once the record is on disk."""
        with self._mutex:
            if self._open.pop(task_id, None) is not None:
                self._settled.add(task_id)

    def saved(self) -> None:
        """The records of what is settled are on disk."""
        if not self._settled:
            return
        with self._mutex, self._locked() as descriptor:
            if descriptor is not None:
                self._rewrite(descriptor)
            self._settled.clear()

    def _owned(self, task_id: TaskId, present: Sequence[str]) -> set[str]:
        memory = self._state.task(task_id)
        owned = set(memory.stamps) if memory is not None else set()
        if intent := self._open.get(task_id):
            spared = {unescape_path(path) for path in intent.spared}
            owned.update(unescape_path(path) for path in intent.owned)
            owned.update(path for path in present if path not in spared)
        return owned

    # --- the file ----------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[int | None]:
        """The file, read until its end, which nobody else reads or writes meanwhile.

        None where the disk refuses.
        """
        import fcntl

        try:
            descriptor = self._opened()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            while not (found := os.fstat(descriptor)).st_nlink:
                self._close()  # another process has put a new one there
                descriptor = self._opened()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if found.st_size != self._end:
                self._read_news(descriptor, found.st_size)
        except OSError:
            self._close()
            yield None
            return
        try:
            yield descriptor
        finally:
            if self._descriptor is not None:
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _opened(self) -> int:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, _OPEN, 0o666)
            except FileNotFoundError:
                os.makedirs(self._state.directory, exist_ok=True)
                self._descriptor = os.open(self._path, _OPEN, 0o666)
            self._end = 0
        return self._descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read_news(self, descriptor: int, size: int) -> None:
        """Take note of what other processes wrote, and cut off what is broken."""
        for intent, end in self._records(descriptor, self._end):
            self._end = end
            if intent.process != self._process:
                self._open[intent.task] = intent
        if self._end < size:
            os.ftruncate(descriptor, self._end)

    def _records(self, descriptor: int, start: int) -> Iterator[tuple[Intent, int]]:
        """Every whole record from an offset on, and where it ends."""
        data = os.pread(descriptor, os.fstat(descriptor).st_size - start, start)
        decoder = Decoder(Intent)
        at = 0
        while at < len(data):
            body = at + _LENGTH + _CHECK
            end = body + int.from_bytes(data[at : at + _LENGTH])
            if data[at + _LENGTH : body] != blake3(data[body:end]).digest(length=_CHECK):
                return
            try:
                yield decoder.decode(data[body:end]), start + end
            except (DecodeError, UnicodeDecodeError):
                return
            at = end

    def _append(self, descriptor: int, intent: Intent) -> None:
        record = _encode(intent)
        try:
            if os.write(descriptor, record) == len(record):
                self._end += len(record)
            else:
                os.ftruncate(descriptor, self._end)
        except OSError:
            return  # a full disk: then only git's ignore rules tell what may be removed

    def _rewrite(self, descriptor: int) -> None:
        """Leave what others have begun since, and what is open still."""
        records = [intent for intent, _ in self._records(descriptor, 0)]
        last = {
            intent.task: index
            for index, intent in enumerate(records)
            if intent.process == self._process and intent.task in self._settled
        }
        kept = [intent for index, intent in enumerate(records) if index > last.get(intent.task, -1)]
        if kept:
            replace_file(self._path, b"".join(map(_encode, kept)))
        else:
            try:
                os.unlink(self._path)
            except OSError:
                return
        self._close()


def _encode(intent: Intent) -> bytes:
    body = Encoder().encode(intent)
    return len(body).to_bytes(_LENGTH) + blake3(body).digest(length=_CHECK) + body
