"""Running git: which program, in which environment, and what its complaints mean.

Every command is started with `os.posix_spawn` (importing subprocess costs more than git's own
start) and writes into memory, so that several can run at once without a thread to read them.
"""

from __future__ import annotations

import os
import sys

from bao_core.errors import GitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPTIONS = (
    # A monitor or a cache of directories may be stale; what bao reports must not be.
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    # These say which differences git may overlook. It may overlook none.
    "core.trustctime=true",
    "core.checkStat=default",
    "core.fileMode=true",
    "core.quotePath=false",
    "submodule.recurse=false",
    # `git diff` would write the index, whatever GIT_OPTIONAL_LOCKS says.
    "diff.autoRefreshIndex=false",
    # Set by a repository that was copied from elsewhere, it would hide `FOO` beside `foo`.
    *(("core.ignoreCase=false",) if sys.platform == "linux" else ()),
)
"""What overrides the user's configuration in every call."""

KEPT_PREFIXES = (
    "GIT_CONFIG_",  # the usual way to set safe.directory in a container
    "GIT_SSH",
    "GIT_ASKPASS",
    "GIT_SSL_",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_CURL_",
    "GIT_ALLOW_PROTOCOL",
    "GIT_EXEC_PATH",
    "GIT_TEST_ASSUME_DIFFERENT_OWNER",
)
"""Variables of git that do not say which repository to look at; all others are removed."""

NO_REPOSITORY = ("not a git repository", "must be run in a work tree", "not a gitdir")
"""What git says where there is nothing that it could list."""

_COMPLAINTS = ("error: ", "fatal: ")


class Finished:
    """A git command that has ended: its exit code, its output, and its last complaint."""

    __slots__ = ("arguments", "code", "complaint", "output", "root")

    def __init__(
        self, *, root: str, arguments: Sequence[str], code: int, output: bytes, complaint: str
    ) -> None:
        self.root = root
        self.arguments = arguments
        self.code = code
        self.output = output
        self.complaint = complaint

    @property
    def no_repository(self) -> bool:
        """Whether git found no repository, or one without a worktree."""
        return self.code != 0 and any(text in self.complaint for text in NO_REPOSITORY)

    def error(self) -> GitError:
        """What the failure means for the user."""
        if "dubious ownership" in self.complaint:
            return GitError(
                "git refuses to read this repository, because it belongs to another user",
                where=self.root,
                hint=f"if you trust it: git config --global --add safe.directory {self.root}",
            )
        said = [line.strip() for line in self.complaint.splitlines() if line.strip()]
        reasons = [line.partition(": ")[2] for line in said if line.startswith(_COMPLAINTS)]
        reason = "; ".join((reasons or said or [f"exit code {self.code}"])[:2])
        return GitError(f"git {self.arguments[0]} failed: {reason}", where=self.root)

    def text(self) -> str:
        """The output as text, bytes that are not UTF-8 as surrogate escapes."""
        return self.output.decode("utf-8", "surrogateescape")

    def fields(self) -> list[str]:
        """The output of a command with `-z`, without the terminating zeros."""
        fields = self.text().split("\0")
        fields.pop()
        return fields


def fits_on_a_line(path: str) -> bool:
    """Whether git can be given a path on a line of its own."""
    return "\n" not in path and not path.startswith('"')


