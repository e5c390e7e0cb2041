"""Outputs are collected exactly, restored exactly, and only what a task owns is removed."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.errors import CacheError, OutputError
from bao_core.outputs import (
    OutputSpec,
    clean,
    collecting,
    resolve_patterns,
    restoring,
    verify_outputs,
)
from bao_core.outputs.restoring import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TREE = {
    "pkg/dist/a.js": b"a",
    "pkg/dist/run": ("x", b"#!/bin/sh\n"),
    "pkg/dist/sub/a copy.js": b"a",
    "pkg/dist/sub/line\nbreak": b"",
    "pkg/dist/latest": ("->", "sub"),
    "pkg/dist/source": ("->", "../src/a.ts"),
    "pkg/dist/empty/within": None,
}


# --- patterns --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("dist/**", "packages/a/dist/x/y"),
        ("dist", "packages/a/dist/x"),
        (".next/*.json", "packages/a/.next/x.json"),
        ("$root/out/a.txt", "out/a.txt"),
        ("../a/dist", "packages/a/dist"),
        ("./dist/**", "packages/a/dist/x"),
    ],
)
def test_patterns_start_at_the_package(pattern: str, path: str) -> None:
    assert resolve_patterns("packages/a", [pattern]).matches(path)


def test_a_package_directory_is_no_pattern() -> None:
    globs = resolve_patterns("packages/[id] *", ["dist/**", "!dist/x"])
    assert globs.matches("packages/[id] */dist/a")
    assert not globs.matches("packages/i bc/dist/a")
    assert not globs.matches("packages/[id] */dist/x")


@pytest.mark.parametrize("pattern", ["../b/dist", "../../x", "/abs", "dist/../../b", "", "!", "[a"])
def test_patterns_that_leave_the_package_are_refused(pattern: str) -> None:
    with pytest.raises(OutputError, match="output pattern"):
        resolve_patterns("packages/a", [pattern])


def test_the_root_package_has_patterns_too() -> None:
    assert resolve_patterns("", ["dist/**", "$root/x"]).matches("dist/a")
    with pytest.raises(OutputError):
        resolve_patterns("", ["../dist"])


# --- collecting ------------------------------------------------------------------------------


def test_what_was_collected_is_restored_exactly(bench: Any) -> None:
    bench.write(TREE)
    collected = bench.collect()
    result = bench.result(TREE)
    assert collected.files == result.files
    assert collected.links == result.links
    assert collected.directories == result.directories
    bench.clean()
    bench.owned = collected.stamps
    assert bench.clean() == []
    assert bench.read() == {}
    bench.restore(result)
    assert bench.read() == TREE
    assert bench.leftovers() == []


def test_modes_are_those_of_a_fresh_file(bench: Any) -> None:
    bench.write({"pkg/dist/a": b"", "pkg/dist/b": b""})
    os.chmod(bench.root / "pkg/dist/a", 0o600)
    os.chmod(bench.root / "pkg/dist/b", 0o4700)
    collected = bench.collect()
    shutil.rmtree(bench.root / "pkg/dist")
    old = os.umask(0o027)
    try:
        bench.restore(bench.result({f.path: _content(f) for f in collected.files}))
    finally:
        os.umask(old)
    assert (bench.root / "pkg/dist/a").stat().st_mode & 0o7777 == 0o640
    assert (bench.root / "pkg/dist/b").stat().st_mode & 0o7777 == 0o750


def _content(file: Any) -> Any:
    return ("x", b"") if file.executable else b""


def test_tracked_files_are_never_outputs(bench: Any) -> None:
    bench.write({"pkg/dist/a": b"a", "pkg/dist/tracked": b"t", "pkg/dist/kept/.gitkeep": b""})
    bench.tracked = {"pkg/dist/tracked", "pkg/dist/kept/.gitkeep"}
    collected = bench.collect()
    assert [file.path for file in collected.files] == ["pkg/dist/a"]
    assert collected.directories == ()
    assert "pkg/dist/tracked" not in collected.stamps


def test_patterns_that_match_nothing_are_named(make_bench: Callable[..., Any]) -> None:
    bench = make_bench("dist/**", "coverage/**", "*.xml", "!dist/x", "tracked", "void/**")
    bench.write({"pkg/dist/a": b"", "pkg/tracked": b"", "pkg/void": None})
    bench.tracked = {"pkg/tracked"}
    assert bench.collect().unmatched == ("coverage/**", "*.xml")


def test_negations_leave_out(make_bench: Callable[..., Any]) -> None:
    bench = make_bench("dist/**", "!dist/cache/**")
    bench.write({"pkg/dist/a": b"", "pkg/dist/cache/b": b""})
    assert [file.path for file in bench.collect().files] == ["pkg/dist/a"]


def test_nothing_declared_is_nothing_collected(make_bench: Callable[..., Any]) -> None:
    bench = make_bench()
    bench.write({"pkg/a": b""})
    collected = bench.collect()
    assert (collected.files, collected.stamps, collected.unmatched) == ((), {}, ())


def test_only_empty_directories_are_recorded(make_bench: Callable[..., Any]) -> None:
    bench = make_bench("dist/**", "*.log")
    bench.write({"pkg/dist/a/b/c": b"", "pkg/dist/d/e": None, "pkg/f": None, "pkg/dist/g": None})
    assert bench.collect().directories == ("pkg/dist/d/e", "pkg/dist/g")


def test_links_inside_the_workspace_are_outputs(bench: Any) -> None:
    bench.write({"pkg/dist/up": ("->", "../../other/x"), "pkg/dist/gone": ("->", "./nowhere")})
    assert [link.target for link in bench.collect().links] == ["./nowhere", "../../other/x"]


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../../x", "sub/../../../../x", "sub/../a", "../../.git/config"]
)
def test_links_that_leave_the_workspace_are_refused(bench: Any, target: str) -> None:
    bench.write({"pkg/dist/sub/a": b"", "pkg/dist/link": ("->", target)})
    with pytest.raises(OutputError, match="pkg/dist/link: the symbolic link"):
        bench.collect()


def test_a_link_instead_of_the_output_directory_is_refused(bench: Any) -> None:
    bench.write({"pkg/build-1/a": b"", "pkg/dist": ("->", "build-1")})
    with pytest.raises(OutputError, match="pkg/dist: is a symbolic link"):
        bench.collect()


def test_sockets_and_pipes_are_refused(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write({"pkg/dist": None})
    os.mkfifo(bench.root / "pkg/dist/pipe")
    with pytest.raises(OutputError, match="pkg/dist/pipe: the output is a FIFO"):
        bench.collect()
    os.unlink(bench.root / "pkg/dist/pipe")
    monkeypatch.chdir(bench.root / "pkg/dist")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        with pytest.raises(OutputError, match="pkg/dist/s: the output is a socket"):
            bench.collect()


def test_a_git_directory_among_the_outputs_is_refused(bench: Any) -> None:
    bench.write({"pkg/dist/clone/.git/config": b""})
    with pytest.raises(OutputError, match="lies in a git directory"):
        bench.collect()


def test_the_repository_itself_is_no_output(tmp_path: Path, make_bench: Callable[..., Any]) -> None:
    bench = make_bench("$root/**")
    bench.write({".git/config": b"", "a": b""})
    assert [file.path for file in bench.collect().files] == ["a"]


def test_a_file_that_grows_while_it_is_read_is_refused(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write({"pkg/dist/a": b"a" * 10})
    _meddle(monkeypatch, lambda: (bench.root / "pkg/dist/a").write_bytes(b"a" * 11))
    with pytest.raises(OutputError, match="changed while"):
        bench.collect()


def test_a_file_that_appears_while_others_are_read_is_noticed(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write({"pkg/dist/a": b"a"})
    _meddle(monkeypatch, (bench.root / "pkg/dist/b").touch)
    with pytest.raises(OutputError, match="changed while they were collected: pkg/dist"):
        bench.collect()


def _meddle(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Do something between the first file's being opened and its being read."""
    original = collecting.blake3
    done: list[int] = []

    def meddling() -> Any:
        if not done:
            done.append(1)
            action()
        return original()

    monkeypatch.setattr(collecting, "blake3", meddling)


