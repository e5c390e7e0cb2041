"""A task's outputs: what it declares, collecting what it left, restoring, cleaning.

This is the door to the modules that do the work; they are imported when they are needed, so that a
run in which nothing changed imports none of them.
"""

from __future__ import annotations

from bao_core.outputs.specs import Collected, OutputSpec, resolve_patterns
from bao_core.outputs.stamps import stamp_of, stamps_equal, stamps_stand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from bao_core.interfaces.cache import BlobSink, BlobSource
    from bao_core.model import ActionResult, Digest, Stamp, TaskId
    from bao_core.outputs.ownership import Ownership
    from bao_core.outputs.survey import Survey

__all__ = [
    "Collected",
    "OutputSpec",
    "clean",
    "collect",
    "copy_contents",
    "find_overlaps",
    "overlap",
    "recover",
    "remove_abandoned",
    "resolve_patterns",
    "restore",
    "scatter",
    "sources",
    "stamp_of",
    "stamps_equal",
    "stamps_stand",
    "verify_outputs",
]


def overlap(a: OutputSpec, b: OutputSpec) -> bool:
    """Whether some path could be an output of both.

    Exact for literal paths, `*`, `?`, `**` and braces; otherwise rather yes than no.

    Raises:
        OutputError: A pattern is broken.
    """
    from bao_core.outputs import overlaps as output_overlap

    return output_overlap.overlap(a, b)


def find_overlaps(specs: Mapping[TaskId, OutputSpec]) -> Iterator[tuple[TaskId, TaskId]]:
    """Every pair of tasks that overlap, each once, at a cost that grows with their number."""
    from bao_core.outputs import overlaps as output_overlap

    return output_overlap.find_overlaps(specs)


def collect(root: str, spec: OutputSpec, *, is_tracked: Callable[[str], bool]) -> Collected:
    """Find and hash everything that a task left where its outputs are declared.

    Tracked files are never outputs. Of the directories only empty ones are recorded.

    Args:
        root: The workspace's root directory.
        spec: What the task declares.
        is_tracked: Whether git tracks a path from the root.

    Raises:
        OutputError: Something cannot be stored: a socket, a link that leaves the workspace, a file
            in a git directory or one that cannot be read; or something changed meanwhile. The
            task itself is none the worse for it.
    """
    from bao_core.outputs import collecting

    return collecting.collect(root, spec, is_tracked=is_tracked)


def sources(root: str, result: ActionResult) -> list[BlobSource]:
    """The files of a result that stands on disk, as blobs to be stored elsewhere."""
    from bao_core.outputs.collecting import FileSource

    found: dict[Digest, BlobSource] = {
        file.digest: FileSource(file.digest, f"{root}/{file.path}") for file in result.files
    }
    return list(found.values())


def restore(  # noqa: PLR0913 - mostly keywords, each of them needed
    root: str,
    spec: OutputSpec,
    result: ActionResult,
    fetch: Callable[[Collection[Digest], BlobSink], None],
    *,
    own: Callable[[Sequence[str]], Collection[str]],
    is_tracked: Callable[[str], bool],
    is_ignored: Callable[[Sequence[str]], Collection[str]],
    staging_dir: str,
    others: Callable[[str], bool] | None = None,
    clean: bool = True,
    on_left: Callable[[Sequence[str]], None] | None = None,
) -> dict[str, Stamp]:
    """Bring a result's outputs to disk, all or nothing, and remove the task's other outputs.

    Where they stand already, byte for byte, nothing is written. The moment to record with the
    stamps is the one before this call.

    Everything is fetched and verified beside the worktree first, then moved into place; whatever
    fails undoes what was done, in this process or, after a `kill -9`, in the next one that
    restores the task or calls `recover`. Nothing outside of the declared outputs changes, and no
    symbolic link is followed. The caller holds the task's lock.

    Args:
        root: The workspace's root directory.
        spec: What the task declares.
        result: What should stand afterwards.
        fetch: Hands blobs to a sink, as `CacheBackend.fetch` does.
        own: Told, before anything changes, the paths of what matches the outputs and git does not
            track; says which paths this task's stamps record.
        is_tracked: Whether git tracks a path.
        is_ignored: Which of some paths git ignores; asked only about files and links that exist,
            are not tracked and were recorded by no task.
        staging_dir: A directory of this workspace, outside the worktree and best on the same file
            system; made if needed.
        others: Whether another task recorded a path as its output.
        clean: Whether to remove what matches and is not part of the result.
        on_left: Told what matches, is not part of the result, and is not the task's to remove.

    Returns:
        A record as `bao_core.outputs.stamps` describes it.

    Raises:
        CacheError: A blob is missing or damaged, or the entry itself is not to be trusted. The
            hit is a miss; nothing has changed.
        OutputError: Something stands in the way that is not the task's, or the disk refuses;
            nothing has changed.
    """
    from bao_core.outputs import restoring

    return restoring.restore(
        root,
        spec,
        result,
        fetch,
        _ownership(own, others, is_tracked, is_ignored),
        staging_dir=staging_dir,
        clean=clean,
        on_left=on_left,
    )


