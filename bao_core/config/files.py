"""Reads configuration files: which file speaks for the root and for a package, and what it says."""

from __future__ import annotations

import re
from typing import Any

from bao_core.config.checks import parse_duration
from bao_core.config.errors import ConfigFile, unknown_name
from bao_core.config.lines import format_key, parse_key
from bao_core.config.model import (
    DEFAULT_CACHE,
    CacheTable,
    PackageExtras,
    RootConfig,
    WorkspaceTable,
)
from bao_core.config.records import PackageEntry, PackageTables, RootTables
from bao_core.errors import ConfigError
from bao_core.model import ROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bao_core.config.lines import Key
    from bao_core.config.records import CacheEntry
    from bao_core.model import FileTree, Package

BAO_TOML = "bao.toml"

_NOT_AT_THE_ROOT = {
    name: f"it belongs into a package's own tables, or here into packages.NAME.{name}"
    for name in ("dependencies", "tags")
} | {"name": "the root takes its name from its manifest"}

_NOT_IN_A_PACKAGE = dict.fromkeys(
    sorted(set(RootTables.__struct_fields__) - set(PackageTables.__struct_fields__)),
    "it belongs into the configuration of the workspace root",
)


class PackageFile:
    """The tables of one package, and the file they stand in."""

    __slots__ = ("file", "tables")

    def __init__(self, file: ConfigFile, tables: PackageTables) -> None:
        self.file = file
        self.tables = tables


def read_root_config(tree: FileTree) -> RootConfig:
    """`bao_core.config.load_root_config`."""
    found = list(_root_tables(tree))
    if not found:
        return RootConfig()
    if len(found) > 1:
        raise _said_twice([file for file, _ in found])
    file, table = found[0]
    return _root_config(file, file.decode(RootTables, table, elsewhere=_NOT_AT_THE_ROOT), table)


def _root_tables(tree: FileTree) -> Iterator[tuple[ConfigFile, Any]]:
    if (data := tree.read(BAO_TOML)) is not None:
        yield ConfigFile(tree, BAO_TOML), parse_toml(data, BAO_TOML)
    # The word stands in every file that has bao's table; the other files are not even parsed.
    data = tree.read("pyproject.toml")
    if data is not None and b"bao" in data:
        tool = parse_toml(data, "pyproject.toml").get("tool")
        if isinstance(tool, dict) and "bao" in tool:
            yield ConfigFile(tree, "pyproject.toml", ("tool", "bao")), tool["bao"]
    data = tree.read("package.json")
    if data is not None and b'"bao"' in data:
        manifest = parse_json(data, "package.json")
        if isinstance(manifest, dict) and "bao" in manifest:
            file = ConfigFile(tree, "package.json", ("bao",))
            _refuse_repeated(manifest["bao"], file)
            yield file, manifest["bao"]


def _root_config(file: ConfigFile, tables: RootTables, raw: dict[str, Any]) -> RootConfig:
    workspace = tables.workspace
    cache = (DEFAULT_CACHE,) if tables.cache is None else _tiers(file, tables.cache, raw["cache"])
    return RootConfig(
        path=file.path,
        key_prefix=format_key(file.prefix),
        workspace=WorkspaceTable(workspace.packages, workspace.exclude) if workspace else None,
        tasks=raw.get("tasks", {}),
        packages=raw.get("packages", {}),
        global_inputs=tables.global_inputs,
        global_env=tables.global_env,
        global_pass_through_env=tables.global_pass_through_env,
        env_mode=tables.env_mode,
        concurrency=tables.concurrency,
        default_branch=tables.default_branch or "",
        output_logs=tables.output_logs or "",
        cache=cache,
        plugins=tables.plugins,
        executor=tables.executor,
        scheduler=tables.scheduler,
        infer=tables.infer,
    )


def _tiers(
    file: ConfigFile, entries: tuple[CacheEntry, ...], raw: list[dict[str, Any]]
) -> tuple[CacheTable, ...]:
    tiers: list[CacheTable] = []
    for index, (entry, table) in enumerate(zip(entries, raw, strict=True)):
        if any(entry.name == tier.name for tier in tiers):
            raise file.error(
                ("cache", index, "name"),
                f"cache[{index}].name: there is a tier '{entry.name}' already",
                "give each tier a name of its own",
            )
        own = entry.__struct_fields__
        settings = {name: value for name, value in table.items() if name not in own}
        key = format_key((*file.prefix, "cache", index))
        tiers.append(
            CacheTable(
                entry.name,
                entry.backend,
                entry.read,
                entry.write,
                settings,
                key,
                max_wait=_seconds(entry.max_wait),
                max_upload_wait=_seconds(entry.max_upload_wait),
            )
        )
    return tuple(tiers)


def _seconds(duration: float | str) -> float:
    return parse_duration(duration) if isinstance(duration, str) else float(duration)


