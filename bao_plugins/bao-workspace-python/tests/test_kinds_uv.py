"""uv: workspaces inside of other directories, sources of every kind, groups, unmanaged members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bao_core.errors import WorkspaceError
from bao_core.model import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

Load = Any  # see conftest.py

ROOT_MANIFEST = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'


def project(name: str, *dependencies: str, more: str = "") -> str:
    listed = ", ".join(f'"{d}"' for d in dependencies)
    return f'[project]\nname = "{name}"\nversion = "1"\ndependencies = [{listed}]\n{more}'


def source(name: str, entry: str) -> str:
    return f"[tool.uv.sources]\n{name} = {entry}\n"


def edges(load: Load, more: str, *dependencies: str) -> dict[str, str]:
    """The edges of a member `a` beside a member `b` and a directory that is no member."""
    found = load(
        {
            "pyproject.toml": ROOT_MANIFEST,
            "packages/a/pyproject.toml": project("a", *(dependencies or ("b",)), more=more),
            "packages/b/pyproject.toml": project("b"),
            "other/pyproject.toml": project("other"),
        }
    )
    kinds: dict[str, str] = found.edges("a")
    return kinds


@pytest.mark.parametrize(
    "entry",
    [
        "{ workspace = true }",
        "{ workspace = true, editable = false }",
        '{ path = "../b" }',
        '{ path = "../b", editable = true, package = true }',
        '{ path = "./../b/" }',
        "[{ workspace = true, marker = \"os_name == 'nt'\" }, { index = 'x', extra = 'e' }]",
        "[{ index = 'x', extra = 'e' }, { workspace = true, group = 'g' }]",
        '[{ path = "../b", extra = "cpu" }, { git = "https://host.example/b", extra = "gpu" }]',
        '{ path = "/somewhere/packages/b" }',
    ],
)
def test_a_source_that_leads_to_a_member_is_an_edge(load: Load, entry: str) -> None:
    assert edges(load, source("b", entry)) == {"b": "runtime"}


@pytest.mark.parametrize(
    "entry",
    [
        '{ git = "https://host.example/b", tag = "v1", subdirectory = "b" }',
        '{ url = "https://host.example/b-1.tar.gz" }',
        '{ index = "company" }',
        '{ path = "../../dist/b-1-py3-none-any.whl" }',
        '[{ index = "one", marker = "os_name == \'nt\'" }, { index = "two" }]',
    ],
)
def test_a_source_from_elsewhere_is_none_though_a_member_has_the_name(
    load: Load, entry: str
) -> None:
    assert edges(load, source("b", entry)) == {}


def test_a_path_source_takes_in_what_no_glob_reaches(load: Load) -> None:
    more = source("other", '{ path = "../../other" }')
    assert edges(load, more, "other") == {"other": "runtime"}


def test_an_address_in_the_requirement_counts_before_the_name(load: Load) -> None:
    assert edges(load, "", "b @ https://host.example/b-1.tar.gz") == {}
    assert edges(load, "", "b @ git+https://host.example/b") == {}
    assert edges(load, "", "b[fast] @ file:///checkout/packages/b ; python_version > '3'") == {
        "b": "runtime"
    }


def test_what_makes_no_distribution_is_a_package_all_the_same(load: Load) -> None:
    found = load(
        {
            "pyproject.toml": project("top", more=ROOT_MANIFEST + "[tool.uv]\npackage = false\n"),
            "packages/a/pyproject.toml": project("a", more="[tool.uv]\npackage = false\n"),
        }
    )
    assert found.paths == {"top": "", "a": "packages/a"}


def test_groups_count_with_those_they_include(load: Load) -> None:
    more = """\
