"""The real command on the history of a real uv workspace, if its data lie beside the checkout."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

PACK = Path(__file__).parents[3] / "shared" / "realworld" / "pydantic-ai"

pytestmark = pytest.mark.skipif(
    not PACK.is_dir(), reason="the real workspaces do not lie beside this checkout"
)


@pytest.fixture
def expected() -> Any:
    return json.loads((PACK / "expected.json").read_text())


@pytest.fixture
def pydantic_ai(repo: Any) -> Any:
    """A clone of the history, at its head."""
    repo.root = repo.base / "pydantic-ai"
    bundle = PACK / "history.bundle"
    subprocess.run(
        ["git", "clone", "-q", "-b", "head", bundle, repo.root], env=repo.env, check=True
    )
    return repo


def test_packages_and_edges_are_those_of_the_lock_file(pydantic_ai: Any, expected: Any) -> None:
    listed = pydantic_ai.ok("ls", "--json").json["packages"]
    assert [{"name": p["name"], "path": p["path"]} for p in listed] == expected["packages"]
    edges = sorted([p["name"], dependency] for p in listed for dependency in p["dependencies"])
    assert edges == sorted(expected["edges"])


def test_what_is_affected_is_what_a_change_can_reach(pydantic_ai: Any, expected: Any) -> None:
    for pair in expected["affected"]:
        pydantic_ai.git("checkout", "-q", f"{pair['id']}-head")
        base = f"origin/{pair['id']}-base"
        listed = pydantic_ai.ok("ls", "--affected", "--since", base, "--json").json["packages"]
        names = {package["name"] for package in listed}
        assert names >= set(pair["expected"]), pair["id"]
        assert names <= {*pair["expected"], *pair["also_allowed"]}, pair["id"]
        assert all(package["reasons"] for package in listed), pair["id"]
