"""`bao.toml` and its like: reading the configuration of the root and of each package.

The configuration stands in one of three places: a `bao.toml`, the table `[tool.bao]` of a
`pyproject.toml`, or the member `"bao"` of a `package.json`. A run in which nothing changed takes it
from the remembered workspace, so this module imports what reads files only when it is called.
"""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import Struct, ValidationError, convert

from bao_core.config.model import (
    DEFAULT_CACHE,
    CacheTable,
    PackageExtras,
    PluginsTable,
    RootConfig,
    WorkspaceTable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bao_core.errors import ConfigError
    from bao_core.model import FileTree, Package, TaskDefinition, Workspace

__all__ = [
    "DEFAULT_CACHE",
    "CacheTable",
    "PackageExtras",
    "PluginsTable",
    "RootConfig",
    "WorkspaceTable",
    "decode_settings",
    "dependency_error",
    "load_root_config",
    "package_extras",
    "resolve_definitions",
]

_Settings = TypeVar("_Settings", bound=Struct)


def load_root_config(tree: FileTree) -> RootConfig:
    """Read the configuration of the workspace root.

    Args:
        tree: The worktree or a revision; its `bao.toml`, `pyproject.toml` and `package.json` are
            read.

    Returns:
        The configuration; all defaults where no file has any.

    Raises:
        ConfigError: A file is broken or holds a mistake, or two of them hold a configuration.
    """
    from bao_core.config.files import read_root_config

    return read_root_config(tree)


def package_extras(config: RootConfig, package: Package, tree: FileTree) -> PackageExtras:
    """The dependencies and tags that the root and the package's own tables give a package.

    Whether such a dependency exists is for the caller to find out.

    Raises:
        ConfigError: The package's tables are broken or hold a mistake, or stand in two files.
    """
    from bao_core.config.files import read_package_extras

    return read_package_extras(config, package, tree)


def dependency_error(
    config: RootConfig, package: Package, name: str, known: Collection[str], tree: FileTree
) -> ConfigError:
    """The error for a configured dependency that does not exist, with its place.

    Args:
        config: The root's configuration.
        package: Whose `package_extras` named the dependency.
        name: The dependency.
        known: The names of all packages.
        tree: What the configuration was read from.
    """
    from bao_core.config.files import missing_dependency

    return missing_dependency(config, package, name, known, tree)


def resolve_definitions(
    config: RootConfig, workspace: Workspace, tree: FileTree
) -> dict[str, dict[str, TaskDefinition]]:
    """What each package's tasks are.

    Returns:
        By package name, the definition of every task that the package has, by task name. Under `*`
        stands what the root says of each task, with a command only where the root gives one.

    Raises:
        ConfigError: A table holds a mistake, or names a package that does not exist.
    """
    from bao_core.config.tasks import Definitions

    return Definitions(config, workspace, tree).resolve()


def decode_settings(
    cls: type[_Settings], table: Mapping[str, Any], *, where: str, key: str, tree: FileTree
) -> _Settings:
    """The settings of a component as the record that it asks for.

    Args:
        cls: The component's `Settings`.
        table: The settings as they stand in the file.
        where: The file, from the workspace root.
        key: The place of the table in that file, such as `tool.bao.cache[0]`.
        tree: To find the line of a mistake.

    Raises:
        ConfigError: A key is unknown or missing, or a value does not fit.
    """
    if not set(table).difference(cls.__struct_encode_fields__):
        try:
            return convert(table, cls)
        except ValidationError:
            pass
    from bao_core.config.errors import ConfigFile
    from bao_core.config.lines import parse_key

    return ConfigFile(tree, where).decode(cls, dict(table), parse_key(key))
