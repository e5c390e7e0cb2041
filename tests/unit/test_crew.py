"""Work is handed to threads that are there already, and never to more than there may be."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from threading import Barrier, Event

from bao_core.crew import Crew

LIMIT = 20


def test_work_that_comes_one_after_the_other_is_done_by_one_thread() -> None:
    crew, seen, done = Crew(), set[int](), Event()

    def work() -> None:
        seen.add(threading.get_ident())
        done.set()

    before = threading.active_count()
    for _ in range(50):
        done.clear()
        crew.start(work)
        assert done.wait(LIMIT)
    # One more may have been started where the last piece was just being finished.
    assert threading.active_count() - before <= 2


def test_without_a_limit_everything_is_under_way_at_once() -> None:
    crew, meeting, met = Crew(), Barrier(8), SimpleQueue[int]()
    for _ in range(8):
        crew.start(lambda: met.put(meeting.wait(LIMIT)))
    assert sorted(met.get(timeout=LIMIT) for _ in range(8)) == list(range(8))


def test_no_more_than_the_limit_is_under_way() -> None:
    crew, going, ended = Crew(2), SimpleQueue[None](), SimpleQueue[int]()
    under_way, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        going.get(timeout=LIMIT)
        with lock:
            under_way[0] -= 1
        ended.put(0)

    for _ in range(10):
        crew.start(work)
    for _ in range(10):
        going.put(None)
    for _ in range(10):
        ended.get(timeout=LIMIT)
    assert most == [2]
