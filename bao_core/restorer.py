"""Hits on their way to the disk: small ones one after the other, large and remote ones by threads.

Threads that do little at a time mostly wait for each other, as Python lets only one go on. So small
hits are restored on the main thread, and where there are many, a twin of the process takes its
share of them.
"""

from __future__ import annotations

from collections import deque
from functools import partial

from msgspec.msgpack import Decoder, Encoder

from bao_core.crew import Crew
from bao_core.model import CacheKey, TaskId
from bao_core.task_outputs import Brought
from bao_core.twin import Twin, TwinLostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bao_core.task_run import TaskRun
    from bao_core.workbench import Finished

    Work = Callable[[], Callable[[], None]]
    JobOf = Callable[[TaskId, CacheKey], TaskRun | None]

THREADS = 3
"""Large and remote hits that are restored at the same time."""

BATCH = 16
"""Small hits that the twin is given at once, at most."""

BATCHES = 2
"""Batches that the twin is given ahead, so that it does not wait for the next."""


class Restorer:
    """Restores hits in the order in which they come. Used on the main thread.

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
        self._small: deque[TaskRun] = deque()
        self._large: deque[TaskRun] = deque()
        self._crew = Crew(THREADS)
        self._at_work = 0
        self._twin: Twin | None = None
        self._messenger = Crew(1)
        self._with_twin = 0

    def fork_twin(self, job_of: JobOf) -> Twin | None:
        """Have a twin restore some of the small hits from now on, where one can be made.

        Args:
            job_of: Makes a job of what is known now.

        Returns:
            The twin, to be closed in the end.
        """
        self._twin = Twin.fork(partial(_serve, job_of))
        return self._twin

    def add(self, job: TaskRun) -> None:
        """Take a hit."""
        (self._small if job.is_small else self._large).append(job)

    def withdraw(self) -> list[TaskId]:
        """Give back what was not begun."""
        waiting = [job.task_id for job in (*self._small, *self._large)]
        self._small.clear()
        self._large.clear()
        return waiting

    def start(self) -> Iterator[TaskRun]:
        """Start what others than this thread restore; what was started."""
        while self._large and self._at_work < THREADS:
            job = self._large.popleft()
            self._at_work += 1
            yield job
            self._start(self._crew, partial(self._restored, job))
        while (twin := self._twin) and self._with_twin < BATCHES and len(self._small) > 1:
            length = min(BATCH, len(self._small) // 2)
            batch = [self._small.popleft() for _ in range(length)]
            self._with_twin += 1
            yield from batch
            self._start(self._messenger, partial(self._brought, twin, batch))

    @property
    def has_small(self) -> bool:
        """Whether there is something to be restored on this thread."""
        return bool(self._small)

    def restore_small(self) -> None:
        """Restore one small hit, here."""
        job = self._small.popleft()
        lock = job.try_lock()
        if lock is None:  # nobody knows for how long
            self._large.append(job)
        else:
            self._ended(job, job.restore(lock))

    def _restored(self, job: TaskRun) -> Callable[[], None]:
        finished = job.restore()

        def report() -> None:
            self._at_work -= 1
            self._ended(job, finished)

        return report

    def _brought(self, twin: Twin, batch: list[TaskRun]) -> Callable[[], None]:
        """What the twin made of a batch."""
        answers: list[Brought | None] | None
        request = Encoder().encode([(job.task_id, job.key) for job in batch])
        try:
            answers = Decoder(list[Brought | None]).decode(twin.ask(request))
        except TwinLostError:
            answers = None

        def report() -> None:
            self._with_twin -= 1
            if answers is None:
                self._twin = None
            for job, brought in zip(batch, answers or [None] * len(batch), strict=True):
                if brought is None:  # it is found out here what is the matter with it
                    self._large.append(job)
                else:
                    self._ended(job, job.restored_elsewhere(brought))

        return report


def _serve(job_of: JobOf, request: bytes) -> bytes:
    """What the twin does with a batch: it brings to disk what it knows of."""
    asked = Decoder(list[tuple[TaskId, CacheKey]]).decode(request)
    jobs = [job_of(task_id, key) for task_id, key in asked]
    brought = [job.bring() if job is not None else None for job in jobs]
    try:
        return Encoder().encode(brought)
    except UnicodeEncodeError:  # a path that is not UTF-8: the other one sees for itself
        return Encoder().encode([None] * len(brought))
