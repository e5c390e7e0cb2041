"""Strategies for workspaces: packages, what they need, their files, and their turbo.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from turbo_world import KINDS, MANAGERS, Package, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Draw = Callable[[st.SearchStrategy[Any]], Any]

TASKS = ("gen", "build", "test", "lint", "dev")
NAMES = ("a", "b", "c", "@s/ui", "@s/core", "web", "web-e2e", "@t/web", "d.e", "inner")
EXTERNAL = ("left", "right", "deep", "@x/y", "rootext")
RANGES = (
    *("*", "^1.0.0", "~1.2.0", "1.2.0", "=1.2.0", "v1.2.0", "1.x", "1.2", ">=1 <2", "1 - 2", ">1"),
    *("^2.0.0", "<1.2.0", "^0.3.0", "^1.0.0 || ^2.0.0", "^1.0.0-0", ">=1.2.0-beta", "", "latest"),
    *(" ^1.0.0 ", "next-11", "not a range", "1.2.0-beta.1", "x", "^1.2.0 ^1.0.0", "~>1.2", ">= 1"),
)
VERSIONS = ("1.2.0", "1.2.0", "1.2.0", "0.3.1", "2.0.0", "1.2.0-beta.1", "0.0.0", None, "1.0", "x")
FILES = (
    *("src/a.ts", "src/b.ts", "src/b.test.ts", "src/deep/er/z.ts", "src/A B.txt", "src/ünï.txt"),
    *("[id]/p.ts", "(group)/page.ts", ".env", ".env.local", ".hidden/x.txt", "README.md", "foo.ts"),
    *("foo/index.ts", "test/t.ts", "#hash.txt", "$d.ts", "a{b}.ts", "foo/package.json", "src/.dot"),
)
BUILT = (
    *("dist/out.js", "dist/sub/o.js", "dist/tracked.js", "lib/out.js", "lib/x/y.js", "x.log"),
    *("node_modules/m/i.js", ".turbo/turbo-build.log", "src/gen.ts", "coverage/c.txt"),
)
PATTERNS = (
    *("src/**", "src", "src/", "src/*", "**", "**/*", "*", "./src/**", "**/*.ts", "*.ts", "a.ts"),
    *("src/{b,b.test}.ts", "[id]/**", r"\[id\]/**", "src/?.ts", "foo", "foo*", ".env*", "zzz/**"),
    *(
        "nested/**",
        "src/b.ts",
        "README.md",
        "**/b.ts",
        "src/**/b.ts",
        "SRC/**",
        "dist/**",
        "lib/**",
    ),
    *("lib", "*.log", "node_modules/**", "src/**/*.ts", "$TURBO_ROOT$/rootfile.txt", "foo.ts"),
    *(
        "$TURBO_ROOT$/*.txt",
        "$TURBO_ROOT$/conf/**",
        "../../rootfile.txt",
        "src/[ab].ts",
        "src/a.ts",
    ),
    *("src/*/**", "**/src/*.ts", "{src,test}/**", "src/*.{ts,txt}", ".hidden/**", "package.json"),
    *("src/[!a].ts", "**/index.ts", "foo/", "src/./a.ts", "test", "src/A B.txt"),
    *("**/*.json", "*.json", "*.{md,json}"),
)
OUTPUTS = (
    *("dist/**", "dist", "lib/**", "lib/*.js", "!dist/sub/**", "src/gen.ts", ".next/**", "*.log"),
    *("!lib/x/**", "coverage/**", "dist/*", "$TURBO_ROOT$/out/**", "./lib/**"),
)
VARIABLES = ("FOO", "FOO_BAR", "BAR*", "!BAR_X", "*_TOKEN", "UNSET", "NODE_ENV", "!FOO", "CI")
ENVIRON = {"FOO": "1", "FOO_BAR": "2", "BAR_X": "3", "BAR_Y": "4", "A_TOKEN": "5", "VITE_X": "6"}
GLOBAL = (
    *("glob.txt", "conf/**", "conf/*", "rootfile.txt", "!conf/x.json", "*.md", "conf/x.json"),
    *("./glob.txt", "conf", "conf/", "packages/*/src/a.ts", "**/*.md"),
)
ROOT_FILES = {"rootfile.txt": "r", "glob.txt": "g", "conf/x.json": "{}", "conf/y/z.json": "{}"}
IGNORED = "node_modules\n.turbo\ndist\n*.log\n"


def pick(draw: Draw, choices: Sequence[Any]) -> Any:
    return draw(st.sampled_from(choices))


def some(draw: Draw, choices: Sequence[Any], most: int, least: int = 0) -> list[Any]:
    return draw(st.lists(st.sampled_from(choices), min_size=least, max_size=most, unique=True))


def chance(draw: Draw, one_in: int) -> bool:
    """Rarely true; false is the simpler."""
    return draw(st.integers(0, one_in - 1)) == one_in - 1


# --- packages ----------------------------------------------------------------------------------


def world(
    draw: Draw,
    *,
    managers: Sequence[str] = tuple(MANAGERS),
    most: int = 5,
    ranges: Sequence[str] = ("*",),
    versions: Sequence[str | None] = ("1.2.0",),
    nested: bool = True,
) -> World:
    """A workspace without task definitions."""
    made = World(pick(draw, managers))
    names = some(draw, NAMES, most, least=2)
    for index, name in enumerate(names):
        place = f"packages/{name.replace('@', '').replace('/', '-')}"
        if nested and index and chance(draw, 6):
            place = f"{made.packages[0].path}/nested"
            if place in {p.path for p in made.packages}:
                continue
            made.globs.append("packages/*/nested")
        elif chance(draw, 6):
            place = place.replace("packages/", "apps/")
            made.globs = list(dict.fromkeys([*made.globs, "apps/*"]))
        package = Package(name, place)
        package.version = pick(draw, versions)
        made.packages.append(package)
    made.files = {".gitignore": IGNORED, **ROOT_FILES}
    for package in made.packages:
        made.files[f"{package.path}/src/a.ts"] = f"// {package.name}\n"
    edges(draw, made, ranges)
    return made


def edges(draw: Draw, made: World, ranges: Sequence[str]) -> None:
    """Dependencies between the packages; mostly of later ones on earlier ones."""
    for index, package in enumerate(made.packages):
        if not index:
            continue
        for other in some(draw, made.packages[:index], 3):
            kind = pick(draw, KINDS) if chance(draw, 3) else KINDS[0]
            package.need(kind, str(other.name), specification(draw, made, package, other, ranges))
    if chance(draw, 8):
        first, last = made.packages[0], made.packages[-1]
        first.need("devDependencies", str(last.name), linked(made))


def linked(made: World) -> str:
    """What surely makes an edge."""
    return "*" if made.manager in {"npm", "yarn1"} else "workspace:*"


def specification(
    draw: Draw, made: World, package: Package, other: Package, ranges: Sequence[str]
) -> str:
    if len(ranges) == 1 and not chance(draw, 4):
        return linked(made)
    up = "../" * (package.path.count("/") + 1)
    forms = [
        *("workspace:*", "workspace:^", "workspace:~", "workspace:1.2.0", "workspace:^9"),
        *(f"workspace:{up}{other.path}", f"file:{up}{other.path}", f"link:{up}{other.path}"),
        *(f"portal:{up}{other.path}", f"npm:{other.name}@^1.0.0", "npm:other@^1.0.0"),
        *(f"workspace:{other.name}@*", "file:../../../outside", "link:../nowhere", "github:u/r"),
        *("git+https://git.example/u/r.git", "https://files.example/x.tgz", "u/r", "file:./inside"),
        *("catalog:", "catalog:ws", "catalog:none"),
    ]
    return pick(draw, [*ranges, *forms])


def externals(draw: Draw, made: World) -> None:
    """What comes from the registry, and who needs it."""
    names = some(draw, EXTERNAL, 4, least=1)
    for index, name in enumerate(names):
        needs = some(draw, names[:index], 2) if index else []
        made.external[name] = (f"1.{pick(draw, (0, 1, 4))}.0", needs)
    for package in (made.root, *made.packages):
        for name in some(draw, names, 2):
            kind = pick(draw, KINDS[:3])
            # What the root asks for lies at the top, where the first major version lies.
            second = package is not made.root and chance(draw, 4)
            package.need(kind, name, "^2.0.0" if second else "^1.0.0")
    if chance(draw, 4) and made.packages:
        made.root.need("devDependencies", str(pick(draw, made.packages).name), linked(made))


# --- tasks -------------------------------------------------------------------------------------


def scripts(draw: Draw, made: World, tasks: Sequence[str]) -> None:
    for package in made.packages:
        for task in tasks:
            if not chance(draw, 4):
                package.scripts[task] = "" if chance(draw, 8) else f"echo {task}"
    for task in some(draw, ("fmt", "build"), 2):
        made.root.scripts[task] = f"echo root {task}"


def references(draw: Draw, made: World, task: str, tasks: Sequence[str]) -> list[str]:
    """What a task may depend on: mostly what makes no cycle and is defined."""
    earlier = list(tasks[: tasks.index(task)]) if task in tasks else []
    choices = [f"^{task}", *earlier, *(f"^{t}" for t in earlier)]
    if earlier:
        choices += [f"{p.name}#{pick(draw, earlier)}" for p in made.packages[:2]]
    if chance(draw, 12):
        choices += ["//#fmt", "nope", "^nope", "zzz#build", f"{made.packages[0].name}#only", *tasks]
    return some(draw, choices, 3)


def definition(
    draw: Draw, made: World, task: str, tasks: Sequence[str], parts: Sequence[str]
) -> dict[str, Any]:
    """One task of a turbo.json; `parts` says what may be in it."""
    said: dict[str, Any] = {}
    if "dependsOn" in parts and draw(st.booleans()):
        said["dependsOn"] = references(draw, made, task, tasks)
    if "inputs" in parts and draw(st.booleans()):
        said["inputs"] = patterns(draw)
    if "outputs" in parts and draw(st.booleans()):
        said["outputs"] = some(draw, OUTPUTS, 3)
    if "env" in parts and chance(draw, 3):
        said["env"] = some(draw, VARIABLES, 3)
    if "env" in parts and chance(draw, 5):
        said["passThroughEnv"] = some(draw, VARIABLES, 2)
    if "flags" in parts and chance(draw, 5):
        said["cache"] = draw(st.booleans())
    if "flags" in parts and chance(draw, 8):
        said["persistent"] = draw(st.booleans())
    if "flags" in parts and chance(draw, 10):
        said["interactive"] = False
        said["outputLogs"] = pick(draw, ("full", "hash-only", "new-only", "errors-only", "none"))
    if "with" in parts and chance(draw, 8):
        said["with"] = some(draw, (*tasks, f"{made.packages[0].name}#{tasks[0]}"), 1)
    return said


def patterns(draw: Draw) -> list[str]:
    """The inputs of a task."""
    chosen: list[str] = some(draw, PATTERNS, 3)
    if chance(draw, 80):
        chosen.append("(group)/**")  # turbo answers nothing at all where it reads this
    excluded = [negated(pattern) for pattern in some(draw, PATTERNS, 2)]
    default = ["$TURBO_DEFAULT$"] if draw(st.booleans()) else []
    return list(draw(st.permutations([*default, *chosen, *excluded])))


def negated(pattern: str) -> str:
    return f"!{pattern}"


def turbo_json(
    draw: Draw, made: World, tasks: Sequence[str], parts: Sequence[str], *, layers: bool = True
) -> None:
    """The root's turbo.json, and with `layers` those of packages."""
    defined = made.turbo["tasks"]
    for task in tasks:
        if not chance(draw, 15):
            defined[task] = definition(draw, made, task, tasks, parts)
    if layers and chance(draw, 3):
        package = pick(draw, made.packages)
        task = pick(draw, (*tasks, "only"))
        defined[f"{package.name}#{task}"] = definition(draw, made, task, tasks, parts)
    if layers and chance(draw, 4):
        defined["//#fmt"] = definition(draw, made, "fmt", tasks, [p for p in parts if p != "with"])
    if layers and chance(draw, 3):
        for package in some(draw, made.packages, 2, least=1):
            package.turbo = package_turbo(draw, made, tasks, parts)
    if "global" in parts:
        shared_keys(draw, made)
    if chance(draw, 8):
        made.turbo_text = commented(made)


