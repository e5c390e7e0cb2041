"""A cache backend beside a model: random histories of two processes at one cache."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bao_core.interfaces.cache import EvictionPolicy, Stored
from bao_core.testing.entries import CollectingSink, example_entry, is_hit

if TYPE_CHECKING:
    from pathlib import Path

    from bao_core.interfaces.cache import CacheBackend
    from bao_core.model import CacheKey
    from bao_core.testing.component import Opener
    from bao_core.testing.entries import ExampleEntry

KEYS = [example_entry(number).key for number in range(2)]
ENTRIES = {
    (place, variant): example_entry(
        10 * place + variant, sizes=(10, 5_000 * variant), shared=b"all" * 3_000, key=key
    )
    for place, key in enumerate(KEYS)
    for variant in range(2)
}
"""Of each key two entries; all of them have one blob in common."""

STEPS = 20
"""Of a history."""

PHASES = (Phase.generate, Phase.shrink)
"""What is done: histories made up, and the shortest one found that fails."""

who = st.sampled_from((0, 1))
entry = st.sampled_from(list(ENTRIES.values()))
key = st.sampled_from(KEYS)


class CacheMachine(RuleBasedStateMachine):
    """Two instances of a backend at one place, and the entries that must be found there."""

    def __init__(self, opener: Opener, place: Path) -> None:
        super().__init__()
        self.opener = opener
        self.place = place
        self.backends: list[CacheBackend] = [opener(place), opener(place)]
        self.model: dict[CacheKey, ExampleEntry] = {}

    @rule(who=who, entry=entry, replace=st.booleans())
    def put(self, who: int, entry: ExampleEntry, *, replace: bool) -> None:
        """Store; the first wins."""
        answer = self.backends[who].put_entry(
            entry.key, entry.result, entry.sources, replace=replace
        )
        if entry.key in self.model and not replace:
            assert answer is Stored.EXISTS
        else:
            assert answer is Stored.STORED
            self.model[entry.key] = entry

    @invariant()
    def one_looks_always(self) -> None:
        """The first process looks after every step; the second only when a rule has it look."""
        self.look(0)

    @rule()
    def the_other_looks(self) -> None:
        """Look everything up."""
        self.look(1)

    def look(self, who: int) -> None:
        """Exactly what is in the model is found."""
        found = list(self.backends[who].get_entries(KEYS))
        assert len(found) == len(self.model)
        assert dict(found) == {key: entry.result for key, entry in self.model.items()}

    @rule(who=who)
    def touch(self, who: int) -> None:
        """Use everything."""
        assert self.backends[who].touch(KEYS) == set(self.model)

    @rule(who=who, key=key)
    def fetch(self, who: int, key: CacheKey) -> None:
        """Look up and restore."""
        if key in self.model:
            assert is_hit(self.backends[who], self.model[key])
        else:
            assert not dict(self.backends[who].get_entries([key]))

    @rule(who=who, key=key, which=st.integers(0, 3))
    def fetch_one(self, who: int, key: CacheKey, which: int) -> None:
        """Restore a part, and read it in other ways."""
        backend = self.backends[who]
        for found, result in backend.get_entries([key]):
            blobs = self.model[found].blobs
            digest = list(blobs)[which % len(blobs)]
            sink = CollectingSink()
            backend.fetch(result, [digest], sink)
            assert sink.blobs == {digest: blobs[digest]}
            assert backend.read_blob(digest) == blobs[digest]
            assert backend.find_missing([digest]) == set()

    @rule(who=who, key=key)
    def remove(self, who: int, key: CacheKey) -> None:
        """Forget."""
        self.backends[who].remove_entry(key)
        self.model.pop(key, None)

    @rule(who=who, entry=entry, which=st.integers(0, 3))
    def put_blob(self, who: int, entry: ExampleEntry, which: int) -> None:
        """Store a blob alone."""
        source = entry.sources[which % len(entry.sources)]
        self.backends[who].put_blob(source)
        assert self.backends[who].read_blob(source.digest) == entry.blobs[source.digest]

    @rule(who=who)
    def evict(self, who: int) -> None:
        """Evict what was not used for an hour: nothing."""
        self.backends[who].evict(EvictionPolicy(max_bytes=0, spare=3_600.0))

    @rule(who=who)
    def verify(self, who: int) -> None:
        """Read everything; nothing is damaged."""
        assert list(self.backends[who].verify()) == []

    @rule(who=who)
    def ask_history(self, who: int) -> None:
        """Ask for entries of the task: those that it knows are there."""
        infos = self.backends[who].latest(ENTRIES[0, 0].result.task_id, 9)
        assert {info.key for info in infos} <= set(self.model)

    @rule(who=who)
    def reopen(self, who: int) -> None:
        """End one process and start another."""
        self.opener.close(self.backends[who])
        self.backends[who] = self.opener(self.place)

    def teardown(self) -> None:
        """End both processes."""
        for backend in self.backends:
            self.opener.close(backend)


def check_against_model(opener: Opener, directory: Path, *, examples: int) -> None:
    """Run random histories, each at a place of its own."""
    numbers = count()

    class Machine(CacheMachine):
        def __init__(self) -> None:
            super().__init__(opener, directory / f"history{next(numbers)}")

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            phases=PHASES,
            report_multiple_bugs=False,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
