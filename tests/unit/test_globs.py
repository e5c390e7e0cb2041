"""What path patterns match, against recorded answers and against a model of its own."""

from __future__ import annotations

from itertools import groupby, product
from typing import Literal, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bao_core.globs import check_glob, compile_globs, escape_glob, rebase_glob

unhurried = settings(deadline=None)  # a busy machine is no mistake

# --- recorded answers ------------------------------------------------------------------------

PACKAGE_FILES = (
    ".env",
    ".hidden/x.txt",
    "README.md",
    "[id]/p.ts",
    "dist/tracked.js",
    "foo.ts",
    "foo/index.ts",
    "nested/package.json",
    "nested/src/a.ts",
    "node_modules/m/i.js",
    "package.json",
    "src/A B.txt",
    "src/a.ts",
    "src/b.test.ts",
    "src/b.ts",
    "src/ünï.txt",
    "src/x.log",
    "test/t.ts",
)
SOURCES = ("src/A B.txt", "src/a.ts", "src/b.test.ts", "src/b.ts", "src/ünï.txt", "src/x.log")
NOT_SOURCES = tuple(path for path in PACKAGE_FILES if path not in SOURCES)
TYPESCRIPT = (
    "[id]/p.ts",
    "foo.ts",
    "foo/index.ts",
    "nested/src/a.ts",
    "src/a.ts",
    "src/b.test.ts",
    "src/b.ts",
    "test/t.ts",
)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["src/**"], SOURCES),
        (["src"], SOURCES),
        (["src/"], SOURCES),
        (["src/*"], SOURCES),
        (["./src/**"], SOURCES),
        (["**"], PACKAGE_FILES),
        (["**/*"], PACKAGE_FILES),
        (["."], PACKAGE_FILES),
        (["*"], (".env", "README.md", "foo.ts", "package.json")),
        (["**/*.ts"], TYPESCRIPT),
        (["**.ts"], TYPESCRIPT),
        (["!src/**"], ()),
        ([], ()),
        (["**", "!src"], NOT_SOURCES),
        (["!src", "**"], NOT_SOURCES),
        (["src/**", "!src/b.ts"], tuple(path for path in SOURCES if path != "src/b.ts")),
        (["src/{b,b.test}.ts"], ("src/b.test.ts", "src/b.ts")),
        (["[id]/**"], ()),
        (["\\[id\\]/**"], ("[id]/p.ts",)),
        (["\\[id\\]"], ("[id]/p.ts",)),
        (["src/?.ts"], ("src/a.ts", "src/b.ts")),
        (["foo"], ("foo/index.ts",)),
        (["foo*"], ("foo.ts",)),
        (["foo*/"], ("foo/index.ts",)),
        ([".env*"], (".env",)),
        (["zzz/**"], ()),
        (["nested/**"], ("nested/package.json", "nested/src/a.ts")),
        (["*.ts"], ("foo.ts",)),
        (["a.ts"], ()),
        (["**/b.ts"], ("src/b.ts",)),
        (["src/**/b.ts"], ("src/b.ts",)),
        (["SRC/**"], ()),
        (["**", "!src/**", "src/*.ts"], NOT_SOURCES),
    ],
)
def test_patterns_match_what_was_recorded(patterns: list[str], expected: tuple[str, ...]) -> None:
    globs = compile_globs(patterns)
    assert tuple(globs.select(PACKAGE_FILES)) == expected
    assert tuple(filter(globs.matches, PACKAGE_FILES)) == expected


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        # Turborepo's `!dir` and `!dir/` beside its default exclude nothing.
        (["**", "!src"], NOT_SOURCES),
        (["**", "!src/"], NOT_SOURCES),
        # Turborepo cannot exclude a file that is named literally.
        (["src/b.ts", "!src/b.ts"], ()),
        (["!src/**", "src/b.ts"], ()),
        (["src/b.ts", "**/*", "!src/**"], NOT_SOURCES),
    ],
)
def test_negation_holds_where_turborepo_forgets_it(
    patterns: list[str], left: tuple[str, ...]
) -> None:
    assert tuple(compile_globs(patterns).select(PACKAGE_FILES)) == left


