"""Reading configuration files: what they come to, and what is said of each mistake."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import Struct, field

from bao_core.config import (
    DEFAULT_CACHE,
    CacheTable,
    PackageExtras,
    RootConfig,
    decode_settings,
    dependency_error,
    load_root_config,
    package_extras,
    resolve_definitions,
)
from bao_core.errors import ConfigError
from bao_core.model import FileTree, Package, TaskDefinition, TaskReference, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LINT = "[tasks.lint]\ncommand = 'ruff check'\n"


class MemoryTree(FileTree):
    """Files that are only in memory; remembers what was read."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self.files = {
            path: content.encode() if isinstance(content, str) else content
            for path, content in files.items()
        }
        self.asked: list[str] = []

    def read(self, path: str) -> bytes | None:
        self.asked.append(path)
        return self.files.get(path)

    def entries(self, directory: str) -> Mapping[str, bool]:
        prefix = f"{directory}/" if directory else ""
        below = [path[len(prefix) :] for path in self.files if path.startswith(prefix)]
        return {path.partition("/")[0]: "/" in path for path in below}

    def named(self, names: Iterable[str]) -> list[str]:
        wanted = set(names)
        return sorted(path for path in self.files if path.rpartition("/")[2] in wanted)


def package(name: str, **given: Any) -> Package:
    path = given.pop("path", f"packages/{name}")
    manifest = f"{path}/package.json" if path else "package.json"
    scripts = given.pop("scripts", {})
    return Package(
        name, path, "node", manifest, scripts=scripts, script_source="package.json scripts", **given
    )


def workspace(*packages: Package, root: Package | None = None) -> Workspace:
    root = root or Package("//", "", "bao", "")
    every = sorted([root, *packages], key=lambda p: p.name)
    return Workspace({p.name: p for p in every}, root.name)


def load(files: Mapping[str, str | bytes] | str) -> RootConfig:
    return load_root_config(MemoryTree({"bao.toml": files} if isinstance(files, str) else files))


def resolve(
    root: str,
    *packages: Package,
    of_root: Package | None = None,
    files: Mapping[str, str] | None = None,
) -> dict[str, dict[str, TaskDefinition]]:
    tree = MemoryTree({"bao.toml": root, **(files or {})})
    return resolve_definitions(load_root_config(tree), workspace(*packages, root=of_root), tree)


def mistake(
    files: Mapping[str, str | bytes] | str, *packages: Package, of_root: Package | None = None
) -> ConfigError:
    tree = MemoryTree({"bao.toml": files} if isinstance(files, str) else files)
    with pytest.raises(ConfigError) as caught:
        resolve_definitions(load_root_config(tree), workspace(*packages, root=of_root), tree)
    return caught.value


# --- where it stands -------------------------------------------------------------------------


def test_no_configuration_is_all_defaults() -> None:
    assert load({}) == RootConfig()
    assert load({}).cache == (DEFAULT_CACHE,)
    assert load({}).path == ""


@pytest.mark.parametrize(
    ("path", "text", "prefix"),
    [
        ("bao.toml", "env_mode = 'loose'\n[tasks.lint]\ncommand = 'x'\n", ""),
        (
            "pyproject.toml",
            "[tool.bao]\nenv_mode = 'loose'\n[tool.bao.tasks.lint]\ncommand = 'x'\n",
            "tool.bao",
        ),
        (
            "package.json",
            '{"name": "x", "bao": {"env_mode": "loose", "tasks": {"lint": {"command": "x"}}}}',
            "bao",
        ),
    ],
)
def test_the_three_places_are_equal(path: str, text: str, prefix: str) -> None:
    config = load({path: text})
    assert config == RootConfig(
        path=path, key_prefix=prefix, env_mode="loose", tasks={"lint": {"command": "x"}}
    )


