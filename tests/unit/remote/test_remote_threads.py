"""Patience, uploads, lookups and handing over: what a run waits for, and what it leaves behind."""

from __future__ import annotations

import threading
from io import BytesIO
from queue import SimpleQueue

import pytest

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError
from bao_core.interfaces.cache import Stored
from bao_core.remote import RemoteLimits, RemoteTier
from bao_core.remote.handover import AbandonedError, Handover
from bao_core.remote.lookups import Latency
from bao_core.remote.patience import ANSWER, BYTES, OPENING, Patience
from bao_core.remote.trouble import RemoteGoneError
from bao_core.remote.uploads import Upload, Uploads
from bao_core.testing.entries import BytesSource, CollectingSink, example_entry
from bao_core.testing.memory_cache import MemoryCache

LONG = 20.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def left(patience: Patience) -> float:
    patience.progress(0, 0)
    return patience._left


# --- patience ------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patience(clock: Clock):
    patience = Patience(5.0, lambda: None, clock=clock)
    patience.opened()
    yield patience
    patience.close()


def test_only_waiting_uses_patience_up(patience: Patience, clock: Clock) -> None:
    clock.now = 100.0
    assert left(patience) == 5.0
    with patience.waiting():
        clock.now += 2.0
    clock.now += 100.0
    assert left(patience) == 3.0


def test_two_that_wait_at_the_same_time_use_no_more_than_one(
    patience: Patience, clock: Clock
) -> None:
    with patience.waiting(), patience.waiting():
        clock.now += 2.0
    assert left(patience) == 3.0


def test_answers_and_bytes_give_patience_back_up_to_the_limit(
    patience: Patience, clock: Clock
) -> None:
    with patience.waiting():
        clock.now += 4.0
        patience.progress(2, BYTES)
        assert patience._left == 1.0 + 2 * ANSWER + 1.0
        patience.progress(1000, 0)
        assert patience._left == 5.0
        clock.now += 4.0
        patience.progress(0, 1)  # a byte a second earns next to nothing
        assert patience._left < 1.001


def test_opening_does_not_count(clock: Clock) -> None:
    patience = Patience(5.0, lambda: None, clock=clock)
    with patience.waiting():
        clock.now += OPENING
        patience.opened()
        assert left(patience) == 5.0
    patience.close()


def test_the_end_of_patience_is_told_once() -> None:
    ended: SimpleQueue[str] = SimpleQueue()
    patience = Patience(0.01, lambda: ended.put("ended"))
    patience.opened()
    with patience.waiting():
        assert ended.get(timeout=LONG) == "ended"
    with patience.waiting():
        pass
    assert ended.empty()


# --- uploads -------------------------------------------------------------------------------------


def upload(number: int) -> Upload:
    entry = example_entry(number)
    return Upload(entry.key, entry.result, entry.sources, replace=False)


def test_uploads_are_carried_out_and_waited_for() -> None:
    done: list[Upload] = []
    uploads = Uploads(done.append)
    wanted = [upload(number) for number in range(20)]
    assert all(uploads.add(each) for each in wanted)
    assert uploads.wait(LONG) == 0
    assert {each.key for each in done} == {each.key for each in wanted}


def test_waiting_ends_at_the_limit_or_when_uploads_are_given_up() -> None:
    held = threading.Event()
    uploads = Uploads(lambda _upload: held.wait(LONG) and None)
    for number in range(5):
        uploads.add(upload(number))
    assert uploads.wait(0.01) == 5
    waiting = threading.Timer(0.05, uploads.abandon)
    waiting.start()
    assert uploads.wait(LONG) == 0
    assert not uploads.add(upload(9))
    held.set()


def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bao_core.remote.uploads.QUEUE", 2)
    held = threading.Event()
    uploads = Uploads(lambda _upload: held.wait(LONG) and None)
    taken = [uploads.add(upload(number)) for number in range(20)]
    assert 2 <= sum(taken) <= 5
    assert uploads.dropped == 20 - sum(taken)
    held.set()
    assert uploads.wait(LONG) == 0


# --- handing over --------------------------------------------------------------------------------


def handing(work, sink) -> None:
    """Have `work` write on a thread of its own, and pass on what comes."""
    handover = Handover(lambda _size: None)

    def ask() -> None:
        try:
            work(handover)
        except BaseException as error:  # noqa: BLE001
            handover.finish(error)
        else:
            handover.finish(None)

    threading.Thread(target=ask, daemon=True).start()
    handover.pass_on(sink)


def test_blobs_of_any_size_arrive_whole_and_on_the_waiting_thread(tmp_path) -> None:
    datas = [b"", b"x", bytes(300_000), bytes(5 << 20)]
    seen: set[str] = set()

    class Sink(CollectingSink):
        def write(self, digest, stream):
            seen.add(threading.current_thread().name)
            super().write(digest, stream)

    def work(handover: Handover) -> None:
        for data in datas:
            handover.write(digest_bytes(data), BytesIO(data))
        path = tmp_path / "file"
        path.write_bytes(b"a file")
        handover.clone(digest_bytes(b"a file"), str(path))

    sink = Sink()
    handing(work, sink)
    assert set(sink.blobs.values()) == {*datas, b"a file"}
    assert seen == {threading.current_thread().name}


