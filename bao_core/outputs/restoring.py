"""Outputs from a result to disk, and cleaning up before an attempt.

Both touch nothing but declared outputs, and of what stands there only what the task owns.
"""

from __future__ import annotations

import os
import stat
from operator import attrgetter

from msgspec import Struct, field

from bao_core.errors import CacheError, OutputError
from bao_core.model import OutputFile, OutputLink
from bao_core.outputs.collecting import observe, standing_stamps
from bao_core.outputs.grafting import Graft
from bao_core.outputs.recovery import recover
from bao_core.outputs.safe_paths import (
    DIRECTORY,
    LINK,
    SafeTree,
    check_link,
    check_output_path,
    kind_of,
)
from bao_core.outputs.specs import resolve_patterns
from bao_core.outputs.staging import fetch_files
from bao_core.outputs.stamps import stamp_from
from bao_core.outputs.survey import belongs_whole, take_survey
from bao_core.outputs.swap import Changes, NewFile, NewLink, Swap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bao_core.globs import Globs
    from bao_core.model import ActionResult, Stamp, TaskId
    from bao_core.outputs.ownership import Ownership
    from bao_core.outputs.specs import OutputSpec
    from bao_core.outputs.staging import Fetch
    from bao_core.outputs.survey import Survey

_CHANGED_HANDS = "stands in the way: this task did not make it and git does not ignore it"


class Plan(Struct):
    """How a worktree becomes what a result says.

    Attributes:
        moved, dropped, made: As in `Changes`, as text.
        placed: What has to be put in place.
        left: What matches the outputs and stays, although the result does not name it.
    """

    moved: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    placed: list[OutputFile | OutputLink] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def changes(self) -> Changes:
        """The plan as a swap takes it."""
        return Changes(
            [os.fsencode(path) for path in self.moved],
            [os.fsencode(path) for path in self.dropped],
            [os.fsencode(path) for path in self.made],
            [NewFile(os.fsencode(f.path), f.digest.hash, f.digest.size) for f in self.files()],
            [NewLink(os.fsencode(link.path), os.fsencode(link.target)) for link in self.links()],
        )

    def graft(self) -> Graft | None:
        """All there is to do, if it lies in a directory that is not there yet."""
        if self.moved or self.dropped or not self.made:
            return None
        inside = f"{self.made[0]}/"
        new = (*self.made[1:], *(output.path for output in self.placed))
        if not all(path.startswith(inside) for path in new):
            return None
        return Graft(self.made, self.files(), self.links())

    def files(self) -> list[OutputFile]:
        """The regular files to be put in place."""
        return [output for output in self.placed if isinstance(output, OutputFile)]

    def links(self) -> list[OutputLink]:
        """The symbolic links to be made."""
        return [output for output in self.placed if isinstance(output, OutputLink)]


def restore(
    root: str,
    spec: OutputSpec,
    result: ActionResult,
    fetch: Fetch,
    ownership: Callable[[Survey], Ownership],
    *,
    staging_dir: str,
    clean: bool = True,
    on_left: Callable[[Sequence[str]], None] | None = None,
) -> dict[str, Stamp]:
    """Bring a result's outputs to disk, all or nothing. See `bao_core.outputs.restore`."""
    globs = resolve_patterns(spec.package_path, spec.patterns)
    check_result(result, globs, spec.package_path)
    if not spec.patterns:
        return {}
    recover(root, staging_dir, result.task_id)
    with SafeTree(root) as tree:
        survey = take_survey(tree, globs, spec.package_path)
        owner = ownership(survey)
        if (stamps := standing_stamps(tree, survey, result, owner, exact=clean)) is not None:
            return stamps
        plan = _plan_where_nothing_stands(survey, result, owner)
        if plan is None:
            plan = _Planner(tree, globs, spec, result, owner).plan(survey, clean=clean)
        try:
            graft = plan.graft()
            if graft and graft.put_in_place(tree, staging_dir, result.task_id, fetch):
                stamps = graft.stamps(tree, globs, spec.package_path)
            else:
                _swap(plan, tree, staging_dir, result.task_id, fetch)
            if stamps is None:
                stamps = _stamps(tree, globs, spec, result)
        except OSError as error:
            where = error.filename if isinstance(error.filename, str) else None
            raise OutputError(
                f"the outputs of {result.task_id} cannot be restored: {error.strerror}",
                where=where,
            ) from error
    if plan.left and on_left is not None:
        on_left(plan.left)
    return stamps


