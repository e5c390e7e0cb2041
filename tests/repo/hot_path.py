"""Counts what a run of bao does: system calls, processes, lines of Python, instructions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bao_core.answers import TOO_FRESH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
BAO = Path(sys.executable).with_name("bao")

UNEVEN = re.compile(
    r"futex|sched_yield|(rt_)?sig.*|wait.*|p?poll|p?select6?|epoll_.*|clock_.*|restart_syscall"
    r"|brk|m(un)?map|mprotect|mremap|madvise|set_robust_list|rseq|get(p|t)id"
)
"""Calls whose number is a matter of chance, of the C library or of its allocator."""


_STARTING = ("clone", "clone3", "fork", "vfork", "execve")
"""Calls that tell which process is whose."""


class Workspace:
    """A workspace as benchmarks are run on.

    Args:
        place: A directory for it, and for a cache of its own.
        packages: How many it has.
        built: Whether everything is to be built and remembered.
    """

    def __init__(self, place: Path, packages: int, *, built: bool = True) -> None:
        self.packages = packages
        self.root = place / "workspace"
        self._place = place
        home = place / "home"
        home.mkdir(parents=True)
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "BAO_CACHE_DIR": str(place / "cache"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONHASHSEED": "0",
            # For a bundle of its own, that no other test's import path takes.
            "PYTHONPYCACHEPREFIX": str(place / "compiled"),
        }
        generate = ROOT / "benchmarks" / "generate.py"
        words = ("--packages", str(packages), "--files", "3")
        self._run(sys.executable, str(generate), str(self.root), *words, at=place)
        self._branch()
        self._age()
        if built:
            self._build(place)

    def bao(self, *words: str, before: tuple[str, ...] = (), **variables: str) -> str:
        """Run bao, perhaps under another program; what was printed to either stream."""
        return self._run(*before, sys.executable, str(BAO), *words, at=self.root, **variables)

    def calls(self, *words: str, of: Iterable[str] = (), outcome: str = "restored") -> Calls:
        """The system calls of a run.

        Args:
            words: What bao is asked for.
            of: Only calls of these names, which is faster; all by default.
            outcome: What becomes of every task.
        """
        log = self._place / "strace"
        strace = ("strace", "-f", "-qq", "-s", "0", "-o", str(log))
        if of:
            names = ",".join(f"?{name}" for name in sorted({*of, *_STARTING}))
            strace = (*strace, "--seccomp-bpf", "-e", f"trace={names}")
        self._told(self.bao(*words, before=strace), words, outcome)
        return read_strace(log.read_text(errors="replace"))

    def delete_outputs(self) -> None:
        """Leave everything to be restored."""
        for package in (self.root / "packages").iterdir():
            shutil.rmtree(package / "dist", ignore_errors=True)

    def forget(self) -> None:
        """Leave everything to be run, and nothing remembered."""
        self.delete_outputs()
        shutil.rmtree(self._place / "cache", ignore_errors=True)

    def instructions(self, *words: str) -> int:
        """The machine instructions of bao's own process."""
        valgrind = (
            "valgrind",
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        )
        printed = self.bao(*words, before=valgrind)
        self._told(printed, words, "restored")
        found = re.search(r"I +refs: +([\d,]+)", printed)
        assert found, printed
        return int(found.group(1).replace(",", ""))

    def lines(self, *words: str) -> int:
        """The lines of Python that run, imports included; a loop counts each time around."""
        return int(self._watched("lines", words, "restored"))

    def compiled(self, *words: str, outcome: str = "restored") -> list[str]:
        """The texts of Python that are compiled on the way, such as annotations."""
        return self._watched("compiled", words, outcome).splitlines()

    def _watched(self, what: str, words: tuple[str, ...], outcome: str) -> str:
        log = self._place / f"{what}.log"
        watching = ROOT / "tests" / "repo" / "watch_run.py"
        printed = self._run(sys.executable, str(watching), what, str(log), *words, at=self.root)
        self._told(printed, words, outcome)
        return log.read_text()

    def _told(self, printed: str, words: tuple[str, ...], outcome: str) -> None:
        """Only a run that did what it was meant to do is worth counting."""
        if words[0] == "run":
            counts = {"restored": 0, "run": 0, "failed": 0, outcome: self.packages}
            told = ", ".join(f"{number} {what}" for what, number in counts.items())
            assert told in printed, printed

    def _build(self, place: Path) -> None:
        self.bao("run", "build")
        grow_old(place)
        # What was too young to be trusted is verified once; after that nothing is left to do.
        for _ in range(2):
            self.bao("run", "build")
            self.bao("ls", "--affected")

    def _branch(self) -> None:
        """One commit after `main`, as `--affected` needs it."""
        git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")
        self._run("git", "switch", "-q", "-c", "topic", at=self.root)
        edited = self.root / "packages" / f"pkg-{self.packages * 9 // 10:04d}" / "src"
        with (edited / "file-00.txt").open("a") as file:
            file.write("edited\n")
        self._run(*git, "commit", "-q", "-a", "-m", "Edit", at=self.root)

    def _age(self) -> None:
        """Make the files older than git's index: git reads again what is as young as that."""
        for directory, inside, names in os.walk(self.root):
            inside[:] = [name for name in inside if name != ".git"]
            for name in names:
                os.utime(os.path.join(directory, name), (1_700_000_000, 1_700_000_000))
        self._run("git", "update-index", "-q", "--refresh", at=self.root)

    def _run(self, *command: str, at: Path, **variables: str) -> str:
        done = subprocess.run(
            command,
            cwd=at,
            env={**self._environ, **variables},
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def grow_old(place: Path) -> None:
    """Wait until the youngest path below a directory is so old that bao believes its times."""
    paths = (os.path.join(at, name) for at, some, more in os.walk(place) for name in (*some, *more))
    youngest = max(os.lstat(path).st_ctime for path in paths)
    time.sleep(max(0.0, youngest + TOO_FRESH / 1e9 + 0.1 - time.time()))


def imported_modules(printed: str) -> set[str]:
    """What a run imported or looked for, by what `PYTHONPROFILEIMPORTTIME` makes Python print."""
    lines = (line for line in printed.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines} - {"imported package"}


class Calls(NamedTuple):
    """System calls of one run.

    Attributes:
        own: Of bao itself, by name; what the commands of tasks do is nobody's.
        git: Of git, by name.
        processes: The programs that were started, bao among them.
        opened: Files and directories that bao opened.
        read: Bytes that bao read, from files and pipes.
    """

    own: Counter[str]
    git: Counter[str]
    processes: list[str]
    opened: int
    read: int


def read_strace(log: str) -> Calls:
    """Sum up what `strace -f -o` wrote.

    A call that another process interrupts takes two lines, `name(… <unfinished ...>` and
    `<... name resumed>…`, of which the second one has the result.
    """
    whose = _programs(log)
    programs = list(_started(log).values())
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    opened = read = 0
    for process, name, result, words in _calls(log):
        program = whose[process]
        if words is not None and not UNEVEN.fullmatch(name):
            counts[program][name] += 1
        if result is not None and program == programs[0]:
            opened += name in {"open", "openat"}
            read += result if name in {"read", "pread64", "readv"} else 0
    return Calls(counts[programs[0]], counts["git"], programs, opened, read)


def _calls(log: str) -> Iterator[tuple[str, str, int | None, str | None]]:
    """Process, name, what it returned unless it failed or goes on, and its words if it begins."""
    for line in log.splitlines():
        process, rest = line.split(maxsplit=1)
        found = re.match(r"(<\.\.\. )?(\w+)( resumed>|\()", rest)
        if found is not None:  # else a signal, or an end
            done = re.search(r"\) += (\d+)(?: |$|<)", rest)
            begins = found.group(1) is None
            yield process, found.group(2), int(done[1]) if done else None, rest if begins else None


def _started(log: str) -> dict[str, str]:
    """The program that each process was started for."""
    words = {call[0]: call[3] for call in _calls(log) if call[1] == "execve" and call[3]}
    return {process: Path(told.split('"')[1]).name for process, told in words.items()}


def _programs(log: str) -> dict[str, str]:
    """The program of each process and thread; what starts none has that of its parent."""
    started = _started(log)
    parents = {
        str(result): process
        for process, name, result, _ in _calls(log)
        if name in _STARTING and result
    }

    def program(process: str) -> str:
        return started.get(process) or program(parents[process])

    return {process: program(process) for process, *_ in _calls(log)}


def works(*command: str) -> bool:
    """Whether a program is there and may do its work."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
