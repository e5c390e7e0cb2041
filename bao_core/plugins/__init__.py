"""The plugin host: loads plugins, asks them one typed question a hook, and names what is broken.

A plugin that cannot be imported, that implements a hook that does not exist, that raises, hangs or
answers nonsense is switched off for the invocation and named, with its distribution and version.
What that means for the run is the caller's to decide: `PluginHost.failed_offering` tells it.
"""

from __future__ import annotations

from bao_core.digests import hash_text
from bao_core.plugins.inventory import BUILT_IN, InventoryFile
from bao_core.plugins.isolation import TIME_LIMIT, PluginFault, time_limit
from bao_core.plugins.loading import PluginLoader
from bao_core.plugins.status import Plugin, PluginInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Any

    from bao_core.hookspecs import CommandSpec
    from bao_core.interfaces.cache import CacheBackend, ObjectStore
    from bao_core.interfaces.events import EventSink
    from bao_core.interfaces.executor import Executor
    from bao_core.interfaces.gate import Gate
    from bao_core.interfaces.keys import KeyContributor
    from bao_core.interfaces.scheduler import Scheduler
    from bao_core.interfaces.workspace import WorkspaceProvider

DISABLE_VARIABLE = "BAO_DISABLE_PLUGINS"
"""Names of plugins to leave out, separated by commas."""