def shared_keys(draw: Draw, made: World) -> None:
    """What every task of a turbo.json depends on."""
    if chance(draw, 3):
        made.turbo["globalDependencies"] = some(draw, GLOBAL, 3)
    if chance(draw, 4):
        made.turbo["globalEnv"] = some(draw, VARIABLES, 2)
    if chance(draw, 8):
        made.turbo["globalPassThroughEnv"] = some(draw, VARIABLES, 2)


def package_turbo(
    draw: Draw, made: World, tasks: Sequence[str], parts: Sequence[str]
) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for task in some(draw, (*tasks, "only"), 2):
        entry = definition(draw, made, task, tasks, parts)
        for key in ("dependsOn", "inputs", "outputs", "env"):
            if entry.get(key) and chance(draw, 3):
                entry[key] = ["$TURBO_EXTENDS$", *entry[key]]
        if chance(draw, 8):
            entry["extends"] = False
        said[task] = entry
    return {"extends": ["//"], "tasks": said}


def commented(made: World) -> str:
    """The same turbo.json with comments and trailing commas."""
    body = json.dumps(made.turbo, indent=2).replace("\n}", ",\n}").replace(",,", ",")
    return f"// tasks\n{body}\n/* the end */\n"


# --- files -------------------------------------------------------------------------------------


def files(draw: Draw, made: World) -> None:
    """Sources of every kind."""
    for package in made.packages:
        for name in some(draw, FILES, 6):
            made.files[f"{package.path}/{name}"] = f"{name}\n"
    if chance(draw, 4):
        made.files[f"{made.packages[0].path}/.gitignore"] = pick(
            draw, ("lib\n", "!dist\n", "*.ts\n")
        )


def built(draw: Draw, made: World) -> dict[str, str]:
    """Outputs lying about in the tree, ignored and not."""
    found = {}
    for package in some(draw, made.packages, 3, least=1):
        for name in some(draw, BUILT, 4, least=1):
            found[f"{package.path}/{name}"] = f"built {name}\n"
    return found
