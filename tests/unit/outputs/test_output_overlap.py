"""Two tasks that could write the same path are found out before either has run."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bao_core.errors import OutputError
from bao_core.model import TaskId
from bao_core.outputs import OutputSpec, find_overlaps, overlap, resolve_patterns


def asked(a: str, b: str) -> bool:
    return overlap(OutputSpec("p", tuple(a.split())), OutputSpec("p", tuple(b.split())))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("dist/**", "dist/**"),
        ("dist/**", "dist/a.js"),
        ("dist", "dist/sub/**"),
        ("dist/*.js", "dist/a.*"),
        ("dist/**/*.js", "dist/sub/**"),
        ("*.{js,css}", "a.css"),
        ("**/*.map", "dist/**"),
        ("a?c", "abc"),
        ("a[bc]d", "abd"),
        ("dist/** !dist/cache/**", "dist/cache/x dist/y"),
        ("$root/x/**", "$root/x/y"),
        ("**", "anything"),
        ("dist/a**z", "dist/abc/z"),
        (r"a\*b", "a?b"),
    ],
)
def test_outputs_that_overlap(a: str, b: str) -> None:
    assert asked(a, b)
    assert asked(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("dist/**", "build/**"),
        ("dist/**", "distant/**"),
        ("dist/*.js", "dist/*.css"),
        ("dist/*.{js,mjs}", "dist/*.{css,map}"),
        ("dist/*", "dist/sub/x"),
        ("dist/**/*.js", "dist/**/*.css"),
        ("a?c", "abbc"),
        (".next/** !.next/cache/**", ".next/cache/**"),
        ("dist/** !dist/a.js", "dist/a.js"),
        ("dist/** !dist/{a,b}/**", "dist/a/** dist/b/x"),
        ("", "dist"),
        (r"a\*b", "axb"),
        ("dist/", "dist.txt"),
    ],
)
def test_outputs_that_do_not_overlap(a: str, b: str) -> None:
    assert not asked(a, b)
    assert not asked(b, a)


def test_packages_within_each_other() -> None:
    outer, inner = OutputSpec("p", ("**/*.log",)), OutputSpec("p/q", ("a.log",))
    assert overlap(outer, inner)
    assert not overlap(outer, OutputSpec("q", ("a.log",)))
    assert not overlap(OutputSpec("p[1]", ("x",)), OutputSpec("p1", ("x",)))


def test_a_broken_pattern_is_an_error() -> None:
    with pytest.raises(OutputError):
        asked("../x", "y")


def test_all_pairs_are_found_and_few_are_compared() -> None:
    specs = {TaskId(f"p{n}#build"): OutputSpec(f"p{n}", ("dist/**", "x.log")) for n in range(500)}
    specs[TaskId("p7#test")] = OutputSpec("p7", ("*.log",))
    specs[TaskId("//#all")] = OutputSpec("", ("p9/dist/a", "p10/other"))
    assert list(find_overlaps(specs)) == [("p7#build", "p7#test"), ("p9#build", "//#all")]


segments = st.sampled_from(["a", "b", "ab", "*", "a*", "*b", "**", "?", "{a,b}", "a**"])
patterns = st.lists(segments, min_size=1, max_size=3).map("/".join)
specs = st.lists(st.tuples(st.sampled_from(["", "", "!"]), patterns), min_size=1, max_size=3).map(
    lambda found: tuple(sign + pattern for sign, pattern in found)
)
PATHS = ["/".join(["p", *each]) for n in (1, 2, 3) for each in product(("a", "b", "ab"), repeat=n)]


@settings(max_examples=400, deadline=None)
@given(specs, specs)
def test_a_path_that_both_match_is_never_missed(a: tuple[str, ...], b: tuple[str, ...]) -> None:
    first, second = resolve_patterns("p", a), resolve_patterns("p", b)
    if any(first.matches(path) and second.matches(path) for path in PATHS):
        assert overlap(OutputSpec("p", a), OutputSpec("p", b))
