"""Lock files that the real tools wrote: what a package reaches, and what a new version moves."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_python.locks.records import EVERYTHING, Edge, requirement_edge

if TYPE_CHECKING:
    from pathlib import Path

Locked = Any  # see conftest.py

HTTPX = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "socksio", "typing-extensions"}
APP = {*HTTPX, "click", "colorama", "exceptiongroup", "iniconfig", "six", "sniffio", "tiny-git"}
PDM = {*HTTPX, "click", "colorama", "iniconfig", "pluggy", "six", "sniffio"}

UV_MEMBERS = ("", "packages/a", "packages/b", "packages/c")
UV = {
    "": {"iniconfig"},
    "packages/a": {*HTTPX, "colorama", "sniffio", "tiny-git"},
    "packages/b": {"click", "colorama", "pluggy", "six"},
    "packages/c": {"certifi"},
}
UV_LOCKS = ["uv-revision-0.lock", "uv-revision-2.lock", "uv-revision-5.lock"]
POETRY_LOCKS = ["poetry-1.1.lock", "poetry-2.0.lock", "poetry-2.1.lock"]
PDM_LOCKS = ["pdm-4.4.1.lock", "pdm-4.5.0.lock"]
NAMES = {"uv": "uv.lock", "poetry": "poetry.lock", "pdm": "pdm.lock", "pylock": "pylock.toml"}


def placed(file: str) -> str:
    """What a stored lock file is called where it counts."""
    return NAMES[file.partition("-")[0]]


def names(lock: Any, directory: str = "") -> set[str]:
    return {label.partition("@")[0] for label in lock.labels(lock.closure(directory))}


def bumped(text: str, name: str) -> str:
    """A lock file with another version of one package, in its entry and in edges that choose it."""
    found = re.search(rf'^name = "{name}"\nversion = "([^"]+)"', text, re.MULTILINE)
    assert found is not None
    version = found.group(1)
    entry = rf'^(name = "{name}"\nversion = )"{re.escape(version)}"'
    text = re.sub(entry, r'\1"99.1"', text, flags=re.MULTILINE)
    return re.sub(rf'(name = "{name}", version = )"{re.escape(version)}"', r'\1"99.1"', text)


# --- uv --------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", UV_LOCKS)
def test_uv_says_what_each_member_reaches(locked: Locked, lock_files: Path, file: str) -> None:
    lock = locked({"uv.lock": (lock_files / file).read_bytes()}, *UV_MEMBERS).lock.table
    for directory, expected in UV.items():
        assert names(lock, directory) == expected, directory
        assert lock.knows(directory)


@pytest.mark.parametrize("file", UV_LOCKS)
def test_a_version_in_uv_lock_moves_those_that_reach_it_and_no_others(
    locked: Locked, lock_files: Path, file: str
) -> None:
    text = (lock_files / file).read_text()
    before = locked({"uv.lock": text}, *UV_MEMBERS).lock.table
    for name in sorted(set().union(*UV.values())):
        after = locked({"uv.lock": bumped(text, name)}, *UV_MEMBERS).lock.table
        for directory, reached in UV.items():
            was, now = before.closure(directory), after.closure(directory)
            moved = before.labels(was) != after.labels(now)
            assert moved is (name in reached), (name, directory)
            assert (before.digest(was) != after.digest(now)) is (name in reached)


def test_versions_in_conflict_count_each_for_the_extra_that_chooses_it(
    locked: Locked, lock_files: Path
) -> None:
    text = (lock_files / "uv-revision-5.lock").read_text()
    lock = locked({"uv.lock": text}, *UV_MEMBERS).lock.table
    labels = lock.labels(lock.closure("packages/b"))
    assert [label for label in labels if label.startswith("click@")] == [
        "click@8.1.7",
        "click@8.1.8",
    ]
    one = text.replace(
        'new = [\n    { name = "click", version = "8.1.8", '
        'source = { registry = "https://index.example/simple" } },\n]\n',
        "",
    )
    assert one != text
    lock = locked({"uv.lock": one}, *UV_MEMBERS).lock.table
    assert "click@8.1.8" not in lock.labels(lock.closure("packages/b"))
    assert "click@8.1.7" in lock.labels(lock.closure("packages/b"))


def test_the_edges_between_members_are_in_uv_lock(locked: Locked, lock_files: Path) -> None:
    lock = locked(
        {"uv.lock": (lock_files / "uv-revision-5.lock").read_bytes()}, *UV_MEMBERS
    ).lock.table
    assert list(lock.edges("")) == [("runtime", "packages/a")]
    assert list(lock.edges("packages/a")) == [("runtime", "packages/b")]


def test_a_path_source_that_is_no_member_is_entered(locked: Locked, lock_files: Path) -> None:
    text = (lock_files / "uv-revision-5.lock").read_bytes()
    lock = locked({"uv.lock": text}, "", "packages/a").lock.table
    assert names(lock, "packages/a") == {"b", "pluggy", *UV["packages/a"]}


# --- Poetry ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", POETRY_LOCKS)
def test_poetry_locks_for_its_project_alone(locked: Locked, lock_files: Path, file: str) -> None:
    lock = locked({"poetry.lock": (lock_files / file).read_bytes()}, "").lock.table
    assert names(lock) == {*APP, "my-lib"}
    assert not lock.knows("")


@pytest.mark.parametrize("file", POETRY_LOCKS)
def test_poetry_extras_count_where_they_are_asked_for(
    locked: Locked, lock_files: Path, file: str
) -> None:
    lock = locked({"poetry.lock": (lock_files / file).read_bytes()}, "").lock.table

    def reached(name: str, *extras: str) -> set[str]:
        mask = lock.reached_by(name, extras)
        return {label.partition("@")[0] for label in lock.labels(mask)}

    assert "socksio" in reached("httpx", "socks")
    assert "socksio" not in reached("httpx")
    assert reached("my-lib") == {"my-lib", "colorama"}
    assert reached("my-lib", "quick") == {"my-lib", "colorama", "sniffio"}
    assert "typing-extensions" in reached("anyio")  # written with an underscore, behind a marker
    assert lock.reached_by("no-such-thing", ()) is None


@pytest.mark.parametrize("file", POETRY_LOCKS)
def test_a_package_that_shares_a_poetry_lock_has_what_its_entry_says(
    locked: Locked, lock_files: Path, file: str
) -> None:
    text = (lock_files / file).read_text()
    lock = locked({"app/poetry.lock": text}, "", "../lib", directory="app").lock.table
    assert lock.knows("../lib")
    assert names(lock, "../lib") == {"colorama", "sniffio"}
    # What only the other package reaches is none of the project's.
    lonely = text.replace('colorama = {version = "*"', 'nothing = {version = "*"')
    lock = locked({"app/poetry.lock": lonely}, "", "../lib", directory="app").lock.table
    assert names(lock) == APP - {"colorama"}
    assert {"colorama"} == {
        label.partition("@")[0] for label in lock.labels(lock.reached_by("colorama", ()))
    }


@pytest.mark.parametrize("file", POETRY_LOCKS)
def test_the_commit_of_a_git_source_is_in_a_poetry_label(
    locked: Locked, lock_files: Path, file: str
) -> None:
    lock = locked({"poetry.lock": (lock_files / file).read_bytes()}, "").lock.table
    assert "tiny-git@0.3.0#31eb5b16f35f" in lock.labels(lock.closure(""))


def test_artefacts_in_the_metadata_of_an_old_poetry_lock_count(
    locked: Locked, lock_files: Path
) -> None:
    text = (lock_files / "poetry-1.1.lock").read_text()
    before = locked({"poetry.lock": text}, "").lock.table
    at = text.index("sha256:", text.index("\nh11 = ["))
    other = f"{text[:at]}sha256:00{text[at + 9 :]}"
    after = locked({"poetry.lock": other}, "").lock.table
    for name, moved in (("h11", True), ("httpcore", True), ("idna", False)):
        was, now = (lock.digest(lock.reached_by(name, ())) for lock in (before, after))
        assert (was != now) is moved, name


# --- PDM -------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", PDM_LOCKS)
def test_pdm_locks_for_its_project_alone(locked: Locked, lock_files: Path, file: str) -> None:
    lock = locked({"pdm.lock": (lock_files / file).read_bytes()}, "").lock.table
    assert names(lock) >= {*PDM, "my-lib"}
    assert not lock.knows("")


@pytest.mark.parametrize("file", [*PDM_LOCKS, "pdm-4.5.0-static-urls.lock"])
def test_pdm_extras_count_where_they_are_asked_for(
    locked: Locked, lock_files: Path, file: str
) -> None:
    lock = locked({"pdm.lock": (lock_files / file).read_bytes()}, "").lock.table

    def reached(name: str, *extras: str) -> set[str]:
        mask = lock.reached_by(name, extras)
        return {label.partition("@")[0] for label in lock.labels(mask)}

    assert reached("my-lib") == {"my-lib", "colorama"}
    assert reached("my-lib", "quick") == {"my-lib", "colorama", "sniffio"}
    if "static" not in file:
        assert reached("httpx", "socks") - reached("httpx") == {"socksio"}


@pytest.mark.parametrize("file", PDM_LOCKS)
def test_a_package_that_shares_a_pdm_lock_has_what_its_entry_says(
    locked: Locked, lock_files: Path, file: str
) -> None:
    text = (lock_files / file).read_bytes()
    lock = locked({"app/pdm.lock": text}, "", "../lib", directory="app").lock.table
    assert lock.knows("../lib")
    assert names(lock, "../lib") == {"colorama", "sniffio"}
    assert names(lock) >= PDM - {"colorama", "sniffio"}


# --- every format that traces ----------------------------------------------------------------


@pytest.mark.parametrize("file", [*POETRY_LOCKS, *PDM_LOCKS])
def test_a_version_moves_what_reaches_it_and_nothing_else(
    locked: Locked, lock_files: Path, file: str
) -> None:
    text = (lock_files / file).read_text()
    before = locked({placed(file): text}, "").lock.table
    everything = sorted(names(before))
    reached = {
        name: {
            label.partition("@")[0] for label in before.labels(before.reached_by(name, ["socks"]))
        }
        for name in everything
    }
    for changed in everything:
        after = locked({placed(file): bumped(text, changed)}, "").lock.table
        assert before.labels(before.closure("")) != after.labels(after.closure(""))
        for name in everything:
            was = before.digest(before.reached_by(name, ["socks"]))
            now = after.digest(after.reached_by(name, ["socks"]))
            assert (was != now) is (changed in reached[name]), (changed, name)


# --- pylock ----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["pylock-uv.toml", "pylock-pip.toml"])
@pytest.mark.parametrize("name", ["pylock.toml", "pylock.dev.toml"])
def test_all_of_a_pylock_counts_for_everybody(
    locked: Locked, lock_files: Path, file: str, name: str
) -> None:
    text = (lock_files / file).read_text()
    found = locked({name: text}, "", "packages/a")
    assert found.paths == (name,)
    lock = found.lock.table
    assert names(lock) == names(lock, "packages/a") >= HTTPX
    for changed in names(lock):
        if f'name = "{changed}"\nversion' in text:
            after = locked({name: bumped(text, changed)}, "", "packages/a").lock.table
            assert after.labels(after.closure("packages/a")) != lock.labels(lock.closure(""))


def test_the_commit_of_a_git_source_is_in_a_pylock_label(locked: Locked, lock_files: Path) -> None:
    lock = locked({"pylock.toml": (lock_files / "pylock-uv.toml").read_bytes()}, "").lock.table
    assert "tiny-git@0.3.0#31eb5b16f35f" in lock.labels(lock.closure(""))


def test_several_pylocks_count_together(locked: Locked, lock_files: Path) -> None:
    text = (lock_files / "pylock-pip.toml").read_text()
    small = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "Extra_One"\n'
    found = locked({"pylock.toml": text, "pylock.docs.toml": small}, "")
    assert "extra-one@" in found.lock.table.labels(found.lock.table.closure(""))
    assert names(found.lock.table) > HTTPX


# --- requirements files ----------------------------------------------------------------------


def test_requirements_files_are_hashed_whole_with_what_they_include(locked: Locked) -> None:
    files = {
        "app/requirements.txt": "-r requirements/base.txt\n-c ../constraints.txt\nx==1\n",
        "app/requirements/base.txt": "--requirement=more.in\ny==1\n",
        "app/requirements/more.in": "z\n",
        "app/dev-requirements.txt": "-r requirements.txt\n",
        "app/notes.txt": "nothing\n",
        "constraints.txt": "x<2\n",
        "other/requirements.txt": "q\n",
    }
    found = locked(files, "", directory="app")
    assert found.paths == (
        "app/dev-requirements.txt",
        "app/requirements.txt",
        "app/requirements/base.txt",
        "app/requirements/more.in",
        "constraints.txt",
    )
    before = found.lock.table.labels(found.lock.table.closure(""))
    assert [label.partition("@")[0] for label in before] == sorted(found.paths)
    for path in files:
        after = locked({**files, path: "changed\n"}, "", directory="app").lock.table
        moved = after.labels(after.closure("")) != before
        assert moved is (path not in {"app/notes.txt", "other/requirements.txt"}), path


@pytest.mark.parametrize(
    "line", ["-r ../../outside.txt", "-r /etc/hosts", "-r https://host.example/r.txt", "# -r b.txt"]
)
def test_what_lies_outside_is_not_followed(locked: Locked, line: str) -> None:
    files = {"a/requirements.txt": f"{line}\n", "a/b.txt": "x\n", "outside.txt": "x\n"}
    assert locked(files, "", directory="a").paths == ("a/requirements.txt",)


@pytest.mark.parametrize(
    "line", ["-r b.txt", "-rb.txt", "--requirement b.txt", "  -c 'b.txt'", '--constraint = "b.txt"']
)
def test_every_way_to_include_is_known(locked: Locked, line: str) -> None:
    files = {"requirements.txt": f"{line}  # why\r\n-r requirements.txt\r\n", "b.txt": "x\n"}
    assert locked(files, "").paths == ("b.txt", "requirements.txt")


def test_beside_a_lock_file_requirements_and_pylock_are_ordinary_files(
    locked: Locked, lock_files: Path
) -> None:
    files = {
        "uv.lock": (lock_files / "uv-revision-5.lock").read_text(),
        "requirements.txt": "x\n",
        "pylock.toml": "broken",
    }
    found = locked(files, *UV_MEMBERS)
    assert found.paths == ("uv.lock",)
    assert not found.broken


# --- several, none, broken -------------------------------------------------------------------


def test_two_lock_files_of_one_directory_count_both_and_it_is_said(
    locked: Locked, lock_files: Path
) -> None:
    files = {
        "uv.lock": (lock_files / "uv-revision-5.lock").read_text(),
        "poetry.lock": (lock_files / "poetry-2.1.lock").read_text(),
    }
    found = locked(files, *UV_MEMBERS)
    assert found.paths == ("uv.lock", "poetry.lock")
    assert found.notes == (
        "uv.lock and poetry.lock both lie in the root; a change in either counts",
    )
    labels = found.lock.table.labels(found.lock.table.closure(""))
    assert {"iniconfig@2.1.0", "iniconfig@2.3.1"} <= set(labels)
    assert names(found.lock.table, "packages/c") == UV["packages/c"]


def test_where_there_is_no_lock_file_nothing_is_found(locked: Locked) -> None:
    found = locked({"readme.txt": "x"}, "")
    assert (found.paths, found.lock, found.broken) == ((), None, "")


@pytest.mark.parametrize("file", [UV_LOCKS[-1], *POETRY_LOCKS, *PDM_LOCKS, "pylock-uv.toml"])
def test_marks_and_line_ends_of_windows_make_no_difference(
    locked: Locked, lock_files: Path, file: str
) -> None:
    text = (lock_files / file).read_text()
    unix = locked({placed(file): text}, *UV_MEMBERS).lock.table
    windows = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    other = locked({placed(file): windows}, *UV_MEMBERS).lock.table
    for directory in UV_MEMBERS:
        assert unix.digest(unix.closure(directory)) == other.digest(other.closure(directory))


HEADS = {
    "uv.lock": "version = 1\n",
    "poetry.lock": '[metadata]\nlock-version = "2.1"\n',
    "pdm.lock": '[metadata]\nlock_version = "4.5.0"\n',
    "pylock.toml": 'lock-version = "1.0"\n',
}


@pytest.mark.parametrize("name", HEADS)
def test_a_broken_lock_file_is_named_with_its_line(locked: Locked, name: str) -> None:
    head = HEADS[name]
    line = head.count("\n") + 1
    found = locked({f"d/{name}": f"{head}<<<<<<< HEAD\n"}, "", directory="d")
    assert found.broken.startswith(f"d/{name}:{line}: is not TOML: ")
    assert found.lock is None
    assert found.paths == (f"d/{name}",)
    other = locked({f"d/{name}": f"{head}<<<<<<< MINE\n"}, "", directory="d")
    assert found.digest != other.digest
    table = "packages" if name == "pylock.toml" else "package"
    found = locked({name: f"{head}[[{table}]]\nname = 1\n"}, "")
    assert found.broken.startswith(f"{name}:{line}: expected `str`, got `int` in name")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("uv.lock", "version = 2\n", "has format version 2, not 1"),
        ("uv.lock", "version = true\n", "has format version True, not 1"),
        ("uv.lock", "", "has format version None, not 1"),
        ("poetry.lock", "[metadata]\n", "has format version None, not 1 or 2"),
        ("poetry.lock", "metadata = 3\n", "has format version None, not 1 or 2"),
        ("pdm.lock", '[metadata]\nlock_version = "9"\n', "has format version 9, not 3 or 4"),
        ("pylock.toml", 'lock-version = "2.0"\n', "has format version 2.0, not 1"),
    ],
)
def test_a_format_that_is_not_understood_is_refused(
    locked: Locked, name: str, text: str, reason: str
) -> None:
    assert locked({name: text}, "").broken == f"{name}: {reason}"


@pytest.mark.parametrize("name", HEADS)
def test_what_is_not_utf8_is_refused_with_its_line(locked: Locked, name: str) -> None:
    found = locked({name: HEADS[name].encode() + b"# \xff\n"}, "")
    line = HEADS[name].count("\n") + 1
    assert found.broken == f"{name}:{line}: is not UTF-8"


VALUES = ['"text"', "7", "[]", "[[1]]", "{}", "true", "nan", "2026-01-01", "[{name = 3}]", '""']


@pytest.mark.parametrize("file", [UV_LOCKS[-1], POETRY_LOCKS[-1], PDM_LOCKS[-1], "pylock-uv.toml"])
def test_whatever_stands_in_a_lock_file_it_is_read_or_refused(
    locked: Locked, lock_files: Path, file: str
) -> None:
    text = (lock_files / file).read_text()
    lines = text.split("\n")
    choose = random.Random(file)  # the same damage in every run
    outcomes = set()
    for _ in range(250):
        damaged = list(lines)
        at = choose.randrange(len(damaged))
        match choose.randrange(4):
            case 0:
                damaged = damaged[:at]
            case 1:
                damaged[at] = damaged[at][: choose.randrange(len(damaged[at]) + 1)]
            case 2:
                damaged[at : at + 1] = [damaged[at], damaged[at]]
            case _:
                key = damaged[at].partition("=")[0] or "name "
                damaged[at] = f"{key}= {choose.choice(VALUES)}"
        found = locked({placed(file): "\n".join(damaged)}, *UV_MEMBERS)
        assert (found.lock is None) is bool(found.broken)
        if found.broken:
            assert found.broken.startswith(placed(file))
            assert "\n" not in found.broken
        outcomes.add(bool(found.broken))
    assert outcomes == {True, False}


def test_nesting_without_end_is_refused(locked: Locked) -> None:
    text = f"version = 1\nx = {'[' * 100_000}"
    assert locked({"uv.lock": text}, "").broken.startswith("uv.lock: ")


# --- requirements as text --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "edge"),
    [
        ("Some_Thing[B,a]>=1; python_version < '3'", Edge("some-thing", ("a", "b"))),
        ("x @ https://host.example/x.whl", Edge("x")),
        ("-e file:///${PROJECT_ROOT}/../lib#egg=My_Lib[quick]", Edge("my-lib", ("quick",))),
        ("git+https://host.example/x.git@1#egg=x", Edge("x")),
        ("https://host.example/x.whl", Edge(EVERYTHING)),
        ("./x.whl", Edge(EVERYTHING)),
        ("", Edge(EVERYTHING)),
    ],
)
def test_a_requirement_names_what_it_asks_for_or_anything(text: str, edge: Edge) -> None:
    assert requirement_edge(text) == edge
