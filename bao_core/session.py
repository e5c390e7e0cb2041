"""Everything of one invocation, put together: the only module that knows all the others."""

from __future__ import annotations

import os
import sys
import time
from functools import cached_property
from threading import Event as Flag

from msgspec import Struct

from bao_core import __version__, worktree
from bao_core.components import Components
from bao_core.contributions import Contributions
from bao_core.digests import hash_text
from bao_core.errors import UsageError, WorkspaceError
from bao_core.events import EventBus, NoteAdded
from bao_core.graph import PackageGraph, build_task_graph
from bao_core.places import cache_root
from bao_core.plugins import PluginHost
from bao_core.recent import remember_root
from bao_core.root import disabled_above, find_root
from bao_core.state import WorkspaceState, boot_id, workspace_state_dir
from bao_core.workspace import WorkspaceSource, load_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from tempfile import TemporaryDirectory
    from typing import Self

    from bao_core.config.model import RootConfig
    from bao_core.events import Sink
    from bao_core.git.begun import BegunListing
    from bao_core.interfaces.workspace import WorkspaceProvider
    from bao_core.model import FileTree, TaskDefinition, TaskGraph, Workspace
    from bao_core.records import Explanation, TaskRecord
    from bao_core.running import Trace
    from bao_core.selection import Selection
    from bao_core.task_keys import KeySettings
    from bao_core.tiers import CacheTiers
    from bao_core.workbench import Workbench
    from bao_core.workspace import ResolvedWorkspace
    from bao_core.worktree import WorktreeFiles


class Selecting(Struct, frozen=True):
    """Which packages are meant.

    Attributes:
        deepen: Fetch what a shallow clone lacks; None for only in CI.
    """

    filters: tuple[str, ...] = ()
    affected: bool = False
    since: str | None = None
    deepen: bool | None = None


class RunOptions(Struct, frozen=True):
    """What a run is asked for.

    Attributes:
        cache: Whether results may be stored.
        keep_going: What runs on after a failure: `never` anything, `dependencies-successful` what
            does not depend on it, `always` everything.
        force: Whether everything is executed, whatever the cache holds.
        remote: Whether remote cache tiers take part; None for unless `BAO_REMOTE` is 0.
        only: Whether upstream tasks that were not asked for are left out.
        summary: A file to write what happened to.
    """

    tasks: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    selecting: Selecting = Selecting()
    cache: bool = True
    force: bool = False
    remote: bool | None = None
    only: bool = False
    concurrency: str | None = None
    keep_going: str = "never"
    output_logs: str | None = None
    log_order: str = "grouped"
    log_prefix: str = "task"
    env_mode: str | None = None
    summary: str | None = None
    verbosity: int = 0


