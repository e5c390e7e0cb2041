"""What an event sink promises: `EventSinkSuite`."""

from __future__ import annotations

import time
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from msgspec import Struct

from bao_core.events import (
    NoteAdded,
    PluginEvent,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskStarted,
    TaskWaited,
    WarningRaised,
)
from bao_core.model import CacheKey, Reason, TaskId
from bao_core.testing.component import ComponentSuite

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from bao_core.events import Event
    from bao_core.testing.component import Opener

RUN, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
KEY = CacheKey("c0" * 32)
AT = 1_000_000_000.0

QUICK = 5.0
"""Seconds that two thousand events may take."""


class NotInvented(Struct, frozen=True, tag=True):
    """An event of some later version of bao."""

    what: str


def story_of(task_id: str, text: str = "", *, outcome: str = "executed") -> list[Event]:
    """What happens in a run with one task.

    Args:
        task_id: The task's id.
        text: Something to be told in every message there is.
        outcome: How the task ends.
    """
    task = TaskId(task_id)
    why = (Reason("file-changed", f"{text} changed"),)
    code = None if outcome in {"skipped", "passed"} else 0
    return [
        RunStarted(RUN, PARENT, (task,), packages=1, concurrency=2, at=AT),
        TaskWaited(task, f"'{text}' is held by another"),
        TaskStarted(task, SPAN, PARENT, attempt=1, at=AT, reasons=why, key=KEY),
        TaskOutput(task, b"a line\nhalf a line \xff\x1b[31m"),
        TaskOutput(task, text.encode("utf-8", "surrogateescape"), replayed=True),
        WarningRaised(text, task),
        WarningRaised(text),
        NoteAdded(text),
        PluginEvent("uploaded", {"bytes": 5, "names": [text], "more": {"a": None}}, SPAN),
        TaskFinished(
            task, SPAN, PARENT, outcome, code, AT, duration=1.5, key=KEY, tier="disk", reasons=why
        ),
        RunFinished(RUN, PARENT, exit_code=0, at=AT, duration=2.0),
    ]


HOSTILE = ("", "ä\u2028\0\x1b]0;title\x07", "\udcff\udc80", "x" * 100_000, "two\nlines\r\n")
"""Texts as they come from file names and from other people's programs."""

OUTCOMES = ("executed", "restored", "stood", "skipped", "passed", "cancelled")


class EventSinkSuite(ComponentSuite):
    """The promises of `bao_core.interfaces.events.EventSink`."""

    @pytest.mark.parametrize("outcome", OUTCOMES)
    def test_it_takes_every_event_there_is(
        self, open_at: Opener, tmp_path: Path, outcome: str
    ) -> None:
        sink = open_at(tmp_path)
        for event in story_of("lib#build", "src/a.py", outcome=outcome):
            assert sink.handle(event) is None

    @pytest.mark.parametrize("text", HOSTILE, ids=["empty", "controls", "bytes", "long", "lines"])
    def test_it_takes_whatever_names_and_messages_hold(
        self, open_at: Opener, tmp_path: Path, text: str
    ) -> None:
        sink = open_at(tmp_path)
        for event in story_of(f"lib{text[:20]}#build", text):
            sink.handle(event)

    def test_it_ignores_events_that_it_does_not_know(self, open_at: Opener, tmp_path: Path) -> None:
        sink = open_at(tmp_path)
        story = story_of("lib#build", "src/a.py")
        unknown: Any = NotInvented("something new")
        for event in story:
            sink.handle(unknown)
            sink.handle(event)

    def test_it_takes_events_from_whichever_thread(self, open_at: Opener, tmp_path: Path) -> None:
        sink = open_at(tmp_path)
        errors: list[Exception] = []

        def tell(event: Event) -> None:
            try:
                sink.handle(event)
            except Exception as error:  # noqa: BLE001 - told on the test's thread
                errors.append(error)

        for event in story_of("lib#build", "src/a.py"):
            thread = Thread(target=tell, args=(event,))
            thread.start()
            thread.join()
        assert errors == []

    def test_it_returns_quickly(self, open_at: Opener, tmp_path: Path) -> None:
        sink = open_at(tmp_path)
        events = [event for n in range(200) for event in story_of(f"p{n}#build", "a")[2:]]
        before = time.monotonic()
        for event in events:
            sink.handle(event)
            assert time.monotonic() - before < QUICK

    def test_it_changes_no_event(self, open_at: Opener, tmp_path: Path) -> None:
        sink = open_at(tmp_path)
        told, untouched = (story_of("lib#build", "src/a.py") for _ in range(2))
        for event in told:
            sink.handle(event)
        assert told == untouched

    @pytest.mark.parametrize("length", [0, 1, 4, 11])
    def test_it_closes_wherever_a_run_ends(
        self, open_at: Opener, tmp_path: Path, length: int
    ) -> None:
        sink = open_at(tmp_path)
        for event in story_of("lib#build", "src/a.py")[:length]:
            sink.handle(event)
        open_at.close(sink)
