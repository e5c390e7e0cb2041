"""Which packages a change touches, which it can reach from there, and why.

`docs/reference/affected.md` says the rules for users. Reasons are the same for the same change, and
sorted; where there are many of one kind, the first few stand for them with a count of the rest.
"""

from __future__ import annotations

from msgspec import Struct

from bao_core.graph import PackageGraph
from bao_core.model import ROOT, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from bao_core.git.facts import ChangedFile
    from bao_core.model import Package, Workspace
    from bao_core.selection.changes import Changes
    from bao_core.selection.filters import RevisionRange

SHOWN = 3
"""How many reasons of a kind are spelt out."""

KNOWN_MANIFESTS = frozenset(
    {"bao.toml", "package.json", "pyproject.toml", "turbo.json", "turbo.jsonc"}
)
"""Files that may make or shape a package even where no package has one any more."""

ROOT_CONFIGURATION = "bao.toml"
"""What every package's tasks may be shaped by, whatever is configured as a global input."""

PROSE = (".md", ".mdx", ".rst", ".adoc", ".txt")
"""Endings of files that never shape a workspace."""

_VERBS = {"A": "added", "D": "deleted", "M": "changed"}


class Difference(Struct):
    """What a change touched itself.

    Attributes:
        direct: The packages that changed, with the reasons why.
        everything: Why every package counts as changed; empty where that is not so.
    """

    direct: dict[str, list[Reason]]
    everything: list[Reason]

    def changed(self, packages: Iterable[str]) -> set[str]:
        """Which of all packages changed."""
        return set(packages) if self.everything else set(self.direct)

    def reasons(self, package: str) -> list[Reason]:
        """Why a package changed."""
        return [*self.direct.get(package, ()), *self.everything]


def find_difference(
    graph: PackageGraph, changes: Changes, revisions: RevisionRange, *, turbo: bool = False
) -> Difference | None:
    """Compare two states of the repository.

    Args:
        graph: The packages of the worktree.
        changes: Answers for the repository.
        revisions: What to compare.
        turbo: A change in anything that the root package needs, inside or outside of the
            workspace, is one of every package, even where the root is a package of its own.

    Returns:
        What differs; None where a revision is not known or the two have nothing in common.
    """
    base: str | None = revisions.base
    if revisions.merge_base:
        base = changes.merge_base(revisions.base, revisions.head or "HEAD")
    if base is None:
        return None
    files = changes.files(
        base, revisions.head or None, merge_base=False, worktree=not revisions.head
    )
    if files is None:
        return None
    return _Comparison(graph, changes, files, turbo=turbo).compare(base, revisions.head)


def reach(graph: PackageGraph, difference: Difference) -> dict[str, list[Reason]]:
    """Every package that a difference can reach, with the reasons why; by name.

    Edges through extras count here: whoever installs the extra gets what changed.
    """
    reached = graph.closure(difference.direct, up=True, extras=True)
    found = {}
    for name in sorted(graph.workspace.packages if difference.everything else reached):
        upstream = graph.dependencies(name, extras=True)
        texts = [f"{other} is affected" for other in upstream if other in reached and other != name]
        found[name] = [
            *difference.direct.get(name, ()),
            *_some("dependency", texts),
            *difference.everything,
        ]
    return found


def _some(code: str, texts: Sequence[str]) -> list[Reason]:
    """One reason for each text, or the first few and one for the rest."""
    shown = len(texts) if len(texts) <= SHOWN + 1 else SHOWN
    reasons = [Reason(code, text) for text in texts[:shown]]
    if len(texts) > shown:
        reasons.append(Reason(code, f"and {len(texts) - shown} more"))
    return reasons


