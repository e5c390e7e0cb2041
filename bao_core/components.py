"""Opens the components that the configuration chooses, with their settings, and closes them."""

from __future__ import annotations

import os
from functools import cached_property

from bao_core.errors import BaoError, CacheError, PluginError
from bao_core.interfaces.component import Context
from bao_core.tiers import CacheTiers, Tier
from bao_core.worktree import WorktreeTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event as Flag
    from typing import Any

    from msgspec import Struct

    from bao_core.config.model import CacheTable, RootConfig
    from bao_core.events import EventBus
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
        )

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
            except Exception as error:  # noqa: BLE001 - listeners fail alone
                said = str(error) if isinstance(error, BaoError) else repr(error)
                self._bus.warn(f"event sink '{cls.name}' could not be opened: {said}")

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
                self._bus.warn(f"gate '{cls.name}' could not be opened and is left out: {error}")
        return gates

    @cached_property
    def tiers(self) -> CacheTiers:
        """The cache tiers, as configured; one that cannot be opened is named and left out."""
        tiers: list[Tier] = []
        for table in self._config.cache:
            cls = self._host.backend(table.backend)
            if cls is None:
                if table.key:
                    raise self._not_installed("cache backend", table.backend, "bao_cache_backends")
                continue
            try:
                backend = self._open_with(cls, table.settings, table.key)
            except CacheError as error:
                self._bus.warn(f"cache tier '{table.name}' is left out: {error}")
                continue
            tiers.append(Tier(table.name, backend, table.read, self._may_write(table)))
        return CacheTiers(tiers, self._bus.warn)

    def _may_write(self, table: CacheTable) -> bool:
        return table.write == "always" or (table.write == "trusted" and self._is_trusted())

    def _is_trusted(self) -> bool:
        """Pull requests of others run code that nobody has read yet."""
        event = self._environ.get("GITHUB_EVENT_NAME", "")
        return not event.startswith("pull_request") and "BAO_UNTRUSTED" not in self._environ

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
        if table or _has_required_fields(cls.Settings):
            from bao_core.config import decode_settings

            tree = WorktreeTree(self._root, None)
            settings = decode_settings(
                cls.Settings, table, where=(config or self._config).path, key=place, tree=tree
            )
        else:
            settings = cls.Settings()
        component = cls.open(settings, self._context)
        self._opened.append(component)
        return component

    def close(self) -> None:
        """Close every component that was opened, the last first."""
        for component in reversed(self._opened):
            try:
                component.close()
            except Exception as error:  # noqa: BLE001 - the others must be closed as well
                self._bus.warn(f"'{component.name}' did not close: {error!r}")
        self._opened.clear()


def _has_required_fields(settings: type[Struct]) -> bool:
    return len(settings.__struct_defaults__) < len(settings.__struct_fields__)
