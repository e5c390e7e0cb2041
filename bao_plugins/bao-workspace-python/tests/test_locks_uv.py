"""What is read from `uv.lock`."""

from __future__ import annotations

import time
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_python.locks import lock_memory
from bao_workspace_python.locks.documents import decode_toml

if TYPE_CHECKING:
    from pathlib import Path

Load = Any  # see conftest.py

HEAD = 'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n'
ROOT_MANIFEST = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
DYNAMIC = '[project]\nname = "{}"\nversion = "1"\ndynamic = ["dependencies"]\n'


def member(name: str, *dependencies: str, more: str = "") -> str:
    return (
        f'\n[[package]]\nname = "{name}"\nversion = "1"\n'
        f'source = {{ editable = "packages/{name}" }}\n'
        f"{listed('dependencies', *dependencies)}{more}"
    )


def external(name: str, version: str, *dependencies: str, more: str = "", wheel: str = "aa") -> str:
    return (
        f'\n[[package]]\nname = "{name}"\nversion = "{version}"\n'
        f'source = {{ registry = "https://index.example/simple" }}\n'
        f"{listed('dependencies', *dependencies)}"
        f'sdist = {{ url = "https://files.example/{name}.tar.gz", '
        f'hash = "sha256:{wheel}", size = 1 }}\n'
        f'wheels = [\n    {{ url = "https://files.example/{name}.whl", hash = "sha256:{wheel}", '
        f'size = 10, upload-time = "2026-01-01T00:00:00.000Z" }},\n]\n{more}'
    )


def listed(table: str, *dependencies: str) -> str:
    """A list of edges; each is a name, or the inside of an inline table."""
    if not dependencies:
        return ""
    entries = [d if "=" in d else f'name = "{d}"' for d in dependencies]
    return f"{table} = [\n" + "".join(f"    {{ {e} }},\n" for e in entries) + "]\n"


def extras(**tables: list[str]) -> str:
    return "\n[package.optional-dependencies]\n" + "".join(
        listed(name, *names) for name, names in tables.items()
    )


def groups(**tables: list[str]) -> str:
    return "\n[package.dev-dependencies]\n" + "".join(
        listed(name, *names) for name, names in tables.items()
    )


def workspace(load: Load, *packages: str, members: str = "a b c", head: str = HEAD) -> Any:
    """A workspace whose members are dynamic, so that only the lock file knows its edges."""
    return load(
        {
            "pyproject.toml": ROOT_MANIFEST,
            "uv.lock": head + "".join(packages),
            **{f"packages/{m}/pyproject.toml": DYNAMIC.format(m) for m in members.split()},
        }
    )


# --- edges -----------------------------------------------------------------------------------


def test_dynamic_dependencies_are_known_from_the_lock_file(load: Load) -> None:
    found = workspace(
        load,
        member("a", "b", more=extras(x=["c"])),
        member("b", more=groups(dev=["c"])),
        member("c"),
    )
    assert found.edges("a") == {"b": "runtime", "c": "extra"}
    assert found.edges("b") == {"c": "group"}


def test_manifest_and_lock_file_count_both(load: Load) -> None:
    lock = HEAD + member("a", "c") + member("b") + member("c")
    found = load(
        {
            "pyproject.toml": ROOT_MANIFEST + "[tool.uv.sources]\nb = { workspace = true }\n",
            "uv.lock": lock,
            "packages/a/pyproject.toml": '[project]\nname = "a"\ndependencies = ["b"]\n',
            "packages/b/pyproject.toml": DYNAMIC.format("b"),
            "packages/c/pyproject.toml": DYNAMIC.format("c"),
        }
    )
    assert found.edges("a") == {"b": "runtime", "c": "runtime"}


def test_an_edge_of_another_name_for_a_member_is_found_by_its_place(load: Load) -> None:
    found = load(
        {
            "pyproject.toml": ROOT_MANIFEST,
            "uv.lock": HEAD + member("a", "my-lib") + '\n[[package]]\nname = "my-lib"\n'
            'version = "1"\nsource = { virtual = "packages/b" }\n',
            "packages/a/pyproject.toml": DYNAMIC.format("a"),
            "packages/b/pyproject.toml": DYNAMIC.format("My_Lib"),
        }
    )
    assert found.edges("a") == {"My_Lib": "runtime"}


# --- closures --------------------------------------------------------------------------------


def test_a_closure_follows_external_packages_and_enters_no_member(load: Load) -> None:
    found = workspace(
        load,
        member("a", "b", "x"),
        member("b", "y"),
        member("c"),
        external("x", "1.0", "z"),
        external("y", "2.0"),
        external("z", "3.0", "x"),
    )
    assert found.external("a") == ["x@1.0", "z@3.0"]
    assert found.external("b") == ["y@2.0"]
    assert found.external("c") == []


def test_a_closure_holds_all_extras_and_groups_of_the_member_itself(load: Load) -> None:
    found = workspace(
        load,
        member("a", "w", more=extras(fast=["x"]) + groups(dev=["y"])),
        *(external(name, "1") for name in "wxy"),
        members="a",
    )
    assert found.external("a") == ["w@1", "x@1", "y@1"]


