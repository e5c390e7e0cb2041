"""What is read from the lock files of Yarn 1 and of later ones beyond what the real ones hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

Load = Any  # see conftest.py

CLASSIC = """\
# yarn lockfile v1


"@s/y@^2.0.0", "@s/y@~2.1.0":
  version "2.1.0"
  resolved "https://registry.example/@s/y/-/y-2.1.0.tgz#abc"
  integrity sha512-y
  dependencies:
    x "^1.0.0 || ^2.0.0"

"alias@npm:@s/y@^2.0.0":
  version "2.1.0"
  resolved "https://registry.example/@s/y/-/y-2.1.0.tgz#abc"

"g@git+ssh://git@host.example/g.git":
  version "3.0.0"
  resolved "git+ssh://git@host.example/g.git#1111111111111111"

p@*:
  version "1.0.0"

x@^1, "x@^1.0.0 || ^2.0.0":
  version "1.0.0"
  resolved "https://registry.example/x/-/x-1.0.0.tgz#abc"
  optionalDependencies:
    p "*"
    "@s/y" "~2.1.0"
"""

BERRY = """\
__metadata:
  version: 8
  cacheKey: 10c0

"a@workspace:packages/a":
  version: 0.0.0-use.local
  resolution: "a@workspace:packages/a"
  linkType: soft

"b@workspace:*, b@workspace:packages/b":
  version: 0.0.0-use.local
  resolution: "b@workspace:packages/b"
  linkType: soft

"g@https://host.example/g.git":
  version: 3.0.0
  resolution: "g@https://host.example/g.git#commit=1111111111111111"
  linkType: hard

"p@npm:2":
  version: 2.0.0
  resolution: "p@npm:2.0.0"
  checksum: 10c0/ppp
  linkType: hard

"typescript@npm:^5.0.0":
  version: 5.4.0
  resolution: "typescript@npm:5.4.0"
  checksum: 10c0/ttt
  linkType: hard

"typescript@patch:typescript@npm%3A^5.0.0#~builtin<compat/typescript>":
  version: 5.4.0
  resolution: "typescript@patch:typescript@npm%3A5.4.0#~builtin<compat/typescript>::hash=abc"
  checksum: 10c0/uuu
  linkType: hard

"x@npm:^1":
  version: 1.0.0
  resolution: "x@npm:1.0.0"
  dependencies:
    p: 2
    b: "npm:*"
  checksum: 10c0/xxx
  linkType: hard