@pytest.mark.parametrize(
    ("files", "where", "line"),
    [
        ({"bao.toml": "", "pyproject.toml": "[project]\n[tool.bao]\n"}, "pyproject.toml", 2),
        ({"bao.toml": "", "package.json": '{\n"bao": {}}'}, "package.json", 2),
        ({"pyproject.toml": "[tool.bao]", "package.json": '{"bao": {}}'}, "package.json", 1),
    ],
)
def test_two_places_at_once_are_an_error_that_names_both(
    files: dict[str, str], where: str, line: int
) -> None:
    error = mistake(files)
    other = next(path for path in files if path != where)
    assert (error.where, error.line) == (where, line)
    assert other in error.message


def test_files_that_only_mention_bao_are_no_configuration() -> None:
    files = {
        "pyproject.toml": "[project]\ndependencies = ['bao-core']\n[tool]\nother = 1\n",
        "package.json": '{"devDependencies": {"bao": "1"}}',
    }
    assert load(files).path == ""


def test_a_byte_order_mark_and_carriage_returns_are_fine() -> None:
    config = load({"bao.toml": b"\xef\xbb\xbfenv_mode = 'loose'\r\n"})
    assert config.env_mode == "loose"
    assert mistake({"bao.toml": b"\xef\xbb\xbf# c\r\nx = 1\r\n"}).line == 2


def test_everything_at_the_root_arrives() -> None:
    config = load(
        """
        global_inputs = ["$default", "shared/**"]
        global_env = ["CI_*"]
        global_pass_through_env = ["TOKEN"]
        concurrency = "50%"
        default_branch = "trunk"
        output_logs = "new-only"
        executor = "mesh"
        scheduler = "fifo"
        [workspace]
        packages = ["packages/*"]
        exclude = ["packages/old"]
        [packages.web]
        tags = ["frontend"]
        [plugins]
        disable = ["workspace-node"]
        require = ["cache-fsspec"]
        [plugins.settings.python]
        lock = "uv.lock"
        [[cache]]
        name = "team"
        backend = "fsspec"
        write = "trusted"
        url = "s3://bucket"
        [cache.options]
        anon = true
        """
    )
    assert config.global_inputs == ("$default", "shared/**")
    assert config.global_env == ("CI_*",)
    assert config.global_pass_through_env == ("TOKEN",)
    assert (config.concurrency, config.default_branch) == ("50%", "trunk")
    assert (config.output_logs, config.executor, config.scheduler) == ("new-only", "mesh", "fifo")
    assert config.workspace is not None
    assert config.workspace.exclude == ("packages/old",)
    assert config.packages == {"web": {"tags": ["frontend"]}}
    assert config.plugins.disable == ("workspace-node",)
    assert config.plugins.require == ("cache-fsspec",)
    settings = {"url": "s3://bucket", "options": {"anon": True}}
    assert config.cache == (
        CacheTable("team", "fsspec", write="trusted", settings=settings, key="cache[0]"),
    )
    assert config.component_settings("python")[0] == {"lock": "uv.lock"}


def test_an_empty_list_of_tiers_means_no_cache() -> None:
    assert load("cache = []").cache == ()


def test_the_configuration_can_be_remembered() -> None:
    config = load(
        "concurrency = 3\n[[cache]]\nname = 'a'\nbackend = 'b'\nx = [1, {y = 2}]\n" + LINT
    )
    data = msgspec.msgpack.encode(config)
    assert msgspec.msgpack.decode(data, type=RootConfig) == config


# --- mistakes --------------------------------------------------------------------------------

