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
    spans = [event["span"] for event in events if event["type"] == "TaskStarted"]
    assert spans == [event["span"] for event in events if event["type"] == "TaskFinished"]
    assert all(spans)


def test_an_event_log_that_cannot_be_written_is_named_and_harms_nothing(pair: Any) -> None:
    result = pair.ok("run", "build", env={"BAO_EVENT_LOG": "/no/such/directory/log"})
    assert "/no/such/directory/log" in result.err
    assert pair.ran() == ["lib#build", "app#build"]


def test_the_place_of_the_cache_can_be_asked_for(pair: Any) -> None:
    assert pair.ok("cache-dir").out.strip() == str(pair.base / "cache")


def test_a_hit_in_a_later_tier_warms_the_earlier_one(pair: Any) -> None:
    tiers = """
[[cache]]
name = "near"
backend = "local"
path = "../near"

[[cache]]
name = "far"
backend = "local"
path = "../far"
"""
    import shutil

    pair.write({"bao.toml": pair.read("bao.toml") + tiers})
    pair.commit()
    pair.ok("run", "build")
    pair.ran()
    for lost in ("near", "cache"):
        shutil.rmtree(pair.base / lost)
    shutil.rmtree(pair.root / "packages/lib/dist")
    assert "hit (far)" in pair.ok("run", "build").out
    shutil.rmtree(pair.base / "far")
    shutil.rmtree(pair.base / "cache")
    shutil.rmtree(pair.root / "packages/lib/dist")
    assert "hit (near)" in pair.ok("run", "build").out
    assert pair.ran() == []