def clean(
    root: str,
    spec: OutputSpec,
    *,
    own: Callable[[Sequence[str]], Collection[str]],
    others: Callable[[str], bool] | None,
    is_tracked: Callable[[str], bool],
    is_ignored: Callable[[Sequence[str]], Collection[str]],
    remove: bool = True,
) -> list[str]:
    """Remove a task's outputs before an attempt.

    Call `recover` first. The arguments are those of `restore`, and whether to remove anything: if
    not, `own` is told what stands there all the same.

    Returns:
        What matches, is not tracked, and stays because it is not the task's to remove.

    Raises:
        OutputError: Something cannot be removed; the rest may be gone already.
    """
    from bao_core.outputs import restoring

    return restoring.clean(
        root, spec, _ownership(own, others, is_tracked, is_ignored), remove=remove
    )


def verify_outputs(root: str, result: ActionResult) -> bool:
    """Whether every file, link and directory of a result stands on disk, byte for byte.

    Whether anything else matches the task's patterns is not asked; `standing` does.
    """
    from bao_core.outputs import collecting

    return collecting.verify_outputs(root, result)


def recover(root: str, staging_dir: str, task_id: TaskId) -> bool:
    """Undo what an earlier process was killed over while it restored a task's outputs.

    Called by whoever holds the task's lock, before its outputs are looked at; it costs next to
    nothing when there is nothing to do. `restore` does it by itself.

    Returns:
        Whether anything was undone.
    """
    from bao_core.outputs import recovery as output_recovery

    return output_recovery.recover(root, staging_dir, task_id)


def remove_abandoned(root: str, staging_dir: str) -> None:
    """Remove what is left of restores that were killed before they changed anything, of any task.

    Takes a look at the staging directory; call it when there is time.
    """
    from bao_core.outputs import recovery as output_recovery

    output_recovery.remove_abandoned(root, staging_dir)


def copy_contents(source: int, target: int) -> Digest:
    """Fill an empty file with the content of another, by reflink where the file system can.

    Args:
        source: A descriptor to read.
        target: A descriptor to read and write.

    Returns:
        The digest of what arrived.

    Raises:
        OSError: Reading or writing fails.
    """
    from bao_core.outputs import cloning

    cloning.copy_contents(source, target)
    return cloning.digest_descriptor(target)


def scatter(directory: str) -> None:
    """Have the file system put directories made in this one wherever there is room, if it can.

    For a directory with a few others, in which many files are made in a short time. It never
    fails; see `bao_core.places.scatter`.
    """
    from bao_core import places

    places.scatter(directory)


def _ownership(
    own: Callable[[Sequence[str]], Collection[str]],
    others: Callable[[str], bool] | None,
    is_tracked: Callable[[str], bool],
    is_ignored: Callable[[Sequence[str]], Collection[str]],
) -> Callable[[Survey], Ownership]:
    from bao_core.outputs.ownership import Ownership

    def ownership(survey: Survey) -> Ownership:
        owned = own(survey.untracked(is_tracked))
        return Ownership(owned, others=others, is_tracked=is_tracked, is_ignored=is_ignored)

    return ownership
