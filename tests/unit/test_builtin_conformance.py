"""What bao itself offers keeps what every plugin must promise."""

from __future__ import annotations

import pytest

from bao_core.builtins.bao_workspace import BaoWorkspace
from bao_core.builtins.critical_path import CriticalPathScheduler
from bao_core.builtins.event_log import EventLog
from bao_core.builtins.local_executor import LocalExecutor
from bao_core.builtins.processes import MARK
from bao_core.builtins.reporter import Reporter, ReporterOptions
from bao_core.builtins.slots import SlotsGate
from bao_core.errors import ConfigError, WorkspaceError
from bao_core.interfaces.executor import Claim
from bao_core.testing.events import EventSinkSuite
from bao_core.testing.executor import ExecutorSuite
from bao_core.testing.fakes import CollectedOutput, RecordingSink
from bao_core.testing.gate import GateSuite
from bao_core.testing.scheduler import SchedulerSuite
from bao_core.testing.workspace import WorkspaceProviderSuite


class TestCriticalPath(SchedulerSuite):
    component = CriticalPathScheduler


class TestSlots(GateSuite):
    component = SlotsGate
    fills = Claim("all", slots=4)
    keeps_words = True

    @pytest.fixture
    def settings_at(self):
        return lambda _place: {"concurrency": 4}


class TestLocalExecutor(ExecutorSuite):
    component = LocalExecutor
    adds = frozenset({MARK})


class TestBaoWorkspace(WorkspaceProviderSuite):
    component = BaoWorkspace
    expected = {"app": "packages/app", "lib": "packages/library"}  # noqa: RUF012 - as authors write it
    errors = (ConfigError, WorkspaceError)

    @pytest.fixture
    def files(self):
        return {
            "bao.toml": '[workspace]\npackages = ["packages/*"]\n[tasks.build]\ncommand = "make"\n',
            "packages/app/bao.toml": 'dependencies = ["lib"]\n',
            "packages/library/bao.toml": 'name = "lib"\n',
        }


class TestEventLog(EventSinkSuite):
    component = EventLog

    @pytest.fixture
    def settings_at(self):
        return lambda _place: {"path": "events"}


class Grouped(Reporter):
    """The reporter as `open` would make it, if the command did not give it its options."""

    __module__ = Reporter.__module__
    order = "grouped"

    def __init__(self) -> None:
        out, errors = CollectedOutput(), CollectedOutput()
        super().__init__(
            ReporterOptions(log_order=self.order, verbosity=1, stdout=out, stderr=errors)
        )


class Streaming(Grouped):
    __module__ = Reporter.__module__
    order = "stream"


class TestReporterGrouped(EventSinkSuite):
    component = Grouped


class TestReporterStreaming(EventSinkSuite):
    component = Streaming


class TestRecordingSink(EventSinkSuite):
    component = RecordingSink
