"""No entry and no planted link makes a restore write outside of the declared outputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError, OutputError
from bao_core.model import OutputFile, OutputLink

DATA = b"evil"
DIGEST = digest_bytes(DATA)


@pytest.fixture
def fort(bench: Any) -> Any:
    """A bench with something to protect, and the means to see whether it was touched."""
    bench.write({"pkg/src/a.ts": b"source", "other/b": b"b", ".git/hooks/x": b"hook"})
    outside = bench.base / "outside"
    outside.mkdir()
    (outside / "a.js").write_bytes(b"precious")
    bench.blobs[DIGEST] = DATA
    return bench


def everything(bench: Any) -> dict[str, Any]:
    """All that is on disk but what bao may have."""
    found = {}
    for directory, names, files in os.walk(bench.base):
        for name in files + names:
            path = os.path.join(directory, name)
            if path.startswith((str(bench.staging), str(bench.base / "blob"))):
                continue
            if os.path.islink(path):
                found[path] = os.readlink(path)
            else:
                found[path] = Path(path).read_bytes() if os.path.isfile(path) else None
    return found


PATHS = [
    "",
    "/etc/evil",
    "..",
    ".",
    "../outside/a.js",
    "pkg/dist/../../../outside/a.js",
    "pkg/dist/../src/a.ts",
    "pkg/dist/./x",
    "pkg/dist//x",
    "pkg/dist/",
    "pkg/dist/x\0y",
    "pkg/dist/.git/config",
    "pkg/dist/.GIT/config",
    ".git/hooks/x",
    "pkg/src/a.ts",
    "other/b",
    "pkg/dist",
    "pkg/distant",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_file_outside_of_the_outputs_is_refused(fort: Any, path: str) -> None:
    before = everything(fort)
    result = fort.result({"pkg/dist/good": b"good"})
    bad = type(result)(
        **{f: getattr(result, f) for f in result.__struct_fields__ if f != "files"},
        files=(*result.files, OutputFile(path, DIGEST)),
    )
    with pytest.raises(CacheError):
        fort.restore(bad)
    assert everything(fort) == before


@pytest.mark.parametrize("path", [*PATHS, "pkg"])
def test_a_link_or_directory_outside_of_the_outputs_is_refused(fort: Any, path: str) -> None:
    before = everything(fort)
    link = fort.result({})
    fields = {f: getattr(link, f) for f in link.__struct_fields__}
    with pytest.raises(CacheError):
        fort.restore(type(link)(**fields | {"links": (OutputLink(path, "good"),)}))
    if path != "pkg/dist":
        with pytest.raises(CacheError):
            fort.restore(type(link)(**fields | {"directories": (path,)}))
    assert everything(fort) == before


@pytest.mark.parametrize(
    "target",
    ["/etc", "../../../outside", "../../..", "a/../../../../outside", "", "x\0", "../../.git"],
)
def test_a_link_that_leads_out_is_refused(fort: Any, target: str) -> None:
    before = everything(fort)
    result = fort.result({})
    fields = {f: getattr(result, f) for f in result.__struct_fields__}
    with pytest.raises(CacheError):
        fort.restore(type(result)(**fields | {"links": (OutputLink("pkg/dist/l", target),)}))
    assert everything(fort) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"files": (OutputFile("pkg/dist/d/x", DIGEST),), "links": (OutputLink("pkg/dist/d", "e"),)},
        {"files": (OutputFile("pkg/dist/d", DIGEST), OutputFile("pkg/dist/d/x", DIGEST))},
        {"files": (OutputFile("pkg/dist/d", DIGEST), OutputFile("pkg/dist/d", DIGEST))},
        {"files": (OutputFile("pkg/dist/d", DIGEST),), "directories": ("pkg/dist/d",)},
        {"links": (OutputLink("pkg/dist/d", "e"),), "directories": ("pkg/dist/d/e",)},
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(fort: Any, fields: Any) -> None:
    before = everything(fort)
    result = fort.result({})
    whole = {f: getattr(result, f) for f in result.__struct_fields__} | fields
    with pytest.raises(CacheError):
        fort.restore(type(result)(**whole))
    assert everything(fort) == before


PLANTS = ["pkg/dist", "pkg/dist/sub", "pkg/dist/sub/deep", "pkg"]


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_link_is_not_followed(fort: Any, plant: str) -> None:
    outside = fort.base / "outside"
    if plant == "pkg":
        (fort.root / "pkg").rename(fort.base / "moved")
    (fort.root / plant).parent.mkdir(parents=True, exist_ok=True)
    (fort.root / plant).symlink_to(outside)
    result = fort.result({"pkg/dist/sub/deep/a.js": b"a"})
    before = everything(fort)
    with pytest.raises(OutputError, match=f"{plant}: a symbolic link stands where"):
        fort.restore(result)
    assert everything(fort) == before
    assert fort.clean() in ([plant], [])
    assert (outside / "a.js").read_bytes() == b"precious"


@pytest.mark.parametrize("plant", PLANTS[:3])
def test_a_planted_link_of_the_tasks_own_is_replaced_by_the_directory(
    fort: Any, plant: str
) -> None:
    outside = fort.base / "outside"
    (fort.root / plant).parent.mkdir(parents=True, exist_ok=True)
    (fort.root / plant).symlink_to(outside)
    fort.owned = [plant]
    fort.restore(fort.result({"pkg/dist/sub/deep/a.js": b"a"}))
    assert not (fort.root / plant).is_symlink()
    assert (fort.root / "pkg/dist/sub/deep/a.js").read_bytes() == b"a"
    assert (outside / "a.js").read_bytes() == b"precious"
    assert os.listdir(outside) == ["a.js"]


def test_a_link_in_place_of_a_file_is_replaced_and_not_written_through(fort: Any) -> None:
    fort.write({"pkg/dist/a.js": ("->", "../../../outside/a.js")})
    fort.owned = ["pkg/dist/a.js"]
    fort.restore(fort.result({"pkg/dist/a.js": b"a"}))
    assert fort.read("pkg/dist") == {"pkg/dist/a.js": b"a"}
    assert (fort.base / "outside/a.js").read_bytes() == b"precious"


@pytest.mark.parametrize("plant", ["pkg/dist", "pkg/dist/sub", "pkg"])
def test_a_link_planted_while_blobs_are_fetched_is_not_followed(fort: Any, plant: str) -> None:
    """Between the look at the worktree and the change there is time for anything."""
    outside, moved = fort.base / "outside", fort.base / "moved"
    old = {"pkg/dist/a.js": b"old", "pkg/dist/sub/b.js": b"old"}
    fort.write(old)
    fort.owned = list(old)
    for below in ("", "sub/", "dist/", "dist/sub/"):
        (outside / below).mkdir(exist_ok=True)
        for name in ("a.js", "b.js"):
            (outside / below / name).write_bytes(b"precious")
    before: dict[str, Any] = {}

    def fetch(digests: Any, sink: Any) -> None:
        (fort.root / plant).rename(moved)
        (fort.root / plant).symlink_to(outside)
        before.update(everything(fort))
        fort.fetch(digests, sink)

    with pytest.raises(OutputError):
        fort.restore(fort.result({"pkg/dist/a.js": b"new", "pkg/dist/sub/b.js": b"b"}), fetch=fetch)
    assert everything(fort) == before


def test_cleaning_follows_no_link(fort: Any) -> None:
    outside = fort.base / "outside"
    fort.write({"pkg/dist/sub/x": b""})
    (fort.root / "pkg/dist/link").symlink_to(outside)
    fort.owned = ["pkg/dist/sub/x", "pkg/dist/link", "pkg/dist/link/a.js"]
    assert fort.clean() == []
    assert os.listdir(outside) == ["a.js"]
    assert not (fort.root / "pkg/dist").exists()


def test_collecting_follows_no_link(fort: Any) -> None:
    (fort.root / "other/inner").symlink_to(fort.base / "outside")
    fort.write({"pkg/dist/link": ("->", "../../other/inner")})
    collected = fort.collect()
    assert collected.files == ()
    assert [link.path for link in collected.links] == ["pkg/dist/link"]
