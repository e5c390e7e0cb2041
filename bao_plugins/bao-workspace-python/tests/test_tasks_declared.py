"""Tasks that the tables of task runners declare."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_python.tasks.declared import by_precedence, plain_words, table_at
from bao_workspace_python.tasks.hatch import hatch_tasks
from bao_workspace_python.tasks.pdm import pdm_tasks
from bao_workspace_python.tasks.poe import poe_tasks
from bao_workspace_python.tasks.taskipy import taskipy_tasks
from hypothesis import given
from hypothesis import strategies as st

from bao_core.errors import WorkspaceError
from bao_core.model import FileTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bao_core.model import Package

PROJECT = '[project]\nname = "solo"\nversion = "1"\n'


def solo(load: Any, tables: str = "", files: Mapping[str, str] | None = None) -> Package:
    """The package that is the whole workspace."""
    loaded = load({"pyproject.toml": PROJECT + tables, **(files or {})})
    package: Package = loaded.packages["solo"]
    return package


# --- which line needs its runner -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pytest", ("pytest",)),
        ("pytest -q --cov=src tests/unit", ("pytest", "-q", "--cov=src", "tests/unit")),
        ("python -m build", ("python", "-m", "build")),
        *(
            (line, None)
            for line in (
                "", " ", "a  b", " a", "a ", "a\tb", "a\nb", "a 'b'", 'a "b"', "a $B", "a ${B}",
                "a *", "a {args}",
                "a && b", "a; b", "a | b", "a > b", "a ~/b", "a \\b", "a # b", "a b?",
                "A=1 b", "script.py x", "a `b`", "a [b]", "(a)", "!a", "é",
            )
        ),
        (None, None),
        (3, None),
        (["a"], None),
    ],
)  # fmt: skip
def test_only_a_line_that_everybody_reads_alike_is_plain(
    line: object, words: tuple[str, ...] | None
) -> None:
    assert plain_words(line) == words


@given(st.text("ab=./-_ $*'\"{}\n~", max_size=12))
def test_a_plain_line_is_its_words_with_spaces_between(line: str) -> None:
    words = plain_words(line)
    assert words is None or (" ".join(words) == line and all(words))


# --- Poe the Poet --------------------------------------------------------------------------------


def test_poe_runs_what_is_more_than_a_plain_command(load: Any) -> None:
    package = solo(
        load,
        """
        [tool.poe.tasks]
        test = "pytest -q"
        told = { cmd = "pytest -q", help = "all of them" }
        quoted = "pytest -k 'a or b'"
        variable = "echo $HOME"
        shell = { shell = "a; b" }
        script = { script = "pkg:func" }
        expr = { expr = "1 + 1" }
        both = { sequence = ["test", "told"] }
        listed = ["test", "told"]
        after = { cmd = "pytest", deps = ["told"] }
        elsewhere = { cmd = "pytest", cwd = "sub" }
        asking = { cmd = "pytest", args = ["path"] }
        set = { cmd = "pytest", env = { A = "b" } }
        _hidden = "pytest"
        """,
    )
    direct = {"test", "told"}
    assert {n: package.scripts[n] for n in direct} == dict.fromkeys(direct, ("pytest", "-q"))
    others = set(package.scripts) - direct
    assert others == {
        "quoted", "variable", "shell", "script", "expr", "both", "listed", "after", "elsewhere",
        "asking", "set",
    }  # fmt: skip
    assert all(package.scripts[name] == ("poe", name) for name in others)


@pytest.mark.parametrize(
    "setting",
    [
        'env = { A = "b" }',
        'envfile = ".env"',
        'executor = "simple"',
        'default_task_type = "script"',
        'include_script = "pkg:tasks"',
    ],
)
def test_a_setting_for_all_poe_tasks_leaves_them_to_poe(load: Any, setting: str) -> None:
    package = solo(load, f'[tool.poe]\n{setting}\n[tool.poe.tasks]\ntest = "pytest"\n')
    assert package.scripts == {"test": ("poe", "test")}


def test_poe_groups_and_included_files_declare_tasks_too(load: Any) -> None:
    package = solo(
        load,
        """
        [tool.poe]
        include = [
            "more.toml", { path = "sub/more.json", cwd = "sub" }, "../outside.toml", "no.toml",
        ]
        [tool.poe.tasks]
        test = "pytest"
        [tool.poe.groups.checks.tasks]
        lint = "ruff check"
        """,
        {
            "more.toml": 'tool.poe.include = "deep.toml"\n'
            '[tool.poe.tasks]\ntest = "other"\nbuild = "make"\n',
            "sub/more.json": json.dumps({"tasks": {"docs": "sphinx"}, "include": "more.toml"}),
            "deep.toml": '[tasks]\ndeep = "x"\n',
            "sub/more.toml": '[tasks]\nnested = "x"\n',
        },
    )
    assert package.scripts == {
        "test": ("pytest",),
        "lint": ("ruff", "check"),
        # An included file may set a directory, so Poe runs what it declares.
        "build": ("poe", "build"),
        "docs": ("poe", "docs"),
        "deep": ("poe", "deep"),
        "nested": ("poe", "nested"),
    }
    assert package.script_sources["docs"] == "sub/more.json [tasks]"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("poe_tasks.toml", '[tasks]\ntest = "pytest"\n'),
        ("poe_tasks.toml", '[tool.poe.tasks]\ntest = "pytest"\n'),
        ("poe_tasks.json", '{"tasks": {"test": "pytest"}}'),
        ("poe_tasks.json", '{"tool.poe": {"tasks": {"test": "pytest"}}}'),
    ],
)
def test_poe_tasks_may_stand_in_a_file_of_their_own(load: Any, name: str, text: str) -> None:
    package = solo(load, files={name: text})
    assert package.scripts == {"test": ("pytest",)}
    assert package.script_sources["test"].startswith(name)


def test_the_file_of_its_own_does_not_count_where_the_manifest_speaks_of_poe(load: Any) -> None:
    package = solo(load, '[tool.poe.tasks]\na = "x"\n', {"poe_tasks.toml": '[tasks]\nb = "y"\n'})
    assert set(package.scripts) == {"a"}


def test_a_circle_of_included_files_ends(load: Any) -> None:
    package = solo(
        load,
        '[tool.poe]\ninclude = "a.toml"\ntasks.x = "x"\n',
        {"a.toml": 'include = ["a.toml", "pyproject.toml"]\n[tasks]\ny = "y"\n'},
    )
    assert set(package.scripts) == {"x", "y"}


@pytest.mark.parametrize(
    ("name", "text"),
    [("poe_tasks.toml", "[tasks\n"), ("poe_tasks.json", "{"), ("poe_tasks.json", "")],
)
def test_a_broken_file_of_poe_is_named(load: Any, name: str, text: str) -> None:
    with pytest.raises(WorkspaceError) as caught:
        solo(load, files={name: text})
    assert caught.value.where == name


# --- PDM -----------------------------------------------------------------------------------------


def test_pdm_runs_what_is_more_than_a_plain_command(load: Any) -> None:
    package = solo(
        load,
        """
        [tool.pdm.scripts]
        test = "pytest -q"
        listed = { cmd = ["pytest", "-q"], help = "x" }
        spaced = { cmd = ["pytest", "a b"] }
        shell = { shell = "a | b" }
        call = { call = "pkg:func" }
        both = { composite = ["test", "listed"] }
        set = { cmd = "pytest", env = { A = "b" } }
        file = { cmd = "pytest", env_file = ".env" }
        filled = "pytest {args}"
        started = "run.py"
        hooked = "pytest"
        pre_hooked = "x"
        post_install = "x"
        pre_commit = "prek run"
        """,
    )
    direct = {"test": ("pytest", "-q"), "listed": ("pytest", "-q"), "pre_commit": ("prek", "run")}
    assert {n: c for n, c in package.scripts.items() if c[0] != "pdm"} == direct
    others = {n: c for n, c in package.scripts.items() if c[0] == "pdm"}
    assert others == {
        name: ("pdm", "run", name)
        for name in (
            "spaced", "shell", "call", "both", "set", "file", "filled", "started", "hooked",
        )
    }  # fmt: skip


@pytest.mark.parametrize("shared", ['_.env = { A = "b" }', 'pre_script = "x"', 'post_run = "x"'])
def test_what_all_pdm_scripts_share_leaves_them_to_pdm(load: Any, shared: str) -> None:
    package = solo(load, f'[tool.pdm.scripts]\n{shared}\ntest = "pytest"\n')
    assert package.scripts == {"test": ("pdm", "run", "test")}


# --- Hatch ---------------------------------------------------------------------------------------


def test_hatch_scripts_run_in_their_environments(load: Any) -> None:
    package = solo(
        load,
        """
        [tool.hatch.envs.docs.scripts]
        build = "sphinx-build {args}"
        test = "doctest"
        [tool.hatch.envs.default.scripts]
        test = "pytest {args}"
        cov = ["test", "coverage report"]
        [tool.hatch.envs.more.scripts]
        build = "make"
        [tool.hatch.envs.hatch-test.scripts]
        run = "pytest"
        """,
    )
    assert package.scripts == {
        "test": ("hatch", "run", "test"),
        "cov": ("hatch", "run", "cov"),
        "build": ("hatch", "run", "docs:build"),
        "docs:test": ("hatch", "run", "docs:test"),
        "more:build": ("hatch", "run", "more:build"),
    }


def test_hatch_scripts_may_stand_in_a_file_of_their_own(load: Any) -> None:
    package = solo(
        load,
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
        {"hatch.toml": '\n[envs.default.scripts]\ntest = "pytest"\n'},
    )
    assert package.scripts == {"test": ("hatch", "run", "test")}
    assert package.script_sources == {"test": "hatch.toml:3 [envs.default.scripts]"}


# --- taskipy -------------------------------------------------------------------------------------


def test_taskipy_runs_what_is_more_than_a_plain_command(load: Any) -> None:
    package = solo(
        load,
        """
        [tool.taskipy.tasks]
        test = "pytest -q"
        told = { cmd = "pytest -q", help = "x" }
        piped = "a | b"
        elsewhere = { cmd = "pytest", cwd = "sub" }
        hooked = "pytest"
        post_hooked = "x"
        pre_commit = "prek"
        """,
    )
    assert package.scripts == {
        "test": ("pytest", "-q"),
        "told": ("pytest", "-q"),
        "piped": ("task", "piped"),
        "elsewhere": ("task", "elsewhere"),
        "hooked": ("task", "hooked"),
        "pre_commit": ("prek",),
    }


def test_settings_of_taskipy_leave_its_tasks_to_it(load: Any) -> None:
    package = solo(
        load, '[tool.taskipy.settings]\nrunner = "x"\n[tool.taskipy.tasks]\ntest = "pytest"\n'
    )
    assert package.scripts == {"test": ("task", "test")}


# --- all of them ---------------------------------------------------------------------------------


def test_the_first_runner_in_the_documented_order_counts_and_the_others_are_named(
    load: Any,
) -> None:
    package = solo(
        load,
        """
        [tool.taskipy.tasks]
        test = "from-taskipy"
        lint = "from-taskipy"
        [tool.hatch.envs.default.scripts]
        test = "from-hatch"
        [tool.pdm.scripts]
        test = "from-pdm"
        [tool.poe.tasks]
        test = "from-poe"
        """,
    )
    assert package.scripts == {"test": ("from-poe",), "lint": ("from-taskipy",)}
    assert package.script_sources["test"] == (
        "pyproject.toml:13 [tool.poe.tasks], before [tool.pdm.scripts] and "
        "[tool.hatch.envs.default.scripts] and [tool.taskipy.tasks]"
    )


def test_a_source_has_the_line_of_its_task(load: Any) -> None:
    package = solo(
        load,
        """
        [tool.other]
        test = 1
        [tool.poe.tasks]
        a = "x"
        "b-c" = "x"
        [tool.poe.tasks.test]
        cmd = "x"
        """,
    )
    lines = {name: source.partition(" ")[0] for name, source in package.script_sources.items()}
    text = (
        PROJECT + "\n[tool.other]\ntest = 1\n[tool.poe.tasks]\na\nb\n[tool.poe.tasks.test]"
    ).split("\n")
    assert lines == {
        "a": f"pyproject.toml:{text.index('a') + 1}",
        "b-c": f"pyproject.toml:{text.index('b') + 1}",
        "test": f"pyproject.toml:{text.index('[tool.poe.tasks.test]') + 1}",
    }


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["tasks", "scripts", "envs", "default", "groups", "include", "settings", "cmd", "x", "_", "a#b"]
)
TABLES = st.recursive(ODD, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


class EmptyTree(FileTree):
    """No files at all."""

    def read(self, path: str) -> bytes | None:
        return None

    def entries(self, directory: str) -> Mapping[str, bool]:
        return {}

    def named(self, names: Iterable[str]) -> list[str]:
        return []


@given(poe=TABLES, pdm=TABLES, hatch=TABLES, taskipy=TABLES)
def test_no_table_of_a_runner_breaks_bao(
    poe: object, pdm: object, hatch: object, taskipy: object
) -> None:
    document = {"tool": {"poe": poe, "pdm": pdm, "hatch": hatch, "taskipy": taskipy}}
    found = [
        *poe_tasks(EmptyTree(), "", "pyproject.toml", "", document),
        *pdm_tasks("pyproject.toml", "", document),
        *hatch_tasks("pyproject.toml", "", table_at(document, "tool", "hatch", "envs")),
        *taskipy_tasks("pyproject.toml", "", document),
    ]
    commands, sources = by_precedence(found)
    assert commands.keys() == sources.keys()
    assert all(name and "#" not in name and name.strip() == name for name in commands)
    assert all(word for command in commands.values() for word in command)
