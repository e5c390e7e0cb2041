"""Inferred tasks in real workspaces: what the reference page says of each, and what re-runs it.

The tools are stand-ins that leave the same mess, so that every tool of the page is tried; pytest,
ruff and mypy themselves have a test each where they are installed.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs/reference/python-tasks.md"

MESS = """
for folder in .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov a.egg-info src/a.egg-info \\
    __pycache__ src/__pycache__ tests/deep/__pycache__
do mkdir -p $folder; echo $$ >> $folder/left; done
for file in .coverage .coverage.host.1 coverage.xml; do echo $$ > $file; done
echo "$BAO_TASK" >> "$LEDGER"
case "$0 $*" in *build*) mkdir -p dist; cp src/a.py dist/a.whl;; esac
"""

LEFT = (".coverage", "src/__pycache__/lib.pyc", "src/lib.egg-info/PKG-INFO", "build/lib/lib.py")

PYTHON = f'[ "$1 $2" = "-m build" ] || exec {sys.executable} "$@"\n'

CONTENT = {"tox.ini": "[pytest]\n", "mypy.ini": "[mypy]\n", "pyrightconfig.json": "{}\n"}

MANIFEST = '[project]\nname = "{name}"\nversion = "1"\ndependencies = [{dependencies}]\n'


class Row:
    """A row of the page's table of inferred tasks."""

    def __init__(self, cells: list[str]) -> None:
        self.task, self.when, self.command, above, self.outputs, self.cached = (
            cell.replace("`", "") for cell in cells
        )
        self.above = [name for name in above.split(", ") if name]
        self.tool = re.split(r"[ ,]", self.when)[0] if self.task != "build" else self.when

    def __repr__(self) -> str:
        return self.command.replace(" ", "-")

    def workspace(self, repo: Any) -> None:
        """A package `a` that the row speaks of, which depends on `lib`."""
        files = {
            "bao.toml": 'global_inputs = []\nglobal_pass_through_env = ["LEDGER"]\n',
            ".gitignore": ".venv/\n",
            "packages/a/pyproject.toml": self.manifest(),
            "packages/a/src/a.py": "",
            "packages/a/tests/test_a.py": "",
            "packages/a/tests/data.txt": "",
            "packages/a/tests/deep/test_deep.py": "",
            "packages/lib/pyproject.toml": MANIFEST.format(name="lib", dependencies=""),
            "packages/lib/src/lib.py": "",
        }
        for directory in ("", "packages/"):
            for name in self.above:
                files[directory + name] = CONTENT.get(name, "")
        files["pyproject.toml"] = (
            f'[dependency-groups]\ndev = ["{self.tool}"]\n' if self.task != "build" else ""
        )
        repo.write(files)
        repo.commit()
        program = self.command.split(" ", 1)[0]
        script = f"#!/bin/sh\n{PYTHON if program == 'python' else ''}{MESS}"
        scripts = {".venv/bin/python": f"#!/bin/sh\n{PYTHON}", f".venv/bin/{program}": script}
        version = ".".join(map(str, sys.version_info[:3]))
        cfg = f"home = {Path(sys.executable).parent}\nversion = {version}\n"
        repo.write({**scripts, ".venv/pyvenv.cfg": cfg})
        for name in scripts:
            (repo.root / name).chmod(0o755)

    def manifest(self) -> str:
        text = MANIFEST.format(name="a", dependencies='"lib"')
        if self.task != "build":
            return text
        words = {"uv": "uv", "Poetry": "poetry", "PDM": "pdm", "Hatch": "hatch.envs.x"}
        tool = next((f"[tool.{table}]\n" for word, table in words.items() if word in self.when), "")
        return f'{text}[build-system]\nrequires = ["x"]\n{tool}'

    @property
    def id(self) -> str:
        return f"a#{self.task}"


def rows() -> list[Row]:
    """The rows of the page."""
    table = PAGE.read_text(encoding="utf-8").partition("(inferred-tasks)=")[2]
    lines = re.findall(r"^\| `(?:test|lint|typecheck|build)` .*$", table, re.MULTILINE)
    return [Row([cell.strip() for cell in line.split("|")[1:-1]]) for line in lines]


ROWS = rows()
each_row = pytest.mark.parametrize("row", ROWS, ids=repr)


def test_the_page_has_a_row_for_every_tool() -> None:
    from bao_workspace_python.tasks.building import COMMANDS
    from bao_workspace_python.tasks.files import TOOLS

    tools = [row.tool for row in ROWS if row.task != "build"]
    assert tools == [tool.name for tool in TOOLS]
    builds = [tuple(row.command.split()) for row in ROWS if row.task == "build"]
    assert builds == list(COMMANDS.values())


