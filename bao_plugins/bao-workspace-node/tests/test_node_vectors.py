"""Which directories are packages and which specifications are edges, case by recorded case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bao_core.errors import WorkspaceError
from bao_core.model import ROOT

Load = Any  # see conftest.py

ELSEWHERE = {
    "yarn@1.22.0 ['apps/*/']": "yarn 1 refuses a closing slash; bao does as the others do",
    "yarn@1.22.0 ['packages/*/*']": "nothing in node_modules is a package, with yarn 1 either",
    "no packageManager": "bao goes by the lock file, or by npm's rules",
}
"""Cases in which bao is right in its own way, and why."""


def cases(group: str) -> list[Any]:
    """The cases of a group; one that says why there are none where the data is not at hand."""
    for directory in Path(__file__).resolve().parents:
        path = directory.parent / "shared" / "realworld" / "vectors.json"
        if (directory / "bao_core").is_dir() and path.is_file():
            groups = json.loads(path.read_text(encoding="utf-8"))["groups"]
            found = next(g for g in groups if g["group"] == group)
            return [
                pytest.param({**found["base"], **case["edit"]}, case["answer"], id=case["name"])
                for case in found["cases"]
                if case["name"] not in ELSEWHERE
            ]
    reason = "no recorded cases beside the repository, in shared/realworld/vectors.json"
    return [pytest.param({}, None, marks=pytest.mark.skip(reason=reason))]


def present(files: dict[str, str | None]) -> dict[str, str]:
    return {path: text for path, text in files.items() if text is not None}


@pytest.mark.parametrize(("files", "answer"), cases("edges"))
def test_specifications_make_edges_as_recorded(
    load: Load, files: dict[str, str | None], answer: Any
) -> None:
    found = load(present(files))
    edges = {p.name: sorted(found.edges(p.name)) for p in found.part.packages if p.path}
    assert edges == answer


@pytest.mark.parametrize(("files", "answer"), cases("workspace-globs"))
def test_globs_reach_packages_as_recorded(
    load: Load, files: dict[str, str | None], answer: Any
) -> None:
    if answer is None:
        with pytest.raises(WorkspaceError):
            load(present(files))
    else:
        assert sorted(set(load(present(files)).paths) - {ROOT}) == answer
