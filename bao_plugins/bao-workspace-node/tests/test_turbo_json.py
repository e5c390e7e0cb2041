"""What turbo.json means: inheritance, patterns, variables, notes, and what is refused where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from bao_workspace_node.loading import load_part
from bao_workspace_node.locks import lock_memory
from bao_workspace_node.turbo import load_turbo
from bao_workspace_node.turbo.frameworks import FRAMEWORKS
from bao_workspace_node.turbo.jsonc import read_jsonc
from bao_workspace_node.turbo.keys import GLOBAL, ROOT, TASK
from bao_workspace_node.turbo.variables import ALWAYS_COUNTED, PASSED_THROUGH
from hypothesis import given
from hypothesis import strategies as st

from bao_core.errors import BaoError, ConfigError
from bao_core.model import FileTree, ForeignConfig, TaskDefinition, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Files(FileTree):
    """Files in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)

    def entries(self, directory: str) -> Mapping[str, bool]:
        start = f"{directory}/" if directory else ""
        below = [path[len(start) :] for path in self._files if path.startswith(start)]
        return {rest.partition("/")[0]: "/" in rest for rest in below}

    def named(self, names: Iterable[str]) -> list[str]:
        return sorted(path for path in self._files if path.rpartition("/")[2] in set(names))


def manifest(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "scripts": {"build": f"make {name}"}, **more}


BASE: dict[str, Any] = {
    "package.json": {
        "name": "root",
        "workspaces": ["packages/*"],
        "scripts": {"fmt": "fmt", "build": "make all"},
    },
    "packages/a/package.json": manifest("a"),
    "packages/b/package.json": manifest("b", scripts={}, dependencies={"a": "*"}),
    "packages/c/package.json": manifest("c", dependencies={"b": "*"}),
}


def config(turbo: Any, files: Mapping[str, Any] | None = None) -> ForeignConfig:
    """What is made of a root file and others; objects are written as JSON, None is no file."""
    every = {**BASE, "turbo.json": turbo, **(files or {})}
    tree = Files(
        {
            path: content
            if isinstance(content, bytes)
            else (content if isinstance(content, str) else json.dumps(content)).encode()
            for path, content in every.items()
            if content is not None
        }
    )
    part = load_part(tree, lock_memory(None))
    packages = {package.name: package for package in part.packages}
    root = next(package.name for package in part.packages if not package.path)
    found = load_turbo(tree, Workspace(packages, root))
    assert found is not None
    return found


def task(
    said: dict[str, Any], files: Mapping[str, Any] | None = None, *, package: str = "c"
) -> TaskDefinition:
    """The definition of `build` of a package."""
    tasks = {"test": {}, "build": said}
    return config({"tasks": tasks}, files).definitions[package]["build"]


def extending(tasks: dict[str, Any], *extends: str) -> dict[str, Any]:
    return {"extends": ["//", *extends], "tasks": tasks}