def test_what_the_sink_raises_reaches_both_sides() -> None:
    class Refusing(CollectingSink):
        def write(self, digest, stream):
            stream.read(10)
            raise CacheError("not these")

    told: SimpleQueue[BaseException] = SimpleQueue()

    def work(handover: Handover) -> None:
        try:
            data = bytes(20 << 20)
            handover.write(digest_bytes(data), BytesIO(data))
        except BaseException as error:
            told.put(error)
            raise

    with pytest.raises(CacheError, match="not these"):
        handing(work, Refusing())
    assert isinstance(told.get(timeout=LONG), CacheError | AbandonedError)


def test_what_the_remote_raises_in_the_middle_reaches_who_waits() -> None:
    class Torn(BytesIO):
        def read(self, size=-1):
            data = super().read(size)
            if self.tell() > 600_000:
                raise ConnectionResetError("torn")
            return data

    with pytest.raises(ConnectionResetError):
        handing(
            lambda handover: handover.write(digest_bytes(bytes(1 << 20)), Torn(bytes(1 << 20))),
            CollectingSink(),
        )


def test_a_sink_that_reads_less_than_all_holds_nobody_up() -> None:
    class Partial(CollectingSink):
        def write(self, digest, stream):
            stream.read(5)

    handing(lambda h: h.write(digest_bytes(b""), BytesIO(bytes(20 << 20))), Partial())


def test_who_waits_can_be_let_go() -> None:
    handover = Handover(lambda _size: None)
    threading.Timer(0.05, handover.abandon).start()
    with pytest.raises(AbandonedError):
        handover.pass_on(CollectingSink())
    with pytest.raises(AbandonedError):
        handover.write(digest_bytes(b"late"), BytesIO(b"late"))


# --- the tier ------------------------------------------------------------------------------------


class Faulty(MemoryCache):
    """A cache that does what the test says instead of looking up."""

    def __init__(self, instead=None) -> None:
        super().__init__()
        self.instead = instead
        self.calls = 0

    def look_up(self, keys):
        self.calls += 1
        if self.instead is not None:
            self.instead()
        yield from super().look_up(keys)

    def fetch(self, result, digests, sink):
        if self.instead is not None:
            self.instead()
        super().fetch(result, digests, sink)


@pytest.fixture
def tier_of(tmp_path):
    """Makes a remote tier; its warnings and notes are in `said`."""
    made: list[RemoteTier] = []

    def make(backend, *, wait: float = LONG, uploads: float = LONG):
        said: list[str] = []
        tier = RemoteTier(
            "team",
            lambda _progress, _damage: backend,
            limits=RemoteLimits(wait, uploads),
            warn=said.append,
            note=said.append,
            latency_path=str(tmp_path / "latency"),
        )
        made.append(tier)
        return tier, said

    yield make
    for tier in made:
        tier.abandon()


def test_a_tier_that_hangs_answers_with_misses_and_is_off(tier_of) -> None:
    held = threading.Event()
    tier, said = tier_of(Faulty(lambda: held.wait(LONG)), wait=0.05)
    keys = [example_entry(n).key for n in range(200)]
    assert list(tier.get_entries(keys)) == []
    assert said == [
        "cache tier 'team' failed and is left out for this run: it got nothing done for 0.05 s"
    ]
    assert list(tier.get_entries(keys)) == []
    with pytest.raises(RemoteGoneError):
        tier.stats()
    assert not tier.upload(keys[0], example_entry().result, [], replace=False)
    held.set()


def test_three_failures_turn_it_off_and_two_do_not(tier_of) -> None:
    def fail() -> None:
        raise ConnectionResetError("reset by peer")

    backend = Faulty(fail)
    tier, said = tier_of(backend)
    for _ in range(2):
        assert list(tier.get_entries([example_entry().key])) == []
    assert said == []
    backend.instead = None
    entry = example_entry()
    assert tier.put_entry(entry.key, entry.result, entry.sources) is Stored.STORED
    assert dict(tier.get_entries([entry.key])) == {entry.key: entry.result}
    backend.instead = fail
    assert list(tier.get_entries([entry.key])) == []
    assert len(said) == 1
    calls = backend.calls
    assert list(tier.get_entries([entry.key])) == []
    assert backend.calls == calls


def test_failures_that_did_not_turn_it_off_are_told_in_the_end(tier_of) -> None:
    def fail() -> None:
        raise ConnectionResetError("reset by peer")

    tier, said = tier_of(Faulty(fail))
    list(tier.get_entries([example_entry().key]))
    tier.finish()
    assert said == [
        "cache tier 'team' had 1 failures in this run: ConnectionResetError: reset by peer"
    ]


def test_a_backend_that_cannot_be_opened_is_a_tier_that_is_off(tmp_path) -> None:
    said: list[str] = []

    def make(_progress, _damage):
        raise CacheError("no such bucket")

    tier = RemoteTier(
        "team", make, limits=RemoteLimits(), warn=said.append, note=said.append, latency_path="x"
    )
    assert list(tier.get_entries([example_entry().key])) == []
    assert "cannot be opened: no such bucket" in said[0]