MISTAKES = [
    # text, line, words of the message and the hint
    ("globl_env = []", 1, ["unknown key 'globl_env'", "global_inputs", "did you mean global_env"]),
    ("[tasks.a]\ndependsOn = []", 2, ["tasks.a: unknown key", "did you mean depends_on"]),
    ("[tasks.a]\nzzz = 1", 2, ["unknown key 'zzz'", "known: beside, cache, clean"]),
    ("dependencies = ['x']", 1, ["unknown key", "packages.NAME.dependencies"]),
    ("env_mode = 'stict'", 1, ["env_mode: must be", "'strict'", "did you mean 'strict'"]),
    ("concurrency = 0", 1, ["at least 1", "not 0"]),
    ("concurrency = true", 1, ["a whole number or a text", "not true"]),
    ("concurrency = '50'", 1, ["'50' is no share", "'50%'"]),
    ("default_branch = ' '", 1, ["blank"]),
    ("global_env = ['$HOME']", 1, ["global_env[0]", "write HOME"]),
    ("global_env = ['A=1']", 1, ["'='"]),
    ("global_inputs = [\n'a',\n\n'/etc/x',\n]", 4, ["global_inputs[1]", "absolute"]),
    ("global_inputs = ['../x']", 1, ["'..'"]),
    ("global_inputs = ['$root/x']", 1, ["no meaning", "$default"]),
    ("[workspace]\npackages = ['[a']", 2, ["workspace.packages[0]", "']'"]),
    ("[workspace]\nexcludes = []", 2, ["did you mean exclude"]),
    ("[tasks]\na = 3", 2, ["tasks.a: must be a table, not the number 3"]),
    ("[tasks.a]\ncommand = 3", 2, ["must be a text or a list of texts"]),
    ("[tasks.a]\ncommand = ''", 2, ["blank"]),
    ("[tasks.a]\ncommand = []", 2, ["1 or more"]),
    ("[tasks.a]\ncommand = ['x', 1]", 2, ["command[1]: must be a text, not the number 1"]),
    ("[tasks.a]\ndepends_on = 'b'", 2, ["must be a list of texts or tables"]),
    ("[tasks.a]\ndepends_on = ['^']", 2, ["'^' lacks its task name"]),
    ("[tasks.a]\ndepends_on = ['a#']", 2, ["'a#' lacks its task name"]),
    ("[tasks.a]\ndepends_on = ['#a']", 2, ["'#a' lacks its package name"]),
    ("[tasks.a]\ndepends_on = ['a#b#c']", 2, ["too many"]),
    ("[tasks.a]\ndepends_on = ['^a#b']", 2, ["package after '^'", "package#task"]),
    ("[tasks.a]\ndepends_on = ['$VAR']", 2, ["environment variable", "'env'"]),
    ("[tasks.a]\ndepends_on = [{task = 'b', folow = 'key'}]", 2, ["did you mean follow"]),
    ("[tasks.a]\ndepends_on = [\n'b',\n{follow = 'key'}]", 4, ["depends_on[1]: 'task' is missing"]),
    (
        "[tasks.a]\ndepends_on = ['b',\n{task = 'b', follow = 'none'}]",
        3,
        ["'b' is there twice", "'key' and 'none'"],
    ),
    ("[tasks.a]\ninputs = ['$TURBO_DEFAULT$']", 2, ["did you mean $default"]),
    ("[tasks.a]\ninputs = ['$TURBO_ROOT$/x']", 2, ["did you mean $root/"]),
    ("[tasks.a]\ninputs = ['!$default']", 2, ["leave it out"]),
    ("[tasks.a]\ninputs = ['^src/**']", 2, ["no meaning", "'^$default'"]),
    ("[tasks.a]\ninputs = ['$root/../x']", 2, ["'..'"]),
    ("[tasks.a]\noutputs = ['$default']", 2, ["belongs in 'inputs'"]),
    ("[tasks.a]\noutputs = ['!$root/!x']", 2, ["wrong place"]),
    ("[tasks.a]\noutputs = ['{a,b']", 2, ["without its '}'"]),
    ("[tasks.a]\nenv = ['']", 2, ["empty"]),
    ("[tasks.a]\ncache = 'yes'", 2, ["must be true or false, not the text 'yes'"]),
    ("[tasks.a]\npersistent = true\ncache = true", 3, ["tasks.a.cache", "persistent"]),
    ("[tasks.a]\ntimeout = '5 minutes'", 2, ["no duration", "'5m'"]),
    ("[tasks.a]\ntimeout = '0s'", 2, ["no duration"]),
    ("[tasks.a]\ntimeout = 0", 2, ["more than 0"]),
    ("[tasks.a]\ntimeout = 1979-05-27", 2, ["not a date or a time"]),
    ("[tasks.a]\nretries = -1", 2, ["at least 0"]),
    ("[tasks.a]\nweight = 1.5", 2, ["a whole number"]),
    ("[tasks.a]\nmutex = 'a b'", 2, ["a space"]),
    ("[tasks.a]\noutput_logs = 'ful'", 2, ["did you mean 'full'"]),
    ("[tasks.'a#b#c']", 1, ["too many"]),
    ("[tasks.'^a']", 1, ["no good task name"]),
    ("[tasks.'$a']", 1, ["no good task name"]),
    ("[tasks.'wbe#a']", 1, ["unknown package 'wbe'", "did you mean web"]),
    ("[packages.wbe]", 1, ["unknown package 'wbe'", "did you mean web"]),
    ("[packages.web]\ndependencies = ['a#b']", 2, ["names a task"]),
    ("[tasks.a]\ndepends_on = ['b', 'wbe#a']", 2, ["unknown package 'wbe'", "did you mean web"]),
    ("[[cache]]\nname = 'a'", 1, ["cache[0]: 'backend' is missing"]),
    (
        "[[cache]]\nname='a'\nbackend='b'\n[[cache]]\nname='a'\nbackend='b'",
        5,
        ["cache[1].name", "a tier 'a' already"],
    ),
    ("[[cache]]\nname='a'\nbackend='b'\nwrite = 'awlays'", 4, ["did you mean 'always'"]),
    ("[plugins]\ndisabled = []", 2, ["did you mean disable"]),
    ("[plugins.settings]\na = 1", 2, ["plugins.settings.a: must be a table"]),
    ("a = 1\nb = 2\na = 3", 3, ["not valid TOML"]),
    ("[a]\n[b]\n[a]\n", 3, ["not valid TOML"]),
    ("a = \n", 1, ["not valid TOML"]),
    ("a = '''\n\n", 3, ["not valid TOML"]),
    (b"# fine\na = '\xff'", 2, ["not UTF-8"]),
]


