"""Schedulers that break one promise each, and the tests that catch them."""

from __future__ import annotations

import random

from bao_core.builtins.critical_path import CriticalPathScheduler
from bao_core.interfaces.scheduler import Placement
from bao_core.testing.scheduler import SchedulerSuite


def caught_by(test):
    """Make a suite of a wrong scheduler, of which one test should fail."""

    def decorate(wrong):
        name = f"Test{wrong.__name__}"
        globals()[name] = type(name, (SchedulerSuite,), {"component": wrong, "caught_by": test})
        return wrong

    return decorate


@caught_by("test_it_places_ready_tasks_on_workers_that_are_there_each_at_most_once")
class PlacesTwice(CriticalPathScheduler):
    def next(self, ready, workers):
        return [*super().next(ready, workers), *super().next(ready, workers)]


@caught_by("test_it_places_ready_tasks_on_workers_that_are_there_each_at_most_once")
class KnowsOneWorker(CriticalPathScheduler):
    def next(self, ready, workers):
        return [Placement(p.id, "local") for p in super().next(ready, workers)]


@caught_by("test_where_nothing_is_ready_or_nobody_has_room_it_waits")
class NeverWaits(CriticalPathScheduler):
    def next(self, ready, workers):
        return [Placement(task.id, workers[0].id if workers else "local") for task in ready]


@caught_by("test_where_nothing_runs_it_places_something_however_heavy")
class WaitsForRoom(CriticalPathScheduler):
    def next(self, ready, workers):
        room = max((worker.free_slots for worker in workers), default=0)
        return super().next([task for task in ready if task.slots <= room], workers)


@caught_by("test_tasks_with_one_mutex_are_not_placed_together")
class KnowsNoMutex(CriticalPathScheduler):
    def next(self, ready, workers):
        free = [worker for worker in workers if worker.free_slots]
        return [Placement(task.id, free[0].id) for task in ready if free]


@caught_by("test_it_changes_nothing_of_what_it_is_given")
class SortsInPlace(CriticalPathScheduler):
    def next(self, ready, workers):
        if isinstance(ready, list):
            ready.sort(key=lambda task: -task.critical_path)
        return super().next(ready, workers)


@caught_by("test_the_same_question_has_the_same_answer")
class ThrowsDice(CriticalPathScheduler):
    def next(self, ready, workers):
        placements = list(super().next(ready, workers))
        random.SystemRandom().shuffle(placements)
        return placements


@caught_by("test_in_a_run_every_task_is_placed_exactly_once")
class ForgetsTheRest(CriticalPathScheduler):
    def __init__(self) -> None:
        self.first = True

    def next(self, ready, workers):
        first, self.first = self.first, False
        return super().next(ready, workers) if first else []
