"""What a plugin may answer to each hook, and what is wrong with an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import NODEFAULT, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

HOOKS = (
    "bao_cache_backends",
    "bao_commands",
    "bao_event_sinks",
    "bao_executors",
    "bao_gates",
    "bao_key_contributors",
    "bao_schedulers",
    "bao_workspace_providers",
)
"""Every hook, sorted."""

_INTERFACES = {
    "bao_cache_backends": ("cache", ("CacheBackend", "ObjectStore")),
    "bao_event_sinks": ("events", ("EventSink",)),
    "bao_executors": ("executor", ("Executor",)),
    "bao_gates": ("gate", ("Gate",)),
    "bao_key_contributors": ("keys", ("KeyContributor",)),
    "bao_schedulers": ("scheduler", ("Scheduler",)),
    "bao_workspace_providers": ("workspace", ("WorkspaceProvider",)),
}
"""The module in `interfaces` that each hook is about, and the classes it may offer."""

RESERVED_COMMANDS = frozenset(
    ("cache", "completion", "config", "graph", "help", "init", "ls", "plugins", "run", "why")
)
"""Names of commands that bao uses itself."""


def answer_complaint(hook: str, answer: object) -> str | None:
    """What is wrong with an answer to a hook; None where it is right."""
    if not isinstance(answer, list | tuple):
        return f"answered {_described(answer)} instead of a list"
    for offer in answer:
        if (complaint := offer_complaint(hook, offer)) is not None:
            return complaint
    names = [offer.name for offer in answer]
    twice = {name for name in names if names.count(name) > 1}
    return f"offered '{min(twice)}' twice" if twice else None


def offer_complaint(hook: str, offer: Any) -> str | None:
    """What is wrong with one offer; None where it is right."""
    if hook == "bao_commands":
        return _command_complaint(offer)
    complaint = _class_complaint(offer, _bases(hook))
    if complaint is None and hook == "bao_workspace_providers":
        return _provider_complaint(offer)
    if complaint is None and hook == "bao_cache_backends":
        return _backend_complaint(offer)
    return complaint


def _bases(hook: str) -> tuple[type, ...]:
    """The classes of which an offer must be one; imported for the hook that is asked, only."""
    from importlib import import_module

    module, names = _INTERFACES[hook]
    interface = import_module(f"bao_core.interfaces.{module}")
    return tuple(getattr(interface, name) for name in names)


def _class_complaint(offer: Any, bases: tuple[type, ...]) -> str | None:
    wanted = " or ".join(base.__name__ for base in bases)
    if not isinstance(offer, type):
        return f"offered {_described(offer)} instead of a class of {wanted}"
    if not issubclass(offer, bases):
        return f"offered the class {offer.__name__}, which is no {wanted}"
    return _component_complaint(offer)


def _component_complaint(offer: Any) -> str | None:
    name = getattr(offer, "name", None)
    if not isinstance(name, str) or not name:
        return f"offered the class {offer.__name__}, whose 'name' is no text"
    if not (isinstance(offer.Settings, type) and issubclass(offer.Settings, Struct)):
        return f"offered '{name}', whose 'Settings' is no msgspec Struct"
    if missing := sorted(offer.__abstractmethods__):
        return f"offered '{name}', which lacks {', '.join(missing)}"
    return None


def _provider_complaint(provider: Any) -> str | None:
    name = provider.name
    if not _are_file_names(getattr(provider, "manifests", None)):
        return f"offered '{name}', whose 'manifests' is no set of file names"
    markers = provider.root_markers
    if not isinstance(markers, Mapping) or not _are_file_names(
        frozenset(n.removeprefix("**/") if isinstance(n, str) else n for n in markers)
    ):
        return f"offered '{name}', whose 'root_markers' is no mapping of file names"
    for file, pattern in markers.items():
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            return (
                f"offered '{name}', whose root marker for {file} is no regular expression: {error}"
            )
    return None


def _backend_complaint(backend: Any) -> str | None:
    variable = backend.tier_variable
    if not isinstance(variable, str) or "=" in variable or "\0" in variable:
        return f"offered '{backend.name}', whose 'tier_variable' is no name of a variable"
    if variable and has_required_fields(backend.Settings):
        return (
            f"offered '{backend.name}', which has a 'tier_variable' and settings without a default"
        )
    return None


def has_required_fields(settings: type[Struct]) -> bool:
    """Whether a component's settings cannot all be left out."""
    defaults = settings.__struct_defaults__
    return len(defaults) < len(settings.__struct_fields__) or NODEFAULT in defaults


def _are_file_names(names: Collection[object] | None) -> bool:
    return isinstance(names, frozenset | set) and all(
        isinstance(name, str) and name and "/" not in name for name in names
    )


def _command_complaint(offer: object) -> str | None:
    from bao_core.hookspecs import CommandSpec

    if not isinstance(offer, CommandSpec):
        return f"offered {_described(offer)} instead of a CommandSpec"
    fields: tuple[Any, ...] = (offer.name, offer.help, offer.target)
    if not all(isinstance(text, str) for text in fields):
        return f"offered the command {offer.name!r}, whose fields are not all texts"
    if re.fullmatch(r"[a-z][a-z0-9-]*", offer.name) is None:
        return f"offered the command {offer.name!r}, which is no lower-case word"
    if offer.name in RESERVED_COMMANDS:
        return f"offered the command '{offer.name}', which is bao's own"
    if re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", offer.target) is None:
        return (
            f"offered the command '{offer.name}', whose target is not 'module:name': {offer.target}"
        )
    return None


def _described(thing: object) -> str:
    if thing is None:
        return "nothing (None)"
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"
