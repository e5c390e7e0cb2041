"""Which packages there are, what they bring, and who depends on whom."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bao_core.errors import WorkspaceError
from bao_core.model import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Load = Any  # see conftest.py


def manifest(name: str | None, **fields: Any) -> str:
    named = {} if name is None else {"name": name, "version": "1.0.0"}
    return json.dumps({**named, **fields})


def root(*globs: str, **fields: Any) -> str:
    return manifest("root", workspaces=list(globs or ("packages/*",)), **fields)


def refused(load: Load, files: Mapping[str, str | bytes]) -> str:
    with pytest.raises(WorkspaceError) as caught:
        load(files)
    return str(caught.value)


# --- packages --------------------------------------------------------------------------------


def test_a_directory_without_a_manifest_is_no_workspace(load: Load) -> None:
    assert load({"pyproject.toml": "", "packages/a/package.json": "{}"}).part.packages == ()


def test_a_manifest_alone_is_a_workspace_of_one_package(load: Load) -> None:
    found = load({"package.json": "{}", "packages/a/package.json": manifest("a")})
    assert found.paths == {ROOT: ""}
    assert set(found.packages[ROOT].environment) == {"npm_config_user_agent"}


def test_the_root_is_called_by_no_name_of_its_own(load: Load) -> None:
    found = load(
        {
            "package.json": root(devDependencies={"a": "*"}),
            "packages/a/package.json": manifest("a"),
        }
    )
    assert found.paths == {ROOT: "", "a": "packages/a"}
    assert found.edges(ROOT) == {"a": "dev"}
    assert found.packages[ROOT].manifest == "package.json"


def test_a_glob_that_reaches_the_root_makes_it_a_package_of_its_name(load: Load) -> None:
    found = load({"package.json": root("."), "packages/a/package.json": manifest("a")})
    assert found.paths == {"root": ""}


def test_a_name_in_a_literal_glob_that_is_not_there_is_no_package(load: Load) -> None:
    assert load({"package.json": root("packages/gone")}).paths == {ROOT: ""}


def test_an_exclusion_counts_wherever_it_stands_and_for_what_lies_below(load: Load) -> None:
    files = {
        f"packages/{path}/package.json": manifest(path.replace("/", "-"))
        for path in ("a", "a/inner", "ab", "b")
    }
    found = load({"package.json": root("!packages/a", "packages/**"), **files})
    assert set(found.paths) == {ROOT, "ab", "b"}


def test_a_package_that_is_named_outright_cannot_be_excluded(load: Load) -> None:
    files = {f"packages/{path}/package.json": manifest(path[-1]) for path in ("a", "a/b", "c")}
    found = load({"package.json": root("packages/a/b", "packages/*", "!packages/a/**"), **files})
    assert set(found.paths) == {ROOT, "b", "c"}


def test_a_glob_may_begin_with_a_slash(load: Load) -> None:
    found = load({"package.json": root("/packages/*"), "packages/a/package.json": manifest("a")})
    assert set(found.paths) == {ROOT, "a"}


@pytest.mark.parametrize(
    ("version", "npmrc", "setting", "linked"),
    [
        ("8.15.0", "", "false", True),
        ("8.15.0", "link-workspace-packages=false", "true", False),
        ("10.0.0", "link-workspace-packages=false", "true", True),
        ("10.0.0", "", "deep", True),
        ("10.0.0", "link-workspace-packages=true", "false", False),
    ],
)
def test_pnpm_reads_settings_beside_the_globs_only_since_it_links_less(
    load: Load, version: str, npmrc: str, setting: str, linked: bool
) -> None:
    found = load(
        {
            "package.json": manifest("root", packageManager=f"pnpm@{version}"),
            "pnpm-workspace.yaml": f"packages: ['packages/*']\nlinkWorkspacePackages: {setting}\n",
            ".npmrc": f"{npmrc}\n",
            "packages/a/package.json": manifest("a", version="1.0.0"),
            "packages/b/package.json": manifest("b", dependencies={"a": "^1.0.0"}),
        }
    )
    assert found.edges("b") == ({"a": "runtime"} if linked else {})


def test_a_workspace_that_links_back_up_is_walked_to_an_end(load: Load, tmp_path: Path) -> None:
    from bao_workspace_node.provider import NodeWorkspace

    from bao_core.worktree.trees import WorktreeTree

    inside = tmp_path / "packages/a"
    inside.mkdir(parents=True)
    (tmp_path / "package.json").write_text('{"workspaces": ["packages/**"]}')
    (inside / "package.json").write_text(manifest(None))
    (inside / "up").symlink_to("..")
    (inside / "top").symlink_to("../..")
    part = NodeWorkspace().load(WorktreeTree(str(tmp_path), None))
    assert [package.name for package in part.packages] == [ROOT]


def test_two_packages_of_one_name_are_an_error_naming_both(load: Load) -> None:
    text = refused(
        load,
        {
            "package.json": root(),
            "packages/a/package.json": '{\n "name": "x"\n}',
            "packages/b/package.json": '{\n "name": "x"\n}',
        },
    )
    assert text.startswith("packages/b/package.json:2: two packages are called 'x': ")
    assert "packages/a/package.json" in text


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        ('{\n "name": "a",\n}', ":3: ", "is not JSON"),
        ('{\n "name"', ":2: ", "is not JSON"),
        ("", ":1: ", "is not JSON"),
        ("[]", ": ", "expected `object`"),
        ('{\n "name": 3\n}', ":2: ", "in name"),
        ('{\n "name": "a",\n "dependencies": []\n}', ":3: ", "in dependencies"),
        ('{\n "workspaces": [1]\n}', ":2: ", "in workspaces[0]"),
        (b'{\n "name": "\xff"\n}', ":2: ", "is not JSON"),
    ],
)
def test_a_broken_manifest_is_named_with_its_line(
    load: Load, content: str | bytes, place: str, reason: str
) -> None:
    for path in ("package.json", "packages/a/package.json"):
        text = refused(load, {"package.json": root(), path: content})
        assert text.startswith(f"{path}{place}")
        assert reason in text


def test_a_broken_glob_is_named(load: Load) -> None:
    assert "packages/[a" in refused(load, {"package.json": root("packages/[a")})


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("packages:\n  - [\n", "pnpm-workspace.yaml:3: "),
        ("packages: 3\n", "pnpm-workspace.yaml:1: "),
    ],
)
def test_broken_yaml_is_named_with_its_line(load: Load, content: str, place: str) -> None:
    text = refused(load, {"package.json": "{}", "pnpm-workspace.yaml": content})
    assert text.startswith(place)


def test_the_package_manager_is_told_by_its_files_where_no_manifest_names_it(load: Load) -> None:
    files = {"packages/a/package.json": manifest("a"), "apps/b/package.json": manifest("b")}
    pnpm = {**files, "package.json": root(), "pnpm-workspace.yaml": "packages: [apps/*]\n"}
    assert set(load(pnpm).paths) == {ROOT, "b"}
    assert load(pnpm).part.lock_files == ("pnpm-lock.yaml",)
    yarn = {**files, "package.json": root(), "yarn.lock": ""}
    assert load(yarn).part.lock_files == ("yarn.lock",)
    engines = {"packageManager": {"name": "bun", "version": "^1.2.0"}}
    bun = {**files, "package.json": root(devEngines=engines)}
    assert load(bun).part.lock_files == ("bun.lock", "bun.lockb")
    assert load({**files, "package.json": root()}).part.lock_files == (
        "npm-shrinkwrap.json",
        "package-lock.json",
    )


# --- what a package brings ---------------------------------------------------------------------


def test_scripts_are_tasks_unless_they_do_nothing(load: Load) -> None:
    scripts = {"build": "tsc", "empty": "", "blank": "  ", "//": ["a remark"]}
    found = load(
        {"package.json": root(), "packages/a/package.json": manifest("a", scripts=scripts)}
    )
    package = found.packages["a"]
    assert package.scripts == {"build": "tsc"}
    assert package.script_source == "package.json scripts"


def test_a_package_brings_its_tables_its_variables_and_its_programs(load: Load) -> None:
    bao = {"tasks": {"build": {"outputs": ["dist"]}}}
    found = load(
        {"package.json": root("libs/x/*"), "libs/x/a/package.json": manifest("@s/a", bao=bao)}
    )
    package = found.packages["@s/a"]
    assert package.provider == "node"
    assert package.version == "1.0.0"
    assert package.config == bao
    assert (package.config_path, package.config_key) == ("libs/x/a/package.json", "bao")
    agent = package.environment.pop("npm_config_user_agent")
    assert agent.startswith("npm/")
    assert package.environment == {"npm_package_name": "@s/a", "npm_package_version": "1.0.0"}
    assert package.bin_directories == (
        "libs/x/a/node_modules/.bin",
        "libs/x/node_modules/.bin",
        "libs/node_modules/.bin",
        "node_modules/.bin",
    )
    assert found.packages[ROOT].bin_directories == ("node_modules/.bin",)


# --- edges -----------------------------------------------------------------------------------


def edges(load: Load, *, version: str = "1.2.3", **fields: Any) -> Any:
    """The edges of a package `a` beside a package `b`."""
    other = {"name": "b", "version": version} if version else {"name": "b"}
    return load(
        {
            "package.json": root(),
            "packages/a/package.json": manifest("a", **fields),
            "packages/b/package.json": json.dumps(other),
        }
    ).edges("a")


def test_edges_have_kinds_and_the_first_of_several_counts(load: Load) -> None:
    assert edges(load, dependencies={"b": "*"}, devDependencies={"b": "*"}) == {"b": "runtime"}
    assert edges(load, devDependencies={"b": "*"}) == {"b": "dev"}
    assert edges(load, optionalDependencies={"b": "*"}) == {"b": "optional"}
    assert edges(load, peerDependencies={"b": "*"}) == {}


def test_a_package_that_depends_on_itself_has_that_edge(load: Load) -> None:
    assert edges(load, dependencies={"a": "*"}) == {"a": "runtime"}


@pytest.mark.parametrize(
    ("version", "specification", "internal"),
    [
        ("1.2.3", "^1.0.0", True),
        ("1.2.3", "~1.2", True),
        ("1.2.3", "1.x", True),
        ("1.2.3", "1.0.0 - 1.2", True),
        ("1.2.3", ">=1.3 || <1.2.4", True),
        ("1.2.3", "=1.2.3", True),
        ("1.2.3", "^2", False),
        ("0.3.0", "^0.2.0", False),
        ("1.3.0-beta.1", "^1.2.0", False),
        ("1.2.3-beta.2", "^1.2.3-beta.1", True),
        ("", "^1.0.0", False),
        ("", "latest", False),
        ("", "*", True),
        ("1.2.3", "next", True),
        ("1.2.3", "user/b", True),
        ("1.2.3", "github:user/b", False),
        ("1.2.3", "file:../b", True),
        ("1.2.3", "file:../b/", True),
        ("1.2.3", "link:./../b", True),
        ("1.2.3", "file:../b/dist", True),
        ("1.2.3", "file:../../../b", False),
        ("1.2.3", "workspace:^9", True),
        ("1.2.3", "workspace:", True),
    ],
)
def test_a_specification_is_internal_if_the_package_here_is_what_it_asks_for(
    load: Load, version: str, specification: str, internal: bool
) -> None:
    found = edges(load, version=version, dependencies={"b": specification})
    assert found == ({"b": "runtime"} if internal else {})


def test_a_scoped_package_may_stand_behind_an_alias(load: Load) -> None:
    files = {"package.json": root(), "packages/s/package.json": manifest("@s/b")}
    for specification in ("workspace:@s/b@*", "workspace:@s/b", "workspace:../s"):
        own = manifest("a", dependencies={"other": specification})
        assert load({**files, "packages/a/package.json": own}).edges("a") == {"@s/b": "runtime"}


def test_catalogs_of_bun_are_looked_up(load: Load) -> None:
    table = {"packages": ["packages/*"], "catalog": {"b": "^1"}, "catalogs": {"old": {"b": "^0.1"}}}
    files = {
        "package.json": manifest("root", workspaces=table, packageManager="bun@1.2.0"),
        "packages/b/package.json": manifest("b"),
    }
    for specification, found in (("catalog:", {"b": "runtime"}), ("catalog:old", {})):
        own = manifest("a", dependencies={"b": specification})
        assert load({**files, "packages/a/package.json": own}).edges("a") == found


def pnpm_edges(load: Load, settings: str, specification: str, **files: str) -> Any:
    """The edges of a package `a` beside a package `b`, with pnpm of an unknown version."""
    return load(
        {
            "package.json": "{}",
            "pnpm-workspace.yaml": f"packages: [packages/*]\n{settings}",
            "packages/a/package.json": manifest("a", dependencies={"b": specification}),
            "packages/b/package.json": manifest("b"),
            **files,
        }
    ).edges("a")


def test_the_lock_file_tells_whether_pnpm_links_where_nothing_else_does(load: Load) -> None:
    for version, internal in (("'9.0'", False), ("'6.0'", True), ("5.4", True)):
        lock = {"pnpm-lock.yaml": f"lockfileVersion: {version}\n"}
        assert bool(pnpm_edges(load, "", "^1.0.0", **lock)) is internal
    assert pnpm_edges(load, "", "^1.0.0") == {}


def test_what_the_workspace_file_of_pnpm_says_of_linking_holds(load: Load) -> None:
    lock = {"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"}
    assert pnpm_edges(load, "linkWorkspacePackages: false\n", "^1.0.0", **lock) == {}
    assert pnpm_edges(load, "linkWorkspacePackages: deep\n", "^1.0.0") == {"b": "runtime"}


def test_the_default_catalog_may_stand_under_its_name(load: Load) -> None:
    for catalog in ("catalog:\n  b: workspace:*\n", "catalogs:\n  default:\n    b: workspace:*\n"):
        for specification in ("catalog:", "catalog:default"):
            assert pnpm_edges(load, catalog, specification) == {"b": "runtime"}


def test_values_that_are_no_text_are_taken_for_remarks(load: Load) -> None:
    assert edges(load, dependencies={"b": "*", "//": ["why"], "c": {"x": 1}}) == {"b": "runtime"}


def test_node_modules_is_neither_a_package_nor_looked_into(load: Load, tmp_path: Path) -> None:
    from bao_workspace_node.provider import NodeWorkspace

    from bao_core.worktree.trees import WorktreeTree

    class CountingTree(WorktreeTree):
        listed: ClassVar[list[str]] = []

        def entries(self, directory: str) -> Mapping[str, bool]:
            self.listed.append(directory)
            return super().entries(directory)

    for place in ("packages/node_modules", "packages/node_modules/x", "packages/a"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "package.json").write_text(manifest(place.replace("/", "-")))
    (tmp_path / "package.json").write_text(root("packages/*", "packages/**"))
    part = NodeWorkspace().load(CountingTree(str(tmp_path), None))
    assert {package.name for package in part.packages} == {ROOT, "packages-a"}
    assert sorted(CountingTree.listed) == ["packages", "packages/a"]


def test_a_workspace_specification_without_a_package_is_a_note_with_near_misses(
    load: Load,
) -> None:
    found = load(
        {
            "package.json": root(),
            "packages/a/package.json": '{\n "name": "a",\n "dependencies": {\n'
            '  "my-libb": "workspace:*"\n }\n}',
            "packages/b/package.json": manifest("my-lib"),
        }
    )
    assert len(found.part.notes) == 1
    assert found.part.notes[0].startswith("packages/a/package.json:4: 'my-libb' ")
    assert "did you mean my-lib?" in found.part.notes[0]


def test_a_thousand_manifests_are_read_within_a_second(load: Load) -> None:
    files = {"package.json": root()}
    for number in range(1000):
        below = {f"@s/p{other}": "^1.0.0" for other in range(max(0, number - 3), number)}
        files[f"packages/p{number}/package.json"] = manifest(
            f"@s/p{number}", scripts={"build": "x"}, dependencies={**below, "react": "^19.0.0"}
        )
    started = time.process_time()
    found = load(files)
    assert time.process_time() - started < 1
    assert set(found.edges("@s/p7")) == {"@s/p4", "@s/p5", "@s/p6"}
