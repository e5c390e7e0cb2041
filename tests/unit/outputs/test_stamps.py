"""Stamps tell from `lstat` alone that outputs stand, and never say so of what changed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.outputs.stamps import (
    ABSENT,
    COARSE_GRANULARITY,
    GRANULARITY,
    stamp_of,
    stamps_equal,
    stamps_stand,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LATER = 10**12
"""Nanoseconds; long enough after anything a test does."""

TREE = {
    "pkg/dist/a.js": b"a",
    "pkg/dist/sub/b.js": b"b",
    "pkg/dist/link": ("->", "a.js"),
    "pkg/dist/empty": None,
}


def stand(bench: Any, stamps: Any, moment: int | None = None) -> bool:
    at = max(stamp.ctime for stamp in stamps.values()) + LATER if moment is None else moment
    return stamps_stand(str(bench.root), stamps, recorded_at=at)


def test_outputs_that_nobody_touched_stand(bench: Any) -> None:
    bench.write(TREE)
    assert stand(bench, bench.collect().stamps)
    assert stand(bench, bench.restore(bench.result(TREE)))


def _forge(path: Path, content: bytes) -> None:
    found = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "another content": lambda dist: (dist / "a.js").write_bytes(b"c"),
    "the same content again": lambda dist: (dist / "a.js").write_bytes(b"a"),
    "the executable bit": lambda dist: (dist / "a.js").chmod(0o755),
    "a mtime put back": lambda dist: os.utime(dist / "a.js", ns=(1, 1)),
    "another content of that size and age": lambda dist: _forge(dist / "a.js", b"b"),
    "a file gone": lambda dist: (dist / "sub/b.js").unlink(),
    "a file more": lambda dist: (dist / "sub/c.js").touch(),
    "a directory more": lambda dist: (dist / "more").mkdir(),
    "a link elsewhere": lambda dist: ((dist / "link").unlink(), (dist / "link").symlink_to("b")),
    "a file instead of a link": lambda dist: ((dist / "link").unlink(), (dist / "link").touch()),
    "an empty directory gone": lambda dist: (dist / "empty").rmdir(),
    "an empty directory filled": lambda dist: (dist / "empty/x").touch(),
    "a file replaced": lambda dist: (
        (dist / "new").write_bytes(b"a"),
        os.utime(dist / "new", ns=(1, 1)),
        (dist / "new").rename(dist / "a.js"),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_is_seen(bench: Any, change: Callable[[Path], object]) -> None:
    bench.write(TREE)
    stamps = bench.collect().stamps
    change(bench.root / "pkg/dist")
    assert not stand(bench, stamps)
    assert not stamps_equal(str(bench.root), stamps)


def test_a_ctime_close_to_the_record_proves_nothing(bench: Any) -> None:
    bench.write(TREE)
    stamps = bench.collect().stamps
    newest = max(stamp.ctime for stamp in stamps.values())
    assert not stand(bench, stamps, newest)
    assert not stand(bench, stamps, newest + GRANULARITY)
    assert stand(bench, stamps, newest + GRANULARITY + 1) or not newest % 10**9


def test_whole_seconds_are_trusted_later(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write({"pkg/dist": b""})
    stamp = stamp_of(str(bench.root), "pkg/dist")
    assert stamp is not None
    coarse = type(stamp)(stamp.mode, 0, stamp.mtime, 5 * 10**9, stamp.inode)
    found = os.lstat(bench.root / "pkg/dist")

    class Found:
        st_ctime_ns = coarse.ctime

        def __getattr__(self, name: str) -> Any:
            return getattr(found, name)

    monkeypatch.setattr(os, "lstat", lambda _path: Found())
    assert not stand(bench, {"pkg/dist": coarse}, coarse.ctime + COARSE_GRANULARITY)
    assert stand(bench, {"pkg/dist": coarse}, coarse.ctime + COARSE_GRANULARITY + 1)


def test_two_changes_in_one_tick_are_not_taken_for_none(bench: Any) -> None:
    """The sequence that the rule about closeness is for, however fast the disk's clock ticks."""
    for number in range(200):
        bench.write({"pkg/dist/a.js": b"%03d" % number})
        collected = bench.collect()
        bench.write({"pkg/dist/a.js": b"%03d" % (number + 500)})
        recorded = collected.taken
        assert not stamps_stand(str(bench.root), collected.stamps, recorded_at=recorded)


def test_something_new_where_a_pattern_found_nothing_is_seen(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench("dist/**", "coverage/**", "report.xml")
    bench.write({"pkg/dist/a.js": b"a"})
    stamps = bench.collect().stamps
    assert stamps["./pkg/coverage"] == stamps["./pkg/report.xml"] == ABSENT
    assert stand(bench, stamps)
    bench.write({"pkg/report.xml": b""})
    assert not stand(bench, stamps)
    assert stamps_equal(str(bench.root), stamps), "what was recorded is untouched"


def test_something_new_in_a_shared_directory_is_seen(make_bench: Callable[..., Any]) -> None:
    bench = make_bench("*.tsbuildinfo")
    bench.write({"pkg/a.tsbuildinfo": b"a", "pkg/src/a.ts": b""})
    stamps = bench.collect().stamps
    assert set(stamps) == {"pkg/a.tsbuildinfo", "./pkg"}
    bench.write({"pkg/b.tsbuildinfo": b""})
    assert not stand(bench, stamps)
    assert stamps_equal(str(bench.root), stamps), "what was recorded is untouched"


def test_damaged_records_do_not_stand(bench: Any) -> None:
    bench.write(TREE)
    stamp = stamp_of(str(bench.root), "pkg/dist/a.js")
    assert stamp is not None
    for path in ("pkg/\0", "pkg/dist/a.js/below", "x" * 5000):
        assert not stand(bench, {path: stamp})
    assert stamp_of(str(bench.root), "pkg/\0") is None


def test_asking_imports_and_starts_nothing() -> None:
    code = (
        "import sys; from bao_core.outputs import stamps_stand;"
        "stamps_stand('/', {}, recorded_at=0);"
        "print([m for m in ('bao_core.outputs.restoring', 'bao_core.outputs.collecting',"
        " 'subprocess', 'json',"
        " 'pathlib', 'shutil', 'tempfile', 'zstandard') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"
