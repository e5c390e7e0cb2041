"""Cache tiers: order, warming, and faults that never reach a task."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest

from bao_core.blobs import BytesSource
from bao_core.digests import digest_bytes
from bao_core.errors import CacheError, OutputError
from bao_core.interfaces.cache import CacheBackend, Stored
from bao_core.model import ActionResult, CacheKey, TaskId
from bao_core.tiers import CacheTiers, Hit, Tier

KEY = CacheKey("a" * 64)
LOG = BytesSource(b"log")
PARTS = BytesSource(b"parts")
RESULT = ActionResult(TaskId("a#b"), 0, LOG.digest, PARTS.digest)


class Memory(CacheBackend):
    """A backend in a dictionary, which fails where it is told to."""

    name = "memory"

    def __init__(self, *, broken: bool = False) -> None:
        self.results: dict[Any, Any] = {}
        self.blobs: dict[Any, bytes] = {}
        self.calls = 0
        self.broken = broken

    def _called(self) -> None:
        self.calls += 1
        if self.broken:
            raise RuntimeError("out of order")

    def get_entries(self, keys):
        self._called()
        yield from ((key, self.results[key]) for key in keys if key in self.results)

    def put_entry(self, key, result, blobs, *, replace=False):
        self._called()
        if key in self.results and not replace:
            return Stored.EXISTS
        for blob in blobs:
            self.put_blob(blob)
        self.results[key] = result
        return Stored.STORED

    def fetch(self, result, digests, sink):
        self._called()
        for digest in digests:
            with self.open_blob(digest) as stream:
                if stream is None:
                    raise CacheError("missing")
                sink.write(digest, stream)

    def remove_entry(self, key):
        self._called()
        self.results.pop(key, None)

    @contextmanager
    def open_blob(self, digest, *, offset=0):
        self._called()
        data = self.blobs.get(digest)
        yield None if data is None else BytesSource(data[offset:]).open()

    def find_missing(self, digests):
        return {digest for digest in digests if digest not in self.blobs}

    def put_blob(self, source):
        with source.open() as stream:
            self.blobs[source.digest] = stream.read()


def tiers(*backends: Memory, **options: Any) -> tuple[CacheTiers, list[str]]:
    warnings: list[str] = []
    made = [Tier(f"t{i}", backend, **options) for i, backend in enumerate(backends)]
    return CacheTiers(made, warnings.append), warnings


def test_the_first_tier_that_has_a_result_answers() -> None:
    first, second = Memory(), Memory()
    second.put_entry(KEY, RESULT, [LOG, PARTS])
    both, _ = tiers(first, second)
    assert both.look_up([KEY])[KEY].tier.name == "t1"
    first.put_entry(KEY, RESULT, [LOG, PARTS])
    assert both.look_up([KEY])[KEY].tier.name == "t0"


def test_a_tier_that_fails_is_named_once_and_not_asked_again() -> None:
    broken, whole = Memory(broken=True), Memory()
    whole.put_entry(KEY, RESULT, [LOG, PARTS])
    both, warnings = tiers(broken, whole)
    assert both.look_up([KEY])[KEY].tier.name == "t1"
    assert both.look_up([KEY])
    assert both.store(KEY, RESULT, [LOG, PARTS], replace=False)
    assert broken.calls == 1
    assert len(warnings) == 1
    assert "t0" in warnings[0]
    assert "out of order" in warnings[0]


def test_what_is_stored_goes_to_every_tier_that_may_be_written() -> None:
    first, second = Memory(), Memory()
    both, _ = tiers(first, second)
    assert both.store(KEY, RESULT, [LOG, PARTS], replace=False)
    assert KEY in first.results
    assert KEY in second.results


def test_a_tier_that_may_not_be_written_is_left_alone() -> None:
    backend = Memory()
    only, _ = tiers(backend, write=False)
    assert not only.store(KEY, RESULT, [LOG, PARTS], replace=False)
    assert backend.calls == 0


def test_a_tier_that_is_not_read_answers_nothing() -> None:
    backend = Memory()
    backend.put_entry(KEY, RESULT, [LOG, PARTS])
    only, _ = tiers(backend, read=False)
    assert only.look_up([KEY]) == {}
    assert only.touch([KEY]) == {}
    assert only.read_blob(LOG.digest) is None


def test_a_hit_warms_the_tiers_before_it_and_no_others() -> None:
    first, second, third = Memory(), Memory(), Memory()
    second.put_entry(KEY, RESULT, [LOG, PARTS])
    all_three, _ = tiers(first, second, third)
    hit = all_three.look_up([KEY])[KEY]
    all_three.warm(KEY, hit, [LOG, PARTS])
    assert KEY in first.results
    assert KEY not in third.results


def test_a_missing_blob_makes_a_hit_a_miss_and_no_fault_of_the_tier() -> None:
    backend = Memory()
    backend.results[KEY] = RESULT
    only, warnings = tiers(backend)
    hit = only.look_up([KEY])[KEY]
    with pytest.raises(CacheError):
        only.fetch(hit, [LOG.digest], None)  # type: ignore[arg-type]
    assert warnings == []


def test_a_tier_that_fails_while_fetching_makes_the_hit_a_miss() -> None:
    backend = Memory()
    only, warnings = tiers(backend)
    backend.broken = True
    with pytest.raises(CacheError):
        only.fetch(Hit(next(iter(only)), RESULT), [LOG.digest], None)  # type: ignore[arg-type]
    assert len(warnings) == 1


def test_a_worktree_without_room_is_no_fault_of_the_tier() -> None:
    class Full:
        def write(self, _digest: object, _stream: object) -> None:
            raise OutputError("No space left on device")

    backend = Memory()
    backend.put_entry(KEY, RESULT, [LOG, PARTS])
    only, warnings = tiers(backend)
    with pytest.raises(OutputError):
        only.fetch(only.look_up([KEY])[KEY], [LOG.digest], Full())  # type: ignore[arg-type]
    assert warnings == []
    assert only.look_up([KEY])


def test_a_damaged_entry_is_removed_and_said() -> None:
    backend = Memory()
    backend.put_entry(KEY, RESULT, [LOG, PARTS])
    only, warnings = tiers(backend)
    only.discard(KEY, only.look_up([KEY])[KEY], "bits flipped")
    assert backend.results == {}
    assert "bits flipped" in warnings[0]


def test_bytes_as_a_source_can_be_read_more_than_once() -> None:
    assert LOG.digest == digest_bytes(b"log")
    assert LOG.open().read() == LOG.open().read() == b"log"


# --- remote tiers --------------------------------------------------------------------------------


class FakeRemote(Memory):
    """Stands for a `RemoteTier`: answers at once, and tells what it was asked."""

    def __init__(self, *, slow: bool = False) -> None:
        super().__init__()
        self.slow = slow
        self.asked: list[CacheKey] = []
        self.uploaded: list[CacheKey] = []
        self.discarded: list[CacheKey] = []

    def is_worth(self, duration):
        return not self.slow or duration is None

    def ask(self, keys, heard):
        for key in keys:
            self.asked.append(key)
            heard(key, self.results.get(key))

    def upload(self, key, result, sources, *, replace):
        self.uploaded.append(key)
        return True

    def discard(self, key, why):
        self.discarded.append(key)


def far(remote: FakeRemote, name: str = "far") -> Tier:
    return Tier(name, remote, remote=remote)


def test_tiers_here_come_before_remote_ones() -> None:
    remote, near = FakeRemote(), Memory()
    both = CacheTiers([far(remote), Tier("near", near)], [].append)
    assert [tier.name for tier in both] == ["near", "far"]
    for backend in (near, remote):
        backend.put_entry(KEY, RESULT, [LOG, PARTS])
    assert both.look_up([KEY])[KEY].tier.name == "near"
    assert both.near().look_up([KEY])[KEY].tier.name == "near"
    assert [tier.name for tier in both.near()] == ["near"]


def test_what_is_asked_of_remote_tiers_is_answered_once_by_the_first_that_has_it() -> None:
    first, second = FakeRemote(), FakeRemote()
    other = CacheKey("b" * 64)
    second.put_entry(KEY, RESULT, [LOG, PARTS])
    both = CacheTiers([far(first, "first"), far(second, "second")], [].append)
    heard: list[Any] = []
    asked = both.ask({KEY: None, other: 1.0}, lambda key, hit: heard.append((key, hit)))
    assert asked == {KEY, other}
    assert dict(heard)[KEY].tier.name == "second"
    assert dict(heard)[other] is None
    assert len(heard) == 2


def test_a_remote_tier_that_costs_more_than_the_task_is_not_asked() -> None:
    slow, quick = FakeRemote(slow=True), FakeRemote()
    heard: list[Any] = []
    one = CacheTiers([far(slow)], [].append)
    assert one.ask({KEY: 0.1}, lambda *answer: heard.append(answer)) == set()
    two = CacheTiers([far(slow), far(quick)], [].append)
    assert two.ask({KEY: 0.1}, lambda *answer: heard.append(answer)) == {KEY}
    assert slow.asked == []
    assert quick.asked == [KEY]
    assert heard == [(KEY, None)]


def test_nothing_waits_for_a_remote_tier_while_standing_outputs_are_looked_at() -> None:
    remote = FakeRemote()
    remote.put_entry(KEY, RESULT, [LOG, PARTS])
    only = CacheTiers([far(remote)], [].append)
    calls = remote.calls
    assert only.touch([KEY]) == {}
    assert only.look_up([KEY], near=True) == {}
    assert only.read_blob(LOG.digest, near=True) is None
    assert only.latest_parts(TaskId("a#b"), near=True) is None
    only.tidy()
    assert remote.calls == calls
    assert remote.asked == []


def test_storing_uploads_to_remote_tiers_and_removing_is_left_to_them() -> None:
    remote, near = FakeRemote(), Memory()
    warnings: list[str] = []
    both = CacheTiers([far(remote), Tier("near", near)], warnings.append)
    assert both.store(KEY, RESULT, [LOG, PARTS], replace=False)
    assert remote.uploaded == [KEY]
    assert KEY in near.results
    both.discard(KEY, Hit(next(t for t in both if t.remote), RESULT), "bits flipped")
    assert remote.discarded == [KEY]
    assert warnings == []
