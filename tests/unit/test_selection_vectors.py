"""Filters and affected packages in real git repositories, against recorded answers of turbo.

The answers are those of turbo 2.11.11. Where bao differs on purpose, its own answer stands in
`DIFFERENCES` or beside the case, with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.errors import GitError, SelectionError, WorkspaceError
from bao_core.git.history import resolve_commit
from bao_core.globs import compile_globs
from bao_core.graph import PackageGraph
from bao_core.model import ROOT, Dependency, FileTree, Package, Workspace
from bao_core.selection import GitChanges, Selection, select
from bao_core.selection.base_revision import Base

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

ENVIRON = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}

# --- a small reader of npm workspaces --------------------------------------------------------


class DirectoryTree(FileTree):
    """The files on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes | None:
        found = self._root / path
        return found.read_bytes() if found.is_file() else None

    def entries(self, directory: str) -> Mapping[str, bool]:
        found = self._root / directory
        return {p.name: p.is_dir() for p in found.iterdir()} if found.is_dir() else {}

    def named(self, names: Iterable[str]) -> list[str]:
        raise NotImplementedError


def load_workspace(tree: FileTree) -> Workspace:
    """Packages of `dir/*` and `dir` globs, with their closures in package-lock.json."""
    root = json.loads(tree.read("package.json") or b"{}")
    manifests = {"": root}
    for pattern in root["workspaces"]:
        parent, _, last = pattern.rpartition("/")
        names = sorted(tree.entries(parent)) if last == "*" else [last]
        for name in names:
            content = tree.read(f"{parent}/{name}/package.json")
            if content is not None:
                manifests[f"{parent}/{name}"] = json.loads(content)
    known = {manifest["name"] for path, manifest in manifests.items() if path}
    lock, broken = read_lock(tree)
    packages = {}
    for path, manifest in manifests.items():
        needs = [*manifest.get("dependencies", ()), *manifest.get("devDependencies", ())]
        name = manifest["name"] if path else ROOT
        packages[name] = Package(
            name,
            path,
            "npm",
            f"{path}/package.json".lstrip("/"),
            dependencies=tuple(Dependency(need) for need in needs if need in known),
            external=tuple(sorted(closure_in(lock, [n for n in needs if n not in known]))),
        )
    return Workspace(
        dict(sorted(packages.items())),
        ROOT,
        lock_files=("package-lock.json",),
        lock_broken=broken,
    )


def read_lock(tree: FileTree) -> tuple[dict[str, Any], str]:
    content = tree.read("package-lock.json")
    if content is None:
        return {}, "package-lock.json is missing"
    try:
        found: dict[str, Any] = json.loads(content)["packages"]
    except ValueError:
        return {}, "package-lock.json is broken"
    return found, ""