class PluginHost:
    """All plugins of one invocation.

    Nothing is imported until something is asked, and then only the plugins that the inventory says
    answer it; plugins that it does not know yet are asked everything once, in a process of their
    own. Every answer is sorted by name. To be used on the main thread only.
    """

    def __init__(
        self,
        file: InventoryFile,
        *,
        disabled: Collection[str],
        also_disabled: Callable[[], Collection[str]] | None,
        warn: Callable[[str], None],
        limit: float = TIME_LIMIT,
    ) -> None:
        self._file = file
        self._inventory = file.read()
        self._also_disabled = also_disabled
        self._warn = warn
        self._limit = limit
        self._loader = PluginLoader(limit)
        self._plugins = [Plugin(record) for record in self._inventory.plugins]
        self._settled = False
        self.disable(disabled)

    @classmethod
    def load(
        cls,
        *,
        state_dir: str,
        environ: Mapping[str, str],
        disabled: Collection[str] = (),
        also_disabled: Callable[[], Collection[str]] | None = None,
        warn: Callable[[str], None],
    ) -> PluginHost:
        """Find out which plugins are installed, without importing any.

        Args:
            state_dir: The user's directory for what bao remembers; need not exist.
            environ: `BAO_DISABLE_PLUGINS` in it names plugins to leave out, and
                `BAO_PLUGIN_TIMEOUT` says how long each may take.
            disabled: Names of plugins to leave out, of their entry points or distributions.
            also_disabled: Asked for more such names right before the first plugin is imported
                that the inventory does not know, or one is refused. The configuration that
                disables plugins lies at the root, which is found with the help of plugins: this
                can look for it.
            warn: Takes a clause about each plugin that is broken.
        """
        named = environ.get(DISABLE_VARIABLE, "").split(",")
        off = {*disabled, *(name.strip() for name in named if name.strip())}
        return cls(
            InventoryFile(state_dir),
            disabled=off,
            also_disabled=also_disabled,
            warn=warn,
            limit=time_limit(environ),
        )

    def disable(self, names: Collection[str]) -> None:
        """Leave these plugins out. Has to be said before anything is asked of them."""
        for name in sorted(names):
            found = [plugin for plugin in self._plugins if plugin.is_called(name)]
            if not found:
                installed = ", ".join(plugin.record.name for plugin in self._plugins[1:]) or "none"
                self._warn(f"there is no plugin '{name}' to disable (installed: {installed})")
            for plugin in found:
                if plugin.record.name == BUILT_IN:
                    self._warn(f"'{name}' is part of bao and cannot be disabled")
                else:
                    plugin.status = "disabled"

    # --- one question a hook -----------------------------------------------------------------

    def workspace_providers(self) -> list[type[WorkspaceProvider]]:
        """Every way to find packages."""
        return self._all("bao_workspace_providers")

    def key_contributors(self) -> list[type[KeyContributor]]:
        """Everything that adds to keys."""
        return self._all("bao_key_contributors")

    def cache_backends(self) -> list[type[CacheBackend | ObjectStore]]:
        """Every kind of place to keep results; imports all that offer one."""
        return self._all("bao_cache_backends")

    def executors(self) -> list[type[Executor]]:
        """Every way to run commands."""
        return self._all("bao_executors")

    def schedulers(self) -> list[type[Scheduler]]:
        """Every order of work."""
        return self._all("bao_schedulers")

    def gates(self) -> list[type[Gate]]:
        """Every gate."""
        return self._all("bao_gates")

    def event_sinks(self) -> list[type[EventSink]]:
        """Every listener."""
        return self._all("bao_event_sinks")

    def commands(self) -> list[CommandSpec]:
        """Every command that plugins add, as remembered: no plugin is imported for it."""
        from bao_core.hookspecs import CommandSpec

        found: dict[str, CommandSpec] = {}
        for plugin in self._offering("bao_commands"):
            for name, text, target in plugin.knowledge.commands:
                found[name] = CommandSpec(name, text, target)
        return [found[name] for name in sorted(found)]

    def backend(self, name: str) -> type[CacheBackend | ObjectStore] | None:
        """The cache backend of this name; imports the plugin that offers it, and no other."""
        found: type[CacheBackend | ObjectStore] | None = self._one("bao_cache_backends", name)
        return found

    def executor(self, name: str) -> type[Executor] | None:
        """The executor of this name; imports the plugin that offers it, and no other."""
        found: type[Executor] | None = self._one("bao_executors", name)
        return found

    def scheduler(self, name: str) -> type[Scheduler] | None:
        """The scheduler of this name; imports the plugin that offers it, and no other."""
        found: type[Scheduler] | None = self._one("bao_schedulers", name)
        return found

    # --- what is known without asking --------------------------------------------------------

    def names(self, hook: str) -> list[str]:
        """The names of everything that is offered to a hook, sorted."""
        return sorted({name for plugin in self._offering(hook) for name in plugin.offers(hook)})

    def tier_variables(self) -> dict[str, str]:
        """The variables that make a tier of a cache backend, by the backend's name."""
        found: dict[str, str] = {}
        for plugin in self._offering("bao_cache_backends"):
            found.update(plugin.knowledge.tier_variables)
        return {name: found[name] for name in sorted(found)}

    def markers(self) -> Mapping[str, tuple[str, ...]]:
        """Files that mark a workspace root.

        Each comes with the regular expressions of which its content must match one; an empty
        expression matches any content. A provider that broke since it was last asked still marks
        its roots, so that the root does not move because of that.
        """
        marks: dict[str, set[str]] = {}
        for plugin in self._known():
            for name, patterns in plugin.knowledge.markers.items():
                marks.setdefault(name, set()).update(patterns)
        return {name: tuple(sorted(marks[name])) for name in sorted(marks)}

    def manifests(self) -> frozenset[str]:
        """The names of all files that make a package."""
        return frozenset(name for plugin in self._known() for name in plugin.knowledge.manifests)

    def plugins(self) -> list[PluginInfo]:
        """Every installed plugin as it stands now, sorted by name; nothing is imported for it."""
        described = [plugin.info() for plugin in self._plugins]
        return sorted(described, key=lambda info: (info.name, info.distribution))

    def identity(self) -> str:
        """A text that differs when the providers might answer otherwise.

        That is: other plugins, other versions or sources of them, other ones disabled or broken.
        """
        self._settle()
        parts = []
        for plugin in self._plugins:
            record = plugin.record
            parts += [record.name, record.target, record.distribution, record.version]
            parts += [str(plugin.usable), *map(str, plugin.knowledge.sources)]
        return hash_text(*parts)

    def try_all(self) -> None:
        """Import every plugin and ask it everything, to find out which are broken.

        Also those that are known, and those that took too long before.
        """
        self._settle(again=True)
        self._try([plugin for plugin in self._plugins if plugin.usable and not plugin.tried])

    def failed_offering(self, hook: str) -> list[PluginInfo]:
        """The plugins that are broken and, when they last were not, answered this hook.

        A plugin that never worked is judged by the hooks that its source speaks of.
        """
        self._settle()
        return [
            plugin.info()
            for plugin in self._plugins
            if plugin.status == "failed" and hook in plugin.presumed_hooks()
        ]

    def distribution_of(self, offer: type) -> str:
        """The distribution that offers a class; that of its module where it is no offer."""
        for plugin in self._plugins:
            if any(offer in answer for answer in plugin.answers.values()):
                return plugin.record.distribution
        return str(offer.__module__).partition(".")[0].replace("_", "-")

    def offered_by(self, hook: str, name: str) -> str:
        """Which plugin offers this, for messages: `plugin 'x' (bao-x 1.0)`."""
        found = (str(plugin) for plugin in self._offering(hook) if name in plugin.offers(hook))
        return next(found, f"no plugin offers '{name}'")

    # --- how ---------------------------------------------------------------------------------

    def _all(self, hook: str) -> list[Any]:
        """All offers to a hook, sorted by name."""
        answers = [self._ask(plugin, hook) for plugin in self._offering(hook)]
        offers = {offer.name: offer for answer in answers for offer in answer}
        return [offers[name] for name in sorted(offers)]

    def _one(self, hook: str, name: str) -> Any:
        """One offer by its name; None where nobody offers it."""
        for plugin in self._offering(hook):
            if name in plugin.offers(hook):
                return next((o for o in self._ask(plugin, hook) if o.name == name), None)
        return None

    def _offering(self, hook: str) -> list[Plugin]:
        """The usable plugins that implement a hook; bao's own first, then by name."""
        self._settle()
        return [plugin for plugin in self._plugins if plugin.usable and hook in plugin.hooks()]

    def _known(self) -> Iterator[Plugin]:
        self._settle()
        return (plugin for plugin in self._plugins if plugin.status != "disabled")

    def _settle(self, *, again: bool = False) -> None:
        """Ask every plugin that the inventory does not know everything, once.

        Args:
            again: Also those that took too long before.
        """
        if self._settled:
            return
        self._settled = True
        doubtful = [
            plugin
            for plugin in self._plugins
            if plugin.usable and (plugin.record.refused or not plugin.record.is_known())
        ]
        if self._also_disabled is not None and doubtful:
            self.disable(self._also_disabled())
        self._refuse_same_names()
        for plugin in filter(_is_usable, doubtful):
            if plugin.record.refused:
                self._switch_off(plugin, plugin.record.refused)
            elif not again and (fault := plugin.record.known_fault()):
                advice = "it is tried again when it changes, or by `bao plugins`"
                self._switch_off(plugin, f"{fault} ({advice})")
        self._try(list(filter(_is_usable, doubtful)))
        self._refuse_same_offers()

    def _try(self, plugins: Sequence[Plugin]) -> None:
        """Ask these plugins everything, and remember what they say."""
        if not plugins:
            return
        from bao_core.plugins.trial import tried, tried_here

        changed = False
        for plugin in plugins:
            record = plugin.record
            verdict = (tried_here if record.name == BUILT_IN else tried)(record, self._limit)
            changed = changed or verdict.knowledge is not None or verdict.hanging != record.fault
            record.fault = verdict.hanging
            if verdict.knowledge is None:
                self._switch_off(plugin, verdict.fault)
            else:
                record.knowledge, plugin.tried = verdict.knowledge, True
            self._tell_printed(plugin, verdict.printed)
        if changed:
            self._file.write(self._inventory)

    def _load(self, plugin: Plugin) -> None:
        if plugin.status != "not loaded":
            return
        try:
            plugin.implemented = self._loader.load(plugin.record.name, plugin.record.target)
            plugin.status = "active"
        except PluginFault as fault:
            self._switch_off(plugin, str(fault))

    def _ask(self, plugin: Plugin, hook: str) -> Sequence[Any]:
        """A plugin's offers to a hook; none if it is or gets switched off."""
        if self._recalls(plugin, hook):
            return plugin.answers.get(hook, ())
        self._load(plugin)
        if plugin.usable and hook in plugin.implemented and hook not in plugin.answers:
            try:
                plugin.answers[hook] = self._loader.ask(hook, plugin.implemented[hook])
            except PluginFault as fault:
                self._switch_off(plugin, str(fault))
            else:
                plugin.sign(hook)
        self._tell_printed(plugin, self._loader.printed())
        return plugin.answers.get(hook, ()) if plugin.usable else ()

    def _tell_printed(self, plugin: Plugin, text: str) -> None:
        if text and plugin.usable and not plugin.printed:
            plugin.printed = True
            self._warn(f"{plugin} printed while it was imported: {text.splitlines()[0][:100]!r}")

    def _recalls(self, plugin: Plugin, hook: str) -> bool:
        """Take a plugin's answer from what is remembered of it, where that is possible.

        Then neither its module nor what calls hooks has to be imported.
        """
        if plugin.status != "not loaded" or hook in plugin.answers:
            return plugin.usable and hook in plugin.answers
        places = plugin.knowledge.classes.get(hook)
        if not places:
            return False
        try:
            plugin.answers[hook] = self._loader.recall(hook, places)
        except PluginFault as fault:
            self._switch_off(plugin, str(fault))
        else:
            plugin.sign(hook)
        self._tell_printed(plugin, self._loader.printed())
        return True

    def _refuse_same_names(self) -> None:
        taken: dict[str, Plugin] = {}
        for plugin in filter(_is_usable, self._plugins):
            first = taken.setdefault(plugin.record.name, plugin)
            if first is not plugin:
                self._switch_off(plugin, f"has the name of {first}")

    def _refuse_same_offers(self) -> None:
        taken: dict[tuple[str, str], Plugin] = {}
        for plugin in self._plugins:
            offers = plugin.knowledge.offers if plugin.usable else {}
            for key in [(hook, name) for hook, names in offers.items() for name in names]:
                first = taken.setdefault(key, plugin)
                if first is not plugin and plugin.usable:
                    self._switch_off(plugin, f"offered '{key[1]}' in {key[0]}, as {first} does")

    def _switch_off(self, plugin: Plugin, fault: str) -> None:
        plugin.status, plugin.error = "failed", fault
        self._warn(f"{plugin} {fault}; it is switched off")


def _is_usable(plugin: Plugin) -> bool:
    return plugin.usable