[dependency-groups]
Dev = [{ include-group = "lint_and" }, { include-group = "test" }]
lint-and = ["ruff"]
test = ["pytest>=8", "b"]
"""
    assert edges(load, more, "x") == {"b": "group"}


@pytest.mark.parametrize(
    ("groups", "line", "circle"),
    [
        ('a = [{include-group = "a"}]', 6, "a -> a"),
        ('a = [{include-group = "b"}]\nb = [{include-group = "A"}]', 6, "a -> b -> a"),
        (
            (
                'x = []\na = [{include-group = "b"}]\nb = ["q", {include-group = "c"}]\n'
                'c = [{include-group = "x"}, {include-group = "a"}]'
            ),
            7,
            "a -> b -> c -> a",
        ),
    ],
)
def test_groups_that_include_each_other_in_a_circle_are_named(
    load: Load, groups: str, line: int, circle: str
) -> None:
    with pytest.raises(WorkspaceError) as caught:
        load({"pyproject.toml": project("solo", more=f"[dependency-groups]\n{groups}\n")})
    assert str(caught.value).startswith(f"pyproject.toml:{line}: ")
    assert caught.value.message.endswith(f"in a circle: {circle}")


def test_many_groups_that_share_what_they_include_take_no_time(load: Load) -> None:
    groups = "".join(
        f'g{n} = [{{include-group = "g{n + 1}"}}, {{include-group = "h{n + 1}"}}]\n'
        f'h{n} = [{{include-group = "g{n + 1}"}}, {{include-group = "h{n + 1}"}}]\n'
        for n in range(60)
    )
    more = f'[dependency-groups]\n{groups}g60 = ["b"]\nh60 = []\n'
    assert edges(load, more, "x") == {"b": "group"}


def test_a_root_that_only_declares_a_workspace_is_enough(load: Load) -> None:
    found = load({"pyproject.toml": "[tool.uv.workspace]\nmembers = []\n"})
    assert found.paths == {ROOT: ""}


def test_a_declared_workspace_takes_nothing_but_its_members(load: Load) -> None:
    found = load(
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\nexclude = ["**/x"]\n',
            "packages/a/pyproject.toml": project("a"),
            "packages/x/pyproject.toml": project("x"),
            "packages/a/tests/fixtures/pyproject.toml": project("a"),
            "examples/a/pyproject.toml": "broken [",
            "tools/t/pyproject.toml": project("t"),
        }
    )
    assert found.paths == {ROOT: "", "a": "packages/a"}


# --- workspaces below the root -----------------------------------------------------------------


def nested(**more: str) -> dict[str, str]:
    """Two workspaces side by side in a repository, and a package beside them."""
    return {
        "one/pyproject.toml": project(
            "one-app",
            "one-lib",
            more='[tool.uv.workspace]\nmembers = ["libs/*"]\nexclude = ["libs/old"]\n'
            "[tool.uv.sources]\none-lib = { workspace = true }\n",
        ),
        "one/libs/lib/pyproject.toml": project("one-lib"),
        "one/libs/old/pyproject.toml": project("one-lib"),
        "one/scratch/pyproject.toml": project("scratch"),
        "two/pyproject.toml": '[tool.uv.workspace]\nmembers = ["*"]\n',
        "two/x/pyproject.toml": project(
            "two-x", "two-y", more=source("two-y", "{ workspace = true }")
        ),
        "two/y/pyproject.toml": project("two-y"),
        "beside/pyproject.toml": project("beside"),
        **more,
    }


def test_workspaces_side_by_side_are_found_with_their_members(load: Load) -> None:
    found = load(nested())
    assert found.paths == {
        "beside": "beside",
        "one-app": "one",
        "one-lib": "one/libs/lib",
        "two-x": "two/x",
        "two-y": "two/y",
    }
    assert found.edges("one-app") == {"one-lib": "runtime"}
    assert found.edges("two-x") == {"two-y": "runtime"}


def lock(*packages: str) -> str:
    return "version = 1\nrevision = 3\n" + "".join(packages)


def entry(name: str, where: str, *dependencies: str) -> str:
    listed = ", ".join(f'{{ name = "{d}" }}' for d in dependencies)
    return (
        f'\n[[package]]\nname = "{name}"\nversion = "1"\nsource = {{ {where} }}\n'
        f"dependencies = [{listed}]\n"
    )


INDEX = 'registry = "https://index.example/simple"'


def test_each_workspace_is_locked_by_its_own_lock_file(load: Load) -> None:
    files = nested(
        **{
            "one/uv.lock": lock(
                entry("one-app", 'editable = "."', "one-lib"),
                entry("one-lib", 'editable = "libs/lib"', "anyio"),
                entry("anyio", INDEX, "idna"),
                entry("idna", INDEX),
            ),
            "two/uv.lock": lock(
                entry("two-x", 'virtual = "x"', "two-y", "attrs"),
                entry("two-y", 'editable = "y"', "idna"),
                entry("attrs", INDEX),
                entry("idna", INDEX).replace('version = "1"', 'version = "2"'),
            ),
        }
    )
    found = load(files)
    assert found.external("one-lib") == ["anyio@1", "idna@1"]
    assert found.external("two-x") == ["attrs@1"]
    assert found.external("two-y") == ["idna@2"]
    assert found.part.lock_files == ("one/uv.lock", "two/uv.lock")
    changed = {**files, "two/uv.lock": files["two/uv.lock"].replace('"attrs"', '"attrz"')}
    again = load(changed)
    same = {n for n in found.packages if again.digest(n) == found.digest(n)}
    assert same == {"one-app", "one-lib", "two-y", "beside"}


def test_a_lock_file_that_was_left_in_a_member_does_not_count(load: Load) -> None:
    files = {
        "pyproject.toml": ROOT_MANIFEST,
        "uv.lock": lock(entry("a", 'virtual = "packages/a"', "idna"), entry("idna", INDEX)),
        "packages/a/pyproject.toml": project("a", "idna"),
        "packages/a/uv.lock": lock(entry("idna", INDEX).replace('"1"', '"9"')),
    }
    assert load(files).external("a") == ["idna@1"]


def test_the_root_of_a_workspace_without_a_lock_file_is_as_its_members_are(load: Load) -> None:
    files = nested(**{"uv.lock": lock(entry("one-lib", INDEX), entry("idna", INDEX))})
    files["one/pyproject.toml"] = files["one/pyproject.toml"].replace('"one-lib"]', '"idna"]')
    files["one/libs/lib/pyproject.toml"] = project("one-lib", "idna")
    found = load(files)
    assert found.external("one-app") == found.external("one-lib") == ["idna"]


def test_the_sources_of_a_nested_root_hold_for_its_members_alone(load: Load) -> None:
    files = nested()
    files["two/pyproject.toml"] += '[tool.uv.sources]\none-lib = { index = "company" }\n'
    for path in ("two/y/pyproject.toml", "beside/pyproject.toml"):
        files[path] = files[path].replace("[]", '["one-lib"]')
    found = load(files)
    assert found.edges("two-y") == {}
    assert found.edges("beside") == {"one-lib": "runtime"}


def test_a_directory_may_have_the_signs_of_a_glob_in_its_name(load: Load) -> None:
    found = load(
        {
            "w[1]/pyproject.toml": ROOT_MANIFEST,
            "w[1]/packages/a/pyproject.toml": project("a"),
            "w1/packages/b/pyproject.toml": project("b"),
        }
    )
    assert found.paths == {"a": "w[1]/packages/a", "b": "w1/packages/b"}


def test_dynamic_dependencies_come_from_the_lock_file_of_the_same_workspace(load: Load) -> None:
    dynamic = '[project]\nname = "one-app"\ndynamic = ["dependencies", "version"]\n'
    files = nested(
        **{
            "one/pyproject.toml": dynamic + '[tool.uv.workspace]\nmembers = ["libs/*"]\n'
            'exclude = ["libs/old"]\n',
            "one/uv.lock": lock(
                entry("one-app", 'editable = "."', "one-lib"),
                entry("one-lib", 'editable = "libs/lib"'),
            ),
        }
    )
    assert load(files).edges("one-app") == {"one-lib": "runtime"}


def test_a_broken_lock_file_below_the_root_is_said_with_its_place(load: Load) -> None:
    shared = load(nested(**{"two/uv.lock": "version = 1\n<<<<<<<\n"}))
    assert shared.part.lock_broken.startswith("two/uv.lock:2: ")
    alone = load(nested(**{"beside/uv.lock": "version = 1\n<<<<<<<\n"}))
    assert alone.part.lock_broken == ""
    assert [note for note in alone.part.notes if note.startswith("beside/uv.lock:2: ")]


def test_a_path_into_another_workspace_brings_that_with_it(load: Load) -> None:
    more = 'members = []\n[tool.uv.sources]\ntwo-x = { path = "two/x" }\n'
    found = load(
        nested(**{"pyproject.toml": project("top", "two-x", more=f"[tool.uv.workspace]\n{more}")})
    )
    assert found.paths == {"top": "", "two-x": "two/x", "two-y": "two/y"}
    assert found.edges("top") == {"two-x": "runtime"}


def test_what_another_project_locks_counts_for_whoever_uses_a_package_of_it(load: Load) -> None:
    """The environment of `beside` holds what its own lock file says of everything in it."""
    files = nested(
        **{
            "beside/pyproject.toml": project(
                "beside", "two-y", more=source("two-y", '{ path = "../two/y" }')
            ),
            "beside/uv.lock": lock(
                entry("beside", 'editable = "."', "two-y"),
                entry("two-y", 'directory = "../two/y"', "idna"),
                entry("idna", INDEX),
            ),
        }
    )
    found = load(files)
    assert found.edges("beside") == {"two-y": "runtime"}
    assert "idna@1" in found.external("beside")


def refused(load: Load, files: Mapping[str, str]) -> str:
    with pytest.raises(WorkspaceError) as caught:
        load(files)
    return str(caught.value)


def test_a_member_that_is_missing_is_looked_for_below_its_own_root(load: Load) -> None:
    text = refused(
        load, nested(**{"one/pyproject.toml": '[tool.uv.workspace]\nmembers = ["libs/gone"]\n'})
    )
    assert text.startswith(
        "one/pyproject.toml:2: workspace member 'libs/gone' has no pyproject.toml"
    )
