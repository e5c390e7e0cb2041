"""What the configuration makes of tasks that a provider inferred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bao_core.config import load_root_config, resolve_definitions
from bao_core.errors import OutputError
from bao_core.model import FileTree, Package, TaskDefinition, TaskReference, Workspace
from bao_core.workspace import _overlapping_outputs, load_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GUESS = TaskDefinition(
    "build",
    command=("make", "all"),
    inputs=("$default", "!junk"),
    outputs=("dist/**",),
    depends_on=(TaskReference("build", "dependencies"),),
    cache=False,
    inferred=True,
    source="inferred from a makefile",
)


class Tree(FileTree):
    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        text = self._files.get(path)
        return None if text is None else text.encode()

    def entries(self, directory: str) -> Mapping[str, bool]:
        return {}

    def named(self, names: Iterable[str]) -> list[str]:
        return []


def resolved(
    root: str = "",
    own: str = "",
    *,
    packages: Iterable[Package] = (),
    guess: TaskDefinition = GUESS,
) -> dict[str, dict[str, TaskDefinition]]:
    """The definitions of a workspace with a package `a` that something is inferred for."""
    files = {"bao.toml": root} | ({"a/bao.toml": own} if own else {})
    tree = Tree(files)
    mine = Package("a", "a", "x", "a/manifest", inferred={"build": guess})
    found = {p.name: p for p in (Package("//", "", "x", "manifest"), mine, *packages)}
    return resolve_definitions(load_root_config(tree), Workspace(found, "//"), tree)


def test_an_inferred_task_is_one_of_its_package_as_it_is() -> None:
    assert resolved()["a"] == {"build": GUESS}


def test_a_table_replaces_single_keys() -> None:
    definition = resolved('[tasks.build]\nenv = ["X"]\n', '[tasks.build]\ninputs = ["src"]\n')["a"][
        "build"
    ]
    assert definition == TaskDefinition(
        "build",
        command=GUESS.command,
        inputs=("src",),
        outputs=GUESS.outputs,
        depends_on=GUESS.depends_on,
        env=("X",),
        cache=False,
        source="a/bao.toml:1, inferred from a makefile",
    )


@pytest.mark.parametrize(
    ("table", "cache"),
    [
        ("", False),
        ("cache = true", True),
        ('command = "x"', True),
        ("persistent = true", False),
        ("persistent = false", False),
        ("interactive = true", False),
    ],
)
def test_what_is_not_cached_stays_so_unless_a_table_says_what_is_run(
    table: str, *, cache: bool
) -> None:
    assert resolved(f"[tasks.build]\n{table}\n")["a"]["build"].cache is cache


def test_a_persistent_task_is_not_cached_although_the_inferred_one_was() -> None:
    cached = TaskDefinition("build", command="x", inferred=True)
    found = resolved("[tasks.build]\npersistent = true\n", guess=cached)
    assert not found["a"]["build"].cache


def test_where_a_table_gives_a_command_nothing_is_inferred() -> None:
    definition = resolved('[tasks.build]\ncommand = "ninja"\n')["a"]["build"]
    assert definition == TaskDefinition("build", command="ninja", source="bao.toml:1")


def test_extends_false_drops_all_of_it() -> None:
    assert "build" not in resolved("[tasks.build]\nextends = false\n")["a"]
    assert "build" not in resolved("", "[tasks.build]\nextends = false\n")["a"]
    definition = resolved('[tasks.build]\nextends = false\ncommand = "x"\n')["a"]["build"]
    assert definition == TaskDefinition("build", command="x", source="bao.toml:1")


def test_a_script_comes_before_what_is_inferred() -> None:
    package = Package(
        "b", "b", "x", "b/m", scripts={"build": "x"}, script_source="m", inferred={"build": GUESS}
    )
    definition = resolved(packages=[package])["b"]["build"]
    assert (definition.command, definition.cache, definition.source) == ("x", False, "m")
    definition = resolved('[tasks.build]\noutputs = ["out"]\n', packages=[package])["b"]["build"]
    assert (definition.command, definition.inputs, definition.cache) == ("x", None, True)


def test_scripts_may_have_sources_of_their_own() -> None:
    package = Package(
        "b", "b", "x", "b/m", scripts={"x": "1", "y": "2"}, script_source="m",
        script_sources={"y": "m:3"},
    )  # fmt: skip
    found = resolved(packages=[package])["b"]
    assert {name: d.source for name, d in found.items()} == {"x": "m", "y": "m:3"}


@pytest.mark.parametrize(
    ("root", "own", "there"),
    [
        ("infer = false\n", "", False),
        ("infer = false\n", "infer = true\n", True),
        ("", "infer = false\n", False),
        ("infer = true\n", "tags = []\n", True),
    ],
)
def test_inference_can_be_turned_off(root: str, own: str, *, there: bool) -> None:
    assert ("build" in resolved(root, own)["a"]) is there


def test_the_root_of_many_has_an_inferred_task_only_if_a_table_speaks_of_it() -> None:
    tree_of = {"": False, "[tasks.build]\n": False, '[tasks."//#build"]\n': True}
    for root, there in tree_of.items():
        tree = Tree({"bao.toml": root})
        top = Package("top", "", "x", "m", inferred={"build": GUESS})
        packages = {"top": top, "a": Package("a", "a", "x", "a/m")}
        found = resolve_definitions(load_root_config(tree), Workspace(packages, "top"), tree)
        assert ("build" in found["top"]) is there, root


def test_the_root_that_is_the_only_package_has_its_inferred_tasks() -> None:
    tree = Tree({})
    top = Package("top", "", "x", "m", inferred={"build": GUESS})
    workspace = Workspace({"top": top}, "top")
    assert resolve_definitions(load_root_config(tree), workspace, tree)["top"] == {"build": GUESS}


# --- outputs -------------------------------------------------------------------------------------


def overlapping(other: str) -> dict[str, dict[str, TaskDefinition]]:
    workspace = Workspace({"a": Package("a", "a", "x", "a/m")}, "a")
    pack = TaskDefinition("pack", command="x", outputs=("dist/x",), source="bao.toml:1")
    definitions = {"a": {"build": GUESS, other: pack}}
    _overlapping_outputs(workspace, definitions)
    return definitions


@pytest.mark.parametrize("other", ["alpha", "zeta"])
def test_an_inferred_task_gives_way_to_one_with_the_same_outputs(other: str) -> None:
    definitions = overlapping(other)
    build = definitions["a"]["build"]
    assert (build.outputs, build.cache, build.command) == ((), False, GUESS.command)
    assert f"a#{other}" in build.source
    assert definitions["a"][other].outputs == ("dist/x",)


def test_two_declared_tasks_with_the_same_outputs_are_still_refused() -> None:
    workspace = Workspace({"a": Package("a", "a", "x", "a/m")}, "a")
    tasks = {n: TaskDefinition(n, command="x", outputs=("dist",)) for n in ("one", "two")}
    with pytest.raises(OutputError):
        _overlapping_outputs(workspace, {"a": tasks})


# --- two manifests in one directory --------------------------------------------------------------


class Provider:
    name = "p"
    foreign_files = ()

    def __init__(self, package: Package) -> None:
        self._package = package

    def load(self, tree: FileTree) -> Any:
        from bao_core.model import WorkspacePart

        return WorkspacePart((self._package,))


def test_a_package_of_two_manifests_has_the_tasks_of_both() -> None:
    first = Package(
        "both", "d", "node", "d/n", scripts={"lint": "n"}, script_source="package.json scripts"
    )
    second = Package(
        "both", "d", "python", "d/p", scripts={"lint": "p", "docs": "p"}, script_source="p",
        script_sources={"docs": "p:3"}, inferred={"build": GUESS, "lint": GUESS},
    )  # fmt: skip
    tree = Tree({})
    config = load_root_config(tree)
    workspace = load_workspace(tree, [Provider(first), Provider(second)], config)
    found = resolve_definitions(config, workspace, tree)["both"]
    assert {name: d.source for name, d in found.items()} == {
        "lint": "package.json scripts",
        "docs": "p:3",
        "build": GUESS.source,
    }
