"""What every component that a plugin offers has in common."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar, Self

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event as Flag

    from bao_core.events import Event


class NoSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a component that has none."""


class Context:
    """What core gives a component when it opens it.

    Attributes:
        root: The workspace's root directory, absolute.
        state_dir: A directory of this workspace that the component may write to, outside the
            worktree; it may not exist yet.
        scope: The scope that cache entries are written under; empty for the main one.
        environ: The environment of the command, not to be changed.
        cancelled: Set when the user interrupts; long work looks at it.
        emit: Publishes an event; never raises.
    """

    __slots__ = ("cancelled", "emit", "environ", "root", "scope", "state_dir")

    def __init__(
        self,
        *,
        root: str,
        state_dir: str,
        environ: Mapping[str, str],
        cancelled: Flag,
        emit: Callable[[Event], None],
        scope: str = "",
    ) -> None:
        self.root = root
        self.state_dir = state_dir
        self.scope = scope
        self.environ = environ
        self.cancelled = cancelled
        self.emit = emit


class Component(ABC):
    """Something that a hook offers: a class with a name, settings, a start and an end.

    A component is opened at most once for each configured instance and invocation, on the main
    thread, and closed once at the end, even after an error. Importing its module must cost almost
    nothing: heavy libraries are imported inside `open` or later.

    Attributes:
        name: The word used in the configuration, unique among the offers of its hook.
        Settings: A msgspec Struct; the configuration is decoded into it, and a value it refuses
            is reported with file and line before `open` is called.
        origin: The distribution that offers it and its version, such as `bao-cache-redis 1.2`.
            Set by core, for messages; empty for what bao brings itself.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[Struct]] = NoSettings
    origin: ClassVar[str] = ""

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """Make the component ready.

        Args:
            settings: An instance of `Settings`.
            context: What core lends the component.

        Raises:
            BaoError: It cannot work; the message says why. What that means for the run is said
                in each interface.
        """
        del settings, context
        return cls()

    def close(self) -> None:  # noqa: B027 - most components hold nothing to let go of
        """Let go of everything held. Called once, on the main thread."""


def called(component: Component | type[Component]) -> str:
    """What a component is called in messages: `'redis' (bao-cache-redis 1.2)`."""
    return f"'{component.name}' ({component.origin})" if component.origin else f"'{component.name}'"