def test_nothing_is_opened_before_something_is_asked(tmp_path) -> None:
    tier = RemoteTier(
        "team",
        lambda *_: pytest.fail("it was opened"),
        limits=RemoteLimits(),
        warn=pytest.fail,
        note=pytest.fail,
        latency_path=str(tmp_path / "x"),
    )
    tier.finish()
    tier.close()


def test_a_hung_fetch_lets_its_task_go(tier_of) -> None:
    held = threading.Event()
    backend = Faulty()
    entry = example_entry()
    backend.put_entry(entry.key, entry.result, entry.sources)
    tier, said = tier_of(backend, wait=0.05)
    assert dict(tier.get_entries([entry.key]))
    backend.instead = lambda: held.wait(LONG)
    with pytest.raises(RemoteGoneError):
        tier.fetch(entry.result, list(entry.blobs), CollectingSink())
    assert len(said) == 1
    held.set()


def test_abandoning_lets_everybody_go_without_a_word(tier_of) -> None:
    held, started = threading.Event(), threading.Event()

    def hang() -> None:
        started.set()
        held.wait(LONG)

    tier, said = tier_of(Faulty(hang))
    answers: SimpleQueue[object] = SimpleQueue()
    tier.ask([example_entry().key], lambda _key, result: answers.put(result))
    assert started.wait(LONG)
    tier.abandon()
    assert answers.get(timeout=LONG) is None
    assert said == []
    held.set()


def test_every_key_is_answered_once_even_if_it_is_asked_twice(tier_of) -> None:
    entry = example_entry()
    backend = Faulty()
    backend.put_entry(entry.key, entry.result, entry.sources)
    tier, _ = tier_of(backend)
    answers: SimpleQueue[object] = SimpleQueue()
    for _ in range(2):
        tier.ask([entry.key], lambda _key, result: answers.put(result))
    assert [answers.get(timeout=LONG) for _ in range(2)] == [entry.result] * 2


def test_uploads_that_fail_end_writing_and_not_reading(tier_of) -> None:
    class Unwritable(Faulty):
        def put_entry(self, *_arguments, **_options):
            raise PermissionError("access denied")

    backend = Unwritable()
    entry = example_entry()
    MemoryCache.put_entry(backend, entry.key, entry.result, entry.sources)
    tier, said = tier_of(backend)
    for number in range(5):
        other = example_entry(number)
        tier.upload(other.key, other.result, other.sources, replace=False)
    tier.finish()
    assert len(said) == 1
    assert "only read in this run: PermissionError: access denied" in said[0]
    assert dict(tier.get_entries([entry.key])) == {entry.key: entry.result}


def test_uploads_that_take_too_long_are_told(tier_of) -> None:
    held = threading.Event()

    class Slow(Faulty):
        def put_entry(self, *_arguments, **_options):
            held.wait(LONG)
            return Stored.STORED

    tier, said = tier_of(Slow(), uploads=0.05)
    entry = example_entry()
    tier.upload(entry.key, entry.result, entry.sources, replace=False)
    tier.finish()
    assert said[-1] == "cache tier 'team' did not take 1 results within 0.05 s"
    held.set()


# --- what asking costs ---------------------------------------------------------------------------


def test_a_tier_slower_than_the_task_is_not_asked(tier_of) -> None:
    tier, _ = tier_of(Faulty())
    assert tier.is_worth(0.001)
    tier._latency.note(0.5)
    assert not tier.is_worth(0.4)
    assert tier.is_worth(0.6)
    assert tier.is_worth(None)


def test_latency_is_remembered_for_the_next_run(tmp_path) -> None:
    path = str(tmp_path / "state" / "latency")
    first = Latency(path)
    assert first.expected() is None
    for seconds in (0.1, 0.2, 9.0):
        first.note(seconds)
    assert first.expected() == 0.2
    first.save()
    assert Latency(path).expected() == 0.2
    for damage in ("", "fast", "nan and more", "-1"):
        (tmp_path / "state" / "latency").write_text(damage)
        assert Latency(path).expected() in (None, 0.0)


def test_sources_that_change_after_the_task_are_read_from_a_tier_here(tmp_path) -> None:
    from bao_core.remote.sources import lasting
    from bao_core.testing.entries import FileSource

    near = MemoryCache()
    source = FileSource(tmp_path / "out", b"as it was")
    near.put_blob(source)
    (tmp_path / "out").write_bytes(b"changed!!")
    (kept,) = lasting([source], [near])
    with kept.open() as stream:
        assert stream.read() == b"as it was"


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_sources_without_a_file_are_copied_where_no_tier_has_them(size: int) -> None:
    from bao_core.remote.sources import lasting

    gone: list[bool] = []
    source = BytesSource(bytes(size), on_open=lambda: gone and pytest.fail("it was read late"))
    (kept,) = lasting([source], [])
    gone.append(True)
    for _ in range(2):
        with kept.open() as stream:
            assert stream.read() == bytes(size)
    getattr(getattr(kept, "_file", None), "close", lambda: None)()
