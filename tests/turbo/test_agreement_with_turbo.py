"""bao answers as turbo does, in workspaces that nobody thought of before.

Workspaces, turbo.json files, what lies in the tree, edits and questions are made up. Every answer
is compared, and a difference must be one that `turbo_rules` knows by name and by its exact
condition. Cases are the same in each run; `BAO_SWEEP=long` takes many more, `BAO_SEED` others.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, seed, settings
from turbo_agreement import Agreement, Tally
from turbo_asking import Place
from turbo_bao import Bao, BaoCommand
from turbo_rules import explained
from turbo_scenarios import EDITED, Scenario, edges, edited, filtered, graphs, inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis import strategies as st
    from turbo_asking import Turbo

LONG = os.environ.get("BAO_SWEEP") == "long"
SEED = int(os.environ.get("BAO_SEED", "0"))
PARTS = 2  # of every topic, so that two processes have as much to do

TOPICS: dict[str, tuple[st.SearchStrategy[Scenario], int]] = {
    "edges": (edges(), 25),
    "graphs": (graphs(), 30),
    "inputs": (inputs(), 30),
    "filters": (filtered(), 15),
    "edited files": (EDITED["files"], 15),
    "edited manifests": (EDITED["manifests"], 15),
    "edited locks": (EDITED["locks"], 15),
    "edited tasks": (EDITED["tasks"], 15),
    "edited everything": (EDITED["everything"], 15),
}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("topic", TOPICS)
def test_bao_agrees_with_turbo(
    topic: str,
    part: int,
    turbo: Turbo,
    git_template: Path,
    record_property: Callable[[str, object], None],
) -> None:
    strategy, cases = TOPICS[topic]
    tally = Tally()
    try:
        _compare(strategy, cases * (20 if LONG else 1), part, (turbo, git_template, Bao), tally)
    finally:
        record_property("turbo counts", dict(tally.counts))
        record_property("turbo differences", dict(tally.named))


def test_the_installed_command_agrees_with_turbo(
    turbo: Turbo, git_template: Path, record_property: Callable[[str, object], None]
) -> None:
    """What is asked in this process above is asked of `bao` itself here."""
    tally = Tally()
    cases = 100 if LONG else 10
    _compare(edited(), cases, 99, (turbo, git_template, BaoCommand), tally)
    record_property("turbo counts", dict(tally.counts))
    record_property("turbo differences", dict(tally.named))


def _compare(
    strategy: st.SearchStrategy[Scenario],
    cases: int,
    part: int,
    tools: tuple[Turbo, Path, type[Bao]],
    tally: Tally,
) -> None:
    turbo, template, bao = tools
    met: set[str] = set()
    failing = False

    @seed(SEED * 1000 + part)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(strategy)
    def compare(scenario: Scenario) -> None:
        nonlocal failing
        shape = repr(scenario)
        assume(failing or shape not in met)  # each case counts once
        met.add(shape)
        with tempfile.TemporaryDirectory(prefix="bao-turbo-") as base:
            here = Tally() if failing else tally
            here.add("cases")
            here.add("cases with outputs lying in the tree", int(bool(scenario.lying)))
            place = Place(Path(base), template)
            agreement = Agreement(scenario, place, turbo, bao, here)
            unknown = []
            for difference in agreement.differences():
                rules = explained(agreement, difference)
                here.named.update(rules)
                unknown += [] if rules else [difference]
            failing = failing or bool(unknown)
            for difference in unknown:
                note(difference.told())
            assert not unknown

    compare()
