"""Which packages there are, and who depends on whom."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.errors import WorkspaceError
from bao_core.model import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

Load = Any  # see conftest.py

VIRTUAL_ROOT = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'


def project(name: str, *dependencies: str, more: str = "") -> str:
    listed = ", ".join(f'"{d}"' for d in dependencies)
    return f'[project]\nname = "{name}"\nversion = "1"\ndependencies = [{listed}]\n{more}'


def sources(*names: str) -> str:
    return "[tool.uv.sources]\n" + "".join(f"{n} = {{ workspace = true }}\n" for n in names)


def refused(load: Load, files: Mapping[str, str | bytes]) -> str:
    with pytest.raises(WorkspaceError) as caught:
        load(files)
    return str(caught.value)


# --- members ---------------------------------------------------------------------------------


def test_a_directory_without_a_pyproject_is_no_workspace(load: Load) -> None:
    assert load({"package.json": "{}"}).part.packages == ()


def test_a_pyproject_with_nothing_but_tool_settings_is_no_workspace(load: Load) -> None:
    assert load({"pyproject.toml": "[tool.ruff]\nline-length = 100\n"}).part.packages == ()


def test_a_single_project_is_the_root_package_under_its_own_name(load: Load) -> None:
    found = load({"pyproject.toml": project("solo")})
    assert found.paths == {"solo": ""}
    assert found.part.lock_files == ("uv.lock",)


def test_a_root_without_a_project_is_the_virtual_root(load: Load) -> None:
    found = load({"pyproject.toml": VIRTUAL_ROOT, "packages/a/pyproject.toml": project("a")})
    assert found.paths == {ROOT: "", "a": "packages/a"}


def test_a_root_with_a_project_is_a_package_like_the_others(load: Load) -> None:
    found = load(
        {
            "pyproject.toml": project("top", "a", more=VIRTUAL_ROOT + sources("a")),
            "packages/a/pyproject.toml": project("a"),
        }
    )
    assert found.paths == {"top": "", "a": "packages/a"}
    assert found.edges("top") == {"a": "runtime"}


TREE = "apps/web apps/.hidden libs/a libs/b libs/x1 libs/x1/sub libs/bare vendor/v".split()

MEMBERS = [
    (["libs/*"], [], {"libs/a", "libs/b", "libs/x1"}),
    (["libs/a", "apps/web"], [], {"libs/a", "apps/web"}),
    (["./libs/a/"], [], {"libs/a"}),
    (["libs/*"], ["libs/b"], {"libs/a", "libs/x1"}),
    (["libs/*"], ["libs/x*"], {"libs/a", "libs/b"}),
    (["libs/[ab]"], [], {"libs/a", "libs/b"}),
    (["libs/?1"], [], {"libs/x1"}),
    (["apps/*"], [], {"apps/web", "apps/.hidden"}),
    (["*/*"], ["libs"], {"apps/web", "apps/.hidden", "libs/a", "libs/b", "libs/x1", "vendor/v"}),
    (["libs/a", "libs/x1/*"], ["libs/x*"], {"libs/a"}),
    (["libs/*"], ["libs/**/x1"], {"libs/a", "libs/b"}),
    (["libs/a"], ["libs/a"], set()),
    (["libs/a"], ["./libs/a/"], set()),
]


def member_files(members: list[str], exclude: list[str]) -> dict[str, str]:
    table = f"[tool.uv.workspace]\nmembers = {members}\nexclude = {exclude}\n".replace("'", '"')
    manifests = {
        f"{d}/pyproject.toml": f'[project]\nname = "{d.replace("/", "-").replace(".", "")}"\n'
        'version = "1"\nrequires-python = ">=3.11"\n'
        for d in TREE
        if d != "libs/bare"
    }
    return {"pyproject.toml": table, "libs/bare/__pycache__/x": "", **manifests}


@pytest.mark.parametrize(("members", "exclude", "expected"), MEMBERS)
def test_members_are_what_the_globs_reach_and_the_exclusions_leave(
    load: Load, members: list[str], exclude: list[str], expected: set[str]
) -> None:
    found = load(member_files(members, exclude))
    assert {p.path for p in found.part.packages} - {""} == expected


@pytest.mark.parametrize(("members", "exclude", "expected"), MEMBERS)
def test_uv_itself_finds_the_same_members(
    tmp_path: Path, members: list[str], exclude: list[str], expected: set[str]
) -> None:
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists() and not shutil.which("uv"):
        pytest.skip("uv is not installed")
    files = member_files(members, exclude)
    # uv minds a directory without a manifest; bao leaves it to uv to say so.
    del files["libs/bare/__pycache__/x"]
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    answer = subprocess.run(
        [uv if uv.exists() else "uv", "workspace", "list", "--paths", "--offline"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized subcommand" in answer.stderr:
        pytest.skip("this uv is too old to list members")
    assert answer.returncode == 0, answer.stderr
    listed = {str(Path(line).relative_to(tmp_path.resolve())) for line in answer.stdout.split()}
    assert listed - {"."} == expected


def test_double_stars_reach_every_depth_and_leave_out_environments(load: Load) -> None:
    found = load(
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["libs/**"]\n',
            "libs/a/pyproject.toml": project("a"),
            "libs/deep/er/b/pyproject.toml": project("b"),
            "libs/a/.venv/lib/c/pyproject.toml": project("c"),
            "libs/node_modules/d/pyproject.toml": project("d"),
        }
    )
    assert set(found.paths) == {ROOT, "a", "b"}


def test_a_directory_that_only_a_wildcard_reaches_needs_no_manifest(load: Load) -> None:
    found = load({"pyproject.toml": VIRTUAL_ROOT, "packages/left-over/dist/x.whl": ""})
    assert set(found.paths) == {ROOT}


def test_a_member_named_literally_and_missing_is_an_error_with_its_line(load: Load) -> None:
    text = refused(
        load, {"pyproject.toml": '[tool.uv.workspace]\nmembers = [\n  "packages/gone",\n]\n'}
    )
    assert text.startswith(
        "pyproject.toml:3: workspace member 'packages/gone' has no pyproject.toml"
    )


def test_a_member_that_uv_does_not_manage_is_left_out(load: Load) -> None:
    found = load(
        {
            "pyproject.toml": VIRTUAL_ROOT,
            "packages/a/pyproject.toml": "[project]\nname = 'a'\n[tool.uv]\nmanaged = false\n",
        }
    )
    assert set(found.paths) == {ROOT}


def test_a_member_without_a_project_table_is_an_error(load: Load) -> None:
    text = refused(
        load, {"pyproject.toml": VIRTUAL_ROOT, "packages/a/pyproject.toml": "[tool.ruff]\n"}
    )
    assert "packages/a/pyproject.toml" in text
    assert "[project]" in text


def test_two_packages_whose_names_differ_only_in_spelling_are_an_error(load: Load) -> None:
    text = refused(
        load,
        {
            "pyproject.toml": VIRTUAL_ROOT,
            "packages/a/pyproject.toml": project("My.Lib"),
            "packages/b/pyproject.toml": project("my_lib"),
        },
    )
    assert text.startswith("packages/b/pyproject.toml:2: ")
    assert "packages/a/pyproject.toml" in text


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        ("[project]\nname = 'a'\nversion = = 1\n", ":3: ", "is not TOML"),
        ("[project]\nname = 'a'\nversion = '1\n", ":3: ", "is not TOML"),
        ("[project]\nname = 'a'\n\n[project]\nname = 'b'\n", ":4: ", "is not TOML"),
        ("[project]\nversion = '1'\n", ":1: ", "`name`"),
        ("[project]\nname = 3\n", ":2: ", "project.name"),
        ("[project]\nname = 'a'\n\ndependencies = 'b'\n", ":4: ", "project.dependencies"),
        (b"[project]\nname = 'a'\n# \xff\n", ":3: ", "is not UTF-8"),
        ("[project]\nname = 'a'\ndependencies = [\n  '>=1',\n]\n", ":4: ", "does not start"),
        ("[project]\nname = 'a'\n[dependency-groups]\nx = [{include-group='y'}]\n", ":4: ", "'y'"),
        ("[tool.uv.workspace]\nmembers = ['a[']\n", ":2: ", "a["),
    ],
)
def test_a_broken_manifest_is_named_with_its_line(
    load: Load, content: str | bytes, place: str, reason: str
) -> None:
    text = refused(load, {"pyproject.toml": content})
    assert text.startswith(f"pyproject.toml{place}")
    assert reason in text


def test_byte_order_marks_and_windows_lines_are_fine(load: Load) -> None:
    content = b"\xef\xbb\xbf" + project("solo").replace("\n", "\r\n").encode()
    assert load({"pyproject.toml": content}).paths == {"solo": ""}


# --- edges -----------------------------------------------------------------------------------


def edges(load: Load, manifest: str, *, root: str = VIRTUAL_ROOT) -> dict[str, str]:
    """The edges of a package `a` beside packages `b` and `C_c`."""
    found = load(
        {
            "pyproject.toml": root,
            "packages/a/pyproject.toml": manifest,
            "packages/b/pyproject.toml": project("b"),
            "packages/c/pyproject.toml": project("C_c"),
        }
    )
    kinds: dict[str, str] = found.edges("a")
    return kinds


def test_each_kind_of_requirement_makes_an_edge_of_its_kind(load: Load) -> None:
    assert edges(load, project("a", "b>=1")) == {"b": "runtime"}
    more = '[project.optional-dependencies]\nx = ["b"]\n'
    assert edges(load, project("a", more=more)) == {"b": "extra"}
    more = '[dependency-groups]\ntest = ["pytest", "b"]\n'
    assert edges(load, project("a", more=more)) == {"b": "group"}
    more = '[dependency-groups]\ntest = ["b"]\ndev = [{ include-group = "test" }]\n'
    assert edges(load, project("a", more=more)) == {"b": "group"}
    more = '[tool.uv]\ndev-dependencies = ["b"]\n'
    assert edges(load, project("a", more=more)) == {"b": "group"}
    more = '[build-system]\nrequires = ["b"]\n'
    assert edges(load, project("a", more=more)) == {"b": "build"}


def test_an_edge_is_an_extra_one_only_if_nothing_else_makes_it(load: Load) -> None:
    optional = '[project.optional-dependencies]\nx = ["b"]\n'
    group = '[dependency-groups]\ntest = ["b"]\n'
    assert edges(load, project("a", "b", more=optional + group)) == {"b": "runtime"}
    assert edges(load, project("a", more=optional + group)) == {"b": "group"}


def test_names_are_compared_as_indexes_do_and_kept_as_written(load: Load) -> None:
    assert edges(load, project("a", "c.C[fast]>=1; python_version > '3'")) == {"C_c": "runtime"}


def test_the_sources_of_the_root_hold_for_members(load: Load) -> None:
    root = VIRTUAL_ROOT + '[tool.uv.sources]\nb = { git = "https://host.example/b" }\n'
    assert edges(load, project("a", "b"), root=root) == {}
    assert edges(load, project("a", "b", more=sources("b")), root=root) == {"b": "runtime"}


def test_a_requirement_from_elsewhere_is_no_edge(load: Load) -> None:
    more = '[tool.uv.sources]\nb = { index = "company" }\n'
    assert edges(load, project("a", "b", more=more)) == {}


def test_one_of_several_sources_is_enough_for_an_edge(load: Load) -> None:
    more = (
        "[tool.uv.sources]\nb = [\n"
        '  { git = "https://host.example/b", marker = "sys_platform == \'darwin\'" },\n'
        "  { workspace = true },\n]\n"
    )
    assert edges(load, project("a", "b", more=more)) == {"b": "runtime"}


def test_a_path_source_makes_an_edge_to_the_member_there(load: Load) -> None:
    more = '[tool.uv.sources]\nb = { path = "../b", editable = true }\n'
    assert edges(load, project("a", "b", more=more)) == {"b": "runtime"}


def test_what_a_path_source_points_to_is_a_package_even_if_no_glob_reaches_it(load: Load) -> None:
    found = load(
        {
            "pyproject.toml": project(
                "top", "v", more='[tool.uv.sources]\nv = {path = "vendor/v"}\n'
            ),
            "vendor/v/pyproject.toml": project(
                "v", "w", more='[tool.uv.sources]\nw = { path = "../w" }\n'
            ),
            "vendor/w/pyproject.toml": project("w"),
        }
    )
    assert found.paths == {"top": "", "v": "vendor/v", "w": "vendor/w"}
    assert found.edges("top") == {"v": "runtime"}
    assert found.edges("v") == {"w": "runtime"}


def test_a_path_source_outside_of_the_workspace_is_external(load: Load) -> None:
    more = '[tool.uv.sources]\nx = { path = "../../../x" }\ny = { path = "/opt/y" }\n'
    assert edges(load, project("a", "x", "y", more=more)) == {}


def test_an_extra_that_asks_for_another_extra_of_its_package_is_no_edge(load: Load) -> None:
    more = '[project.optional-dependencies]\nall = ["a[x]"]\nx = []\n'
    assert edges(load, project("a", more=more)) == {}


def test_a_workspace_source_without_a_member_names_near_misses(load: Load) -> None:
    text = refused(
        load,
        {
            "pyproject.toml": VIRTUAL_ROOT,
            "packages/a/pyproject.toml": project("a", "my-libb", more=sources("my_libb")),
            "packages/b/pyproject.toml": project("my-lib"),
        },
    )
    assert text.startswith("packages/a/pyproject.toml:6: 'my-libb' ")
    assert "did you mean my-lib?" in text


def test_a_workspace_source_that_nothing_uses_is_let_be(load: Load) -> None:
    assert edges(load, project("a", more=sources("gone"))) == {}


# --- the rest of a package ---------------------------------------------------------------------


def test_a_package_brings_its_tables_its_version_and_its_programs(load: Load) -> None:
    found = load(
        {
            "pyproject.toml": project("top", more=VIRTUAL_ROOT),
            "packages/a/pyproject.toml": project(
                "a", more='[tool.bao.tasks.test]\ncommand = "x"\n'
            ),
        }
    )
    package = found.packages["a"]
    assert package.provider == "python"
    assert package.manifest == "packages/a/pyproject.toml"
    assert package.version == "1"
    assert package.config == {"tasks": {"test": {"command": "x"}}}
    assert (package.config_path, package.config_key) == ("packages/a/pyproject.toml", "tool.bao")
    assert package.bin_directories == ("packages/a/.venv/bin", ".venv/bin")
    assert found.packages["top"].bin_directories == (".venv/bin",)


def test_a_thousand_manifests_are_read_within_a_second(load: Load) -> None:
    files = {"pyproject.toml": VIRTUAL_ROOT}
    for number in range(1000):
        below = f"p{number - 1}" if number else "six"
        files[f"packages/p{number}/pyproject.toml"] = project(
            f"p{number}", below, "requests>=2", more=sources(below) if number else ""
        )
    started = time.process_time()
    found = load(files)
    assert time.process_time() - started < 1
    assert found.edges("p7") == {"p6": "runtime"}
