"""What is read from Bun's lock file beyond what the real one holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

Load = Any  # see conftest.py


def lock_text(*packages: str, version: int = 1, head: str = "") -> str:
    lines = ["{", f'  "lockfileVersion": {version},', '  "workspaces": {', '    "": {},', "  },"]
    lines += [head] if head else []
    return "\n".join([*lines, '  "packages": {', *(f"    {p}," for p in packages), "  },", "}", ""])


PACKAGES = (
    '"a": ["a@workspace:packages/a"]',
    '"@s/b": ["@s/b@workspace:packages/b", { "dependencies": { "x": "*" } }]',
    '"x": ["x@1.0.0", "", { "dependencies": { "y": "*", "@s/b": "*" } }, "sha512-x"]',
    '"y": ["y@1.0.0", "", { "peerDependencies": { "p": "*" } }, "sha512-y"]',
    '"p": ["p@1.0.0", "", {}, "sha512-p"]',
    '"x/y": ["y@2.0.0", "", { "dependencies": { "@t/z": "*" } }, "sha512-y2"]',
    '"x/y/@t/z": ["@t/z@3.0.0", "", { "dependencies": { "p": "*" } }, "sha512-z3"]',
    '"@t/z": ["@t/z@1.0.0", "", {}, "sha512-z1"]',
    '"@s/b/y": ["y@4.0.0", "", { "dependencies": { "@t/z": "*" } }, "sha512-y4"]',
    '"g": ["g@git+ssh://host.example/g.git#1111111", {}, "g-1111111", "sha512-g"]',
    '"o": ["o@1.0.0", "", { "peerDependencies": { "p": "*", "q": "*" }, "optionalPeers": ["p"] }]',
)


def workspace(load: Load, lock: str, **needs: str) -> Any:
    return load(
        {
            "package.json": '{"workspaces": ["packages/*"], "packageManager": "bun@1.2.0"}',
            "packages/a/package.json": json.dumps({"name": "a", "dependencies": needs}),
            "packages/b/package.json": json.dumps({"name": "@s/b", "dependencies": {"y": "^4"}}),
            "bun.lock": lock,
        }
    )


def test_what_lies_nearest_on_the_way_is_found(load: Load) -> None:
    found = workspace(load, lock_text(*PACKAGES), x="^1")
    assert found.external("a") == ["@t/z@3.0.0", "p@1.0.0", "x@1.0.0", "y@2.0.0"]
    assert found.external("@s/b") == ["@t/z@1.0.0", "y@4.0.0"]


def test_peers_are_followed_and_optional_ones_only_for_the_key(load: Load) -> None:
    assert workspace(load, lock_text(*PACKAGES), y="^1").external("a") == ["p@1.0.0", "y@1.0.0"]
    before = workspace(load, lock_text(*PACKAGES), o="^1")
    other = (p.replace("p@1.0.0", "p@1.1.0") for p in PACKAGES)
    after = workspace(load, lock_text(*other), o="^1")
    assert before.external("a") == after.external("a") == ["o@1.0.0"]
    assert before.digest("a") != after.digest("a")


def test_a_git_dependency_counts_by_its_commit(load: Load) -> None:
    found = workspace(load, lock_text(*PACKAGES), g="git+ssh://host.example/g.git")
    assert found.external("a") == ["g@git+ssh://host.example/g.git#1111111"]


def test_what_is_not_locked_yet_stands_as_written(load: Load) -> None:
    assert workspace(load, lock_text(*PACKAGES), new="^2").external("a") == ["new@^2"]


def test_the_version_of_the_format_is_said_apart_and_overrides_are_not(load: Load) -> None:
    before = workspace(load, lock_text(*PACKAGES), x="^1")
    newer = workspace(load, lock_text(*PACKAGES, version=0), x="^1")
    assert before.part.lock_form != newer.part.lock_form
    other = workspace(load, lock_text(*PACKAGES, head='  "overrides": { "q": "1" },'), x="^1")
    assert before.part.lock_form == other.part.lock_form
    assert before.external("a") == newer.external("a") == other.external("a")


def test_remarks_and_commas_at_any_place_are_fine(load: Load) -> None:
    text = lock_text(*PACKAGES, '"c": ["c@1.0.0,} // no remark", "", {}, "s"]')
    remarked = "// a remark\n" + text.replace("\n", " /* one\nmore */ ").replace("},", "},,"[:-1])
    plain = workspace(load, text, x="^1", c="1")
    assert workspace(load, remarked, x="^1", c="1").part == plain.part
    assert "c@1.0.0,} // no remark" in plain.external("a")


def test_a_binary_lock_file_is_read_as_one_and_the_user_is_told_how_to_change_that(
    load: Load,
) -> None:
    def loaded(data: bytes) -> Any:
        files = {
            "package.json": '{"workspaces": ["packages/*"]}',
            "packages/a/package.json": '{"name": "a"}',
            "bun.lockb": data,
        }
        return load(files)

    before, after = loaded(b"\0\xff1"), loaded(b"\0\xff2")
    for package in ("//", "a"):
        assert before.external(package) != after.external(package)
        assert before.digest(package) != after.digest(package)
    assert before.part.lock_broken == ""
    (note,) = before.part.notes
    assert note.startswith("bun.lockb is binary; `bun install --save-text-lockfile` writes")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "bun.lock:1: is not JSON: "),
        ('{\n  "lockfileVersion": 1,\n  "packages": {\n    x\n', "bun.lock:4: is not JSON: "),
        (
            '{\n  "packages": {},\n}\n',
            "bun.lock:1: object missing required field `lockfileVersion`",
        ),
        ('{\n  "lockfileVersion": 1,\n  "packages": [],\n}', "bun.lock:3: expected `object`"),
        (lock_text('"x": []'), "bun.lock:7: package 'x' does not say what it is"),
        (lock_text('"x": [1]'), "bun.lock:7: package 'x' does not say what it is"),
    ],
)
def test_a_broken_lock_file_is_reported_with_its_line(load: Load, text: str, reason: str) -> None:
    found = workspace(load, text)
    assert found.part.lock_broken.startswith(reason)
    assert set(found.paths) == {"//", "a", "@s/b"}


def test_an_unknown_version_is_read_as_one_and_the_user_is_told(load: Load) -> None:
    found = workspace(load, lock_text(version=7))
    assert found.part.lock_broken == ""
    assert found.part.notes == (
        "bun.lock has lockfileVersion 7; any change of it counts for every package",
    )
