"""The filter language: text to `Filter` and back, and what its patterns match.

A filter is, in this order, each part optional but one of name, directory and range:

    ! ... ^ NAME|tag:TAG {DIRECTORY} ...[RANGE] ^ ...      or      ! NAME#TASK

`docs/reference/filters.md` says what it means.
"""

from __future__ import annotations

import re

from msgspec import Struct

from bao_core.errors import SelectionError
from bao_core.globs import compile_globs
from bao_core.globs.syntax import expand, is_literal, unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DOTS = "..."
_TAG = "tag:"
_WILDCARDS = frozenset("*?[{")


class RevisionRange(Struct, frozen=True):
    """Two states of the repository to compare.

    Attributes:
        base: A revision.
        head: A revision; empty for the worktree with all that is not committed.
        merge_base: Compare with the merge base of the two and not with `base` itself.
    """

    base: str
    head: str = ""
    merge_base: bool = False

    def __str__(self) -> str:
        if not self.head:
            return f"[{self.base}]"
        return f"[{self.base}{DOTS if self.merge_base else '..'}{self.head}]"


class Filter(Struct, frozen=True):
    """One filter, taken apart.

    Attributes:
        exclude: It takes away (`!`).
        name: A package's name, in which `*` stands for anything; empty where none is given.
        tag: A tag, in the same way.
        task: Of what is matched, only this task (`name#task`).
        directory: A directory or a glob over directories, as written; empty where none is given.
        range: What must have changed.
        through_dependencies: What must have changed is the package or anything it depends on
            (`...[ref]` after a name or directory).
        dependents: Add everything that depends on what is matched.
        dependencies: Add everything that what is matched depends on.
        without_itself: Leave out what is matched, unless another match reaches it (`^`).
    """

    exclude: bool = False
    name: str = ""
    tag: str = ""
    task: str = ""
    directory: str = ""
    range: RevisionRange | None = None
    through_dependencies: bool = False
    dependents: bool = False
    dependencies: bool = False
    without_itself: bool = False

    def __str__(self) -> str:
        before = f"{DOTS}{'^' if self.without_itself else ''}" if self.dependents else ""
        after = ""
        if self.dependencies:
            after = f"^{DOTS}" if self.without_itself and not self.dependents else DOTS
        return "".join(
            (
                "!" if self.exclude else "",
                before,
                f"{_TAG}{self.tag}" if self.tag else self.name,
                f"#{self.task}" if self.task else "",
                f"{{{self.directory}}}" if self.directory else "",
                DOTS if self.through_dependencies else "",
                str(self.range) if self.range else "",
                after,
            )
        )


def parse_filter(text: str) -> Filter:
    """Take a filter apart.

    Raises:
        SelectionError: It is no filter; says which part is wrong.
    """
    core = text.removeprefix("!")
    if core.startswith("!"):
        raise _wrong(text, "it is negated twice")
    after = core.endswith(DOTS)
    core = core.removesuffix(DOTS)
    caret = after and core.endswith("^")
    core = core.removesuffix("^") if caret else core
    before = core.startswith(DOTS)
    core = core.removeprefix(DOTS)
    if before and core.startswith("^"):
        core, caret = core[1:], True
    parsed = _parse_core(text, core)
    if parsed.task and (before or after):
        raise _wrong(text, "'...' goes with packages and not with a task")
    return Filter(
        exclude=text.startswith("!"),
        name=parsed.name,
        tag=parsed.tag,
        task=parsed.task,
        directory=parsed.directory,
        range=parsed.range,
        through_dependencies=parsed.through_dependencies,
        dependents=before,
        dependencies=after,
        without_itself=caret,
    )