def test_the_page_names_what_tools_leave() -> None:
    from bao_workspace_python.tasks.inference import LEFTOVERS

    text = PAGE.read_text(encoding="utf-8")
    told = text.partition("**What tools leave")[2].partition("\n\n")[0]
    names = {name for pattern in LEFTOVERS for name in re.findall(r"[.*\w-]{3,}", pattern)}
    assert len(names) > 12
    assert {name for name in names if f"`{name}`" not in told} == set()


@each_row
def test_a_task_is_what_its_row_says(repo: Any, row: Row) -> None:
    row.workspace(repo)
    listed = repo.ok("ls", "--tasks", "--json").json["packages"]
    tasks = next(package["definitions"] for package in listed if package["name"] == "a")
    assert [task["task"] for task in tasks] == [row.task]
    assert tasks[0]["command"] == row.command.split()
    assert tasks[0]["cache"] == (row.cached == "yes")
    assert tasks[0]["inferred"]
    plan = repo.plan(row.id)[row.id]
    assert plan["outputs"] == ([row.outputs] if row.outputs else [])
    above = {name[2:] for name in plan["inputs"] if name.startswith("//")}
    assert above == {f"{place}{name}" for place in ("", "packages/") for name in row.above}
    own = {name for name in plan["inputs"] if not name.startswith("//")}
    assert own == {
        "pyproject.toml", "src/a.py", "tests/data.txt", "tests/test_a.py",
        "tests/deep/test_deep.py",
    }  # fmt: skip


@each_row
def test_an_edit_to_each_input_runs_a_task_again(repo: Any, row: Row) -> None:
    row.workspace(repo)
    repo.ok("run", row.id)
    assert repo.ran() == [row.id]
    # Whatever the tool has left, nothing has changed.
    assert repo.exists("packages/a/.pytest_cache/left")
    repo.write({f"packages/lib/{name}": "" for name in LEFT})
    repo.ok("run", row.id)
    assert repo.ran() == []
    above = [f"{('', 'packages/')[index % 2]}{name}" for index, name in enumerate(row.above)]
    for path in (
        *above,
        *(f"packages/a/{name}" for name in ("pyproject.toml", "src/a.py", "tests/data.txt")),
        "packages/lib/src/lib.py",
    ):
        end = " " if path.endswith(".json") else "# edited\n"
        repo.write({path: repo.read(path) + end})
        repo.ok("run", row.id)
        assert repo.ran() == [row.id], path
    repo.write({"packages/a/src/new.py": "", "elsewhere.py": "", "packages/elsewhere.py": ""})
    repo.ok("run", row.id)
    assert repo.ran() == [row.id]
    repo.write({"elsewhere.py": "x", "packages/elsewhere.py": "x"})
    repo.ok("run", row.id)
    assert repo.ran() == []


@each_row
def test_a_configuration_that_appears_runs_a_task_again(repo: Any, row: Row) -> None:
    row.workspace(repo)
    (repo.root / "packages" / row.above[0]).unlink()
    repo.ok("run", row.id)
    repo.ran()
    repo.write({f"packages/{row.above[0]}": CONTENT.get(row.above[0], "")})
    repo.ok("run", row.id)
    assert repo.ran() == [row.id]


def test_what_git_tracks_or_a_glob_names_counts_even_if_a_tool_left_it(repo: Any) -> None:
    row = ROWS[0]
    row.workspace(repo)
    repo.write({"packages/lib/coverage.xml": "1", "packages/a/coverage.xml": "1"})
    repo.git("add", "packages/lib/coverage.xml")
    repo.ok("run", "a#test")
    for path, table in (
        ("packages/lib/coverage.xml", ""),
        ("packages/a/coverage.xml", '[tasks.test]\ninputs = ["coverage.xml"]\n'),
    ):
        repo.write({"packages/a/bao.toml": table})
        repo.ok("run", "a#test")
        repo.write({path: "2"})
        repo.ran()
        repo.ok("run", "a#test")
        assert repo.ran() == ["a#test"], path


def test_a_configured_task_does_not_trip_over_what_its_tool_leaves(repo: Any) -> None:
    ROWS[0].workspace(repo)
    repo.write({"packages/a/bao.toml": '[tasks.check]\ncommand = "pytest"\n'})
    for expected in (["a#check"], []):
        repo.ok("run", "a#check")
        assert repo.ran() == expected