def test_extras_of_external_packages_count_only_where_they_are_asked_for(load: Load) -> None:
    lock = [
        member("a", "x"),
        member("b", 'name = "x", extra = ["fast"]'),
        member("c", "y"),
        external("x", "1", more=extras(fast=["z"], slow=["w"])),
        external("y", "1", 'name = "x", extra = ["slow"]'),
        external("z", "1"),
        external("w", "1"),
    ]
    found = workspace(load, *lock)
    assert found.external("a") == ["x@1"]
    assert found.external("b") == ["x@1", "z@1"]
    assert found.external("c") == ["w@1", "x@1", "y@1"]


def test_every_version_that_an_edge_may_mean_counts(load: Load) -> None:
    lock = [
        member("a", 'name = "x", version = "1"'),
        member("b", "x"),
        external("x", "1"),
        external("x", "2"),
    ]
    found = workspace(load, *lock, members="a b")
    assert found.external("a") == ["x@1"]
    assert found.external("b") == ["x@1", "x@2"]


def test_another_artefact_of_the_same_version_changes_only_the_digest(load: Load) -> None:
    before = workspace(load, member("a", "x"), member("b"), external("x", "1"), members="a b")
    after = workspace(
        load, member("a", "x"), member("b"), external("x", "1", wheel="bb"), members="a b"
    )
    assert before.external("a") == after.external("a") == ["x@1"]
    assert before.digest("a") != after.digest("a")
    assert before.digest("b") == after.digest("b")


def test_another_source_or_marker_changes_the_digest(load: Load) -> None:
    before = workspace(load, member("a", "x"), external("x", "1"), members="a")
    marked = external("x", "1").replace(
        "sdist =", "resolution-markers = [\n    \"python_version < '3'\",\n]\nsdist ="
    )
    mirrored = external("x", "1").replace("index.example", "mirror.example")
    digests = {
        before.digest("a"),
        workspace(load, member("a", "x"), marked, members="a").digest("a"),
        workspace(load, member("a", "x"), mirrored, members="a").digest("a"),
    }
    assert len(digests) == 3


def test_a_change_far_from_a_member_leaves_its_digest(load: Load) -> None:
    lock = [member("a", "x"), member("b", "y"), external("x", "1"), external("y", "1")]
    before = workspace(load, *lock, members="a b")
    after = workspace(load, *lock[:3], external("y", "2"), external("q", "1"), members="a b")
    assert before.digest("a") == after.digest("a")
    assert before.external("b") != after.external("b")


def test_another_commit_of_a_git_source_changes_what_is_external(load: Load) -> None:
    def with_commit(commit: str) -> Any:
        text = external("x", "1").replace(
            'registry = "https://index.example/simple"',
            f'git = "https://host.example/x.git?rev=main#{commit}"',
        )
        return workspace(load, member("a", "x"), text, members="a").external("a")

    assert with_commit("1" * 40) == ["x@1#111111111111"]
    assert with_commit("2" * 40) == ["x@1#222222222222"]


def test_a_root_that_is_no_project_reaches_what_its_groups_ask_for(load: Load) -> None:
    lock = [
        HEAD,
        '\n[manifest]\nmembers = ["a"]\n\n[manifest.dependency-groups]\n',
        listed("dev", "x", 'name = "a", editable = "packages/a"'),
        member("a", "y"),
        external("x", "1"),
        external("y", "1"),
    ]
    found = load(
        {
            "pyproject.toml": ROOT_MANIFEST + '[dependency-groups]\ndev = ["x>=1", "a"]\n'
            "[tool.uv.sources]\na = { workspace = true }\n",
            "uv.lock": "".join(lock),
            "packages/a/pyproject.toml": DYNAMIC.format("a"),
        }
    )
    assert found.external("//") == ["x@1"]
    assert found.edges("//") == {"a": "group"}


def test_a_member_that_is_not_locked_yet_has_its_requirements_as_far_as_they_are(
    load: Load,
) -> None:
    found = load(
        {
            "pyproject.toml": ROOT_MANIFEST,
            "uv.lock": HEAD + external("x", "1", "y") + external("y", "1"),
            "packages/n/pyproject.toml": '[project]\nname = "n"\ndependencies = ["X", "new>=2"]\n'
            '[build-system]\nrequires = ["hatchling"]\n',
        }
    )
    assert found.external("n") == ["new>=2", "x@1", "y@1"]


def test_without_a_lock_file_the_requirements_stand_as_written(load: Load) -> None:
    def loaded(requirement: str) -> Any:
        return load(
            {
                "pyproject.toml": '[project]\nname = "a"\n'
                f'dependencies = ["{requirement}"]\n[build-system]\nrequires = ["hatchling"]\n'
            }
        )

    assert loaded("x >= 1").external("a") == ["hatchling", "x >= 1"]
    assert loaded("x >= 1").digest("a") != loaded("x >= 2").digest("a")


