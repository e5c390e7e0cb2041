"""Poetry, 1.x and 2.x: what its own commands wrote, and what people write by hand."""

from __future__ import annotations

from typing import Any

import pytest

from bao_core.errors import WorkspaceError
from bao_core.model import ROOT

Load = Any  # see conftest.py

BUILD = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'


def one(name: str, dependencies: str = "", more: str = "") -> str:
    """A manifest as `poetry new` and `poetry add` of Poetry 1.8 write it."""
    return (
        f'[tool.poetry]\nname = "{name}"\nversion = "0.1.0"\ndescription = ""\nauthors = []\n\n'
        f'[tool.poetry.dependencies]\npython = "^3.11"\n{dependencies}\n{more}\n{BUILD}'
    )


def two(name: str, dependencies: str = "", more: str = "") -> str:
    """The same of Poetry 2."""
    return (
        f'[project]\nname = "{name}"\nversion = "0.1.0"\nrequires-python = ">=3.11"\n'
        f"dependencies = [{dependencies}]\n\n[tool.poetry]\n"
        f'packages = [{{include = "x", from = "src"}}]\n{more}\n{BUILD}'
    )


def edges(load: Load, manifest: str) -> dict[str, str]:
    """The edges of `libs/api` beside `libs/core` and `libs/Acme.Util`, with no root manifest."""
    found = load(
        {
            "libs/api/pyproject.toml": manifest,
            "libs/core/pyproject.toml": one("acme-core"),
            "libs/util/pyproject.toml": two("Acme.Util"),
        }
    )
    kinds: dict[str, str] = found.edges("acme-api")
    return kinds


def test_packages_without_a_root_are_found_by_their_manifests(load: Load) -> None:
    found = load(
        {
            "libs/core/pyproject.toml": one("acme-core"),
            "libs/api/pyproject.toml": two("acme-api"),
            "README.md": "",
        }
    )
    assert found.paths == {"acme-core": "libs/core", "acme-api": "libs/api"}
    assert found.packages["acme-core"].version == "0.1.0"
    assert found.packages["acme-api"].manifest == "libs/api/pyproject.toml"


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ('acme-core = {path = "../core"}', "runtime"),
        ('acme_core = {path = "../core", develop = true, extras = ["fast"]}', "runtime"),
        ('acme-core = "^0.1"', "runtime"),
        ('acme-core = {version = ">=7", python = "<3.12"}', "runtime"),
        ('acme-core = {path = "../core", optional = true}', "extra"),
        (
            'acme-core = [{version = "1", python = "<3.12"}, {path = "../core", markers = "x"}]',
            "runtime",
        ),
        ('acme-core = [{git = "https://host.example/c"}, "^1"]', "runtime"),
        ('acme-core = {path = "..", subdirectory = "core"}', "runtime"),
    ],
)
def test_dependencies_of_every_form_are_edges(load: Load, entry: str, kind: str) -> None:
    assert edges(load, one("acme-api", entry)) == {"acme-core": kind}


@pytest.mark.parametrize(
    "entry",
    [
        'acme-core = {git = "https://host.example/core.git", branch = "main"}',
        'acme-core = {url = "https://host.example/core.whl"}',
        'acme-core = {file = "../core/dist/core.whl"}',
        'acme-core = {path = "../../../core"}',
        'requests = "*"',
    ],
)
def test_dependencies_from_elsewhere_are_none(load: Load, entry: str) -> None:
    assert edges(load, one("acme-api", entry)) == {}


def test_groups_of_every_age_are_group_edges(load: Load) -> None:
    old = '[tool.poetry.dev-dependencies]\nacme-core = {path = "../core"}'
    assert edges(load, one("acme-api", more=old)) == {"acme-core": "group"}
    new = '[tool.poetry.group.dev.dependencies]\nacme-core = {path = "../core", develop = true}'
    assert edges(load, one("acme-api", more=new)) == {"acme-core": "group"}
    optional = f"[tool.poetry.group.dev]\noptional = true\n{new}"
    assert edges(load, two("acme-api", more=optional)) == {"acme-core": "group"}
    standard = '[dependency-groups]\ndev = ["acme_util"]'
    assert edges(load, two("acme-api", more=standard)) == {"Acme.Util": "group"}