def read_package_extras(config: RootConfig, package: Package, tree: FileTree) -> PackageExtras:
    """`bao_core.config.package_extras`."""
    dependencies: set[str] = set()
    tags: set[str] = set()
    for file, key, tables in _extras(config, package, tree):
        if package.name in tables.dependencies:
            place = (*key, "dependencies", tables.dependencies.index(package.name))
            raise file.error(place, f"{format_key(place)}: package '{package.name}' names itself")
        dependencies.update(tables.dependencies)
        tags.update(tables.tags)
    return PackageExtras(tuple(sorted(dependencies)), tuple(sorted(tags)))


def missing_dependency(
    config: RootConfig, package: Package, name: str, known: Collection[str], tree: FileTree
) -> ConfigError:
    """`bao_core.config.dependency_error`."""
    said, hint = unknown_name(name, known, "package")
    for file, key, tables in _extras(config, package, tree):
        if name in tables.dependencies:
            place = (*key, "dependencies", tables.dependencies.index(name))
            return file.error(place, f"{format_key(place)}: {said}", hint)
    return ConfigError(said, where=package.manifest or None, hint=hint)


def _extras(
    config: RootConfig, package: Package, tree: FileTree
) -> Iterator[tuple[ConfigFile, Key, PackageEntry | PackageTables]]:
    """What speaks of a package's dependencies and tags."""
    for name in dict.fromkeys((package.name, package.name if package.path else ROOT)):
        if name in config.packages:
            file, key = root_file(config, tree), ("packages", name)
            yield file, key, file.decode(PackageEntry, config.packages[name], key)
    own = _own_table(package, tree)
    # Most packages have neither; what else their tables hold is checked with the tasks.
    if own is not None and not {"dependencies", "tags"}.isdisjoint(own[1]):
        yield own[0], (), _package_file(package, *own).tables


def root_file(config: RootConfig, tree: FileTree) -> ConfigFile:
    """The file of the root's configuration."""
    return ConfigFile(tree, config.path, parse_key(config.key_prefix))


def read_package_file(package: Package, tree: FileTree) -> PackageFile | None:
    """A package's own tables: those of its manifest, or its `bao.toml`; None for the root package.

    Raises:
        ConfigError: They hold a mistake, or there are both.
    """
    own = _own_table(package, tree)
    return None if own is None else _package_file(package, *own)


def _own_table(package: Package, tree: FileTree) -> tuple[ConfigFile, dict[str, Any]] | None:
    if not package.path:
        return None
    beside = f"{package.path}/{BAO_TOML}"
    data = tree.read(beside)
    manifest = ConfigFile(tree, package.config_path, parse_key(package.config_key))
    if data is None:
        return (manifest, package.config) if package.config else None
    file = ConfigFile(tree, beside)
    if package.config and package.config_path != beside:
        raise _said_twice([file, manifest])
    return file, parse_toml(data, beside)


def _package_file(package: Package, file: ConfigFile, table: dict[str, Any]) -> PackageFile:
    tables = file.decode(PackageTables, table, elsewhere=_NOT_IN_A_PACKAGE)
    if tables.name is not None and tables.name != package.name:
        raise file.error(
            ("name",),
            f"name: the package is called '{package.name}' by {package.manifest}",
            "leave the name out here",
        )
    return PackageFile(file, tables)


def _said_twice(files: list[ConfigFile]) -> ConfigError:
    first, second = files[:2]
    return second.error(
        (),
        f"bao is configured here and in {_label(first)} as well",
        "keep one of the two",
    )


def _label(file: ConfigFile) -> str:
    return f"{file.path} ({format_key(file.prefix)})" if file.prefix else file.path


# --- parsing ---------------------------------------------------------------------------------


def parse_toml(data: bytes, path: str) -> dict[str, Any]:
    """A TOML file.

    Raises:
        ConfigError: It is broken; names the line.
    """
    import tomllib

    text = _text(data, path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        found = re.search(r" \(at line (\d+), column \d+\)", said)
        line = int(found[1]) if found else text.count("\n") + 1
        said = said[: found.start()] if found else said.partition(" (at end")[0]
        message = f"is not valid TOML: {said[:1].lower()}{said[1:]}"
        raise ConfigError(message, where=path, line=line) from None


def parse_json(data: bytes, path: str) -> Any:
    """A JSON file; an object that names a member twice becomes a `RepeatedNames`.

    Raises:
        ConfigError: It is broken; names the line.
    """
    import json

    text = _text(data, path)
    try:
        return json.loads(text, object_pairs_hook=_members)
    except json.JSONDecodeError as error:
        message = f"is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise ConfigError(message, where=path, line=error.lineno) from None


class RepeatedNames(dict[str, Any]):
    """A JSON object that names the member `repeated` twice."""

    repeated = ""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) == len(pairs):
        return table
    names = [name for name, _ in pairs]
    doubtful = RepeatedNames(table)
    doubtful.repeated = next(name for name in names if names.count(name) > 1)
    return doubtful


def _refuse_repeated(value: Any, file: ConfigFile, key: Key = ()) -> None:
    if isinstance(value, RepeatedNames):
        place = (*key, value.repeated)
        raise file.error(place, f"{format_key(place)}: the key is there twice")
    if isinstance(value, dict):
        for name, item in value.items():
            _refuse_repeated(item, file, (*key, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_repeated(item, file, (*key, index))


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", where=path, line=line) from None
