"""What a task declares as its outputs, and whether two tasks declare the same."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from bao_core.errors import OutputError
from bao_core.globs import check_glob, compile_globs, escape_glob, rebase_glob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.globs import Globs
    from bao_core.interfaces.cache import BlobSource
    from bao_core.model import OutputFile, OutputLink, Stamp

_WILD = frozenset("*?[]{}\\$!\0")
_ODD_NAMES = frozenset(("", ".", ".."))


class OutputSpec(Struct, frozen=True, gc=False):
    """The outputs of a task, as configured.

    Attributes:
        package_path: The package's directory from the workspace root.
        patterns: From the package; `!` negates, `$root/` starts at the workspace root.
    """

    package_path: str
    patterns: tuple[str, ...]


class Collected(Struct, frozen=True):
    """The outputs that a task left.

    Attributes:
        files, links, directories: As in an `ActionResult`.
        sources: For each digest of the files one place to read it.
        unmatched: Patterns, as configured, that matched nothing.
        stamps: A record as `bao_core.outputs.stamps` describes it.
        taken: Nanoseconds since the epoch, read before the first stamp was taken.
    """

    files: tuple[OutputFile, ...]
    links: tuple[OutputLink, ...]
    directories: tuple[str, ...]
    sources: list[BlobSource]
    unmatched: tuple[str, ...]
    stamps: dict[str, Stamp]
    taken: int


def resolve_patterns(package_path: str, patterns: Sequence[str]) -> Globs:
    """Output patterns of a package as globs over paths from the workspace root.

    Raises:
        OutputError: A pattern is broken, or leaves the package without `$root/`.
    """
    return _resolved(package_path, tuple(patterns))


@lru_cache(maxsize=4096)
def _resolved(package_path: str, patterns: tuple[str, ...]) -> Globs:
    plain = not _WILD.intersection(package_path)
    if plain and (simple := _simple(patterns)) is not None:
        return simple.below(package_path) if package_path else simple
    return compile_globs([_rebased(package_path, p, plain=plain) for p in patterns])


@lru_cache(maxsize=256)
def _simple(patterns: tuple[str, ...]) -> Globs | None:
    """The patterns of many packages, if they need nothing but a path before them."""
    if not all(_is_simple(pattern.removeprefix("!")) for pattern in patterns):
        return None
    return compile_globs(patterns)


def _rebased(package_path: str, pattern: str, *, plain: bool) -> str:
    sign, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    if plain and _is_simple(body):
        return f"{sign}{package_path}/{body}" if package_path else pattern
    rebased = rebase_glob(pattern, package_path)
    complaint = check_glob(rebased) if body else "is empty"
    inside = sign + escape_glob(package_path)
    if (
        complaint is None
        and package_path
        and not body.startswith("$root/")
        and rebased != inside
        and not rebased.startswith(f"{inside}/")
    ):
        complaint = "leaves the package"
    if complaint is not None:
        raise OutputError(
            f"output pattern '{pattern}' {complaint}",
            where=package_path or None,
            hint="patterns start at the package; write '$root/…' to start at the workspace root",
        )
    return rebased


def _is_simple(body: str) -> bool:
    """Whether a pattern needs nothing but the package's path before it: `dist/**`, `a/b.js`."""
    start = body
    for ending in ("/**", "/*"):
        if body.endswith(ending):
            start = body[: -len(ending)]
            break
    return not _WILD.intersection(start) and not _ODD_NAMES.intersection(start.split("/"))