@pytest.mark.parametrize(("text", "line", "words"), MISTAKES, ids=[str(m[0]) for m in MISTAKES])
def test_a_mistake_is_told_with_its_line_and_what_is_possible(
    text: str | bytes, line: int, words: list[str]
) -> None:
    error = mistake({"bao.toml": text}, package("web"))
    assert (error.where, error.line) == ("bao.toml", line)
    said = f"{error.message}; {error.hint}"
    assert [word for word in words if word not in said] == []
    assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{\n"bao": {\n"env_mod": "strict"}}', 3, ["did you mean env_mode"]),
        ('{\n"bao": {\n"tasks": {"a": {\n"cache": null}}}}', 4, ["null", "leave the key out"]),
        ('{\n"bao": {"tasks": {\n"a": {},\n"a": {}}}}', 4, ["tasks.a", "twice"]),
        ('{\n"bao": {"global_env": [\n"A",\n1]}}', 4, ["global_env[1]"]),
        ('{\n"bao": []}', 2, ["must be a table, not a list"]),
        ('{\n"bao": {,', 2, ["not valid JSON"]),
    ],
)
def test_a_mistake_in_package_json_is_told_with_its_line(
    text: str, line: int, words: list[str]
) -> None:
    error = mistake({"package.json": text})
    assert (error.where, error.line) == ("package.json", line)
    said = f"{error.message}; {error.hint}"
    assert [word for word in words if word not in said] == []


def test_a_mistake_in_pyproject_toml_is_told_with_its_line() -> None:
    text = "[project]\nname = 'x'\n[tool.bao.tasks]\n'a b' = {}\na = {\"cach\\u0065\" = 1}\n"
    error = mistake({"pyproject.toml": text})
    assert (error.where, error.line) == ("pyproject.toml", 5)
    assert error.message.startswith("tasks.a.cache: must be")