def _swap(plan: Plan, tree: SafeTree, staging_dir: str, task_id: TaskId, fetch: Fetch) -> None:
    if changes := plan.changes():
        with Swap.begin(tree.root, staging_dir, task_id) as swap:
            named = [(f"n{index}", file) for index, file in enumerate(plan.files())]
            fetch_files(swap.directory, named, fetch)
            tree.forget()  # fetching takes time: look at the path of each directory again
            swap.run(tree, changes)
            tree.forget()


def clean(
    root: str, spec: OutputSpec, ownership: Callable[[Survey], Ownership], *, remove: bool = True
) -> list[str]:
    """Remove a task's outputs before an attempt. See `bao_core.outputs.clean`."""
    globs = resolve_patterns(spec.package_path, spec.patterns)
    left: list[str] = []
    with SafeTree(root) as tree:
        survey = take_survey(tree, globs, spec.package_path)
        owner = ownership(survey)
        if not remove:
            return []
        blocked = [p for p in survey.blocked if belongs_whole(globs, p, spec.package_path)]
        found = (*survey.leaves, *blocked)
        owner.consider(found)
        for path in found:
            if owner.may_remove(path):
                _remove(tree, path, os.unlink)
            elif not owner.is_tracked(path):
                left.append(path)
        for path in sorted(survey.whole, key=_depth_first):
            if owner.may_drop(path) and not tree.scan(path):
                _remove(tree, path, os.rmdir)
    return left


def check_result(result: ActionResult, globs: Globs, package_path: str) -> None:
    """Refuse an entry that would reach outside of the declared outputs.

    Raises:
        CacheError: No honest task made this entry.
    """
    leaves = {file.path for file in result.files} | {link.path for link in result.links}
    complaint = None
    for path in (*leaves, *result.directories):
        complaint = complaint or (check_output_path(path) and f"{path!r} as an output")
    for path in leaves:
        complaint = complaint or (None if globs.matches(path) else f"{path!r}, no declared output")
        if any(above in leaves for above in _parents(path)):
            complaint = complaint or f"{path!r} below a file or link"
    for path in result.directories:
        whole = belongs_whole(globs, path, package_path)
        complaint = complaint or (None if whole else f"{path!r}, no declared output")
        if path in leaves or any(above in leaves for above in _parents(path)):
            complaint = complaint or f"{path!r} twice"
    for link in result.links:
        if reason := check_link(link.path, link.target):
            complaint = complaint or f"the link {link.path!r}, which {reason}"
    if complaint is None and len(leaves) != len(result.files) + len(result.links):
        complaint = "a path twice"
    if complaint is not None:
        raise CacheError(f"the entry names {complaint}", where=str(result.task_id))


def _plan_where_nothing_stands(
    survey: Survey, result: ActionResult, owner: Ownership
) -> Plan | None:
    """What `_Planner` comes to in a fresh checkout, at a fraction of its cost.

    Returns:
        None where anything stands that counts, or the outputs lie below several directories.
    """
    if survey.leaves or survey.whole or survey.blocked:
        return None
    outputs: list[OutputFile | OutputLink] = [*result.files, *result.links]
    placed = sorted(outputs, key=attrgetter("path"))
    if not placed or any(owner.is_tracked(output.path) for output in placed):
        return None
    first = placed[0].path
    top = next((start for start in survey.absent if first.startswith(f"{start}/")), None)
    if top is None:
        return None
    made = {top}
    for directory in (*result.directories, *(output.path.rpartition("/")[0] for output in placed)):
        missing = directory
        while missing not in made:
            if not missing.startswith(f"{top}/"):
                return None
            made.add(missing)
            missing = missing.rpartition("/")[0]
    return Plan(made=sorted(made), placed=placed)