def test_what_poetry_2_writes_is_understood(load: Load) -> None:
    absolute = '"acme-core @ file:///home/me/checkout/libs/core"'
    develop = "[tool.poetry.dependencies]\nacme-core = {develop = true}"
    assert edges(load, two("acme-api", absolute)) == {"acme-core": "runtime"}
    assert edges(load, two("acme-api", absolute, develop)) == {"acme-core": "runtime"}


def test_the_tables_of_poetry_say_where_a_standard_requirement_comes_from(load: Load) -> None:
    path = '[tool.poetry.dependencies]\nacme-core = {path = "../core", develop = true}'
    assert edges(load, two("acme-api", '"acme-core (>=0.1)"', path)) == {"acme-core": "runtime"}
    git = '[tool.poetry.dependencies]\nacme-core = {git = "https://host.example/core"}'
    assert edges(load, two("acme-api", '"acme-core (>=0.1)"', git)) == {}
    extra = two("acme-api", more=path) + '[project.optional-dependencies]\nfast = ["acme-core"]\n'
    assert edges(load, extra) == {"acme-core": "extra"}


def test_a_dependency_that_only_poetry_names_counts_beside_the_standard_ones(load: Load) -> None:
    more = '[tool.poetry.dependencies]\nacme-core = {path = "../core"}'
    found = edges(load, two("acme-api", '"acme-util"', more))
    assert found == {"Acme.Util": "runtime", "acme-core": "runtime"}


def test_a_root_that_depends_on_all_by_path_is_a_package_or_the_virtual_root(load: Load) -> None:
    packages = {
        "core/pyproject.toml": one("acme-core"),
        "api/pyproject.toml": one("acme-api", 'acme-core = {path = "../core"}'),
    }
    paths = 'acme-core = {path = "core"}\n[tool.poetry.group.dev.dependencies]\n'
    paths += 'acme-api = {path = "api", develop = true}'
    found = load({"pyproject.toml": one("acme", paths), **packages})
    assert found.paths == {"acme": "", "acme-core": "core", "acme-api": "api"}
    assert found.edges("acme") == {"acme-core": "runtime", "acme-api": "group"}
    virtual = f"[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\n{paths}\n"
    found = load({"pyproject.toml": virtual, **packages})
    assert found.paths == {ROOT: "", "acme-core": "core", "acme-api": "api"}
    assert found.edges(ROOT) == {"acme-core": "runtime", "acme-api": "group"}


def test_a_project_without_a_name_is_called_after_its_directory(load: Load) -> None:
    found = load({"services/web/pyproject.toml": "[tool.poetry]\npackage-mode = false\n"})
    assert found.paths == {"web": "services/web"}


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("[tool.poetry]\nversion = '1'\n", ":1: ", "[tool.poetry] has no `name`"),
        ("[tool.poetry]\nname = 'a'\n\ndependencies = []\n", ":4: ", "tool.poetry.dependencies"),
        ("[tool.poetry]\nname = 'a'\n[tool.poetry.dependencies]\nx = 3\n", ":3: ", "dependencies"),
        (
            "[tool.poetry]\nname = 'a'\n[tool.poetry.dependencies]\nx = {path = 3}\n",
            ":4: ",
            "expected `str`, got `int` in tool.poetry.dependencies.*.path",
        ),
        (
            "[tool.poetry]\nname = 'a'\n[tool.poetry.group.x]\ninclude-groups = ['gone']\n",
            ":4: ",
            "dependency group 'x' includes 'gone'",
        ),
        (
            "[tool.poetry]\nname = 'a'\n[tool.poetry.group.x]\ninclude-groups = ['x']\n",
            ":",
            "in a circle: x -> x",
        ),
        ("[tool.poetry]\nname = 'a b'\n", ":2: ", "'a b' is no name of a package"),
    ],
)
def test_a_mistake_is_named_with_its_line(load: Load, text: str, place: str, reason: str) -> None:
    with pytest.raises(WorkspaceError) as caught:
        load({"pyproject.toml": text})
    assert str(caught.value).startswith(f"pyproject.toml{place}")
    assert reason in str(caught.value)


