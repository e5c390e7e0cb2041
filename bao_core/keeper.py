"""What tasks left is checked and handed on to be stored, while others run already."""

from __future__ import annotations

import time
from queue import SimpleQueue
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bao_core.model import Reason, Task, TaskId

SHARE = 0.1
"""Of the time, what may be spent on checking."""

LONGEST_PAUSE = 0.25
"""Seconds that what a task left waits to be checked at most, while there is more to come."""


class Keeper:
    """Checks many tasks at once.

    A result may be stored if the outputs of everything above its task still were, when its command
    had ended, what they were when they were made. To look at all of them after each command costs
    the square of the number of tasks; after several commands at once it costs the same as after
    one. So it is done as often as it does not take more than a share of the time.

    Args:
        changes: What speaks against storing what some tasks left; see `Upstream.changes`.
        store: Takes each task with that, on a thread that must not be held up.
        failed: Takes an error, after which nothing more is stored.
    """

    def __init__(
        self,
        changes: Callable[[Sequence[Task]], Mapping[TaskId, tuple[Reason, ...]]],
        store: Callable[[Task, tuple[Reason, ...]], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._changes = changes
        self._store = store
        self._failed = failed
        self._left: SimpleQueue[Task] = SimpleQueue()
        self._thread: Thread | None = None

    def add(self, task: Task) -> None:
        """Take a task whose command has ended."""
        self._left.put(task)
        if self._thread is None:
            self._thread = Thread(target=self._serve, daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        try:
            pause = 0.0
            while True:
                tasks = [self._left.get()]
                time.sleep(pause)
                while not self._left.empty():
                    tasks.append(self._left.get())
                began = time.perf_counter()
                changes = self._changes(tasks)
                pause = min((time.perf_counter() - began) * (1 / SHARE - 1), LONGEST_PAUSE)
                for task in tasks:
                    self._store(task, changes.get(task.id, ()))
        except BaseException as error:  # noqa: BLE001 - raised again on the main thread
            self._failed(error)