@pytest.mark.parametrize(
    ("pattern", "path", "matched"),
    [
        ("dist", "dist", True),
        ("dist/**", "dist", False),
        ("dist/", "dist", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/**/b", "a/b", True),
        ("a/**/b", "ab", False),
        ("**", "", True),
        ("packages/**", "packages", False),
        ("a**b", "a/x/b", True),
        ("src/**.py", "src/deep/m.py", True),
        ("{a,b/c}/*.py", "b/c/m.py", True),
        ("{a,lib*}", "a/below", True),
        ("{a,lib*}", "lib1/below", False),
        ("{a,{b,c}d}e", "cde", True),
        ("[!a]", "/", False),
        ("a[+-9]b", "a/b", False),
        ("[]]x", "]x", True),
        ("[a-]x", "-x", True),
        ("[^a]", "a", False),
        ("x[!a/b]", "x[!a/b]", True),
        ("[/]x", "[/]x", True),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("\\**", "*a", True),
        ("\\!keep", "!keep", True),
        ("a.b", "axb", False),
        ("*", "a\nb", True),
        ("a/./b//c", "a/b/c", True),
        ("/a", "a", False),
        ("", "", False),
        ("../a", "a", False),
        ("caf\udce9*", "caf\udce9.txt", True),
    ],
)
def test_each_sign_means_what_the_manual_says(pattern: str, path: str, *, matched: bool) -> None:
    assert compile_globs([pattern]).matches(path) is matched


# --- the model -------------------------------------------------------------------------------

LETTERS = "ab.-[é\n"


class Sign(NamedTuple):
    """One sign of a pattern: what it is, how it is written, and the characters it stands for."""

    kind: Literal["text", "one", "star", "class", "not-class"]
    written: str
    members: str = ""


Segment = list[Sign]

texts = st.sampled_from(LETTERS).map(lambda c: Sign("text", "\\[" if c == "[" else c, c))
classes = st.builds(
    lambda members, negated: Sign(
        "not-class" if negated else "class",
        f"[{'!' if negated else ''}{''.join(members)}]",
        "".join(members),
    ),
    st.lists(st.sampled_from("ab."), min_size=1, max_size=2),
    st.booleans(),
)
signs = st.one_of(
    texts, texts, texts, st.just(Sign("one", "?")), st.just(Sign("star", "*")), classes
)
choices: st.SearchStrategy[list[Segment]] = st.one_of(
    signs.map(lambda sign: [[sign]]),
    signs.map(lambda sign: [[sign]]),
    signs.map(lambda sign: [[sign]]),
    st.lists(st.lists(signs, min_size=1, max_size=2), min_size=1, max_size=3),
)
segment_choices = st.lists(choices, min_size=1, max_size=3)
patterns = st.lists(segment_choices, min_size=1, max_size=4)
paths = st.lists(
    st.text(LETTERS, min_size=1, max_size=4).filter(lambda name: name not in {".", ".."}),
    min_size=1,
    max_size=4,
).map("/".join)


def written(pattern: list[list[list[Segment]]], *, slash: bool) -> str:
    return "/".join("".join(map(written_choice, segment)) for segment in pattern) + "/" * slash


def written_choice(choice: list[Segment]) -> str:
    alternatives = ["".join(sign.written for sign in signs_) for signs_ in choice]
    return alternatives[0] if len(choice) == 1 else "{" + ",".join(alternatives) + "}"


def model_matches(pattern: list[list[list[Segment]]], path: str, *, slash: bool) -> bool:
    """Whether a pattern matches a path, worked out by trying everything."""
    flat = [choice for segment in pattern for choice in segment]
    for picked in product(*flat):
        rest = iter(picked)
        segments = [[s for _ in segment for s in next(rest)] for segment in pattern]
        segments = [s for s in segments if [sign.written for sign in s] != ["."]]
        if model_matches_one(segments, path, slash=slash):
            return True
    return False


def model_matches_one(segments: list[Segment], path: str, *, slash: bool) -> bool:
    if all(sign.kind == "text" for segment in segments for sign in segment):
        name = "/".join("".join(sign.members for sign in segment) for segment in segments)
        return not name or path.startswith(f"{name}/") or (not slash and path == name)
    anything = [Sign("star", "*")] * 2
    return follows([*segments, anything] if slash else segments, path)


def follows(segments: list[Segment], path: str) -> bool:
    """Whether a path, all of it, is one for the segments."""
    first, *rest = segments
    stars = sum(sign.kind == "star" for sign in first)
    if stars == len(first) > 1:
        starts = [0, *(index + 1 for index, sign in enumerate(path) if sign == "/" and index)]
        return any(follows(rest, path[start:]) for start in starts) if rest else path != ""
    ends = {end for end in range(1, len(path) + 1) if spells(first, path[:end])}
    if not rest:
        return len(path) in ends
    return any(path[end : end + 1] == "/" and follows(rest, path[end + 1 :]) for end in ends)


def spells(segment: Segment, text: str) -> bool:
    runs = [(is_star, list(run)) for is_star, run in groupby(segment, lambda s: s.kind == "star")]
    if not runs:
        return not text
    is_star, run = runs[0]
    rest = segment[len(run) :]
    if is_star:
        return any(
            spells(rest, text[end:])
            for end in range(len(text) + 1)
            if len(run) > 1 or "/" not in text[:end]
        )
    return (
        len(text) >= len(run)
        and all(stands_for(sign, char) for sign, char in zip(run, text, strict=False))
        and spells(rest, text[len(run) :])
    )


def stands_for(sign: Sign, char: str) -> bool:
    match sign.kind:
        case "text" | "class":
            return char in sign.members
        case "not-class":
            return char != "/" and char not in sign.members
        case _:
            return char != "/"


@unhurried
@given(patterns, st.booleans(), st.lists(paths, min_size=1, max_size=8))
def test_matching_agrees_with_a_model_that_tries_everything(
    pattern: list[list[list[Segment]]],
    slash: bool,
    tried: list[str],
) -> None:
    text = written(pattern, slash=slash)
    globs = compile_globs([text])
    for path in tried:
        assert globs.matches(path) is model_matches(pattern, path, slash=slash), (text, path)


@unhurried
@given(
    patterns.map(lambda p: written(p, slash=False)),
    patterns.map(lambda p: written(p, slash=False)),
    paths,
)
def test_order_does_not_count_and_negation_wins(first: str, second: str, path: str) -> None:
    there = compile_globs([first]).matches(path)
    excluded = compile_globs([second]).matches(path)
    for order in ([first, f"!{second}"], [f"!{second}", first]):
        assert compile_globs(order).matches(path) is (there and not excluded)


# --- where to search -------------------------------------------------------------------------


@unhurried
@given(
    st.lists(patterns.map(lambda p: written(p, slash=False)), min_size=1, max_size=3),
    st.lists(patterns.map(lambda p: written(p, slash=True)), max_size=2),
    paths,
)
def test_a_search_that_follows_the_hints_finds_every_match(
    positive: list[str], negative: list[str], path: str
) -> None:
    globs = compile_globs([*positive, *(f"!{pattern}" for pattern in negative)])
    if not globs.matches(path):
        return
    above = [path[:index] for index, sign in enumerate(path) if sign == "/"]
    assert any(not d or path == d or path.startswith(f"{d}/") for d in globs.directories())
    assert all(map(globs.reaches, ["", *above]))


@pytest.mark.parametrize(
    ("patterns", "directories"),
    [
        (["**/*.ts"], ("",)),
        (["src/**", "src/deep/**", "lib/*.py"], ("lib", "src")),
        (["a/b.txt", "a-b/**", "a/**"], ("a", "a-b")),
        (["{src,lib}/**/*.py"], ("lib", "src")),
        (["src/deep/*.py"], ("src/deep",)),
        (["\\[id\\]/*"], ("[id]",)),
        (["!src/**"], ()),
        (["*", "src/**"], ("",)),
    ],
)
def test_directories_are_the_literal_starts(patterns: list[str], directories: tuple[str]) -> None:
    assert compile_globs(patterns).directories() == directories


@pytest.mark.parametrize(
    ("patterns", "directory", "reached"),
    [
        (["*.ts"], "node_modules", False),
        (["src/*/x"], "src/a", True),
        (["src/*/x"], "src/a/b", False),
        (["src/*/x"], "lib", False),
        (["**", "!node_modules/**"], "node_modules", False),
        (["**", "!**/node_modules/**"], "a/node_modules/b", False),
        (["**", "!**/node_modules/*"], "a/node_modules", True),
        (["**", "!node_modules"], "node_modules/a", False),
    ],
)
def test_a_search_stays_out_of_directories_that_cannot_match(
    patterns: list[str], directory: str, *, reached: bool
) -> None:
    assert compile_globs(patterns).reaches(directory) is reached


# --- moving patterns -------------------------------------------------------------------------


@unhurried
@given(
    patterns.map(lambda p: written(p, slash=False)).filter(lambda p: ".." not in p.split("/")),
    st.text("a*?[]{}!\\b,", min_size=1),
    paths,
)
@example("*.ts", "apps/[id]", "a.ts")
def test_a_pattern_means_the_same_from_the_root(pattern: str, directory: str, path: str) -> None:
    rebased = compile_globs([rebase_glob(pattern, directory)])
    assert rebased.matches(f"{directory}/{path}") is compile_globs([pattern]).matches(path)
    assert not rebased.matches(f"other/{path}")


@pytest.mark.parametrize(
    ("pattern", "directory", "rebased"),
    [
        ("src/**", "packages/a", "packages/a/src/**"),
        ("!src/**", "packages/a", "!packages/a/src/**"),
        ("$root/x.txt", "packages/a", "x.txt"),
        ("!$root/*.txt", "packages/a", "!*.txt"),
        ("../../x.txt", "packages/a", "x.txt"),
        ("./../b/*", "packages/a", "packages/b/*"),
        ("../../../x", "packages/a", "../x"),
        ("src", "", "src"),
        (".", "packages/a", "packages/a"),
        ("..", "a", "."),
        ("/etc", "a", "/etc"),
    ],
)
def test_rebasing_resolves_the_root_and_leading_dots(
    pattern: str, directory: str, rebased: str
) -> None:
    assert rebase_glob(pattern, directory) == rebased


@unhurried
@given(st.text(min_size=1).filter(lambda name: "/" not in name and name not in {".", ".."}))
def test_an_escaped_path_matches_itself_alone(name: str) -> None:
    globs = compile_globs([escape_glob(name)])
    assert globs.matches(name)
    assert globs.matches(f"{name}/below")
    assert not globs.matches(f"{name}x")


# --- bad and hostile patterns ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("", "empty"),
        ("!", "empty"),
        ("!!a", "negated twice"),
        ("/etc/passwd", "absolute"),
        ("!/etc", "absolute"),
        ("{a,/b}", "absolute"),
        ("../a", "'..'"),
        ("a/../b", "'..'"),
        ("a/..", "'..'"),
        ("{a,..}/b", "'..'"),
        ("[ab", "']'"),
        ("[a/b]", "']'"),
        ("[]", "']'"),
        ("[!]", "']'"),
        ("[z-a]", "wrong way round, z-a"),
        ("[[:alpha:]]", "named class"),
        ("{a,b", "without its '}'"),
        ("a}", "without a '{'"),
        ("a\\", "backslash"),
        ("a\0b", "NUL"),
        ("{a,b}" * 11, "more than 1000"),
        ("{" * 30 + "}" * 30, "more than 1000"),
    ],
)
def test_a_bad_pattern_is_named(pattern: str, complaint: str) -> None:
    said = check_glob(pattern)
    assert said is not None
    assert complaint in said


