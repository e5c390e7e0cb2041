"""Plain packages: found by glob or by being there, beside much that is no package at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bao_core.errors import WorkspaceError
from bao_core.model import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

Load = Any  # see conftest.py

SETUPTOOLS = (
    '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
)
FLIT = '[build-system]\nrequires = ["flit_core>=3.11"]\nbuild-backend = "flit_core.buildapi"\n'


def project(name: str, *dependencies: str, more: str = "") -> str:
    listed = ", ".join(f'"{d}"' for d in dependencies)
    return f'[project]\nname = "{name}"\nversion = "1"\ndependencies = [{listed}]\n{more}'


def refused(load: Load, files: Mapping[str, str]) -> str:
    with pytest.raises(WorkspaceError) as caught:
        load(files)
    return str(caught.value)


LIBS = {
    "libs/core/pyproject.toml": project("acme-core", more=SETUPTOOLS),
    "libs/api/pyproject.toml": project("acme_api", "Acme.Core>=1", more=FLIT),
    "tools/gen/pyproject.toml": project("gen"),
}

# --- without any declaration -------------------------------------------------------------------


def test_every_manifest_with_a_name_is_a_package(load: Load) -> None:
    files = {**LIBS, "docs/conf/pyproject.toml": "[tool.ruff]\n", "pyproject.toml": "[tool.ruff]\n"}
    found = load(files)
    assert found.paths == {
        ROOT: "",
        "acme-core": "libs/core",
        "acme_api": "libs/api",
        "gen": "tools/gen",
    }
    assert found.edges("acme_api") == {"acme-core": "runtime"}


def test_a_root_package_has_those_below_it_beside_it(load: Load) -> None:
    found = load({"pyproject.toml": project("acme", "gen"), **LIBS})
    assert set(found.paths) == {"acme", "acme-core", "acme_api", "gen"}
    assert found.edges("acme") == {"gen": "runtime"}


@pytest.mark.parametrize("version", ["", "==9.9", ">=2,<3", "~=0.4", " @ file:///x/core"])
def test_a_name_is_enough_whatever_versions_are_asked_for(load: Load, version: str) -> None:
    found = load({**LIBS, "tools/gen/pyproject.toml": project("gen", f"acme-core{version}")})
    assert found.edges("gen") == {"acme-core": "runtime"}


@pytest.mark.parametrize("address", ["https://host.example/c.whl", "git+ssh://git@host.example/c"])
def test_an_address_elsewhere_is_no_edge(load: Load, address: str) -> None:
    found = load({**LIBS, "tools/gen/pyproject.toml": project("gen", f"acme-core @ {address}")})
    assert found.edges("gen") == {}


def test_requirements_files_that_setuptools_reads_make_edges(load: Load) -> None:
    more = (
        'dynamic = ["dependencies", "optional-dependencies"]\n' + SETUPTOOLS + "[tool.setuptools."
        'dynamic]\ndependencies = { file = ["requirements.txt", '
        '"../../../outside.txt"] }\noptional-dependencies.x = { file = "extra.txt" }\n'
    )
    files = {
        **LIBS,
        "tools/gen/pyproject.toml": f'[project]\nname = "gen"\nversion = "1"\n{more}',
        "tools/gen/requirements.txt": "# ours\n-r other.txt\n--hash=x\nattrs>=2 # theirs\n"
        "acme-core==1\nhttps://host.example/acme_api.whl\n",
        "tools/gen/extra.txt": "-e ../../libs/api\n",
        "../outside.txt": "acme_api\n",
    }
    assert load(files).edges("gen") == {"acme-core": "runtime", "acme_api": "extra"}
    for path in ("requirements.txt", "extra.txt"):
        del files[f"tools/gen/{path}"]
    assert load(files).edges("gen") == {}


MATERIAL = [
    "tests/fixtures/one",
    "libs/core/tests/data",
    "libs/core/test_data/one",
    "testdata/one",
    "templates/service",
    "cookiecutter/{{cookiecutter.name}}",
    "gen/{{ name }}",
    "vendor/attrs",
    "libs/core/_vendor/attrs",
    "third_party/attrs",
    "env/lib/python3.12/site-packages/attrs",
    ".venv/lib/attrs",
    ".cache/one",
    "node_modules/one",
]


@pytest.mark.parametrize("directory", MATERIAL)
@pytest.mark.parametrize(
    "text", [project("acme-core"), "[project", '[project]\nname = "{{ x }}"\n']
)
def test_material_for_tests_and_templates_and_of_others_is_no_package(
    load: Load, directory: str, text: str
) -> None:
    found = load({**LIBS, f"{directory}/pyproject.toml": text})
    assert set(found.paths) == {"acme-core", "acme_api", "gen"}
    assert found.part.notes == ()


@pytest.mark.parametrize("directory", ["testing", "libs/templates", "tests", "vendor"])
def test_a_package_may_be_called_like_such_a_directory(load: Load, directory: str) -> None:
    found = load({**LIBS, f"{directory}/pyproject.toml": project("acme-testing")})
    assert found.paths["acme-testing"] == directory


def test_what_a_path_leads_to_is_a_package_wherever_it_lies(load: Load) -> None:
    found = load(
        {
            **LIBS,
            "tools/gen/pyproject.toml": project(
                "gen", "attrs", more='[tool.uv.sources]\nattrs = { path = "../../vendor/attrs" }\n'
            ),
            "vendor/attrs/pyproject.toml": project("attrs"),
        }
    )
    assert found.edges("gen") == {"attrs": "runtime"}


def test_examples_are_packages_as_long_as_their_names_are_free(load: Load) -> None:
    examples = {
        "examples/one/pyproject.toml": project("example-one", "acme-core"),
        "examples/two/pyproject.toml": project("app"),
        "examples/three/pyproject.toml": project("app"),
        "docs/pyproject.toml": project("acme-core"),
        "demo/pyproject.toml": "[project\n",
    }
    found = load({**LIBS, **examples})
    assert set(found.paths) == {"acme-core", "acme_api", "gen", "example-one"}
    assert found.edges("example-one") == {"acme-core": "runtime"}
    left_out = sorted(note.partition(" is left out: ")[0] for note in found.part.notes)
    assert left_out == [
        "demo/pyproject.toml",
        "docs/pyproject.toml",
        "examples/three/pyproject.toml",
        "examples/two/pyproject.toml",
    ]
    assert any("examples/three/pyproject.toml is called 'app'" in n for n in found.part.notes)


def test_an_example_that_is_taken_by_its_path_is_never_left_out(load: Load) -> None:
    more = '[tool.uv.sources]\napp = { path = "../../examples/two" }\n'
    files = {
        **LIBS,
        "tools/gen/pyproject.toml": project("gen", "app", more=more),
        "examples/two/pyproject.toml": project("app"),
        "examples/three/pyproject.toml": project("app"),
    }
    found = load(files)
    assert found.paths["app"] == "examples/two"
    assert found.edges("gen") == {"app": "runtime"}


def test_two_packages_of_one_name_are_an_error_that_says_how_to_leave_one_out(load: Load) -> None:
    files = {**LIBS, "old/core/pyproject.toml": project("Acme_Core")}
    text = refused(load, files)
    assert text.startswith("old/core/pyproject.toml:2: two packages are called 'Acme_Core'")
    assert 'exclude = ["old/core"] under [workspace] in bao.toml' in text
    files["bao.toml"] = "[workspace]\nexclude = ['old/core']\n"
    assert set(load(files).paths) == {"acme-core", "acme_api", "gen"}


def test_the_advice_names_the_file_that_holds_the_configuration(load: Load) -> None:
    files = {
        **LIBS,
        "old/core/pyproject.toml": project("acme-core"),
        "pyproject.toml": "[tool.bao.workspace]\n",
    }
    assert 'exclude = ["old/core"] under [tool.bao.workspace] in pyproject.toml' in refused(
        load, files
    )
    files["pyproject.toml"] = "[tool.bao.workspace]\nexclude = ['old/**']\n"
    assert set(load(files).paths) == {ROOT, "acme-core", "acme_api", "gen"}
    del files["pyproject.toml"]
    files["package.json"] = '{"bao": {"workspace": {"exclude": ["old/**"]}}}'
    assert set(load(files).paths) == {"acme-core", "acme_api", "gen"}


def test_a_broken_manifest_is_an_error_and_never_a_package_less(load: Load) -> None:
    text = refused(load, {**LIBS, "libs/core/pyproject.toml": "[project]\nname = 'acme-core\n"})
    assert text.startswith("libs/core/pyproject.toml:2: is not TOML")


def test_a_name_that_is_to_be_filled_in_is_said_to_be_left_out(load: Load) -> None:
    found = load({**LIBS, "skeleton/pyproject.toml": project("{{ name }}")})
    assert set(found.paths) == {"acme-core", "acme_api", "gen"}
    assert found.part.notes == (
        "skeleton/pyproject.toml is left out: '{{ name }}' is no name of a package",
    )


def test_a_path_out_of_the_workspace_is_said_since_nothing_watches_it(load: Load) -> None:
    more = '[tool.uv.sources]\nx = { path = "../../../x" }\n'
    found = load({**LIBS, "tools/gen/pyproject.toml": project("gen", "x", more=more)})
    assert found.edges("gen") == {}
    assert [note for note in found.part.notes if "'../x' lies outside" in note]


def test_a_dependency_without_a_manifest_is_said_to_be_no_package(load: Load) -> None:
    more = '[tool.uv.sources]\nold = { path = "../../vendor/old" }\n'
    found = load(
        {
            **LIBS,
            "tools/gen/pyproject.toml": project("gen", "old", more=more),
            "vendor/old/setup.py": "",
        }
    )
    assert [note for note in found.part.notes if note.startswith("vendor/old is a dependency")]


# --- by glob -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("packages = ['libs/*']", {"acme-core", "acme_api"}),
        ("packages = ['libs/core']", {"acme-core"}),
        ("packages = ['./libs/core/']", {"acme-core"}),
        ("packages = ['{libs,tools}/*']", {"acme-core", "acme_api", "gen"}),
        ("packages = ['**']\nexclude = ['libs/a*']", {"acme-core", "gen", "hidden"}),
        ("packages = ['tests/fixtures/*']", {"hidden"}),
        ("packages = ['infra/*']", {"acme-core", "acme_api", "gen"}),
        ("packages = []", {"acme-core", "acme_api", "gen"}),
        ("exclude = ['tools/**']", {"acme-core", "acme_api"}),
    ],
)
def test_globs_of_the_configuration_say_where_packages_are(
    load: Load, table: str, expected: set[str]
) -> None:
    found = load(
        {
            "bao.toml": f"[workspace]\n{table}\n",
            **LIBS,
            "tests/fixtures/one/pyproject.toml": project("hidden"),
            "infra/dns/bao.toml": "",
            "libs/plain/README.md": "",
            "libs/settings/pyproject.toml": "[tool.ruff]\n",
        }
    )
    assert set(found.paths) - {ROOT} == expected


def test_globs_add_to_what_the_root_declares(load: Load) -> None:
    found = load(
        {
            "bao.toml": "[workspace]\npackages = ['tools/*']\n",
            "pyproject.toml": "[tool.uv.workspace]\nmembers = ['libs/*']\n",
            **LIBS,
            "other/pyproject.toml": project("other"),
        }
    )
    assert set(found.paths) == {ROOT, "acme-core", "acme_api", "gen"}


def test_a_workspace_that_a_glob_reaches_comes_with_its_members(load: Load) -> None:
    found = load(
        {
            "bao.toml": "[workspace]\npackages = ['python']\n",
            "python/pyproject.toml": "[tool.uv.workspace]\nmembers = ['*']\n",
            "python/a/pyproject.toml": project("a"),
            **LIBS,
        }
    )
    assert found.paths == {"a": "python/a"}


def test_what_is_excluded_is_no_member_of_a_declared_workspace(load: Load) -> None:
    more = "[tool.uv.sources]\nacme-core = { workspace = true }\n"
    found = load(
        {
            "bao.toml": "[workspace]\nexclude = ['libs/core']\n",
            "pyproject.toml": "[tool.uv.workspace]\nmembers = ['libs/*', 'libs/core']\n",
            **LIBS,
            "libs/api/pyproject.toml": project("acme_api", "acme-core", more=more),
        }
    )
    assert set(found.paths) == {ROOT, "acme_api"}
    assert found.edges("acme_api") == {}


@pytest.mark.parametrize(
    "configuration",
    [
        "[workspace\n",
        "workspace = 3\n",
        "[workspace]\npackages = 3\n",
        "[workspace]\npackages = [3]\n",
        "[[workspace]]\n",
    ],
)
def test_a_mistake_in_the_configuration_is_left_to_core_to_report(
    load: Load, configuration: str
) -> None:
    found = load({"bao.toml": configuration, **LIBS})
    assert set(found.paths) == {"acme-core", "acme_api", "gen"}


# --- beside JavaScript -------------------------------------------------------------------------


def test_packages_beside_a_javascript_workspace_are_found(load: Load) -> None:
    found = load(
        {
            "package.json": '{"name": "acme", "workspaces": ["apps/*"]}',
            "apps/web/package.json": '{"name": "@acme/web"}',
            "apps/web/pyproject.toml": project("acme-web"),
            **LIBS,
        }
    )
    assert set(found.paths) == {"acme-web", "acme-core", "acme_api", "gen"}


# --- what they can reach -----------------------------------------------------------------------


def test_without_a_lock_file_the_requirements_count_as_written(load: Load) -> None:
    found = load({**LIBS, "tools/gen/pyproject.toml": project("gen", "attrs>=2", "acme-core")})
    assert found.external("gen") == ["attrs>=2"]


def test_a_lock_file_above_speaks_for_packages_that_have_none(load: Load) -> None:
    lock = (
        'version = 1\n[[package]]\nname = "attrs"\nversion = "25"\n'
        'source = { registry = "https://index.example/simple" }\n'
    )
    found = load(
        {
            **LIBS,
            "tools/uv.lock": lock,
            "tools/gen/pyproject.toml": project("gen", "attrs>=2"),
            "libs/core/pyproject.toml": project("acme-core", "attrs>=2"),
        }
    )
    assert found.external("gen") == ["attrs@25"]
    assert found.external("acme-core") == ["attrs>=2"]


def test_what_a_package_of_another_project_needs_is_looked_up_as_well(load: Load) -> None:
    source = 'source = { registry = "https://index.example/simple" }\n'
    lock = (
        'version = 1\n[[package]]\nname = "acme-core"\nversion = "1"\n'
        'source = { directory = "../libs/core" }\ndependencies = [{ name = "attrs" }]\n'
        f'[[package]]\nname = "attrs"\nversion = "25"\n{source}'
    )
    found = load(
        {
            **LIBS,
            "tools/uv.lock": lock,
            "tools/gen/pyproject.toml": project("gen", "acme-core"),
        }
    )
    assert "attrs@25" in found.external("gen")
