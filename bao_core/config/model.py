"""What the configuration comes to: the records that the rest of bao reads.

They are remembered with the workspace and decoded in every run, so they are few and plain; what the
files may hold, with every rule, is in `bao_core.config.records`.
"""

from typing import Any

from msgspec import Struct, field


class WorkspaceTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Which directories are packages that have only a `bao.toml`.

    Attributes:
        packages: Globs of package directories. The table's presence marks the workspace root.
        exclude: Globs of directories that are no packages after all.
    """

    packages: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class PluginsTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Which plugins take part, and their settings.

    Attributes:
        disable: Plugins that are not even imported, by entry point, such as `workspace-node`.
        require: Plugins without which nothing runs; one that is missing is an error.
        settings: A table of settings for each component, by the component's name.
    """

    disable: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


class CacheTable(Struct, frozen=True):
    """One cache tier.

    Attributes:
        name: What messages call it.
        backend: The name of a cache backend that a plugin offers.
        read: Whether results are looked up there.
        write: `always`, `never`, or `trusted` for a tier that only trusted runs write to.
        max_wait: Seconds that a run waits in all for a remote tier that gets nothing done.
        max_upload_wait: Seconds that the end of a run waits for uploads to a remote tier.
        settings: The remaining keys of the table, for the backend.
        key: The place of the table in the file that `RootConfig.path` names, such as
            `tool.bao.cache[0]`; empty for the tier that there is without any configuration.
    """

    name: str
    backend: str
    read: bool = True
    write: str = "always"
    settings: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    max_wait: float = 5.0
    max_upload_wait: float = 60.0


DEFAULT_CACHE = CacheTable("disk", "local")
"""The tier of a workspace that says nothing of caches, used where its backend is installed."""


class PackageExtras(Struct, frozen=True):
    """What bao's tables add to a package.

    Attributes:
        dependencies: Names of packages that it depends on, sorted.
        tags: Sorted.
    """

    dependencies: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class RootConfig(Struct, frozen=True):
    """The configuration of the workspace root, complete and without mistakes.

    Attributes:
        path: The file it came from; empty where there is none.
        key_prefix: The place of the tables in that file, such as `tool.bao`; may be empty.
        workspace: None where the file has no such table.
        tasks: The task tables as written, by `build` or `package#build`; `resolve_definitions`
            makes definitions of them.
        packages: The package tables as written, by package name, for `package_extras`.
        global_inputs: Globs from the root of what every key holds; None for the default.
        global_env: Variables that every key holds.
        global_pass_through_env: Variables that every task sees and no key holds.
        env_mode: `strict` or `loose`.
        concurrency: How many slots there are: a number, a share such as `50%`, or None.
        default_branch: The branch that `--affected` compares with; empty where not given.
        output_logs: The default for all tasks; empty where not given.
        cache: The tiers, in the order of looking up.
        executor: The name of the executor.
        scheduler: The name of the scheduler.
        infer: Whether packages have tasks that nobody declares and that their files speak of.
        foreign: The file of another tool whose rules hold, such as `turbo.json`; empty where the
            configuration is bao's own.
    """

    path: str = ""
    key_prefix: str = ""
    workspace: WorkspaceTable | None = None
    tasks: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, Any] = field(default_factory=dict)
    global_inputs: tuple[str, ...] | None = None
    global_env: tuple[str, ...] = ()
    global_pass_through_env: tuple[str, ...] = ()
    env_mode: str = "strict"
    concurrency: int | str | None = None
    default_branch: str = ""
    output_logs: str = ""
    cache: tuple[CacheTable, ...] = (DEFAULT_CACHE,)
    plugins: PluginsTable = field(default_factory=PluginsTable)
    executor: str = "local"
    scheduler: str = "critical-path"
    infer: bool = True
    foreign: str = ""

    def component_settings(self, name: str) -> tuple[dict[str, Any], str]:
        """The settings of a component, and their place in the file, for `decode_settings`."""
        place = f"{self.key_prefix}." if self.key_prefix else ""
        return self.plugins.settings.get(name, {}), f'{place}plugins.settings."{name}"'
