"""Keeps promises from being dropped in silence: by overriding, deleting, marking or skipping."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

KIT = "bao_core.testing"
"""The package whose test functions are promises."""

_SILENCERS = frozenset({"skip", "skipif", "xfail"})


def promises_of(suite: type) -> dict[str, Any]:
    """The test functions that a class has from the kit, by name."""
    promises: dict[str, Any] = {}
    for base in reversed(suite.__mro__):
        if base.__module__.partition(f"{KIT}.")[1]:
            found = {n: value for n, value in vars(base).items() if n.startswith("test_")}
            promises.update(found)
    return promises


def dropped_promises(suite: type) -> list[str]:
    """What a class leaves out of its suite, one line each."""
    dropped = [
        f"{name} is not the test of the suite any more"
        for name, promise in promises_of(suite).items()
        if getattr(suite, name, None) is not promise
    ]
    dropped += [
        f"{name} is marked {mark}"
        for name, promise in promises_of(suite).items()
        for mark in _silencers(getattr(promise, "pytestmark", ()))
    ]
    for base in suite.__mro__:
        marks = vars(base).get("pytestmark", ())
        dropped += [
            f"the class is marked {mark}"
            for mark in _silencers(marks if isinstance(marks, list | tuple) else (marks,))
        ]
    return dropped


def _silencers(marks: Iterable[Any]) -> list[str]:
    return [mark.name for mark in marks if getattr(mark, "name", "") in _SILENCERS]


class SkipGuard:
    """A pytest plugin: a test of a suite that is skipped while it runs has failed."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn a skip into a failure."""
        report = yield
        suite = getattr(item, "cls", None)
        name = getattr(item, "originalname", "")
        if report.skipped and suite is not None and name in promises_of(suite):
            if hasattr(report, "wasxfail"):
                del report.wasxfail
            report.outcome = "failed"
            report.longrepr = (
                f"{name} is a promise and was skipped; what a component cannot do is declared "
                "with an attribute of the suite"
            )
        return report


def guard_against_skips(config: pytest.Config) -> None:
    """See to it that no promise is skipped in this session from now on."""
    manager = config.pluginmanager
    if not any(isinstance(plugin, SkipGuard) for plugin in manager.get_plugins()):
        manager.register(SkipGuard(), "bao-skip-guard")
