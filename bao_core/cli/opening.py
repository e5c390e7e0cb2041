"""Opens the session that a command works with."""

from __future__ import annotations

import os
from contextlib import contextmanager

from bao_core.errors import BaoError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bao_core.cli.options import Invocation, SelectingArguments
    from bao_core.events import Sink
    from bao_core.plugins import PluginHost
    from bao_core.session import Selecting, Session


@contextmanager
def opened(invocation: Invocation, environ: Mapping[str, str], *sinks: Sink) -> Iterator[Session]:
    """The session of the workspace that a command is called in; closed in the end.

    Raises:
        UsageError: `-C` names no directory.
        BaoError: There is no workspace, or it cannot be read.
    """
    from bao_core.session import Session

    directory = invocation.directory
    if directory is not None and not os.path.isdir(directory):
        raise UsageError(f"--directory: there is no directory '{directory}'")
    session = Session.open(directory, environ, sinks=sinks, begun=invocation.begun)
    try:
        yield session
    finally:
        session.close()


def selecting(arguments: SelectingArguments) -> Selecting:
    """What the options say of the packages that are meant."""
    from bao_core.session import Selecting

    return Selecting(
        filters=arguments.filters,
        affected=arguments.affected or arguments.since is not None,
        since=arguments.since,
        deepen=arguments.deepen,
    )


@contextmanager
def opened_host(
    directory: str | None, environ: Mapping[str, str], sink: Sink
) -> Iterator[PluginHost]:
    """The plugin host of the workspace.

    Where there is none that can be read, it is one without what a configuration would say, so
    that plugins can be looked at also then.
    """
    from bao_core.session import Session

    try:
        session = Session.open(directory, environ, sinks=(sink,))
    except BaoError:
        yield _host_alone(environ, sink)
        return
    try:
        yield session.host
    finally:
        session.close()


def _host_alone(environ: Mapping[str, str], sink: Sink) -> PluginHost:
    from bao_core.events import EventBus
    from bao_core.places import cache_root
    from bao_core.plugins import PluginHost

    bus = EventBus((sink,))
    return PluginHost.load(state_dir=cache_root(environ), environ=environ, warn=bus.warn)
