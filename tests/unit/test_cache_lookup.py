"""Looking results up: which tier is asked for what, and how long an answer is worth waiting for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.cache_lookup import CacheLookup
from bao_core.model import CacheKey, Digest, TaskId
from bao_core.outputs.stamps import stamp_of
from bao_core.state import TaskMemory

if TYPE_CHECKING:
    from pathlib import Path

KEY, OTHER = CacheKey("a" * 64), CacheKey("b" * 64)
TASK = TaskId("a#build")
NOTHING = Digest("0" * 64, 0)


class Tiers:
    """Remembers what is asked for, and how long each answer is worth waiting for."""

    def __init__(self, only_remote: str) -> None:
        self._only_remote = only_remote
        self.worth: dict[Any, float | None] = {}

    def only_remote(self) -> str:
        return self._only_remote

    def remotes(self) -> list[str]:
        return ["team"]

    def look_up(self, _keys, *, near):
        assert near
        return {}

    def ask(self, wanted, _heard):
        self.worth.update(wanted)
        return set(wanted)


@pytest.mark.parametrize(
    ("only_remote", "key", "moved", "worth"),
    [
        ("team", KEY, False, None),
        ("team", KEY, True, 0.1),
        ("team", OTHER, False, 0.1),
        ("", KEY, False, 0.1),
    ],
    ids=["may stand", "do not stand", "another key", "a tier is here"],
)
def test_a_remote_result_that_spares_a_run_is_waited_for_however_long_that_takes(
    tmp_path: Path, only_remote: str, key: CacheKey, worth: float | None, *, moved: bool
) -> None:
    output = tmp_path / "output"
    output.write_text("made a moment ago")
    stamp = stamp_of(str(tmp_path), "output")
    assert stamp is not None
    memory = TaskMemory(KEY, "", {"output": stamp}, 0, "", 0.1, b"", NOTHING, NOTHING, 0.0)
    if moved:
        output.rename(tmp_path / "elsewhere")
    tiers = Tiers(only_remote)
    bench: Any = SimpleNamespace(
        tiers=tiers,
        state=SimpleNamespace(memory=SimpleNamespace(tasks={TASK: memory})),
        files=SimpleNamespace(root=str(tmp_path)),
    )
    CacheLookup(bench, lambda *_: None).ask({TASK: key})
    assert tiers.worth == {key: worth}
