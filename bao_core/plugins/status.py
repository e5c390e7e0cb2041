"""One plugin during an invocation: what it is, how it stands, what it has answered."""

from __future__ import annotations

from msgspec import Struct

from bao_core.plugins.inventory import Knowledge, loaded_sources
from bao_core.plugins.loading import class_places, mentioned_hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from bao_core.plugins.inventory import PluginRecord


class PluginInfo(Struct, frozen=True):
    """A plugin as `bao plugins` tells it.

    Attributes:
        name: Of its entry point.
        module: The value of its entry point.
        status: `active`; `not loaded` where nothing had to be asked of it; `disabled`; `failed`.
        error: Why it was switched off; empty where it was not.
        hooks: The hooks it implements, as far as known.
        offers: Names of its offers by hook, as far as known.
    """

    name: str
    distribution: str
    version: str
    module: str
    status: str
    error: str
    hooks: tuple[str, ...]
    offers: dict[str, tuple[str, ...]]


class Plugin:
    """One plugin during this invocation.

    Attributes:
        record: What the inventory says of it.
        status: As in `PluginInfo`.
        error: Why it was switched off.
        implemented: Its hook implementations, once it is loaded.
        answers: What it answered to the hooks that were asked.
    """

    __slots__ = ("answers", "error", "implemented", "record", "status")

    def __init__(self, record: PluginRecord) -> None:
        self.record = record
        self.status = "not loaded"
        self.error = ""
        self.implemented: dict[str, Callable[[], object]] = {}
        self.answers: dict[str, Sequence[Any]] = {}

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

    def offers(self, hook: str) -> tuple[str, ...]:
        """The names of its offers to a hook, as remembered."""
        return self.knowledge.offers.get(hook, ())

    def hooks(self) -> tuple[str, ...]:
        """The hooks it implements, as seen in this invocation or remembered."""
        return tuple(sorted(self.implemented)) or self.knowledge.hooks

    def presumed_hooks(self) -> tuple[str, ...]:
        """The hooks it would answer if it were not broken.

        One that never worked is judged by the hooks that its source speaks of.
        """
        return self.hooks() or mentioned_hooks(self.record.target)

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
            status=self.status,
            error=self.error,
            hooks=self.hooks(),
            offers={hook: names for hook in self.hooks() if (names := self.offers(hook))},
        )

    def gained(self) -> Knowledge:
        """What is to be remembered of it, now that it has answered every hook it implements."""
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
        )


def _spelled(distribution: str) -> str:
    return distribution.lower().replace("_", "-").replace(".", "-")
