"""What this machine remembers of a workspace: stamps, content ids, snapshots, locks.

All of it lies in `<cache root>/workspaces/<id>/`, outside the worktree, and all of it may be lost
or damaged at any moment: then it is worked out again.
"""

import errno
import os
import re
from collections.abc import Mapping
from typing import Any, Self

from blake3 import blake3
from msgspec import DecodeError, Struct, field
from msgspec.msgpack import Decoder, Encoder
from msgspec.structs import replace

from bao_core.model import CacheKey, Digest, Stamp, TaskId
from bao_core.places import cache_root, replace_file

_MAGIC = b"bao-state-1\n"
_CHECK = 32
"""Bytes of BLAKE3 between the magic and the content."""

INLINE_LOG = 4096
"""A log up to this many bytes is remembered here, so that a hit opens no other file."""


class TaskMemory(Struct, array_like=True, gc=False):
    """What is known of a task that was executed or restored here.

    Attributes:
        key: The key whose outputs stand in the worktree.
        outputs: A hash over what the task produced.
        stamps: Of every output file, link and folder, by path from the root.
        recorded_at: When the stamps were taken, in nanoseconds since the epoch.
        boot: The boot during which they were taken.
        duration: Seconds that its last execution took.
        log: The bytes it printed; None where they are too many to keep here.
        log_digest: Of those bytes.
        parts: The digest of the blob with the key's parts.
        created: When the result was made, in seconds since the epoch.
        escaped: Whether the paths in `stamps` went through `escape_path`.
        scope: The scope of the run that executed or restored it; empty for the main one.
    """

    key: CacheKey
    outputs: str
    stamps: dict[str, Stamp]
    recorded_at: int
    boot: str
    duration: float
    log: bytes | None
    log_digest: Digest
    parts: Digest
    created: float
    escaped: bool = False
    scope: str = ""


class RunKeys(Struct, array_like=True, gc=False):
    """The keys of a run.

    Attributes:
        unlisted: A hash over what they were made of beside files that are listed.
        whole: A hash over all that they were made of.
        keys: One after the other, in the order of the run.
        digests: Of the files of each package, one after the other, by name of the package.
    """

    unlisted: str
    whole: str
    keys: bytes
    digests: bytes


class Memory(Struct, array_like=True):
    """The state file: everything that a run may want to know of earlier ones.

    Attributes:
        tasks: By task id.
        hashes: Content ids of files that git does not vouch for, by path, with the stamp at which
            they were computed.
        tools: Content ids of programs outside the worktree, by absolute path, with their stamps.
        keys: Of the last few runs that had different ingredients, the latest last.
        dot_env: Names of `.env` files by package directory, with the stamp of that directory.
    """

    tasks: dict[TaskId, TaskMemory] = field(default_factory=dict)
    hashes: dict[str, tuple[Stamp, str]] = field(default_factory=dict)
    dot_env: dict[str, tuple[Stamp, int, tuple[str, ...]]] = field(default_factory=dict)
    tools: dict[str, tuple[Stamp, str]] = field(default_factory=dict)
    keys: list[RunKeys] = field(default_factory=list)


def workspace_state_dir(root: str, environ: Mapping[str, str]) -> str:
    """The directory of what is remembered of the workspace at `root`."""
    name = blake3(os.fsencode(os.path.realpath(root))).hexdigest(length=10)
    return os.path.join(cache_root(environ), "workspaces", name)


def boot_id() -> str:
    """A text that differs between boots; empty where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
            return file.read().decode().strip()
    except OSError:
        return ""


def read_checked(path: str, decoder: Decoder[Any]) -> Any | None:
    """Decode a file written by `write_checked`; None where it is missing, damaged or foreign."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.read()
    except OSError:
        return None
    start = len(_MAGIC) + _CHECK
    body = memoryview(data)[start:]
    if data[: len(_MAGIC)] != _MAGIC or blake3(body).digest() != data[len(_MAGIC) : start]:
        return None
    try:
        return decoder.decode(body)
    except (DecodeError, UnicodeDecodeError):
        return None


def write_checked(path: str, content: Any) -> bool:
    """Write a record with a checksum, whole or not at all; False where the disk refuses."""
    body = Encoder().encode(content)
    return replace_file(path, _MAGIC + blake3(body).digest() + body)


def escape_path(path: str) -> str:
    """A path that may hold bytes which are not UTF-8, as text that can be encoded."""
    if path.isascii():
        return path
    return re.sub("[\udc80-\udcff]", lambda found: f"\0{ord(found[0]) - 0xDC00:02x}", path)


