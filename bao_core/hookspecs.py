"""Every hook, and the two markers.

Each hook is an offer: asked once an invocation, on the main thread, named by a plural noun,
answered with classes or small records. The answers of all plugins are put together and sorted by
name; two offers of one name are an error that names both distributions. A hook that raises switches
its plugin off for the invocation; what that means for the run is said with each interface.
"""

from __future__ import annotations

import pluggy
from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.interfaces.cache import CacheBackend, ObjectStore
    from bao_core.interfaces.events import EventSink
    from bao_core.interfaces.executor import Executor
    from bao_core.interfaces.gate import Gate
    from bao_core.interfaces.keys import KeyContributor
    from bao_core.interfaces.scheduler import Scheduler
    from bao_core.interfaces.workspace import WorkspaceProvider

hookspec = pluggy.HookspecMarker("bao")
hookimpl = pluggy.HookimplMarker("bao")

API_VERSION = "1.0"
"""The version of the hook API: every hook and every interface.

The second number rises when a hook or a method with a default is added, the first when a plugin
that worked may no longer do so. A plugin says with `requires = ">=1,<2"` what it works with.
"""


class CommandSpec(Struct, frozen=True):
    """A command that a plugin adds.

    Attributes:
        name: What users type after `bao`.
        help: One line.
        target: `module:attribute` of a Typer app or a function; imported when the command runs.
    """

    name: str
    help: str
    target: str


@hookspec
def bao_workspace_providers() -> Sequence[type[WorkspaceProvider]]:  # type: ignore[empty-body]
    """Offer ways to find packages. All of them are asked; their packages are put together."""


@hookspec
def bao_key_contributors() -> Sequence[type[KeyContributor]]:  # type: ignore[empty-body]
    """Offer ingredients for cache keys. All are active, and their names are in every key."""


@hookspec
def bao_cache_backends() -> Sequence[type[CacheBackend | ObjectStore]]:  # type: ignore[empty-body]
    """Offer places to keep results. The configuration's `[[cache]]` tables choose among them.

    Called once an invocation, on the main thread, and only where a table names an offer of this
    plugin, or the `tier_variable` of one is set. Each table opens an instance of its own; the order
    of the tables is that of looking up, and the order of the offers never counts.

    Returns:
        Classes of `CacheBackend`, or of `ObjectStore`, which core wraps: `ObjectStoreCache` makes a
        whole backend of it. A class whose `remote` is true is opened on a thread of its own, when
        it is first asked something.

    A hook that raises makes the tiers that name its offers errors, and the default tier is left
    out. An instance that cannot be opened is named and left out of the run, which never fails for
    it. A whole plugin stands in `docs/reference/interfaces/cache.md`.
    """


@hookspec
def bao_executors() -> Sequence[type[Executor]]:  # type: ignore[empty-body]
    """Offer ways to run commands. One is active: the configured one, else `local`."""


@hookspec
def bao_schedulers() -> Sequence[type[Scheduler]]:  # type: ignore[empty-body]
    """Offer orders of work. One is active: the configured one, else `critical-path`."""


@hookspec
def bao_gates() -> Sequence[type[Gate]]:  # type: ignore[empty-body]
    """Offer gates. All of them are active; a task starts when each has granted it."""


@hookspec
def bao_event_sinks() -> Sequence[type[EventSink]]:  # type: ignore[empty-body]
    """Offer listeners. All of them are active."""


@hookspec
def bao_commands() -> Sequence[CommandSpec]:  # type: ignore[empty-body]
    """Offer commands. A name that bao itself uses is refused."""
