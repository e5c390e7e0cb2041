"""The built-in provider of packages that have only a `bao.toml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bao_core.builtins.bao_workspace import BaoWorkspace
from bao_core.errors import BaoError
from bao_core.model import FileTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bao_core.model import Package

ROOT = '[workspace]\npackages = ["packages/*"]\n'


class MemoryTree(FileTree):
    """Files that exist nowhere else, so that a provider that looks at the disk finds nothing."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.listed: list[str] = []

    def read(self, path: str) -> bytes | None:
        text = self.files.get(path)
        return None if text is None else text.encode()

    def entries(self, directory: str) -> Mapping[str, bool]:
        self.listed.append(directory)
        inside = f"{directory}/" if directory else ""
        found: dict[str, bool] = {}
        for path in self.files:
            if path.startswith(inside):
                name, _, rest = path.removeprefix(inside).partition("/")
                found[name] = found.get(name, False) or bool(rest)
        return found

    def named(self, names: Iterable[str]) -> list[str]:
        raise NotImplementedError


class LoopingTree(MemoryTree):
    """A tree in which every directory holds two links to itself."""

    def entries(self, directory: str) -> Mapping[str, bool]:
        return {**super().entries(directory), "here": True, "again": True}


def load(files: Mapping[str, str]) -> dict[str, Package]:
    return {p.name: p for p in BaoWorkspace().load(MemoryTree(files)).packages}


def paths(files: Mapping[str, str]) -> dict[str, str]:
    return {name: package.path for name, package in load(files).items()}


def refused(files: Mapping[str, str]) -> str:
    with pytest.raises(BaoError) as caught:
        load(files)
    return str(caught.value)


def test_without_a_workspace_table_there_are_no_packages() -> None:
    assert paths({"packages/a/bao.toml": ""}) == {}
    assert paths({"bao.toml": "", "packages/a/bao.toml": ""}) == {}


def test_directories_that_the_globs_reach_are_packages_if_they_have_a_bao_toml() -> None:
    found = load(
        {
            "bao.toml": ROOT,
            "packages/a/bao.toml": "",
            "packages/b/README.md": "",
            "packages/a/deeper/bao.toml": "",
        }
    )
    assert set(found) == {"a"}
    package = found["a"]
    assert (package.path, package.manifest) == ("packages/a", "packages/a/bao.toml")
    assert package.provider == "bao"
    assert package.config_path == "packages/a/bao.toml"


def test_the_table_may_stand_in_another_manifest_of_the_root() -> None:
    pyproject = '[tool.bao.workspace]\npackages = ["packages/*"]\n'
    assert paths({"pyproject.toml": pyproject, "packages/a/bao.toml": ""}) == {"a": "packages/a"}
    manifest = '{"bao": {"workspace": {"packages": ["packages/*"]}}}'
    assert paths({"package.json": manifest, "packages/a/bao.toml": ""}) == {"a": "packages/a"}


def test_a_package_is_called_what_its_own_file_says_first() -> None:
    files = {
        "bao.toml": ROOT,
        "packages/a/bao.toml": 'name = "first"\n',
        "packages/b/bao.toml": "",
        "packages/b/package.json": '{"name": "@s/second"}',
        "packages/c/bao.toml": "",
        "packages/c/pyproject.toml": '[project]\nname = "third"\n',
        "packages/d/bao.toml": "",
        "packages/d/package.json": "broken",
        "packages/e/bao.toml": "",
        "packages/e/pyproject.toml": "[tool.ruff]\n",
    }
    assert paths(files) == {
        "first": "packages/a",
        "@s/second": "packages/b",
        "third": "packages/c",
        "d": "packages/d",
        "e": "packages/e",
    }


@pytest.mark.parametrize(
    ("packages", "exclude", "expected"),
    [
        (["a"], [], {"a"}),
        (["./a/"], [], {"a"}),
        (["*"], [], {"a", "b"}),
        (["**"], [], {"a", "b", "b/inner", "deep/er/c"}),
        (["b/**"], [], {"b", "b/inner"}),
        (["**"], ["b"], {"a", "b/inner", "deep/er/c"}),
        (["**"], ["b/**"], {"a", "deep/er/c"}),
        (["{a,b}"], [], {"a", "b"}),
        (["[!a]"], [], {"b"}),
        ([], [], set()),
    ],
)
def test_globs_mean_what_they_say(
    packages: list[str], exclude: list[str], expected: set[str]
) -> None:
    table = f"[workspace]\npackages = {packages}\nexclude = {exclude}\n"
    places = ("a", "b", "b/inner", "deep/er/c", "a/node_modules/x", ".git/y")
    files = {f"{place}/bao.toml": f'name = "{place}"\n' for place in places}
    assert set(paths({"bao.toml": table, **files}).values()) == expected


def test_no_directory_is_looked_into_that_no_glob_reaches() -> None:
    tree = MemoryTree(
        {
            "bao.toml": '[workspace]\npackages = ["packages/*", "apps/web"]\n',
            "packages/a/src/bao.toml": "",
            "apps/web/bao.toml": "",
            "other/bao.toml": "",
        }
    )
    BaoWorkspace().load(tree)
    assert tree.listed == ["packages"]


def test_a_tree_that_links_back_into_itself_is_walked_to_an_end() -> None:
    tree = LoopingTree({"bao.toml": '[workspace]\npackages = ["**"]\n'})
    assert BaoWorkspace().load(tree).packages == ()


def test_a_package_named_literally_without_its_file_is_an_error_with_its_line() -> None:
    text = refused({"bao.toml": '[workspace]\npackages = [\n  "tools/gone",\n]\n'})
    assert text.startswith("bao.toml:3: workspace package 'tools/gone' has no bao.toml")


def test_two_packages_of_one_name_are_an_error_naming_both() -> None:
    text = refused(
        {
            "bao.toml": '[workspace]\npackages = ["*/x"]\n',
            "one/x/bao.toml": "",
            "two/x/bao.toml": "",
        }
    )
    assert "'x'" in text
    assert "one/x/bao.toml" in text
    assert "two/x/bao.toml" in text


def test_a_broken_file_is_named_with_its_line() -> None:
    text = refused({"bao.toml": ROOT, "packages/a/bao.toml": "\nname = \n"})
    assert text.startswith("packages/a/bao.toml:2: ")


def test_a_directory_with_another_manifest_is_left_to_whoever_reads_that() -> None:
    root = '[workspace]\npackages = ["one", "two"]\n'
    files = {"bao.toml": root, "one/pyproject.toml": "[project]\n", "two/package.json": "{}"}
    assert paths(files) == {}


def test_a_package_is_called_what_poetry_calls_it() -> None:
    manifest = '[tool.poetry]\nname = "from-poetry"\n'
    files = {"bao.toml": ROOT, "packages/a/bao.toml": "", "packages/a/pyproject.toml": manifest}
    assert paths(files) == {"from-poetry": "packages/a"}


@pytest.mark.parametrize("order", ['["p/*", "p/d/inner"]', '["p/d/inner", "p/*"]'])
def test_a_package_inside_of_another_is_found_where_it_is_named(order: str) -> None:
    files = {
        "bao.toml": f"[workspace]\npackages = {order}\n",
        "p/d/bao.toml": "",
        "p/d/inner/bao.toml": "",
        "p/d/unnamed/bao.toml": "",
    }
    assert paths(files) == {"d": "p/d", "inner": "p/d/inner"}
