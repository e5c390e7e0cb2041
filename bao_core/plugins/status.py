"""One plugin during an invocation: what it is, how it stands, what it has answered."""

from __future__ import annotations

from msgspec import Struct

from bao_core.plugins.checks import HOOKS
from bao_core.plugins.inventory import BUILT_IN, Knowledge, loaded_sources
from bao_core.plugins.loading import class_places, mentioned_hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from bao_core.plugins.inventory import PluginRecord

SLOW = 0.5
"""Seconds to import and answer everything in above which a plugin is called slow. It costs that
much in every run that imports it, and twice as much in the one that meets it first."""


class PluginInfo(Struct, frozen=True):
    """A plugin as `bao plugins` tells it.

    Attributes:
        name: Of its entry point.
        module: The value of its entry point.
        status: `active`; `not loaded` where nothing had to be asked of it; `disabled`; `failed`.
        error: Why it was switched off; empty where it was not.
        hooks: The hooks it implements, as far as known.
        offers: Names of its offers by hook, as far as known.
        seconds: How long it took to import it and ask it everything, when it was last tried.
        remarks: What should be better about it, though it works.
        tier_variables: Environment variables that make a tier of its cache backends, by their
            names.
    """

    name: str
    distribution: str
    version: str
    module: str
    status: str
    error: str
    hooks: tuple[str, ...]
    offers: dict[str, tuple[str, ...]]
    seconds: float = 0.0
    remarks: tuple[str, ...] = ()
    tier_variables: dict[str, str] = {}


class Plugin:
    """One plugin during this invocation.

    Attributes:
        record: What the inventory says of it.
        status: As in `PluginInfo`.
        error: Why it was switched off.
        implemented: Its hook implementations, once it is loaded.
        answers: What it answered to the hooks that were asked.
        tried: Whether this invocation has tried it, and it worked.
        printed: Whether the user was told that it prints.
    """

    __slots__ = ("answers", "error", "implemented", "printed", "record", "status", "tried")

    def __init__(self, record: PluginRecord) -> None:
        self.record = record
        self.status = "not loaded"
        self.error = ""
        self.implemented: dict[str, Callable[[], object]] = {}
        self.answers: dict[str, Sequence[Any]] = {}
        self.tried = False
        self.printed = False

    def __str__(self) -> str:
        return f"plugin '{self.record.name}' ({self.record.distribution} {self.record.version})"

    @property
    def usable(self) -> bool:
        """Whether it may be asked."""
        return self.status in {"active", "not loaded"}

    @property
    def knowledge(self) -> Knowledge:
        """What is remembered of it; nothing where it never worked."""
        return self.record.knowledge or Knowledge("")

    def sign(self, hook: str) -> None:
        """Write on its offers where they come from, for messages about them."""
        if self.record.name != BUILT_IN and hook != "bao_commands":
            for offer in self.answers[hook]:
                offer.origin = f"{self.record.distribution} {self.record.version}"

    def offers(self, hook: str) -> tuple[str, ...]:
        """The names of its offers to a hook, as remembered."""
        return self.knowledge.offers.get(hook, ())

    def hooks(self) -> tuple[str, ...]:
        """The hooks it implements, as seen in this invocation or remembered."""
        return tuple(sorted(self.implemented)) or self.knowledge.hooks

    def presumed_hooks(self) -> tuple[str, ...]:
        """The hooks it would answer if it were not broken.

        One that never worked is judged by the hooks that its source speaks of. One of which there
        is no source may answer anything, but finds packages only if its name says so: nothing
        works where packages may be missing.
        """
        if hooks := self.hooks():
            return hooks
        mentioned = mentioned_hooks(self.record.target)
        if mentioned is not None:
            return mentioned
        named = "workspace" in f"{self.record.name} {self.record.distribution}"
        return tuple(hook for hook in HOOKS if named or hook != "bao_workspace_providers")

    def is_called(self, name: str) -> bool:
        """Whether it is meant by a name: that of its entry point or of its distribution."""
        return name == self.record.name or _spelled(name) == _spelled(self.record.distribution)

    def info(self) -> PluginInfo:
        """How it stands now."""
        record = self.record
        return PluginInfo(
            name=record.name,
            distribution=record.distribution,
            version=record.version,
            module=record.target,
            status="active" if self.tried and self.usable else self.status,
            error=self.error,
            hooks=self.hooks(),
            offers={hook: names for hook in self.hooks() if (names := self.offers(hook))},
            seconds=round(self.knowledge.seconds, 3),
            remarks=tuple(self._remarks()) if self.usable else (),
            tier_variables=self.knowledge.tier_variables,
        )

    def _remarks(self) -> Iterator[str]:
        if self.knowledge.seconds > SLOW:
            yield f"slow: importing it and asking it took {self.knowledge.seconds:.1f} s"
        if self.knowledge.prints:
            yield "prints to standard output while it is imported"

    def gained(self, seconds: float, printed: str) -> Knowledge:
        """What is to be remembered of it, now that it has answered every hook it implements.

        Args:
            seconds: How long all of it took.
            printed: What it printed meanwhile.
        """
        providers = self.answers.get("bao_workspace_providers", ())
        markers: dict[str, set[str]] = {}
        for provider in providers:
            for name, pattern in provider.root_markers.items():
                markers.setdefault(name, set()).add(pattern)
        commands = self.answers.get("bao_commands", ())
        return Knowledge(
            version=self.record.version,
            hooks=self.hooks(),
            offers={
                hook: tuple(sorted(offer.name for offer in answer))
                for hook, answer in sorted(self.answers.items())
            },
            manifests=tuple(sorted({name for p in providers for name in p.manifests})),
            markers={name: tuple(sorted(markers[name])) for name in sorted(markers)},
            commands=tuple((spec.name, spec.help, spec.target) for spec in commands),
            classes={
                hook: places
                for hook, answer in sorted(self.answers.items())
                if (places := class_places(answer, self.record.target))
            },
            sources=loaded_sources(self.record.target),
            seconds=seconds,
            prints=bool(printed),
            tier_variables={
                backend.name: backend.tier_variable
                for backend in self.answers.get("bao_cache_backends", ())
                if backend.tier_variable
            },
        )


def _spelled(distribution: str) -> str:
    return distribution.lower().replace("_", "-").replace(".", "-")