def _parse_core(text: str, core: str) -> Filter:
    """What is left between the dots: a name, a directory, a range."""
    if not core:
        raise _wrong(text, "it must hold a name, a {directory} or a [revision]")
    if is_relative_directory(core):
        if not _is_balanced(core):
            raise _wrong(text, "a brace in the directory lacks its partner")
        return Filter(directory=core)
    rest, revisions, through = _split_range(text, core)
    name, directory = _split_directory(text, rest)
    if through and not (name or directory):
        raise _wrong(text, "'...' before a [revision] needs a name or a {directory} before it")
    if "^" in (name[:1], name[-1:]):
        raise _wrong(text, "'^' stands beside the dots, as in 'name^...' or '...^name'")
    package, sign, task = name.partition("#")
    if sign and not (package and task):
        raise _wrong(text, "a task is named as 'package#task'")
    if task and (directory or revisions):
        raise _wrong(text, "'package#task' takes no {directory} and no [revision]")
    tag = package.removeprefix(_TAG) if package.startswith(_TAG) else ""
    if package.startswith(_TAG) and not tag:
        raise _wrong(text, "'tag:' needs a tag")
    return Filter(
        name="" if tag else package,
        tag=tag,
        task=task,
        directory=directory,
        range=revisions,
        through_dependencies=through,
    )


def is_relative_directory(text: str) -> bool:
    """Whether a text is a directory even without braces."""
    return text in {".", ".."} or text.startswith(("./", "../"))


def _split_range(text: str, core: str) -> tuple[str, RevisionRange | None, bool]:
    """What stands before `[RANGE]`, the range, and whether dots join the two."""
    if not core.endswith("]"):
        return core, None, False
    start = core.rfind("[")
    if start < 0:
        raise _wrong(text, "']' without '['")
    rest, inside = core[:start], core[start + 1 : -1]
    through = rest.endswith(DOTS)
    return rest.removesuffix(DOTS), _parse_range(text, inside), through


def _parse_range(text: str, inside: str) -> RevisionRange:
    dots = DOTS if DOTS in inside else ".."
    base, found, head = inside.partition(dots)
    if not base or (found and not head) or ".." in head:
        raise _wrong(text, "a range is [revision], [from...to] or [from..to]")
    for revision in (base, head):
        if revision.startswith("-"):
            raise _wrong(text, f"'{revision}' cannot be a revision")
    return RevisionRange(base, head, merge_base=bool(found) and dots == DOTS)


def _split_directory(text: str, rest: str) -> tuple[str, str]:
    """A name and the inside of `{directory}`."""
    start = rest.find("{")
    if start < 0:
        if "}" in rest:
            raise _wrong(text, "'}' without '{'")
        return rest, ""
    inside = rest[start + 1 : -1]
    if not rest.endswith("}") or not inside or not _is_balanced(inside):
        raise _wrong(text, "a directory is written {directory}, after the name and before '['")
    return rest[:start], inside


def _is_balanced(directory: str) -> bool:
    """Whether every brace within a directory has its partner."""
    depth = 0
    for sign in directory:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def _wrong(text: str, complaint: str) -> SelectionError:
    return SelectionError(
        f"filter '{text}': {complaint}", hint="the reference has a page on filters"
    )


# --- what patterns match ---------------------------------------------------------------------


def is_pattern(text: str) -> bool:
    """Whether a name stands for more than itself."""
    return "*" in text


def match_name(pattern: str) -> Callable[[str], object]:
    """A test of names: `*` stands for any characters, `/` included, all else for itself."""
    if not is_pattern(pattern):
        return pattern.__eq__
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch


def resolve_directory(directory: str, cwd: str) -> str | None:
    """The path from the root that a directory means, seen from `cwd`; None outside of the root."""
    parts: list[str] = cwd.split("/") if cwd else []
    for part in directory.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def match_directory(path: str) -> Callable[[str], bool]:
    """A test of directories, given a resolved one: it alone, or what its wildcards match.

    The wildcards are those of inputs and outputs, but what names a directory without any stands
    for that directory alone, and `dir/**` takes in `dir` itself.
    """
    exact = {path}
    patterns = []
    for alternative in expand(path):
        for pattern in {alternative, alternative.removesuffix("/**")}:
            if all(is_literal(segment) for segment in pattern.split("/")):
                exact.add(unescape(pattern))
            else:
                patterns.append(pattern)
    globs = compile_globs(sorted(patterns))
    return lambda directory: directory in exact or globs.matches(directory)


def fixed_part(path: str) -> str:
    """The leading segments of a resolved directory that hold no wildcard."""
    fixed = []
    for part in path.split("/"):
        if not _WILDCARDS.isdisjoint(part):
            break
        fixed.append(part)
    return "/".join(fixed)
