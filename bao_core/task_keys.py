"""Everything that can influence a task: the one place where the parts of its key are named."""

from __future__ import annotations

import os
import sys
from functools import partial

from msgspec import Struct

from bao_core import __version__
from bao_core.digests import hash_text
from bao_core.environment import key_values
from bao_core.inputs import InputSet, input_rules, relative_names
from bao_core.key_memo import Ingredients
from bao_core.keys import compute_key, storable_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bao_core.inputs import InputResolver
    from bao_core.key_memo import KeyMemo
    from bao_core.keys import StoredParts
    from bao_core.model import (
        ActionResult,
        CacheKey,
        Follow,
        Package,
        Task,
        TaskEdge,
        TaskGraph,
        TaskId,
        Workspace,
    )
    from bao_core.tools import Toolbox


_UPSTREAM = "upstream:"
"""What the names of the parts begin with that stand for upstream tasks."""


class KeySettings(Struct, frozen=True):
    """What concerns every key of a run.

    Attributes:
        environ: The environment of the command.
        env_mode: `strict` or `loose`.
        global_env: Patterns of variables that are in every key.
        global_inputs: Content identities of the global inputs, by path.
        contributors: Names of the active key contributors, sorted.
        contributed: What the contributors say, values by part name, by task.
        shared: Packages whose files are part of every key.
    """

    environ: Mapping[str, str]
    env_mode: str
    global_env: tuple[str, ...]
    global_inputs: Mapping[str, str]
    contributors: tuple[str, ...]
    contributed: Mapping[TaskId, Mapping[str, str]]
    shared: Sequence[Package] = ()


class MadeKey(Struct):
    """A key, and what it was made of: its parts, values by name, and the input files among them."""

    key: CacheKey
    parts: dict[str, str]
    inputs: InputSet


class KeyedTask:
    """A task's key, and what it was made of, which is worked out when it is asked for.

    Args:
        key: The key.
        make: Makes it.

    Attributes:
        key: The key.
    """

    __slots__ = ("_made", "_make", "key")

    def __init__(self, key: CacheKey, make: Callable[[], MadeKey]) -> None:
        self.key = key
        self._make = make
        self._made: MadeKey | None = None

    @property
    def parts(self) -> dict[str, str]:
        """Its parts, values by name."""
        return self.work_out().parts

    @property
    def inputs(self) -> InputSet:
        """The input files among them."""
        return self.work_out().inputs

    def follows(self, upstream: Mapping[TaskId, str]) -> bool:
        """Whether this is what counted of each upstream task when the key was made."""
        made_of = {name: value for name, value in self.parts.items() if name.startswith(_UPSTREAM)}
        return made_of == {f"{_UPSTREAM}{task_id}": value for task_id, value in upstream.items()}

    def work_out(self) -> MadeKey:
        """Make the key if that was not done yet; from then on it is what was made."""
        if self._made is None:
            self._made = self._make()
            self.key = self._made.key
        return self._made


def _known(made: MadeKey) -> KeyedTask:
    keyed = KeyedTask(made.key, lambda: made)
    keyed.work_out()
    return keyed


def effective_follow(edge: TaskEdge, graph: TaskGraph) -> Follow:
    """What of an upstream task counts: where it is never cached, what it left and not its key."""
    upstream = graph.tasks[edge.id].definition
    if edge.follow == "key" and not upstream.cache and upstream.outputs:
        return "outputs"
    return edge.follow


def outputs_hash(result: ActionResult) -> str:
    """A hash over what a task left behind."""
    files = [f"{f.path}\0{f.digest.hash}\0{f.executable}" for f in result.files]
    links = [f"{link.path}\0{link.target}" for link in result.links]
    return hash_text("files", *files, "links", *links, "directories", *result.directories)


