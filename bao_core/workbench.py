"""What the tasks of a run work with, and how each of them ended."""

from __future__ import annotations

import time
from typing import Literal

from msgspec import Struct

from bao_core.events import TaskFinished
from bao_core.interfaces.executor import Usage
from bao_core.model import Reason, Stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bao_core.events import EventBus
    from bao_core.input_check import InputCheck
    from bao_core.intents import OutputIntents
    from bao_core.model import Task, Workspace
    from bao_core.state import WorkspaceState
    from bao_core.task_keys import KeyedTask, KeyMaker
    from bao_core.tiers import CacheTiers
    from bao_core.worktree import WorktreeFiles

GRACE = 5.0
"""Seconds that an interrupted task gets between TERM and KILL."""

Outcome = Literal["executed", "restored", "stood", "skipped", "passed"]
"""How a task came to its end; `stood` is a hit whose outputs were all in place, `passed` a transit
task."""


class Finished(Struct, frozen=True):
    """How a task came to its end, for the tasks downstream and for the reports.

    Attributes:
        outputs: A hash over what it left behind; empty where it left nothing known.
        stamps: Of what it left behind.
        tainted: Nothing downstream of it may be stored.
        span: The one that it ran or was restored in; empty where nothing had to be done.
    """

    task: Task
    outcome: Outcome
    exit_code: int | None = None
    keyed: KeyedTask | None = None
    outputs: str = ""
    stamps: Mapping[str, Stamp] = {}
    tainted: bool = False
    stored: bool = False
    reasons: tuple[Reason, ...] = ()
    tier: str | None = None
    started: float = 0.0
    duration: float = 0.0
    saved: float = 0.0
    flaky: bool = False
    cancelled: bool = False
    usage: Usage = Usage()
    worker: str = ""
    span: str = ""

    @property
    def failed(self) -> bool:
        """Whether it ran and did not succeed."""
        return bool(self.exit_code)

    def event(self, parent: str) -> TaskFinished:
        """What event sinks are told of it.

        Args:
            parent: The span of the run.
        """
        return TaskFinished(
            id=self.task.id,
            span=self.span,
            parent=parent,
            outcome=self.outcome,
            exit_code=self.exit_code,
            at=self.started + self.duration if self.started else time.time(),
            duration=self.duration,
            saved=self.saved,
            key=self.keyed.key if self.keyed is not None else None,
            tier=self.tier,
            reasons=self.reasons,
            stored=self.stored,
            tainted=self.tainted,
            flaky=self.flaky,
            peak_memory=self.usage.peak_memory,
            worker=self.worker,
            cancelled=self.cancelled,
        )


class Workbench(Struct, frozen=True):
    """What every task of a run works with.

    Attributes:
        staging_dir: Where files wait before they are moved into place.
        environment: Gives the environment of a task's command.
        replay: Whether the log of a hit is shown.
        store: Whether results may be stored in this run.
        look_up: Whether results may be used in this run.
        uncacheable: Why a task may not be stored in this run whatever happens; empty if it may.
        scope: The scope that results are stored under; empty for the main one.
    """

    workspace: Workspace
    files: WorktreeFiles
    keys: KeyMaker
    check: InputCheck
    tiers: CacheTiers
    state: WorkspaceState
    intents: OutputIntents
    bus: EventBus
    boot: str
    run_span: str
    staging_dir: str
    environment: Callable[[Task, str], dict[str, str]]
    replay: Callable[[Task], bool]
    is_ignored: Callable[[Sequence[str]], Collection[str]]
    uncacheable: Callable[[Task], str]
    look_up: bool = True
    store: bool = True
    replace: bool = False
    scope: str = ""
