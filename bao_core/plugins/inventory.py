"""The remembered set of plugins: which are installed, and what each of them offers.

Reading entry points costs more than the rest of a run that is all hits, and importing every plugin
costs more still. So both are remembered, by the identity of the import path. The inventory may be
lost or damaged at any moment; then it is made anew.
"""

import os
import sys
import time
from collections.abc import Iterator

from msgspec import Struct
from msgspec.msgpack import Decoder

from bao_core import __version__
from bao_core.digests import hash_text
from bao_core.plugins.requirements import core_complaint
from bao_core.state import read_checked, write_checked

GROUP = "bao"
"""The entry-point group."""

BUILT_IN = "bao"
"""The name under which bao's own offers appear among the plugins."""

_RACY = 2_000_000_000
"""Nanoseconds: a directory that changed this shortly before it was looked at may have changed once
more since, without another time stamp."""

_UNUSED = 90 * 86_400
"""Seconds after which the inventory of an import path that nobody uses any more is removed."""


class Source(Struct, array_like=True, frozen=True, gc=False):
    """A file that a plugin's knowledge was gained from, as it was then.

    Attributes:
        mtime: Nanoseconds since the epoch.
    """

    path: str
    mtime: int
    size: int
    inode: int


class Knowledge(Struct, array_like=True):
    """What a plugin was seen to offer when it was last asked.

    Attributes:
        version: Of its distribution, then.
        hooks: Names of the hooks it implements, sorted.
        offers: Names of its offers by hook, sorted.
        manifests: Of its workspace providers.
        markers: Of its workspace providers, each with its regular expressions.
        commands: Name, help and target of its commands.
        classes: Where its offers are found, as `module:name`, by hook; those hooks are left out of
            which an offer is not found again that way.
        sources: The files that this was gained from.
        seconds: How long it took to be imported and to answer everything.
        prints: Whether it printed to standard output meanwhile.
        tier_variables: Of its cache backends that have one, by their names.
    """

    version: str
    hooks: tuple[str, ...] = ()
    offers: dict[str, tuple[str, ...]] = {}
    manifests: tuple[str, ...] = ()
    markers: dict[str, tuple[str, ...]] = {}
    commands: tuple[tuple[str, str, str], ...] = ()
    classes: dict[str, tuple[str, ...]] = {}
    sources: tuple[Source, ...] = ()
    seconds: float = 0.0
    prints: bool = False
    tier_variables: dict[str, str] = {}


class KnownFault(Struct, array_like=True):
    """Why a plugin is not tried again until it changes: it cost all the time that it may take.

    Attributes:
        version: Of its distribution, then.
        sources: Files of the plugin, as they were then.
    """

    text: str
    version: str
    sources: tuple[Source, ...]


class PluginRecord(Struct, array_like=True):
    """One installed plugin.

    Attributes:
        name: Of its entry point.
        target: The value of its entry point, which should be a module.
        distribution: The distribution that brought it, and its version.
        refused: What its distribution's dependencies say against this version of bao.
        knowledge: None as long as it was never asked with success.
        fault: Why it is not tried again until it changes; None for most.
    """

    name: str
    target: str
    distribution: str
    version: str
    refused: str = ""
    knowledge: Knowledge | None = None
    fault: KnownFault | None = None

    def is_known(self) -> bool:
        """Whether what is remembered of it still holds."""
        return self._holds(self.knowledge)

    def known_fault(self) -> str:
        """Why it is not tried again; empty where it is."""
        return self.fault.text if self.fault is not None and self._holds(self.fault) else ""

    def _holds(self, remembered: Knowledge | KnownFault | None) -> bool:
        return (
            remembered is not None
            and remembered.version == self.version
            and all(source_of(source.path) == source for source in remembered.sources)
        )


class Inventory(Struct, array_like=True):
    """All installed plugins: bao's own offers, then the others by name and distribution.

    Attributes:
        identity: Of the import path that they were found on.
        settled: Whether every change of that path after it was looked at shows in its identity.
        core: The version of bao that asked the plugins.
    """

    identity: str
    settled: bool
    plugins: list[PluginRecord]
    core: str = __version__