def test_who_owns_what_is_asked_about_all_that_git_does_not_track(bench: Any) -> None:
    bench.write(TREE)
    bench.tracked = {"pkg/dist/a.js"}
    asked: list[Sequence[str]] = []

    def own(present: Sequence[str]) -> set[str]:
        asked.append(present)
        assert bench.read()["pkg/dist/run"] == TREE["pkg/dist/run"], "nothing has changed yet"
        return set(present)

    clean(str(bench.root), bench.spec, **bench.rules() | {"own": own}, remove=False)
    assert bench.read().keys() == TREE.keys()
    clean(str(bench.root), bench.spec, **bench.rules() | {"own": own})
    assert [sorted(present) for present in asked] == [sorted(set(TREE) - bench.tracked)] * 2
    assert bench.read() == {"pkg/dist/a.js": b"a"}


# --- restoring -------------------------------------------------------------------------------


def test_what_the_task_left_before_gives_way(bench: Any) -> None:
    old = {
        "pkg/dist/a.js": b"old",
        "pkg/dist/stale/b.js": b"b",
        "pkg/dist/sub": b"a file where a directory comes",
        "pkg/dist/run/x": b"a directory where a file comes",
        "pkg/dist/empty": ("->", "a.js"),
    }
    bench.write(old)
    bench.owned = bench.collect().stamps
    bench.restore(bench.result(TREE))
    assert bench.read() == TREE
    bench.restore(bench.result(old))
    assert bench.read() == old


