"""The watchdog: ends what bao leaves behind when bao itself is killed.

A shell that waits on a pipe from bao. When bao is gone, however it went, the pipe ends; the shell
then ends every process of bao's tasks, all within two seconds: TERM, half a second, KILL. It is a
shell because that starts in a millisecond and holds a megabyte, where a second Python would cost
ten of each.

It is told the leader of each task in a table that it reads only then, so that a task costs it
nothing. Whatever left its leader's group is found by descent or by the mark in its environment. The
one thing it cannot find is an orphan that has left its session and emptied its environment.
"""

from __future__ import annotations

import os
from threading import Lock

from bao_core.builtins.processes import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SLOT = b"%10d\n"
"""A line of the table: the leader of a running task, or 0."""

SCRIPT = r"""
trap '' HUP INT QUIT TERM TSTP TTIN TTOU
cd /
read -r _

found=
while read -r pid; do
  [ "$pid" = 0 ] || found="$found $pid"
done <&3

signal_groups() {
  for pid in $leaders; do kill "$1" "-$pid"; done
}

leaders=$found
if [ ! -r /proc/self/stat ]; then
  signal_groups -TERM
  sleep 0.5
  signal_groups -KILL
  exit
fi

# To be called in a subshell only: it changes how lists are joined.
alternatives() {
  IFS='|'
  echo "$*"
}

# Adds what carries the mark, and what has one of those found as parent, group or session.
find_all() {
  while :; do
    before=$found
    files=$(grep -lzsE "^$1=$2" /proc/[0-9]*/environ)
    if [ "$found" ]; then
      any=$(alternatives $found)
      files="$files $(grep -lzsE "\) [^XZ] ([0-9]+ ){0,2}($any) " /proc/[0-9]*/stat)"
    fi
    for file in $files; do
      pid=${file#/proc/}
      pid=${pid%%/*}
      case " $found " in *" $pid "*) ;; *) found="$found $pid" ;; esac
    done
    [ "$found" = "$before" ] && return
  done
}

# Whether any of them is neither gone nor a zombie.
any_alive() {
  for pid in $found; do
    grep -qsE '\) [^XZ] ' "/proc/$pid/stat" && return 0
  done
  return 1
}

# Find first: once a parent has gone, nothing may be left to know its children by. Then each group
# in one moment: no shell shall outlive the command that it waits for.
find_all "$1" "$2"
[ "$found" ] || exit
signal_groups -TERM
groups=$(alternatives $leaders)
for pid in $found; do
  grep -qsE "\) . [0-9]+ ($groups) " "/proc/$pid/stat" || kill -TERM "$pid"
done
kill -CONT $found
round=0
while [ $round -lt 10 ] && any_alive; do
  sleep 0.05
  round=$((round + 1))
done
round=0
while [ $round -lt 50 ]; do
  find_all "$1" "$2"
  any_alive || exit
  kill -KILL $found
  sleep 0.02
  round=$((round + 1))
done
"""


class Watchdog:
    """A running watchdog, and the table that it reads when bao is gone. For use by many threads."""

    def __init__(self, pid: int, pipe: int, table: int) -> None:
        """Take over a watchdog just started.

        Args:
            pid: Its process.
            pipe: What it waits on, until this end is closed.
            table: The file of leaders.
        """
        self.pid = pid
        self._pipe = pipe
        self._table = table
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._lock = Lock()

    @classmethod
    def start(cls, marks: str) -> Watchdog:
        """Start one, without waiting until it is ready: it cannot miss the end of the pipe.

        Args:
            marks: What the mark of every process to be ended begins with.

        Raises:
            OSError: The system has no process or file to spare.
        """
        table = _nameless_table()
        ends = os.pipe()
        try:
            pid = _spawn_shell((MARK, _as_pattern(marks)), pipe=ends[0], table=table)
        except BaseException:
            os.close(ends[1])
            os.close(table)
            raise
        finally:
            os.close(ends[0])
        return cls(pid, ends[1], table)

    def enter(self, leader: int) -> None:
        """A task runs: its leader, group and session are this process."""
        with self._lock:
            slot = self._free.pop() if self._free else len(self._slots)
            self._slots[leader] = slot
            self._write(slot, leader)

    def leave(self, leader: int) -> None:
        """The task has ended and nothing of it is left."""
        with self._lock:
            slot = self._slots.pop(leader)
            self._free.append(slot)
            self._write(slot, 0)

    def stop(self) -> None:
        """Send it away; whatever runs is left alone."""
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        with self._lock:
            os.close(self._pipe)
            os.close(self._table)
            self._table = -1

    def _write(self, slot: int, leader: int) -> None:
        # A task may end after the watchdog has: the number of its table may be another file's.
        if self._table >= 0:
            line = SLOT % leader
            os.pwrite(self._table, line, slot * len(line))


def _spawn_shell(arguments: Sequence[str], *, pipe: int, table: int) -> int:
    """Start the script away from bao's session, so that no signal of the terminal reaches it."""
    import fcntl

    # Above what the shell is to have them as: nothing may be overwritten before it is used.
    sources = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in (pipe, table)]
    try:
        return os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", "-c", SCRIPT, "bao-watchdog", *arguments],
            {"PATH": "/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, sources[0], 0),
                (os.POSIX_SPAWN_DUP2, sources[1], 3),
            ],
            setsid=True,
        )
    finally:
        for descriptor in sources:
            os.close(descriptor)


def _nameless_table() -> int:
    """An empty file that has no name, or none for long."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("bao-leaders", os.MFD_CLOEXEC)
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="bao-leaders-")
    os.unlink(path)
    return descriptor


def _as_pattern(text: str) -> str:
    """An extended regular expression that matches this text; marks hold no other special bytes."""
    return text.replace(".", r"\.")
