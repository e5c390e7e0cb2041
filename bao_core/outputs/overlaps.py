"""Whether two tasks could write the same path.

The question is asked of patterns, not of files: it must be answered before anything has run. The
answer is exact for literal paths, `*`, `?`, `**` and braces, and errs towards yes for character
classes and for exclusions that cover a pattern only in part.
"""

from __future__ import annotations

from functools import cache

from bao_core.globs import compile_globs, escape_glob
from bao_core.globs.syntax import ANYTHING, expand, is_literal, is_wild, segments, signs, unescape
from bao_core.outputs.specs import resolve_patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bao_core.globs import Globs
    from bao_core.model import TaskId
    from bao_core.outputs.specs import OutputSpec


def overlap(a: OutputSpec, b: OutputSpec) -> bool:
    """Whether some path could be an output of both; no if neither says so by a pattern.

    Raises:
        OutputError: A pattern is broken.
    """
    first = resolve_patterns(a.package_path, a.patterns)
    second = resolve_patterns(b.package_path, b.patterns)
    if _far_apart(first, second):
        return False
    exclusions = [*first.negative, *second.negative]
    return any(
        _meet(_names(left), _names(right))
        and not any(_covers(exclusion, p) for exclusion in exclusions for p in (left, right))
        for mine in first.positive
        for theirs in second.positive
        for left in expand(mine)
        for right in expand(theirs)
    )


def find_overlaps(specs: Mapping[TaskId, OutputSpec]) -> Iterator[tuple[TaskId, TaskId]]:
    """Every pair of tasks that overlap, each once, the one that comes first in `specs` first.

    Only tasks whose directories lie within each other are compared, so that the cost grows with
    the number of tasks and not with its square.
    """
    places: dict[str, list[int]] = {}
    ids = list(specs)
    starts = [
        resolve_patterns(spec.package_path, spec.patterns).directories() for spec in specs.values()
    ]
    for index, directories in enumerate(starts):
        for directory in directories:
            places.setdefault(directory, []).append(index)
    pairs: set[tuple[int, int]] = set()
    for directory, indices in places.items():
        near = [other for above in _with_parents(directory) for other in places.get(above, ())]
        pairs.update((min(a, b), max(a, b)) for a in indices for b in near if a != b)
    for a, b in sorted(pairs):
        if overlap(specs[ids[a]], specs[ids[b]]):
            yield ids[a], ids[b]


def _with_parents(directory: str) -> Iterator[str]:
    yield directory
    while directory:
        directory = directory.rpartition("/")[0]
        yield directory


def _far_apart(first: Globs, second: Globs) -> bool:
    """Whether the directories alone tell that nothing is shared, as between two packages."""
    return not any(
        not a or not b or a == b or a.startswith(f"{b}/") or b.startswith(f"{a}/")
        for a in first.directories()
        for b in second.directories()
    )


def _covers(exclusion: str, pattern: str) -> bool:
    """Whether an exclusion surely takes away everything that a pattern stands for."""
    start: list[str] = []
    for segment in segments(pattern):
        if not is_literal(segment):
            return _covers_below(exclusion, "/".join(start))
        start.append(unescape(segment))
    path = "/".join(start)
    return compile_globs([exclusion]).matches(path) and _covers_below(exclusion, path)


def _covers_below(exclusion: str, directory: str) -> bool:
    everything = f"{escape_glob(directory)}/**" if directory else ANYTHING
    return not compile_globs([everything, f"!{exclusion}"]).reaches(directory)


def _names(pattern: str) -> tuple[str, ...]:
    """The segments of a pattern, with `ANYTHING` for any number of names, none included."""
    names: list[str] = []
    found = segments(pattern)
    for segment in found:
        if ANYTHING in segment and segment != ANYTHING:
            # Beside other characters it crosses directories: anything may follow.
            return (*names, ANYTHING)
        names.append(segment)
    if names[-1:] == [ANYTHING]:
        names.insert(-1, "*")  # at the end it is one name at least
    elif all(map(is_literal, found)):
        names.append(ANYTHING)  # a plain path stands for all that is below it too
    return tuple(names)


def _meet(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Whether one path matches both."""

    @cache
    def meet(i: int, j: int) -> bool:
        if i == len(left):
            return all(name == ANYTHING for name in right[j:])
        if j == len(right):
            return all(name == ANYTHING for name in left[i:])
        if left[i] == ANYTHING:
            return meet(i + 1, j) or meet(i, j + 1)
        if right[j] == ANYTHING:
            return meet(i, j + 1) or meet(i + 1, j)
        return _names_meet(left[i], right[j]) and meet(i + 1, j + 1)

    return meet(0, 0)


def _names_meet(left: str, right: str) -> bool:
    """Whether one name matches both segments."""
    if left == right:
        return True
    a, b = tuple(signs(left)), tuple(signs(right))

    @cache
    def meet(i: int, j: int) -> bool:
        if i == len(a) or j == len(b):
            return all(sign == "*" for sign in (*a[i:], *b[j:]))
        if a[i] == "*":
            return meet(i + 1, j) or meet(i, j + 1)
        if b[j] == "*":
            return meet(i, j + 1) or meet(i + 1, j)
        alike = is_wild(a[i]) or is_wild(b[j]) or unescape(a[i]) == unescape(b[j])
        return alike and meet(i + 1, j + 1)

    return meet(0, 0)
