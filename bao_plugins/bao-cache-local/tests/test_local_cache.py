"""What the local cache promises beyond what every cache backend does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bao_cache_local.backend import LocalCache
from bao_cache_local.files import SHARD_SIZE, Workshop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError
from bao_core.interfaces.component import Context
from bao_core.model import ActionResult, CacheKey, Digest, OutputFile, OutputLink, TaskId

if TYPE_CHECKING:
    from collections.abc import Callable

EMPTY = digest_bytes(b"")


# --- entries ---------------------------------------------------------------------------------


def test_an_empty_cache_answers_without_being_made(cache: LocalCache, root: Path, kit: Any) -> None:
    entry = kit.make_entry()
    assert list(cache.get_entries([entry.key])) == []
    assert cache.touch([entry.key]) == set()
    assert cache.read_blob(entry.result.log) is None
    assert cache.find_missing(list(entry.blobs)) == set(entry.blobs)
    assert list(cache.latest(entry.result.task_id)) == []
    assert cache.stats().entries == 0
    assert list(cache.entries()) == list(cache.verify()) == []
    cache.remove_entry(entry.key)
    cache.close()
    assert not root.exists()


def test_of_two_writers_at_one_moment_the_first_wins(
    cache: LocalCache, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = kit.make_entry(1), kit.make_entry(2)
    second.key = first.key
    kit.put(cache, first)
    with monkeypatch.context() as blind:
        blind.setattr(cache._results, "find", lambda _key: None)
        assert kit.put(cache, second) == "exists"
    assert kit.get(cache, first)


def test_an_entry_without_all_its_sources_is_not_stored(cache: LocalCache, kit: Any) -> None:
    entry = kit.make_entry()
    with pytest.raises(CacheError):
        cache.put_entry(entry.key, entry.result, entry.sources[:-1])
    assert not kit.get(cache, entry)


@pytest.mark.parametrize("size", [10, 5_000, 3_000_000])
@pytest.mark.parametrize("change", ["content", "length", "gone"])
def test_a_source_that_changed_is_not_stored(
    cache: LocalCache, kit: Any, tmp_path: Path, size: int, change: str
) -> None:
    entry = kit.make_entry(sizes=[])
    path = tmp_path / "output"
    path.write_bytes(b"a" * size)
    source = kit.Source(b"a" * size, path)
    result = ActionResult(
        task_id=TaskId("pkg#build"),
        exit_code=0,
        log=EMPTY,
        parts=EMPTY,
        files=(OutputFile("pkg/dist/a", source.digest),),
    )
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(b"b" * (size + (change == "length")))
    assert cache.put_entry(entry.key, result, [source]).value == "refused"
    assert list(cache.get_entries([entry.key])) == []
    assert cache.read_blob(source.digest) is None


@pytest.mark.parametrize(
    "digest", [Digest("a" * 64, 3, "sha256"), Digest("../../escape", 3), Digest("a" * 64, -1)]
)
def test_foreign_digests_are_refused(
    cache: LocalCache, kit: Any, digest: Digest, root: Path
) -> None:
    result = ActionResult(task_id=TaskId("t"), exit_code=0, log=digest, parts=EMPTY)
    source = kit.Source(b"abc")
    source.digest = digest
    assert cache.put_entry(kit.key_of(1), result, [source]).value == "refused"
    with pytest.raises(CacheError):
        cache.put_blob(source)
    with pytest.raises(CacheError):
        cache.fetch(result, [digest], kit.Sink())
    assert cache.read_blob(digest) is None
    assert cache.find_missing([digest]) == {digest}
    with cache.open_blob(digest) as stream:
        assert stream is None
    assert not root.exists()


@pytest.mark.parametrize("key", ["", "..", "../../x", "a" * 63, "a" * 63 + "/", "é" * 64, "g" * 64])
def test_foreign_keys_are_refused(cache: LocalCache, kit: Any, key: str, root: Path) -> None:
    entry = kit.make_entry()
    entry.key = CacheKey(key)
    assert kit.put(cache, entry) == "refused"
    assert not kit.get(cache, entry)
    assert cache.touch([entry.key]) == set()
    cache.remove_entry(entry.key)
    assert not root.exists()


def test_names_that_are_not_utf8_come_back(cache: LocalCache, kit: Any, open_cache: Any) -> None:
    data = kit.Source(b"x")
    odd = os.fsdecode(b"pkg/dist/\xff\n \xe4\xc3\xa4")
    result = ActionResult(
        task_id=TaskId("pkg#build"),
        exit_code=0,
        log=EMPTY,
        parts=data.digest,
        files=(OutputFile(odd, data.digest), OutputFile("pkg/dist/ä", data.digest)),
        links=(OutputLink(odd + "l", os.fsdecode(b"\x80")),),
        directories=(odd + "d",),
    )
    cache.put_entry(kit.key_of(1), result, [data])
    assert dict(open_cache().get_entries([kit.key_of(1)])) == {kit.key_of(1): result}
    assert open_cache().stats().entries == 1


text = st.binary(min_size=1, max_size=8).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"/")))
digests = st.builds(
    Digest, st.binary(min_size=32, max_size=32).map(bytes.hex), st.integers(10_000, 2**40)
)
results = st.builds(
    ActionResult,
    task_id=st.just("pkg#build"),
    exit_code=st.integers(-(2**31), 2**31),
    log=digests,
    parts=digests,
    files=st.lists(st.builds(OutputFile, text, digests, st.booleans()), max_size=4).map(tuple),
    links=st.lists(st.builds(OutputLink, text, text), max_size=4).map(tuple),
    directories=st.lists(text, max_size=4).map(tuple),
    started=st.floats(0, 1e10),
    duration=st.floats(0, 1e10),
    peak_memory=st.integers(0, 2**60),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(results, st.binary(max_size=30))
def test_any_result_survives_its_file(result: Any, data: bytes) -> None:
    from bao_cache_local.entries import EntryFormat

    coder = EntryFormat()
    key = CacheKey(digest_bytes(data).hash)
    written = coder.encode(key, 1.5, result, {})
    read = coder.decode(key, written)
    assert read is not None
    assert (read.entry.result, read.entry.created) == (result, 1.5)
    assert coder.decode(CacheKey("0" * 64), written) is None


# --- using -----------------------------------------------------------------------------------


def test_touching_marks_as_used_at_most_once_an_hour(
    cache: LocalCache, root: Path, kit: Any
) -> None:
    entry = kit.make_entry()
    kit.put(cache, entry)
    (path,) = kit.files_below(root / "results")
    recently = time.time() - 1800
    os.utime(path, (recently, recently))
    assert cache.touch([entry.key]) == {entry.key}
    assert path.stat().st_mtime == pytest.approx(recently)
    long_ago = time.time() - 4000
    os.utime(path, (long_ago, long_ago))
    assert cache.touch([entry.key]) == {entry.key}
    assert path.stat().st_mtime == pytest.approx(time.time(), abs=60)


def test_asking_for_blobs_marks_them_as_used(cache: LocalCache, root: Path, kit: Any) -> None:
    entry = kit.make_entry()
    kit.put(cache, entry)
    kit.grow_old(root, 10_000)
    assert cache.find_missing(list(entry.blobs)) == set()
    for home in ("results", "blobs"):
        assert kit.files_below(root / home)
        for path in kit.files_below(root / home):
            assert path.stat().st_mtime == pytest.approx(time.time(), abs=60)


# --- blobs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4096, 4097, 2_000_000])
def test_blobs_of_any_size_are_read_by_digest(
    cache: LocalCache, kit: Any, open_cache: Any, size: int
) -> None:
    entry = kit.make_entry(sizes=[])
    blob = kit.Source(b"0123456789abcdef" * (size // 16) + b"x" * (size % 16))
    result = ActionResult(task_id=TaskId("t"), exit_code=0, log=blob.digest, parts=EMPTY)
    cache.put_entry(entry.key, result, [blob])
    cache.close()
    for reader in (cache, open_cache()):
        assert reader.read_blob(blob.digest) == blob.data
        with reader.open_blob(blob.digest) as stream:
            assert stream is not None
            assert stream.read() == blob.data
        with reader.open_blob(blob.digest, offset=size // 2) as stream:
            assert stream is not None
            assert stream.read() == blob.data[size // 2 :]
        assert reader.find_missing([blob.digest]) == set()


def test_the_empty_blob_is_always_there(cache: LocalCache, root: Path, kit: Any) -> None:
    assert cache.read_blob(EMPTY) == b""
    assert cache.find_missing([EMPTY]) == set()
    cache.put_blob(kit.Source(b""))
    with cache.open_blob(EMPTY) as stream:
        assert stream is not None
        assert stream.read() == b""
    assert not root.exists()
    result = ActionResult(
        TaskId("t"), 0, log=EMPTY, parts=EMPTY, files=(OutputFile("a", EMPTY, executable=True),)
    )
    assert cache.put_entry(kit.key_of(0), result, []).value == "stored"
    sink = kit.Sink()
    cache.fetch(result, [EMPTY], sink)
    assert sink.blobs == {EMPTY: b""}


def test_small_blobs_make_no_files(cache: LocalCache, root: Path, kit: Any) -> None:
    kit.put(cache, kit.make_entry(sizes=[10, 100, 1000]))
    assert len(kit.files_below(root / "results")) == 1
    assert kit.files_below(root / "blobs") == []
    kit.put(cache, kit.make_entry(2, sizes=[4000] * 40))
    assert kit.get(cache, kit.make_entry(2, sizes=[4000] * 40))
    largest = max(path.stat().st_size for path in kit.files_below(root / "results"))
    assert largest < 80_000, "and a result file stays cheap to read"


def test_blobs_are_shared_between_entries(cache: LocalCache, root: Path, kit: Any) -> None:
    for number in range(3):
        kit.put(cache, kit.make_entry(number, sizes=[], shared=b"s" * 9000))
    assert len(kit.files_below(root / "blobs")) == 1


def test_many_files_are_made_in_directories_that_are_scattered_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 0035: where many files have just been removed, ext4 takes long to find room."""
    scattered: list[str] = []
    monkeypatch.setattr("bao_cache_local.files.scatter", scattered.append)
    workshop = Workshop(str(tmp_path))
    made = [workshop.make(lambda _target: None) for _ in range(2 * SHARD_SIZE + 1)]
    sizes = [len(list(shard.iterdir())) for shard in (tmp_path / "unfinished").iterdir()]
    assert sorted(sizes) == [1, SHARD_SIZE, SHARD_SIZE]
    assert len({*made}) == len(made)
    assert scattered == [str(tmp_path / "unfinished")]