@pytest.mark.parametrize("pattern", ["a..b", "..a", "a/...", "!src/**", "{a,b}/{c,d}", "[!a-z]*"])
def test_a_good_pattern_gets_no_complaint(pattern: str) -> None:
    assert check_glob(pattern) is None


@unhurried
@given(st.text("ab/*?[]{},!^-\\.\0é", max_size=20), paths)
def test_any_text_can_be_compiled_and_checked(pattern: str, path: str) -> None:
    globs = compile_globs([pattern, "**"])
    globs.matches(path)
    globs.reaches(path)
    globs.directories()
    check_glob(pattern)


def test_many_stars_do_not_take_forever() -> None:
    globs = compile_globs(["*a" * 40 + "b", "**/" * 8 + "z"])
    assert not globs.matches("a" * 200)
    assert not globs.matches("a/" * 30 + "a")


def test_the_same_patterns_are_compiled_once() -> None:
    assert compile_globs(["src/**"]) is compile_globs(("src/**",))


plain_segments = st.text("ab.é-", min_size=1, max_size=3).filter(lambda s: s not in {".", ".."})
plain_patterns = st.builds(
    lambda sign, names, ending: sign + "/".join(names) + ending,
    st.sampled_from(["", "!"]),
    st.lists(plain_segments, min_size=1, max_size=3),
    st.sampled_from(["", "/*", "/**", "/**/*.js", "/"]),
)


@given(
    st.lists(plain_patterns, max_size=4), st.lists(plain_segments, min_size=1, max_size=2), paths
)
@example(["a/**", "!a/b"], ["pkg"], "a/b")
@example(["a/**", "!a/*.js"], ["pkg", "x"], "a/b.js")
def test_patterns_below_a_directory_are_those_with_its_path_before_them(
    patterns: list[str], names: list[str], path: str
) -> None:
    directory = "/".join(names)
    below = compile_globs(patterns).below(directory)
    written = [p.replace("!", "", 1) if p.startswith("!") else p for p in patterns]
    signs = ["!" if p.startswith("!") else "" for p in patterns]
    same = compile_globs(
        [f"{sign}{directory}/{body}" for sign, body in zip(signs, written, strict=True)]
    )
    assert (below.positive, below.negative) == (same.positive, same.negative)
    assert below.directories() == same.directories()
    for tried in (path, f"{directory}/{path}", directory, *names):
        assert below.matches(tried) == same.matches(tried)
        assert below.reaches(tried) == same.reaches(tried)
