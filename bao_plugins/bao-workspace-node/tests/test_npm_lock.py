"""What is read from npm's lock file, and how other lock files count."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

Load = Any  # see conftest.py

ROOT_MANIFEST = '{"name": "root", "workspaces": ["packages/*"], "devDependencies": {"tool": "1"}}'


def place(version: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {
        "version": version,
        "resolved": f"https://registry.example/{version}.tgz",
        "integrity": f"sha512-{version}",
        "dependencies": dict.fromkeys(needs, "*"),
        **more,
    }


def link(directory: str) -> dict[str, Any]:
    return {"resolved": directory, "link": True}


PLACES: dict[str, Any] = {
    "": {"name": "root"},
    "packages/a": {"version": "1.0.0"},
    "packages/b": {"version": "1.0.0"},
    "node_modules/a": link("packages/a"),
    "node_modules/b": link("packages/b"),
    "node_modules/tool": place("1.0.0"),
    "node_modules/x": place("1.0.0", "y"),
    "node_modules/y": place("1.0.0", "x"),
    "node_modules/x/node_modules/y": place("2.0.0", "z"),
    "node_modules/z": place("1.0.0"),
    "packages/b/node_modules/z": place("2.0.0"),
    "node_modules/@s/other": place("3.0.0", "b"),
}


def workspace(
    load: Load,
    places: dict[str, Any] | str | None = None,
    *,
    name: str = "package-lock.json",
    **a: Any,
) -> Any:
    """Packages `a` and `b` with a lock file; `a` says what `a` depends on."""
    if isinstance(places, str):
        lock = places
    else:
        lock = json.dumps({"lockfileVersion": 3, "packages": places or PLACES})
    needs = a or {"dependencies": {"b": "^1.0.0", "x": "^1"}}
    return load(
        {
            "package.json": ROOT_MANIFEST,
            "packages/a/package.json": json.dumps({"name": "a", "version": "1.0.0", **needs}),
            "packages/b/package.json": json.dumps(
                {"name": "b", "version": "1.0.0", "dependencies": {"z": "^2"}}
            ),
            "package-lock.json": lock,
        }
    )


def test_a_package_is_found_in_the_nearest_folder_upwards(load: Load) -> None:
    found = workspace(load)
    assert found.external("a") == ["x@1.0.0", "y@2.0.0", "z@1.0.0"]
    assert found.external("b") == ["z@2.0.0"]


def test_other_packages_of_the_workspace_are_not_entered(load: Load) -> None:
    assert workspace(load, dependencies={"b": "*"}).external("a") == []
    assert workspace(load, dependencies={"@s/other": "*"}).external("a") == ["@s/other@3.0.0"]


def test_the_root_reaches_what_it_asks_for_itself(load: Load) -> None:
    assert workspace(load).external("//") == ["tool@1.0.0"]


def test_every_kind_of_dependency_is_followed(load: Load) -> None:
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        assert workspace(load, **{kind: {"z": "1"}}).external("a") == ["z@1.0.0"]
    for kind in ("dependencies", "optionalDependencies", "peerDependencies"):
        places = {**PLACES, "node_modules/q": {**place("1.0.0"), kind: {"z": "*"}}}
        found = workspace(load, places, dependencies={"q": "*"})
        assert found.external("a") == ["q@1.0.0", "z@1.0.0"]


def test_cycles_of_external_packages_are_followed_to_their_end(load: Load) -> None:
    places = {
        **PLACES,
        "node_modules/p": place("1.0.0", "q"),
        "node_modules/q": place("1.0.0", "r"),
        "node_modules/r": place("1.0.0", "p", "z"),
    }
    found = workspace(load, places, dependencies={"q": "*"})
    assert found.external("a") == ["p@1.0.0", "q@1.0.0", "r@1.0.0", "z@1.0.0"]


def test_a_folder_of_the_repository_that_is_no_package_is_entered(load: Load) -> None:
    places = {
        **PLACES,
        "node_modules/v": link("vendor/v"),
        "vendor/v": {"version": "3.0.0", "dependencies": {"z": "*"}},
    }
    found = workspace(load, places, dependencies={"v": "file:../../vendor/v"})
    assert found.external("a") == ["vendor/v@3.0.0", "z@1.0.0"]


def test_an_alias_counts_by_its_real_name(load: Load) -> None:
    places = {**PLACES, "node_modules/alias": place("4.0.0", name="real")}
    assert workspace(load, places, dependencies={"alias": "npm:real@4"}).external("a") == [
        "real@4.0.0"
    ]


def test_other_content_of_the_same_version_changes_only_the_digest(load: Load) -> None:
    before = workspace(load)
    places = {**PLACES, "node_modules/x": place("1.0.0", "y", integrity="sha512-other")}
    after = workspace(load, places)
    assert before.external("a") == after.external("a")
    assert before.digest("a") != after.digest("a")
    assert before.digest("b") == after.digest("b")


def test_another_commit_of_a_git_dependency_changes_what_is_external(load: Load) -> None:
    def external(commit: str) -> Any:
        source = f"git+ssh://git@host.example/g.git#{commit}"
        places = {**PLACES, "node_modules/g": place("1.0.0", resolved=source)}
        return workspace(load, places, dependencies={"g": "*"}).external("a")

    assert external("1" * 40) == ["g@1.0.0#111111111111"]
    assert external("2" * 40) == ["g@1.0.0#222222222222"]


def test_a_change_far_from_a_package_leaves_its_digest(load: Load) -> None:
    places = {**PLACES, "node_modules/tool": place("9.0.0")}
    before, after = workspace(load), workspace(load, places)
    assert before.digest("a") == after.digest("a")
    assert before.external("//") != after.external("//")


def test_what_is_not_locked_yet_stands_as_written(load: Load) -> None:
    found = workspace(load, dependencies={"new": "^2", "z": "1"}, peerDependencies={"gone": "*"})
    assert found.external("a") == ["new@^2", "z@1.0.0"]
    other = workspace(load, dependencies={"new": "^3", "z": "1"}, peerDependencies={"gone": "*"})
    assert other.digest("a") != found.digest("a")


def test_a_shrinkwrap_comes_before_the_lock_file(load: Load) -> None:
    found = load(
        {
            "package.json": '{"dependencies": {"z": "1"}}',
            "package-lock.json": json.dumps(
                {"lockfileVersion": 3, "packages": {"node_modules/z": place("1.0.0")}}
            ),
            "npm-shrinkwrap.json": json.dumps(
                {"lockfileVersion": 2, "packages": {"node_modules/z": place("2.0.0")}}
            ),
        }
    )
    assert found.external("//") == ["z@2.0.0"]


def test_without_a_lock_file_the_requirements_stand_as_written(load: Load) -> None:
    files = {
        "package.json": '{"workspaces": ["*"], "dependencies": {"z": "^1", "a": "*"}, '
        '"devDependencies": {"q": "2"}, "optionalDependencies": {"o": "3"}}',
        "a/package.json": '{"name": "a"}',
    }
    assert load(files).external("//") == ["o@3", "q@2", "z@^1"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{\n "lockfileVersion": 3,\n<<<<<<< HEAD\n', "package-lock.json:3: is not JSON"),
        ("", "package-lock.json:1: is not JSON"),
        ('{"lockfileVersion": 3,\n"packages": []}', "package-lock.json:2: expected `object"),
        ('{"lockfileVersion": "x", "packages": {}}', "package-lock.json:1: expected `int`"),
        ('{"lockfileVersion": 3, "packages": ' + '{"a": ' * 2000, "package-lock.json"),
    ],
)
def test_a_broken_lock_file_is_reported_and_the_packages_are_there(
    load: Load, text: str, reason: str
) -> None:
    found = workspace(load, text)
    assert found.part.lock_broken.startswith(reason)
    assert set(found.paths) == {"//", "a", "b"}
    assert found.digest("b") != workspace(load, text + "\n\n").digest("b")


def test_an_unknown_format_is_read_as_one_and_the_user_is_told(load: Load) -> None:
    before = workspace(load, '{"lockfileVersion": 4, "packages": {}}')
    after = workspace(load, '{"lockfileVersion": 4, "packages": {"x": {}}}')
    assert before.external("b") != after.external("b")
    assert before.digest("b") != after.digest("b")
    assert before.part.lock_broken == ""
    assert before.part.notes == (
        "package-lock.json has format 4; any change of it counts for every package",
    )


def test_peers_count_for_the_key_and_not_for_what_is_affected(load: Load) -> None:
    found = workspace(load, peerDependencies={"z": "1"})
    other = workspace(load, {**PLACES, "node_modules/z": place("1.5.0")}, peerDependencies={"z": 1})
    assert found.external("a") == other.external("a") == []
    places = {**PLACES, "node_modules/z": place("1.5.0")}
    other = workspace(load, places, peerDependencies={"z": "1"})
    assert found.digest("a") != other.digest("a")


def test_an_optional_peer_counts_for_the_key_and_not_for_what_is_affected(load: Load) -> None:
    def loaded(version: str) -> Any:
        meta = {"peerDependencies": {"z": "*"}, "peerDependenciesMeta": {"z": {"optional": True}}}
        places = {**PLACES, "node_modules/q": {**place("1.0.0"), **meta}}
        places["node_modules/z"] = place(version)
        return workspace(load, places, dependencies={"q": "*"})

    before, after = loaded("1.0.0"), loaded("1.5.0")
    assert before.external("a") == after.external("a") == ["q@1.0.0"]
    assert before.digest("a") != after.digest("a")


def test_another_place_shows_apart_from_versions(load: Load) -> None:
    def loaded(where: str) -> Any:
        places = {k: v for k, v in PLACES.items() if not k.endswith("/z")}
        return workspace(load, {**places, f"{where}node_modules/z": place("2.0.0")})

    before, after = loaded(""), loaded("packages/b/")
    assert before.external("b") == after.external("b") == ["z@2.0.0"]
    assert before.packages["b"].external_places != after.packages["b"].external_places
    assert before.packages["b"].external_places == loaded("").packages["b"].external_places


def test_the_version_of_the_format_is_said_apart(load: Load) -> None:
    forms = {
        workspace(load, json.dumps({"lockfileVersion": v, "packages": PLACES})).part.lock_form
        for v in (2, 3)
    }
    assert len(forms) == 2
    assert "" not in forms


def test_the_first_format_nests_what_the_others_list_by_place(load: Load) -> None:
    lock = {
        "lockfileVersion": 1,
        "requires": True,
        "dependencies": {
            "a": {"version": "file:packages/a", "requires": {"x": "^1"}},
            "b": {"version": "file:packages/b", "dependencies": {"z": {"version": "2.0.0"}}},
            "x": {
                "version": "1.0.0",
                "requires": {"y": "^2", "b": "*"},
                "dependencies": {"y": {"version": "2.0.0", "requires": {"alias": "*"}}},
            },
            "y": {"version": "1.0.0"},
            "alias": {"version": "npm:@s/real@3.0.0"},
            "g": {"version": "git+ssh://git@host.example/g.git#" + "1" * 40, "requires": False},
        },
    }
    found = workspace(load, json.dumps(lock), dependencies={"b": "*", "x": "1", "g": "*"})
    assert found.external("a") == ["@s/real@3.0.0", "g@#111111111111", "x@1.0.0", "y@2.0.0"]
    assert found.external("b") == ["z@2.0.0"]


def test_a_thousand_closures_take_less_than_two_seconds(load: Load) -> None:
    places: dict[str, Any] = {"": {}}
    files = {"package.json": ROOT_MANIFEST}
    for number in range(1000):
        needs = {f"x{(number * 7 + step * 13) % 3000}": "*" for step in range(6)}
        places[f"packages/p{number}"] = {}
        files[f"packages/p{number}/package.json"] = json.dumps(
            {"name": f"p{number}", "dependencies": needs}
        )
    for number in range(3000):
        needs_of_it = [f"x{(number * 31 + step * 17) % 3000}" for step in range(number % 4)]
        places[f"node_modules/x{number}"] = place("1.0.0", *needs_of_it)
    files["package-lock.json"] = json.dumps({"lockfileVersion": 3, "packages": places})
    started = time.process_time()
    found = load(files)
    assert time.process_time() - started < 2
    assert len(found.external("p1")) > 6
