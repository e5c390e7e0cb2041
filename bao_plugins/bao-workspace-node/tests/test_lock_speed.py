"""How long lock files take, beside what decoding JSON of the same size takes."""

from __future__ import annotations

import json
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

ROUNDS = 3


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """The benchmark that prints the figures, in a checkout."""
    for directory in Path(__file__).resolve().parents:
        path = directory / "benchmarks" / "locks.py"
        if path.is_file():
            spec = spec_from_file_location("lock_benchmark", path)
            assert spec is not None
            assert spec.loader is not None
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    pytest.skip("not in a checkout")


@pytest.fixture(scope="module")
def unit() -> float:
    """Seconds that Python's own json takes for 1.3 MB of small objects, on this machine now."""
    text = json.dumps([{f"name{n}": f"{n:0100}", "needs": [n, n + 1]} for n in range(9000)])

    def taken() -> float:
        started = time.process_time()
        json.loads(text)
        return time.process_time() - started

    return min(taken() for _ in range(ROUNDS))


@pytest.mark.parametrize("name", ["npm", "pnpm", "yarn-classic", "yarn-berry", "bun"])
def test_a_large_lock_file_is_read_once_and_then_hardly_at_all(
    benchmark: Any, unit: float, name: str
) -> None:
    found = benchmark.measure(benchmark.FORMATS[name], 500, 20_000)
    assert found.lines > 19_000
    assert found.first < 120 * unit
    assert found.second < 8 * unit
    assert found.second < found.first / 4
