"""Small hits are restored here and by a twin, large and remote ones side by side by threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bao_core.model import Stamp
from bao_core.restorer import BATCH, BATCHES, THREADS, Restorer
from bao_core.task_outputs import Brought
from bao_core.twin import TwinLostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.crew import Crew

BROUGHT = Brought({"dist": Stamp(1, 2, 3, 4, 5)}, 6, b"log", ["left"], 7.0, 8.0)


class Job:
    """A hit, and what comes of restoring it."""

    def __init__(
        self, name: str, *, small: bool = True, gone: bool = False, locked: bool = False
    ) -> None:
        self.task_id = name
        self.key = f"key of {name}"
        self.is_small = small
        self._gone = gone
        self._locked = locked

    def try_lock(self) -> str | None:
        return None if self._locked else "lock"

    def restore(self, lock: str | None = None) -> str | None:
        where = "here" if lock else "by a thread"
        return None if self._gone else f"{self.task_id} restored {where}"

    def bring(self) -> Brought | None:
        return None if self._gone else BROUGHT

    def restored_elsewhere(self, brought: Brought) -> str:
        assert brought == BROUGHT
        return f"{self.task_id} restored by the twin"


class Bench:
    """A restorer whose threads, and whose twin, do their work when they are told to."""

    def __init__(self, *jobs: Job) -> None:
        self.ends: list[tuple[str, str | None]] = []
        self.twin: Any = None
        self._at_work: list[Callable[[], Callable[[], None]]] = []
        self.restorer = Restorer(
            self._begin,
            lambda job, end: self.ends.append((job.task_id, end)),  # type: ignore[arg-type]
        )
        for job in jobs:
            self.restorer.add(job)  # type: ignore[arg-type]

    def start(self) -> list[str]:
        return [job.task_id for job in self.restorer.start()]

    def end_one(self) -> None:
        self._at_work.pop(0)()()

    def end_all(self) -> list[str | None]:
        """Go on as an engine does, until nothing is left."""
        while self.start() or self._at_work or self.restorer.has_small:
            if self.restorer.has_small:
                self.restorer.restore_small()
            if self._at_work:
                self.end_one()
        return [end for _, end in self.ends]

    def _begin(self, crew: Crew, work: Callable[[], Callable[[], None]]) -> None:
        assert crew.limit is not None
        self._at_work.append(work)


class FakeTwin:
    """Answers in this process; is lost once it has answered so often."""

    def __init__(self, serve: Callable[[bytes], bytes], lost_after: int) -> None:
        self.asked = 0
        self._serve = serve
        self._lost_after = lost_after

    def ask(self, request: bytes) -> bytes:
        self.asked += 1
        if self.asked > self._lost_after:
            raise TwinLostError
        return self._serve(request)


@pytest.fixture
def fork(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives a bench a twin that knows some jobs."""

    def fork(bench: Bench, *known: Job, lost_after: int = 1000) -> None:
        jobs: dict[tuple[str, str], Any] = {(job.task_id, job.key): job for job in known}
        monkeypatch.setattr(
            "bao_core.restorer.Twin.fork", lambda serve: FakeTwin(serve, lost_after)
        )
        bench.twin = bench.restorer.fork_twin(lambda *asked: jobs.get(asked))

    return fork


def names(count: int) -> list[str]:
    return [f"t{number}" for number in range(count)]


def test_large_hits_are_restored_side_by_side_in_their_order() -> None:
    asked = names(THREADS + 2)
    bench = Bench(*(Job(name, small=False) for name in asked))
    assert bench.start() == asked[:THREADS]
    assert bench.start() == [], "all threads have something to do"
    bench.end_one()
    assert bench.start() == asked[THREADS : THREADS + 1]
    assert bench.restorer.withdraw() == asked[THREADS + 1 :], "what has not begun can be had back"
    assert bench.end_all() == [f"{name} restored by a thread" for name in asked[: THREADS + 1]]


