"""Which packages are meant: filters and `--affected`.

Imported only by an invocation that asks for either.
"""

from __future__ import annotations

from msgspec import Struct, field

from bao_core.errors import GitError
from bao_core.model import Reason, SelectedPackage
from bao_core.selection.affected import find_difference, reach
from bao_core.selection.base_revision import Base, choose_base
from bao_core.selection.changes import Changes, GitChanges
from bao_core.selection.filters import RevisionRange, parse_filter
from bao_core.selection.matching import FilterMatcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from bao_core.graph import PackageGraph
    from bao_core.selection.affected import Difference
    from bao_core.selection.filters import Filter

__all__ = ["Base", "Changes", "GitChanges", "Selection", "TaskFilter", "choose_base", "select"]


class TaskFilter(Struct, frozen=True):
    """Which tasks of a selected package are meant.

    Attributes:
        only: Names of tasks; None for all.
        never: Names of tasks that are taken away.
    """

    only: tuple[str, ...] | None = None
    never: tuple[str, ...] = ()


class Selection(Struct, frozen=True):
    """The packages that are meant.

    Attributes:
        packages: Sorted by name; the root package is among them where it is meant.
        task_filters: By package, where a filter names tasks (`package#task`).
        notes: What the user should know, one sentence each.
        compared: With what `--affected` compared; empty without it.
    """

    packages: list[SelectedPackage]
    task_filters: dict[str, TaskFilter] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    compared: str = ""

    def names(self) -> list[str]:
        """The names of the packages."""
        return [package.name for package in self.packages]

    def allows(self, package: str, task: str) -> bool:
        """Whether a task of a selected package is meant."""
        found = self.task_filters.get(package)
        if found is None:
            return True
        return task not in found.never and (found.only is None or task in found.only)


def select(
    graph: PackageGraph,
    *,
    filters: Sequence[str],
    affected: bool,
    cwd: str,
    changes: Changes,
    turbo: bool = False,
    exists: Callable[[str], bool] | None = None,
) -> Selection:
    """The packages that filters let through and, if asked, that a change can reach.

    Args:
        graph: All packages.
        filters: What a package must match one of; those with `!` take away. Without any, all.
        affected: Only what differs from the base.
        cwd: The current directory from the root; directories in filters are seen from there.
        changes: Answers for the repository; asked only where needed.
        turbo: The rules of `turbo.json` hold: a pattern that matches nothing selects nothing, every
            package depends on what the root package needs, and without filters the current
            directory chooses the package.
        exists: Under the rules of `turbo.json`, whether a path from the root is there; None where
            only what the packages say of it is known.

    Raises:
        SelectionError: A filter cannot be read, or matches nothing.
        GitError: A filter names a revision that does not exist.
    """
    matcher = FilterMatcher(graph, cwd, lenient=turbo, exists=exists)
    return _Selector(graph, cwd, changes, matcher, turbo=turbo).select(filters, affected=affected)


class _Match:
    """A package while it is being selected: why, and which of its tasks."""

    __slots__ = ("everything", "reasons", "tasks")

    def __init__(self) -> None:
        self.reasons: dict[Reason, None] = {}
        self.tasks: set[str] = set()
        self.everything = False


