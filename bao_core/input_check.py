"""Whether the inputs of a task are still what its key was made of.

T0 is the ctime of a file made before git was asked. What has an earlier ctime is as git saw it;
what has not is read again and compared.
"""

from __future__ import annotations

import os

from bao_core.inputs import InputSet
from bao_core.model import Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bao_core.ignoring import IgnoredPaths
    from bao_core.inputs import InputResolver
    from bao_core.model import Package, Task, Workspace


class InputCheck:
    """Looks at inputs again, after a task or before a later one."""

    def __init__(
        self, resolver: InputResolver, workspace: Workspace, ignored: IgnoredPaths
    ) -> None:
        self._files = resolver.files
        self._resolver = resolver
        self._workspace = workspace
        self._ignored = ignored

    def changes(self, task: Task, inputs: InputSet) -> list[Reason]:
        """What is different from when the key was made; empty when nothing is."""
        reasons = [
            Reason("input-changed", f"input {path} changed while bao ran")
            for path in self._changed(inputs.paths, inputs.identities)
        ]
        package = self._workspace.packages[task.package]
        appeared = self._appeared(package.path, set(inputs.paths))
        reasons += [
            Reason("input-added", f"input {path} appeared while bao ran")
            for path in self._inputs_among(appeared, task, inputs)
        ]
        for name in inputs.dependencies:
            reasons += self._dependency_changes(name)
        return reasons

    def refreshed(self, task: Task, inputs: InputSet) -> InputSet | None:
        """The inputs as they are now, where they differ; for a task whose upstream has run."""
        changed = set(self._changed(inputs.paths, inputs.identities))
        package = self._workspace.packages[task.package]
        appeared = self._appeared(package.path, set(inputs.paths))
        added = self._inputs_among(appeared, task, inputs)
        if not changed and not added:
            return None
        identities = dict(zip(inputs.paths, inputs.identities, strict=True))
        for path in (*changed, *added):
            identity = self._files.identity_now(path)
            if identity is None:
                identities.pop(path, None)
            else:
                identities[path] = identity
        paths = sorted(identities)
        return InputSet(paths, [identities[p] for p in paths], inputs.dependencies, inputs.globs)

    def _changed(self, paths: Iterable[str], identities: Iterable[str]) -> list[str]:
        taken, root = self._files.taken, self._files.root
        lstat = os.lstat
        changed = []
        for path, identity in zip(paths, identities, strict=True):
            try:
                found = lstat(f"{root}/{path}")
            except OSError:
                if identity != "missing":
                    changed.append(path)
                continue
            # A link has a time of its own; what it points to may change without it.
            untouched = found.st_ctime_ns < taken and not identity.startswith("120000")
            if not untouched and self._files.identity_now(path) != identity:
                changed.append(path)
        return changed

    def _appeared(self, directory: str, known: set[str]) -> list[str]:
        """Files in the known folders below a directory that were not there when it was listed."""
        folders = {directory}
        for path in known:
            folder = path.rpartition("/")[0]
            while folder not in folders and len(folder) > len(directory):
                folders.add(folder)
                folder = folder.rpartition("/")[0]
        found: list[str] = []
        for folder in folders:
            absolute = f"{self._files.root}/{folder}" if folder else self._files.root
            try:
                if os.stat(absolute).st_ctime_ns < self._files.taken:
                    continue
                entries = list(os.scandir(absolute))
            except OSError:
                continue
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if path not in folders and entry.name != ".git":
                        found.extend(self._recent(self._files.walk(path)))
                elif path not in known and (entry.is_file() or entry.is_symlink()):
                    found.append(path)
        return found

    def _recent(self, paths: Iterable[str]) -> list[str]:
        recent = []
        for path in paths:
            try:
                if os.lstat(f"{self._files.root}/{path}").st_ctime_ns >= self._files.taken:
                    recent.append(path)
            except OSError:
                continue
        return recent

    def _inputs_among(self, paths: list[str], task: Task, inputs: InputSet) -> list[str]:
        candidates = [
            path
            for path in paths
            if not self._resolver.is_covered(path, task)
            and (inputs.globs is None or inputs.globs.matches(path))
        ]
        explicit = inputs.explicit
        doubtful = [path for path in candidates if explicit is None or not explicit.matches(path)]
        package = self._workspace.packages[task.package]
        hidden = self._hidden(doubtful, package)
        return sorted(
            path
            for path in candidates
            if path not in hidden or path.rpartition("/")[2].startswith(".env")
        )

    def _hidden(self, paths: list[str], package: Package) -> set[str]:
        """Those of some files that appeared that are no default inputs."""
        return self._ignored.among(paths) | self._resolver.leftovers_among(paths, package)

    def _dependency_changes(self, name: str) -> list[Reason]:
        package = self._workspace.packages[name]
        paths, identities = self._resolver.default_files(package)
        changed = self._changed(paths, identities)
        if not changed:
            appeared = [
                path
                for path in self._appeared(package.path, set(paths))
                if not self._resolver.is_output(path)
            ]
            hidden = self._hidden(appeared, package)
            changed = [path for path in appeared if path not in hidden]
        return [
            Reason("dependency-changed", f"{path} of dependency {name} changed while bao ran")
            for path in changed
        ]
