"""The input files of a task: which they are, and what each of them contributes to the key."""

from __future__ import annotations

import os
import stat
from functools import cached_property

from msgspec import Struct

from bao_core.digests import hash_text
from bao_core.errors import InputError
from bao_core.globs import compile_globs
from bao_core.model import Stamp, Task, TaskId
from bao_core.outputs import resolve_patterns
from bao_core.outputs.stamps import GRANULARITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from bao_core.globs import Globs
    from bao_core.graph import PackageGraph
    from bao_core.model import Package, TaskDefinition, TaskGraph, Workspace
    from bao_core.state import WorkspaceState
    from bao_core.worktree import WorktreeFiles

DEFAULT = "$default"
DEPENDENCIES_DEFAULT = "^$default"
ROOT_PREFIX = "$root/"


class InputSet(Struct):
    """The inputs of one task.

    Attributes:
        paths: From the workspace root, sorted.
        identities: Content identities, one a path.
        dependencies: Packages whose default files count as well, sorted.
        globs: What a file that appears later must match to be an input; None where every file
            below the package that git does not ignore is one.
        explicit: What matches these is an input even if git ignores it.
    """

    paths: list[str]
    identities: list[str]
    dependencies: tuple[str, ...] = ()
    globs: Globs | None = None
    explicit: Globs | None = None


class InputRules(Struct, frozen=True):
    """What a definition's `inputs` ask for."""

    default: bool
    dependencies: bool
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()


def input_rules(definition: TaskDefinition) -> InputRules:
    """Take the patterns of a definition apart.

    A definition that says nothing of inputs takes every file of the package, and of the packages
    depended on as well unless a followed `^task` already makes their changes count.
    """
    patterns = definition.inputs
    if patterns is None or (not patterns and definition.lenient):
        covered = definition.lenient or any(
            reference.scope == "dependencies" and reference.follow != "none"
            for reference in definition.depends_on
        )
        return InputRules(default=True, dependencies=not definition.configured or not covered)
    positive = tuple(p for p in patterns if not p.startswith(("!", DEFAULT, DEPENDENCIES_DEFAULT)))
    negative = tuple(p[1:] for p in patterns if p.startswith("!"))
    dependencies = DEPENDENCIES_DEFAULT in patterns
    only_negations = bool(negative) and not positive and not dependencies
    default = DEFAULT in patterns or (only_negations and not definition.lenient)
    return InputRules(default, dependencies, positive, negative)