class Session:
    """One invocation in one workspace. What is expensive is worked out when it is first asked."""

    def __init__(
        self,
        root: str,
        cwd: str,
        environ: Mapping[str, str],
        host: PluginHost,
        bus: EventBus,
        begun: BegunListing | None = None,
    ) -> None:
        self.root = root
        self.cwd = cwd
        self.environ = environ
        self.host = host
        self.bus = bus
        self.cancelled = Flag()
        self._scratch: TemporaryDirectory[str] | None = None
        self._phase_started = time.perf_counter()
        self.state_dir = workspace_state_dir(root, environ)
        # git first: it works while everything else is read.
        self._hashes = worktree.HashMemo({})
        if begun is not None and begun.root == root:
            self._pending = worktree.PendingFiles(begun, environ, self._hashes)
        else:
            self._pending = worktree.begin(root, self.state_dir, environ, self._hashes)
        self.state = WorkspaceState(self.state_dir)
        self.components = Components(
            host,
            bus,
            root=root,
            state_dir=self.state_dir,
            environ=environ,
            cancelled=self.cancelled,
            config=lambda: self.config,
        )
        self._contributions = Contributions(host, self.components, bus.warn)
        self._hashes.entries.update(self.state.memory.hashes)

    @classmethod
    def open(
        cls,
        directory: str | None,
        environ: Mapping[str, str],
        *,
        sinks: Sequence[Sink] = (),
        begun: BegunListing | None = None,
    ) -> Self:
        """Find the workspace that a directory lies in.

        Args:
            directory: Where to look from; None for the current directory.
            environ: The environment of the command.
            sinks: Who hears of events from the beginning.
            begun: What git was asked already, for whichever root.

        Raises:
            UsageError: The directory does not exist.
            WorkspaceError: No workspace holds it.
        """
        bus = EventBus(sinks)
        here = os.path.realpath(directory or ".")
        if not os.path.isdir(here):
            raise UsageError(f"there is no directory '{directory}'")
        host = PluginHost.load(
            state_dir=cache_root(environ),
            environ=environ,
            also_disabled=lambda: disabled_above(here),
            warn=bus.warn,
        )
        root = find_root(here, host.markers(), host.manifests())
        if root is None:
            raise WorkspaceError(
                f"no workspace holds {here}: neither it nor a directory above has a manifest",
                hint=f"bao looks for {', '.join(sorted(host.manifests()))}",
            )
        cwd = os.path.relpath(here, root)
        session = cls(root, "" if cwd == "." else cwd, environ, host, bus, begun)
        remember_root(here, root, session.state_dir, environ)
        return session

    # --- the workspace -----------------------------------------------------------------------

    @cached_property
    def files(self) -> WorktreeFiles:
        """What stands in the worktree, as of the start of this invocation."""
        self.phase("start")
        files = self._pending.result()
        self.phase("git")
        return files

    @cached_property
    def resolved(self) -> ResolvedWorkspace:
        """The workspace with its configuration, remembered or worked out."""
        files = self.files
        remembered = self._source.remembered(files)
        if remembered is not None:
            self._apply(remembered.config)
            resolved = remembered
        else:
            tree = worktree.WorktreeTree(self.root, files)
            resolved = self._source.load(tree, self._providers)
        for note in resolved.workspace.notes:
            self.bus.warn(note)
        if broken := resolved.workspace.lock_broken:
            self.bus.warn(f"{broken}; every package counts as changed by it")
        self.phase("manifests")
        return resolved

    @property
    def config(self) -> RootConfig:
        """What the root's configuration says."""
        return self.resolved.config

    @property
    def workspace(self) -> Workspace:
        """The packages."""
        return self.resolved.workspace

    @property
    def definitions(self) -> Mapping[str, Mapping[str, TaskDefinition]]:
        """Task definitions by package and task name."""
        return self.resolved.definitions

    @cached_property
    def packages(self) -> PackageGraph:
        """The package graph."""
        return PackageGraph(self.workspace)

    @property
    def tiers(self) -> CacheTiers:
        """The cache tiers."""
        return self.components.tiers

    @cached_property
    def closures(self) -> Mapping[str, tuple[str, ...]]:
        """What each package reaches in the lock files, as `name@version`."""
        known = {name: p.external for name, p in self.workspace.packages.items() if p.external}
        return known or self._source.closures() or {}

    @cached_property
    def _source(self) -> WorkspaceSource:
        identity = hash_text(__version__, sys.version, self.root, self.host.identity())
        return WorkspaceSource(self.state_dir, identity)

    def _apply(self, config: RootConfig) -> None:
        self.host.disable(config.plugins.disable)

    def _providers(self, config: RootConfig) -> list[WorkspaceProvider]:
        self._apply(config)
        return self.components.providers(config)

    # --- what is asked of it -----------------------------------------------------------------

    def select(self, selecting: Selecting) -> Selection:
        """The packages that filters and `--affected` choose, with reasons.

        Raises:
            SelectionError: A filter matches nothing.
            GitError: A revision does not exist.
        """
        from bao_core.git.facts import Revisions, remember
        from bao_core.inputs import matches_global_inputs
        from bao_core.selection import select
        from bao_core.selection.base_revision import choose_base
        from bao_core.selection.changes import GitChanges

        revisions = Revisions(self.root, self.environ, self._pending.ahead)
        changes = GitChanges(
            self.root,
            self.environ,
            choose=lambda: choose_base(
                self.root,
                self.environ,
                since=selecting.since,
                configured_branch=self.config.default_branch or None,
                deepen=selecting.deepen,
                revisions=revisions,
            ),
            load=self.workspace_of,
            closures=lambda: self.closures,
            global_input=lambda path: matches_global_inputs(
                path, self.config.global_inputs, self.workspace.lock_files
            ),
            revisions=revisions,
            uncommitted=self.files.uncommitted,
        )
        selection = select(
            self.packages,
            filters=selecting.filters,
            affected=selecting.affected,
            cwd=self.cwd,
            changes=changes,
            turbo=bool(self.config.foreign),
            exists=lambda path: os.path.exists(os.path.join(self.root, path)),
        )
        remember(self.state_dir, revisions)
        return selection

    def plan(
        self,
        tasks: Sequence[str],
        arguments: Sequence[str],
        selected: Sequence[str],
        allows: Callable[[str, str], bool] | None = None,
        *,
        only: bool = False,
    ) -> TaskGraph:
        """The tasks of a run and the edges between them.

        Args:
            tasks: Names, or `package#task`.
            arguments: For the tasks asked for.
            selected: Names of packages.
            allows: Whether a task of a selected package is meant; None for all of them.
            only: Leave out what is upstream and was not asked for itself.
        """
        return build_task_graph(
            self.workspace,
            self.packages,
            self.definitions,
            tasks=tasks,
            selected=selected,
            arguments=tuple(arguments),
            allows=allows,
            only=only,
        )

    def workspace_of(self, tree: FileTree) -> Workspace:
        """The packages of another tree, such as a base revision."""
        from bao_core.config import load_root_config

        return load_workspace(tree, self._providers(self.config), load_root_config(tree))

    def run(self, options: RunOptions) -> int:
        """Run tasks, telling the sinks what happens; returns the exit code."""
        from bao_core.running import Run

        return Run(self, options).run()

    def dry_run(self, options: RunOptions) -> list[TaskRecord]:
        """What `run` would do, without doing anything."""
        from bao_core.forecast import Forecast

        graph = self.plan_of(options)
        return Forecast(graph, self.bench(graph, options), self.external).records()

    def explain(self, task_id: str) -> Explanation:
        """Why a task is a hit or a miss.

        Raises:
            SelectionError: There is no such task.
        """
        from bao_core.forecast import Forecast

        options = RunOptions(tasks=(task_id,))
        graph = self.plan(options.tasks, (), ())
        asked = [task for task in graph.tasks.values() if task.requested]
        bench = self.bench(graph, options)
        return Forecast(graph, bench, self.external).explain(asked[0])

    def plan_of(self, options: RunOptions) -> TaskGraph:
        """The task graph that options ask for."""
        selecting, only = options.selecting, options.only
        if not selecting.filters and not selecting.affected:
            implied = self._implied_packages()
            return self.plan(options.tasks, options.arguments, implied, only=only)
        selection = self.select(selecting)
        for note in selection.notes:
            self.bus.emit(NoteAdded(note))
        if selecting.affected and not selection.packages:
            self.bus.emit(NoteAdded("nothing is affected, and nothing is run"))
        return self.plan(
            options.tasks, options.arguments, selection.names(), selection.allows, only=only
        )

    def _implied_packages(self) -> list[str]:
        """The package of the current directory, if it lies in one; otherwise all."""
        owners = self.packages.owners(f"{self.cwd}/.") if self.cwd else ()
        inside = [name for name in owners if name != self.workspace.root_package]
        return inside[:1] or list(self.workspace.packages)

    def external(self, package: str) -> tuple[str, ...]:
        """What a package reaches in the lock file, as `name@version`."""
        return self.closures.get(package, ())

    # --- putting together --------------------------------------------------------------------

    def bench(self, graph: TaskGraph, options: RunOptions, trace: Trace | None = None) -> Workbench:
        """What the tasks of a run work with."""
        from bao_core.ignoring import IgnoredPaths
        from bao_core.input_check import InputCheck
        from bao_core.inputs import InputResolver
        from bao_core.intents import OutputIntents
        from bao_core.key_memo import KeyMemo
        from bao_core.running import TaskEnvironments, Trace
        from bao_core.task_keys import KeyMaker
        from bao_core.workbench import Workbench

        trace = trace or Trace.begin(self.environ)
        resolver = InputResolver(
            self.files, self.workspace, self.packages, graph, self.definitions, self.state
        )
        settings = self._key_settings(graph, options)
        from bao_core.tools import Toolbox

        toolbox = Toolbox(self.root, self.environ.get("PATH", os.defpath), self.state)
        keys = KeyMaker(
            graph,
            self.workspace,
            resolver,
            settings,
            toolbox,
            self.external,
            KeyMemo(self.state, self.workspace, self.files),
            self._source.token,
        )
        ignored = IgnoredPaths(self.root, self.environ, has_git=self.files.has_git)
        mode = options.output_logs
        default_mode = self.config.output_logs or "full"
        bench = Workbench(
            workspace=self.workspace,
            files=self.files,
            keys=keys,
            check=InputCheck(resolver, self.workspace, ignored),
            tiers=self._tiers_of(options),
            state=self.state,
            intents=OutputIntents(self.state),
            bus=self.bus,
            boot=boot_id(),
            run_span=trace.span,
            staging_dir=self._staging_dir(),
            environment=TaskEnvironments(self, options, trace).of,
            replay=lambda task: (mode or task.definition.output_logs or default_mode) == "full",
            is_ignored=ignored.among,
            uncacheable=lambda _task: self._contributions.fault,
            look_up=not options.force,
            store=options.cache,
            replace=options.force,
            scope=self.components.scope,
        )
        self.phase("inputs")
        return bench

    def _tiers_of(self, options: RunOptions) -> CacheTiers:
        """The tiers that take part in a run."""
        remote = options.remote
        if remote is None:
            remote = self.environ.get("BAO_REMOTE", "").lower() not in {"0", "false", "no", "off"}
        return self.tiers if remote else self.tiers.near()

    def _staging_dir(self) -> str:
        """A directory outside of the worktree that can be written to."""
        if os.access(self.state_dir, os.W_OK):
            return os.path.join(self.state_dir, "staging")
        import tempfile

        self._scratch = tempfile.TemporaryDirectory(prefix="bao-")
        return self._scratch.name

    def _key_settings(self, graph: TaskGraph, options: RunOptions) -> KeySettings:
        from bao_core.inputs import global_input_paths, named_identities
        from bao_core.task_keys import KeySettings

        config = self.config
        paths = global_input_paths(self.files, config.global_inputs, self.workspace.lock_files)
        contributors, contributed = self._contributions.of(graph, self.workspace)
        return KeySettings(
            environ=self.environ,
            env_mode=options.env_mode or config.env_mode,
            global_env=config.global_env,
            global_inputs=named_identities(self.files, paths),
            contributors=contributors,
            contributed=contributed,
            # Under turbo.json, what the root package depends on concerns every task.
            shared=self.packages.needed_by_root() if config.foreign else (),
        )

    def concurrency(self, options: RunOptions) -> int:
        """How many slots a run has: as asked for, as configured, or one a processor."""
        from bao_core.builtins.slots import parse_concurrency, processors

        asked = options.concurrency or self.config.concurrency
        return processors() if asked is None else parse_concurrency(str(asked))

    # --- the end -----------------------------------------------------------------------------

    def save(self) -> bool:
        """Write down what is remembered for later runs; whether the disk took it."""
        self.state.memory.hashes = self._hashes.entries
        if self._hashes.changed:
            self.state.mark_changed()
        return self.state.save()

    def close(self) -> None:
        """Close every component that was opened, and remove what was only for this invocation."""
        self.components.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def phase(self, name: str) -> None:
        """Note for whoever measures that a phase has ended."""
        target = self.environ.get("BAO_PHASES")
        if not target:
            return
        now = time.perf_counter()
        with open(target, "a", encoding="utf-8") as file:
            file.write(f'{{"phase": "{name}", "ms": {(now - self._phase_started) * 1000:.3f}}}\n')
        self._phase_started = time.perf_counter()
