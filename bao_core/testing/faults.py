"""Killing a process, or failing it, at each of the changes that it makes to the disk.

A promise such as "after `kill -9` at any moment the next run is right" is tested by doing an
operation once for every change it makes, ended right before that change:

    for point in kill_points(prepare=fresh_copy, operate=store):
        check_that_the_next_operation_is_right(point.place)

`Faults` counts calls of the functions below the `os` module that change something, in this process,
and does what it is told at one of them. `kill_points` does that in a child process, which it forks.
"""

from __future__ import annotations

import builtins
import errno
import os
import sys
from typing import Any, Generic, TypeVar

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

Place = TypeVar("Place")

CHANGES = (
    "copy_file_range",
    "ftruncate",
    "link",
    "mkdir",
    "open",
    "rename",
    "replace",
    "rmdir",
    "symlink",
    "truncate",
    "unlink",
    "utime",
    "write",
)
"""Functions of `os` that change something; `open` where it makes, cuts or writes to a file."""

KILLED = 86
"""The exit code of a process that was ended on purpose."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Faults:
    """Within `with`, something happens in place of one change to the disk.

    Args:
        at: Which change, counted from 1; 0 for none, to count them only.
        action: What to do: `kill`, `tear` (write half of what should be written, then kill), or the
            number of an error to raise.
        lasting: Whether an error is raised by every change from that one on.

    Attributes:
        count: How many changes there were, or would have been.
    """

    def __init__(self, at: int, action: str | int = "kill", *, lasting: bool = False) -> None:
        self.count = 0
        self._at = at
        self._action = action
        self._lasting = lasting
        self._originals: dict[str, Any] = {}
        self._open: Any = None

    def __enter__(self) -> Self:
        for name in CHANGES:
            if hasattr(os, name):
                self._originals[name] = getattr(os, name)
                setattr(os, name, self._wrap(name, getattr(os, name)))
        self._open = builtins.open
        setattr(builtins, "open", self._wrap_open(builtins.open))  # noqa: B010 - mypy's words
        return self

    def __exit__(self, *_: object) -> None:
        setattr(builtins, "open", self._open)  # noqa: B010 - mypy's words
        for name, original in self._originals.items():
            setattr(os, name, original)

    def _wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def changing(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not (args[1] if len(args) > 1 else kwargs["flags"]) & _WRITING:
                return original(*args, **kwargs)
            if self._is_now():
                if self._action == "tear" and name == "write":
                    original(args[0], bytes(args[1])[: len(args[1]) // 2])
                self._strike()
            return original(*args, **kwargs)

        return changing

    def _wrap_open(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def opening(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if set("wax+").intersection(mode) and self._is_now():
                self._strike()
            return original(file, mode, *args, **kwargs)

        return opening

    def _is_now(self) -> bool:
        self.count += 1
        return self.count == self._at or (self._lasting and 0 < self._at < self.count)

    def _strike(self) -> None:
        if isinstance(self._action, int):
            raise OSError(self._action, os.strerror(self._action))
        os._exit(KILLED)


class KillPoint(Struct, Generic[Place]):
    """A process that was ended.

    Attributes:
        number: Before which change, counted from 1.
        place: What `prepare` made and `operate` changed.
    """

    number: int
    place: Place


def kill_points(
    prepare: Callable[[], Place],
    operate: Callable[[Place], object],
    *,
    action: str = "kill",
    step: int = 1,
    first: int = 1,
) -> Iterator[KillPoint[Place]]:
    """End an operation before its first change to the disk, its second, and so on.

    Args:
        prepare: Makes what the operation works on, anew each time.
        operate: The operation; called in a forked child.
        action: `kill` or `tear`, as in `Faults`.
        step: Take every n-th point.
        first: The point to start at.

    Yields:
        One point for each change; after the last one the iteration ends.
    """
    number = first
    while True:
        place = prepare()
        if not _run_killed(lambda place=place: operate(place), number, action):  # type: ignore[misc]
            return
        yield KillPoint(number, place)
        number += step


def fails_for_space(action: Callable[[], object], at: int, *, lasting: bool = True) -> bool:
    """Do something on a disk that is full from its n-th change on; whether it came to that.

    Whatever the action raises goes on to the caller.
    """
    with Faults(at, errno.ENOSPC, lasting=lasting) as faults:
        action()
    return faults.count >= at


def _run_killed(operate: Callable[[], object], number: int, action: str) -> bool:
    """Run in a child that is ended at a point; False if the operation ended before it."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            with Faults(number, action):
                operate()
            code = 0
        except BaseException:  # noqa: BLE001 - the child must not return into the test
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, KILLED}:
        raise AssertionError(f"the operation failed at point {number} with exit code {code}")
    return code == KILLED
