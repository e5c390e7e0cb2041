"""Faults of the cache, the disk and the machine: slower at worst, never wrong."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BAO = Path(sys.executable).with_name("bao")

LONG = os.environ.get("BAO_SWEEP") == "long"


def files_below(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def assert_right(repo: Any) -> None:
    """The outputs are those of the sources."""
    assert repo.read("packages/lib/dist/out.txt") == "lib a\nlib b\n"
    assert repo.read("packages/app/dist/out.txt") == "app main\n"


def remove_outputs(repo: Any) -> None:
    for name in ("lib", "app"):
        shutil.rmtree(repo.root / f"packages/{name}/dist", ignore_errors=True)


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    match how:
        case "truncated":
            changed = content[: len(content) // 2]
        case "emptied":
            changed = b""
        case "bit flipped":
            middle = len(content) // 2
            changed = content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]
        case _:
            changed = b"garbage"
    path.chmod(0o644)
    path.write_bytes(changed)


@pytest.mark.parametrize("how", ["truncated", "emptied", "bit flipped", "garbage"])
def test_any_damaged_file_of_the_cache_gives_no_wrong_result(pair: Any, how: str) -> None:
    pair.ok("run", "test")
    kept = pair.base / "kept"
    shutil.copytree(pair.base / "cache", kept, symlinks=True)
    for name in [path.relative_to(kept) for path in files_below(kept)]:
        target = pair.base / "cache" / name
        if not target.exists() or not target.stat().st_size:
            continue
        remove_outputs(pair)
        damage(target, how)
        result = pair.ok("run", "test", "--log-prefix=none")
        assert "Traceback" not in result.err, name
        assert_right(pair)
        assert "app main" in result.out
        shutil.rmtree(pair.base / "cache")
        shutil.copytree(kept, pair.base / "cache", symlinks=True)


def test_everything_damaged_at_once_gives_no_wrong_result(pair: Any) -> None:
    pair.ok("run", "test")
    for path in files_below(pair.base / "cache"):
        if path.stat().st_size:
            damage(path, "bit flipped")
    remove_outputs(pair)
    pair.ok("run", "test")
    assert_right(pair)
    pair.ran()
    pair.ok("run", "test")
    assert pair.ran() == []


def test_a_cache_directory_that_is_a_file_is_said_once_and_harms_nothing(pair: Any) -> None:
    (pair.base / "cache").write_text("not a directory")
    result = pair.ok("run", "test")
    assert result.err.count("warning") == 1, result
    assert_right(pair)
    assert pair.ran() == ["lib#build", "app#build", "lib#test", "app#test"] or len(pair.ran()) == 0


def test_a_deleted_cache_is_rebuilt(pair: Any) -> None:
    pair.ok("run", "build")
    shutil.rmtree(pair.base / "cache")
    pair.ran()
    pair.ok("run", "build")
    assert pair.ran() == ["lib#build", "app#build"]
    pair.ok("run", "build")
    assert pair.ran() == []


def test_results_deleted_behind_baos_back_are_made_again(pair: Any) -> None:
    pair.ok("run", "build")
    pair.ok("run", "build")
    shutil.rmtree(pair.base / "cache" / "results")
    pair.ran()
    pair.ok("run", "build")
    assert pair.ran() == ["lib#build", "app#build"]


@pytest.mark.parametrize("size", ["16k", "64k", "200k"])
def test_a_full_disk_under_the_cache_harms_nothing(pair: Any, size: str) -> None:
    mount = pair.base / "cache"
    mount.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "bao-test", mount],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        pair.write({"packages/lib/src/big.txt": "x" * 300_000})
        result = pair.ok("run", "test")
        assert "Traceback" not in result.err
        assert pair.read("packages/lib/dist/out.txt").endswith("lib b\n" + "x" * 300_000)
        remove_outputs(pair)
        pair.ok("run", "test")
        assert pair.read("packages/lib/dist/out.txt").endswith("lib b\n" + "x" * 300_000)
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_full_disk_under_the_worktree_is_told_and_not_blamed_on_the_cache(pair: Any) -> None:
    """A limit on the size of files stands for the disk."""
    pair.write({"packages/lib/src/large.txt": "x" * 300_000})
    pair.ok("run", "build")
    remove_outputs(pair)
    limited = subprocess.run(
        ["/bin/sh", "-c", f"ulimit -f 100; exec {BAO} run build --continue=always"],
        cwd=pair.root,
        env=pair.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )
    printed = limited.stdout + limited.stderr
    assert limited.returncode != 0
    assert "lib#build was not restored" in printed
    assert "File too large" in printed
    assert "cache tier" not in printed
    pair.ok("run", "build")
    assert pair.read("packages/app/dist/out.txt") == "app main\n"
    assert len(pair.read("packages/lib/dist/out.txt")) > 300_000


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_read_only_cache_is_read_and_harms_nothing(pair: Any) -> None:
    pair.ok("run", "build")
    pair.ran()
    mount = pair.base / "cache"
    done = subprocess.run(["mount", "--bind", mount, mount], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", mount], check=True)
        remove_outputs(pair)
        result = pair.ok("run", "build")
        assert pair.ran() == []
        assert_right(pair)
        pair.write({"packages/app/src/main.txt": "new\n"})
        result = pair.ok("run", "build")
        assert pair.ran() == ["app#build"]
        assert "Traceback" not in result.err
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_run_killed_at_any_moment_is_followed_by_a_right_one(pair: Any) -> None:
    """Kills the whole process at random moments of cold runs and of restores."""
    chance = random.Random(7)
    for attempt in range(150 if LONG else 12):
        content = f"{attempt}\n"
        pair.write({"packages/lib/src/a.txt": content})
        if attempt % 3 == 2:
            pair.ok("run", "test")
            remove_outputs(pair)
        process = pair.start("run", "test")
        try:
            process.wait(timeout=chance.uniform(0.05, 0.5))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        pair.ok("run", "test")
        assert pair.read("packages/lib/dist/out.txt") == f"{content}lib b\n"
        assert pair.git("status", "--porcelain", "--", "packages/app", "packages/lib/dist") == ""


def test_no_temporary_file_is_left_after_a_run(pair: Any) -> None:
    pair.ok("run", "test")
    names = [path.name for path in files_below(pair.base / "cache")]
    assert [name for name in names if "tmp" in name] == []


def test_two_workspaces_share_results_by_one_cache(pair: Any) -> None:
    pair.ok("run", "build")
    pair.ran()
    shutil.copytree(pair.root, pair.base / "other", symlinks=True)
    shutil.rmtree(pair.base / "other/packages/lib/dist")
    pair.root = pair.base / "other"
    pair.ok("run", "build")
    assert pair.ran() == []
    assert_right(pair)