def refused(turbo: Any, files: Mapping[str, Any] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        config(turbo, files)
    return str(caught.value)


# --- which tasks there are ----------------------------------------------------------------------


def test_a_workspace_without_turbo_json_is_not_spoken_of() -> None:
    assert load_turbo(Files({"package.json": b"{}"}), Workspace({}, "//")) is None


def test_a_task_is_one_of_every_package_but_the_root() -> None:
    found = config({"tasks": {"build": {}}}).definitions
    assert {name: list(tasks) for name, tasks in found.items()} == {
        "*": ["build"],
        "//": [],
        "a": ["build"],
        "b": ["build"],
        "c": ["build"],
    }
    assert [found[name]["build"].command for name in "abc"] == ["make a", None, "make c"]


def test_a_script_without_a_task_is_no_task() -> None:
    assert config({"tasks": {"test": {}}}).definitions["a"].keys() == {"test"}


def test_a_task_of_the_root_is_named_with_its_package() -> None:
    found = config({"tasks": {"//#fmt": {}, "//#none": {}}}).definitions
    assert {name: d.command for name, d in found["//"].items()} == {"fmt": "fmt", "none": None}
    assert found["a"] == {}


def test_tasks_are_the_roots_own_where_there_is_no_other_package() -> None:
    alone = {f"packages/{name}/package.json": None for name in "abc"}
    single = {**alone, "package.json": {"name": "solo", "scripts": {"build": "make"}}}
    found = config({"tasks": {"build": {}, "none": {}}}, single).definitions["//"]
    assert {name: d.command for name, d in found.items()} == {"build": "make", "none": None}
    assert "'//#build' names a package" in refused({"tasks": {"//#build": {}}}, single)
    empty = {**alone, "package.json": {"name": "many", "workspaces": ["packages/*"]}}
    assert config({"tasks": {"build": {}}}, empty).definitions["//"] == {}


def test_packages_of_other_kinds_have_no_tasks() -> None:
    tree = Files({"package.json": b"{}", "turbo.json": b'{"tasks": {"build": {}}}'})
    from bao_core.model import Package

    other = Package("p", "p", "python", "p/pyproject.toml")
    found = load_turbo(tree, Workspace({"p": other, "//": Package("//", "", "bao", "")}, "//"))
    assert found is not None
    assert found.definitions.keys() == {"*"}


# --- one definition -------------------------------------------------------------------------------


def test_everything_that_is_said_of_a_task_arrives() -> None:
    found = task(
        {
            "dependsOn": ["^build", "test", "a#build", "//#fmt"],
            "outputs": ["dist/**", "!dist/cache/**"],
            "env": ["A", "B_*", "!B_C"],
            "passThroughEnv": ["P"],
            "cache": False,
            "persistent": True,
            "interactive": True,
            "outputLogs": "new-only",
            "tags": ["slow", "slow"],
            "description": "builds",
            "with": ["a#build", "test"],
        }
    )
    assert [str(r) for r in found.depends_on] == ["^build", "test", "a#build", "//#fmt"]
    assert [str(r) for r in found.beside] == ["a#build", "test"]
    assert found.outputs == ("dist/**", "!dist/cache/**")
    assert (found.env, found.pass_through_env) == (("A", "B_*", "!B_C"), ("P",))
    assert (found.cache, found.persistent, found.interactive) == (False, True, True)
    assert (found.output_logs, found.tags) == ("new-only", ("slow",))
    assert (found.description, found.source) == ("builds", "turbo.json:1")
    assert (found.lenient, found.clean, found.configured) == (True, False, True)


def test_a_task_that_says_nothing_is_cached_and_takes_the_files_of_its_package() -> None:
    found = task({})
    assert (found.cache, found.clean, found.inputs) == (True, False, ("$default",))
    assert (found.depends_on, found.outputs, found.env) == ((), (), ())


@pytest.mark.parametrize("said", [{"persistent": True}, {"persistent": True, "cache": True}])
def test_a_task_that_never_ends_has_no_result_to_keep(said: dict[str, Any]) -> None:
    assert task(said).cache is False


def test_the_circumflex_before_a_single_task_leads_there_from_packages_that_need_any() -> None:
    said = {"dependsOn": ["^a#test"]}
    assert [str(r) for r in task(said, package="c").depends_on] == ["a#test"]
    assert task(said, package="a").depends_on == ()


# --- inheritance ----------------------------------------------------------------------------------


def test_the_root_speaking_of_one_package_replaces_everything() -> None:
    turbo = {"tasks": {"build": {"env": ["A"], "cache": False}, "c#build": {"outputs": ["x"]}}}
    found = config(turbo).definitions
    assert (found["c"]["build"].env, found["c"]["build"].cache) == ((), True)
    assert found["c"]["build"].outputs == ("x",)
    assert found["a"]["build"].env == ("A",)


def test_a_package_inherits_flags_and_replaces_lists() -> None:
    said = {"cache": False, "env": ["A"], "outputs": ["x"], "outputLogs": "none"}
    own = extending({"build": {"env": ["B"], "outputLogs": "full"}})
    found = task(said, {"packages/c/turbo.json": own})
    assert (found.cache, found.env, found.outputs) == (False, ("B",), ("x",))
    assert (found.output_logs, found.source) == ("full", "packages/c/turbo.json:1")


@pytest.mark.parametrize("marked", [["$TURBO_EXTENDS$", "n"], ["n", "$TURBO_EXTENDS$"]])
@pytest.mark.parametrize(
    ("key", "field"),
    [("env", "env"), ("passThroughEnv", "pass_through_env"), ("outputs", "outputs"),
     ("tags", "tags"), ("dependsOn", "depends_on"), ("with", "beside"), ("inputs", "inputs")],
)  # fmt: skip
def test_every_list_can_be_added_to(key: str, field: str, marked: list[str]) -> None:
    own = extending({"build": {key: marked}})
    found = getattr(task({key: ["o"]}, {"packages/c/turbo.json": own}), field)
    assert [str(entry) for entry in found][:2] == ["o", "n"]


def test_a_package_adds_to_what_the_root_says_of_it() -> None:
    turbo = {"tasks": {"build": {"env": ["ALL"]}, "c#build": {"env": ["C"]}}}
    own = extending({"build": {"env": ["$TURBO_EXTENDS$", "OWN"]}})
    found = config(turbo, {"packages/c/turbo.json": own}).definitions["c"]["build"]
    assert found.env == ("C", "OWN")


def test_files_of_other_packages_are_inherited_in_order() -> None:
    files = {
        "packages/a/turbo.json": extending({"build": {"env": ["A"], "outputLogs": "none"}}),
        "packages/b/turbo.json": extending(
            {"build": {"env": ["$TURBO_EXTENDS$", "B"], "outputLogs": "full"}, "gen": {}}, "a"
        ),
        "packages/c/turbo.json": extending({"build": {"env": ["$TURBO_EXTENDS$", "C"]}}, "b"),
    }
    turbo = {"tasks": {"build": {"cache": False}, "a#build": {"outputs": ["only-a"]}}}
    found = config(turbo, files).definitions["c"]
    assert (found["build"].env, found["build"].output_logs) == (("A", "B", "C"), "full")
    assert (found["build"].cache, found["build"].outputs) == (False, ())
    assert "gen" in found
    files["packages/c/turbo.json"] = extending({}, "b", "a")
    assert config(turbo, files).definitions["c"]["build"].output_logs == "none"


@pytest.mark.parametrize("extra", [{}, {"description": "gone"}])
def test_extends_false_alone_removes_the_task(extra: dict[str, Any]) -> None:
    own = extending({"build": {"extends": False, **extra}})
    found = config({"tasks": {"build": {}}}, {"packages/c/turbo.json": own}).definitions
    assert "build" not in found["c"]
    assert "build" in found["a"]


@pytest.mark.parametrize("extra", [{"outputs": []}, {"cache": True}, {"env": ["E"]}])
def test_extends_false_with_anything_else_starts_from_nothing(extra: dict[str, Any]) -> None:
    own = extending({"build": {"extends": False, **extra}})
    found = task({"dependsOn": ["^build"], "outputs": ["x"]}, {"packages/c/turbo.json": own})
    assert (found.depends_on, found.outputs) == ((), ())


def test_what_a_file_removed_may_be_there_again_below_it() -> None:
    files = {
        "packages/a/turbo.json": extending({"build": {"extends": False}}),
        "packages/b/turbo.json": extending({}, "a"),
        "packages/c/turbo.json": extending({"build": {"env": ["X"]}}, "a"),
    }
    found = config({"tasks": {"build": {"outputs": ["x"]}}}, files).definitions
    assert "build" not in found["b"]
    assert (found["c"]["build"].env, found["c"]["build"].outputs) == (("X",), ())


def test_a_task_may_exist_in_a_package_alone() -> None:
    found = config({"tasks": {}}, {"packages/c/turbo.json": extending({"gen": {}})}).definitions
    assert (list(found["a"]), list(found["c"]), list(found["*"])) == ([], ["gen"], [])


def test_the_last_of_several_members_with_one_name_counts() -> None:
    turbo = '{"tasks": {"build": {"env": ["A"]},\n"build": {"env": ["B"],\n"env": ["C"]}}}'
    found = config(turbo).definitions["a"]["build"]
    assert (found.env, found.source) == (("C",), "turbo.json:2")


# --- patterns -------------------------------------------------------------------------------------

MANIFEST = "package.json"


@pytest.mark.parametrize(
    ("written", "inputs"),
    [
        ([], ["$default"]),
        (["src/**"], ["src/**", MANIFEST]),
        (["$TURBO_DEFAULT$", ".env*"], ["$default", ".env*"]),
        (["$TURBO_DEFAULT$", "!*.md"], ["$default", "!*.md"]),
        (["**", "!*.md"], ["**", "!*.md", "!*.md/**", MANIFEST]),
        (["**", "!docs", "!a/**"], ["**", "!docs", "!a/**", MANIFEST]),
        (["!src/**"], ["!src/**", MANIFEST]),
        (["!$TURBO_DEFAULT$"], [MANIFEST]),
        (["$TURBO_DEFAULT$", "!package.json", "!turbo.json"], ["$default"]),
        (["src/*/**"], ["src/*/**", "src/*", MANIFEST]),
        (["./src/"], ["src/", MANIFEST]),
        (["src/./x/../y"], ["src/y", MANIFEST]),
        (["", "!"], ["**", MANIFEST]),
        (["$TURBO_ROOT$/tsconfig.json"], ["$root/tsconfig.json", MANIFEST]),
        (["!$TURBO_ROOT$/x", "$TURBO_ROOT$/*"], ["!$root/x", "$root/*", MANIFEST]),
        (["../../tsconfig.json"], ["$root/tsconfig.json", MANIFEST]),
        (["../b/src/**"], ["$root/packages/b/src/**", MANIFEST]),
        (["../../../outside", "x"], ["x", MANIFEST]),
        ([{"mode": "jit", "globs": ["gen/**"]}], ["gen/**", MANIFEST]),
        ([{"mode": "jit", "globs": ["gen/**"], "withDefaults": True}], ["$default", "gen/**"]),
        ([{"mode": "dependencyOutputs", "globs": ["x"], "from": ["test"]}], [MANIFEST]),
    ],
)
def test_inputs_are_translated(written: list[Any], inputs: list[str]) -> None:
    assert list(task({"inputs": written}).inputs or ()) == inputs


def test_the_packages_own_file_is_an_input_whatever_is_said() -> None:
    found = task({"inputs": ["src/**"]}, {"packages/c/turbo.jsonc": extending({})})
    assert found.inputs == ("src/**", "package.json", "turbo.jsonc")


@pytest.mark.parametrize(
    ("written", "outputs"),
    [
        (["dist", "!dist/cache"], ["dist", "!dist/cache"]),
        (["dist/**", "!dist/c*"], ["dist/**", "!dist/c*", "!dist/c*/**"]),
        (["$TURBO_ROOT$/out/**"], ["$root/out/**"]),
        (["../../out", "../../../outside/**"], ["$root/out"]),
    ],
)
def test_outputs_are_translated(written: list[str], outputs: list[str]) -> None:
    assert list(task({"outputs": written}).outputs) == outputs


def test_signs_in_the_name_of_a_directory_stand_for_themselves() -> None:
    files = {
        "packages/c/package.json": None,
        "packages/[c]/package.json": manifest("c", dependencies={"b": "*"}),
    }
    assert task({"inputs": ["../[c]/x"]}, files).inputs == ("$root/packages/[c]/x", MANIFEST)
    files["packages/[c]/x/package.json"] = None
    deep = {**files, "package.json": {"workspaces": ["packages/*/*", "packages/b"]}}
    deep["packages/[c]/d/package.json"] = manifest("d")
    assert task({"inputs": ["../x"]}, deep, package="d").inputs == (
        r"$root/packages/\[c\]/x",
        MANIFEST,
    )


# --- the whole workspace --------------------------------------------------------------------------

EVERYWHERE = {
    "globalDependencies": ["tsconfig.json", "./x", "!*.md"],
    "globalEnv": ["G_*", "!G_X"],
    "globalPassThroughEnv": ["TOKEN"],
    "envMode": "loose",
    "concurrency": "4",
}


@pytest.mark.parametrize("nested", [False, True])
def test_global_keys_arrive_whichever_way_they_are_written(nested: bool) -> None:
    names = {"globalDependencies": "inputs", "globalEnv": "env",
             "globalPassThroughEnv": "passThroughEnv"}  # fmt: skip
    block = {names.get(key, key): value for key, value in EVERYWHERE.items()}
    turbo = (
        {"futureFlags": {"globalConfiguration": True}, "global": block} if nested else EVERYWHERE
    )
    found = config({"tasks": {}, **turbo})
    assert found.global_inputs == ("tsconfig.json", "x", "!*.md", "!*.md/**", "turbo.json")
    assert found.global_env == (*ALWAYS_COUNTED, "G_*", "!G_X")
    assert found.global_pass_through_env == (*PASSED_THROUGH, "TOKEN")
    assert (found.env_mode, found.concurrency) == ("loose", 4)
    assert found.notes == ()


def test_nothing_said_means_strict_and_baos_own_concurrency() -> None:
    found = config({"tasks": {}})
    assert (found.path, found.global_inputs) == ("turbo.json", ("turbo.json",))
    assert (found.env_mode, found.concurrency, found.notes) == ("strict", None, ())


@pytest.mark.parametrize(
    ("written", "found"), [("1", 1), ("50%", "50%"), ("12.5%", "12%"), ("200%", "200%")]
)
def test_concurrency_is_a_number_or_a_share(written: str, found: int | str) -> None:
    assert config({"tasks": {}, "concurrency": written}).concurrency == found


def test_a_file_with_comments_may_be_called_so() -> None:
    text = '// c\n{/* d */ "tasks": {"build": {"env": ["A",],},},}\n'
    found = config(None, {"turbo.jsonc": text})
    assert (found.path, found.global_inputs) == ("turbo.jsonc", ("turbo.jsonc",))
    assert found.definitions["a"]["build"].env == ("A",)


def test_tags_belong_to_the_package_whose_file_has_them() -> None:
    own = {"extends": ["//"], "tags": ["web", "web"]}
    found = config({"tasks": {}, "tags": ["top"]}, {"packages/c/turbo.json": own})
    assert found.tags == {"//": ("top",), "c": ("web",)}


@pytest.mark.parametrize(
    ("written", "found"),
    [(["", "!"], ()), (["A\\*"], ("A*",)), (["\\!A", "B"], ("B",)), (["A", "A"], ("A",))],
)
def test_variables_are_translated(written: list[str], found: tuple[str, ...]) -> None:
    assert task({"env": written}).env == found


# --- frameworks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
@pytest.mark.parametrize("kind", ["dependencies", "devDependencies", "optionalDependencies"])
def test_a_framework_is_seen_by_what_a_package_depends_on(framework: Any, kind: str) -> None:
    for name in [" ".join(framework.packages)] if framework.needs_all else framework.packages:
        own = manifest("c", **{kind: dict.fromkeys(name.split(), "1")})
        found = task({"env": ["A"]}, {"packages/c/package.json": own})
        assert found.env == (*framework.env, "A")


def test_one_framework_counts_and_peers_show_none() -> None:
    both = manifest("c", dependencies={"vite": "1", "astro": "1", "solid-js": "1"})
    assert task({}, {"packages/c/package.json": both}).env == ("PUBLIC_*",)
    peer = manifest("c", peerDependencies={"next": "1"}, dependencies={"solid-start": "1"})
    assert task({}, {"packages/c/package.json": peer}).env == ()


def test_variables_of_a_framework_can_be_excluded() -> None:
    own = manifest("c", dependencies={"vite": "1"})
    found = task({"env": ["!VITE_SECRET"]}, {"packages/c/package.json": own})
    assert found.env == ("VITE_*", "!VITE_SECRET")


# --- notes ----------------------------------------------------------------------------------------


def test_keys_without_an_effect_are_listed_once() -> None:
    turbo = {
        "$schema": "x",
        "ui": "tui",
        "daemon": False,
        "remoteCache": {"enabled": True},
        "futureFlags": {"filterUsingTasks": True, "hashFilePermissions": False},
        "tasks": {"dev": {"persistent": True, "interruptible": True}, "build": {}},
    }
    own = {"extends": ["//"], "boundaries": {"implicitDependencies": ["x"]}}
    assert config(turbo, {"packages/c/turbo.json": own}).notes == (
        (
            "turbo.json: bao does not act on boundaries, futureFlags.filterUsingTasks,"
            " interruptible, remoteCache, ui"
        ),
    )


def test_a_task_for_a_package_that_is_not_there_is_noted() -> None:
    notes = config('{"tasks": {\n"cc#build": {}}}', {"packages/c/package.json": manifest("ccc")})
    assert notes.notes == (
        "turbo.json:2: 'cc#build' is for a package that is not there; did you mean ccc?",
    )


OLD = {
    "pipeline": {"build": {"dotEnv": [".env"], "outputMode": "new-only", "inputs": ["src/**"]}},
    "globalDotEnv": [".env.all"],
    "extends": ["//"],
}


def test_a_file_for_turbo_1_is_read_with_a_note() -> None:
    found = config(OLD)
    build = found.definitions["a"]["build"]
    assert (build.inputs, build.output_logs) == (("src/**", "package.json", ".env"), "new-only")
    assert found.global_inputs == (".env.all", "turbo.json")
    assert "turbo.json:1: 'pipeline' is the name" in found.notes[0]


def test_turbo_1_was_strict_only_where_something_is_passed_through() -> None:
    assert config(OLD).env_mode == "loose"
    assert config({**OLD, "globalPassThroughEnv": []}).env_mode == "strict"


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turbo", "message"),
    [
        ("", "turbo.json:1: is not JSON: it ends too early"),
        ('{"tasks": {\n"build": {]}}', "turbo.json:2: is not JSON: the name of a member in double"),
        ("{\n'tasks': {}}", "turbo.json:2: is not JSON: texts and names stand in double quotes"),
        ('{"tasks": {}}\n{}', "turbo.json:2: is not JSON: the document ends before this"),
        ('{"a": \n1 "b": 2}', "turbo.json:2: is not JSON: ',' or '}' is expected"),
        ('{"a" 1}', "turbo.json:1: is not JSON: a ':' behind \"a\" is expected"),
        ('{"a": yes}', "turbo.json:1: is not JSON: a value is expected, not 'yes'"),
        ('{"a": "x\n"}', "turbo.json:1: is not JSON: this text does not end on its line"),
        ('{"a": "\\q"}', "turbo.json:1: is not JSON: this text holds a backslash that means"),
        ("{}\n/* x", "turbo.json:2: is not JSON: this comment has no end"),
        (b'{\n"a": "\xff"}', "turbo.json:2: is not JSON: it is not UTF-8"),
        ("[" * 100, "turbo.json:1: is not JSON: more than 64 levels lie in each other"),
        ("[]", 'turbo.json:1: should be an object, such as {"tasks": {}}'),
        ('{\n"task": {}}', "turbo.json:2: unknown key 'task'; did you mean tasks"),
        ('{"tasks": {"b": {\n"ouputs": []}}}',
         "turbo.json:2: unknown key 'ouputs' in tasks.b; did you mean outputs"),
        ('{"tasks": {"b": {\n"dotEnv": []}}}', "turbo.json:2: unknown key 'dotEnv' in tasks.b; it"),
        ('{"extends": ["//"]}', "turbo.json:1: unknown key 'extends'; only the file of a package"),
        ('{"tasks": []}', "turbo.json:1: tasks: should be an object, not a list"),
        ('{"tasks": {"b": null}}', "turbo.json:1: tasks.b: should be an object, not null"),
        ('{"tasks": {"b": {"cache": 1}}}',
         "turbo.json:1: tasks.b.cache: should be true or false, not a number"),
        ('{"tasks": {"b": {"env": [\n"A",\n3]}}}',
         "turbo.json:3: tasks.b.env[1]: should be a text, not a number"),
        ('{"tasks": {"b": {"outputLogs": "new"}}}',
         "turbo.json:1: tasks.b.outputLogs: 'new' is none of full, hash-only, new-only"),
        ('{"tasks": {"b": {"dependsOn": [\n"$A"]}}}',
         "turbo.json:2: tasks.b.dependsOn[0]: '$A' is a variable, and tasks depend on tasks; move"),
        ('{"tasks": {"b": {"env": ["$A"]}}}', "turbo.json:1: tasks.b.env[0]: '$A' has a '$'"),
        ('{"globalEnv": ["$A"]}', "turbo.json:1: globalEnv[0]: '$A' has a '$'"),
        ('{"globalDependencies": ["$A"]}', "turbo.json:1: globalDependencies[0]: '$A' is no path"),
        ('{"tasks": {"b": {"with": ["^b"]}}}', "turbo.json:1: tasks.b.with[0]: '^b': 'with' names"),
        ('{"tasks": {"b": {"extends": true}}}', "turbo.json:1: tasks.b: 'extends' of a task goes"),
        ('{"tasks": {"b": {"inputs": ["/x"]}}}',
         "turbo.json:1: tasks.b.inputs[0]: '/x' is absolute; write '$TURBO_ROOT$/x'"),
        ('{"tasks": {"b": {"inputs": ["$TURBO_ROOT$"]}}}',
         "turbo.json:1: tasks.b.inputs[0]: '$TURBO_ROOT$': a '/' must follow $TURBO_ROOT$"),
        ('{"tasks": {"b": {"outputs": ["x/$TURBO_ROOT$/"]}}}',
         "turbo.json:1: tasks.b.outputs[0]: 'x/$TURBO_ROOT$/': $TURBO_ROOT$ can only come first"),
        ('{"tasks": {"b": {"outputs": ["[x"]}}}', "turbo.json:1: tasks.b.outputs[0]: '[x' has"),
        ('{"tasks": {"b": {"outputs": ["*/../x"]}}}',
         "turbo.json:1: tasks.b.outputs[0]: '*/../x' holds a '..' segment"),
        ('{"tasks": {"b": {\n"interactive": true}}}', "turbo.json:2: task 'b' is interactive"),
        ('{"tasks": {"b": {"interruptible": true}}}', "turbo.json:1: task 'b' is interruptible"),
        ('{"tasks": {"b": {"inputs": [{"globs": []}]}}}',
         "turbo.json:1: tasks.b.inputs[0]: an object among the inputs needs a 'mode'"),
        ('{"tasks": {"b": {"inputs": [{"mode": "jit", "from": []}]}}}',
         "turbo.json:1: tasks.b.inputs[0]: 'from' goes with mode 'dependencyOutputs' alone"),
        ('{"globalEnv": [\n"A"],\n"globalEnv": [\n"$A"]}', "turbo.json:4: globalEnv[0]: '$A' has"),
        ('{"concurrency": "0"}', "turbo.json:1: concurrency: '0' is neither a number of tasks nor"),
        ('{"concurrency": 4}', "turbo.json:1: concurrency: should be a text, not a number"),
        ('{"global": {}}', "turbo.json:1: 'global' needs the future flag globalConfiguration"),
        ('{"futureFlags": {"globalConfiguration": true},\n"globalEnv": []}',
         "turbo.json:2: 'globalEnv' stands under 'global' where globalConfiguration is on"),
        ('{"pipeline": {}, "tasks": {}}', "turbo.json:1: 'pipeline' is the old name of 'tasks'"),
    ],
)  # fmt: skip
def test_mistakes_in_the_roots_file_are_refused(turbo: str, message: str) -> None:
    assert refused(turbo).startswith(message)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ('{"tasks": {}}', "1: the file of a package must say what it extends"),
        ('{"extends": ["a"]}', "1: extends: '//' comes first"),
        ('{"extends": ["//",\n"zz"]}', "2: extends: package 'zz' has no turbo"),
        ('{"extends": ["//", "c"]}', "1: these files extend each other: c -> c"),
        ('{"extends": ["//"],\n"globalEnv": []}',
         "2: unknown key 'globalEnv'; it stands in the turbo.json of the root"),
        ('{"extends": ["//"], "tasks": {\n"a#b": {}}}',
         "2: 'a#b': the file of a package speaks of its own tasks only"),
    ],
)  # fmt: skip
def test_mistakes_in_a_packages_file_are_refused(own: str, message: str) -> None:
    assert refused({"tasks": {}}, {"packages/c/turbo.json": own}).startswith(
        f"packages/c/turbo.json:{message}"
    )