def test_a_member_twice_outside_of_bao_is_not_our_business() -> None:
    assert load({"package.json": '{"a": 1, "a": 2, "bao": {}}'}).path == "package.json"


def test_files_are_not_read_again_while_nothing_is_wrong() -> None:
    tree = MemoryTree({"pyproject.toml": "[tool.bao]\nconcurrency = 3\n"})
    load_root_config(tree)
    assert sorted(tree.asked) == ["bao.toml", "package.json", "pyproject.toml"]


# --- definitions -----------------------------------------------------------------------------


def test_every_task_key_arrives() -> None:
    definition = resolve(
        """
        [tasks.build]
        command = ["make", "all"]
        depends_on = ["gen", "^build", "web#gen", "//#gen", {task = "^lint", follow = "outputs"}]
        inputs = ["$default", "^$default", "$root/x.txt", "!docs/**"]
        outputs = ["dist/**", "!dist/tmp", "$root/out"]
        env = ["NODE_*", "!NODE_X"]
        pass_through_env = ["TOKEN"]
        tools = ["gcc"]
        cache = false
        clean = false
        timeout = "1m30s"
        retries = 2
        weight = 3
        mutex = "db"
        output_logs = "none"
        tags = ["slow"]
        description = "Builds."
        """,
        package("web"),
    )["web"]["build"]
    assert definition == TaskDefinition(
        "build",
        command=("make", "all"),
        depends_on=(
            TaskReference("gen"),
            TaskReference("build", "dependencies"),
            TaskReference("gen", "package", "web"),
            TaskReference("gen", "package", "//"),
            TaskReference("lint", "dependencies", follow="outputs"),
        ),
        inputs=("$default", "^$default", "$root/x.txt", "!docs/**"),
        outputs=("dist/**", "!dist/tmp", "$root/out"),
        env=("NODE_*", "!NODE_X"),
        pass_through_env=("TOKEN",),
        tools=("gcc",),
        cache=False,
        clean=False,
        timeout=90.0,
        retries=2,
        weight=3,
        mutex="db",
        output_logs="none",
        tags=("slow",),
        description="Builds.",
        source="bao.toml:2",
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("'90s'", 90), ("'5m'", 300), ("'1h'", 3600), ("'250ms'", 0.25)],
)
def test_a_timeout_comes_to_seconds(written: str, seconds: float) -> None:
    found = resolve(f"[tasks.a]\ncommand = 'x'\ntimeout = {written}", package("web"))
    assert found["web"]["a"].timeout == seconds


def test_what_is_not_said_of_inputs_stays_open_and_an_empty_list_does_not() -> None:
    found = resolve(LINT + "[tasks.a]\ncommand = 'x'\ninputs = []", package("web"))["web"]
    assert found["lint"].inputs is None
    assert found["a"].inputs == ()


@pytest.mark.parametrize("key", ["persistent", "interactive"])
def test_tasks_that_never_end_or_ask_are_not_cached_by_themselves(key: str) -> None:
    found = resolve(f"{LINT}{key} = true\n", package("web"))
    assert found["web"]["lint"].cache is False


def test_a_package_inherits_key_by_key_from_single_and_general_tables() -> None:
    found = resolve(
        """
        [tasks.build]
        command = "make"
        outputs = ["dist/**"]
        env = ["A"]
        weight = 2
        ["tasks"."web#build"]
        outputs = ["out/**"]
        env = ["B"]
        """,
        package("web"),
        package("api"),
        files={"packages/web/bao.toml": "[tasks.build]\nenv = []\n"},
    )
    web = found["web"]["build"]
    assert (web.command, web.outputs, web.env, web.weight) == ("make", ("out/**",), (), 2)
    assert web.source == "packages/web/bao.toml:1"
    api = found["api"]["build"]
    assert (api.outputs, api.env, api.source) == (("dist/**",), ("A",), "bao.toml:2")
    assert found["*"] == {"build": api}


