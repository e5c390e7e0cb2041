"""The processes of this machine: which of them belong to a task, and how to end those.

A task's processes are known by its session and process group, by descent, and by a mark in their
environment: a daemon leaves the group and the session, an orphan its parent, but both keep the
environment they were started with. What loses all three is adopted by bao when its parent ends,
because bao asks the kernel to be the reaper of its descendants.
"""

from __future__ import annotations

import os
import sys

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from resource import struct_rusage

MARK = "BAO_TASK_MARK"
"""The variable that every process of a task carries: `<run>.<number>`, after the mark that bao
itself carries and a slash where bao runs as a task of another bao."""

STARTED = 19
"""Where the start time stands in `/proc/<pid>/stat`, counted from the state, see proc(5)."""

PR_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""


class Process(Struct, frozen=True, gc=False):
    """A process that is alive: neither a zombie nor gone.

    Attributes:
        group: The process group's leader.
        session: The session's leader; 0 where unknown.
        started: Clock ticks after the machine's start; 0 where unknown. With `pid` it names a
            process once and for all.
    """

    pid: int
    parent: int
    group: int
    session: int
    started: int


class Family(Struct, frozen=True):
    """How the processes of one task are known.

    Attributes:
        leader: The process that bao started.
        mark: The value of `MARK`, this task's alone.
        own_session: Whether the leader leads a session and group of its own.
        since: Nothing started before this, in clock ticks after the machine's start, belongs to it.
    """

    leader: int
    mark: str
    own_session: bool = True
    since: int = 0

    def members(self, processes: Mapping[int, Process]) -> set[Process]:
        """Which of these processes belong to the task."""
        young = younger(processes, self.since)
        found = {pid for pid, process in young.items() if self._shows(process)}
        found.update(marked(young.keys() - found, f"{self.mark}/"))
        return {young[pid] for pid in descendants(young, found)}

    def _shows(self, process: Process) -> bool:
        if process.pid == self.leader:
            return True
        return self.own_session and self.leader in (process.group, process.session)


class Run(Struct, frozen=True):
    """How the processes of all tasks of one run are known, once none of them is running.

    Attributes:
        marks: What all values of `MARK` begin with.
        since: As with `Family`.
        spared: Children of bao that belong to no task.
    """

    marks: str
    since: int = 0
    spared: frozenset[int] = frozenset()

    def members(self, processes: Mapping[int, Process]) -> set[Process]:
        """Which of these processes tasks have left, orphans that bao adopted among them."""
        young = younger(processes, self.since)
        ours, session = os.getpid(), os.getsid(0)
        found = {
            pid
            for pid, process in young.items()
            if process.parent == ours and process.session != session and pid not in self.spared
        }
        found.update(marked(young.keys() - found, self.marks))
        return {young[pid] for pid in descendants(young, found)}


def snapshot() -> dict[int, Process]:
    """Every process that is alive."""
    if not os.path.exists("/proc/self/stat"):
        return _snapshot_of_ps()
    found: dict[int, Process] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (process := look(int(name))) is not None:
            found[process.pid] = process
    return found


def look(pid: int) -> Process | None:
    """What `/proc` says of a process; None where it is a zombie or gone."""
    data = _read(f"/proc/{pid}/stat")
    # The name in parentheses may hold anything, parentheses and spaces too.
    fields = data[data.rfind(b")") + 2 :].split()
    if len(fields) <= STARTED or fields[0] in b"ZXx":
        return None
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[STARTED]))


def younger(processes: Mapping[int, Process], since: int) -> dict[int, Process]:
    """Those that were not started before a moment, without this process itself."""
    ours = os.getpid()
    return {
        pid: process
        for pid, process in processes.items()
        if process.started >= since and pid != ours
    }


def marked(pids: Iterable[int], prefix: str) -> set[int]:
    """Which of these processes carry a mark that, ended by a slash, begins with a prefix."""
    wanted = prefix.encode()
    found: set[int] = set()
    for pid in pids:
        data = _read(f"/proc/{pid}/environ")
        start = (b"\0" + data).find(f"\0{MARK}=".encode())
        if start < 0:
            continue
        value = data[start:].split(b"\0", 1)[0].partition(b"=")[2]
        if (value + b"/").startswith(wanted):
            found.add(pid)
    return found


def descendants(processes: Mapping[int, Process], roots: Collection[int]) -> set[int]:
    """These processes and everything that descends from them."""
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    found: set[int] = set()
    ahead = list(roots)
    while ahead:
        pid = ahead.pop()
        if pid not in found:
            found.add(pid)
            ahead.extend(children.get(pid, ()))
    return found


def alive(processes: Iterable[Process]) -> list[Process]:
    """Which of these are still there."""
    if not os.path.exists("/proc/self/stat"):
        now = snapshot()
        return [process for process in processes if process.pid in now]
    return [
        process
        for process in processes
        if (found := look(process.pid)) is not None and found.started == process.started
    ]


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a process group, if there is one; 0 is no group."""
    if leader:
        try:
            os.killpg(leader, number)
        except OSError:
            return


def signal_all(processes: Iterable[Process], number: int) -> None:
    """Send a signal to each; one that is gone, or not ours to signal, is passed over."""
    for process in sorted(processes, key=lambda process: (process.started, process.pid)):
        try:
            os.kill(process.pid, number)
        except OSError:
            continue


def reap(pids: Iterable[int]) -> None:
    """Let go of orphans that bao adopted and that have ended; any other process is left alone."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def reap_group(leader: int) -> bool:
    """Let go of adopted orphans of a group that have ended; tells whether anything of it lives."""
    try:
        while os.waitpid(-leader, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class PeakMemory:
    """Tells the peak of a child's memory from what the kernel reports of it.

    Linux counts for a child what its parent held when the child's program was started, so that
    nothing smaller than bao itself can be told. For use by many threads.
    """

    def __init__(self) -> None:
        self._floor = 0

    def of(self, used: struct_rusage) -> int:
        """Bytes; 0 where the peak is unknown because it is below bao's own."""
        peak = used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024
        if peak > self._floor:
            # bao may have grown since it was looked at last.
            self._floor = max(self._floor, _own_peak())
        return peak if peak > self._floor else 0


def _own_peak() -> int:
    """The most bytes that this process has held since its program started; 0 where unknown."""
    data = _read("/proc/self/status")
    start = data.find(b"VmHWM:")
    return int(data[start + 6 : data.index(b"kB", start)]) * 1024 if start >= 0 else 0


def adopt_orphans(*, enabled: bool) -> bool:
    """Have the kernel hand bao the orphans among its descendants; tells whether it will.

    Only Linux knows this. The import of ctypes takes some 6 ms.
    """
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return False
    return bool(prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(enabled), 0, 0, 0) == 0)


def _read(path: str) -> bytes:
    """A file of `/proc`; empty where the process is gone or somebody else's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = os.read(descriptor, 65536)
        while data and (more := os.read(descriptor, 65536)):
            data += more
    except OSError:
        return b""
    else:
        return data
    finally:
        os.close(descriptor)


def _snapshot_of_ps() -> dict[int, Process]:
    """The same by way of `ps`, for systems without `/proc`; marks cannot be seen there."""
    import subprocess

    listing = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,pgid=,stat="],  # noqa: S607 - wherever the system keeps it
        capture_output=True,
        check=False,
    )
    found: dict[int, Process] = {}
    for line in listing.stdout.splitlines():
        pid, parent, group, state = line.split()[:4]
        if not state.startswith(b"Z"):
            found[int(pid)] = Process(int(pid), int(parent), int(group), 0, 0)
    return found
