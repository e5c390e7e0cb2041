"""Patterns of paths: what they mean, and matching many paths against them quickly.

A pattern is a path with wildcards, `/` between its segments:

* `*` stands for any characters within a segment, `?` for one; a segment is never empty;
* `**` stands for any number of segments; beside other characters it stands for any characters,
  `/` included;
* `[abc]`, `[a-z]`, `[!a]` stand for one character, never for `/`;
* `{a,b}` is the same as two patterns, one with `a` and one with `b`;
* a backslash takes the next character for itself;
* a pattern without wildcards stands for that path and for everything below it; one that ends in
  `/` only for what is below;
* a leading `!` excludes. The order of patterns does not count.

Names that start with a dot are like any other, and case matters.
"""

from __future__ import annotations

import re
from functools import lru_cache  # `re` has imported functools already

from bao_core.globs.syntax import (
    ANYTHING,
    check_glob,
    class_ranges,
    expand,
    is_class,
    is_literal,
    segments,
    signs,
    split,
    unescape,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Match = Callable[[str, int], object]
    Rest = tuple[str, ...]

__all__ = ["Globs", "check_glob", "compile_globs", "escape_glob", "rebase_glob"]


class Globs:
    """Patterns, ready to be matched. Made by `compile_globs`.

    Attributes:
        positive: The patterns that include, as given.
        negative: The patterns that exclude, without their `!`.
    """

    __slots__ = ("_exclude", "_include", "_starts", "negative", "positive")

    def __init__(
        self,
        positive: tuple[str, ...],
        negative: tuple[str, ...],
        include: _Alternatives,
        exclude: _Alternatives,
    ) -> None:
        self.positive = positive
        self.negative = negative
        self._include = include
        self._exclude = exclude
        self._starts: tuple[str, ...] | None = None

    def below(self, directory: str) -> Globs:
        """The same patterns for paths below a directory; quicker than to compile them for it.

        Args:
            directory: Not empty, and without wildcards. The patterns are plain: none is absolute or
                holds `.` or `..` as a segment.
        """
        return Globs(
            tuple(f"{directory}/{pattern}" for pattern in self.positive),
            tuple(f"{directory}/{pattern}" for pattern in self.negative),
            self._include.below(directory),
            self._exclude.below(directory),
        )

    def matches(self, path: str) -> bool:
        """Whether any positive pattern matches a path and no negative one does."""
        return self._include.match(path) and not self._exclude.match(path)

    def select(self, paths: Iterable[str]) -> list[str]:
        """The paths that match, in their order."""
        include, exclude = self._include.match, self._exclude.match
        if not self.negative:
            return [path for path in paths if include(path)]
        return [path for path in paths if include(path) and not exclude(path)]

    def directories(self) -> tuple[str, ...]:
        """Where a search must start to find every match: sorted, none below another.

        The empty string stands for everything. What a pattern without wildcards names is among
        them and may turn out to be a file.
        """
        if self._starts is None:
            self._starts = self._find_starts()
        return self._starts

    def _find_starts(self) -> tuple[str, ...]:
        starts: list[str] = []
        for start in sorted(self._include.starts(), key=lambda path: path.split("/")):
            if not any(_is_within(start, other) for other in starts):
                starts.append(start)
        return tuple(starts)

    def reaches(self, directory: str) -> bool:
        """Whether anything below a directory could match; a search need not enter it otherwise."""
        return self._include.reach(directory) and not self._exclude.cover(directory)


@lru_cache(maxsize=4096)
def _compiled(patterns: tuple[str, ...]) -> Globs:
    positive = tuple(p for p in patterns if not p.startswith("!"))
    negative = tuple(p[1:] for p in patterns if p.startswith("!"))
    return Globs(positive, negative, _Alternatives.of(positive), _Alternatives.of(negative))


def compile_globs(patterns: Sequence[str]) -> Globs:
    """The patterns, ready to be matched; the same object for the same patterns.

    Never raises: a pattern that `check_glob` complains about matches nothing, or has its
    unfinished parts taken for themselves.
    """
    return _compiled(tuple(patterns))


def escape_glob(path: str) -> str:
    """A pattern that stands for exactly this path (and everything below it)."""
    return re.sub(r"([\\*?\[\]{}!])", r"\\\1", path)


def rebase_glob(pattern: str, directory: str) -> str:
    """The same pattern, seen from the workspace root.

    Args:
        pattern: Relative to `directory`, or to the root after `$root/`; `!` may come first.
        directory: A path, whose own characters are never wildcards.

    Returns:
        The pattern from the root. `..` segments at its start are resolved; where they leave the
        root they remain, match nothing, and `check_glob` complains about them.
    """
    sign = "!" if pattern.startswith("!") else ""
    body = pattern[len(sign) :]
    if body.startswith("$root/"):
        return sign + body.removeprefix("$root/")
    if body.startswith("/"):
        return sign + body
    above = split(escape_glob(directory)) if directory else []
    rest = split(body)
    while rest[:1] == ["."] or (rest[:1] == [".."] and above):
        if rest.pop(0) == "..":
            above.pop()
    return sign + ("/".join([*above, *rest]) or ".")


class _Alternatives:
    """Patterns without their `!`, sorted by how they are matched.

    Most patterns need no regular expression. Those that do are cut behind their leading literal
    segments, so that the same pattern in a thousand packages is compiled once (0.1 ms each).
    """

    __slots__ = ("_below", "_exact", "_matches", "_reaches", "_rests")

    def __init__(
        self, exact: frozenset[str], below: tuple[str, ...], rests: dict[str, tuple[Rest, ...]]
    ) -> None:
        self._exact = exact
        self._below = below
        self._rests = rests
        self._matches: list[tuple[str, Match]] | None = None
        self._reaches: list[tuple[str, Match]] | None = None

    @classmethod
    def of(cls, patterns: Iterable[str]) -> _Alternatives:
        """The alternatives of some patterns."""
        exact: set[str] = set()
        below: set[str] = set()
        rests: dict[str, dict[Rest, None]] = {}
        for pattern in patterns:
            for literal, rest in _branches(pattern):
                prefix = f"{literal}/" if literal else ""
                if not rest:
                    exact.add(literal)
                if rest in {(), (ANYTHING,)}:
                    below.add(prefix)
                else:
                    rests.setdefault(prefix, {})[rest] = None
        return cls(
            frozenset(exact),
            tuple(below),
            {prefix: tuple(found) for prefix, found in rests.items()},
        )

    def below(self, directory: str) -> _Alternatives:
        """See `Globs.below`."""
        if not self._below and not self._rests:
            return self  # what is exact is below as well
        return _Alternatives(
            frozenset([f"{directory}/{path}" for path in self._exact]),
            tuple([f"{directory}/{prefix}" for prefix in self._below]),
            {f"{directory}/{prefix}": rests for prefix, rests in self._rests.items()},
        )

    def match(self, path: str) -> bool:
        """Whether one of them matches a path."""
        if path in self._exact or path.startswith(self._below):
            return True
        if self._matches is None:
            self._matches = [(p, _matcher(rests)) for p, rests in self._rests.items()]
        for prefix, match in self._matches:
            if path.startswith(prefix) and match(path, len(prefix)):
                return True
        return False

    def starts(self) -> Iterator[str]:
        """Where a search for matches starts."""
        for prefix in (*self._below, *self._rests):
            yield prefix.removesuffix("/")

    def reach(self, directory: str) -> bool:
        """Whether something below a directory could match."""
        inside = f"{directory}/" if directory else ""
        if any(inside.startswith(p) or p.startswith(inside) for p in self._below):
            return True
        if self._reaches is None:
            self._reaches = [(p, _reacher(rests)) for p, rests in self._rests.items()]
        return any(
            p.startswith(inside) or (inside.startswith(p) and reach(inside, len(p)))
            for p, reach in self._reaches
        )

    def cover(self, directory: str) -> bool:
        """Whether everything below a directory is known to match."""
        inside = f"{directory}/" if directory else ""
        if inside.startswith(self._below):
            return True
        for prefix, rests in self._rests.items():
            whole = tuple(rest for rest in rests if rest[-1] == ANYTHING)
            # No name holds a NUL: where this one matches, the closing `**` takes all names.
            if whole and inside.startswith(prefix) and _matcher(whole)(f"{inside}\0", len(prefix)):
                return True
        return False


def _branches(pattern: str) -> Iterator[tuple[str, Rest]]:
    """Every pattern that a pattern's braces stand for, as two parts.

    Yields its literal start, and its segments from the first wildcard on.
    """
    for alternative in expand(pattern):
        # What is absolute lies outside of everything that could be matched.
        if not alternative or alternative.startswith("/"):
            continue
        found = segments(alternative)
        literal = 0
        while literal < len(found) and is_literal(found[literal]):
            literal += 1
        yield "/".join(map(unescape, found[:literal])), tuple(found[literal:])


@lru_cache(maxsize=1024)
def _matcher(rests: tuple[Rest, ...]) -> Match:
    return re.compile("|".join(map(_rest_regex, rests)), re.DOTALL).fullmatch


@lru_cache(maxsize=256)
def _reacher(rests: tuple[Rest, ...]) -> Match:
    return re.compile("|".join(map(_reach_regex, rests)), re.DOTALL).fullmatch


def _rest_regex(rest: Rest) -> str:
    *parents, last = rest
    above = [r"(?:.+/)?" if s == ANYTHING else f"{_segment_regex(s)}/" for s in parents]
    return "".join(above) + (".+" if last == ANYTHING else _segment_regex(last))


def _reach_regex(rest: Rest) -> str:
    """For directories, each name with a `/` behind it: those that may hold a match."""
    *parents, last = rest
    regex = ".*" if ANYTHING in last else ""
    for segment in reversed(parents):
        regex = ".*" if ANYTHING in segment else f"(?:{_segment_regex(segment)}/{regex})?"
    return regex


def _segment_regex(segment: str) -> str:
    # Between two stars the first place that fits will do, hence the atomic groups: matching
    # stays fast whatever the pattern.
    pieces = [""]
    stars = [0]
    for sign in signs(segment):
        if sign != "*":
            pieces[-1] += _sign_regex(sign)
        elif stars[-1] and not pieces[-1]:
            stars[-1] += 1
        else:
            pieces.append("")
            stars.append(1)
    if stars == [0, 1] and pieces == ["", ""]:
        return "[^/]+"
    regex = pieces[0]
    for index in range(1, len(pieces)):
        if stars[index] > 1:
            regex += f".*{pieces[index]}"
        elif index < len(pieces) - 1:
            regex += f"(?>[^/]*?{pieces[index]})"
        else:
            regex += f"[^/]*{pieces[index]}"
    return regex


def _sign_regex(sign: str) -> str:
    if sign == "?":
        return "[^/]"
    if not is_class(sign):
        return re.escape(unescape(sign))
    negated, ranges = class_ranges(sign)
    members = "".join(f"{re.escape(a)}-{re.escape(b)}" for a, b in ranges if a <= b)
    if negated:
        return f"[^/{members}]"
    return f"(?!/)[{members}]" if members else "(?!)"


def _is_within(path: str, directory: str) -> bool:
    return not directory or path == directory or path.startswith(f"{directory}/")
