"""Restoring into a directory that is not there yet, which is what happens in a fresh checkout.

The directory is made whole in the staging directory and moved into its place by one rename. That is
all or nothing by itself, so it needs none of what a `Swap` writes down to be able to go back.
"""

from __future__ import annotations

import errno
import os

from bao_core.outputs.staging import fetch_files
from bao_core.outputs.stamps import ABSENT, WATCHED, stamp_from
from bao_core.outputs.survey import belongs_whole
from bao_core.outputs.swap import make_directory, remove_swap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.globs import Globs
    from bao_core.model import OutputFile, OutputLink, Stamp, TaskId
    from bao_core.outputs.safe_paths import SafeTree
    from bao_core.outputs.staging import Fetch


class Graft:
    """A directory that is not there yet, with all that shall be in it.

    Args:
        directories: What has to be made; the first of them holds the others, the files and the
            links, and each comes after the one that holds it.
        files: To be made.
        links: To be made.
    """

    def __init__(
        self,
        directories: Sequence[str],
        files: Sequence[OutputFile],
        links: Sequence[OutputLink],
    ) -> None:
        self._directories = directories
        self._files = files
        self._links = links
        self._inside = len(directories[0]) + 1

    def put_in_place(self, tree: SafeTree, staging_dir: str, task_id: TaskId, fetch: Fetch) -> bool:
        """Make it.

        Args:
            tree: The workspace.
            staging_dir: As in `restore`.
            task_id: Whose outputs.
            fetch: Hands blobs to a sink.

        Returns:
            False if staging and workspace lie on different file systems; nothing has changed then.

        Raises:
            CacheError: A blob is missing or damaged.
            OSError: The disk refuses, or something stands there meanwhile.
        """
        staged = make_directory(tree.root, staging_dir, task_id, 0o777)
        try:
            self._fill(staged, fetch)
            tree.forget()  # fetching takes time: look at the path of each directory again
            parent, name = tree.place(self._directories[0])
            os.rename(staged, name, dst_dir_fd=parent)
        except BaseException as error:
            remove_swap(staged)
            if isinstance(error, OSError) and error.errno == errno.EXDEV:
                return False
            raise
        return True

    def stamps(self, tree: SafeTree, globs: Globs, package_path: str) -> dict[str, Stamp] | None:
        """The record of stamps, now that it is in place.

        Returns:
            None where patterns look elsewhere as well, so that what stands there counts too.
        """
        top = self._directories[0]
        starts = globs.directories()
        if not all(start == top or start.startswith(f"{top}/") for start in starts):
            return None
        leaves = [*(file.path for file in self._files), *(link.path for link in self._links)]
        above, name = tree.place(top)
        begin = len(top) - len(name)

        def stamp(path: str) -> Stamp:
            # By its path from there: nobody else knows yet of a directory that was just made.
            return stamp_from(os.stat(path[begin:], dir_fd=above, follow_symlinks=False))

        stamps = {path: stamp(path) for path in leaves}
        for directory in self._directories:
            if any(directory == s or directory.startswith(f"{s}/") for s in starts):
                whole = belongs_whole(globs, directory, package_path)
                stamps[directory if whole else WATCHED + directory] = stamp(directory)
        made = {*leaves, *self._directories}
        stamps.update((WATCHED + start, ABSENT) for start in starts if start not in made)
        return stamps

    def _fill(self, staged: str, fetch: Fetch) -> None:
        for directory in self._directories[1:]:
            os.mkdir(f"{staged}/{directory[self._inside :]}")
        fetch_files(staged, [(file.path[self._inside :], file) for file in self._files], fetch)
        for link in self._links:
            os.symlink(link.target, f"{staged}/{link.path[self._inside :]}")
