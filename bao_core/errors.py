"""The error tree: what can go wrong for a user, and the exit code of each kind.

A `BaoError` is somebody's mistake or misfortune and prints without a traceback; any other
exception is a bug in bao and always prints one. A message is one lower-case clause that says
where, what, what is possible and what to do.
"""

from __future__ import annotations

# Nothing is imported: this module is, before git is started.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


class BaoError(Exception):
    """Something a user can understand and act on.

    Args:
        message: What is wrong, without its place.
        where: The file it is about, relative to the workspace root where possible.
        line: The one-based line in that file.
        hint: What to do about it, shown after the message.
    """

    exit_code: ClassVar[int] = 70

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.line = line
        self.hint = hint

    def __str__(self) -> str:
        place = ""
        if self.where is not None:
            place = f"{self.where}:{self.line}: " if self.line else f"{self.where}: "
        advice = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.message}{advice}"


class UsageError(BaoError):
    """The command line asks for something that cannot be meant."""

    exit_code = 2


class ConfigError(BaoError):
    """`bao.toml` or one of its like is wrong."""

    exit_code = 64


class WorkspaceError(BaoError):
    """The packages of the workspace cannot be made out: a broken manifest, a name used twice."""

    exit_code = 65


class GraphError(BaoError):
    """Packages or tasks depend on each other in a way that cannot be run."""

    exit_code = 66


class SelectionError(BaoError):
    """A filter or a task name selects nothing that exists."""

    exit_code = 67


class GitError(BaoError):
    """git is missing, refuses, or does not know a revision."""

    exit_code = 68


class PluginError(BaoError):
    """A plugin that the run needs is missing or broken."""

    exit_code = 69


class OutputError(BaoError):
    """Declared outputs are unsafe, overlap, or cannot be collected or restored."""

    exit_code = 71


class CacheError(BaoError):
    """A cache backend cannot be used at all; a run goes on without it, a `cache` command stops."""

    exit_code = 72


class ExecutionError(BaoError):
    """A task's process could not be started."""

    exit_code = 73


class InputError(BaoError):
    """An input of a task cannot be read, or a rule of the key is broken."""

    exit_code = 74
