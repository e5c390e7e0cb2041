"""What configuration files may hold: the records that files are checked against.

The JSON Schema and the reference are made from them, so the docstrings speak to users. A key that
is not given is None; every text has a kind, which `bao_core.config.checks` knows how to check.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from bao_core.config.checks import PATTERNS
from bao_core.config.model import PluginsTable


def _kind(name: str) -> Meta:
    return Meta(extra={"bao": name}, extra_json_schema={"pattern": PATTERNS[name]})


Duration = Annotated[str, _kind("duration")]
Glob = Annotated[str, _kind("glob")]
GlobalInput = Annotated[str, _kind("global input")]
Input = Annotated[str, _kind("input")]
Output = Annotated[str, _kind("output")]
PackageName = Annotated[str, _kind("package")]
Percentage = Annotated[str, _kind("percentage")]
Reference = Annotated[str, _kind("reference")]
TaskKey = Annotated[str, _kind("task key")]
TaskName = Annotated[str, _kind("task")]
Text = Annotated[str, _kind("text")]
Variable = Annotated[str, _kind("variable")]
Word = Annotated[str, _kind("word")]

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Arguments = Annotated[tuple[str, ...], Meta(min_length=1)]
OutputLogs = Literal["full", "hash-only", "new-only", "errors-only", "none"]


class FollowTable(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of `depends_on` that says what of the upstream task counts.

    Attributes:
        task: The task, as in the short form: `build`, `^build`, `package#build` or `//#build`.
        follow: What of it is part of the key: its `key`, the digests of its `outputs`, or `none`,
            which only orders.
    """

    task: Reference
    follow: Literal["key", "outputs", "none"] = "key"


class TaskTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of one task. Every key that a package leaves out comes from the root.

    Attributes:
        command: A line for the shell, or a list of a program and its arguments. Without one the
            manifest's script of the task's name is run, where there is one.
        extends: `false` starts from nothing instead of from what the root says.
        depends_on: Tasks that come first: `build` in the same package, `^build` in the packages it
            depends on, `package#build` in that package, `//#build` in the root.
        beside: Tasks that are run whenever this one is, without waiting for each other.
        inputs: Globs of the files that count, from the package directory. `$default` stands for
            all files that git does not ignore, `^$default` for those of the packages depended on,
            `$root/…` starts at the workspace root, `!` excludes.
        outputs: Globs of the files that the task leaves, from the package directory. `$root/…`
            starts at the workspace root, `!` excludes.
        env: Variables that the task sees and that are part of its key. `*` stands for any text,
            `!` excludes.
        pass_through_env: Variables that the task sees and that are not part of its key.
        tools: Programs whose content is part of the key, found on the task's PATH.
        cache: Whether results are kept and restored.
        clean: Whether outputs of an earlier run are removed before the command is started.
        persistent: The task does not end by itself, such as a server. Nothing can depend on it.
        interactive: The task reads the terminal.
        timeout: How long it may run: seconds, or a text such as `90s`, `5m` or `1h30m`.
        retries: How often it is started again after a failure.
        weight: How many slots of the concurrency it takes.
        mutex: Tasks with the same word never run at the same time.
        output_logs: Which of its output is shown.
        tags: Words for people and plugins.
        description: What the task is for.
    """

    command: Text | Arguments | None = None
    extends: bool | None = None
    depends_on: tuple[Reference | FollowTable, ...] | None = None
    beside: tuple[Reference, ...] | None = None
    inputs: tuple[Input, ...] | None = None
    outputs: tuple[Output, ...] | None = None
    env: tuple[Variable, ...] | None = None
    pass_through_env: tuple[Variable, ...] | None = None
    tools: tuple[Text, ...] | None = None
    cache: bool | None = None
    clean: bool | None = None
    persistent: bool | None = None
    interactive: bool | None = None
    timeout: Seconds | Duration | None = None
    retries: Count | None = None
    weight: Positive | None = None
    mutex: Word | None = None
    output_logs: OutputLogs | None = None
    tags: tuple[Word, ...] | None = None
    description: str | None = None


class PackageEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """What the root adds to one package.

    Attributes:
        dependencies: Packages of this workspace, of whatever kind, that it depends on as well.
        tags: Words to select it by, as in `--filter tag:word`.
    """

    dependencies: tuple[PackageName, ...] = ()
    tags: tuple[Word, ...] = ()


class WorkspaceEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """Which directories are packages that have only a `bao.toml`; marks the workspace root.

    Attributes:
        packages: Globs of package directories.
        exclude: Globs of directories that are no packages after all.
    """

    packages: tuple[Glob, ...] = ()
    exclude: tuple[Glob, ...] = ()


class CacheEntry(Struct, frozen=True):
    """One cache tier. Every other key is a setting of its backend.

    Attributes:
        name: What messages call it.
        backend: The name of a cache backend that a plugin offers, such as `local`.
        read: Whether results are looked up there.
        write: Whether results are stored there: `always`, `never`, or `trusted` for a tier that
            only trusted runs write to.
        max_wait: How long a run waits in all for a remote tier that gets nothing done: seconds, or
            a text such as `500ms`.
        max_upload_wait: How long the end of a run waits for uploads to a remote tier.
    """

    name: Word
    backend: Word
    read: bool = True
    write: Literal["always", "never", "trusted"] = "always"
    max_wait: Seconds | Duration = 5
    max_upload_wait: Seconds | Duration = 60


class RootTables(Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of the workspace root.

    Attributes:
        workspace: Which directories are packages that have only a `bao.toml`.
        tasks: What is said of each task, for all packages, or as `package#task` for one.
        packages: What is added to single packages, by their names.
        global_inputs: Globs from the workspace root of files that are part of every key.
            `$default` stands for what counts where this key is missing.
        global_env: Variables that every task sees and that are part of every key.
        global_pass_through_env: Variables that every task sees and that are part of no key.
        env_mode: `strict`: tasks see the variables that were declared; `loose`: all variables.
        concurrency: How many slots there are for tasks: a number, or a share of the processors.
        default_branch: The branch that `--affected` compares with.
        output_logs: Which output is shown of tasks that do not say so themselves.
        cache: The cache tiers, in the order of looking up. An empty list means no cache.
        plugins: Which plugins take part, and their settings.
        executor: The name of what runs commands.
        scheduler: The name of what decides the order.
        infer: Whether packages get the tasks that their files speak of and nobody declares.
    """

    workspace: WorkspaceEntry | None = None
    tasks: dict[TaskKey, TaskTable] = field(default_factory=dict)
    packages: dict[PackageName, PackageEntry] = field(default_factory=dict)
    global_inputs: tuple[GlobalInput, ...] | None = None
    global_env: tuple[Variable, ...] = ()
    global_pass_through_env: tuple[Variable, ...] = ()
    env_mode: Literal["strict", "loose"] = "strict"
    concurrency: Positive | Percentage | None = None
    default_branch: Text | None = None
    output_logs: OutputLogs | None = None
    cache: tuple[CacheEntry, ...] | None = None
    plugins: PluginsTable = field(default_factory=PluginsTable)
    executor: Word = "local"
    scheduler: Word = "critical-path"
    infer: bool = True


class PackageTables(Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of one package.

    Attributes:
        name: The package's name, where no other manifest gives it one.
        dependencies: Packages of this workspace, of whatever kind, that it depends on as well.
        tags: Words to select it by, as in `--filter tag:word`.
        tasks: What is said of each task, for this package.
        infer: Whether the package gets the tasks that its files speak of and nobody declares.
    """

    name: PackageName | None = None
    dependencies: tuple[PackageName, ...] = ()
    tags: tuple[Word, ...] = ()
    tasks: dict[TaskName, TaskTable] = field(default_factory=dict)
    infer: bool | None = None
