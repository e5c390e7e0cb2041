"""Restoring into a directory that is not there yet, which is what happens in a fresh checkout.

The directory is made whole in the staging directory and moved into its place by one rename. That is
all or nothing by itself, so it needs none of what a `Swap` writes down to be able to go back.
"""

from __future__ import annotations

import errno
import os

from bao_core.errors import CacheError
from bao_core.outputs.staging import StagingSink
from bao_core.outputs.swap import Swap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from bao_core.interfaces.cache import BlobSink
    from bao_core.model import Digest, OutputFile, OutputLink, TaskId
    from bao_core.outputs.safe_paths import SafeTree

    Fetch = Callable[[Collection[Digest], BlobSink], None]


def graft(
    tree: SafeTree,
    staging_dir: str,
    task_id: TaskId,
    directories: Sequence[str],
    files: Sequence[OutputFile],
    links: Sequence[OutputLink],
    fetch: Fetch,
) -> bool:
    """Make directories with everything in them.

    Args:
        tree: The workspace.
        staging_dir: As in `restore`.
        task_id: Whose outputs.
        directories: What is not there yet; the first of them holds the others, the files and the
            links, and each comes after the one that holds it.
        files: To be made.
        links: To be made.
        fetch: Hands blobs to a sink.

    Returns:
        False if staging and workspace lie on different file systems; nothing has changed then.

    Raises:
        CacheError: A blob is missing or damaged.
        OSError: The disk refuses, or something stands there meanwhile.
    """
    top = directories[0]
    inside = len(top) + 1
    with Swap.begin(tree.root, staging_dir, task_id, mode=0o777) as staged:
        for directory in directories[1:]:
            os.mkdir(f"{staged.directory}/{directory[inside:]}")
        fetch_files(staged.directory, [(file.path[inside:], file) for file in files], fetch)
        for link in links:
            os.symlink(link.target, f"{staged.directory}/{link.path[inside:]}")
        tree.forget()  # fetching takes time: look at the path of each directory again
        parent, name = tree.place(top)
        try:
            os.rename(staged.directory, name, dst_dir_fd=parent)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
    return True


def fetch_files(directory: str, files: Sequence[tuple[str, OutputFile]], fetch: Fetch) -> None:
    """Make files in a directory, by the names that come with them.

    Raises:
        CacheError: A blob is missing or damaged.
    """
    if not files:
        return
    sink = StagingSink(directory, files)
    fetch(sink.digests(), sink)
    if missing := sink.digests():
        raise CacheError(f"blob {missing[0].hash[:12]} was not delivered")