def test_nothing_unfinished_stays(cache: LocalCache, root: Path, kit: Any) -> None:
    for number in range(3):
        kit.put(cache, kit.make_entry(number))
        kit.put(cache, kit.make_entry(number))
    cache.close()
    assert kit.files_below(root / "unfinished") == []


# --- scopes ----------------------------------------------------------------------------------


def test_a_scope_reads_the_main_entries_and_writes_its_own(kit: Any, open_cache: Any) -> None:
    main, scoped, other = open_cache(), open_cache(scope="pr-1"), open_cache(scope="pr-2")
    before, after = kit.make_entry(1), kit.make_entry(2)
    kit.put(main, before)
    assert kit.get(scoped, before)
    assert kit.put(scoped, before) == "exists"
    assert scoped.touch([before.key]) == {before.key}
    kit.put(scoped, after)
    assert kit.get(scoped, after)
    assert not kit.get(main, after)
    assert not kit.get(other, after)
    assert main.stats().entries == 2
    scoped.remove_entry(before.key)
    assert kit.get(main, before), "a scope removes nothing of the main one"


# --- history ---------------------------------------------------------------------------------


def test_the_newest_entries_of_a_task_come_first(
    cache: LocalCache, kit: Any, open_cache: Any
) -> None:
    entries = [kit.make_entry(number) for number in range(4)]
    for entry in entries[:3]:
        kit.put(cache, entry)
    kit.put(cache, kit.make_entry(9, task="pkg#test"))
    cache.close()
    elsewhere = LocalCache(cache.root, workspace="/elsewhere")
    kit.put(elsewhere, entries[3])
    elsewhere.close()
    again = open_cache()
    latest = list(again.latest(TaskId("pkg#build"), limit=10))
    assert [info.key for info in latest] == [entries[n].key for n in (2, 1, 0, 3)]
    assert [info.key for info in again.latest(TaskId("pkg#build"))] == [entries[2].key]
    assert latest[0].size > sum(len(data) for data in entries[2].contents)
    assert latest[0].created == pytest.approx(time.time(), abs=60)
    again.remove_entry(entries[2].key)
    assert [info.key for info in again.latest(TaskId("pkg#build"))] == [entries[1].key]
    assert list(again.latest(TaskId("nobody#build"))) == []