class InventoryFile:
    """Where the inventory of this interpreter and import path is kept.

    Args:
        state_dir: The user's directory for what bao remembers.
    """

    def __init__(self, state_dir: str) -> None:
        self._directory = os.path.join(state_dir, "plugins")
        self._path = os.path.join(self._directory, hash_text(sys.prefix, *sys.path)[:20])
        self._identity, self._newest = _path_identity()

    def read(self) -> Inventory:
        """What is remembered, brought up to date with what is installed."""
        found = read_checked(self._path, Decoder(Inventory))
        old = found if isinstance(found, Inventory) else Inventory("", settled=False, plugins=[])
        if old.settled and old.identity == self._identity:
            return old
        settled = self._newest < time.time_ns() - _RACY
        current = Inventory(self._identity, settled, [_built_in(), *_scan()])
        known = {_key(record): record for record in old.plugins if old.core == __version__}
        for record in current.plugins:
            if (before := known.get(_key(record))) is not None:
                record.knowledge = before.knowledge
                # What a plugin hung in may have been in another distribution, now mended.
                record.fault = before.fault if old.identity == self._identity else None
        self.write(current)
        return current

    def write(self, inventory: Inventory) -> None:
        """Remember this; a disk that refuses does no harm."""
        try:
            written = write_checked(self._path, inventory)
        except UnicodeEncodeError:
            # An import path that is not UTF-8: nothing can be remembered, and everything works.
            return
        if written:
            self._remove_unused()

    def _remove_unused(self) -> None:
        limit = time.time() - _UNUSED
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if entry.stat(follow_symlinks=False).st_mtime < limit:
                        os.unlink(entry.path)
        except OSError:
            pass


def source_of(path: str) -> Source | None:
    """A file as it is now; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Source(path, found.st_mtime_ns, found.st_size, found.st_ino)


def loaded_sources(module: str) -> tuple[Source, ...]:
    """The files of all modules that are loaded from the package a module stands in."""
    package = module.rpartition(".")[0] or module
    below = f"{package}."
    files = {
        str(file)
        for name, loaded in list(sys.modules.items())
        if (name == package or name.startswith(below))
        and (file := getattr(loaded, "__file__", None)) is not None
    }
    return tuple(source for file in sorted(files) if (source := source_of(file)) is not None)


def _key(record: PluginRecord) -> tuple[str, str, str]:
    return record.name, record.target, record.distribution


def _path_identity() -> tuple[str, int]:
    """A text that differs when other plugins may be installed, and the newest time stamp in it."""
    parts = [__version__, sys.version, sys.prefix, sys.implementation.cache_tag or ""]
    newest = 0
    for entry in sys.path:
        path = os.path.abspath(entry)
        try:
            found = os.stat(path)
        except OSError:
            parts.append(path)
            continue
        newest = max(newest, found.st_mtime_ns)
        parts.append(
            f"{path}\0{found.st_ino}\0{found.st_dev}\0{found.st_mtime_ns}\0{found.st_size}"
        )
    return hash_text(*parts), newest


def _built_in() -> PluginRecord:
    return PluginRecord(BUILT_IN, "bao_core.builtins.plugin", "bao-core", __version__)


def _scan() -> Iterator[PluginRecord]:
    """Read the entry points of everything that is installed.

    A distribution whose metadata cannot be read is passed over: it is none of bao's business
    until it says that it holds a plugin.
    """
    from importlib.metadata import distributions

    found: dict[tuple[str, str], PluginRecord] = {}
    for distribution in distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
            if f"[{GROUP}]" not in text:
                continue
            name, version = distribution.name, distribution.version
            points = [point for point in distribution.entry_points if point.group == GROUP]
            refused = core_complaint(name, distribution.requires or ())
        except Exception:  # noqa: BLE001, S112 - whatever is wrong with a stranger
            continue
        for point in points:
            # The first on the import path hides others of the same distribution.
            key = (point.name, name)
            found.setdefault(key, PluginRecord(point.name, point.value, name, version, refused))
    yield from (found[key] for key in sorted(found))
