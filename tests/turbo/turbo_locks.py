"""Lock files in the form of each package manager, simple but whole, for a made-up workspace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turbo_world import Package, World

REGISTRY = "https://registry.example"


def lock_files(world: World) -> tuple[str, str]:
    """The name and the content of the lock file."""
    if world.manager == "npm":
        return "package-lock.json", _npm(world)
    if world.manager == "pnpm8":
        return "pnpm-lock.yaml", _pnpm(world, old=True)
    if world.manager.startswith("pnpm"):
        return "pnpm-lock.yaml", _pnpm(world, old=False)
    if world.manager == "yarn1":
        return "yarn.lock", _yarn1(world)
    if world.manager == "yarn4":
        return "yarn.lock", _yarn4(world)
    return "bun.lock", _bun(world)


def _outside(world: World, package: Package) -> list[tuple[str, str, str]]:
    """What a package needs of the registry: kind, name, range; peers are not locked."""
    return [
        (kind, name, wanted)
        for kind, entries in package.needs.items()
        if kind != "peerDependencies"
        for name, wanted in entries.items()
        if name in world.external
    ]


def _inside(world: World, package: Package) -> list[tuple[str, str, str]]:
    return [
        (kind, name, wanted)
        for kind, entries in package.needs.items()
        if kind != "peerDependencies"
        for name, wanted in entries.items()
        if world.named(name) is not None
    ]


def _everyone(world: World) -> list[Package]:
    return [world.root, *(p for p in world.packages if p.name)]


def _version(world: World, name: str, wanted: str) -> str:
    """The locked version: of the first major line, or of the second where that is wanted."""
    version = world.external[name][0]
    return "2" + version[1:] if wanted.startswith("^2") else version


def _locked(world: World) -> dict[str, list[str]]:
    """Every `name@version` that is locked, with the names that it needs."""
    found: dict[str, list[str]] = {}
    for name, (version, needs) in world.external.items():
        found[f"{name}@{version}"] = needs
    for package in _everyone(world):
        for _, name, wanted in _outside(world, package):
            found[f"{name}@{_version(world, name, wanted)}"] = world.external[name][1]
    return found


def _integrity(world: World, entry: str) -> str:
    return f"sha512-{world.integrity}{entry.encode().hex()}=="


def _npm(world: World) -> str:
    packages: dict[str, Any] = {
        "": {"name": "root", "workspaces": world.globs, **world.root.needs},
    }

    def entry(name: str, version: str, needs: list[str]) -> dict[str, Any]:
        said: dict[str, Any] = {
            "version": version,
            "resolved": f"{REGISTRY}/{name}-{version}.tgz",
            "integrity": _integrity(world, f"{name}@{version}"),
        }
        if needs:
            said["dependencies"] = dict.fromkeys(needs, "^1.0.0")
        return said

    for name, (version, needs) in world.external.items():
        packages[f"node_modules/{name}"] = entry(name, version, needs)
    for package in _everyone(world):
        if package.path:
            said = {key: package.manifest()[key] for key in package.needs}
            packages[package.path] = {"name": package.name, **said}
            if package.version is not None:
                packages[package.path]["version"] = package.version
            packages[f"node_modules/{package.name}"] = {"resolved": package.path, "link": True}
        for _, name, wanted in _outside(world, package):
            version = _version(world, name, wanted)
            if version != world.external[name][0] and package.path:
                place = f"{package.path}/node_modules/{name}"
                packages[place] = entry(name, version, world.external[name][1])
    return json.dumps(
        {"name": "root", "lockfileVersion": 3, "requires": True, "packages": packages}, indent=2
    )


def _pnpm(world: World, *, old: bool) -> str:
    lines = [f"lockfileVersion: '{'6.0' if old else '9.0'}'", "", "settings:"]
    lines += ["  autoInstallPeers: true", "  excludeLinksFromLockfile: false", ""]
    lines += _pnpm_catalogs(world)
    lines += ["importers:", ""]
    for package in _everyone(world):
        lines += [f"  {package.path or '.'}:" + ("" if _wanted(world, package) else " {}")]
        for kind, entries in _wanted(world, package).items():
            lines.append(f"    {kind}:")
            for name, (wanted, version) in entries.items():
                lines += [f"      '{name}':", f"        specifier: {json.dumps(wanted)}"]
                lines.append(f"        version: {version}")
        lines.append("")
    lines += ["packages:", ""]
    slash = "/" if old else ""
    for entry, needs in _locked(world).items():
        lines.append(f"  '{slash}{entry}':")
        lines.append(f"    resolution: {{integrity: {_integrity(world, entry)}}}")
        if old:
            lines += _pnpm_needs(world, needs)
            lines.append("    dev: false")
        lines.append("")
    if not old:
        lines += ["snapshots:", ""]
        for entry, needs in _locked(world).items():
            lines.append(f"  '{entry}':" + ("" if needs else " {}"))
            lines += [*_pnpm_needs(world, needs), ""]
    return "\n".join(lines)


def _pnpm_catalogs(world: World) -> list[str]:
    lines = []
    for catalog, entries in world.catalogs.items():
        locked = {n: w for n, w in entries.items() if n in world.external}
        lines += [f"  {catalog or 'default'}:"] if locked else []
        for name, wanted in locked.items():
            lines += [f"    '{name}':", f"      specifier: {wanted}"]
            lines.append(f"      version: {_version(world, name, wanted)}")
    return ["catalogs:", *lines, ""] if lines else []


def _pnpm_needs(world: World, needs: list[str]) -> list[str]:
    if not needs:
        return []
    return ["    dependencies:", *(f"      '{n}': {world.external[n][0]}" for n in needs)]


def _wanted(world: World, package: Package) -> dict[str, dict[str, tuple[str, str]]]:
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for kind, name, wanted in _outside(world, package):
        version = _version(world, name, wanted)
        found.setdefault(kind, {})[name] = (wanted, version)
    for kind, name, wanted in _inside(world, package):
        target = world.named(name)
        assert target is not None
        up = "../" * (package.path.count("/") + 1 if package.path else 0)
        found.setdefault(kind, {})[name] = (wanted, f"link:{up}{target.path}")
    return found


def _descriptors(world: World) -> dict[str, set[str]]:
    """For each locked `name@version` the ranges that ask for it."""
    found: dict[str, set[str]] = {}
    for package in _everyone(world):
        for _, name, wanted in _outside(world, package):
            found.setdefault(f"{name}@{_version(world, name, wanted)}", set()).add(wanted)
    for version, needs in world.external.values():
        del version
        for name in needs:
            found.setdefault(f"{name}@{world.external[name][0]}", set()).add("^1.0.0")
    return found


def _yarn1(world: World) -> str:
    lines = [
        "# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.",
        "# yarn lockfile v1",
    ]
    lines += ["", ""]
    for entry, ranges in sorted(_descriptors(world).items()):
        name, _, version = entry.rpartition("@")
        quote = '"' if name.startswith("@") else ""
        lines.append(", ".join(f"{quote}{name}@{r}{quote}" for r in sorted(ranges)) + ":")
        lines.append(f'  version "{version}"')
        lines.append(f'  resolved "{REGISTRY}/{name}-{version}.tgz"')
        lines.append(f"  integrity {_integrity(world, entry)}")
        if needs := world.external[name][1]:
            lines.append("  dependencies:")
            lines += [f'    "{n}" "^1.0.0"' if "@" in n else f'    {n} "^1.0.0"' for n in needs]
        lines.append("")
    return "\n".join(lines)


def _yarn4(world: World) -> str:
    lines = ["# This file is generated by running yarn install.", "", "__metadata:"]
    lines += ["  version: 8", "  cacheKey: 10c0", ""]
    for entry, ranges in sorted(_descriptors(world).items()):
        name, _, version = entry.rpartition("@")
        lines.append('"' + ", ".join(f"{name}@npm:{r}" for r in sorted(ranges)) + '":')
        lines += [f"  version: {version}", f'  resolution: "{name}@npm:{version}"']
        if needs := world.external[name][1]:
            lines += ["  dependencies:", *(f'    "{n}": "npm:^1.0.0"' for n in needs)]
        lines += [f"  checksum: 10c0/{_integrity(world, entry)}", "  languageName: node"]
        lines += ["  linkType: hard", ""]
    for package in _everyone(world):
        place = package.path or "."
        asked = {f"{package.name}@workspace:{place}"}
        for other in _everyone(world):
            for _, name, wanted in _inside(world, other):
                if name == package.name and wanted.startswith("workspace:"):
                    asked.add(f"{name}@{wanted}")
        lines.append('"' + ", ".join(sorted(asked)) + '":')
        lines += ["  version: 0.0.0-use.local", f'  resolution: "{package.name}@workspace:{place}"']
        wanted_here = [
            *((n, f"npm:{w}") for _, n, w in _outside(world, package)),
            *((n, w if ":" in w else f"npm:{w}") for _, n, w in _inside(world, package)),
        ]
        if wanted_here:
            lines += ["  dependencies:", *(f'    "{n}": {json.dumps(w)}' for n, w in wanted_here)]
        lines += ["  languageName: unknown", "  linkType: soft", ""]
    return "\n".join(lines)


def _bun(world: World) -> str:
    document: dict[str, Any] = {"lockfileVersion": 1, "workspaces": {}}
    packages: dict[str, Any] = {}
    for name, (version, _) in world.external.items():
        packages[name] = _bun_entry(world, name, version)
    for package in _everyone(world):
        document["workspaces"][package.path] = {"name": package.name, **package.needs}
        if package.path:
            packages[str(package.name)] = [f"{package.name}@workspace:{package.path}"]
        for _, name, wanted in _outside(world, package):
            version = _version(world, name, wanted)
            if version != world.external[name][0] and package.path:
                packages[f"{package.name}/{name}"] = _bun_entry(world, name, version)
    for catalog, entries in world.catalogs.items():
        if catalog == "":
            document["catalog"] = entries
        else:
            document.setdefault("catalogs", {})[catalog] = entries
    return json.dumps(document | {"packages": packages}, indent=2)


def _bun_entry(world: World, name: str, version: str) -> list[Any]:
    needs = world.external[name][1]
    more = {"dependencies": dict.fromkeys(needs, "^1.0.0")} if needs else {}
    return [f"{name}@{version}", "", more, _integrity(world, f"{name}@{version}")]
