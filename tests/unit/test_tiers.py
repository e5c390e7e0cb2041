"""Cache tiers: order, warming, and faults that never reach a task."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError
from bao_core.interfaces.cache import CacheBackend, Stored
from bao_core.model import ActionResult, CacheKey, TaskId
from bao_core.tiers import BytesSource, CacheTiers, Hit, Tier

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