def test_small_hits_are_restored_here_one_at_a_time() -> None:
    bench = Bench(Job("a"), Job("b"), Job("c"))
    assert bench.start() == []
    bench.restorer.restore_small()
    assert bench.ends == [("a", "a restored here")]
    assert bench.restorer.withdraw() == ["b", "c"]
    assert not bench.restorer.has_small


def test_what_could_not_be_restored_is_told_apart() -> None:
    bench = Bench(Job("a", small=False), Job("b", small=False, gone=True), Job("c", gone=True))
    assert sorted(map(str, bench.end_all())) == ["None", "None", "a restored by a thread"]


def test_a_small_hit_that_another_process_holds_is_waited_for_by_a_thread() -> None:
    bench = Bench(Job("held", locked=True), Job("free"))
    bench.restorer.restore_small()
    assert bench.ends == []
    assert bench.start() == ["held"]
    bench.restorer.restore_small()
    assert bench.ends == [("free", "free restored here")]
    assert bench.end_all()[1:] == ["held restored by a thread"]


def test_a_twin_takes_its_share_in_batches(fork: Callable[..., None]) -> None:
    jobs = [Job(name) for name in names(4 * BATCH)]
    bench = Bench(*jobs)
    fork(bench, *jobs)
    assert bench.start() == names(BATCHES * BATCH)
    assert bench.start() == [], "it has enough to do"
    bench.restorer.restore_small()
    assert bench.ends[-1][1] == f"t{BATCHES * BATCH} restored here"
    bench.end_one()
    assert bench.ends[-1][1] == f"t{BATCH - 1} restored by the twin"
    assert len(bench.start()) == (len(jobs) - BATCHES * BATCH - 1) // 2
    ends = bench.end_all()
    assert len(ends) == len(jobs)
    assert not [end for end in ends if end is None or "thread" in end]


def test_a_twin_leaves_the_last_small_hit_to_the_other(fork: Callable[..., None]) -> None:
    job = Job("a")
    bench = Bench(job)
    fork(bench, job)
    assert bench.start() == []
    assert bench.end_all() == ["a restored here"]


def test_what_a_twin_does_not_know_or_cannot_do_is_done_by_a_thread(
    fork: Callable[..., None],
) -> None:
    known, gone, unknown = Job("known"), Job("gone", gone=True), Job("unknown")
    bench = Bench(gone, unknown, known, *(Job(name) for name in "abc"))
    fork(bench, gone, known)
    assert bench.start()[:3] == ["gone", "unknown", "known"]
    bench.end_one()
    assert bench.ends == [("known", "known restored by the twin")]
    assert bench.start()[:2] == ["gone", "unknown"]
    bench.end_all()
    ends = dict(bench.ends)
    assert ends["unknown"] == "unknown restored by a thread"
    assert ends["gone"] is None


def test_when_a_twin_is_lost_everything_is_done_without_it(fork: Callable[..., None]) -> None:
    jobs = [Job(name) for name in names(6 * BATCH)]
    bench = Bench(*jobs)
    fork(bench, *jobs, lost_after=1)
    ends = [str(end) for end in bench.end_all()]
    assert sorted(end.split()[0] for end in ends) == sorted(names(6 * BATCH))
    assert sum("by the twin" in end for end in ends) == BATCH
    assert bench.twin.asked <= 1 + BATCHES, "nothing more is given to it"


def test_paths_that_are_no_text_are_left_to_the_other(
    fork: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = Brought({"dist/\udcff": Stamp(1, 2, 3, 4, 5)}, 6, b"", [], 7.0, 8.0)
    monkeypatch.setattr(Job, "bring", lambda _self: odd)
    jobs = [Job(name) for name in names(4)]
    bench = Bench(*jobs)
    fork(bench, *jobs)
    ends = bench.end_all()
    assert len(ends) == len(jobs)
    assert not [end for end in ends if "twin" in str(end)]