def closure_in(lock: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        entry = lock.get(f"node_modules/{name}")
        if entry:
            yield f"{name}@{entry['version']}"
            yield from closure_in(lock, entry.get("dependencies", ()))


def is_global(root: Path, path: str) -> bool:
    """What turbo.json says: itself and what `globalDependencies` matches."""
    if path == "turbo.json":
        return True
    patterns = json.loads((root / "turbo.json").read_text()).get("globalDependencies", ())
    return compile_globs([p.removeprefix("./") for p in patterns]).matches(path)


class Repository:
    """A git repository to ask about."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.root, env=ENVIRON, check=True)

    def write(self, files: Mapping[str, str | None]) -> None:
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)

    def commit(self, *, tag: str) -> None:
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", tag)
        self.git("tag", tag)

    def select(self, *filters: str, affected: bool = False, turbo: bool = True) -> Selection:
        workspace = load_workspace(DirectoryTree(self.root))
        root = str(self.root)
        changes = GitChanges(
            root,
            ENVIRON,
            choose=lambda: Base(resolve_commit(root, "BASE", ENVIRON), "BASE"),
            load=load_workspace,
            closures=lambda: {n: p.external for n, p in workspace.packages.items()},
            global_input=lambda path: is_global(self.root, path),
        )
        graph = PackageGraph(workspace)
        return select(
            graph, filters=filters, affected=affected, cwd="", changes=changes, turbo=turbo
        )


def manifest(name: str, *needs: str) -> str:
    document = {"name": name, "version": "1.0.0", "dependencies": dict.fromkeys(needs, "*")}
    return json.dumps(document)


# --- filters ---------------------------------------------------------------------------------

FILTERS = """
web                               web
@s/ui                             @s/ui
ui                                ERROR
*                                 @s/core @s/ui @t/docs inner site utils web web-e2e
@s/*                              @s/core @s/ui
*ui*                              @s/ui
w*                                web web-e2e
we?                               ERROR
WEB                               ERROR
{web,utils}                       ERROR
web...                            @s/core @s/ui utils web
web^...                           @s/core @s/ui utils
...@s/core                        @s/core @s/ui @t/docs site web web-e2e
...^@s/core                       @s/ui @t/docs site web web-e2e
...@s/ui...                       @s/core @s/ui @t/docs site utils web web-e2e
...^@s/ui^...                     @s/core @s/ui @t/docs site utils web web-e2e
...^@s/ui...                      @s/core @s/ui @t/docs site utils web web-e2e
^web                              ERROR
web^                              ERROR
...                               ERROR
''                                ERROR
!web                              @s/core @s/ui @t/docs inner site utils web-e2e
!@s/*                             @t/docs inner site utils web web-e2e
!...web                           @s/core @s/ui @t/docs inner site utils
!web...                           @t/docs inner site web-e2e
./packages/*                      @s/core @s/ui @t/docs utils web web-e2e
./packages/**                     @s/core @s/ui @t/docs inner utils web web-e2e
packages/*                        -
{packages/*}                      @s/core @s/ui @t/docs utils web web-e2e
{./packages/*}                    @s/core @s/ui @t/docs utils web web-e2e
./packages/web                    web
./packages/web/                   web
packages/web                      ERROR
./packages/web...                 @s/core @s/ui utils web
./packages/web/src                -
./packages                        -
./packages/{web,ui}               @s/ui web
./apps/../packages/web            web
{./apps/*}...                     @s/core @s/ui site
...{./packages/core}              @s/core @s/ui @t/docs site web web-e2e
...^{./packages/core}             @s/ui @t/docs site web web-e2e
{./apps/*}^...                    @s/core @s/ui
web{./packages/*}                 web
@s/*{./packages/c*}               @s/core
[BASE]                            @s/core
...[BASE]                         @s/core @s/ui @t/docs site web web-e2e
...^[BASE]                        @s/ui @t/docs site web web-e2e
[BASE]...                         @s/core
[BASE...HEAD]                     @s/core
[BASE..HEAD]                      @s/core
...[BASE...HEAD]                  @s/core @s/ui @t/docs site web web-e2e
web...[BASE]                      web
@t/docs...[BASE]                  @t/docs
utils...[BASE]                    -
...web...[BASE]                   web web-e2e
@s/*[BASE]                        @s/core
{./packages/*}[BASE]              @s/core
...{./packages/*}[BASE]           @s/core @s/ui @t/docs site web web-e2e
web{./packages/*}...[BASE]        web
[HEAD]                            -
![BASE]                           @s/ui @t/docs inner site utils web web-e2e
//                                -
.                                 -
web#build                         ERROR
nope                              ERROR
@nope/*                           -
./nope                            ERROR
./nope/*                          ERROR
!nope                             ERROR
zzz*                              -
@s/*...                           @s/core @s/ui
...@s/*                           @s/core @s/ui @t/docs site web web-e2e
./packages/deep/*                 inner
@s/* !@s/ui                       @s/core
!@s/ui @s/*                       @s/core
!web !utils                       @s/core @s/ui @t/docs inner site web-e2e
web... !...@s/core                utils
web utils                         utils web
* !*                              -
[BASE] web                        @s/core web
...[BASE] !@t/*                   @s/core @s/ui site web web-e2e
"""
"""Filters, and the names that turbo selects."""

BUG_9 = "@s/core @t/docs site utils web web-e2e"
DIFFERENCES = {
    "...^@s/ui^...": BUG_9,  # turbo still selects X
    "...^@s/ui...": BUG_9,
    "web#build": "web",  # turbo knows no tasks in filters; the selection is for this task only
}
"""What bao answers everywhere."""

STRICT_DIFFERENCES = dict.fromkeys(
    ["packages/*", "./packages/web/src", "./packages", "@nope/*", "zzz*"], "ERROR"
)
"""What bao answers where no turbo.json rules: a filter that matches nothing is an error."""


def filter_cases() -> Iterator[tuple[list[str], str]]:
    for line in FILTERS.strip().splitlines():
        filters, answer = line[:34].split(), line[34:].strip()
        yield [text.strip("'") for text in filters], answer


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Two commits: BASE, then a file of `@s/core` changed."""
    made = Repository(tmp_path_factory.mktemp("filters") / "r")
    workspaces = ["packages/*", "packages/deep/*", "apps/*"]
    packages = {
        "packages/ui": manifest("@s/ui", "@s/core"),
        "packages/core": manifest("@s/core"),
        "packages/utils": manifest("utils"),
        "packages/web": manifest("web", "@s/ui", "utils"),
        "packages/docs": manifest("@t/docs", "@s/ui"),
        "packages/web-e2e": manifest("web-e2e", "web"),
        "packages/deep/inner": manifest("inner"),
        "apps/site": manifest("site", "@s/ui"),
    }
    made.write(
        {
            "package.json": json.dumps({"name": "root", "workspaces": workspaces}),
            "package-lock.json": json.dumps({"packages": {}}),
            "turbo.json": "{}",
            **{f"{path}/package.json": text for path, text in packages.items()},
            **{f"{path}/src/a.ts": path for path in packages},
        }
    )
    made.commit(tag="BASE")
    made.write({"packages/core/src/a.ts": "changed"})
    made.commit(tag="edited")
    return made


def answer_of(repository: Repository, filters: list[str], *, turbo: bool) -> str:
    try:
        names = repository.select(*filters, turbo=turbo).names()
    except SelectionError:
        return "ERROR"
    return " ".join(name for name in names if name != ROOT) or "-"  # turbo never lists the root


@pytest.mark.parametrize(("filters", "recorded"), list(filter_cases()), ids=lambda x: str(x)[:40])
def test_filters_select_what_is_recorded_or_what_is_better(
    shop: Repository, filters: list[str], recorded: str
) -> None:
    text = " ".join(filters)
    expected = DIFFERENCES.get(text, recorded)
    assert answer_of(shop, filters, turbo=True) == expected
    strict = STRICT_DIFFERENCES.get(text, expected)
    assert answer_of(shop, filters, turbo=False) == strict


def test_the_root_package_is_selected_by_its_name_or_its_directory(shop: Repository) -> None:
    assert shop.select("//").names() == [ROOT]
    assert shop.select(".").names() == [ROOT]


def test_what_is_not_committed_counts_in_a_range_without_a_head(
    shop: Repository, tmp_path: Path
) -> None:
    subprocess.run(["git", "clone", "-q", str(shop.root), str(tmp_path / "c")], check=True)
    cloned = Repository.__new__(Repository)
    cloned.root = tmp_path / "c"
    cloned.write({"packages/utils/new": "x", "packages/web/src/a.ts": "y"})
    assert answer_of(cloned, ["[HEAD]"], turbo=True) == "utils web"
    assert answer_of(cloned, ["[BASE...HEAD]"], turbo=True) == "@s/core"
    assert answer_of(cloned, ["[BASE]"], turbo=True) == "@s/core utils web"


@pytest.mark.parametrize("text", ["[nope]", "[nope...HEAD]", "[HEAD..nope]", "...[nope]"])
def test_an_unknown_revision_is_named(shop: Repository, text: str) -> None:
    with pytest.raises(GitError) as caught:
        shop.select(text)
    assert str(caught.value).startswith(f"filter '{text}': git does not know ")
    assert "'nope'" in str(caught.value)


# --- affected --------------------------------------------------------------------------------

ROOT_MANIFEST: dict[str, Any] = {
    "name": "root",
    "workspaces": ["packages/*", "packages/a/sub"],
    "dependencies": {"rootext": "^1.0.0", "tool": "*"},
}
TURBO: dict[str, Any] = {"globalDependencies": ["glob.txt", "conf/**"], "tasks": {}}


def lock_text(*, indent: int | None = None, integrity: str = "a", **versions: str) -> str:
    external = {"rootext": "1", "left": "1", "deep": "1", "right": "1", **versions}
    packages: dict[str, Any] = {
        f"node_modules/{name}": {"version": version, "integrity": integrity}
        for name, version in external.items()
    }
    packages["node_modules/left"]["dependencies"] = {"deep": "*"}
    return json.dumps({"packages": packages}, indent=indent)


AFFECTED_BASE = {
    "package.json": json.dumps(ROOT_MANIFEST),
    "package-lock.json": lock_text(),
    "turbo.json": json.dumps(TURBO),
    ".gitignore": "dist",
    "packages/a/package.json": manifest("a", "left"),
    "packages/b/package.json": manifest("b", "a"),
    "packages/c/package.json": manifest("c", "b"),
    "packages/d/package.json": manifest("d", "right"),
    "packages/tool/package.json": manifest("tool", "tooldep"),
    "packages/tooldep/package.json": manifest("tooldep"),
    "packages/a/sub/package.json": manifest("sub"),
    "packages/z/package.json": manifest("z", "sub"),
    **{
        f"packages/{name}/src/a.ts": f"// {name}"
        for name in ("a", "b", "c", "d", "tool", "tooldep", "a/sub", "z")
    },
    "README.md": "x",
    "glob.txt": "g",
    "conf/x.json": "1",
    "scripts/s.js": "1",
    "packages/README.md": "r",
    ".npmrc": "",
    "tsconfig.json": "{}",
}
SELF, DOWN, LOCK, SHARED = "file-changed", "dependency", "lock", "global"
A_AND_DEPENDENTS = {"a": SELF, "b": DOWN, "c": DOWN}
EVERYTHING = ("a", "b", "c", "d", "sub", "tool", "tooldep", "z")


def with_global(*patterns: str) -> dict[str, str]:
    return {"turbo.json": json.dumps({**TURBO, "globalDependencies": patterns})}


AFFECTED: dict[str, tuple[dict[str, str | None], dict[str, str]]] = {
    "nothing": ({}, {}),
    "source file": ({"packages/a/src/a.ts": "2"}, A_AND_DEPENDENTS),
    "new file": ({"packages/a/n.ts": "2"}, A_AND_DEPENDENTS),
    "deleted file": ({"packages/a/src/a.ts": None}, A_AND_DEPENDENTS),
    "untracked, not committed": ({"packages/d/n.ts": "1"}, {"d": SELF}),
    "modified, not committed": ({"packages/b/src/a.ts": "1"}, {"b": SELF, "c": DOWN}),
    # Bug 1: the outer package's inputs hold the file, so a counts; turbo says sub and z only.
    "file of a nested package": (
        {"packages/a/sub/src/a.ts": "2"},
        {"sub": SELF, "z": DOWN, **A_AND_DEPENDENTS},
    ),
    "package the root depends on": (
        {"packages/tool/src/a.ts": "2"},
        dict.fromkeys(EVERYTHING, "root-dependency"),
    ),
    "package the root depends on through another": (
        {"packages/tooldep/src/a.ts": "2"},
        dict.fromkeys(EVERYTHING, "root-dependency"),
    ),
    "the same, root does not depend on it": ({"packages/tool/src/a.ts": "2"}, {"tool": SELF}),
    **{
        f"root file {name}": ({name: "changed"}, {})
        for name in (
            "README.md",
            "packages/README.md",
            "scripts/s.js",
            ".npmrc",
            ".gitignore",
            "tsconfig.json",
        )
    },
    "globalDependencies file": ({"glob.txt": "2"}, dict.fromkeys(EVERYTHING, SHARED)),
    "globalDependencies glob, new file": (
        {"conf/y.json": "2"},
        dict.fromkeys(EVERYTHING, SHARED),
    ),
    "turbo.json": (
        {"turbo.json": json.dumps({**TURBO, "ui": "tui"})},
        dict.fromkeys(EVERYTHING, SHARED),
    ),
    "a package's turbo.json": ({"packages/a/turbo.json": "{}"}, A_AND_DEPENDENTS),
    "root package.json, a script": (
        {"package.json": json.dumps({**ROOT_MANIFEST, "scripts": {"x": "y"}})},
        {},
    ),
    "lock: left bump": (
        {"package-lock.json": lock_text(left="1.1")},
        {"a": LOCK, "b": DOWN, "c": DOWN},
    ),
    "lock: bump below left": (
        {"package-lock.json": lock_text(deep="1.1")},
        {"a": LOCK, "b": DOWN, "c": DOWN},
    ),
    "lock: right bump": ({"package-lock.json": lock_text(right="1.1")}, {"d": LOCK}),
    "lock: bump of what the root depends on": (
        {"package-lock.json": lock_text(rootext="1.1")},
        dict.fromkeys(EVERYTHING, LOCK),
    ),
    "lock: integrity only": ({"package-lock.json": lock_text(integrity="b")}, {}),
    "lock: package nobody reaches": ({"package-lock.json": lock_text(zz="1")}, {}),
    "lock: reformatted": ({"package-lock.json": lock_text(indent=3)}, {}),
    "lock: deleted": ({"package-lock.json": None}, dict.fromkeys(EVERYTHING, LOCK)),
    "lock: broken": ({"package-lock.json": "{"}, dict.fromkeys(EVERYTHING, LOCK)),
    "file moved from a to d": (
        {"packages/a/src/a.ts": None, "packages/d/src/m.ts": "// a"},
        {**A_AND_DEPENDENTS, "d": SELF},
    ),
    # Bug 2: turbo says that nobody is affected.
    "package b deleted": (
        {"packages/b/package.json": None, "packages/b/src/a.ts": None},
        {"c": "dependency-removed"},
    ),
    # Bug 2: turbo says a2 only.
    "package a renamed": (
        {"packages/a/package.json": manifest("a2", "left")},
        {"a2": SELF, "b": "dependency-removed", "c": DOWN},
    ),
    "package added": ({"packages/e/package.json": manifest("e", "a")}, {"e": SELF}),
    # Bug 11, four times: turbo says that nobody is affected, or d alone.
    "globalDependencies ./file": ({"glob.txt": "2"}, dict.fromkeys(EVERYTHING, SHARED)),
    "globalDependencies names a directory": (
        {"conf/x.json": "2"},
        dict.fromkeys(EVERYTHING, SHARED),
    ),
    "globalDependencies names a directory with a slash": (
        {"conf/x.json": "2"},
        dict.fromkeys(EVERYTHING, SHARED),
    ),
    "globalDependencies glob of one level": (
        {"conf/x.json": "2"},
        dict.fromkeys(EVERYTHING, SHARED),
    ),
    "globalDependencies negation": ({"conf/x.json": "2"}, {}),
    "globalDependencies matches a file of a package": (
        {"packages/d/src/a.ts": "2"},
        dict.fromkeys(EVERYTHING, SHARED),
    ),
    "globalDependencies names a file of a package": (
        {"packages/d/src/a.ts": "2"},
        dict.fromkeys(EVERYTHING, SHARED),
    ),
}
"""An edit, and whom it affects with one reason of each."""

BASE_EDITS: dict[str, dict[str, str]] = {
    "the same, root does not depend on it": {
        "package.json": json.dumps({**ROOT_MANIFEST, "dependencies": {"rootext": "^1.0.0"}})
    },
    "globalDependencies ./file": with_global("./glob.txt"),
    "globalDependencies names a directory": with_global("conf"),
    "globalDependencies names a directory with a slash": with_global("conf/"),
    "globalDependencies glob of one level": with_global("conf/*"),
    "globalDependencies negation": with_global("conf/**", "!conf/x.json"),
    "globalDependencies matches a file of a package": with_global("**/*.ts"),
    "globalDependencies names a file of a package": with_global("packages/d/src/a.ts"),
}


