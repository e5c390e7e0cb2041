"""The outputs of one task on disk: bringing those of a hit there, cleaning up, collecting."""

import time

from msgspec import Struct

from bao_core.errors import CacheError
from bao_core.model import Stamp
from bao_core.outputs import OutputSpec, clean, collect, restore
from bao_core.state import INLINE_LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.model import Package, Task
    from bao_core.outputs import Collected
    from bao_core.tiers import Hit
    from bao_core.workbench import Workbench

NAMED_AT_ONCE = 3
"""Paths that one warning names."""


class Brought(Struct, array_like=True):
    """What a hit came to on disk.

    Attributes:
        stamps: Of the outputs.
        recorded_at: Nanoseconds since the epoch, before the stamps were taken.
        log: What is replayed; None where it is long and not shown.
        left: What matches the outputs and is not the task's to remove.
        started: Seconds since the epoch.
        duration: Seconds that it took.
    """

    stamps: dict[str, Stamp]
    recorded_at: int
    log: bytes | None
    left: list[str]
    started: float
    duration: float


class TaskOutputs:
    """For one thread at a time; whoever uses it holds the task's lock."""

    def __init__(self, bench: "Workbench", task: "Task", package: "Package") -> None:
        self._bench = bench
        self._task = task
        self._others: set[str] | None = None
        self.spec = OutputSpec(package.path, task.definition.outputs)

    def bring(self, hit: "Hit") -> Brought:
        """Bring a hit's outputs to disk; nothing else is told of it.

        Raises:
            TierFailedError: Its tier failed.
            CacheError: The entry is damaged.
            OutputError: Something stands in the way, or the disk refuses.
        """
        bench, started = self._bench, time.time()
        recorded_at = time.time_ns()
        left: list[str] = []
        stamps = restore(
            bench.files.root,
            self.spec,
            hit.result,
            lambda digests, sink: bench.tiers.fetch(hit, digests, sink),
            own=self._begin,
            is_tracked=bench.files.is_tracked,
            is_ignored=bench.is_ignored,
            staging_dir=bench.staging_dir,
            others=self._is_anothers,
            clean=self._task.definition.clean,
            on_left=left.extend,
        )
        log = self._replayed_log(hit)
        return Brought(stamps, recorded_at, log, left, started, time.time() - started)

    def clean(self) -> None:
        """Note what an earlier attempt or run left; remove what of it is the task's own."""
        bench = self._bench
        if not self.spec.patterns:
            return
        left = clean(
            bench.files.root,
            self.spec,
            own=self._begin,
            others=self._is_anothers,
            is_tracked=bench.files.is_tracked,
            is_ignored=bench.is_ignored,
            remove=self._task.definition.clean,
        )
        self.warn_of(left)

    def collect(self) -> "Collected":
        """See what the task left.

        Raises:
            OutputError: Something of it cannot be stored.
        """
        collected = collect(
            self._bench.files.root, self.spec, is_tracked=self._bench.files.is_tracked
        )
        for pattern in collected.unmatched:
            self._bench.bus.warn(
                f"the output pattern '{pattern}' of {self._task.id} matched nothing", self._task.id
            )
        return collected

    def warn_of(self, left: "Sequence[str]") -> None:
        """Name what matches the outputs and stays."""
        if not left:
            return
        shown = ", ".join(left[:NAMED_AT_ONCE])
        more = f" and {len(left) - NAMED_AT_ONCE} more" if len(left) > NAMED_AT_ONCE else ""
        self._bench.bus.warn(
            f"{shown}{more} matched the outputs of {self._task.id} and was left alone: no task "
            "recorded it, and git does not ignore it",
            self._task.id,
        )

    def _replayed_log(self, hit: "Hit") -> bytes | None:
        """The log of a hit: always if it is short enough to remember, else if it is shown.

        Raises:
            CacheError: It is missing or damaged, or its tier failed.
        """
        digest = hit.result.log
        if digest.size > INLINE_LOG and not self._bench.replay(self._task):
            return None
        if digest.size == 0:
            return b""
        log = self._bench.tiers.read_from(hit, digest)
        if log is None:
            raise CacheError("its log is missing")
        return log

    def _begin(self, present: "Sequence[str]") -> set[str]:
        return self._bench.intents.begin(self._task.id, present)

    def _is_anothers(self, path: str) -> bool:
        if self._others is None:
            self._others = self._bench.state.owned_by_others(self._task.id)
        return path in self._others
