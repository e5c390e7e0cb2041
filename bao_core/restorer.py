"""Hits on their way to the disk: several at once, by a few threads."""

from __future__ import annotations

from math import inf

from bao_core.crew import Crew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bao_core.model import TaskId
    from bao_core.task_run import TaskRun
    from bao_core.workbench import Finished

    Work = Callable[[], Callable[[], None]]

THREADS = 3
"""Threads that restore what is large or comes from a remote tier; small outputs are left to one,
since Python lets only one thread go on at a time."""

BATCHES = 3
"""Batches of small outputs that this one is given ahead, so that it never waits for the reports."""

SMALL = 256 << 10
"""Bytes of outputs up to which a hit is small."""

BATCH_LENGTH = 16
"""Hits that one thread restores before it reports them."""

BATCH_SIZE = 1 << 20
"""Bytes of outputs after which no more hits are given to the same thread."""


class Restorer:
    """Restores hits in the order in which they come. Used on the main thread.

    Threads that do little at a time mostly wait for each other, so small hits are given to a thread
    in batches.

    Args:
        start: Has work done by a crew, and what it returns on the main thread.
        ended: Told how each came to its end; None for what could not be restored.
    """

    def __init__(
        self,
        start: Callable[[Crew, Work], None],
        ended: Callable[[TaskRun, Finished | None], None],
    ) -> None:
        self._start = start
        self._ended = ended
        self._several, self._single = Crew(THREADS), Crew(1)
        self._at_work = 0

    def start(self, waiting: dict[TaskId, TaskRun]) -> Iterator[TaskRun]:
        """Start as many as there are threads for, and take them out; those that were started."""
        while waiting:
            small = _is_small(next(iter(waiting.values())))
            crew, limit = (self._single, BATCHES) if small else (self._several, THREADS)
            if self._at_work >= limit:
                return
            self._at_work += 1
            batch = _next_batch(waiting)
            yield from batch
            self._start(crew, lambda batch=batch: self._restored(batch))  # type: ignore[misc]

    def _restored(self, batch: list[TaskRun]) -> Callable[[], None]:
        ends = [(job, job.restore()) for job in batch]

        def report() -> None:
            self._at_work -= 1
            for job, finished in ends:
                self._ended(job, finished)

        return report


def _is_small(job: TaskRun) -> bool:
    return not job.is_far and job.restored_size <= SMALL


def _next_batch(waiting: dict[TaskId, TaskRun]) -> list[TaskRun]:
    """What one thread restores."""
    batch: list[TaskRun] = []
    size = 0.0
    while waiting and size < BATCH_SIZE and len(batch) < BATCH_LENGTH:
        job = waiting.pop(next(iter(waiting)))
        batch.append(job)
        size += inf if job.is_far else job.restored_size
    return batch