@pytest.fixture(scope="module")
def affected_base(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("affected") / "r")
    made.write(AFFECTED_BASE)
    made.commit(tag="first")
    return made


@pytest.mark.parametrize("name", AFFECTED)
def test_changes_affect_what_is_recorded_or_what_is_better(
    affected_base: Repository, name: str
) -> None:
    repository = affected_base
    edit, expected = AFFECTED[name]
    repository.git("reset", "-q", "--hard", "first")
    repository.git("clean", "-q", "-fd")
    repository.write(BASE_EDITS.get(name, {}))
    repository.git("add", "--all")
    repository.git("commit", "-q", "--allow-empty", "-m", "base")
    repository.git("tag", "-f", "BASE")
    repository.write(edit)
    if "not committed" not in name:
        repository.git("add", "--all")
        repository.git("commit", "-q", "--allow-empty", "-m", "edit")
    selection = repository.select(affected=True)
    found = {p.name: {reason.code for reason in p.reasons} for p in selection.packages}
    found.pop(ROOT, None)  # turbo never lists the root
    assert set(found) == set(expected)
    for package, code in expected.items():
        assert code in found[package]


def test_a_base_with_a_broken_manifest_affects_everything(tmp_path: Path) -> None:
    def load(tree: FileTree) -> Workspace:
        try:
            return load_workspace(tree)
        except ValueError as error:
            raise WorkspaceError(str(error)) from error

    made = Repository(tmp_path / "r")
    made.write({**AFFECTED_BASE, "packages/d/package.json": "{"})
    made.commit(tag="BASE")
    made.write({"packages/d/package.json": manifest("d")})
    workspace = load_workspace(DirectoryTree(made.root))
    changes = GitChanges(
        str(made.root),
        ENVIRON,
        choose=lambda: Base("BASE", "BASE"),
        load=load,
        closures=dict,
        global_input=lambda path: False,
    )
    selection = select(PackageGraph(workspace), filters=(), affected=True, cwd="", changes=changes)
    assert selection.names() == sorted(workspace.packages)
    assert selection.packages[0].reasons[-1].text.endswith("cannot be made out")
