"""Executors run one request somewhere and stream its output."""

from __future__ import annotations

from abc import ABC, abstractmethod

from msgspec import Struct, field

from bao_core.interfaces.component import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from bao_core.model import Command, Digest, SupportsWrite


class Claim(Struct, frozen=True):
    """The share of the machine that a request asks for.

    Attributes:
        label: What to call it in messages.
        slots: How many of the concurrency's slots it takes.
        mutex: Claims with the same word are never granted together; empty for none.
        memory: Bytes it is expected to need; 0 where unknown.
    """

    label: str
    slots: int = 1
    mutex: str = ""
    memory: int = 0


class Usage(Struct, frozen=True):
    """What a process and its descendants used: seconds of processor time, bytes of memory."""

    user: float = 0.0
    system: float = 0.0
    peak_memory: int = 0


class ExecutionRequest(Struct, frozen=True):
    """What to run. It names no task, so that a plain function call can be sent the same way.

    Attributes:
        label: What to call it in messages.
        command: A shell line, or a program and its arguments.
        directory: Absolute.
        env: The whole environment, nothing is inherited.
        timeout: Seconds; None for no limit.
        grace: Seconds between TERM and KILL.
        outputs: Patterns of what it should leave, from the workspace root.
        platform: What it must run on; empty for any.
        claim: The share of the machine it was granted.
        interactive: It reads the terminal: it gets bao's own standard input.
        trace: W3C trace context headers, such as `traceparent`.
        input_tree: Gives path and digest of every input, for executors elsewhere.
    """

    label: str
    command: Command
    directory: str
    env: dict[str, str]
    timeout: float | None = None
    grace: float = 5.0
    outputs: tuple[str, ...] = ()
    platform: str = ""
    claim: Claim | None = None
    interactive: bool = False
    trace: dict[str, str] = field(default_factory=dict)
    input_tree: Callable[[], Sequence[tuple[str, Digest]]] | None = None


class ExecutionResult(Struct, frozen=True):
    """How a request ended.

    Attributes:
        exit_code: 128 + n when it was ended by signal n.
        outcome: `finished`, `timed-out` or `cancelled`.
        outputs: Digests by path where the executor collected them itself; None where they lie on
            this machine's disk.
        usage: What it used.
        worker: The id of the worker that ran it.
        retry_locally: Why the request should be run on this machine instead; None normally.
    """

    exit_code: int
    outcome: str = "finished"
    outputs: dict[str, Digest] | None = None
    usage: Usage = Usage()
    worker: str = "local"
    retry_locally: str | None = None


class Execution(ABC):
    """A request that is being run.

    Attributes:
        pid: Its process on this machine, for gates that watch it; 0 where it has none here.
    """

    pid: int = 0

    @abstractmethod
    def wait(self) -> ExecutionResult:
        """Block until it has ended and all its output has been written to the sink."""

    @abstractmethod
    def cancel(self, grace: float) -> None:
        """End it: TERM, then KILL after `grace` seconds, for the whole tree. Returns at once."""


class Worker(Struct, frozen=True):
    """A place where requests run.

    Attributes:
        free_slots: Requests that may be started there now.
        platform: Such as `linux-x86_64`.
        warm: Tells how many of these blobs are already there; None where it makes no difference.
    """

    id: str
    platform: str
    free_slots: int
    warm: Callable[[Collection[Digest]], int] | None = None


class Executor(Component):
    """Runs requests, on this machine or elsewhere.

    If `start` raises a BaoError, the task fails with that message; any other exception fails the
    task too and is a bug of the executor.
    """

    @abstractmethod
    def workers(self) -> Sequence[Worker]:
        """The places where requests may run now."""

    @abstractmethod
    def start(self, request: ExecutionRequest, output: SupportsWrite) -> Execution:
        """Start a request.

        Called on a thread of its own for each request.

        Args:
            request: What to run.
            output: Takes standard output and error in the order of writing, as raw bytes, from
                one thread at a time. It never blocks for long.
        """