def test_extends_false_starts_from_nothing() -> None:
    root = "[tasks.build]\ncommand = 'make'\nenv = ['A']\n['tasks'.'web#build']\nweight = 2\n"
    own = {"packages/web/bao.toml": "[tasks.build]\nextends = false\nretries = 1\n"}
    found = resolve(root, package("web"), files=own)
    assert "build" not in found["web"]
    found = resolve(root, package("web", scripts={"build": "tsc"}), files=own)
    assert found["web"]["build"] == TaskDefinition(
        "build", command="tsc", retries=1, source="packages/web/bao.toml:1"
    )
    single = root + "extends = false\n"
    found = resolve(single, package("web", scripts={"build": "tsc"}))
    assert (found["web"]["build"].command, found["web"]["build"].env) == ("tsc", ())


def test_a_script_gives_the_command_where_no_table_does() -> None:
    root = "[tasks.build]\noutputs = ['dist/**']\n[tasks.lint]\ncommand = 'ruff'\n"
    found = resolve(
        root,
        package("web", scripts={"build": "tsc", "lint": "eslint", "dev": "vite", "nothing": " "}),
        package("api"),
    )
    assert found["web"]["build"].command == "tsc"
    assert found["web"]["build"].outputs == ("dist/**",)
    assert found["web"]["build"].configured
    assert found["web"]["lint"].command == "ruff"
    assert found["web"]["dev"] == TaskDefinition(
        "dev",
        command="vite",
        depends_on=(TaskReference("dev", "dependencies"),),
        cache=False,
        configured=False,
        source="package.json scripts",
    )
    assert "nothing" not in found["web"]
    assert set(found["api"]) == {"lint"}
    assert found["*"]["build"].command is None


def test_scripts_run_without_any_configuration() -> None:
    tree = MemoryTree({})
    found = resolve_definitions(
        RootConfig(), workspace(package("web", scripts={"build": "tsc"})), tree
    )
    assert found["web"]["build"].command == "tsc"
    assert found["*"] == {}


def test_a_task_without_any_command_stands_for_what_it_depends_on() -> None:
    root = LINT + "[tasks.ci]\ndepends_on = ['lint']\n"
    found = resolve(root, package("web"), package("api"))
    assert found["web"]["ci"].command is None
    assert "ci" not in found["//"]
    found = resolve(root, package("web", scripts={"ci": "x"}), package("api"))
    assert set(found["api"]) == {"lint"}


def test_a_package_alone_may_have_a_task_that_stands_for_others() -> None:
    own = {"packages/web/bao.toml": "[tasks.all]\ndepends_on = ['lint']\n[tasks.no]\nweight = 2\n"}
    found = resolve(LINT, package("web"), files=own)
    assert set(found["web"]) == {"lint", "all"}


# --- the root package ------------------------------------------------------------------------


def test_the_root_gets_only_tasks_that_are_said_to_be_its_own() -> None:
    root = Package("//", "", "node", "package.json", scripts={"build": "bao run build", "fmt": "f"})
    text = LINT + "[tasks.build]\n[tasks.'//#fmt']\n[tasks.'//#gen']\ncommand = 'g'\n"
    found = resolve(text, package("web", scripts={"build": "tsc"}), of_root=root)
    assert {name: task.command for name, task in found["//"].items()} == {"fmt": "f", "gen": "g"}
    assert found["//"]["fmt"].configured


def test_a_root_that_is_a_package_gets_configured_commands_but_no_scripts() -> None:
    root = Package("app", "", "node", "package.json", scripts={"build": "bao run build"})
    found = resolve(LINT + "[tasks.build]\n", package("web"), of_root=root)
    assert {name: task.command for name, task in found["app"].items()} == {"lint": "ruff check"}
    found = resolve("[tasks.'//#build']\n", package("web"), of_root=root)
    assert found["app"]["build"].command == "bao run build"


