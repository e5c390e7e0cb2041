"""Event sinks that break one promise each, and the tests that catch them."""

from __future__ import annotations

import threading
import time

from bao_core.events import PluginEvent, RunFinished, TaskFinished, WarningRaised
from bao_core.interfaces.events import EventSink
from bao_core.testing.events import EventSinkSuite


class Silent(EventSink):
    name = "silent"

    def handle(self, event) -> None:
        """Nothing."""


def caught_by(test):
    """Make a suite of a wrong sink, of which one test should fail."""

    def decorate(wrong):
        name = f"Test{wrong.__name__}"
        globals()[name] = type(name, (EventSinkSuite,), {"component": wrong, "caught_by": test})
        return wrong

    return decorate


@caught_by("test_it_takes_every_event_there_is")
class KnowsNoSkipped(Silent):
    def handle(self, event) -> None:
        if isinstance(event, TaskFinished) and event.exit_code is None:
            raise TypeError("a code is a number")


@caught_by("test_it_takes_whatever_names_and_messages_hold")
class Encodes(Silent):
    def handle(self, event) -> None:
        if isinstance(event, WarningRaised):
            event.message.encode()


@caught_by("test_it_ignores_events_that_it_does_not_know")
class KnowsAll(Silent):
    def handle(self, event) -> None:
        if not type(event).__module__.startswith("bao_core.events"):
            raise LookupError(type(event))


@caught_by("test_it_takes_events_from_whichever_thread")
class StaysOnItsThread(Silent):
    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def handle(self, event) -> None:
        if threading.get_ident() != self.thread:
            raise RuntimeError("on another thread")


@caught_by("test_it_returns_quickly")
class TakesItsTime(Silent):
    def handle(self, event) -> None:
        time.sleep(0.001)


@caught_by("test_it_changes_no_event")
class AddsAttributes(Silent):
    def handle(self, event) -> None:
        if isinstance(event, PluginEvent):
            event.attributes["seen"] = True


@caught_by("test_it_closes_wherever_a_run_ends")
class WantsAnEnd(Silent):
    ended = False

    def handle(self, event) -> None:
        self.ended = self.ended or isinstance(event, RunFinished)

    def close(self) -> None:
        if not self.ended:
            raise RuntimeError("the run has not ended")
