"""What is inferred where nothing is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.model import TaskDefinition

ROOT = '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
A = '[project]\nname = "a"\nversion = "1"\n'
CODE = {"packages/a/src/a/__init__.py": "", "packages/a/tests/test_a.py": ""}


def inferred(
    load: Any, files: Mapping[str, str] | None = None, *, root: str = "", own: str = ""
) -> dict[str, TaskDefinition]:
    """What is inferred for a member `a` that holds code and tests."""
    everything = {
        "pyproject.toml": ROOT + root,
        "packages/a/pyproject.toml": A + own,
        **CODE,
        **(files or {}),
    }
    found: dict[str, TaskDefinition] = load(everything).packages["a"].inferred
    return found


def test_nothing_is_inferred_of_a_package_that_is_set_up_for_nothing(load: Any) -> None:
    assert inferred(load) == {}


# --- which tool ----------------------------------------------------------------------------------

REQUIRED = [
    ('[dependency-groups]\ndev = ["{tool}>=1"]\n', ""),
    ("", '[dependency-groups]\ndev = ["{tool}>=1"]\n'),
    ("", "[project.optional-dependencies]\ndev = [\"{tool}[x]; python_version > '3'\"]\n"),
    ("", '[tool.uv]\ndev-dependencies = ["{tool}"]\n'),
    ("", '[tool.poetry.group.dev.dependencies]\n{tool} = "^1"\n'),
    ("", '[tool.pdm.dev-dependencies]\ndev = ["{tool}"]\n'),
]
TASK_OF = {
    "pytest": "test",
    "ruff": "lint",
    "mypy": "typecheck",
    "pyright": "typecheck",
    "ty": "typecheck",
}


@pytest.mark.parametrize("tool", TASK_OF)
@pytest.mark.parametrize(("root", "own"), REQUIRED)
def test_a_tool_that_is_required_has_its_task(load: Any, tool: str, root: str, own: str) -> None:
    found = inferred(load, root=root.format(tool=tool), own=own.format(tool=tool))
    assert set(found) == {TASK_OF[tool]}
    manifest = "pyproject.toml" if root else "packages/a/pyproject.toml"
    source = found[TASK_OF[tool]].source
    assert source == f"inferred from the requirement {tool} in {manifest}"


CONFIGURED = [
    ("pytest", "pyproject.toml", "[tool.pytest.ini_options]\n", "[tool.pytest.ini_options] in "),
    ("pytest", "pyproject.toml", "[tool.pytest]\n", "[tool.pytest] in "),
    ("pytest", "pytest.ini", "", ""),
    ("pytest", "pytest.toml", "", ""),
    ("pytest", "tox.ini", "[tox]\n[pytest]\n", "[pytest] in "),
    ("pytest", "setup.cfg", "[tool:pytest]\n", "[tool:pytest] in "),
    ("ruff", "pyproject.toml", "[tool.ruff]\n", "[tool.ruff] in "),
    ("ruff", "pyproject.toml", "[tool.ruff.lint]\n", "[tool.ruff] in "),
    ("ruff", "ruff.toml", "", ""),
    ("ruff", ".ruff.toml", "", ""),
    ("mypy", "pyproject.toml", "[tool.mypy]\n", "[tool.mypy] in "),
    ("mypy", "mypy.ini", "[mypy]\n", ""),
    ("mypy", ".mypy.ini", "[mypy]\n", ""),
    ("mypy", "setup.cfg", "[mypy]\n", "[mypy] in "),
    ("pyright", "pyproject.toml", "[tool.pyright]\n", "[tool.pyright] in "),
    ("pyright", "pyrightconfig.json", "{ // with a comment\n}", ""),
    ("ty", "pyproject.toml", "[tool.ty.rules]\n", "[tool.ty] in "),
    ("ty", "ty.toml", "", ""),
]


@pytest.mark.parametrize("directory", ["", "packages/", "packages/a/"])
@pytest.mark.parametrize(("tool", "name", "text", "said"), CONFIGURED)
def test_a_tool_that_is_configured_here_or_above_has_its_task(
    load: Any, directory: str, tool: str, name: str, text: str, said: str
) -> None:
    manifests = {"": ROOT, "packages/a/": A}
    if name == "pyproject.toml":
        text = manifests.get(directory, "") + text
    found = inferred(load, {f"{directory}{name}": text})
    assert set(found) == {TASK_OF[tool]}
    assert found[TASK_OF[tool]].source == f"inferred from {said}{directory}{name}"


@pytest.mark.parametrize(("name", "text"), [("tox.ini", "[tox]\n"), ("setup.cfg", "[metadata]\n")])
def test_a_shared_file_without_the_tool_s_section_is_no_configuration(
    load: Any, name: str, text: str
) -> None:
    assert inferred(load, {f"packages/a/{name}": text}) == {}


def test_what_a_build_requires_is_no_tool(load: Any) -> None:
    found = inferred(load, own='[build-system]\nrequires = ["ruff", "pytest", "mypy"]\n')
    assert set(found) == {"build"}


# --- test ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("tests/test_a.py", True),
        ("a_test.py", True),
        ("src/a/tests/conftest.py", True),
        ("tests/helper.py", False),
        ("tests/test_data.txt", False),
        ("test.py", False),
        ("nested/tests/test_x.py", False),
    ],
)
def test_pytest_alone_is_not_enough_without_tests(load: Any, path: str, *, there: bool) -> None:
    files = {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["a", "a/nested"]\n',
        "a/pyproject.toml": A + '[dependency-groups]\ndev = ["pytest"]\n',
        "a/nested/pyproject.toml": '[project]\nname = "nested"\nversion = "1"\n',
        f"a/{path}": "",
    }
    assert ("test" in load(files).packages["a"].inferred) is there


# --- typecheck -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "own", "command"),
    [
        ("[tool.mypy]\n[tool.pyright]\n[tool.ty]\n", "", ("mypy", ".")),
        ("[tool.pyright]\n[tool.ty]\n", "", ("pyright", ".")),
        ("[tool.mypy]\n", "[tool.ty]\n", ("ty", "check")),
        ("[tool.mypy]\n", '[dependency-groups]\ndev = ["pyright"]\n', ("pyright", ".")),
        ("", "[tool.mypy]\n", ("mypy", ".")),
        ("", '[tool.mypy]\nfiles = ["src"]\n', ("mypy",)),
        ("", '[tool.mypy]\npackages = ["a"]\n', ("mypy",)),
        ("", "[tool.pyright]\n", ("pyright",)),
        ('[tool.mypy]\nfiles = "packages"\n', "", ("mypy", ".")),
        ('[tool.mypy]\nfiles = "x.py, packages/a/src"\n', "", ("mypy", ".")),
        ('[tool.mypy]\nfiles = ["packages/*/src"]\n', "", ("mypy", ".")),
        ('[tool.mypy]\nfiles = "tests/typed.py"\n[tool.pyright]\n', "", ("pyright", ".")),
        ('[tool.mypy]\npackages = ["b"]\n[tool.pyright]\n', "", ("pyright", ".")),
        ('[tool.mypy]\nfiles = "tests/typed.py"\n', "", None),
        ('[tool.pyright]\ninclude = ["packages/b"]\n[tool.ty]\n', "", ("ty", "check", ".")),
        ('[tool.ty.src]\ninclude = ["packages/ab"]\n', "", None),
    ],
)
def test_the_type_checker_is_the_one_the_package_is_set_up_for_best(
    load: Any, root: str, own: str, command: tuple[str, ...] | None
) -> None:
    found = inferred(load, root=root, own=own).get("typecheck")
    assert (None if found is None else found.command) == command


def test_an_ini_file_may_say_what_mypy_checks(load: Any) -> None:
    found = inferred(load, {"mypy.ini": "[mypy]\nfiles = other/\n"})
    assert "typecheck" not in found
    found = inferred(load, {"packages/a/mypy.ini": "[mypy]\nfiles = src\n"})
    assert found["typecheck"].command == ("mypy",)


def test_a_package_without_any_python_has_nothing_to_check(load: Any) -> None:
    files = {"pyproject.toml": ROOT + "[tool.mypy]\n", "packages/a/pyproject.toml": A}
    assert load(files).packages["a"].inferred == {}
    for path in ("one.py", "src/one.pyi"):
        found = load({**files, f"packages/a/{path}": ""}).packages["a"].inferred
        assert set(found) == {"typecheck"}


# --- lint ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("include", "there"),
    [("packages/a/**/*.py", True), ("**/*.py", True), ("packages/b/**/*.py", False)],
)
def test_ruff_is_not_run_where_its_configuration_leaves_the_package_out(
    load: Any, include: str, *, there: bool
) -> None:
    found = inferred(load, root=f'[tool.ruff]\ninclude = ["{include}"]\n')
    assert ("lint" in found) is there


def test_files_that_a_configuration_extends_count(load: Any) -> None:
    found = inferred(
        load,
        {
            "packages/a/ruff.toml": 'extend = "../../conf/ruff.toml"\n',
            "conf/ruff.toml": 'extend = "base.toml"\n',
            "conf/base.toml": 'extend = "ruff.toml"\n',
            "packages/a/pyrightconfig.json": '{"extends": "../strict.json"}',
        },
    )
    assert {"$root/conf/ruff.toml", "$root/conf/base.toml"} <= set(found["lint"].inputs or ())
    assert "$root/packages/strict.json" in (found["typecheck"].inputs or ())


# --- build ---------------------------------------------------------------------------------------

BACKEND = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


@pytest.mark.parametrize(
    ("files", "own", "command"),
    [
        ({}, "", "uv build --out-dir dist"),  # [tool.uv] at the root
        ({"pyproject.toml": "[project]\nname='r'\n"}, "", "python -m build"),
        ({"pyproject.toml": "[project]\nname='r'\n"}, "[tool.uv]\n", "uv build --out-dir dist"),
        ({"pyproject.toml": "[project]\nname='r'\n", "uv.lock": ""}, "", "uv build --out-dir dist"),
        ({"packages/a/poetry.lock": ""}, "", "poetry build"),
        ({"packages/a/pdm.lock": ""}, "", "pdm build"),
        ({"pyproject.toml": "[project]\nname='r'\n"}, "[tool.poetry]\n", "poetry build"),
        ({"pyproject.toml": "[project]\nname='r'\n"}, "[tool.pdm]\n", "pdm build"),
        ({"pyproject.toml": "[project]\nname='r'\n"}, "[tool.hatch.envs.x]\n", "hatch build"),
        (
            {"pyproject.toml": "[project]\nname='r'\n"},
            '[dependency-groups]\ndev = ["hatch"]\n',
            "hatch build",
        ),
        ({"pyproject.toml": "[project]\nname='r'\n"}, "[tool.hatch.build]\n", "python -m build"),
    ],
)
def test_a_package_is_built_with_the_tool_that_is_there(
    load: Any, files: dict[str, str], own: str, command: str
) -> None:
    lock = {"uv.lock": "version = 1\n"} if "uv.lock" in files else {}
    found = inferred(load, {**files, **lock}, own=BACKEND + own)["build"]
    assert found.command == tuple(command.split())
    assert found.outputs == ("dist/**",)
    assert found.cache


@pytest.mark.parametrize(
    "own",
    [
        "",
        BACKEND + "[tool.uv]\npackage = false\n",
        BACKEND + "[tool.poetry]\npackage-mode = false\n",
        BACKEND + "[tool.pdm]\ndistribution = false\n",
    ],
)
def test_what_is_no_package_is_not_built(load: Any, own: str) -> None:
    assert "build" not in inferred(load, own=own)


@pytest.mark.parametrize(
    ("requires", "more"),
    [
        ("setuptools_scm[toml]>=8", ""),
        ("hatch-vcs", ""),
        ("uv-dynamic-versioning>=0.7", ""),
        ("poetry-dynamic-versioning", ""),
        ("versioneer[toml]", ""),
        ("pbr", ""),
        ("pdm-backend", '[tool.pdm.version]\nsource = "scm"\n'),
    ],
)
def test_a_build_whose_version_comes_from_git_is_not_cached(
    load: Any, requires: str, more: str
) -> None:
    own = f'[build-system]\nrequires = ["x", "{requires}"]\n{more}'
    found = inferred(load, own=own)["build"]
    assert not found.cache
    assert "git" in found.source


# --- inputs --------------------------------------------------------------------------------------


def test_inputs_are_everything_here_and_in_dependencies_and_what_is_configured_above(
    load: Any,
) -> None:
    found = inferred(
        load,
        {"packages/conftest.py": "", "conftest.py": "", "packages/ruff.toml": "", "tox.ini": ""},
        root='[dependency-groups]\ndev = ["pytest"]\n',
        own=BACKEND,
    )
    both = ["$default", "^$default"]
    assert {name: list(task.inputs or ()) for name, task in found.items()} == {
        "test": [
            *both,
            "$root/packages/conftest.py",
            "$root/conftest.py",
            "$root/pyproject.toml",
            "$root/tox.ini",
        ],
        "lint": [*both, "$root/packages/ruff.toml", "$root/pyproject.toml"],
        "build": [*both, "$root/pyproject.toml"],
    }


def test_paths_that_the_manifest_names_outside_of_the_package_are_inputs(load: Any) -> None:
    found = inferred(
        load,
        {"packages/b/pyproject.toml": '[project]\nname = "b"\nversion = "1"\n'},
        own='readme = "../../README.md"\n'
        + BACKEND
        + '[tool.hatch.build.targets.wheel.force-include]\n"../shared/data" = "a/data"\n'
        + '[tool.mypy]\nmypy_path = "../../stubs/[x]"\n'
        + '[tool.uv.sources]\nb = { path = "../b" }\nc = { path = "../c" }\n'
        + "[tool.pytest.ini_options]\n"
        + 'pythonpath = ["../b", "..", "../../../outside", "../b/x y"]\n',
    )
    for task in found.values():
        outside = {p for p in task.inputs or () if p.startswith("$root/")}
        assert outside == {
            "$root/pyproject.toml",
            "$root/README.md",
            "$root/packages/shared/data",
            "$root/stubs/[x]",
        }


def test_the_root_has_nothing_above_it(load: Any) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "solo"\n[tool.ruff]\n[tool.mypy]\n',
        "solo.py": "",
    }
    found = load(files).packages["solo"].inferred
    assert set(found) == {"lint", "typecheck"}
    assert all("$root" not in p for task in found.values() for p in task.inputs)


def test_names_with_wildcards_are_taken_as_they_are(load: Any) -> None:
    files = {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["[[]x]/a"]\n',
        "[x]/a/pyproject.toml": A + '[dependency-groups]\ndev = ["pytest"]\n',
        "[x]/a/test_a.py": "",
        "[x]/conftest.py": "",
    }
    inputs = load(files).packages["a"].inferred["test"].inputs
    assert "$root/\\[x\\]/conftest.py" in inputs


# --- broken files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["[", "\x00", "x" * 9, "[[mypy]]\n[mypy", "[mypy]\n[mypy]\na", "é"]
)
@pytest.mark.parametrize(
    "name", ["ruff.toml", "mypy.ini", "setup.cfg", "pyrightconfig.json", "tox.ini"]
)
def test_a_configuration_that_cannot_be_read_is_left_to_its_tool(
    load: Any, name: str, text: str
) -> None:
    inferred(load, {f"packages/{name}": text, f"packages/a/{name}": text})
    inferred(load, {"packages/pyproject.toml": text})


@pytest.mark.parametrize(
    "own",
    [
        "[tool]\nruff = 1\nmypy = []\npyright = 'x'\nty = true\npytest = 2\n",
        "[tool.mypy]\nfiles = 1\n[tool.pyright]\ninclude = {}\n[tool.ty]\nsrc = 1\n",
        "[tool.ruff]\nextend = 1\ninclude = [1]\n",
        "[build-system]\nrequires = []\nbuild-backend = 1\n",
    ],
)
def test_a_value_of_another_type_breaks_nothing(load: Any, own: str) -> None:
    inferred(load, own=own)
