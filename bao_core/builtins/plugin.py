"""What bao itself offers, through the same hooks as every plugin."""

from __future__ import annotations

from bao_core.hookspecs import hookimpl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.interfaces.events import EventSink
    from bao_core.interfaces.executor import Executor
    from bao_core.interfaces.gate import Gate
    from bao_core.interfaces.scheduler import Scheduler
    from bao_core.interfaces.workspace import WorkspaceProvider


@hookimpl
def bao_workspace_providers() -> Sequence[type[WorkspaceProvider]]:
    """Packages that `bao.toml` names."""
    from bao_core.builtins.bao_workspace import BaoWorkspace

    return [BaoWorkspace]


@hookimpl
def bao_executors() -> Sequence[type[Executor]]:
    """Processes on this machine."""
    from bao_core.builtins.local_executor import LocalExecutor

    return [LocalExecutor]


@hookimpl
def bao_schedulers() -> Sequence[type[Scheduler]]:
    """The longest way to the end of the run first."""
    from bao_core.builtins.critical_path import CriticalPathScheduler

    return [CriticalPathScheduler]


@hookimpl
def bao_gates() -> Sequence[type[Gate]]:
    """As many tasks at once as the concurrency allows."""
    from bao_core.builtins.slots import SlotsGate

    return [SlotsGate]


@hookimpl
def bao_event_sinks() -> Sequence[type[EventSink]]:
    """A log of what happens, for machines."""
    from bao_core.builtins.event_log import EventLog

    return [EventLog]