def unescape_path(path: str) -> str:
    """The path that `escape_path` was given."""
    if "\0" not in path:
        return path
    return re.sub("\0(..)", lambda found: chr(0xDC00 + int(found[1], 16)), path)


def _encodable(path: str) -> bool:
    return escape_path(path) == path


def _stamp(path: str) -> tuple[int, ...] | None:
    """What changes whenever a file is replaced; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size


class WorkspaceState:
    """The remembered things of one workspace, and the locks between processes."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._path = os.path.join(directory, "state")
        self._decoder = Decoder(Memory)
        self._touched: dict[TaskId, TaskMemory | None] = {}
        self._hashes_changed = False
        self._read = _stamp(self._path)
        self.memory: Memory = read_checked(self._path, self._decoder) or Memory()

    def task(self, task_id: TaskId) -> TaskMemory | None:
        """What is remembered of a task."""
        memory = self.memory.tasks.get(task_id)
        if memory is not None and memory.escaped:
            stamps = {unescape_path(path): stamp for path, stamp in memory.stamps.items()}
            return replace(memory, stamps=stamps, escaped=False)
        return memory

    def remember(self, task_id: TaskId, memory: TaskMemory) -> None:
        """Remember this of a task, at the next `save`."""
        names = memory.stamps
        if not all(map(str.isascii, names)) and any(escape_path(name) != name for name in names):
            stamps = {escape_path(path): stamp for path, stamp in memory.stamps.items()}
            memory = replace(memory, stamps=stamps, escaped=True)
        self.memory.tasks[task_id] = memory
        self._touched[task_id] = memory

    def forget(self, task_id: TaskId) -> None:
        """The task's outputs are about to change: whatever was remembered no longer holds."""
        if self.memory.tasks.pop(task_id, None) is not None:
            self._touched[task_id] = None

    def owned_by_others(self, task_id: TaskId) -> set[str]:
        """Paths that tasks other than this one recorded as their outputs."""
        return {
            unescape_path(path)
            for other, memory in list(self.memory.tasks.items())  # other threads remember more
            if other != task_id
            for path in memory.stamps
        }

    def mark_changed(self) -> None:
        """Content ids or other derived data were added."""
        self._hashes_changed = True

    def save(self) -> bool:
        """Write what changed, on top of what other processes wrote meanwhile.

        Returns:
            Whether everything that was remembered is on disk now.
        """
        if not self._touched and not self._hashes_changed:
            return True
        with self.lock("state"):
            tasks = self._tasks_on_disk()
            for task_id, memory in self._touched.items():
                if memory is None:
                    tasks.pop(task_id, None)
                else:
                    tasks[task_id] = memory
            hashes = {p: v for p, v in self.memory.hashes.items() if _encodable(p)}
            dot_env = {p: v for p, v in self.memory.dot_env.items() if _encodable(p)}
            tools = {p: v for p, v in self.memory.tools.items() if _encodable(p)}
            merged = Memory(tasks, hashes, dot_env, tools, self.memory.keys)
            if not write_checked(self._path, merged):
                return False
            self._touched.clear()
            self._hashes_changed = False
        return True

    def _tasks_on_disk(self) -> dict[TaskId, TaskMemory]:
        """What is remembered of tasks by now, in a dictionary that may be changed."""
        if self._read is not None and self._read == _stamp(self._path):
            return dict(self.memory.tasks)  # nobody else wrote; what differs was touched here
        current: Memory | None = read_checked(self._path, self._decoder)
        return current.tasks if current is not None else {}

    def lock(self, name: str) -> "ProcessLock":
        """A lock between processes; `with` waits for it."""
        safe = blake3(name.encode("utf-8", "surrogateescape")).hexdigest(length=10)
        return ProcessLock(f"{self.directory}/locks/{safe}")


class ProcessLock:
    """An exclusive lock between processes and threads, gone with its holder's end.

    Where the directory cannot be written, there is nobody to share with and the lock is free.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it."""
        return self._acquire(wait=False)

    def __enter__(self) -> Self:
        self._acquire(wait=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, waiting for it."""
        self._acquire(wait=True)

    def release(self) -> None:
        """Let go of the lock; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _acquire(self, *, wait: bool) -> bool:
        import fcntl

        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            try:
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError:
                return True
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            os.close(descriptor)
            return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN)
        self._descriptor = descriptor
        return True