def test_a_history_does_not_grow_for_ever(cache: LocalCache, root: Path, kit: Any) -> None:
    entry = kit.make_entry(1, sizes=[])
    for _ in range(2000):
        kit.put(cache, entry, replace=True)
    cache.close()
    (path,) = kit.files_below(root / "history")
    assert path.stat().st_size < 100_000
    assert [info.key for info in cache.latest(entry.result.task_id)] == [entry.key]


def test_a_lost_history_is_made_anew(
    cache: LocalCache, root: Path, kit: Any, open_cache: Any
) -> None:
    entries = [kit.make_entry(number) for number in range(3)]
    for entry in entries:
        kit.put(cache, entry)
    cache.close()
    for path in kit.files_below(root / "history"):
        path.unlink()
    again = open_cache()
    assert list(again.latest(TaskId("pkg#build"))) == []
    again.rebuild()
    keys = [info.key for info in open_cache().latest(TaskId("pkg#build"), limit=5)]
    assert keys == [entry.key for entry in reversed(entries)]


# --- several at once -------------------------------------------------------------------------

STORING = """
import sys
sys.path.insert(0, sys.argv[1])
from conftest import make_entry, put
from bao_cache_local.backend import LocalCache
cache = LocalCache(sys.argv[2], workspace="/w")
sys.stdin.readline()
print([put(cache, make_entry(n)) for n in range(20)].count("stored"))
cache.close()
"""


