"""A few threads that answer many questions; answers are given out as they arrive.

Python's own pool waits for its threads at the end of the process, and a thread that hangs in a
socket would hold bao up. These are left behind.
"""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class _Round(Generic[Question, Answer]):
    """The questions of one caller."""

    def __init__(self, ask: Callable[[Question], Answer]) -> None:
        self.ask = ask
        self.given_up = False
        self.answers: SimpleQueue[tuple[Question, Answer | None, BaseException | None]] = (
            SimpleQueue()
        )

    def answer(self, question: Question) -> None:
        """Ask, and hand over what comes of it; nothing that is asked raises here."""
        if self.given_up:
            return
        try:
            answer = self.ask(question)
        except BaseException as error:  # noqa: BLE001 - raised again for whoever asked
            self.answers.put((question, None, error))
        else:
            self.answers.put((question, answer, None))


class AskingThreads:
    """At most so many threads, started when they are needed and gone when nothing is asked."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = Lock()

    def map(
        self, ask: Callable[[Question], Answer], questions: Sequence[Question]
    ) -> Iterator[tuple[Question, Answer]]:
        """Ask all of it; answers come in any order. What a question raises is raised here."""
        if len(questions) == 1:
            yield questions[0], ask(questions[0])
            return
        this: _Round[Question, Answer] = _Round(ask)
        for question in questions:
            self._add(lambda question=question: this.answer(question))  # type: ignore[misc]  # mypy: a default
        try:
            for _ in questions:
                question, answer, error = this.answers.get()
                if error is not None:
                    raise error
                yield question, answer  # type: ignore[misc]  # it is none only beside an error
        finally:
            this.given_up = True

    def _add(self, work: Callable[[], None]) -> None:
        with self._lock:
            self._waiting.append(work)
            if self._running >= min(self._limit, len(self._waiting) + self._running):
                return
            self._running += 1
        Thread(target=self._work, name="bao-object-store", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                work = self._waiting.popleft()
            work()