def test_what_git_ignores_gives_way(bench: Any) -> None:
    bench.write({"pkg/dist/a.js": b"from another tool", "pkg/dist/stale.js": b""})
    bench.ignored = {"pkg/dist/a.js", "pkg/dist/stale.js"}
    bench.restore(bench.result({"pkg/dist/a.js": b"a"}))
    assert bench.read() == {"pkg/dist/a.js": b"a"}


def test_what_somebody_else_left_stays_and_is_named(bench: Any) -> None:
    bench.write({"pkg/dist/mine": b"", "pkg/dist/theirs": b"", "pkg/dist/tracked": b""})
    bench.tracked, bench.others = {"pkg/dist/tracked"}, {"pkg/dist/theirs"}
    bench.ignored = {"pkg/dist/theirs"}
    left: list[str] = []
    bench.restore(bench.result({"pkg/dist/a.js": b"a"}), on_left=left.extend)
    assert left == ["pkg/dist/mine", "pkg/dist/theirs"]
    assert sorted(bench.read()) == [f"pkg/dist/{n}" for n in ("a.js", "mine", "theirs", "tracked")]


@pytest.mark.parametrize("content", [b"hand-written", ("->", "elsewhere"), ("x", b"a")])
def test_a_file_that_is_not_the_tasks_is_not_overwritten(bench: Any, content: Any) -> None:
    bench.write({"pkg/dist/a.js": content, "pkg/dist/old": b""})
    bench.ignored = {"pkg/dist/old"}
    before = bench.read()
    with pytest.raises(OutputError, match=r"pkg/dist/a\.js: a file stands in the way"):
        bench.restore(bench.result({"pkg/dist/a.js": b"a", "pkg/dist/b.js": b"b"}))
    assert bench.read() == before


def test_a_file_that_is_as_it_should_be_is_adopted(bench: Any) -> None:
    bench.write({"pkg/dist/a.js": b"a"})
    inode = os.stat(bench.root / "pkg/dist/a.js").st_ino
    stamps = bench.restore(bench.result({"pkg/dist/a.js": b"a", "pkg/dist/b.js": b"b"}))
    assert os.stat(bench.root / "pkg/dist/a.js").st_ino == inode
    assert "pkg/dist/a.js" in stamps


@pytest.mark.parametrize("present", [True, False])
def test_a_tracked_file_is_not_overwritten(bench: Any, present: bool) -> None:
    bench.write({"pkg/dist/a.js": b"by hand"} if present else {})
    bench.tracked = bench.ignored = {"pkg/dist/a.js"}
    bench.owned = ["pkg/dist/a.js"]
    with pytest.raises(OutputError, match="tracked by git"):
        bench.restore(bench.result({"pkg/dist/a.js": b"a"}))


def test_another_tasks_output_is_not_overwritten(bench: Any) -> None:
    bench.write({"pkg/dist/a.js": b"theirs"})
    bench.others = bench.ignored = {"pkg/dist/a.js"}
    with pytest.raises(OutputError, match="stands in the way"):
        bench.restore(bench.result({"pkg/dist/a.js": b"a"}))


