"""What can happen in a run, and the bus that tells it.

An event is named in the past tense. `Event` is the closed union of them all; a sink matches on the
classes it knows and ignores the rest.
"""

from __future__ import annotations

from threading import RLock
from typing import Any, Protocol

from msgspec import Struct, field

from bao_core.model import CacheKey, Reason, TaskId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class RunStarted(Struct, frozen=True, tag=True):
    """A run began.

    Attributes:
        run_id: 32 hexadecimal digits; also the W3C trace id.
        span: 16 hexadecimal digits.
    """

    run_id: str
    span: str
    tasks: tuple[TaskId, ...]
    packages: int
    concurrency: int
    at: float


class TaskStarted(Struct, frozen=True, tag=True):
    """A task's command was started, for the first time or again."""

    id: TaskId
    span: str
    parent: str
    attempt: int
    at: float
    reasons: tuple[Reason, ...] = ()
    key: CacheKey | None = None


class TaskOutput(Struct, frozen=True, tag=True):
    """A task wrote some bytes, or a stored log is replayed."""

    id: TaskId
    data: bytes
    replayed: bool = False


class TaskWaited(Struct, frozen=True, tag=True):
    """A task waits for something other than its upstream: a gate, or a lock of another process."""

    id: TaskId
    reason: str


class TaskFinished(Struct, frozen=True, tag=True):
    """A task came to its end. No task is told of before those upstream of it.

    Attributes:
        span: That of its `TaskStarted`; empty where nothing had to be done.
        outcome: `executed`, `restored`, `stood` (a hit whose outputs were all in place), `skipped`
            or `passed` (a transit task).
        exit_code: None for a task that has none.
        reasons: Why it was executed, or skipped, or not stored.
        tier: The cache tier of a hit.
        duration: Seconds that it took in this run.
        saved: Seconds that the hit saved.
        stored: Whether its result is in the cache now.
        tainted: Whether nothing downstream of it may be stored.
        flaky: It failed at first and then succeeded.
        cancelled: bao ended it because of an interrupt, or because another task failed.
    """

    id: TaskId
    span: str
    parent: str
    outcome: str
    exit_code: int | None
    at: float
    duration: float = 0.0
    saved: float = 0.0
    key: CacheKey | None = None
    tier: str | None = None
    reasons: tuple[Reason, ...] = ()
    stored: bool = False
    tainted: bool = False
    flaky: bool = False
    peak_memory: int = 0
    worker: str = ""
    cancelled: bool = False


class WarningRaised(Struct, frozen=True, tag=True):
    """Something the user should know, said once."""

    message: str
    id: TaskId | None = None


class NoteAdded(Struct, frozen=True, tag=True):
    """Something that explains what bao does, and is no reason to worry."""

    message: str


class RunFinished(Struct, frozen=True, tag=True):
    """The run came to its end.

    Attributes:
        interrupted: The number of the signal that ended it, or 0.
    """

    run_id: str
    span: str
    exit_code: int
    at: float
    duration: float
    interrupted: int = 0


class PluginEvent(Struct, frozen=True, tag=True):
    """Something that a plugin has to tell."""

    name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    span: str = ""


Event = (
    RunStarted
    | TaskStarted
    | TaskOutput
    | TaskWaited
    | TaskFinished
    | WarningRaised
    | NoteAdded
    | RunFinished
    | PluginEvent
)


class Sink(Protocol):
    """What the bus needs of a listener."""

    def handle(self, event: Event) -> None:
        """Take one event."""


class EventBus:
    """Tells every sink about every event, one at a time; a sink that raises is dropped."""

    def __init__(self, sinks: Iterable[Sink] = ()) -> None:
        self._sinks: list[Sink] = list(sinks)
        self._lock = RLock()
        self._warned: set[str] = set()

    def subscribe(self, sink: Sink) -> None:
        """Tell this sink about everything from now on."""
        with self._lock:
            self._sinks.append(sink)

    def unsubscribe(self, listener: object) -> None:
        """Tell this one nothing any more, if it was told anything."""
        with self._lock:
            self._sinks = [sink for sink in self._sinks if sink is not listener]

    def emit(self, event: Event) -> None:
        """Tell all sinks. Never raises."""
        with self._lock:
            for sink in tuple(self._sinks):
                try:
                    sink.handle(event)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # noqa: BLE001 - listeners fail alone
                    self._sinks.remove(sink)
                    name = f"'{getattr(sink, 'name', type(sink).__name__)}'"
                    if origin := getattr(sink, "origin", ""):
                        name += f" ({origin})"
                    self.warn(f"event sink {name} failed and was switched off: {error!r}")

    def warn(self, message: str, task: TaskId | None = None) -> None:
        """Tell the user something, once however often it is said."""
        if message in self._warned:
            return
        self._warned.add(message)
        self.emit(WarningRaised(message, task))
