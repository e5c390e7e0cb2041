"""What is read from pnpm's lock file beyond what the real ones hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

Load = Any  # see conftest.py

LOCK = """\
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true

importers:

  .: {}

  packages/a:
    dependencies:
      x: {specifier: ^1, version: 1.0.0(p@1.0.0)}
      g: {specifier: github:o/g, version: https://host.example/o/g/tar.gz/1111111}

  packages/b: {}

packages:
  x@1.0.0: {resolution: {integrity: sha512-x}}
  p@1.0.0: {resolution: {integrity: sha512-p}}
  g@https://host.example/o/g/tar.gz/1111111:
    resolution: {tarball: https://host.example/o/g/tar.gz/1111111}
    version: 2.0.0

snapshots:
  x@1.0.0(p@1.0.0):
    dependencies: {p: 1.0.0, b: link:packages/b}
  p@1.0.0: {}
  g@https://host.example/o/g/tar.gz/1111111:
    optionalDependencies: {gone: 3.0.0}
"""

OLD = """\
lockfileVersion: 5.3
specifiers: {x: ^1, '@s/y': ^2}
dependencies:
  x: 1.0.0_p@1.0.0
  '@s/y': 2.0.0
packages:
  /x/1.0.0_p@1.0.0:
    resolution: {integrity: sha512-x}
    dependencies: {p: 1.0.0, z: github.com/o/z/abcdef}
  /p/1.0.0:
    resolution: {integrity: sha512-p}
  /@s/y/2.0.0:
    resolution: {integrity: sha512-y}
  github.com/o/z/abcdef:
    resolution: {tarball: https://host.example/o/z/abcdef}
    name: z
    version: 4.0.0
"""


def workspace(load: Load, lock: str, **more: str) -> Any:
    return load(
        {
            "package.json": '{"name": "root", "packageManager": "pnpm@9.0.0"}',
            "pnpm-workspace.yaml": "packages: [packages/*]\n",
            "packages/a/package.json": json.dumps(
                {"name": "a", "dependencies": {"x": "^1", "g": "github:o/g"}}
            ),
            "packages/b/package.json": '{"name": "b"}',
            "pnpm-lock.yaml": lock,
            **more,
        }
    )


def test_a_package_from_elsewhere_counts_by_where_from(load: Load) -> None:
    found = workspace(load, LOCK)
    assert found.external("a") == [
        "g@https://host.example/o/g/tar.gz/1111111",
        "p@1.0.0",
        "x@1.0.0",
    ]


def test_other_peers_of_the_same_version_show_apart_from_versions(load: Load) -> None:
    before = workspace(load, LOCK)
    after = workspace(load, LOCK.replace("1.0.0(p@1.0.0)", "1.0.0(p@1.0.0)(q@1.0.0)"))
    assert before.external("a") == after.external("a")
    assert before.packages["a"].external_places != after.packages["a"].external_places


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("autoInstallPeers: true", "autoInstallPeers: false", False),
        ("'9.0'", "'9.1'", False),
        ("\nimporters:", "\npackageExtensionsChecksum: abc\n\nimporters:", False),
        ("\nimporters:", "\noverrides: {zz: 1.0.0}\n\nimporters:", True),
        ("\nimporters:", "\npnpmfileChecksum: abc\n\nimporters:", True),
        ("sha512-x", "sha512-y", True),
    ],
)
def test_what_decides_about_everything_is_said_apart(
    load: Load, old: str, new: str, same: bool
) -> None:
    assert old in LOCK
    before, after = workspace(load, LOCK), workspace(load, LOCK.replace(old, new, 1))
    assert (before.part.lock_form == after.part.lock_form) == same
    assert before.external("a") == after.external("a")


def test_a_single_package_of_an_old_version_is_read(load: Load) -> None:
    found = load(
        {
            "package.json": json.dumps(
                {"packageManager": "pnpm@6.0.0", "dependencies": {"x": "^1", "@s/y": "^2"}}
            ),
            "pnpm-lock.yaml": OLD,
        }
    )
    labels = found.external("//")
    assert [label.partition("#")[0] for label in labels] == [
        "@s/y@2.0.0",
        "p@1.0.0",
        "x@1.0.0",
        "z@4.0.0",
    ]
    assert "#" in labels[-1]


def test_the_workspace_is_in_the_last_of_several_documents(load: Load) -> None:
    own = "---\nlockfileVersion: '9.0'\nimporters:\n  .: {configDependencies: {}}\n---\n"
    assert workspace(load, own + LOCK).part == workspace(load, LOCK).part


def test_a_patch_of_every_version_belongs_to_every_version(load: Load) -> None:
    patched = "patchedDependencies:\n  x: {hash: abc, path: patches/x.patch}\n"
    lock = LOCK.replace("importers:", patched + "importers:", 1)
    before = workspace(load, lock, **{"patches/x.patch": "1"})
    after = workspace(load, lock, **{"patches/x.patch": "2"})
    assert before.external("a") != after.external("a")
    assert before.external("b") == after.external("b")


def test_what_is_not_locked_yet_stands_as_written(load: Load) -> None:
    manifest = {"name": "b", "dependencies": {"new": "^2"}, "peerDependencies": {"peer": "*"}}
    found = workspace(load, LOCK, **{"packages/b/package.json": json.dumps(manifest)})
    assert found.external("b") == ["new@^2"]


def test_an_unknown_version_is_read_as_one_and_the_user_is_told(load: Load) -> None:
    before = workspace(load, "lockfileVersion: '12.0'\n")
    after = workspace(load, "lockfileVersion: '12.0'\n# x\n")
    assert before.external("b") != after.external("b")
    assert before.part.notes == (
        "pnpm-lock.yaml has lockfileVersion 12.0; any change of it counts for every package",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lockfileVersion: '9.0'\nimporters:\n  a: [\n", "pnpm-lock.yaml:4: is not YAML: "),
        ("lockfileVersion: '9.0'\n\timporters: {}\n", "pnpm-lock.yaml:2: is not YAML: "),
        ("importers: {}\n", "pnpm-lock.yaml:1: has no lockfileVersion"),
        ("", "pnpm-lock.yaml:1: has no lockfileVersion"),
        ("- a\n", "pnpm-lock.yaml:1: expected `object`, got `array` in the file"),
        ("lockfileVersion: '9.0'\nimporters: [a]\n", "pnpm-lock.yaml:2: expected `object | null`"),
        ("lockfileVersion: '9.0'\npackages: {1: {}}\n", "pnpm-lock.yaml:2: expected `str`"),
        ("lockfileVersion: '9.0'\na: \udcff\n", "pnpm-lock.yaml:2: is not UTF-8"),
    ],
)
def test_a_broken_lock_file_is_reported_with_its_line(load: Load, text: str, reason: str) -> None:
    found = workspace(load, text.encode("utf-8", "surrogateescape"))  # type: ignore[arg-type]
    assert found.part.lock_broken.startswith(reason)
    assert "\n" not in found.part.lock_broken
    assert set(found.paths) == {"//", "a", "b"}
