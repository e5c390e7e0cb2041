"""What stands in for the rest of bao in tests: a context, a tree, a clock, a sink, an output."""

from __future__ import annotations

import os
from threading import Condition, Event, Lock, get_ident

from bao_core.interfaces.component import Context
from bao_core.interfaces.events import EventSink
from bao_core.model import FileTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import TypeVar

    from bao_core import events

    Kind = TypeVar("Kind")

PATIENCE = 20.0
"""Seconds that a test waits for something that should happen at once."""


def context_at(
    place: Path,
    *,
    environ: Mapping[str, str] | None = None,
    emit: Callable[[events.Event], None] | None = None,
    scope: str = "",
) -> Context:
    """What core would lend a component whose workspace, home and state lie below a directory.

    Args:
        place: The directory; `place/workspace` is made.
        environ: Variables besides `HOME`, `PATH` and the XDG directories.
        emit: Takes what the component emits; by default nobody does.
        scope: The scope of cache entries.
    """
    root = place / "workspace"
    root.mkdir(parents=True, exist_ok=True)
    return Context(
        root=str(root),
        state_dir=str(place / "state"),
        environ={
            "HOME": str(place / "home"),
            "XDG_CACHE_HOME": str(place / "home" / "cache"),
            "XDG_CONFIG_HOME": str(place / "home" / "config"),
            "PATH": os.environ.get("PATH", os.defpath),
            **(environ or {}),
        },
        cancelled=Event(),
        emit=emit or (lambda _event: None),
        scope=scope,
    )


class MemoryTree(FileTree):
    """Files that exist nowhere else, so that a provider that looks at the disk finds nothing.

    Args:
        files: Content by path.
        backwards: Tell names in the opposite order.

    Attributes:
        read_paths: Every path that was read, whether there was a file or not.
    """

    def __init__(self, files: Mapping[str, str | bytes], *, backwards: bool = False) -> None:
        self._files = {
            path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()
        }
        self._entries: dict[str, dict[str, bool]] = {}
        self.read_paths: set[str] = set()
        for path in sorted(self._files, reverse=backwards):
            self._note(path)

    def _note(self, path: str) -> None:
        is_directory = False
        while path:
            path, _, name = path.rpartition("/")
            known = self._entries.setdefault(path, {})
            known[name] = known.get(name, False) or is_directory
            is_directory = True

    def read(self, path: str) -> bytes | None:
        """See `FileTree.read`."""
        self.read_paths.add(path)
        return self._files.get(path)

    def entries(self, directory: str) -> Mapping[str, bool]:
        """See `FileTree.entries`."""
        return dict(self._entries.get(directory, {}))

    def named(self, names: Iterable[str]) -> list[str]:
        """See `FileTree.named`."""
        wanted = [name.partition("*") for name in names]
        return sorted(
            path
            for path in self._files
            if any(_matches(path.rpartition("/")[2], *parts) for parts in wanted)
        )


def _matches(name: str, start: str, star: str, end: str) -> bool:
    """Whether a name is `start`, or begins with it and ends with `end` where there is a star."""
    long_enough = len(name) >= len(start) + len(end)
    return (
        (long_enough and name.startswith(start) and name.endswith(end)) if star else name == start
    )


class ManualClock:
    """A clock that stands until the test moves it. `clock()` is the time, as of `time.time`."""

    def __init__(self, now: float = 1_000_000_000.0) -> None:
        self._now = now
        self._changed = Condition()

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._changed:
            self._now += seconds
            self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        """Wait, as `time.sleep` does, until the test has let that much time pass.

        Raises:
            TimeoutError: The test forgot about it.
        """
        with self._changed:
            until = self._now + seconds
            if not self._changed.wait_for(lambda: self._now >= until, PATIENCE):
                raise TimeoutError(f"nobody advanced the clock to {until}")


class RecordingSink(EventSink):
    """Keeps every event, and lets a test wait for one."""

    name = "recording"

    def __init__(self) -> None:
        self.events: list[events.Event] = []
        self._grown = Condition()

    def handle(self, event: events.Event) -> None:
        """Keep it."""
        with self._grown:
            self.events.append(event)
            self._grown.notify_all()

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The events of one class, in order."""
        with self._grown:
            return [event for event in self.events if isinstance(event, kind)]

    def wait_for(self, kind: type[Kind]) -> Kind:
        """The first event of a class, as soon as there is one.

        Raises:
            TimeoutError: There is none.
        """
        with self._grown:
            if not self._grown.wait_for(
                lambda: any(isinstance(event, kind) for event in self.events), PATIENCE
            ):
                raise TimeoutError(f"no {kind.__name__} among {self.events}")
        return self.of(kind)[0]


class CollectedOutput:
    """Takes what a command writes, and lets a test wait for some of it.

    Attributes:
        data: Everything so far.
        threads: The threads that wrote.
        overlapped: Whether two of them did at the same time.
    """

    def __init__(self) -> None:
        self.data = b""
        self.threads: set[int] = set()
        self.overlapped = False
        self._writing = Lock()
        self._grown = Condition()

    def write(self, data: bytes) -> None:
        """Keep a piece."""
        alone = self._writing.acquire(blocking=False)
        self.overlapped = self.overlapped or not alone
        try:
            with self._grown:
                self.threads.add(get_ident())
                self.data += data
                self._grown.notify_all()
        finally:
            if alone:
                self._writing.release()

    def wait_for(self, text: bytes) -> None:
        """Wait until a text was written.

        Raises:
            TimeoutError: It was not.
        """
        with self._grown:
            if not self._grown.wait_for(lambda: text in self.data, PATIENCE):
                raise TimeoutError(f"{text!r} was not written, only {self.data!r}")
