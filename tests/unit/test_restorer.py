"""Small hits go to one thread, in batches; large and remote ones side by side, each alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bao_core.restorer import BATCH_LENGTH, BATCH_SIZE, BATCHES, SMALL, THREADS, Restorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.crew import Crew


class Job:
    """A hit, and what comes of restoring it."""

    def __init__(self, name: str, size: int = 0, *, far: bool = False, gone: bool = False) -> None:
        self.task_id = name
        self.restored_size = size
        self.is_far = far
        self._gone = gone

    def restore(self) -> str | None:
        return None if self._gone else f"{self.task_id} restored"


class Bench:
    """A restorer whose threads do their work when they are told to.

    Attributes:
        crews: Who was given each piece of work.
    """

    def __init__(self, *jobs: Job) -> None:
        self.waiting: Any = {job.task_id: job for job in jobs}
        self.ends: list[tuple[str, str | None]] = []
        self.crews: list[Crew] = []
        self._at_work: list[Callable[[], Callable[[], None]]] = []
        self._restorer = Restorer(
            self._begin,
            lambda job, end: self.ends.append((job.task_id, end)),  # type: ignore[arg-type]
        )

    def start(self) -> list[str]:
        return [job.task_id for job in self._restorer.start(self.waiting)]

    def end_one(self) -> None:
        self._at_work.pop(0)()()

    def _begin(self, crew: Crew, work: Callable[[], Callable[[], None]]) -> None:
        self.crews.append(crew)
        self._at_work.append(work)


def test_small_hits_are_restored_by_one_thread_in_batches() -> None:
    ahead = BATCHES * BATCH_LENGTH
    names = [f"t{number}" for number in range(ahead + 2)]
    bench = Bench(*map(Job, names))
    assert bench.start() == names[:ahead]
    assert bench.start() == [], "it has enough to do"
    bench.end_one()
    assert bench.start() == names[ahead:]
    for _ in range(BATCHES):
        bench.end_one()
    assert bench.ends == [(name, f"{name} restored") for name in names]
    assert bench.start() == []
    assert len(bench.crews) == BATCHES + 1
    assert len({*bench.crews}) == 1
    assert bench.crews[0].limit == 1


def test_a_batch_ends_where_it_has_become_large() -> None:
    names = [f"t{number}" for number in range(20)]
    bench = Bench(*(Job(name, SMALL) for name in names))
    assert bench.start() == names[: BATCHES * BATCH_SIZE // SMALL]
    bench.end_one()
    assert len(bench.ends) == BATCH_SIZE // SMALL


def test_large_hits_are_restored_side_by_side() -> None:
    names = [f"t{number}" for number in range(THREADS + 1)]
    bench = Bench(*(Job(name, BATCH_SIZE) for name in names))
    assert bench.start() == names[:THREADS]
    bench.end_one()
    assert bench.start() == names[THREADS:]


def test_remote_hits_are_restored_side_by_side_however_small() -> None:
    bench = Bench(*(Job(name, far=True) for name in "abcd"))
    assert bench.start() == ["a", "b", "c"]


def test_what_could_not_be_restored_is_told_apart() -> None:
    bench = Bench(Job("a"), Job("b", gone=True))
    bench.start()
    bench.end_one()
    assert bench.ends == [("a", "a restored"), ("b", None)]
