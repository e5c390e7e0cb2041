"""Edits of a made-up workspace: each changes it in place, and does nothing where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turbo_locks import lock_files
from turbo_strategies import TASKS, chance, commented, definition, linked, pick
from turbo_world import Package

if TYPE_CHECKING:
    from collections.abc import Callable

    from turbo_strategies import Draw
    from turbo_world import World

    Edit = Callable[[Draw, World, Package], None]

ODD_NAMES = ("ü ñ.ts", "[x].ts", 'q"t.ts', "-d")
PARTS = ("inputs", "outputs", "env", "flags")
"""What an edit of a task may change of it."""


def edit(draw: Draw, world: World, edits: dict[str, Edit]) -> str:
    """Change something; returns what."""
    name = str(pick(draw, sorted(edits)))
    edits[name](draw, world, pick(draw, world.packages))
    return name


# --- files -------------------------------------------------------------------------------------


def _own(world: World, package: Package) -> list[str]:
    return sorted(path for path in world.files if path.startswith(f"{package.path}/"))


def _change(draw: Draw, world: World, package: Package) -> None:
    if mine := _own(world, package):
        world.files[pick(draw, mine)] = "changed\n"


def _add(draw: Draw, world: World, package: Package) -> None:
    name = pick(draw, ("n.ts", "src/n.ts", ".n", "x.log", "nested/n.ts", *ODD_NAMES))
    world.files[f"{package.path}/{name}"] = "n\n"


def _delete(draw: Draw, world: World, package: Package) -> None:
    if mine := _own(world, package):
        del world.files[pick(draw, mine)]


def _rename(draw: Draw, world: World, package: Package) -> None:
    if mine := _own(world, package):
        world.files[f"{package.path}/renamed.ts"] = world.files.pop(pick(draw, mine))


def _move(draw: Draw, world: World, package: Package) -> None:
    if mine := _own(world, package):
        other = pick(draw, world.packages)
        world.files[f"{other.path}/moved.ts"] = world.files.pop(pick(draw, mine))


def _ignore(draw: Draw, world: World, package: Package) -> None:
    world.files[".gitignore"] += pick(draw, ("lib\n", "src/b.ts\n", "!dist\n"))


def _root_file(draw: Draw, world: World, package: Package) -> None:
    names = ("rootfile.txt", "README.md", "tsconfig.json", "packages/README.md", "scripts/s.js")
    world.files[pick(draw, names)] = "changed\n"


def _global_file(draw: Draw, world: World, package: Package) -> None:
    world.files[pick(draw, ("glob.txt", "conf/x.json", "conf/new.json"))] = "changed\n"


# --- manifests ---------------------------------------------------------------------------------


def _npmrc(draw: Draw, world: World, package: Package) -> None:
    world.settings[".npmrc"] = pick(draw, ("x=1\n", "link-workspace-packages=true\n"))


def _root_script(draw: Draw, world: World, package: Package) -> None:
    world.root.scripts["fmt"] = "changed"


def _script(draw: Draw, world: World, package: Package) -> None:
    package.scripts[pick(draw, TASKS)] = "changed"


def _script_gone(draw: Draw, world: World, package: Package) -> None:
    if package.scripts:
        del package.scripts[pick(draw, sorted(package.scripts))]


def _version(draw: Draw, world: World, package: Package) -> None:
    package.version = pick(draw, ("1.2.1", "3.0.0", None))


def _need(draw: Draw, world: World, package: Package) -> None:
    other = pick(draw, world.packages)
    if other is not package:
        package.need("dependencies", str(other.name), linked(world))


def _needs_gone(draw: Draw, world: World, package: Package) -> None:
    package.needs.clear()


def _field(draw: Draw, world: World, package: Package) -> None:
    package.more["description"] = "changed"


def _renamed(draw: Draw, world: World, package: Package) -> None:
    package.name = "renamed"


def _deleted(draw: Draw, world: World, package: Package) -> None:
    if len(world.packages) > 1:
        world.packages.remove(package)
        for path in _own(world, package):
            del world.files[path]


def _added(draw: Draw, world: World, package: Package) -> None:
    new = Package("added", "packages/added")
    new.need("dependencies", str(package.name), linked(world))
    new.scripts = {"build": "echo build"}
    if world.named("added") is None:
        world.packages.append(new)


# --- lock files --------------------------------------------------------------------------------


def _bump(draw: Draw, world: World, package: Package) -> None:
    if world.external:
        name = pick(draw, sorted(world.external))
        world.external[name] = ("1.9.0", world.external[name][1])


def _integrity(draw: Draw, world: World, package: Package) -> None:
    world.integrity = "b"


def _lock_gone(draw: Draw, world: World, package: Package) -> None:
    world.locked = False


def _lock_broken(draw: Draw, world: World, package: Package) -> None:
    world.lock_text = "{"


def _reformatted(draw: Draw, world: World, package: Package) -> None:
    if world.manager in {"npm", "bun"}:
        world.lock_text = lock_files(world)[1].replace("  ", "    ")


def _external_need(draw: Draw, world: World, package: Package) -> None:
    if world.external:
        package.need("dependencies", pick(draw, sorted(world.external)), "^1.0.0")


def _external_gone(draw: Draw, world: World, package: Package) -> None:
    for entries in package.needs.values():
        for name in [name for name in entries if name in world.external]:
            del entries[name]


def _root_need(draw: Draw, world: World, package: Package) -> None:
    if world.external:
        world.root.need("dependencies", pick(draw, sorted(world.external)), "^1.0.0")


def _pnpm_setting(draw: Draw, world: World, package: Package) -> None:
    world.pnpm_settings["linkWorkspacePackages"] = True


# --- turbo.json --------------------------------------------------------------------------------


def _task(draw: Draw, world: World, package: Package) -> None:
    tasks = world.turbo["tasks"]
    if tasks and world.turbo_text is None:
        name = pick(draw, sorted(tasks))
        kept = {key: tasks[name][key] for key in ("dependsOn",) if key in tasks[name]}
        tasks[name] = kept | definition(draw, world, name, TASKS, PARTS)


def _package_turbo(draw: Draw, world: World, package: Package) -> None:
    task = pick(draw, TASKS)
    package.turbo = None
    if not chance(draw, 4):
        said = definition(draw, world, task, TASKS, PARTS)
        package.turbo = {"extends": ["//"], "tasks": {task: said}}


def _global(draw: Draw, world: World, package: Package) -> None:
    if world.turbo_text is None:
        world.turbo |= pick(draw, ({"globalEnv": ["FOO"]}, {"globalDependencies": ["conf/**"]}))


def _comment(draw: Draw, world: World, package: Package) -> None:
    world.turbo_text = commented(world) + "// more\n"


FILES: dict[str, Edit] = {
    "change": _change,
    "change another": _change,
    "add": _add,
    "delete": _delete,
    "rename": _rename,
    "move": _move,
    "ignore rule": _ignore,
    "root file": _root_file,
    "global file": _global_file,
}
MANIFESTS: dict[str, Edit] = {
    "npmrc": _npmrc,
    "root script": _root_script,
    "script": _script,
    "script gone": _script_gone,
    "version": _version,
    "need": _need,
    "needs gone": _needs_gone,
    "field": _field,
    "package renamed": _renamed,
    "package deleted": _deleted,
    "package added": _added,
}
LOCKS: dict[str, Edit] = {
    "bump": _bump,
    "bump another": _bump,
    "integrity": _integrity,
    "lock gone": _lock_gone,
    "lock broken": _lock_broken,
    "reformatted": _reformatted,
    "external need": _external_need,
    "external gone": _external_gone,
    "root need": _root_need,
    "pnpm setting": _pnpm_setting,
}
TURBO: dict[str, Edit] = {
    "task": _task,
    "task again": _task,
    "package turbo": _package_turbo,
    "global": _global,
    "comment": _comment,
}
EVERY: dict[str, Edit] = FILES | MANIFESTS | LOCKS | TURBO
