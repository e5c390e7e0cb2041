"""Whole scenarios: a workspace, what lies in it, questions, an edit, the questions again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from msgspec import Struct
from turbo_asking import Run
from turbo_edits import EVERY, FILES, LOCKS, MANIFESTS, TURBO, edit
from turbo_strategies import (
    ENVIRON,
    RANGES,
    TASKS,
    VERSIONS,
    built,
    chance,
    externals,
    files,
    linked,
    patterns,
    pick,
    scripts,
    some,
    turbo_json,
    world,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turbo_edits import Edit
    from turbo_strategies import Draw
    from turbo_world import World


class Scenario(Struct):
    """What is put on disk and asked.

    Attributes:
        files: What is committed first.
        forced: Those that are tracked although they are ignored.
        lying: What lies there untracked before and after the edit.
        runs: Dry runs to be compared, before and after.
        filters: Lists of filters to be compared, after the edit; `BASE` is the commit before it.
        edits: Names of what is edited.
        edited: The files that the edit writes, or deletes where None.
        committed: Whether the edit is committed.
        environ: Variables that are set.
    """

    files: dict[str, str]
    forced: tuple[str, ...] = ()
    lying: dict[str, str] = {}
    runs: tuple[Run, ...] = ()
    filters: tuple[tuple[str, ...], ...] = ()
    edits: tuple[str, ...] = ()
    edited: dict[str, str | None] = {}
    committed: bool = True
    environ: dict[str, str] = {}


LINKING = {".npmrc": ("link-workspace-packages=false\n", "link-workspace-packages=true\n")}
GLOBS = (
    *("packages/*", "apps/*", "packages/**", "./packages/*", "packages/*/", "packages/*/nested"),
    *("!packages/a", "!packages/a/**", "packages/{a,b}", "tools/*", "packages/a", "!**/nested"),
)


@st.composite
def edges(draw: Draw) -> Scenario:
    """What makes an edge, under every package manager."""
    made = world(draw, ranges=RANGES, versions=VERSIONS)
    if chance(draw, 4):
        made.globs = some(draw, GLOBS, 4, least=1)
    if chance(draw, 4) and made.manager.startswith("pnpm"):
        made.settings[".npmrc"] = pick(draw, LINKING[".npmrc"])
    elif chance(draw, 6) and made.manager.startswith("pnpm"):
        made.pnpm_settings["linkWorkspacePackages"] = pick(draw, (True, False, "deep"))
    if chance(draw, 4) and made.manager == "yarn4":
        made.settings[".yarnrc.yml"] = "enableTransparentWorkspaces: false\n"
    if made.manager in {"pnpm9", "pnpm10", "bun"} and chance(draw, 2):
        target = pick(draw, made.packages)
        made.catalogs[""] = {str(target.name): pick(draw, ("^1.0.0", "workspace:*", "^2.0.0"))}
        made.catalogs["ws"] = {str(p.name): "workspace:*" for p in made.packages}
    made.locked = not chance(draw, 3)
    made.turbo = {"tasks": {"topo": {"dependsOn": ["^topo"]}}}
    return Scenario(files=made.render(), runs=(Run(("topo",)),))


@st.composite
def graphs(draw: Draw) -> Scenario:
    """Task graphs: dependsOn, layers, root tasks, with, filters, --only."""
    made = world(draw, managers=("npm", "pnpm9", "yarn4"), nested=False)
    tasks = TASKS[: draw(st.integers(2, 5))]
    scripts(draw, made, tasks)
    parts = ("dependsOn", "outputs", "env", "flags", "with", "global")
    turbo_json(draw, made, tasks, parts)
    runs = [run(draw, made, tasks) for _ in range(3)]
    return Scenario(files=made.render(), runs=tuple(runs), environ=ENVIRON)


@st.composite
def inputs(draw: Draw) -> Scenario:
    """Which files are inputs, with outputs lying in the tree."""
    made = world(draw, managers=("npm",), most=3)
    files(draw, made)
    turbo_json(draw, made, TASKS, ("dependsOn", "inputs", "outputs"))
    for task in TASKS:
        made.turbo["tasks"].setdefault(task, {}).setdefault("inputs", patterns(draw))
        for package in made.packages:
            package.scripts[task] = f"echo {task}"
    lying = built(draw, made) if draw(st.booleans()) else {}
    rendered = made.render()
    lying = {path: content for path, content in lying.items() if path not in rendered}
    forced = tuple(path for path in lying if path.endswith("tracked.js"))
    rendered |= {path: lying.pop(path) for path in forced}
    return Scenario(files=rendered, forced=forced, lying=lying, runs=(Run(TASKS),))


@st.composite
def edited(draw: Draw, edits: dict[str, Edit] = EVERY) -> Scenario:
    """Edits: what is affected, and which keys change."""
    made = world(draw, most=5)
    externals(draw, made)
    scripts(draw, made, TASKS[:3])
    files(draw, made)
    parts = ("dependsOn", "inputs", "outputs", "env", "flags", "global")
    turbo_json(draw, made, TASKS[:3], parts, layers=draw(st.booleans()))
    made.turbo["tasks"].setdefault("build", {"dependsOn": ["^build"]})
    made.locked = not chance(draw, 8)
    lying = built(draw, made) if chance(draw, 3) else {}
    before = made.render()
    lying = {path: content for path, content in lying.items() if path not in before}
    changed = made.copy()
    names = [edit(draw, changed, edits) for _ in range(draw(st.integers(1, 3)))]
    delta = changes(before, changed.render())
    for path in lying:
        delta.pop(path, None)
    runs = [Run(("build", "test"))]
    if chance(draw, 2):
        runs.append(Run(("build",), affected=True))
    return Scenario(
        files=before,
        lying=lying,
        runs=tuple(runs),
        edits=tuple(names),
        edited=delta,
        committed=draw(st.booleans()),
        environ=ENVIRON,
    )


EDITED = {
    "files": edited(FILES),
    "manifests": edited(MANIFESTS | FILES),
    "locks": edited(LOCKS | FILES),
    "tasks": edited(TURBO | FILES),
    "everything": edited(),
}


@st.composite
def filtered(draw: Draw) -> Scenario:
    """Filters of every form."""
    nested = draw(st.booleans())
    made = world(draw, managers=("npm", "yarn4"), most=6, nested=nested)
    made.turbo = {"tasks": {"build": {"dependsOn": ["^build"]}}}
    if chance(draw, 4):
        made.root.need("devDependencies", str(pick(draw, made.packages).name), linked(made))
    lists = [
        (expression(draw, made, ranges=not nested, both=True),)
        if chance(draw, 2)
        else tuple(
            expression(draw, made, ranges=not nested) for _ in range(draw(st.integers(2, 3)))
        )
        for _ in range(8)
    ]
    changed = made.copy()
    done = edit(draw, changed, FILES)
    return Scenario(
        files=made.render(),
        filters=tuple(lists),
        edits=(done,),
        edited=changes(made.render(), changed.render()),
        committed=draw(st.booleans()),
    )


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, str | None]:
    """What has to be written, or deleted where None."""
    found: dict[str, str | None] = {p: c for p, c in after.items() if before.get(p) != c}
    return found | dict.fromkeys(path for path in before if path not in after)


def expression(draw: Draw, made: World, *, ranges: bool, both: bool = False) -> str:
    """One `--filter`; with `both`, also one that leaves itself out between two sides."""
    packages = made.packages
    name = str(pick(draw, packages).name)
    place = pick(draw, packages).path
    atoms = [
        *(name, name, name, f"./{place}", f"{{{place}}}", f"{{./{place}}}", "*", "@s/*", "web*"),
        *("./packages/*", "./apps/*", "{packages/*}", "./packages/**", "*e*", "packages/*"),
        *(f"{name}{{./packages/*}}", f"*{{./{place}}}", "nope", "./nope", "zzz*", "."),
        *(f"./{place}/src", "//", "./packages", "@s/*{./packages/*}", "./conf", f"./{place}/none"),
        *("./conf/*", "./nope/*", "./conf/x.json", "./packages/{a,b}", "{.}", "*/*"),
    ]
    if ranges:
        # Not where packages lie in each other: there a file changes more packages than turbo says.
        atoms += ["[HEAD]", "[BASE]", "[BASE]", "[BASE...HEAD]", "*[BASE]", "@s/*[BASE]"]
        atoms += [f"{name}...[BASE]", f"{{./{place}}}[BASE]", f"{{./{place}}}...[BASE]"]
    atom = pick(draw, atoms)
    before = pick(draw, ("", "", "", "...", "...^"))
    after = pick(draw, ("", "", "", "...", "^..."))
    if "...[" in atom:  # it has its own dots
        before, after = before.removesuffix("^"), ""
    if before and after and not both:
        before, after = before.removesuffix("^"), after.removeprefix("^")
    negation = "!" if chance(draw, 4) else ""
    return f"{negation}{before}{atom}{after}"


def run(draw: Draw, made: World, tasks: Sequence[str]) -> Run:
    """A run of some tasks in some packages."""
    named = tuple(some(draw, tasks, 3, least=1))
    if chance(draw, 6):
        named = (f"{made.packages[0].name}#{named[0]}",)
    if chance(draw, 8):
        named = (*named, pick(draw, ("fmt", "only", "nope")))
    filters: tuple[str, ...] = ()
    if chance(draw, 3):
        name = str(pick(draw, made.packages).name)
        filters = (
            pick(
                draw, (name, f"{name}...", f"...{name}", f"!{name}", f"./{made.packages[0].path}")
            ),
        )
    cwd = made.packages[-1].path if not filters and chance(draw, 8) else ""
    return Run(named, filters, only=chance(draw, 5), cwd=cwd)
