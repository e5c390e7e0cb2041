"""Opens the components that the configuration chooses, with their settings, and closes them."""

from __future__ import annotations

import os
from functools import cached_property

from bao_core.digests import hash_text
from bao_core.errors import BaoError, CacheError, PluginError
from bao_core.events import NoteAdded
from bao_core.interfaces.component import Context, called
from bao_core.plugins.checks import has_required_fields
from bao_core.plugins.isolation import described
from bao_core.tiers import CacheTiers, Tier
from bao_core.trust import cache_scope
from bao_core.worktree import WorktreeTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from threading import Event as Flag
    from typing import Any

    from msgspec import Struct

    from bao_core.config.model import CacheTable, RootConfig
    from bao_core.events import EventBus
    from bao_core.interfaces.cache import CacheBackend, ObjectStore
    from bao_core.interfaces.component import Component
    from bao_core.interfaces.executor import Executor
    from bao_core.interfaces.gate import Gate
    from bao_core.interfaces.scheduler import Scheduler
    from bao_core.interfaces.workspace import WorkspaceProvider
    from bao_core.plugins import PluginHost


class Components:
    """The components of one invocation. Each is opened when it is first asked for."""

    def __init__(
        self,
        host: PluginHost,
        bus: EventBus,
        *,
        root: str,
        state_dir: str,
        environ: Mapping[str, str],
        cancelled: Flag,
        config: Callable[[], RootConfig],
    ) -> None:
        self._host = host
        self._bus = bus
        self._root = root
        self._environ = environ
        self._configured = config
        self._opened: list[Component] = []
        self._context = Context(
            root=root,
            state_dir=os.path.join(state_dir, "components"),
            environ=environ,
            cancelled=cancelled,
            emit=bus.emit,
            scope=cache_scope(environ),
        )

    @property
    def scope(self) -> str:
        """The scope that cache entries are written under; empty for the main one."""
        return self._context.scope

    @property
    def _config(self) -> RootConfig:
        return self._configured()

    def providers(self, config: RootConfig) -> list[WorkspaceProvider]:
        """Every workspace provider. The configuration is given, since it is not settled yet.

        Raises:
            PluginError: One of them is broken; without it the answer would be wrong.
        """
        classes = self._host.workspace_providers()
        if failed := self._host.failed_offering("bao_workspace_providers"):
            broken = failed[0]
            raise PluginError(
                f"plugin '{broken.name}' ({broken.distribution} {broken.version}) finds packages "
                f"and is broken: {broken.error}",
                hint=f"mend it, or set BAO_DISABLE_PLUGINS={broken.name}",
            )
        return [self.open(cls, config=config) for cls in classes]

    def subscribe_sinks(self) -> None:
        """Open every event sink and have it hear what happens from now on."""
        for cls in self._host.event_sinks():
            try:
                self._bus.subscribe(self.open(cls))
            except BaoError as error:
                self._bus.warn(f"event sink {_unopened(cls, error)}")

    def executor(self, slots: int) -> Executor:
        """The configured executor."""
        name = self._config.executor
        cls = self._host.executor(name)
        if cls is None:
            raise self._not_installed("executor", name, "bao_executors")
        executor: Executor = self.open(cls, {"slots": slots} if name == "local" else {})
        return executor

    def scheduler(self) -> Scheduler:
        """The configured scheduler."""
        name = self._config.scheduler
        cls = self._host.scheduler(name)
        if cls is None:
            raise self._not_installed("scheduler", name, "bao_schedulers")
        scheduler: Scheduler = self.open(cls)
        return scheduler

    def gates(self, slots: int) -> list[Gate]:
        """Every gate that can be opened."""
        gates: list[Gate] = []
        for cls in self._host.gates():
            try:
                gates.append(self.open(cls, {"concurrency": slots} if cls.name == "slots" else {}))
            except BaoError as error:
                self._bus.warn(f"gate {_unopened(cls, error)}; it is left out")
        return gates

    @cached_property
    def tiers(self) -> CacheTiers:
        """The cache tiers; one that cannot be opened is named and left out.

        A remote one is opened by whoever first asks it something, on a thread of its own.
        """
        tiers: list[Tier] = []
        for table in (*self._config.cache, *self._tiers_of_environment()):
            cls = self._host.backend(table.backend)
            if cls is None:
                if table.key:
                    raise self._not_installed("cache backend", table.backend, "bao_cache_backends")
                continue
            settings = self._settings(cls, table.settings, table.key)
            write = self._may_write(table)
            try:
                tiers.append(self._tier(cls, settings, table, write=write))
            except (CacheError, PluginError) as error:
                self._bus.warn(f"cache tier '{table.name}' is left out: {error}")
        return CacheTiers(tiers, self._bus.warn)

    def _tiers_of_environment(self) -> Iterator[CacheTable]:
        """Tiers that variables ask for.

        Each is called after its variable, so that all who hear of it know where it comes from. A
        configuration that names the backend has said what is wanted of it; one with an empty list
        wants no cache.
        """
        from bao_core.config.model import CacheTable

        configured = {table.backend for table in self._config.cache}
        for backend, variable in self._host.tier_variables().items():
            if configured and backend not in configured and self._environ.get(variable):
                yield CacheTable(variable, backend, write="trusted")

    def _tier(
        self,
        cls: type[CacheBackend | ObjectStore],
        settings: Struct,
        table: CacheTable,
        *,
        write: bool,
    ) -> Tier:
        from bao_core.interfaces.cache import CacheBackend

        if not cls.remote and issubclass(cls, CacheBackend):
            backend: CacheBackend = self._opened_with(cls, settings)
            return Tier(table.name, backend, table.read, write)

        def make(
            progress: Callable[[int, int], None], on_damage: Callable[[str], None]
        ) -> CacheBackend:
            opened = self._made(cls, settings)
            if isinstance(opened, CacheBackend):
                return opened
            from bao_core.object_cache import ObjectStoreCache

            return ObjectStoreCache(
                opened,
                scope=self._context.scope,
                writable=write,
                on_damage=on_damage,
                progress=progress,
            )

        if not cls.remote:
            named = f"in cache tier '{table.name}'"
            backend = make(lambda *_: None, lambda what: self._bus.warn(f"{named}: {what}"))
            self._opened.append(backend)
            return Tier(table.name, backend, table.read, write)
        from bao_core.remote import RemoteLimits, RemoteTier

        remote = RemoteTier(
            table.name,
            make,
            limits=RemoteLimits(table.max_wait, table.max_upload_wait),
            warn=lambda text: self._bus.warn(
                text if cls.origin in text else f"{text} ({cls.origin})"
            ),
            note=lambda text: self._bus.emit(NoteAdded(text)),
            latency_path=os.path.join(self._context.state_dir, "latency", hash_text(table.name)),
        )
        self._opened.append(remote)
        return Tier(table.name, remote, table.read, write, remote)

    def _may_write(self, table: CacheTable) -> bool:
        if table.write != "trusted":
            return table.write == "always"
        from bao_core.trust import decide

        return decide(self._environ).trusted

    def _not_installed(self, what: str, name: str, hook: str) -> PluginError:
        installed = ", ".join(self._host.names(hook)) or "none"
        return PluginError(
            f"{what} '{name}' is not installed (installed: {installed})",
            where=self._config.path or None,
            hint=f"try: pip install bao-{what.split(maxsplit=1)[0]}-{name}",
        )

    def open(
        self,
        cls: type[Any],
        given: Mapping[str, Any] | None = None,
        *,
        config: RootConfig | None = None,
    ) -> Any:
        """Open a component with its settings from the configuration, on top of those given."""
        table, place = (config or self._config).component_settings(cls.name)
        return self._open_with(cls, {**(given or {}), **table}, place, config=config)

    def _open_with(
        self,
        cls: type[Any],
        table: Mapping[str, Any],
        place: str,
        *,
        config: RootConfig | None = None,
    ) -> Any:
        return self._opened_with(cls, self._settings(cls, table, place, config=config))

    def _settings(
        self,
        cls: type[Component],
        table: Mapping[str, Any],
        place: str,
        *,
        config: RootConfig | None = None,
    ) -> Struct:
        if not table and not has_required_fields(cls.Settings):
            return cls.Settings()
        from bao_core.config import decode_settings

        tree = WorktreeTree(self._root, None)
        return decode_settings(
            cls.Settings, table, where=(config or self._config).path, key=place, tree=tree
        )

    def _opened_with(self, cls: type[Any], settings: Struct) -> Any:
        component = self._made(cls, settings)
        self._opened.append(component)
        return component

    def _made(self, cls: type[Any], settings: Struct) -> Any:
        """Open a component, on any thread.

        Raises:
            BaoError: It says itself why it cannot work.
            PluginError: It fails in any other way, or ends the process.
        """
        try:
            return cls.open(settings, self._context)
        except (BaoError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise PluginError(f"{called(cls)} could not be opened: {described(error)}") from error

    def close(self) -> None:
        """Close every component that was opened, the last first."""
        for component in reversed(self._opened):
            self._bus.unsubscribe(component)
            try:
                component.close()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - the others must be closed as well
                self._bus.warn(f"{called(component)} did not close: {described(error)}")
        self._opened.clear()


def _unopened(cls: type[Component], error: BaoError) -> str:
    """What could not be opened and why, with its origin once."""
    if isinstance(error, PluginError):
        return str(error)
    return f"{called(cls)} could not be opened: {error}"