def test_a_root_alone_is_a_package_like_any_other() -> None:
    root = Package("//", "", "node", "package.json", scripts={"build": "tsc"})
    found = resolve(LINT, of_root=root)
    assert {name: task.command for name, task in found["//"].items()} == {
        "lint": "ruff check",
        "build": "tsc",
    }


def test_one_root_task_under_two_names_is_an_error() -> None:
    root = Package("app", "", "node", "package.json")
    error = mistake("[tasks.'//#a']\n[tasks.'app#a']\n", of_root=root)
    assert error.line == 2
    assert "already" in error.message


# --- tables of packages ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "given"),
    [
        ("packages/web/bao.toml", "[tasks.build]\ncommand = 'x'\n", {}),
        (
            "packages/web/pyproject.toml",
            "[project]\n[tool.bao.tasks.build]\ncommand = 'x'\n",
            {"config_key": "tool.bao"},
        ),
        (
            "packages/web/package.json",
            '{\n"bao": {"tasks": {\n"build": {"command": "x"}}}}',
            {"config_key": "bao"},
        ),
    ],
)
def test_a_package_speaks_in_any_of_three_places(
    path: str, text: str, given: dict[str, Any]
) -> None:
    if given:
        given |= {"config": {"tasks": {"build": {"command": "x"}}}, "config_path": path}
    found = resolve("", package("web", **given), files={path: text})
    assert found["web"]["build"].command == "x"
    line = text[: text.index("build")].count("\n") + 1
    assert found["web"]["build"].source == f"{path}:{line}"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[tasks.a]\ncach = true\n", 2, ["did you mean cache"]),
        ("\nglobal_env = []\n", 2, ["configuration of the workspace root"]),
        ("name = 'wbe'\n", 1, ["called 'web' by packages/web/package.json"]),
        ("[tasks]\n'api#a' = {}\n", 2, ["names a package", "root's configuration"]),
        ("[tasks.a]\ndepends_on = ['ap#x']\n", 2, ["unknown package 'ap'", "did you mean api"]),
        ("x = ]\n", 1, ["not valid TOML"]),
    ],
)
def test_a_mistake_in_a_package_is_told_with_its_file_and_line(
    text: str, line: int, words: list[str]
) -> None:
    files = {"bao.toml": "", "packages/web/bao.toml": text}
    error = mistake(files, package("web"), package("api"))
    assert (error.where, error.line) == ("packages/web/bao.toml", line)
    said = f"{error.message}; {error.hint}"
    assert [word for word in words if word not in said] == []


def test_a_package_that_speaks_in_two_places_is_an_error_that_names_both() -> None:
    path = "packages/web/package.json"
    files = {"packages/web/bao.toml": "", path: '{\n"bao": {"tags": []}}'}
    web = package("web", config={"tags": []}, config_path=path, config_key="bao")
    error = mistake(files, web)
    assert (error.where, error.line) == (path, 2)
    assert "packages/web/bao.toml" in error.message


def test_a_package_with_only_a_bao_toml_may_be_named_there() -> None:
    path = "packages/web/bao.toml"
    text = "name = 'web'\n[tasks.a]\ncommand = 'x'\n"
    web = Package("web", "packages/web", "bao", path, config={"name": "web"}, config_path=path)
    assert resolve("", web, files={path: text})["web"]["a"].command == "x"


def test_extras_come_from_the_root_and_from_the_package() -> None:
    tree = MemoryTree(
        {
            "bao.toml": "[packages.web]\ndependencies = ['api']\ntags = ['a']\n"
            "[packages.'//']\ndependencies = ['web']\n",
            "packages/web/bao.toml": "dependencies = ['db', 'api']\ntags = ['b']\n",
        }
    )
    config = load_root_config(tree)
    extras = package_extras(config, package("web"), tree)
    assert extras == PackageExtras(("api", "db"), ("a", "b"))
    assert package_extras(config, package("api"), tree) == PackageExtras()
    root = package("app", path="")
    assert package_extras(config, root, tree) == PackageExtras(("web",), ())


