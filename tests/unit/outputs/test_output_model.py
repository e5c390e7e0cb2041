"""Whatever a task leaves comes back exactly, over whatever stood there before."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bao_core.errors import OutputError
from bao_core.outputs import OutputSpec
from bao_core.outputs.stamps import stamps_equal

if TYPE_CHECKING:
    from collections.abc import Callable

names = st.one_of(
    st.sampled_from(["a", "b", "c", "d"]),
    st.binary(min_size=1, max_size=6)
    .filter(lambda raw: not set(raw) & {0, ord("/")} and raw not in {b".", b".."})
    .map(os.fsdecode)
    .filter(lambda name: name.lower() != ".git"),
)
contents = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([0, 1, 70_000]).map(lambda size: b"x" * size),
    st.tuples(st.just("x"), st.binary(max_size=4)),
    st.tuples(st.just("->"), st.sampled_from(["a", "../d/e", "./x", "nowhere", "../../src"])),
    st.none(),
)
Nodes = dict[str, Any]
trees = st.recursive(
    st.dictionaries(names, contents, max_size=4),
    lambda below: st.dictionaries(names, st.one_of(contents, below), max_size=4),
    max_leaves=12,
)


def flat(tree: Nodes, top: str = "pkg/dist") -> dict[str, Any]:
    """A nested tree as paths; an empty directory is None."""
    if not tree:
        return {top: None}
    found: dict[str, Any] = {}
    for name, content in tree.items():
        path = f"{top}/{name}"
        found.update(flat(content, path) if isinstance(content, dict) else {path: content})
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=trees, second=trees, owner=st.sampled_from(["stamps", "ignored"]))
def test_any_tree_comes_back_over_any_other(
    first: Nodes, second: Nodes, owner: str, new_bench: Callable[[], Any]
) -> None:
    bench = new_bench()
    wanted, before = flat(first), flat(second)
    bench.write(wanted)
    collected = bench.collect()
    result = bench.result(wanted)
    assert collected.files == result.files
    assert collected.links == result.links
    assert collected.directories == result.directories
    bench.owned = tuple(collected.stamps)

    bench.clean()
    assert bench.read() == {}
    bench.write(before)
    if owner == "stamps":
        bench.owned = tuple(bench.collect().stamps)
    else:
        bench.owned, bench.ignored = (), set(before)
    stamps = bench.restore(result)
    assert bench.read() == wanted
    assert stamps_equal(str(bench.root), stamps)
    assert bench.standing(result) == stamps == bench.collect().stamps
    assert bench.leftovers() == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mine=trees, theirs=trees)
def test_nothing_of_somebody_elses_is_ever_changed(
    mine: Nodes, theirs: Nodes, new_bench: Callable[[], Any]
) -> None:
    """A restore over a tree that is not the task's keeps all of it, whether it works or not."""
    bench = new_bench()
    before, wanted = flat(theirs), flat(mine)
    bench.write(before)
    leaves = {path: content for path, content in before.items() if content is not None}
    try:
        bench.restore(bench.result(wanted))
    except OutputError:
        assert bench.read() == before
    else:
        after = bench.read()
        assert {path: after.get(path) for path in leaves} == leaves
        assert {path: after.get(path) for path in wanted if wanted[path]} == {
            path: content for path, content in wanted.items() if content
        }
        # What is exactly the output is taken for it from now on.
        leaves = {path: content for path, content in leaves.items() if path not in wanted}
    bench.clean()
    after = bench.read()
    assert {path: after.get(path) for path in leaves} == leaves


PATTERNS = [
    ("dist/**",),
    ("dist/**", "!dist/c/**"),
    ("dist/a/**", "dist/b/**", "dist/c", "dist/d"),
    ("dist/*", "dist/*/**"),
    ("dist/a", "dist/b/c/**"),
    ("dist/**", "other/**"),
    ("dist",),
    ("**/dist/**",),
    ("d*/**",),
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=trees, patterns=st.sampled_from(PATTERNS))
def test_stamps_after_restoring_into_nothing_are_those_of_a_look_at_everything(
    tree: Nodes, patterns: tuple[str, ...], new_bench: Callable[[], Any]
) -> None:
    bench = new_bench()
    bench.spec = OutputSpec("pkg", patterns)
    bench.write(flat(tree))
    try:
        collected = bench.collect()
    except OutputError:
        return
    result = replace(
        bench.result({}),
        files=collected.files,
        links=collected.links,
        directories=collected.directories,
    )
    shutil.rmtree(bench.root / "pkg/dist")
    stamps = bench.restore(result)
    assert stamps == bench.collect().stamps
    assert bench.leftovers() == []