# --- lock files --------------------------------------------------------------------------------

LOCK_END = """
[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "841e159de1cf3033d0c4d2a6ff76959871e2e45ea87167a0b2470e2c174bcf7d"
"""


def locked(name: str, version: str, *dependencies: str, path: str = "") -> str:
    listed = "".join(f'{d} = "*"\n' for d in dependencies)
    place = f'\n[package.source]\ntype = "directory"\nurl = "{path}"\n' if path else ""
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\ndescription = ""\n'
        f'optional = false\npython-versions = ">=3.9"\ngroups = ["main"]\nfiles = []\n'
        + (f"\n[package.dependencies]\n{listed}" if listed else "")
        + place
        + "\n"
    )


SIDE_BY_SIDE = {
    "core/pyproject.toml": one("acme-core", 'attrs = "*"'),
    "core/poetry.lock": locked("attrs", "25.1") + LOCK_END,
    "api/pyproject.toml": one("acme-api", 'acme-core = {path = "../core"}\nidna = "*"'),
    "api/poetry.lock": locked("acme-core", "0.1.0", "attrs", path="../core")
    + locked("attrs", "24.1")
    + locked("idna", "3.10")
    + LOCK_END,
}


def test_each_project_is_locked_by_its_own_lock_file(load: Load) -> None:
    found = load(SIDE_BY_SIDE)
    assert found.external("acme-core") == ["attrs@25.1"]
    # What core needs is installed for api in the version that api has locked.
    assert {"attrs@24.1", "idna@3.10"} <= set(found.external("acme-api"))
    assert "attrs@25.1" not in found.external("acme-api")


def test_a_changed_lock_file_changes_its_own_project_alone(load: Load) -> None:
    before = load(SIDE_BY_SIDE)
    for project, name in (("core", "acme-core"), ("api", "acme-api")):
        path = f"{project}/poetry.lock"
        changed = SIDE_BY_SIDE[path].replace(
            'name = "attrs"\nversion = "2', 'name = "attrs"\nversion = "3'
        )
        after = load({**SIDE_BY_SIDE, path: changed})
        assert {n for n in before.packages if after.digest(n) != before.digest(n)} == {name}


def test_one_lock_file_at_the_root_speaks_for_packages_that_have_none(load: Load) -> None:
    files = {
        "pyproject.toml": one("acme", 'acme-api = {path = "api"}'),
        "poetry.lock": locked("acme-api", "0.1.0", "acme-core", "idna", path="api")
        + locked("acme-core", "0.1.0", "attrs", path="core")
        + locked("attrs", "24.1")
        + locked("idna", "3.10")
        + LOCK_END,
        "api/pyproject.toml": SIDE_BY_SIDE["api/pyproject.toml"],
        "core/pyproject.toml": SIDE_BY_SIDE["core/pyproject.toml"],
    }
    found = load(files)
    assert found.external("acme-core") == ["attrs@24.1"]
    assert found.external("acme-api") == ["idna@3.10"]
    assert found.part.lock_files == ("poetry.lock",)


def test_the_environment_of_the_project_comes_first_on_the_path(load: Load) -> None:
    found = load({**SIDE_BY_SIDE, "api/plugin/pyproject.toml": one("acme-plugin")})
    assert found.packages["acme-plugin"].bin_directories == (
        "api/plugin/.venv/bin",
        "api/.venv/bin",
        ".venv/bin",
    )