def test_processes_that_store_the_same_keys_do_not_disturb_each_other(
    root: Path, kit: Any, open_cache: Any
) -> None:
    arguments = [sys.executable, "-c", STORING, str(Path(__file__).parent), str(root)]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe) for _ in range(3)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
    counts = []
    for child in children:
        out, err = child.communicate()
        assert child.returncode == 0, err
        counts.append(int(out))
    assert sum(counts) == 20, "each key was stored once"
    cache = open_cache()
    assert all(kit.get(cache, kit.make_entry(number)) for number in range(20))
    assert cache.stats().entries == 20
    assert list(cache.verify()) == []
    assert kit.files_below(root / "unfinished") == []


# --- opening ---------------------------------------------------------------------------------


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Context]:
    def make(**environ: str) -> Context:
        return Context(
            root=str(tmp_path / "workspace"),
            state_dir=str(tmp_path / "state"),
            environ={"HOME": str(tmp_path / "home"), **environ},
            cancelled=threading.Event(),
            emit=lambda _event: None,
        )

    return make


def test_where_the_cache_lies(context: Callable[..., Context], tmp_path: Path) -> None:
    def where(path: str | None = None, **environ: str) -> str:
        return LocalCache.open(LocalCache.Settings(path=path), context(**environ)).root

    assert where() == f"{tmp_path}/home/.bao/cache"
    assert where(XDG_CACHE_HOME="/x") == "/x/bao"
    assert where(XDG_CACHE_HOME="/x", BAO_CACHE_DIR="/b") == "/b"
    assert where("c/d", BAO_CACHE_DIR="/b") == f"{tmp_path}/workspace/c/d"
    assert where("../c") == f"{tmp_path}/c"
    assert where("/abs") == "/abs"
    assert where("~/c") == f"{tmp_path}/home/c"


def test_a_file_in_its_place_is_an_error(context: Callable[..., Context], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("file", "file/below"):
        with pytest.raises(CacheError, match="cannot be used: Not a directory"):
            LocalCache.open(LocalCache.Settings(), context(BAO_CACHE_DIR=str(tmp_path / path)))


def test_looking_up_imports_no_database(root: Path, cache: LocalCache, kit: Any) -> None:
    kit.put(cache, kit.make_entry())
    cache.close()
    code = f"""
import sys
before = set(sys.modules)
from bao_core.interfaces.cache import EvictionPolicy
from bao_cache_local.backend import LocalCache
cache = LocalCache({str(root)!r}, workspace="/workspace")
(key, result), = cache.get_entries(["{kit.key_of(0)}"])
assert cache.touch([key])
assert cache.read_blob(result.log) == b"log 0\\n"
assert list(cache.latest(result.task_id))
cache.evict(EvictionPolicy(budget=0.02))
cache.close()
heavy = {{"sqlalchemy", "sqlite3", "subprocess", "json", "tempfile", "shutil", "pathlib",
         "concurrent.futures", "dataclasses", "logging", "asyncio", "zstandard",
         "bao_core.outputs.collecting", "bao_core.outputs.restoring"}}
print(sorted(heavy & (set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