def test_a_build_comes_back_from_the_cache(repo: Any) -> None:
    row = next(row for row in ROWS if row.command.startswith("uv "))
    row.workspace(repo)
    repo.write({"packages/a/src/a.py": "content"})
    repo.ok("run", row.id)
    (repo.root / "packages/a/dist/a.whl").unlink()
    repo.ok("run", row.id)
    assert repo.ran() == [row.id]
    assert repo.read("packages/a/dist/a.whl") == "content"


def test_what_an_inferred_build_leaves_may_be_the_input_of_a_task_that_says_so(repo: Any) -> None:
    row = next(row for row in ROWS if row.command.startswith("uv "))
    row.workspace(repo)
    table = '[tasks.look]\ncommand = "echo look >> $LEDGER"\ninputs = ["dist/*"]\n'
    repo.write({"packages/a/bao.toml": table})
    for expected in (["look"], []):
        repo.ok("run", "a#look")
        assert repo.ran() == expected
    repo.ok("run", "a#build")
    repo.ok("run", "a#look")
    assert repo.ran() == ["a#build", "look"]


def test_scripts_of_runners_are_run_and_not_cached_until_a_table_speaks_of_them(repo: Any) -> None:
    repo.write(
        {
            "bao.toml": 'global_pass_through_env = ["LEDGER"]\n',
            "pyproject.toml": '[project]\nname = "solo"\nversion = "1"\n'
            '[tool.poe.tasks]\nnote = "sh note.sh"\n[tool.pdm.scripts]\nall = { shell = "x" }\n',
            "note.sh": "echo note >> $LEDGER\n",
        }
    )
    repo.commit()
    assert "note  sh note.sh  (pyproject.toml:5 [tool.poe.tasks])" in repo.ok("ls", "--tasks").out
    for _ in range(2):
        repo.ok("run", "note")
        assert repo.ran() == ["note"]
    assert repo.plan("all")["solo#all"]["command"] == ["pdm", "run", "all"]
    repo.write({"bao.toml": 'global_pass_through_env = ["LEDGER"]\n[tasks.note]\n'})
    for expected in (["note"], []):
        repo.ok("run", "note")
        assert repo.ran() == expected


# --- the tools themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["repo", "plain_directory"])
@pytest.mark.parametrize(
    ("tool", "task"), [("pytest", "test"), ("ruff", "lint"), ("mypy", "typecheck")]
)
def test_the_tool_itself_is_run_once(
    request: pytest.FixtureRequest, fixture: str, tool: str, task: str
) -> None:
    if find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed")
    repo: Any = request.getfixturevalue(fixture)
    files = {
        "pyproject.toml": f'[dependency-groups]\ndev = ["{tool}"]\n[tool.{tool}]\n',
        ".gitignore": ".venv/\n",
    }
    for name, dependencies in (("lib", ""), ("app", '"lib"')):
        folder = f"packages/{name}"
        files |= {
            f"{folder}/pyproject.toml": MANIFEST.format(name=name, dependencies=dependencies),
            f"{folder}/src/{name}.py": "ANSWER = 42\n",
            f"{folder}/tests/conftest.py": "import sys\n\n"
            'sys.path.insert(0, __file__.replace("conftest.py", "../../lib/src"))\n',
            f"{folder}/tests/test_{name}.py": "def test_answer() -> None:\n"
            "    import lib  # type: ignore\n\n    assert lib.ANSWER == 42\n",
        }
    repo.write(files)
    if fixture == "repo":
        repo.commit()
    start = "#!/bin/sh\n"
    cfg = f"home = {Path(sys.executable).parent}\nversion = 3\n"
    repo.write(
        {
            ".venv/bin/python": f'{start}exec {sys.executable} "$@"\n',
            f".venv/bin/{tool}": f'{start}exec {sys.executable} -m {tool} "$@"\n',
            ".venv/pyvenv.cfg": cfg,
        }
    )
    for name in ("python", tool):
        (repo.root / ".venv/bin" / name).chmod(0o755)

    def outcomes() -> dict[str, str]:
        repo.ok("run", task, "--summary", str(repo.base / "summary.json"))
        summary = json.loads((repo.base / "summary.json").read_text())
        return {record["id"]: record["outcome"] for record in summary["tasks"]}

    tasks = (f"lib#{task}", f"app#{task}")
    assert outcomes() == dict.fromkeys(tasks, "executed")
    # What the tool keeps for itself is in the packages now, or at the root.
    left = {path.name for path in repo.root.glob("**/.*_cache")}
    assert f".{tool}_cache" in left
    assert set(outcomes().values()) <= {"stood", "restored"}
    repo.write({"packages/lib/src/lib.py": "ANSWER = 6 * 7\n"})
    assert outcomes() == dict.fromkeys(tasks, "executed")
