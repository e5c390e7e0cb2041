"""Lock files as the package managers themselves write them; `locks/README.md` says which."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

Load = Any  # see conftest.py

FOLDER = Path(__file__).parent / "locks"
WORKSPACES: dict[str, Any] = json.loads((FOLDER / "manifests.json").read_text(encoding="utf-8"))
PATCHED = [f for f in WORKSPACES if f in {"bun", "pnpm-7", "pnpm-8", "pnpm-9", "pnpm-10"}]
PATCHED += ["berry-3", "berry-4"]
FORMATS = list(WORKSPACES)


def files_of(name: str) -> dict[str, str | bytes]:
    workspace = WORKSPACES[name]
    lock = (FOLDER / f"{name}-{workspace['lock']}").read_bytes()
    return {**workspace["files"], workspace["lock"]: lock}


def lock_of(name: str) -> str:
    return str(WORKSPACES[name]["lock"])


def plain(labels: list[str]) -> list[str]:
    """Names and versions without what pins them and without patches and `v`."""
    found = {label.partition("#")[0] for label in labels if ".patch@" not in label}
    return sorted(label for label in found if not label.startswith(("v@", "vendor/v@")))


@pytest.mark.parametrize("name", FORMATS)
def test_each_package_reaches_what_it_asks_for(load: Load, name: str) -> None:
    found = load(files_of(name))
    assert found.part.lock_broken == ""
    assert found.part.notes == ()
    assert found.external("//") == ["left-pad@1.3.0"]
    assert found.external("b") == ["debug@4.3.4", "kleur@4.1.5", "ms@2.1.2"]
    a = ["is-even@1.0.0", "is-number@7.0.0", "is-odd@0.1.2", "is-odd@3.0.1", "ms@2.1.2"]
    if name == "yarn1":
        # What is resolved for `is-odd` only: which of its places is meant, the file does not say.
        a += ["is-buffer@1.1.6", "is-number@3.0.0", "is-number@6.0.0", "kind-of@3.2.2"]
    assert plain(found.external("a")) == sorted(a)
    assert plain(found.external("c")) == [
        "js-tokens@4.0.0",
        "loose-envify@1.4.0",
        "ms@2.0.0",
        "react@18.2.0",
        "use-sync-external-store@1.2.0",
    ]
    assert any(label.startswith(("v@", "vendor/v@")) for label in found.external("c"))


@pytest.mark.parametrize("name", FORMATS)
def test_another_version_shows_for_those_who_reach_it_and_nobody_else(
    load: Load, name: str
) -> None:
    files = files_of(name)
    before = load(files)
    lock = files[lock_of(name)]
    assert isinstance(lock, bytes)
    edited = lock.replace(b"1.4.0", b"1.4.1")  # loose-envify, which react needs
    after = load({**files, lock_of(name): edited})
    assert "loose-envify@1.4.1" in after.external("c")
    assert before.part.lock_form == after.part.lock_form
    for package in ("//", "a", "b"):
        assert before.external(package) == after.external(package)
        assert before.digest(package) == after.digest(package)
        assert before.packages[package].external_places == after.packages[package].external_places


@pytest.mark.parametrize("name", FORMATS)
def test_what_only_the_root_needs_shows_for_the_root(load: Load, name: str) -> None:
    files = files_of(name)
    before = load(files)
    lock = files[lock_of(name)]
    assert isinstance(lock, bytes)
    after = load({**files, lock_of(name): lock.replace(b"1.3.0", b"1.3.1")})
    assert before.external("//") != after.external("//")
    for package in "abc":
        assert before.external(package) == after.external(package)


@pytest.mark.parametrize("name", FORMATS)
def test_other_content_of_the_same_version_shows_in_the_digest_only(load: Load, name: str) -> None:
    files = files_of(name)
    before = load(files)
    lock = files[lock_of(name)]
    assert isinstance(lock, bytes)
    # The hash of loose-envify, as registries say it and as Yarn does.
    edited = lock.replace(b"lyuxPGr", b"rGPxuyl")
    if edited == lock:
        edited = re.sub(
            rb'(resolution: "loose-envify@.*?checksum: (?:\w+/)?)\w{6}',
            rb"\g<1>000000",
            lock,
            flags=re.DOTALL,
        )
    assert edited != lock
    after = load({**files, lock_of(name): edited})
    for package in ("//", "a", "b", "c"):
        assert before.external(package) == after.external(package)
        assert before.packages[package].external_places == after.packages[package].external_places
        assert (before.digest(package) == after.digest(package)) == (package != "c")


@pytest.mark.parametrize("name", FORMATS)
def test_line_ends_and_a_byte_order_mark_say_nothing(load: Load, name: str) -> None:
    files = files_of(name)
    lock = files[lock_of(name)]
    assert isinstance(lock, bytes)
    before = load(files)
    after = load({**files, lock_of(name): b"\xef\xbb\xbf" + lock.replace(b"\n", b"\r\n")})
    assert after.part.lock_broken == ""
    for package in ("//", "a", "b", "c"):
        assert before.external(package) == after.external(package)


@pytest.mark.parametrize("name", PATCHED)
def test_a_changed_patch_shows_for_those_who_reach_what_it_patches(load: Load, name: str) -> None:
    files = files_of(name)
    assert "patches/is-odd.patch" in load(files).part.lock_files
    before = load(files)
    after = load({**files, "patches/is-odd.patch": "another patch"})
    assert before.external("a") != after.external("a")
    assert before.digest("a") != after.digest("a")
    for package in ("//", "b", "c"):
        assert before.external(package) == after.external(package)
        assert before.digest(package) == after.digest(package)


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_remembered_says_the_same_and_reads_nothing(
    load: Load, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_of(name)
    fresh = load(files)
    first = load(files, state_dir=str(tmp_path))
    for module in ("npm", "pnpm", "yarn_classic", "yarn_berry", "bun"):
        monkeypatch.setattr(f"bao_workspace_node.locks.{module}.read", lambda source: 1 / 0)
    second = load(files, state_dir=str(tmp_path))
    assert fresh.part == first.part == second.part
    # One package asks for more: only what it reaches is looked up, in what is remembered.
    manifest = json.loads(files["packages/b/package.json"])
    manifest["dependencies"]["react"] = manifest["dependencies"].get("react", "18.2.0")
    files["packages/b/package.json"] = json.dumps(manifest)
    third = load(files, state_dir=str(tmp_path))
    assert third.external("a") == fresh.external("a")
    assert set(third.external("b")) > set(fresh.external("b"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_conflict_that_is_not_resolved_is_said_with_its_line(load: Load, name: str) -> None:
    files = files_of(name)
    lock = files[lock_of(name)]
    assert isinstance(lock, bytes)
    lines = lock.split(b"\n")
    middle = len(lines) // 2
    marks = [b"<<<<<<< HEAD", lines[middle], b"=======", lines[middle], b">>>>>>> other"]
    broken = b"\n".join([*lines[:middle], *marks, *lines[middle + 1 :]])
    found = load({**files, lock_of(name): broken})
    path, line, reason = found.part.lock_broken.split(":", 2)
    assert path == lock_of(name)
    assert abs(int(line) - middle) < 6
    assert reason
    # Everything counts as one then, and the packages are there all the same.
    assert set(found.packages) == {"//", "a", "b", "c"}
    assert all(found.external(p)[-1:] != [] for p in found.packages)
    assert found.part.lock_form == ""
