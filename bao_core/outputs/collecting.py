"""Outputs from disk to records: collecting what a task left, telling whether it still stands."""

from __future__ import annotations

import os
import stat
import time

from blake3 import blake3
from msgspec import Struct

from bao_core.errors import OutputError
from bao_core.globs import compile_globs
from bao_core.model import Digest, OutputFile, OutputLink
from bao_core.outputs.safe_paths import (
    FILE,
    LINK,
    SafeTree,
    check_link,
    check_output_path,
    describe_special,
)
from bao_core.outputs.specs import Collected, resolve_patterns
from bao_core.outputs.stamps import stamp_from, stamps_equal
from bao_core.outputs.survey import take_survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from bao_core.globs import Globs
    from bao_core.interfaces.cache import BlobSource as _Source
    from bao_core.model import ActionResult, Stamp
    from bao_core.outputs.ownership import Ownership
    from bao_core.outputs.specs import OutputSpec
    from bao_core.outputs.survey import Survey
else:
    _Source = object  # interfaces lie above this module

_CHUNK = 1 << 20


class FileSource(_Source):
    """A blob that is the content of a file."""

    def __init__(self, digest: Digest, path: str) -> None:
        self.digest = digest
        self.path = self._file = path

    def open(self) -> BinaryIO:
        """The file from its first byte. What it holds is for the reader to verify."""
        return open(self._file, "rb")


class Observed(Struct):
    """Files and links as they stand, and their stamps."""

    files: list[OutputFile]
    links: list[OutputLink]
    stamps: dict[str, Stamp]


def collect(root: str, spec: OutputSpec, *, is_tracked: Callable[[str], bool]) -> Collected:
    """Find and hash everything that a task left where its outputs are declared.

    Tracked files are never outputs. Of the directories only empty ones are recorded.

    Args:
        root: The workspace's root directory.
        spec: What the task declares.
        is_tracked: Whether git tracks a path from the root.

    Raises:
        OutputError: Something cannot be stored: a socket, a link that leaves the workspace, a file
            in a git directory or one that cannot be read; or something changed meanwhile.
    """
    taken = time.time_ns()
    globs = resolve_patterns(spec.package_path, spec.patterns)
    with SafeTree(root) as tree:
        survey = take_survey(tree, globs, spec.package_path)
        _refuse_blocked(survey)
        leaves = {path: kind for path, kind in survey.leaves.items() if not is_tracked(path)}
        seen = observe(tree, leaves)
        stamps = {**seen.stamps, **survey.stamps()}
        if not stamps_equal(root, stamps):
            raise OutputError(
                f"outputs changed while they were collected: {_first_change(root, stamps)}",
                hint="a process that the task left behind may still be writing",
            )
    sources = {file.digest: FileSource(file.digest, f"{root}/{file.path}") for file in seen.files}
    matched = [*survey.leaves, *(f"{path}/" for path in survey.empty)]
    return Collected(
        files=tuple(seen.files),
        links=tuple(seen.links),
        directories=tuple(survey.empty),
        sources=list(sources.values()),
        unmatched=_unmatched(spec, globs, matched),
        stamps=stamps,
        taken=taken,
    )


def standing_stamps(
    tree: SafeTree,
    survey: Survey,
    result: ActionResult,
    owner: Ownership,
    *,
    exact: bool,
) -> dict[str, Stamp] | None:
    """A record of stamps if a result stands on disk exactly as a restore would leave it.

    Every content is read: this is for where the stamps prove nothing.

    Args:
        tree: The workspace.
        survey: What stands where the task's patterns look.
        result: What should stand.
        owner: Tells what of the rest a restore would remove.
        exact: Whether anything that a restore would remove counts as a difference.

    Returns:
        None if anything differs. The record may be empty where there are no outputs at all.
    """
    leaves = (*(file.path for file in result.files), *(link.path for link in result.links))
    if not all(path in survey.leaves for path in leaves):
        return None
    if not set(result.directories).issubset(survey.empty):
        return None
    try:
        stamps = content_stamps(tree, result)
    except (OutputError, OSError):
        return None
    if stamps is None:
        return None
    if exact:
        extra = [path for path in survey.leaves if path not in stamps]
        spare = set(survey.empty).difference(result.directories)
        owner.consider(extra)
        if any(map(owner.may_remove, extra)) or any(map(owner.may_drop, spare)):
            return None
    return {**stamps, **survey.stamps()}