class InputResolver:
    """Finds the inputs of the tasks of one run, each package's default files once."""

    def __init__(
        self,
        files: WorktreeFiles,
        workspace: Workspace,
        packages: PackageGraph,
        graph: TaskGraph,
        definitions: Mapping[str, Mapping[str, TaskDefinition]],
        state: WorkspaceState,
    ) -> None:
        self.files = files
        self._workspace = workspace
        self._packages = packages
        self._graph = graph
        self._definitions = definitions
        self._state = state
        self._default_digests: dict[str, str] = {}
        self._producers: dict[str, frozenset[TaskId]] = {}
        self._upstream: dict[TaskId, frozenset[TaskId]] = {}

    def resolve(self, task: Task) -> InputSet:
        """The inputs of a task as they are now.

        Raises:
            InputError: An input cannot be read, or is an output of a task that is not upstream.
        """
        rules = input_rules(task.definition)
        package = self._workspace.packages[task.package]
        dependencies: tuple[str, ...] = ()
        if rules.dependencies:
            # Also through extras: a file that may be imported may change the result.
            reached = self._packages.closure([package.name], up=False, extras=True)
            dependencies = tuple(sorted(reached - {package.name}))
        if rules.default and not rules.positive and not rules.negative:
            paths, identities = self._default_inputs(task, package)
            return InputSet(paths, identities, dependencies)
        paths = self._explicit_inputs(task, package, rules)
        identities = [self._identity(path) for path in paths]
        negated = tuple(f"!{pattern}" for pattern in rules.negative)
        explicit = resolve_patterns(package.path, (*rules.positive, *negated))
        everything = (
            (f"{ROOT_PREFIX}{package.path}/**".replace("//", "/"),) if rules.default else ()
        )
        globs = resolve_patterns(package.path, (*everything, *rules.positive, *negated))
        return InputSet(paths, identities, dependencies, globs, explicit)

    def default_digest(self, package: Package) -> str:
        """A hash over every default input of a package."""
        known = self._default_digests.get(package.name)
        if known is None:
            paths, identities = self.default_files(package)
            known = self._default_digests[package.name] = hash_text(*paths, *identities)
        return known

    def unlisted(self) -> Iterator[str]:
        """What default inputs depend on beside the configuration and the listed files, as texts.

        Raises:
            InputError: An input cannot be read.
        """
        for package in self._workspace.packages.values():
            for name in self._dot_env_files(package.path):
                path = f"{package.path}/{name}" if package.path else name
                yield f"{path}\0{self.files.identity_of(path)}"
            beside = os.path.dirname(package.manifest) != package.path
            if package.manifest and (beside or not self.files.is_tracked(package.manifest)):
                yield f"{package.manifest}\0{self.files.identity_of(package.manifest)}"

    def reached(self, tasks: Iterable[Task]) -> Iterator[str]:
        """The inputs of tasks whose patterns may reach files that git does not list, as texts.

        Raises:
            InputError: An input cannot be read.
        """
        for task in tasks:
            found = self.resolve(task)
            yield "\0".join((task.id, *found.paths, *found.identities))

    def _default_inputs(self, task: Task, package: Package) -> tuple[list[str], list[str]]:
        paths, identities = self.default_files(package)
        untracked = self.files.untracked_below(package.path)
        covered = {path for path in untracked if self.is_covered(path, task)}
        if not covered:
            return paths, identities
        kept = [index for index, path in enumerate(paths) if path not in covered]
        return [paths[index] for index in kept], [identities[index] for index in kept]

    def default_files(self, package: Package) -> tuple[list[str], list[str]]:
        """Paths and content identities of every default input of a package."""
        first, last = self.files.span(package.path)
        paths = self.files.paths[first:last]
        identities = self.files.identities(first, last)
        if package.leftovers:
            left = self.leftovers_among(self.files.untracked_below(package.path), package)
            if left:
                kept = [index for index, path in enumerate(paths) if path not in left]
                paths = [paths[index] for index in kept]
                identities = [identities[index] for index in kept]
        listed = set(paths)
        for name in self._dot_env_files(package.path):
            path = f"{package.path}/{name}" if package.path else name
            if path not in listed and (identity := self.files.identity_of(path)):
                paths.append(path)
                identities.append(identity)
        return paths, identities

    def leftovers_among(self, untracked: Collection[str], package: Package) -> set[str]:
        """Those of some paths that git does not track that a package's tools leave."""
        if not untracked or not package.leftovers:
            return set()
        matches = resolve_patterns(package.path, package.leftovers).matches
        return {path for path in untracked if matches(path)}

    def _dot_env_files(self, directory: str) -> tuple[str, ...]:
        """Names of `.env*` files, ignored or not; a directory is listed only after a change."""
        absolute = os.path.join(self.files.root, directory)
        try:
            found = os.lstat(absolute)
        except OSError:
            return ()
        stamp = Stamp(found.st_mode, 0, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        memory = self._state.memory.dot_env
        known = memory.get(directory)
        if known is not None and known[0] == stamp and stamp.ctime < known[1]:
            return known[2]
        names = tuple(
            sorted(
                name
                for name in os.listdir(absolute)
                if name.startswith(".env") and os.path.isfile(os.path.join(absolute, name))
            )
        )
        # A change in the same tick of the clock as this listing would leave the stamp as it is.
        memory[directory] = (stamp, self.files.taken - GRANULARITY, names)
        self._state.mark_changed()
        return names

    def _explicit_inputs(self, task: Task, package: Package, rules: InputRules) -> list[str]:
        positive = resolve_patterns(package.path, rules.positive)
        negative = resolve_patterns(package.path, rules.negative)
        found: set[str] = set()
        if rules.default:
            found.update(self.default_files(package)[0])
        if rules.positive:
            for directory in positive.directories():
                # It may be a file: `src/{a,b}.ts` names two.
                if positive.matches(directory) and self._is_file(directory):
                    found.add(directory)
                found.update(
                    p for p in self.files.walk(directory, positive.reaches) if positive.matches(p)
                )
                first, last = self.files.span(directory)
                found.update(p for p in self.files.paths[first:last] if positive.matches(p))
            found.update(p for p in _literal_paths(package, rules) if self._is_file(p))
        for place in _literal_places(package, rules, positive):
            # Said before the file is there: the first run must not differ from the second.
            self._covers(place, task, positive)
        always = _always(task.definition, package)
        kept = [path for path in found if path in always or not negative.matches(path)]
        return sorted(path for path in kept if not self._covers(path, task, positive))

    def _covers(self, path: str, task: Task, explicit: Globs) -> bool:
        if self.files.is_tracked(path):
            return False
        if self.is_covered(path, task):
            return True
        definition = task.definition
        if definition.lenient or definition.inferred or not explicit.matches(path):
            return False
        producers = self._producers_of(path) - {task.id}
        # Nobody said that an inferred task leaves this; if it does, the change is seen.
        certain = [other for other in producers if not self._is_inferred(other)]
        if certain:
            first = min(certain)
            raise InputError(
                f"input '{path}' of {task.id} is an output of {first}, which is not upstream of it",
                where=task.definition.source or None,
                hint=f"add {first!r} to its depends_on, or narrow its inputs",
            )
        return False

    def _is_inferred(self, task_id: TaskId) -> bool:
        package, _, name = task_id.rpartition("#")
        return self._definitions[package][name].inferred

    def is_output(self, path: str) -> bool:
        """Whether some task of the run declares this path as an output."""
        return bool(self._producers_of(path))

    def is_covered(self, path: str, task: Task) -> bool:
        """Whether an untracked file is an output of the task or of what it follows."""
        producers = self._producers_of(path)
        if not producers:
            return False
        return task.id in producers or not producers.isdisjoint(self._followed(task.id))

    def _producers_of(self, path: str) -> frozenset[TaskId]:
        known = self._producers.get(path)
        if known is None:
            found = [*self._rooted_outputs]
            for directory in _itself_and_above(path):
                for name in self._packages_at.get(directory, ()):
                    found += self._outputs_of(name)
            known = self._producers[path] = frozenset(
                task_id for task_id, globs in found if globs.matches(path)
            )
        return known

    @cached_property
    def _packages_at(self) -> dict[str, list[str]]:
        """Names of packages by their directory."""
        found: dict[str, list[str]] = {}
        for name, package in self._workspace.packages.items():
            found.setdefault(package.path, []).append(name)
        return found

    @cached_property
    def _rooted_outputs(self) -> list[tuple[TaskId, Globs]]:
        """The outputs of tasks some of which may lie outside of their package."""
        return [
            output
            for name, tasks in self._definitions.items()
            if any(ROOT_PREFIX in p for definition in tasks.values() for p in definition.outputs)
            for output in self._outputs_of(name)
        ]

    def _outputs_of(self, name: str) -> list[tuple[TaskId, Globs]]:
        """What the tasks of a package declare as outputs."""
        package = self._workspace.packages.get(name)
        if package is None:
            return []
        return [
            (TaskId(f"{name}#{task}"), resolve_patterns(package.path, definition.outputs))
            for task, definition in self._definitions.get(name, {}).items()
            if definition.outputs and definition.command is not None
        ]

    def _followed(self, task_id: TaskId) -> frozenset[TaskId]:
        known = self._upstream.get(task_id)
        if known is None:
            reached: set[TaskId] = set()
            for edge in self._graph.tasks[task_id].upstream:
                if edge.follow != "none":
                    reached.add(edge.id)
                    reached |= self._followed(edge.id)
            known = self._upstream[task_id] = frozenset(reached)
        return known

    def _is_file(self, path: str) -> bool:
        try:
            mode = os.lstat(os.path.join(self.files.root, path)).st_mode
        except OSError:
            return False
        return stat.S_ISREG(mode) or stat.S_ISLNK(mode)

    def _identity(self, path: str) -> str:
        return self.files.identity_of(path) or "missing"


def _always(definition: TaskDefinition, package: Package) -> Collection[str]:
    """What no pattern takes away: what says how the task is run, under the rules of turbo.json."""
    if not definition.lenient:
        return ()
    names = ("package.json", "turbo.json", "turbo.jsonc")
    return [f"{package.path}/{name}" if package.path else name for name in names]


def _literal_places(package: Package, rules: InputRules, positive: Globs) -> list[str]:
    """Paths that patterns certainly mean: named ones, and something in each named folder."""
    folders = (f"{folder}/*" for folder in positive.directories() if folder != package.path)
    return [*_literal_paths(package, rules), *(folder for folder in folders if folder != "/*")]


def _literal_paths(package: Package, rules: InputRules) -> Collection[str]:
    """Patterns without a wildcard, as paths from the root."""
    literals = []
    for pattern in rules.positive:
        if any(sign in pattern for sign in "*?[{"):
            continue
        if pattern.startswith(ROOT_PREFIX):
            literals.append(pattern[len(ROOT_PREFIX) :])
        else:
            literals.append(os.path.normpath(os.path.join(package.path, pattern)))
    return literals


def _itself_and_above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


def relative_name(path: str, package: Package) -> str:
    """How an input is called in the key: from its package, or `//` and its path from the root."""
    if not package.path:
        return path
    prefix = f"{package.path}/"
    return path[len(prefix) :] if path.startswith(prefix) else f"//{path}"


def relative_names(paths: list[str], package: Package) -> list[str]:
    """`relative_name` of many paths that are mostly below the package."""
    if not package.path:
        return paths
    cut = len(package.path) + 1
    prefix = f"{package.path}/"
    return [path[cut:] if path.startswith(prefix) else f"//{path}" for path in paths]


def global_input_paths(
    files: WorktreeFiles, patterns: tuple[str, ...] | None, lock_files: Collection[str]
) -> list[str]:
    """The files that every task depends on.

    Args:
        files: The worktree.
        patterns: The configured `global_inputs`; None for the default: tracked files at the root
            other than lock files, prose and bao's own configuration (of which each task holds
            what concerns it), and version files.
        lock_files: Paths of lock files.
    """
    if patterns is None:
        return [path for path in root_files(files) if is_default_global(path, lock_files)]
    if DEFAULT in patterns:
        defaults = global_input_paths(files, None, lock_files)
        rest = tuple(p for p in patterns if p != DEFAULT)
        return sorted({*defaults, *global_input_paths(files, rest, lock_files)})
    globs = compile_globs(patterns)
    found = {path for path in files.paths if globs.matches(path)}
    for directory in globs.directories():
        if directory:
            found.update(p for p in files.walk(directory, globs.reaches) if globs.matches(p))
    return sorted(found)


def matches_global_inputs(
    path: str, patterns: tuple[str, ...] | None, lock_files: Collection[str]
) -> bool:
    """Whether a path, which need not exist any more, is a global input."""
    if patterns is None:
        return is_default_global(path, lock_files)
    if DEFAULT in patterns and is_default_global(path, lock_files):
        return True
    return compile_globs([p for p in patterns if p != DEFAULT]).matches(path)


def root_files(files: WorktreeFiles) -> list[str]:
    """Tracked files that lie directly at the root, and version files there even if untracked."""
    return [
        path
        for path in files.paths
        if "/" not in path and (files.is_tracked(path) or path in VERSION_FILES)
    ]


VERSION_FILES = frozenset(
    {".nvmrc", ".python-version", ".tool-versions", "mise.toml", ".node-version"}
)
_PROSE_SUFFIXES = (".md", ".mdx", ".rst", ".adoc")
_PROSE_NAMES = (
    "license", "licence", "copying", "notice", "authors", "codeowners", "contributing",
    "changelog", "changes", "history", "readme", "security", "code_of_conduct",
)  # fmt: skip
_OWN_CONFIGURATION = frozenset({"bao.toml"})


def is_default_global(path: str, lock_files: Collection[str]) -> bool:
    """Whether a change of this file affects everything where nothing is configured."""
    if "/" in path or path in lock_files or path in _OWN_CONFIGURATION:
        return False
    lower = path.lower()
    stem = lower.split(".", 1)[0]
    return not lower.endswith(_PROSE_SUFFIXES) and stem not in _PROSE_NAMES


def named_identities(files: WorktreeFiles, paths: Collection[str]) -> Mapping[str, str]:
    """Content identities by path."""
    return {path: files.identity_of(path) or "missing" for path in paths}