class _Planner:
    def __init__(
        self,
        tree: SafeTree,
        globs: Globs,
        spec: OutputSpec,
        result: ActionResult,
        ownership: Ownership,
    ) -> None:
        self._tree = tree
        self._globs = globs
        self._spec = spec
        self._ownership = ownership
        self._leaves: dict[str, OutputFile | OutputLink] = {f.path: f for f in result.files}
        self._leaves.update((link.path, link) for link in result.links)
        self._directories = set(result.directories)
        for path in (*self._leaves, *result.directories):
            self._directories.update(_parents(path))
        self._plan = Plan()
        self._moved: dict[str, None] = {}
        self._dropped: set[str] = set()

    def plan(self, survey: Survey, *, clean: bool) -> Plan:
        """Compare what stands with what should; raises OutputError where something may not go."""
        plan = self._plan
        self._ownership.consider(survey.leaves)
        missing: set[str] = set()
        for directory in sorted(self._directories):
            if directory.rpartition("/")[0] in missing or self._plan_directory(directory):
                missing.add(directory)
        plan.made = sorted(missing)
        for path, wanted in sorted(self._leaves.items()):
            if self._plan_leaf(path, wanted, absent=path.rpartition("/")[0] in missing):
                plan.placed.append(wanted)
        if clean:
            self._plan_rest(survey)
        plan.moved = list(self._moved)
        plan.dropped = sorted(self._dropped, key=_depth_first)
        return plan

    def _plan_directory(self, path: str) -> bool:
        """Make room for a directory; whether it has to be made."""
        try:
            self._tree.directory(path)
        except FileNotFoundError:
            return True
        except (OutputError, OSError):
            there = self._tree.lstat(path)
        else:
            return False
        if there is None:
            return True
        kind = kind_of(there.st_mode)
        if kind == DIRECTORY:
            return False
        within = self._globs.matches(path) or belongs_whole(
            self._globs, path, self._spec.package_path
        )
        if not within or not self._ownership.may_remove(path):
            what = "symbolic link" if kind == LINK else "file"
            raise OutputError(
                f"a {what} stands where an output directory should be, and this task may not "
                "remove it",
                where=path,
                hint="move it away, or have git ignore it",
            )
        self._moved[path] = None
        return True

    def _plan_leaf(self, path: str, wanted: OutputFile | OutputLink, *, absent: bool) -> bool:
        """Make room for a file or link; whether it has to be put in place."""
        there = None if absent else self._tree.lstat(path)
        if there is None:
            self._refuse_tracked(path)
            return True
        if stat.S_ISDIR(there.st_mode):
            self._empty_directory(path)
            return True
        if self._ownership.may_remove(path):
            self._moved[path] = None
            return True
        if self._is_same(path, there, wanted):
            return False
        self._refuse_tracked(path)
        raise OutputError(f"a file {_CHANGED_HANDS}", where=path, hint="move it away")

    def _refuse_tracked(self, path: str) -> None:
        if self._ownership.is_tracked(path):
            raise OutputError(
                "the file is tracked by git, so it is an input and is not overwritten",
                where=path,
                hint="commit, or remove it from the task's outputs",
            )

    def _is_same(self, path: str, there: os.stat_result, wanted: OutputFile | OutputLink) -> bool:
        kind = kind_of(there.st_mode)
        try:
            seen = observe(self._tree, {path: kind})
        except OutputError:
            return False
        return [*seen.files, *seen.links] == [wanted]

    def _empty_directory(self, path: str) -> None:
        """Make room where a directory stands: everything in it has to be the task's."""
        self._dropped.add(path)
        for name, kind in self._tree.scan(path):
            inner = f"{path}/{name}"
            if kind == DIRECTORY:
                self._empty_directory(inner)
            elif self._globs.matches(inner) and self._ownership.may_remove(inner):
                self._moved[inner] = None
            else:
                raise OutputError(f"a file {_CHANGED_HANDS}", where=inner, hint="move it away")

    def _plan_rest(self, survey: Survey) -> None:
        """Plan the end of what matches and is not wanted."""
        for path in survey.leaves:
            if path in self._leaves or path in self._moved:
                continue
            if self._ownership.may_remove(path):
                self._moved[path] = None
            elif not self._ownership.is_tracked(path):
                self._plan.left.append(path)
        for path in survey.whole:
            if path not in self._directories and self._ownership.may_drop(path):
                self._dropped.add(path)


def _stamps(
    tree: SafeTree, globs: Globs, spec: OutputSpec, result: ActionResult
) -> dict[str, Stamp]:
    stamps: dict[str, Stamp] = {}
    for path in (*(file.path for file in result.files), *(link.path for link in result.links)):
        there = tree.lstat(path)
        if there is None:
            raise OutputError("the output vanished while it was restored", where=path)
        stamps[path] = stamp_from(there)
    stamps.update(take_survey(tree, globs, spec.package_path).stamps())
    return stamps


def _remove(tree: SafeTree, path: str, how: Callable[..., None]) -> None:
    try:
        parent, name = tree.place(path)
        how(name, dir_fd=parent)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise OutputError(
            f"the output of an earlier run cannot be removed: {error.strerror}", where=path
        ) from error


def _parents(path: str) -> Iterator[str]:
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def _depth_first(path: str) -> tuple[int, str]:
    return -path.count("/"), path