# --- lock files that cannot be used --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEAD + "\n<<<<<<< HEAD\n", "uv.lock:5: is not TOML"),
        (HEAD + external("x", "1") + ">>>>>>> other\n", "uv.lock:13: is not TOML"),
        ("version = 2\n", "uv.lock: has format version 2, not 1"),
        ("", "uv.lock: has format version None, not 1"),
        (
            HEAD + "\n[[package]]\nversion = '1'\n",
            "uv.lock:5: object missing required field `name`",
        ),
    ],
)
def test_a_broken_lock_file_is_reported_and_the_packages_are_there(
    load: Load, text: str, reason: str
) -> None:
    found = workspace(load, head=text, members="a b")
    assert found.part.lock_broken.startswith(reason)
    assert set(found.paths) == {"//", "a", "b"}
    assert found.digest("a") != workspace(load, head=text + "#", members="a b").digest("a")


def test_a_lock_file_that_is_not_utf8_is_broken(load: Load) -> None:
    found = load({"pyproject.toml": ROOT_MANIFEST, "uv.lock": HEAD.encode() + b"# \xff\n"})
    assert found.part.lock_broken == "uv.lock:4: is not UTF-8"


def test_windows_lines_make_no_difference(load: Load) -> None:
    lock = HEAD + member("a", "x") + external("x", "1")
    files = {"pyproject.toml": ROOT_MANIFEST, "packages/a/pyproject.toml": DYNAMIC.format("a")}
    unix = load({**files, "uv.lock": lock})
    windows = load({**files, "uv.lock": lock.replace("\n", "\r\n").encode()})
    assert unix.part == windows.part


# --- in other layouts, and speed ----------------------------------------------------------------


def test_a_lock_file_in_another_layout_is_understood_all_the_same(load: Load) -> None:
    compact = (
        HEAD + '[[package]]\nname="a"\nversion="1"\nsource={editable="packages/a"}\n'
        'dependencies=[{name="x"}]\n  [[package]]\nname="x"\nversion="1"\n'
        'source={registry="https://index.example/simple"}\nwheels=[{url="u",hash="sha256:aa"}]\n'
    )
    files = {"pyproject.toml": ROOT_MANIFEST, "packages/a/pyproject.toml": DYNAMIC.format("a")}
    found = load({**files, "uv.lock": compact})
    assert found.external("a") == ["x@1"]
    other = load({**files, "uv.lock": compact.replace("sha256:aa", "sha256:bb")})
    assert found.digest("a") != other.digest("a")


def large_lock(members: int, externals: int) -> str:
    parts = [HEAD]
    for number in range(members):
        names = [f"x{(number * 7 + step * 13) % externals}" for step in range(6)]
        parts.append(member(f"m{number}", f"m{(number + 1) % members}", *names))
    for number in range(externals):
        names = [f"x{(number * 31 + step * 17) % externals}" for step in range(number % 4)]
        parts.append(external(f"x{number}", "1", *names, more="# \n" * 8))
    return "".join(parts)


def test_forty_thousand_lines_and_a_thousand_members_take_less_than_two_seconds(
    locked: Any, tmp_path: Path
) -> None:
    text = large_lock(1000, 1500)
    assert text.count("\n") > 40_000
    directories = [f"packages/m{number}" for number in range(1000)]
    answers, seconds = [], []
    for _ in range(5):  # from the second time on it is remembered
        started = time.process_time()
        lock = locked({"uv.lock": text}, *directories, memory=lock_memory(str(tmp_path))).lock
        answers.append([lock.closure(directory, ()) for directory in directories])
        lock.save()
        seconds.append(time.process_time() - started)
    assert seconds[0] < 2.0
    assert min(seconds[1:]) < seconds[0] / 2
    assert all(answer == answers[0] for answer in answers)


def test_a_lock_file_is_parsed_once_for_one_content(
    locked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = large_lock(10, 400)

    def closure(content: str, directory: str, *requirements: Any) -> Any:
        memory = lock_memory(str(tmp_path))
        lock = locked({"uv.lock": content}, "packages/m1", "packages/m2", memory=memory).lock
        answer = lock.closure(directory, requirements)
        lock.save()
        return answer

    first = closure(text, "packages/m1")

    def refuse(*_: Any) -> None:
        pytest.fail("the lock file was parsed again")

    with monkeypatch.context() as patched:
        patched.setattr("bao_workspace_python.locks.remembered.make_table", refuse)
        assert closure(text, "packages/m1") == first
        assert closure(text, "packages/m2") != first
        new = closure(text, "packages/new", ("x7", (), "x7>=1"), ("what", (), "what>=2"))
    assert "x7@1" in new.labels
    assert "what>=2" in new.labels
    # With other members it is another question: what is none is entered.
    lock = locked({"uv.lock": text}, "packages/m1", memory=lock_memory(str(tmp_path))).lock
    assert "m2@1" in lock.closure("packages/m1", ()).labels
    changed = text.replace('"x7"\nversion = "1"', '"x7"\nversion = "2"')
    assert "x7@2" in closure(changed, "packages/m1").labels


def test_a_real_lock_file_is_read_the_same_by_both_readers(realworld: Path) -> None:
    data = (realworld / "pydantic-ai/tree/uv.lock").read_bytes()
    assert decode_toml("uv.lock", data) == tomllib.loads(data.decode())