def test_two_files_in_one_directory_are_refused() -> None:
    message = refused({}, {"turbo.jsonc": {}})
    assert message.startswith("turbo.json: stands beside turbo.jsonc")


# --- anything at all ------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "$X", "^x", "!", "//#x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ROOT, *GLOBAL, *TASK, "x", "a#x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def complaint(make: Callable[[], object]) -> BaoError | None:
    """What is wrong, if anything is; every other exception is a bug."""
    try:
        make()
    except BaoError as error:
        return error
    return None


@given(st.dictionaries(st.sampled_from([*ROOT, "pipeline"]), VALUES, max_size=4), VALUES)
def test_whatever_stands_in_the_files_is_read_or_refused_in_a_sentence(
    turbo: dict[str, Any], own: Any
) -> None:
    error = complaint(lambda: config(turbo, {"packages/c/turbo.json": own}))
    assert error is None or (error.where and "\n" not in str(error))


@given(st.dictionaries(st.sampled_from([*TASK]), VALUES), st.dictionaries(st.just("build"), VALUES))
def test_whatever_is_said_of_a_task_is_read_or_refused_in_a_sentence(
    said: dict[str, Any], own: dict[str, Any]
) -> None:
    files = {"packages/c/turbo.json": {"extends": ["//"], "tasks": own}}
    error = complaint(lambda: config({"tasks": {"build": said}}, files))
    assert error is None or (error.where and error.line)


@given(st.text(alphabet='{}[]",:/*\n\r\\ae1.-\ufeff', max_size=24) | st.text(max_size=12))
def test_whatever_the_text_is_it_is_read_or_refused_with_a_line(text: str) -> None:
    error = complaint(lambda: config(text.encode("utf-8", "surrogatepass")))
    assert error is None or error.line


@given(VALUES, st.sampled_from([None, 1, "\t"]))
def test_plain_json_is_read_as_every_reader_reads_it(value: Any, indent: Any) -> None:
    assert read_jsonc(json.dumps(value, indent=indent).encode()).value == value
