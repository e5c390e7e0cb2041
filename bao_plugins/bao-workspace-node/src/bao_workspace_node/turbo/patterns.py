"""Globs as turbo.json writes them, in bao's form."""

from __future__ import annotations

from bao_core.globs import check_glob, escape_glob
from bao_workspace_node.manifest import MANIFEST
from bao_workspace_node.turbo.files import NAMES
from bao_workspace_node.turbo.layers import DEFAULT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bao_workspace_node.turbo.layers import Written

ROOT = "$TURBO_ROOT$"
_KEPT = frozenset(("", MANIFEST, *NAMES))
"""What a `!` cannot take away."""

_WILD = frozenset("*?[{")


class Outside(Exception):  # noqa: N818 - no mistake: there is nothing to match out there
    """A pattern leads out of the repository."""


def input_patterns(
    written: Iterable[Written], directory: str, always: Iterable[str]
) -> tuple[str, ...]:
    """The inputs of a task, in bao's form.

    Args:
        written: As merged; none for the default.
        directory: Of the package.
        always: Files of the package that count whatever is written.

    Raises:
        ConfigError: A pattern is broken.
    """
    texts = list(written)
    if not texts:
        return ("$default",)
    found: dict[str, None] = {}
    default = any(entry.text == DEFAULT for entry in texts)
    for entry in texts:
        sign, body = _signed(entry.text)
        if body == DEFAULT:
            found.update({} if sign else {"$default": None})
        elif not sign or body not in _KEPT:
            # Beside the default a `!` takes single files away; otherwise what lies below as well.
            found.update(dict.fromkeys(_both(entry, directory, below=not default)))
    if not default:
        found.update(dict.fromkeys(always))
    return tuple(found)


def output_patterns(written: Iterable[Written], directory: str) -> tuple[str, ...]:
    """The outputs of a task, in bao's form; see `input_patterns`."""
    found: dict[str, None] = {}
    for entry in written:
        if entry.text != "!":
            found.update(dict.fromkeys(_both(entry, directory, below=True)))
    return tuple(found)


def root_patterns(written: Iterable[Written]) -> tuple[str, ...]:
    """Globs from the root, in bao's form; see `input_patterns`."""
    found: dict[str, None] = {}
    for entry in written:
        if entry.text.startswith("$"):
            raise entry.error(f"'{entry.text}' is no path", "variables go into globalEnv")
        if entry.text != "!":
            found.update(dict.fromkeys(_both(entry, "", below=True)))
    return tuple(found)


def _both(entry: Written, directory: str, *, below: bool) -> Iterator[str]:
    """A pattern, and what it excludes besides where it is negated."""
    try:
        pattern = _translated(entry, directory)
    except Outside:
        return
    yield pattern
    # `src/*/**` takes in the files of `src` as well.
    stem = pattern.removesuffix("/**")
    if stem != pattern and _is_open(stem):
        yield stem
    if below and pattern.startswith("!") and _is_open(pattern):
        yield f"{pattern}/**"


def _is_open(pattern: str) -> bool:
    """Whether a pattern stands for names and not for all below them."""
    return not pattern.endswith(("/", "**")) and not _WILD.isdisjoint(pattern)


def _translated(entry: Written, directory: str) -> str:
    sign, body = _signed(entry.text)
    at_root = body == ROOT or body.startswith(f"{ROOT}/")
    rest = body[len(ROOT) + 1 :] if at_root else body
    if body == ROOT or (body.startswith(ROOT) and not at_root):
        raise entry.error(f"'{entry.text}': a '/' must follow {ROOT}")
    if ROOT in rest:
        raise entry.error(f"'{entry.text}': {ROOT} can only come first")
    if rest.startswith("/"):
        raise entry.error(
            f"'{entry.text}' is absolute", f"write '{ROOT}{rest}' to start at the workspace root"
        )
    pattern = sign + _straight(rest, "" if at_root else directory, at_root=at_root)
    if complaint := check_glob(pattern):
        raise entry.error(f"'{entry.text}' {complaint}")
    return pattern


def _straight(body: str, directory: str, *, at_root: bool) -> str:
    """A pattern without `.` and `..`: from the package, or from the root after `$root/`."""
    above = directory.split("/") if directory and not at_root else []
    climbed = at_root
    steps: list[str] = []
    for step in body.rstrip("/").split("/"):
        if step != "..":
            steps += [step] if step not in {"", "."} else []
        elif steps:
            # Above a wildcard lies no certain place, and `check_glob` says so.
            steps = steps[:-1] if _WILD.isdisjoint(steps[-1]) else [*steps, step]
        elif above:
            above.pop()
            climbed = True
        else:
            raise Outside
    rest = "/".join(steps) + ("/" if steps and body.endswith("/") else "") or "**"
    return "/".join(["$root", *map(escape_glob, above), rest]) if climbed else rest


def _signed(text: str) -> tuple[str, str]:
    sign = "!" if text.startswith("!") else ""
    return sign, text[len(sign) :]