class KeyMaker:
    """Makes the keys of the tasks of one run."""

    def __init__(
        self,
        graph: TaskGraph,
        workspace: Workspace,
        resolver: InputResolver,
        settings: KeySettings,
        toolbox: Toolbox,
        external: Callable[[str], tuple[str, ...]],
        memo: KeyMemo,
        token: str,
    ) -> None:
        """Take what keys are made of.

        Args:
            graph: The tasks.
            workspace: Their packages.
            resolver: Finds their inputs.
            settings: What concerns every key.
            toolbox: Finds the programs that tasks name.
            external: `name@version` of what a package reaches in the lock file.
            memo: The keys of earlier runs.
            token: Changes whenever packages or definitions may have; empty where that is not known.
        """
        self._graph = graph
        self._workspace = workspace
        self._resolver = resolver
        self._settings = settings
        self._toolbox = toolbox
        self._external = external
        self._memo = memo
        self._token = token
        self._common = self._common_parts()
        self._env_parts: dict[tuple[str, ...], dict[str, str]] = {}

    def keys_known_now(self) -> dict[TaskId, KeyedTask]:
        """The keys of all tasks that depend on no other task's outputs."""
        tasks = self._tasks_known_now()
        made_of = self._ingredients()
        remembered: list[CacheKey | None] = [None] * len(tasks)
        if made_of is not None:
            remembered = self._memo.recall(made_of, tasks)
        keyed: dict[TaskId, KeyedTask] = {}
        for task, key in zip(tasks, remembered, strict=True):
            make = partial(self._made, task, keyed)
            keyed[task.id] = KeyedTask(key, make) if key is not None else _known(make())
        if made_of is not None:
            self._memo.remember(made_of, [known.key for known in keyed.values()])
        return keyed

    def _made(self, task: Task, keyed: Mapping[TaskId, KeyedTask]) -> MadeKey:
        return self._make(task, self._resolver.resolve(task), self._keys_above(task, keyed))

    def _tasks_known_now(self) -> list[Task]:
        """Those that follow no outputs, and nothing that does; each after those it follows."""
        graph, found, known = self._graph, [], set()
        for task in graph.tasks.values():
            for edge in task.upstream:
                follow = effective_follow(edge, graph)
                if follow == "outputs" or (follow == "key" and edge.id not in known):
                    break
            else:
                found.append(task)
                known.add(task.id)
        return found

    def _ingredients(self) -> Ingredients | None:
        """All that the keys are made of; None where that cannot be told.

        What a package and a task definition say is in the workspace's token, which changes
        whenever they are worked out anew.
        """
        if not self._token:
            return None
        graph, settings, resolver = self._graph, self._settings, self._resolver
        tasks = graph.tasks.values()
        texts = [self._token]
        texts += [f"{name}={value}" for name, value in sorted(self._common.items())]
        for task in tasks:
            edges = ",".join([f"{edge.id} {edge.follow}" for edge in task.upstream])
            texts.append(f"{task.id}\0{edges}\0{task.definition.cache}{task.arguments}")
        packages = self._workspace.packages
        for patterns in sorted({task.definition.env for task in tasks}):
            texts += [f"{n}={v}" for n, v in sorted(self._environment(patterns).items())]
        for task in tasks:
            for tool in task.definition.tools:
                directories = packages[task.package].bin_directories
                texts.append(f"{task.id}\0{tool}\0{self._toolbox.identity(tool, directories)}")
        told: dict[int, str] = {}
        for task_id, contributed in settings.contributed.items():
            if id(contributed) not in told:
                told[id(contributed)] = f"{len(told)} {sorted(contributed.items())}"
                texts.append(told[id(contributed)])
            texts.append(f"{task_id} {told[id(contributed)].partition(' ')[0]}")
        unlisted = hash_text(*texts, *resolver.unlisted())
        reaching = [task for task in tasks if input_rules(task.definition).positive]
        files = resolver.files.fingerprint()
        whole = hash_text(unlisted, files, *resolver.reached(reaching))
        return Ingredients(unlisted, files, whole, frozenset(task.id for task in reaching))

    def _keys_above(self, task: Task, keyed: Mapping[TaskId, KeyedTask]) -> dict[TaskId, str]:
        """The keys of what a task follows."""
        return {
            edge.id: keyed[edge.id].key
            for edge in task.upstream
            if effective_follow(edge, self._graph) != "none"
        }

    def key(self, task: Task, inputs: InputSet, upstream: Mapping[TaskId, str]) -> KeyedTask:
        """Make one key.

        Args:
            task: Whose key it is.
            inputs: Its input files.
            upstream: What counts of each upstream task: its key, or the hash of what it produced.
        """
        return _known(self._make(task, inputs, upstream))

    def _make(self, task: Task, inputs: InputSet, upstream: Mapping[TaskId, str]) -> MadeKey:
        parts = self._parts(task, inputs, upstream)
        return MadeKey(compute_key(parts), parts, inputs)

    def resolve(self, task: Task) -> InputSet:
        """The task's inputs as they are listed now."""
        return self._resolver.resolve(task)

    def storable(self, task: Task, keyed: KeyedTask) -> StoredParts:
        """What is kept of the parts, to explain a later miss with."""
        root = self._external(self._workspace.root_package)
        return storable_parts(keyed.parts, self._external(task.package), root)

    def _common_parts(self) -> dict[str, str]:
        settings = self._settings
        parts = {
            # Another bao may compute or restore differently.
            "bao:version": ".".join(__version__.split(".")[:2]),
            # Compiled results differ between machines.
            "platform": platform_identity(),
            # In loose mode a task may read more than was declared, so results are kept apart.
            "env-mode": settings.env_mode,
            # A contributor that is missing here must not find results made with it.
            "contributors": " ".join(settings.contributors),
        }
        for path, identity in settings.global_inputs.items():
            parts[f"global:{path}"] = identity
        for name, value in key_values(settings.global_env, settings.environ).items():
            parts[f"env:{name}"] = value
        root = self._workspace.packages[self._workspace.root_package]
        if root.external_digest:
            # Shared tools are installed at the root.
            parts["lock:root"] = root.external_digest
        for package in settings.shared:
            parts[f"shared:{package.name}"] = self._resolver.default_digest(package)
        return parts

    def _parts(
        self, task: Task, inputs: InputSet, upstream: Mapping[TaskId, str]
    ) -> dict[str, str]:
        package = self._workspace.packages[task.package]
        parts = dict(self._common)
        parts["task:id"] = task.id
        parts["task:directory"] = package.path
        self._add_definition(parts, task)
        if package.external_digest:
            parts["lock"] = package.external_digest
        if package.manifest:
            identity = self._resolver.files.identity_of(package.manifest)
            parts[f"manifest:{package.manifest}"] = identity or "missing"
        for name, identity in zip(
            relative_names(inputs.paths, package), inputs.identities, strict=True
        ):
            parts[f"input:{name}"] = identity
        for name in inputs.dependencies:
            dependency = self._workspace.packages[name]
            parts[f"dependency:{name}"] = self._resolver.default_digest(dependency)
        for task_id, value in upstream.items():
            parts[f"{_UPSTREAM}{task_id}"] = value
        for tool in task.definition.tools:
            parts[f"tool:{tool}"] = self._toolbox.identity(tool, package.bin_directories)
        parts.update(self._settings.contributed.get(task.id, ()))
        return parts

    def _add_definition(self, parts: dict[str, str], task: Task) -> None:
        definition = task.definition
        match definition.command:
            case None:
                parts["command"] = "(passes changes on)"
            case str():
                parts["command"] = definition.command
            case words:
                parts["command:words"] = repr(words)
        if task.arguments:
            parts["arguments"] = repr(task.arguments)
        if definition.outputs:
            parts["outputs"] = "\n".join(sorted(definition.outputs))
        if definition.env:
            parts.update(self._environment(definition.env))

    def _environment(self, patterns: tuple[str, ...]) -> dict[str, str]:
        known = self._env_parts.get(patterns)
        if known is None:
            values = key_values(patterns, self._settings.environ)
            known = self._env_parts[patterns] = {f"env:{n}": v for n, v in values.items()}
        return known


def platform_identity() -> str:
    """Operating system, architecture and C library, such as `linux x86_64 glibc 2.36`."""
    machine = os.uname().machine
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        libc = ""
    return f"{sys.platform} {machine} {libc}".rstrip()
