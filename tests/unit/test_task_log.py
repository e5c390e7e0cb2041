"""A task's output as bytes: bounded in memory, whole and unchanged when read again."""

from __future__ import annotations

import errno
import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError
from bao_core.interfaces.cache import BlobSource
from bao_core.task_log import TaskLog

if TYPE_CHECKING:
    from pathlib import Path

pieces = st.lists(st.one_of(st.binary(max_size=8), st.binary(min_size=50, max_size=300)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pieces, st.integers(1, 300), st.integers(1, 100))
def test_what_was_written_is_read_again_byte_for_byte(tmp_path, data, limit, size) -> None:
    with TaskLog(str(tmp_path / "logs"), limit=limit) as log:
        for piece in data:
            assert log.write(piece) == len(piece)
        whole = b"".join(data)
        chunks = list(log.chunks(size))
        assert b"".join(chunks) == whole
        assert all(0 < len(chunk) <= size for chunk in chunks)
        assert log.size == len(whole)
        assert log.digest == digest_bytes(whole)
        with log.open() as stream:
            assert stream.read() == whole


@pytest.mark.parametrize("size", [10, 1 << 20], ids=["short", "long"])
def test_two_readers_do_not_disturb_each_other(tmp_path, size) -> None:
    with TaskLog(str(tmp_path)) as log:
        log.write(bytes(range(10)) * (size // 10))
        with log.open() as first, log.open() as second:
            assert first.read(5) == bytes(range(5))
            assert second.read(3) == bytes(range(3))
            assert first.read(5) == bytes(range(5, 10))


def test_writing_goes_on_after_the_digest_was_asked(tmp_path) -> None:
    with TaskLog(str(tmp_path), limit=4) as log:
        for text in (b"ab", b"cdefgh", b"ij", b"k"):
            log.write(text)
            assert log.digest == digest_bytes(b"".join(log.chunks()))
        assert b"".join(log.chunks()) == b"abcdefghijk"


def test_memory_stays_bounded_whatever_is_written(tmp_path) -> None:
    piece = b"x" * 50_000
    tracemalloc.start()
    try:
        with TaskLog(str(tmp_path)) as log:
            for _ in range(500):
                log.write(piece)
            for _ in range(200_000):
                log.write(b"ab")
            assert log.size == 25_400_000
            assert sum(map(len, log.chunks())) == log.size
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_short_log_touches_no_disk(tmp_path) -> None:
    with TaskLog(str(tmp_path / "logs")) as log:
        log.write(b"short")
        assert log.digest == digest_bytes(b"short")
    assert not (tmp_path / "logs").exists()


def test_a_long_log_leaves_no_name_on_the_disk_even_while_it_is_written(tmp_path) -> None:
    with TaskLog(str(tmp_path / "logs"), limit=10) as log:
        log.write(b"longer than ten bytes")
        assert os.listdir(tmp_path / "logs") == []
        assert log.path is None


def test_nothing_stays_open_after_the_end(tmp_path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with TaskLog(str(tmp_path), limit=10) as log:
        log.write(b"longer than ten bytes")
    forgotten = TaskLog(str(tmp_path), limit=10)
    forgotten.write(b"longer than ten bytes")
    del forgotten
    assert len(os.listdir("/proc/self/fd")) == before
    log.close()


def test_it_is_a_blob_that_can_be_stored() -> None:
    assert issubclass(TaskLog, BlobSource)


def test_a_full_disk_does_not_fail_the_task_and_what_was_kept_is_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 30
    real = os.pwrite

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if offset >= room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[: room - offset], offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with TaskLog(str(tmp_path), limit=20) as log:
        for number in range(10):
            log.write(b"%09d\n" % number)
        assert log.fault is not None
        assert log.fault.errno == errno.ENOSPC
        assert log.size == 100
        kept = b"".join(log.chunks())
        assert kept == b"".join(b"%09d\n" % number for number in range(10))[: len(kept)]
        assert len(kept) >= room
        with pytest.raises(CacheError, match="No space left on device"):
            _ = log.digest


def test_a_directory_that_cannot_be_made_is_a_fault_and_no_error(tmp_path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with TaskLog(str(tmp_path / "logs"), limit=4) as log:
        log.write(b"too long")
        log.write(b"lost")
        assert isinstance(log.fault, FileExistsError)
        assert b"".join(log.chunks()) == b"too long"