class GitProcess:
    """A git command that runs while bao goes on."""

    __slots__ = ("_complaint", "_output", "arguments", "pid", "root")

    def __init__(
        self, root: str, arguments: Sequence[str], *, pid: int, output: int, complaint: int
    ) -> None:
        self.root = root
        self.arguments = arguments
        self.pid = pid
        self._output = output
        self._complaint = complaint

    @classmethod
    def start(
        cls,
        root: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        *,
        git: str | None = None,
        given: bytes = b"",
    ) -> GitProcess:
        """Start a command and return at once.

        Args:
            root: The directory to run it in.
            arguments: The subcommand and its arguments.
            environ: The user's environment, or with `git` one that `git_environment` made.
            git: The program, where the caller has looked it up.
            given: What it reads from its standard input.

        Raises:
            GitError: There is no git.
        """
        if git is None:
            git = find_git(environ)
            environ = git_environment(environ)
        if git is None:
            raise no_git()
        output, complaint = _anonymous_file(), _anonymous_file()
        given_fd = _anonymous_file() if given else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if given:
                _write_all(given_fd, given)
            pid = spawn(git, root, arguments, environ, (given_fd, output, complaint))
        except BaseException:
            os.close(output)
            os.close(complaint)
            raise
        finally:
            os.close(given_fd)
        return cls(root, arguments, pid=pid, output=output, complaint=complaint)

    def finish(self) -> Finished:
        """Wait for the end and take everything that was written."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return Finished(
            root=self.root,
            arguments=self.arguments,
            code=os.waitstatus_to_exitcode(status),
            output=_read_all(self._output),
            complaint=_read_all(self._complaint).decode("utf-8", "replace"),
        )

    def __del__(self) -> None:
        """Let go of a command whose answer nobody wants any more."""
        if self.pid:
            os.close(self._output)
            os.close(self._complaint)
            os.waitpid(self.pid, os.WNOHANG)


def run_git(
    root: str, arguments: Sequence[str], environ: Mapping[str, str], *, given: bytes = b""
) -> Finished:
    """Run a command to its end, whatever its exit code.

    Raises:
        GitError: There is no git, or it refuses the repository because of its owner.
    """
    finished = GitProcess.start(root, arguments, environ, given=given).finish()
    if finished.code != 0 and "dubious ownership" in finished.complaint:
        raise finished.error()
    return finished


def spawn(
    git: str,
    root: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    standard: tuple[int, int, int],
) -> int:
    """Start git with these standard files; its process id."""
    argv = ["git", "-C", root]
    for option in OPTIONS:
        argv += ("-c", option)
    argv += arguments
    actions = [(os.POSIX_SPAWN_DUP2, fd, place) for place, fd in enumerate(standard)]
    try:
        return os.posix_spawn(git, argv, environment, file_actions=actions)
    except OSError as error:
        raise GitError(f"git cannot be started: {error.strerror}", where=git) from error


def no_git() -> GitError:
    """There is no git."""
    return GitError("git is not installed, or not on PATH", hint="install git")


def find_git(environ: Mapping[str, str]) -> str | None:
    """The git that the user's PATH leads to."""
    for directory in environ.get("PATH", os.defpath).split(os.pathsep):
        program = f"{directory or '.'}/git"
        if os.access(program, os.X_OK) and os.path.isfile(program):
            return program
    return None


def git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for git: nothing in it names another repository, index or worktree."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_") or name.startswith(KEPT_PREFIXES)
    }
    kept.pop("LANGUAGE", None)
    kept["LC_ALL"] = "C"  # its complaints are read
    kept["GIT_OPTIONAL_LOCKS"] = "0"  # never write the index
    kept["GIT_TERMINAL_PROMPT"] = "0"
    kept["GIT_DISCOVERY_ACROSS_FILESYSTEM"] = "1"  # `find_toplevel` does not stop there either
    return kept


def find_toplevel(directory: str) -> str | None:
    """The nearest ancestor, or the directory itself, that holds a `.git`; starts no process.

    Args:
        directory: Absolute. An ancestor is named the way this names it, where links allow that.
    """
    # git goes by the physical directory, not by the name it was reached under.
    place = physical = os.path.realpath(directory)
    while git_directory(place) is None:
        parent = os.path.dirname(place)
        if parent == place:
            return None
        place = parent
    if physical == directory:
        return place
    below = physical[len(place) :]
    named = directory.removesuffix(below) if directory.endswith(below) else place
    return named if os.path.realpath(named) == place else place


def git_directory(toplevel: str) -> str | None:
    """Where a worktree's own `HEAD` and `index` lie; None where there is no repository.

    `.git` is a directory, or a file that names one: in a linked worktree and in a submodule.
    """
    path = f"{toplevel}/.git"
    if os.path.lexists(f"{path}/HEAD") and os.path.isdir(f"{path}/objects"):
        return path
    try:
        with open(path, "rb", buffering=0) as stream:
            text = os.fsdecode(stream.read(4096))
    except OSError:
        return None
    if not text.startswith("gitdir:"):
        return None
    return os.path.join(toplevel, text.removeprefix("gitdir:").strip())


def _anonymous_file() -> int:
    """A file without a name, in memory where the system can."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("git")
    from tempfile import mkstemp

    fd, path = mkstemp(prefix="bao-git-")
    os.unlink(path)
    return fd


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)


def _read_all(fd: int) -> bytes:
    """Everything in an anonymous file, which is closed."""
    try:
        size = os.fstat(fd).st_size
        os.lseek(fd, 0, os.SEEK_SET)
        data = os.read(fd, size)
        while len(data) < size:  # a single read stops short of 2 GiB
            data += os.read(fd, size - len(data))
        return data
    finally:
        os.close(fd)