def verify_outputs(root: str, result: ActionResult) -> bool:
    """Whether every file, link and directory of a result stands on disk, byte for byte.

    Whether anything else matches the task's patterns is not asked; see `standing`.
    """
    try:
        with SafeTree(root) as tree:
            return content_stamps(tree, result) is not None and all(
                (there := tree.lstat(path)) is not None and stat.S_ISDIR(there.st_mode)
                for path in result.directories
            )
    except (OutputError, OSError):
        return False


def content_stamps(tree: SafeTree, result: ActionResult) -> dict[str, Stamp] | None:
    """The stamps of a result's files and links if their content is as recorded."""
    wanted = {file.path: FILE for file in result.files}
    wanted.update((link.path, LINK) for link in result.links)
    for file in result.files:  # the cheap question first
        there = tree.lstat(file.path)
        if there is None or there.st_size != file.digest.size:
            return None
    seen = observe(tree, wanted)
    if tuple(seen.files) != result.files or tuple(seen.links) != result.links:
        return None
    return seen.stamps


def observe(tree: SafeTree, leaves: dict[str, str]) -> Observed:
    """Read files and links, in the order given.

    Args:
        tree: The workspace.
        leaves: Paths with what they were seen to be.

    Raises:
        OutputError: One of them cannot be an output, cannot be read, or changed meanwhile.
    """
    seen = Observed([], [], {})
    for path, kind in leaves.items():
        if complaint := check_output_path(path):
            raise OutputError(
                f"an output {complaint}", where=path, hint="exclude it with a '!' pattern"
            )
        try:
            if kind == FILE:
                file, stamp = _observe_file(tree, path)
                seen.files.append(file)
            elif kind == LINK:
                link, stamp = _observe_link(tree, path)
                seen.links.append(link)
            else:
                raise _special(tree, path)
        except OSError as error:
            raise OutputError(f"the output cannot be read: {error.strerror}", where=path) from error
        seen.stamps[path] = stamp
    return seen


def _observe_file(tree: SafeTree, path: str) -> tuple[OutputFile, Stamp]:
    descriptor = tree.open_file(path)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise _special(tree, path)
        hasher = blake3()
        size = 0
        while chunk := os.read(descriptor, min(before.st_size + 1, _CHUNK)):
            hasher.update(chunk)
            size += len(chunk)
        stamp = stamp_from(before)
        if size != before.st_size or stamp_from(os.fstat(descriptor)) != stamp:
            raise OutputError("the output changed while it was read", where=path)
    finally:
        os.close(descriptor)
    executable = bool(before.st_mode & stat.S_IXUSR)
    return OutputFile(path, Digest(hasher.hexdigest(), size), executable), stamp


def _observe_link(tree: SafeTree, path: str) -> tuple[OutputLink, Stamp]:
    target = tree.read_link(path)
    if complaint := check_link(path, target):
        raise OutputError(
            f"the symbolic link {complaint}, so the outputs cannot be cached", where=path
        )
    there = tree.lstat(path)
    if there is None or not stat.S_ISLNK(there.st_mode):
        raise OutputError("the output changed while it was read", where=path)
    return OutputLink(path, target), stamp_from(there)


def _special(tree: SafeTree, path: str) -> OutputError:
    there = tree.lstat(path)
    name = describe_special(there.st_mode) if there is not None else "something that is gone now"
    return OutputError(
        f"the output is {name} and cannot be cached",
        where=path,
        hint="exclude it with a '!' pattern",
    )


def _refuse_blocked(survey: Survey) -> None:
    for path in survey.blocked:
        raise OutputError(
            "is a symbolic link where an output pattern needs a directory",
            where=path,
            hint="declare outputs where it leads",
        )


def _first_change(root: str, stamps: dict[str, Stamp]) -> str:
    for path, stamp in stamps.items():
        if not stamps_equal(root, {path: stamp}):
            return path
    return "a file"


def _unmatched(spec: OutputSpec, globs: Globs, paths: Iterable[str]) -> tuple[str, ...]:
    """Patterns that include none of these paths.

    An empty directory is given with a `/` behind, and counts for the patterns that would take what
    is put into it.
    """
    paths = list(paths)
    positive = tuple(p for p in spec.patterns if not p.startswith("!"))
    if not paths or len(positive) == 1:
        return () if paths else positive
    found = []
    for pattern, rebased in zip(positive, globs.positive, strict=True):
        alone = compile_globs([rebased])
        if not any(alone.matches(f"{p}\x01" if p.endswith("/") else p) for p in paths):
            found.append(pattern)
    return tuple(found)