def test_a_dependency_that_is_not_there_is_told_with_its_line() -> None:
    tree = MemoryTree(
        {
            "bao.toml": "[packages.web]\ndependencies = [\n'api',\n'dbb']\n",
            "packages/api/bao.toml": "\ndependencies = ['wbe']\n",
        }
    )
    config = load_root_config(tree)
    error = dependency_error(config, package("web"), "dbb", ["db", "web"], tree)
    assert str(error) == (
        "bao.toml:4: packages.web.dependencies[1]: unknown package 'dbb' (known: db, web); "
        "did you mean db?"
    )
    error = dependency_error(config, package("api"), "wbe", ["db", "web"], tree)
    assert str(error).startswith("packages/api/bao.toml:2: dependencies[0]: unknown package 'wbe'")


def test_a_package_that_depends_on_itself_is_an_error() -> None:
    tree = MemoryTree({"packages/web/bao.toml": "tags = []\ndependencies = ['web']\n"})
    with pytest.raises(ConfigError, match=r"web/bao.toml:2: .* names itself"):
        package_extras(RootConfig(), package("web"), tree)


# --- settings of components ------------------------------------------------------------------


class Limits(Struct, frozen=True):
    """Settings inside of settings."""

    days: int = 30


class Settings(Struct, frozen=True, rename="kebab"):
    """Settings as a plugin may write them."""

    url: str
    max_size: int = 10
    limits: Limits = field(default_factory=Limits)
    flags: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_size > 100:
            raise ValueError("max-size is beyond all measure")


def tier(text: str) -> tuple[MemoryTree, RootConfig]:
    head = "[project]\n[[tool.bao.cache]]\nname = 'disk'\nbackend = 'local'\n"
    own = f"[[tool.bao.cache]]\nname = 'team'\nbackend = 'fsspec'\n{text}"
    tree = MemoryTree({"pyproject.toml": head + own})
    return tree, load_root_config(tree)


def settings_of(text: str) -> Settings:
    tree, config = tier(text)
    table = config.cache[1]
    return decode_settings(Settings, table.settings, where=config.path, key=table.key, tree=tree)


def test_settings_are_decoded_into_the_component_s_record() -> None:
    text = "url = 's3://b'\nmax-size = 5\nlimits = {days = 2}\nflags = {a = true, b = [1]}\n"
    assert settings_of(text) == Settings("s3://b", 5, Limits(2), {"a": True, "b": [1]})


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("ulr = 'x'\n", 8, ["tool.bao.cache[1]: unknown key 'ulr'", "did you mean url"]),
        ("url = 'x'\nlimit = {}\n", 9, ["unknown key 'limit'", "did you mean limits"]),
        ("\nmax-size = 3\n", 5, ["'url' is missing"]),
        ("url = 'x'\nmax-size = '3'\n", 9, ["max-size: must be a whole number"]),
        ("url = 'x'\nmax-size = 300\n", 5, ["beyond all measure"]),
        ("url = 'x'\n[tool.bao.cache.limits]\ndays = 'x'\n", 10, ["limits.days"]),
        ("url = 'x'\nlimits = {dayz = 1}\nmax-size = ''", 9, ["did you mean days"]),
    ],
)
def test_a_mistake_in_settings_is_told_with_its_line(
    text: str, line: int, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(text)
    assert (caught.value.where, caught.value.line) == ("pyproject.toml", line)
    said = f"{caught.value.message}; {caught.value.hint}"
    assert [word for word in words if word not in said] == []


def test_settings_of_a_named_component_know_their_line() -> None:
    tree = MemoryTree({"bao.toml": "[plugins.settings.python]\n\nurl = 3\n"})
    config = load_root_config(tree)
    table, key = config.component_settings("python")
    with pytest.raises(ConfigError, match=re.escape("bao.toml:3: plugins.settings.python.url")):
        decode_settings(Settings, table, where=config.path, key=key, tree=tree)
    assert config.component_settings("other") == ({}, 'plugins.settings."other"')
