"""What was found out once and holds for as long as some files stay as they are."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from bao_core.errors import InputError
from bao_core.places import replace_file

Value = TypeVar("Value")

TOO_FRESH = 2_000_000_000
"""Nanoseconds. A file that changed later than this before it was read may change once more without
showing it, on file systems that count time coarsely."""


_PATIENCE = 60
"""Seconds that a program may take to answer; a cold disk is slow."""

_VARIABLES = ("ASDF_", "MISE_", "NODENV_", "PYENV_")
_VERSION_FILES = (
    *(".python-version", ".node-version", ".tool-versions"),
    *("mise.toml", ".mise.toml", "mise.local.toml", "config.toml"),
)
_INSTALLED = ("version", "versions", "installs", "installs/python", "installs/node")


class _Entry(Struct, frozen=True):
    witness: str
    value: Raw


class Answers:
    """Answers, each with the witness under which it was given, in one small file.

    The file may be lost or damaged at any moment: then everything is found out once more.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._changed = False
        self._entries: dict[str, _Entry] = {}
        try:
            with open(path, "rb") as stream:
                self._entries = msgspec.json.decode(stream.read(), type=dict[str, _Entry])
        except (OSError, ValueError, msgspec.MsgspecError):
            pass

    def recall(self, question: str, witness: str | None, kind: type[Value]) -> Value | None:
        """The answer to a question, if it was given under the same witness."""
        entry = self._entries.get(question)
        if entry is None or witness is None or entry.witness != witness:
            return None
        try:
            return msgspec.json.decode(entry.value, type=kind)
        except msgspec.MsgspecError:
            return None

    def remember(self, question: str, witness: str | None, answer: object) -> None:
        """Keep an answer; without a witness it is not worth keeping."""
        if witness is None:
            return
        try:
            self._entries[question] = _Entry(witness, Raw(msgspec.json.encode(answer)))
        except UnicodeEncodeError:
            return  # the name of a file that is not UTF-8
        self._changed = True

    def save(self) -> None:
        """Write what is new; a disk that refuses costs time later and nothing else."""
        if not self._changed:
            return
        try:
            data = msgspec.json.encode(self._entries)
        except UnicodeEncodeError:
            return
        if replace_file(self._path, data):
            self._changed = False


def ask_program(
    program: str,
    question: Sequence[str],
    *,
    directory: str,
    environ: Mapping[str, str],
    called: str = "",
    hint: str | None = None,
) -> bytes:
    """What a program writes to its standard output.

    Args:
        program: Its path.
        question: The arguments.
        directory: Where it is started.
        environ: The variables that it sees.
        called: What an error calls the program; its path by default.
        hint: What to do where it does not answer.

    Raises:
        InputError: It cannot be started, fails, or does not answer.
    """
    from bao_core.lean import import_subprocess

    import_subprocess()
    import subprocess

    try:
        return subprocess.run(  # noqa: S603 - the user's own program
            [program, *question],
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        called = called or f"'{program}'"
        raise InputError(f"{called} cannot be asked for its version: {error}", hint=hint) from None


def witness_of(*paths: str) -> str | None:
    """Text that differs when one of these files is another one, or was written to.

    None where one of them is missing, or changed so recently that it proves nothing.
    """
    seen: list[str] = []
    now = time.time_ns()
    for path in paths:
        try:
            found = os.stat(path)
        except OSError:
            return None
        if now - found.st_ctime_ns < TOO_FRESH:
            return None
        seen.append(
            f"{found.st_dev}:{found.st_ino}:{found.st_mode}:{found.st_size}:"
            f"{found.st_mtime_ns}:{found.st_ctime_ns}"
        )
    return " ".join(seen)


def choice_witness(program: str, directory: str, environ: Mapping[str, str]) -> str | None:
    """Text that differs when a version manager's stand-in may choose another program.

    Such a stand-in lies in a directory called `shims` and chooses by variables, by version files
    from the working directory upwards and at home, and by what is installed beside it.

    Args:
        program: The stand-in.
        directory: Where it is started.
        environ: The variables that it sees.

    Returns:
        None for any other program: what that chooses by is not to be seen from here.
    """
    shims = os.path.dirname(program)
    if os.path.basename(shims) != "shims" or (own := witness_of(program)) is None:
        return None
    manager = os.path.dirname(shims)
    places = [os.path.join(manager, name) for name in _INSTALLED]
    home = environ.get("HOME", "")
    for above in (*_upwards(directory), home, os.path.join(home, ".config", "mise")):
        places.extend(os.path.join(above, name) for name in _VERSION_FILES)
    seen = [own, *(f"{n}={v}" for n, v in sorted(environ.items()) if n.startswith(_VARIABLES))]
    for place in places:
        if os.path.exists(place):
            if (witness := witness_of(place)) is None:
                return None
            seen.append(f"{place} {witness}")
    return "\n".join(seen)


def _upwards(directory: str) -> Iterator[str]:
    while True:
        yield directory
        above = os.path.dirname(directory)
        if above == directory:
            return
        directory = above
