"""Fixtures for authors of plugins.

For a `conftest.py`: `pytest_plugins = ["bao_core.testing.fixtures"]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from bao_core.testing.commands import ScriptedCommand
from bao_core.testing.fakes import ManualClock, RecordingSink
from bao_core.testing.guarding import guard_against_skips
from bao_core.testing.workspaces import BaoWorkspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    class MakeWorkspace(Protocol):
        """Makes a workspace of files, by path."""

        def __call__(
            self, files: Mapping[str, str | bytes], *, git: bool = True
        ) -> BaoWorkspace: ...


def pytest_configure(config: pytest.Config) -> None:
    """See to it that no promise of a suite is skipped."""
    guard_against_skips(config)


@pytest.fixture
def bao_workspace(tmp_path_factory: pytest.TempPathFactory) -> MakeWorkspace:
    """Makes a workspace: `bao_workspace({"bao.toml": …})`, committed in a git repository.

    With `git=False` it is no repository. Texts are dedented.
    """

    def make(files: Mapping[str, str | bytes], *, git: bool = True) -> BaoWorkspace:
        workspace = BaoWorkspace(tmp_path_factory.mktemp("bao"), git=git)
        workspace.write(files)
        if git:
            workspace.commit()
        return workspace

    return make


@pytest.fixture
def scripted_command() -> Iterator[ScriptedCommand]:
    """A command whose start, output and end the test holds."""
    with ScriptedCommand() as command:
        yield command


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that stands until the test moves it."""
    return ManualClock()


@pytest.fixture
def recording_sink() -> RecordingSink:
    """A sink that keeps every event."""
    return RecordingSink()
