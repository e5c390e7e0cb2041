"""Smaller promises of the command: the event log, the place of the cache, sinks of plugins."""

from __future__ import annotations

import json
from typing import Any


def test_the_event_log_holds_every_event_of_a_run_as_a_line_of_json(pair: Any) -> None:
    log = pair.base / "events.jsonl"
    pair.ok("run", "build", env={"BAO_EVENT_LOG": str(log)})
    events = [json.loads(line) for line in log.read_text().splitlines()]
    kinds = [event["type"] for event in events]
    assert kinds[0] == "RunStarted"
    assert kinds[-1] == "RunFinished"
    finished = [event["id"] for event in events if event["type"] == "TaskFinished"]
    assert finished == ["lib#build", "app#build"]


def test_an_event_log_that_cannot_be_written_is_named_and_harms_nothing(pair: Any) -> None:
    result = pair.ok("run", "build", env={"BAO_EVENT_LOG": "/no/such/directory/log"})
    assert "/no/such/directory/log" in result.err
    assert pair.ran() == ["lib#build", "app#build"]


def test_the_place_of_the_cache_can_be_asked_for(pair: Any) -> None:
    assert pair.ok("cache-dir").out.strip() == str(pair.base / "cache")
