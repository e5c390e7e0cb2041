"""Finding the program of a command, and saying why one could not be started."""

from __future__ import annotations

import errno
import os

from bao_core.errors import ExecutionError
from bao_core.near_misses import advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bao_core.interfaces.executor import ExecutionRequest


def find_program(request: ExecutionRequest) -> str:
    """The absolute path of the program that a request names.

    A name with a slash is taken from the request's directory, another is looked for on the
    request's own PATH.

    Raises:
        ExecutionError: There is no such program, or it may not be executed.
    """
    if not request.command or not request.command[0]:
        raise ExecutionError("the command is empty", where=request.label)
    program = request.command[0]
    if not os.path.isdir(request.directory):
        raise ExecutionError(_no_directory(request), where=request.label)
    if "/" in program:
        return _checked(program, request)
    for directory in _path(request):
        path = os.path.join(directory, program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise ExecutionError(
        f"program '{program}' is not on the PATH of the task",
        where=request.label,
        hint=advice(program, _names_on_path(request)),
    )


def explain_failure(error: OSError | ValueError, request: ExecutionRequest) -> ExecutionError:
    """Say why a request's process could not be started."""
    command = request.command
    program = "/bin/sh" if isinstance(command, str) else command[0]
    if not os.path.isdir(request.directory):
        message = _no_directory(request)
    elif not isinstance(error, OSError):
        message = f"the command cannot be handed to the system: {error}"
    elif error.errno == errno.ENOENT:
        message = f"the interpreter that '{program}' names in its first line does not exist"
    elif error.errno == errno.ENOEXEC:
        message = f"'{program}' is no program of this platform and has no '#!' line"
    elif error.errno == errno.E2BIG:
        message = "its arguments and environment are longer than the system takes"
    else:
        message = f"'{program}' cannot be started: {error.strerror}"
    return ExecutionError(message, where=request.label)


def _no_directory(request: ExecutionRequest) -> str:
    return f"the directory to run it in does not exist: {request.directory}"


def _checked(program: str, request: ExecutionRequest) -> str:
    path = os.path.join(request.directory, program)
    if not os.path.isfile(path):
        raise ExecutionError(f"there is no program '{program}'", where=request.label)
    if not os.access(path, os.X_OK):
        raise ExecutionError(
            f"'{program}' may not be executed", where=request.label, hint=f"chmod +x {path}"
        )
    return path


def _path(request: ExecutionRequest) -> Iterator[str]:
    """The directories of the request's PATH, absolute."""
    for directory in request.env.get("PATH", os.defpath).split(os.pathsep):
        yield os.path.join(request.directory, directory)


def _names_on_path(request: ExecutionRequest) -> set[str]:
    names: set[str] = set()
    for directory in _path(request):
        try:
            names.update(os.listdir(directory))
        except OSError:
            continue
    return names