def test_a_directory_with_something_foreign_in_it_does_not_give_way(bench: Any) -> None:
    bench.write({"pkg/dist/a/own": b"", "pkg/dist/a/foreign": b""})
    bench.owned = ["pkg/dist/a/own"]
    before = bench.read()
    with pytest.raises(OutputError, match="pkg/dist/a/foreign"):
        bench.restore(bench.result({"pkg/dist/a": b"a"}))
    assert bench.read() == before


def test_without_cleaning_the_rest_stays(bench: Any) -> None:
    bench.write({"pkg/dist/old": b"", "pkg/dist/void": None})
    bench.owned = ["pkg/dist/old", "pkg/dist/void"]
    bench.restore(bench.result({"pkg/dist/a": b""}), clean=False)
    assert sorted(bench.read()) == ["pkg/dist/a", "pkg/dist/old", "pkg/dist/void"]


@pytest.mark.parametrize("fault", ["missing", "damaged", "refused", "cut"])
def test_a_fault_while_fetching_changes_nothing(bench: Any, fault: str) -> None:
    bench.write({"pkg/dist/old": b"old"})
    bench.owned = ["pkg/dist/old"]
    result = bench.result({"pkg/dist/a": b"a", "pkg/dist/b": b"bbb"})

    def fetch(digests: Any, sink: Any) -> None:
        bench.fetch(list(digests)[:1], sink)
        last = list(digests)[1]
        if fault == "refused":
            raise CacheError("the network is down")
        if fault != "missing":
            path = bench.base / "damaged"
            path.write_bytes(b"bbX" if fault == "damaged" else b"bb")
            sink.clone(last, str(path))

    with pytest.raises(CacheError):
        bench.restore(result, fetch=fetch)
    assert bench.read() == {"pkg/dist/old": b"old"}
    assert bench.leftovers() == []