class _Selector:
    """One selection."""

    def __init__(
        self,
        graph: PackageGraph,
        cwd: str,
        changes: Changes,
        matcher: FilterMatcher,
        *,
        turbo: bool,
    ) -> None:
        self._graph = graph
        self._packages = graph.workspace.packages
        self._cwd = cwd
        self._changes = changes
        self._turbo = turbo
        self._matcher = matcher
        self._differences: dict[RevisionRange, Difference] = {}
        self._notes = self._matcher.notes
        root = graph.workspace.root_package
        # Under turbo.json every package depends on what the root package needs.
        self._shared = graph.closure([root], up=False) - {root} if turbo else set()

    def select(self, filters: Sequence[str], *, affected: bool) -> Selection:
        parsed = [(text, parse_filter(text)) for text in filters]
        matches = self._included([(t, f) for t, f in parsed if not f.exclude], affected=affected)
        never = self._exclude([(t, f) for t, f in parsed if f.exclude], matches)
        compared = ""
        if affected:
            reached = self._affected()
            compared = self._changes.how()
            matches = {name: match for name, match in matches.items() if name in reached}
            for name, match in matches.items():
                match.reasons = {**dict.fromkeys(reached[name]), **match.reasons}
        return Selection(
            packages=[
                SelectedPackage(name, tuple(matches[name].reasons)) for name in sorted(matches)
            ],
            task_filters=_task_filters(matches, never),
            notes=self._notes,
            compared=compared,
        )

    def _included(
        self, filters: Sequence[tuple[str, Filter]], *, affected: bool
    ) -> dict[str, _Match]:
        matches: dict[str, _Match] = {}
        if not filters:
            here = self._turbo and not affected
            for name in self._below_current_directory() if here else self._packages:
                matches[name] = _Match()
                matches[name].everything = True
            return matches
        for text, parsed in filters:
            own = self._difference(text, parsed.range) if parsed.range else None
            for name in self._selected_by(text, parsed):
                match = matches.setdefault(name, _Match())
                for reason in own.reasons(name) if own else ():
                    match.reasons[reason] = None
                match.reasons[Reason("filter", text)] = None
                if parsed.task:
                    match.tasks.add(parsed.task)
                else:
                    match.everything = True
        return matches

    def _exclude(
        self, filters: Sequence[tuple[str, Filter]], matches: dict[str, _Match]
    ) -> dict[str, set[str]]:
        """Take packages away; returns the tasks that are taken away from packages that stay."""
        never: dict[str, set[str]] = {}
        for text, parsed in filters:
            for name in self._selected_by(text, parsed):
                if not parsed.task:
                    matches.pop(name, None)
                    continue
                never.setdefault(name, set()).add(parsed.task)
                match = matches.get(name)
                if match and not match.everything and match.tasks <= never[name]:
                    del matches[name]
        return never

    def _below_current_directory(self) -> Iterable[str]:
        """The package that holds the current directory, else those below it."""
        root = self._graph.workspace.root_package
        owners = self._graph.owners(self._cwd)
        if not self._cwd:
            return self._packages
        if owners[:1] not in {(), (root,)}:
            return owners[:1]
        prefix = f"{self._cwd}/"
        below = [name for name, p in self._packages.items() if p.path.startswith(prefix)]
        return below or self._packages

    # --- one filter --------------------------------------------------------------------------

    def _selected_by(self, text: str, parsed: Filter) -> set[str]:
        """Everything that a filter stands for."""
        matched = self._matcher.matches(text, parsed)
        if parsed.range:
            difference = self._difference(text, parsed.range)
            changed = difference.changed(self._packages)
            matched &= self._up(changed) if parsed.through_dependencies else changed
        # turbo has no ear for `^` beside a directory without braces: `./web^...` is `./web...`.
        bare = bool(parsed.directory) and f"{{{parsed.directory}}}" not in text
        if not parsed.without_itself or (self._turbo and bare):
            return self._around(parsed, matched)
        # What is matched goes, but for what another match leads to.
        found: set[str] = set()
        for name in matched:
            found |= self._around(parsed, {name}) - {name}
        return found

    def _around(self, parsed: Filter, names: set[str]) -> set[str]:
        if parsed.dependents:
            names = self._up(names)
        return self._down(names) if parsed.dependencies else names

    def _up(self, names: set[str]) -> set[str]:
        """Packages and everything that depends on them."""
        found = self._graph.closure(names, up=True)
        return found if found.isdisjoint(self._shared) else set(self._packages)

    def _down(self, names: set[str]) -> set[str]:
        """Packages and everything that they depend on."""
        return self._graph.closure(names, up=False) | self._shared if names else names

    # --- changes -----------------------------------------------------------------------------

    def _difference(self, text: str, revisions: RevisionRange) -> Difference:
        known = self._differences.get(revisions)
        if known is None:
            known = find_difference(self._graph, self._changes, revisions, turbo=self._turbo)
            if known is None:
                names = " or ".join(f"'{n}'" for n in (revisions.base, revisions.head) if n)
                rest = ", or no history that they share" if revisions.head else ""
                raise GitError(f"filter '{text}': git does not know {names}{rest}")
            self._differences[revisions] = known
        return known

    def _affected(self) -> dict[str, list[Reason]]:
        base = self._changes.base()
        difference = None
        if base is not None:
            revisions = RevisionRange(base)
            difference = find_difference(self._graph, self._changes, revisions, turbo=self._turbo)
        if difference is None:
            how = self._changes.how()
            self._notes.append(f"everything counts as affected: {how}")
            return {name: [Reason("everything", how)] for name in self._packages}
        return reach(self._graph, difference)


def _task_filters(matches: dict[str, _Match], never: dict[str, set[str]]) -> dict[str, TaskFilter]:
    found = {}
    for name in sorted(matches):
        only: Collection[str] | None = None if matches[name].everything else matches[name].tasks
        if only is not None or name in never:
            found[name] = TaskFilter(
                None if only is None else tuple(sorted(only)), tuple(sorted(never.get(name, ())))
            )
    return found
