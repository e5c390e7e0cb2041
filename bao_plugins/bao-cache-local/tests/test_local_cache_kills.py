"""Killed, or refused by the disk, at any moment: what is found afterwards is right.

The sweeps have a short form, and a long one for `BAO_SWEEP=long`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bao_cache_local.backend import LocalCache

from bao_core.errors import CacheError
from bao_core.events import WarningRaised
from bao_core.interfaces.cache import EvictionPolicy
from bao_core.testing.faults import Faults, kill_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG = os.environ.get("BAO_SWEEP") == "long"


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Path]:
    numbers = iter(range(10**6))
    return iter(lambda: tmp_path / f"cache{next(numbers)}", None)


def check_next(root: Path, entry: Any, others: list[Any], kit: Any, open_cache: Any) -> None:
    """The next processes find what was stored before and store what was not."""
    cache = open_cache(root)
    assert all(kit.get(cache, other) for other in others), "what was stored stays stored"
    found = kit.get(cache, entry)
    assert kit.put(cache, entry) == ("exists" if found else "stored")
    assert kit.get(cache, entry)
    cache.close()
    again = open_cache(root)
    assert kit.get(again, entry)
    assert list(again.verify()) == []
    if LONG:
        there = len(kit.files_below(root / "results"))
        assert again.stats().entries == there
        again.rebuild()
        assert again.stats().entries == there
        again.close()


@pytest.mark.parametrize("action", ["kill", "tear"])
@pytest.mark.parametrize("scenario", ["into nothing", "beside others", "again"])
def test_a_killed_store_leaves_a_miss_or_a_right_hit(
    scenario: str, action: str, places: Iterator[Path], kit: Any, open_cache: Any, copy_of: Any
) -> None:
    shared = b"shared" * 3000
    entry = kit.make_entry(1, sizes=[100, 7000, 1_500_000], shared=shared)
    others = [] if scenario == "into nothing" else [kit.make_entry(2, shared=shared)]
    template = next(places)
    cache = open_cache(template)
    for other in others:
        kit.put(cache, other)
    if scenario == "again":
        kit.put(cache, entry)
    cache.close()

    def store(root: Path) -> None:
        cache = open_cache(root)
        assert kit.put(cache, entry, replace=scenario == "again") == "stored"
        cache.close()

    count = 0
    for point in kill_points(lambda: copy_of(template), store, action=action):
        count += 1
        check_next(point.place, entry, others, kit, open_cache)
    assert count > 10


def test_a_killed_eviction_leaves_nothing_wrong(
    places: Iterator[Path], kit: Any, open_cache: Any, copy_of: Any
) -> None:
    """What is left of an eviction is a cache that holds less, or as much."""
    template = next(places)
    cache = open_cache(template)
    shared = b"shared" * 3000
    old = [kit.make_entry(n, sizes=[100, 5000], shared=shared) for n in range(3)]
    for entry in old:
        kit.put(cache, entry)
    kit.grow_old(template, 100_000)
    kept = kit.make_entry(9, sizes=[100], shared=shared)
    kit.put(cache, kept)
    cache.close()

    def evict(root: Path) -> None:
        cache = open_cache(root)
        cache.evict(EvictionPolicy(max_bytes=20_000))
        cache.close()

    for point in kill_points(lambda: copy_of(template), evict, step=1 if LONG else 2):
        root = point.place
        check_next(root, kit.make_entry(50), [kept], kit, open_cache)
        cache = open_cache(root)
        for entry in old:
            kit.get(cache, entry)
        cache.evict(EvictionPolicy(max_bytes=20_000))
        assert cache.stats().entries == 2
        assert kit.get(cache, kept)
        cache.evict(EvictionPolicy(max_bytes=0, spare=0))
        assert kit.files_below(root / "blobs") == []
        kit.grow_old(root, 5000)
        cache.evict(EvictionPolicy())
        assert kit.files_below(root / "unfinished") == []
        cache.close()


# --- a disk that refuses ---------------------------------------------------------------------


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_a_disk_that_refuses_costs_the_entry_and_nothing_else(
    number: int, lasting: bool, places: Iterator[Path], kit: Any, open_cache: Any
) -> None:
    entry = kit.make_entry(1, sizes=[100, 7000, 1_500_000])
    at = 0
    while True:
        at += 1 if LONG else 2
        root = next(places)
        other = kit.make_entry(2)
        assert kit.put(open_cache(root), other) == "stored"
        cache = open_cache(root)
        with Faults(at, number, lasting=lasting) as faults:
            try:
                answer = kit.put(cache, entry)
            except CacheError:
                answer = "fault"
            assert kit.get(cache, other), "reading goes on"
            cache.close()
        assert answer in {"stored", "fault" if number == errno.EIO else "refused"}
        assert kit.get(open_cache(root), entry) == (answer == "stored")
        # At most the one whose removal was refused; it goes when it is old.
        assert lasting or len(kit.files_below(root / "unfinished")) <= 1
        check_next(root, entry, [other], kit, open_cache)
        if faults.count < at:
            break


def test_a_cache_that_cannot_be_written_is_named_once_and_read_on(
    root: Path, kit: Any, cache: LocalCache
) -> None:
    kit.put(cache, kit.make_entry(1))
    warnings: list[Any] = []
    refused = LocalCache(str(root), emit=warnings.append)
    with Faults(1, errno.EROFS, lasting=True):
        for number in range(2, 5):
            assert kit.put(refused, kit.make_entry(number)) == "refused"
        assert kit.get(refused, kit.make_entry(1))
        assert refused.touch([kit.key_of(1)]) == {kit.key_of(1)}
        with pytest.raises(CacheError, match="Read-only"):
            refused.put_blob(kit.Source(b"x"))
        refused.close()
    (warning,) = warnings
    assert isinstance(warning, WarningRaised)
    assert "cannot be written: Read-only file system" in warning.message


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a small file system of its own, where that is allowed."""
    mounted: list[str] = []

    def mounting(size: str) -> Path:
        target = tmp_path / "mount"
        target.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(target)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no file system can be mounted here")
        mounted.append(str(target))
        return target

    yield mounting
    for target in mounted:
        subprocess.run(["umount", "-l", target], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is of Linux")
def test_a_disk_that_is_really_full(mount: Callable[..., Path], kit: Any, open_cache: Any) -> None:
    root = mount("600k") / "cache"
    cache = open_cache(root)
    small, large = kit.make_entry(1, sizes=[5000]), kit.make_entry(2, sizes=[700_000])
    assert kit.put(cache, small) == "stored"
    assert kit.put(cache, large) == "refused"
    assert kit.get(cache, small)
    assert not kit.get(cache, large)
    (root / "filling").write_bytes(b"")
    with contextlib.suppress(OSError):
        (root / "filling").write_bytes(b"f" * 600_000)
    assert cache.stats().entries == 1, "the catalogue fits into memory where it must"
    assert cache.evict(EvictionPolicy(max_bytes=0, spare=0)).entries == 1
    cache.close()


@pytest.mark.skipif(sys.platform != "linux", reason="remounting as Linux does")
def test_a_file_system_that_is_really_read_only(
    mount: Callable[..., Path], kit: Any, open_cache: Any
) -> None:
    root = mount("4m") / "cache"
    cache = open_cache(root)
    kit.put(cache, kit.make_entry(1))
    kit.grow_old(root, 5000)
    cache.close()
    subprocess.run(["mount", "-o", "remount,ro", str(root.parent)], check=True)
    cache = open_cache(root)
    assert kit.get(cache, kit.make_entry(1))
    assert cache.touch([kit.key_of(1)]) == {kit.key_of(1)}
    assert cache.find_missing(list(kit.make_entry(1).blobs)) == set()
    assert kit.put(cache, kit.make_entry(2)) == "refused"
    assert cache.stats().entries == 1
    assert len(list(cache.entries())) == 1
    assert cache.evict(EvictionPolicy(max_bytes=0, spare=0)).entries == 0
    assert list(cache.verify()) == []
    cache.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody who may not write")
def test_a_cache_that_belongs_to_somebody_else(root: Path, kit: Any, open_cache: Any) -> None:
    cache = open_cache()
    kit.put(cache, kit.make_entry(1))
    cache.close()
    kit.grow_old(root, 5000)
    for directory in [root, *root.parents]:
        if str(directory).startswith("/tmp/"):
            directory.chmod(0o755)
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import make_entry, put, get
from bao_cache_local.backend import LocalCache
import bao_cache_local.catalogue, bao_cache_local.eviction, bao_cache_local.verify
from sqlalchemy import create_engine
create_engine("sqlite://").connect().close()  # the interpreter may lie where only we may read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
cache = LocalCache({str(root)!r})
assert get(cache, make_entry(1))
assert cache.touch([make_entry(1).key])
assert put(cache, make_entry(2)) == "refused"
assert cache.stats().entries == 1
cache.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