"""


def workspace(load: Load, lock: str, *, berry: bool = False, root: Any = None, **needs: str) -> Any:
    manifest = {
        "workspaces": ["packages/*"],
        "packageManager": "yarn@4.0.0" if berry else "yarn@1.22.22",
        **(root or {}),
    }
    return load(
        {
            "package.json": json.dumps(manifest),
            "packages/a/package.json": json.dumps({"name": "a", "dependencies": needs}),
            "packages/b/package.json": '{"name": "b", "version": "1.0.0"}',
            "yarn.lock": lock,
        }
    )


def test_a_pattern_leads_to_its_entry_and_on_from_there(load: Load) -> None:
    found = workspace(load, CLASSIC, x="^1")
    assert found.external("a") == ["@s/y@2.1.0", "p@1.0.0#" + found.external("a")[1][8:], "x@1.0.0"]
    assert workspace(load, CLASSIC, **{"@s/y": "^2.0.0"}).external("a") == found.external("a")


def test_an_alias_counts_by_its_real_name(load: Load) -> None:
    assert workspace(load, CLASSIC, alias="npm:@s/y@^2.0.0").external("a") == ["@s/y@2.1.0"]


def test_a_git_dependency_counts_by_its_commit(load: Load) -> None:
    needs = {"g": "git+ssh://git@host.example/g.git"}
    assert workspace(load, CLASSIC, **needs).external("a") == ["g@3.0.0#111111111111"]
    needs = {"g": "https://host.example/g.git"}
    assert workspace(load, BERRY, berry=True, **needs).external("a") == ["g@3.0.0#111111111111"]


@pytest.mark.parametrize("berry", [False, True])
def test_a_range_that_is_not_locked_is_taken_for_all_of_that_name(load: Load, berry: bool) -> None:
    lock = BERRY if berry else CLASSIC
    assert "x@1.0.0" in workspace(load, lock, berry=berry, x="^7").external("a")


@pytest.mark.parametrize("berry", [False, True])
def test_what_is_not_locked_at_all_stands_as_written(load: Load, berry: bool) -> None:
    lock = BERRY if berry else CLASSIC
    assert workspace(load, lock, berry=berry, new="^7").external("a") == ["new@^7"]


@pytest.mark.parametrize("berry", [False, True])
def test_a_package_of_the_workspace_is_not_entered(load: Load, berry: bool) -> None:
    lock = BERRY if berry else CLASSIC
    assert workspace(load, lock, berry=berry, b="*").external("a") == []


def test_a_resolution_counts_for_what_it_may_be_meant_for(load: Load) -> None:
    forced = CLASSIC + '\np@9.0.0:\n  version "9.0.0"\n  resolved "https://r.example/p.tgz#abc"\n'
    root = {"resolutions": {"x/p": "9.0.0"}}
    assert "p@9.0.0" in workspace(load, forced, root=root, x="^1").external("a")
    assert "p@9.0.0" not in workspace(load, forced, x="^1").external("a")
    forced = BERRY + '\n"p@npm:9.0.0":\n  version: 9.0.0\n  resolution: "p@npm:9.0.0"\n'
    found = workspace(load, forced, berry=True, root=root, x="^1")
    assert found.external("a") == ["p@2.0.0", "p@9.0.0", "x@1.0.0"]


def test_a_resolution_is_part_of_what_is_remembered(load: Load, tmp_path: Any) -> None:
    lock = CLASSIC + '\np@9.0.0:\n  version "9.0.0"\n  resolved "https://r.example/p.tgz#abc"\n'

    def external(**root: Any) -> list[str]:
        files = {
            "package.json": json.dumps({"packageManager": "yarn@1.0.0", **root}),
            "yarn.lock": lock,
        }
        found: list[str] = load(files, state_dir=str(tmp_path)).external("//")
        return found

    plain = external(dependencies={"x": "^1"})
    assert "p@9.0.0" not in plain
    assert "p@9.0.0" in external(dependencies={"x": "^1"}, resolutions={"p": "9.0.0"})
    assert external(dependencies={"x": "^1"}) == plain


def test_a_range_that_reads_as_a_number_is_found(load: Load) -> None:
    assert workspace(load, BERRY, berry=True, x="^1").external("a") == ["p@2.0.0", "x@1.0.0"]


def test_what_yarn_patches_for_everybody_is_found_by_the_plain_range(load: Load) -> None:
    before = workspace(load, BERRY, berry=True, typescript="^5.0.0")
    assert before.external("a") == ["typescript@5.4.0"]
    assert before.part.lock_files == ("yarn.lock",)
    after = workspace(load, BERRY.replace("hash=abc", "hash=abd"), berry=True, typescript="^5.0.0")
    assert before.digest("a") != after.digest("a")


def test_a_virtual_package_is_found_by_what_it_stands_for(load: Load) -> None:
    lock = BERRY.replace('"x@npm:^1":', '"x@virtual:0123abcd#npm:^1":')
    assert workspace(load, lock, berry=True, x="^1").external("a") == ["p@2.0.0", "x@1.0.0"]


@pytest.mark.parametrize("edit", [("version: 8", "version: 9"), ("10c0\n", "10\n")])
def test_the_metadata_are_said_apart(load: Load, edit: tuple[str, str]) -> None:
    before = workspace(load, BERRY, berry=True, x="^1")
    after = workspace(load, BERRY.replace(*edit, 1), berry=True, x="^1")
    assert before.part.lock_form != after.part.lock_form
    assert before.external("a") == after.external("a")


def test_the_two_forms_differ_in_everything(load: Load) -> None:
    assert workspace(load, CLASSIC).part.lock_form != workspace(load, BERRY).part.lock_form


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# yarn lockfile v1\n\nx y z\n", "yarn.lock:3: is no lock file of Yarn: here a package"),
        ('  version "1"\nx:\n', "yarn.lock:1: a field stands before the first package"),
        ('x@1:\n  version "1" "2"\n', "yarn.lock:2: is no lock file of Yarn: here a name and"),
        ("__metadata: [\n", "yarn.lock:2: is not YAML: "),
        ("__metadata: 1\n", "yarn.lock:1: is no lock file of Yarn: it has no __metadata"),
        ("__metadata: {}\nx: 1\n", "yarn.lock:1: expected `object`, got `int` in "),
        ("__metadata: {}\nx: {resolution: [1]}\n", "yarn.lock:1: expected `str`, got `array` in"),
    ],
)
def test_a_broken_lock_file_is_reported_with_its_line(load: Load, text: str, reason: str) -> None:
    found = workspace(load, text)
    assert found.part.lock_broken.startswith(reason)
    assert set(found.paths) == {"//", "a", "b"}


def test_an_empty_lock_file_locks_nothing(load: Load) -> None:
    found = workspace(load, "# yarn lockfile v1\n\n\n", x="^1")
    assert found.part.lock_broken == ""
    assert found.external("a") == ["x@^1"]
