"""Each suite can fail: every promise has an implementation that breaks it and is caught."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bao_core.testing.cache import CacheBackendSuite
from bao_core.testing.component import ComponentSuite
from bao_core.testing.events import EventSinkSuite
from bao_core.testing.executor import ExecutorSuite
from bao_core.testing.gate import GateSuite
from bao_core.testing.guarding import promises_of
from bao_core.testing.keys import KeyContributorSuite
from bao_core.testing.object_cache import ObjectStoreCacheSuite
from bao_core.testing.objects import ObjectStoreSuite
from bao_core.testing.read_only import ReadOnlyObjectStoreSuite
from bao_core.testing.scheduler import SchedulerSuite
from bao_core.testing.workspace import WorkspaceProviderSuite

WRONG = Path(__file__).parent / "wrong"
SUITES = {
    "cache.py": CacheBackendSuite,
    "events.py": EventSinkSuite,
    "executor.py": ExecutorSuite,
    "gate.py": GateSuite,
    "keys.py": KeyContributorSuite,
    "object_cache.py": ObjectStoreCacheSuite,
    "objects.py": ObjectStoreSuite,
    "read_only.py": ReadOnlyObjectStoreSuite,
    "scheduler.py": SchedulerSuite,
    "workspace.py": WorkspaceProviderSuite,
}


def wrong_ones() -> list[tuple[str, str, str]]:
    """Module, class and the test that should catch it."""
    found = []
    for path in sorted(WRONG.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef):
                continue
            for decorator in node.decorator_list:
                said = re.match(r"caught_by\('(test_\w+)'", ast.unparse(decorator))
                if said:
                    found.append((path.name, node.name, said.group(1)))
    return found


ALL = wrong_ones()


@pytest.mark.parametrize(("module", "name", "test"), ALL, ids=[f"{m}-{n}" for m, n, _ in ALL])
def test_a_broken_promise_is_caught_by_its_test(run_wrong, module, name, test) -> None:
    recorded = run_wrong(module)
    assert f"Test{name}" in recorded.caught, f"{test} did not fail"


@pytest.mark.parametrize("module", SUITES)
def test_every_promise_has_somebody_who_breaks_it(module) -> None:
    suite = SUITES[module]
    promises = set(promises_of(suite))
    # What is inherited is broken where it comes from.
    inherited = CacheBackendSuite if suite is ObjectStoreCacheSuite else ComponentSuite
    if suite is not CacheBackendSuite:
        promises -= set(promises_of(inherited))
    assert promises == {test for place, _, test in ALL if place == module}
