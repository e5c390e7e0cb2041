"""What tasks left is checked and stored while others run already."""

from __future__ import annotations

import time
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread

from bao_core.crew import Crew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bao_core.model import Reason, Task, TaskId
    from bao_core.task_run import TaskRun
    from bao_core.workbench import Finished

STORING_THREADS = 2
"""Threads that store: more of them only get in each other's way."""

SHARE = 0.05
"""Of the time, what may be spent on checking."""

LONGEST_PAUSE = 0.5
"""Seconds that what a task left waits to be checked at most: it is told of only after that."""


class Keeper:
    """Checks many tasks at once.

    A result may be stored if the outputs of everything above its task still were, when its command
    had ended, what they were when they were made. To look at all of them after each command costs
    the square of the number of tasks; after several commands at once it costs the same as after
    one. So it is done as often as it does not take more than a share of the time, and at once where
    nobody else uses the time.

    Args:
        changes: What speaks against storing what some tasks left; see `Upstream.changes`.
        report: Has something done on the main thread.
        kept: Told there how each task came to its end.
        failed: Told there of an error, after which nothing more is stored.
    """

    def __init__(
        self,
        changes: Callable[[Sequence[Task]], Mapping[TaskId, tuple[Reason, ...]]],
        report: Callable[[Callable[[], None]], None],
        kept: Callable[[Finished], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._changes = changes
        self._report = report
        self._kept = kept
        self._failed = failed
        self._left: SimpleQueue[tuple[Task, TaskRun]] = SimpleQueue()
        self._storers = Crew(STORING_THREADS)
        self._hurry = Event()
        self._thread: Thread | None = None

    def add(self, task: Task, job: TaskRun) -> None:
        """Take a task whose command has ended."""
        self._hurry.clear()
        self._left.put((task, job))
        if self._thread is None:
            self._thread = Thread(target=self._serve, daemon=True)
            self._thread.start()

    def hurry(self) -> None:
        """Let what was taken wait no longer: nothing comes before it is stored."""
        self._hurry.set()

    def _serve(self) -> None:
        pause = 0.0
        while True:
            left = [self._left.get()]
            self._hurry.wait(pause)
            while not self._left.empty():
                left.append(self._left.get())
            began = time.perf_counter()
            try:
                changes = self._changes([task for task, _ in left])
            except BaseException as error:  # noqa: BLE001 - raised again on the main thread
                self._report(partial(self._failed, error))
                return
            pause = min((time.perf_counter() - began) * (1 / SHARE - 1), LONGEST_PAUSE)
            for task, job in left:
                self._storers.start(partial(self._store, job, changes.get(task.id, ())))

    def _store(self, job: TaskRun, taint: tuple[Reason, ...]) -> None:
        try:
            finished = job.keep(taint)
        except BaseException as error:  # noqa: BLE001 - raised again on the main thread
            self._report(partial(self._failed, error))
        else:
            self._report(partial(self._kept, finished))
