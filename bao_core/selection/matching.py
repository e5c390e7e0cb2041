"""The packages that name, tag and directory of a filter stand for, and near misses for none."""

from __future__ import annotations

from bao_core.errors import SelectionError
from bao_core.globs import check_glob
from bao_core.model import ROOT
from bao_core.near_misses import advice, near_misses
from bao_core.selection.filters import (
    fixed_part,
    is_pattern,
    match_directory,
    match_name,
    resolve_directory,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bao_core.package_graph import PackageGraph
    from bao_core.selection.filters import Filter

_FEW = 3
"""How many directories a hint names."""


class FilterMatcher:
    """Matches filters with the packages of a workspace.

    Attributes:
        notes: What the user should know of filters that match nothing, where that is no error.
    """

    def __init__(
        self,
        graph: PackageGraph,
        cwd: str,
        *,
        lenient: bool,
        exists: Callable[[str], bool] | None = None,
    ) -> None:
        """Match within a workspace.

        Args:
            graph: The packages.
            cwd: The current directory from the root; directories are seen from there.
            lenient: A pattern that matches nothing is no error. A name or directory that is not
                there always is one.
            exists: Whether a path from the root is there; None where only the packages tell.
        """
        self._graph = graph
        self._packages = graph.workspace.packages
        self._cwd = cwd
        self._lenient = lenient
        self._exists = exists or (lambda path: bool(self._below(path) or self._holders(path)))
        self.notes: list[str] = []

    def matches(self, text: str, parsed: Filter) -> set[str]:
        """The packages that name, tag and directory of a filter stand for."""
        parts = []
        if parsed.name:
            parts.append(self._named(text, parsed.name))
        if parsed.tag:
            parts.append(self._tagged(text, parsed.tag))
        if parsed.directory:
            parts.append(self._in_directory(text, parsed.directory))
        matched = set(self._packages).intersection(*parts)
        if not matched and all(parts):
            complaint = "no package has that name and lies in that directory"
            self._nothing(text, complaint, None, pattern=True)
        return matched

    def _named(self, text: str, name: str) -> set[str]:
        matches = match_name(name)
        found = {package for package in self._packages if matches(package)}
        if name == ROOT:
            found = {self._graph.workspace.root_package}
        if not found:
            hint = self._directory_advice(name) or advice(
                name.strip("*"), self._packages, "see the names with: bao ls"
            )
            pattern = is_pattern(name)
            what = "no package's name matches" if pattern else "there is no package"
            self._nothing(text, f"{what} '{name}'", hint, pattern=pattern)
        return found

    def _tagged(self, text: str, tag: str) -> set[str]:
        matches = match_name(tag)
        tags = {word for package in self._packages.values() for word in package.tags}
        found = {
            name for name, package in self._packages.items() if any(map(matches, package.tags))
        }
        if not found:
            every = f"there are: {', '.join(sorted(tags)[:12])}" if tags else "no package has tags"
            self._nothing(text, f"no package has the tag '{tag}'", advice(tag, tags, every))
        return found

    def _in_directory(self, text: str, directory: str) -> set[str]:
        path = resolve_directory(directory, self._cwd)
        if path is None:
            raise SelectionError(f"filter '{text}': '{directory}' lies outside of the workspace")
        if path and (complaint := check_glob(path)):
            raise SelectionError(f"filter '{text}': '{directory}' {complaint}")
        matches = match_directory(path)
        found = {name for name, package in self._packages.items() if matches(package.path)}
        if not found:
            fixed = fixed_part(path)
            known = not fixed or self._exists(fixed)
            what = f"no package lies in '{path}'"
            self._nothing(text, what, self._whereabouts(fixed), pattern=known)
        return found

    def _nothing(
        self, text: str, complaint: str, hint: str | None, *, pattern: bool = False
    ) -> None:
        """Refuse a filter that matches nothing; where that is no error for a pattern, note it."""
        if not (self._lenient and pattern):
            raise SelectionError(f"filter '{text}': {complaint}", hint=hint)
        self.notes.append(f"filter '{text}' selects nothing: {complaint}")

    def _below(self, directory: str) -> list[str]:
        prefix = f"{directory}/"
        return sorted(p.path for p in self._packages.values() if p.path.startswith(prefix))

    def _holders(self, path: str) -> list[str]:
        """The packages that hold a path, but for the root."""
        root = self._graph.workspace.root_package
        return [name for name in self._graph.owners(path) if name != root]

    def _whereabouts(self, path: str) -> str | None:
        if below := self._below(path):
            return f"below it lie {', '.join(below[:_FEW])}{' …' if len(below) > _FEW else ''}"
        if holders := self._holders(path):
            return f"package '{holders[0]}' lies in '{self._packages[holders[0]].path}'"
        # Directories are alike by what they lie in; look for a slip in the last name first.
        parent, _, last = path.rpartition("/")
        paths = [package.path for package in self._packages.values() if package.path]
        beside = {p.rpartition("/")[2]: p for p in paths if p.rpartition("/")[0] == parent}
        if near := near_misses(last, beside):
            return f"did you mean {' or '.join(beside[name] for name in near)}?"
        return advice(path, paths)

    def _directory_advice(self, name: str) -> str | None:
        """What to do with a name that would be good as a directory."""
        matches = match_directory(name.strip("/"))
        if any(matches(package.path) for package in self._packages.values()):
            return f"for a directory write './{name}'"
        return None