def test_an_interrupt_while_fetching_changes_nothing(bench: Any) -> None:
    def fetch(_digests: Any, _sink: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.restore(bench.result({"pkg/dist/a": b"a"}), fetch=fetch)
    assert bench.read() == {}
    assert bench.leftovers() == []


def test_blobs_are_never_shared_with_the_store(bench: Any, tmp_path: Path) -> None:
    for size in (10, 100_000):
        blob = tmp_path / f"blob{size}"
        blob.write_bytes(b"b" * size)
        result = bench.result({"pkg/dist/a": b"b" * size, "pkg/dist/b": ("x", b"b" * size)})
        bench.restore(result, fetch=lambda ds, sink, path=blob: sink.clone(*ds, str(path)))
        for name in ("a", "b"):
            with (bench.root / "pkg/dist" / name).open("r+b") as file:
                file.write(b"X")
        assert blob.read_bytes() == b"b" * size
        assert blob.stat().st_nlink == 1


@pytest.mark.parametrize(
    ("patterns", "tree", "shorter"),
    [
        (("dist/**",), TREE, True),
        (("dist/**", "build/**", "!dist/sub/**"), {"pkg/dist/a/b": b"b", "pkg/dist/d": None}, True),
        (("dist/**", "build/**"), {"pkg/dist/a": b"a", "pkg/build/b": b"b"}, False),
        (("a/b/c.txt", "a/b/d/**"), {"pkg/a/b/c.txt": b"c", "pkg/a/b/d/e": b"e"}, False),
        (("out.txt",), {"pkg/out.txt": b"out"}, False),
    ],
)
def test_what_is_planned_where_nothing_stands_is_what_is_planned_anywhere(
    make_bench: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    patterns: Sequence[str],
    tree: dict[str, Any],
    *,
    shorter: bool,
) -> None:
    plans: list[Plan] = []
    shortly: list[Plan | None] = []
    graft, plan_shortly = Plan.graft, restoring._plan_where_nothing_stands

    def noting(plan: Plan) -> Any:
        plans.append(plan)
        return graft(plan)

    def noting_shortly(*arguments: Any) -> Plan | None:
        shortly.append(plan_shortly(*arguments))
        return shortly[-1]

    monkeypatch.setattr(Plan, "graft", noting)
    monkeypatch.setattr(restoring, "_plan_where_nothing_stands", noting_shortly)
    bench = make_bench(*patterns)
    result = bench.result(tree)
    bench.restore(result)
    assert bench.read() == tree
    assert shortly == [plans[0] if shorter else None]
    bench.clean()
    shutil.rmtree(bench.root / "pkg")
    (bench.root / "pkg").mkdir()
    monkeypatch.setattr(restoring, "_plan_where_nothing_stands", lambda *_: None)
    bench.restore(result)
    assert bench.read() == tree
    assert plans[0] == plans[1]


def test_what_stands_elsewhere_gives_way_although_nothing_stands_where_the_result_goes(
    make_bench: Callable[..., Any],
) -> None:
    bench = make_bench("dist/**", "build/**")
    bench.restore(bench.result({"pkg/build/old": b"old"}))
    bench.restore(bench.result({"pkg/dist/new": b"new"}))
    assert bench.read() == {"pkg/dist/new": b"new"}


def test_the_staging_directory_is_scattered_once(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scattered: list[str] = []
    monkeypatch.setattr("bao_core.outputs.swap.scatter", scattered.append)
    bench.restore(bench.result({"pkg/dist/a": b"a"}))
    bench.clean()
    bench.restore(bench.result({"pkg/dist/b": b"b"}))
    assert scattered == [str(bench.staging)]


def test_a_staging_directory_that_has_gone_is_made_again(bench: Any) -> None:
    bench.restore(bench.result({"pkg/dist/a": b"a"}))
    shutil.rmtree(bench.staging)
    bench.clean()
    bench.restore(bench.result({"pkg/dist/b": b"b"}))
    assert bench.read() == {"pkg/dist/b": b"b"}


def test_restoring_several_tasks_at_once(new_bench: Callable[[], Any]) -> None:
    benches = [new_bench() for _ in range(4)]
    threads = [threading.Thread(target=b.restore, args=(b.result(TREE),)) for b in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(b.read() == TREE for b in benches)


def test_staging_on_another_file_system_uses_the_git_directory(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write({".git/HEAD": b""})
    _pretend_another_device(monkeypatch, str(bench.staging))
    seen: list[list[Path]] = []

    def staged() -> list[Path]:
        return list((bench.root / ".git/bao-staging").glob("*/*"))

    def fetch(digests: Any, sink: Any) -> None:
        seen.append(staged())
        bench.fetch(digests, sink)

    bench.restore(bench.result(TREE), fetch=fetch)
    assert bench.read() == TREE
    assert len(seen[0]) == 1
    assert staged() == bench.leftovers() == []


def test_outputs_on_another_file_system_are_copied(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"pkg/dist/old": b"o", "pkg/dist/a.js": ("x", b"old"), "pkg/dist/latest": ("->", "old")}
    bench.write(old)
    bench.owned = list(old)
    _refuse_renames_across(monkeypatch, str(bench.staging))
    bench.restore(bench.result(TREE))
    assert bench.read() == TREE
    assert bench.leftovers() == []


def test_a_fault_on_another_file_system_is_undone(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"pkg/dist/old": b"o", "pkg/dist/a.js": ("x", b"old"), "pkg/dist/latest": ("->", "old")}
    bench.write(old)
    bench.owned = list(old)
    _refuse_renames_across(monkeypatch, str(bench.staging))

    def full(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "symlink", _after(2, os.symlink, full))
    with pytest.raises(OutputError, match="No space left"):
        bench.restore(bench.result({"pkg/dist/l": ("->", "m"), **TREE}))
    monkeypatch.undo()
    assert bench.read() == old


def _after(count: int, first: Callable[..., Any], then: Callable[..., Any]) -> Callable[..., Any]:
    calls: list[int] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return (first if len(calls) != count else then)(*args, **kwargs)

    return call


def _pretend_another_device(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    original = os.stat

    def stat(name: Any, **kwargs: Any) -> Any:
        found = original(name, **kwargs)
        if name != path:
            return found

        class Elsewhere:
            st_dev = found.st_dev + 1

        return Elsewhere()

    monkeypatch.setattr(os, "stat", stat)


def _refuse_renames_across(monkeypatch: pytest.MonkeyPatch, staging: str) -> None:
    original = os.rename

    def rename(source: Any, target: Any, **kwargs: Any) -> None:
        if str(source).startswith(staging) != str(target).startswith(staging):
            raise OSError(18, "Invalid cross-device link")
        original(source, target, **kwargs)

    monkeypatch.setattr(os, "rename", rename)


# --- standing --------------------------------------------------------------------------------


def test_outputs_that_stand_are_found_standing(bench: Any) -> None:
    stamps = bench.restore(bench.result(TREE))
    assert bench.standing(bench.result(TREE)) == stamps
    assert verify_outputs(str(bench.root), bench.result(TREE))


@pytest.mark.parametrize(
    "change",
    [
        {"pkg/dist/a.js": b"b"},
        {"pkg/dist/a.js": b"longer"},
        {"pkg/dist/a.js": ("x", b"a")},
        {"pkg/dist/empty/within/x": b""},
    ],
)
def test_outputs_that_differ_are_not_found_standing(bench: Any, change: Any) -> None:
    bench.restore(bench.result(TREE))
    bench.write(change)
    assert bench.standing(bench.result(TREE)) is None


def test_something_more_that_a_restore_would_remove_is_a_difference(bench: Any) -> None:
    result = bench.result({"pkg/dist/a.js": b"a"})
    bench.restore(result)
    bench.write({"pkg/dist/b.js": b"b"})
    assert verify_outputs(str(bench.root), result)
    assert bench.standing(result) is not None, "it is somebody's own, and a restore leaves it"
    bench.ignored = {"pkg/dist/b.js"}
    assert bench.standing(result, clean=False) is not None
    assert bench.standing(result) is None


@pytest.mark.parametrize("gone", ["a.js", "latest", "empty/within"])
def test_something_missing_is_a_difference(bench: Any, gone: str) -> None:
    bench.restore(bench.result(TREE))
    path = bench.root / "pkg/dist" / gone
    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    assert not verify_outputs(str(bench.root), bench.result(TREE))
    assert bench.standing(bench.result(TREE)) is None


# --- cleaning --------------------------------------------------------------------------------


def test_cleaning_removes_what_the_task_owns_and_names_the_rest(bench: Any) -> None:
    bench.write(
        {
            "pkg/dist/owned": b"",
            "pkg/dist/ignored/x": b"",
            "pkg/dist/foreign": b"",
            "pkg/dist/theirs": b"",
            "pkg/dist/tracked": b"",
            "pkg/dist/void": None,
            "pkg/other": b"",
        }
    )
    bench.owned = ["pkg/dist/owned", "pkg/dist/tracked", "pkg/dist/theirs", "pkg/other"]
    bench.ignored = {"pkg/dist/ignored/x"}
    bench.others = {"pkg/dist/theirs"}
    bench.tracked = {"pkg/dist/tracked"}
    assert bench.clean() == ["pkg/dist/foreign", "pkg/dist/theirs"]
    assert sorted(bench.read()) == [
        "pkg/dist/foreign",
        "pkg/dist/theirs",
        "pkg/dist/tracked",
        "pkg/other",
    ]


def test_cleaning_removes_a_link_of_its_own_and_not_what_it_leads_to(bench: Any) -> None:
    bench.write({"pkg/src/a": b"", "pkg/dist": ("->", "src")})
    assert bench.clean() == ["pkg/dist"]
    bench.owned = ["pkg/dist"]
    assert bench.clean() == []
    assert bench.read() == {"pkg/src/a": b""}


def test_git_is_asked_once_and_only_about_what_nobody_recorded(bench: Any) -> None:
    bench.write({f"pkg/dist/{n}": b"" for n in ("a", "b", "owned", "theirs", "tracked")})
    asked: list[list[str]] = []
    rules = bench.rules() | {
        "own": lambda _present: ["pkg/dist/owned"],
        "others": "pkg/dist/theirs".__eq__,
        "is_tracked": "pkg/dist/tracked".__eq__,
        "is_ignored": lambda paths: asked.append(list(paths)) or set(),
    }
    clean(str(bench.root), OutputSpec("pkg", ("dist/**",)), **rules)
    assert asked == [["pkg/dist/a", "pkg/dist/b"]]


def test_a_directory_that_may_not_be_written_is_named(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write({"pkg/dist/a": b""})
    bench.owned = ["pkg/dist/a"]

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(OutputError, match=r"pkg/dist/a: .*cannot be removed: Permission denied"):
        bench.clean()