class _Comparison:
    """One comparison of two states."""

    def __init__(
        self, graph: PackageGraph, changes: Changes, files: Sequence[ChangedFile], *, turbo: bool
    ) -> None:
        self._graph = graph
        self._packages = graph.workspace.packages
        self._changes = changes
        self._files = files
        self._paths = {file.path for file in files}
        self._turbo = turbo
        self._direct: dict[str, list[Reason]] = {}
        self._everything: list[Reason] = []
        self._below = self._packages_below_changes()
        self._manifests = KNOWN_MANIFESTS | {
            package.manifest.rpartition("/")[2] for package in self._packages.values()
        }
        # Settings at the root may add packages or take them away without touching their files.
        self._settings_changed = any(
            "/" not in path and not path.lower().endswith(PROSE) for path in self._paths
        )

    def compare(self, base: str, head: str) -> Difference:
        """Find out what differs between a commit and a head, or the worktree without one."""
        self._compare_files()
        if self._shape_may_differ():
            before = self._changes.workspace_at(base)
            after = self._changes.workspace_at(head) if head else self._graph.workspace
            if before is None or after is None:
                then = base[:12] if before is None else head
                text = f"the packages of {then} cannot be made out"
                self._everything.append(Reason("everything", text))
            else:
                self._compare_locks(before, after)
                self._compare_packages(before, after)
                closures = None if head else self._changes.closures()
                self._compare_closures(before, after, closures)
        if self._turbo:
            self._compare_shared()
        return Difference(self._direct, self._everything)

    def _compare_shared(self) -> None:
        root = self._graph.workspace.root_package
        hit = self._graph.closure([root], up=False) & self._direct.keys() - {root}
        texts = [f"{name}, which the root package needs, changed" for name in sorted(hit)]
        self._everything += _some("root-dependency", texts)

    def _because(self, package: str, reasons: Iterable[Reason]) -> None:
        if package in self._packages and (found := list(reasons)):
            self._direct.setdefault(package, []).extend(found)

    # --- files -------------------------------------------------------------------------------

    def _compare_files(self) -> None:
        touched: dict[str, list[str]] = {}
        shared: list[str] = []
        for file in self._files:
            verb = _VERBS[file.status]
            if file.path == ROOT_CONFIGURATION or self._changes.global_input(file.path):
                shared.append(f"{file.path} {verb}")
            if file.path in self._graph.workspace.lock_files:
                continue  # it counts by the closures in it
            for name in self._owners(file.path):
                directory = self._packages[name].path
                inside = file.path[len(directory) + 1 :] if directory else file.path
                touched.setdefault(name, []).append(f"{inside or file.path} {verb}")
            # A submodule, or a link to a directory: git says no more of what lies below.
            for name in self._below.get(file.path, ()):
                touched.setdefault(name, []).append(f"{file.path} {verb}")
        for name in sorted(touched):
            self._because(name, _some("file-changed", touched[name]))
        self._everything += _some("global", shared)

    def _owners(self, path: str) -> Sequence[str]:
        """The packages whose default inputs hold a file.

        A root that is no package of its own would hold everything; only what nobody else has is
        taken to be its.
        """
        owners = self._graph.owners(path)
        named = [name for name in owners if name != ROOT]
        return named or owners

    def _packages_below_changes(self) -> dict[str, list[str]]:
        """The packages that lie below each path that changed."""
        found: dict[str, list[str]] = {}
        for name, package in self._packages.items():
            end = package.path.rfind("/")
            while end > 0:
                if package.path[:end] in self._paths:
                    found.setdefault(package.path[:end], []).append(name)
                end = package.path.rfind("/", 0, end)
        return found

    # --- packages ----------------------------------------------------------------------------

    def _shape_may_differ(self) -> bool:
        """Whether there is anything to compare beyond files; reading a revision is dear."""
        if self._settings_changed:
            return True
        locks = self._graph.workspace.lock_files
        for file in self._files:
            path = file.path
            if path.rpartition("/")[2] in self._manifests or path in locks or path in self._below:
                return True
            owners = self._graph.owners(path)
            if file.status == "D" and owners == (self._graph.workspace.root_package,):
                return True  # perhaps the last trace of a package
            if any(self._packages[name].path == path for name in owners):
                return True
        return False

    def _compare_packages(self, before: Workspace, after: Workspace) -> None:
        old = PackageGraph(before)
        new = PackageGraph(after) if after is not self._graph.workspace else self._graph
        gone = self._witnessed(before, before.packages.keys() - after.packages.keys())
        come = self._witnessed(after, after.packages.keys() - before.packages.keys())
        renamed = {before.packages[name].path: name for name in gone}
        for name in sorted(come):
            previous = renamed.get(after.packages[name].path)
            text = f"renamed from {previous}" if previous else "new since the base"
            self._because(name, [Reason("added", text)])
        for name in sorted(before.packages.keys() & after.packages.keys()):
            was, now = before.packages[name].path, after.packages[name].path
            if was != now:
                self._because(name, [Reason("moved", f"moved from {was or 'the root'}")])
            had, has = set(old.dependencies(name)), set(new.dependencies(name))
            kept = after.packages.keys() - come
            lost = [
                f"{other} is gone" if other in gone else f"no longer depends on {other}"
                for other in sorted(had - has)
                if other in gone or other in kept
            ]
            self._because(name, _some("dependency-removed", lost))
            known = come | before.packages.keys()
            won = [f"now depends on {other}" for other in sorted(has - had) if other in known]
            self._because(name, _some("dependency-added", won))

    def _witnessed(self, workspace: Workspace, names: Collection[str]) -> set[str]:
        """Those of the packages in one state only that some changed file accounts for.

        A package in an ignored directory or in a submodule, or one left out of a sparse checkout,
        stands in one state only although nothing happened to it.
        """
        if self._settings_changed:
            return set(names)
        return {name for name in names if self._is_witnessed(workspace.packages[name])}

    def _is_witnessed(self, package: Package) -> bool:
        if any(f"{package.path}/{manifest}" in self._paths for manifest in self._manifests):
            return True
        if package.manifest in self._paths:
            return True
        end = len(package.path)
        while end > 0:
            if package.path[:end] in self._paths:
                return True
            end = package.path.rfind("/", 0, end)
        return False

    # --- lock files --------------------------------------------------------------------------

    def _compare_locks(self, before: Workspace, after: Workspace) -> None:
        """Lock files that cannot be compared: they are new, gone, broken, or made otherwise."""
        locks = {*before.lock_files, *after.lock_files}
        # Patches stand among them; one that is new or gone shows in the closures it belongs to.
        constant = {*before.lock_files} & {*after.lock_files}
        touched = [file for file in self._files if file.path in locks]
        texts = [
            f"{file.path} {_VERBS[file.status]}"
            for file in touched
            if file.status != "M" and file.path in constant
        ]
        broken = {before.lock_broken, after.lock_broken} - {""}
        if touched or before.lock_broken != after.lock_broken:
            texts += sorted(broken)
        if not texts and before.lock_form != after.lock_form:
            texts.append("the lock file has another format or other settings")
        self._everything += _some("lock", texts)

    def _compare_closures(
        self,
        before: Workspace,
        after: Workspace,
        closures: Mapping[str, tuple[str, ...]] | None,
    ) -> None:
        """Compare what each package reaches in the lock files.

        Args:
            before: One state.
            after: The other.
            closures: The closures of the other state, where `after` may come without them.
        """
        for name in sorted(before.packages.keys() & after.packages.keys()):
            was, now = before.packages[name], after.packages[name]
            if was.external_digest and was.external_digest == now.external_digest:
                continue
            reached = now.external if closures is None else closures.get(name, ())
            texts = closure_changes(was.external, reached)
            if not texts and was.external_places != now.external_places:
                texts = ["what it depends on is installed elsewhere"]
            self._because(name, _some("lock", texts))
            if name == before.root_package and (self._turbo or name == ROOT):
                # Tools that all packages share live in the root's part of the lock file.
                self._everything += _some("lock", [f"{text} for the root" for text in texts])


def closure_changes(before: Collection[str], after: Collection[str]) -> list[str]:
    """How two closures of `name@version` differ, such as `requests 2.31 → 2.32`; sorted."""
    old, new = _versions(before, after), _versions(after, before)
    texts = []
    for name in sorted(old.keys() | new.keys()):
        gone, come = " ".join(old.get(name, ())), " ".join(new.get(name, ()))
        if name in old and name in new:
            texts.append(f"{name} {gone} → {come}")
        elif name in old:
            texts.append(" ".join(filter(None, (name, gone, "removed"))))
        else:
            texts.append(" ".join(filter(None, (name, come, "added"))))
    return texts


def _versions(these: Collection[str], those: Collection[str]) -> dict[str, list[str]]:
    """Versions by name of what is in one closure only."""
    found: dict[str, list[str]] = {}
    for entry in sorted(set(these) - set(those)):
        name, sign, version = entry.rpartition("@")
        if not name or not sign:
            name, version = entry, ""
        found.setdefault(name, []).append(version)
    return found
