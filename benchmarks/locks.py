"""How long lock files take: `python benchmarks/locks.py [--packages N] [--lines N] [FORMAT…]`.

For each format: a workspace of 1,000 packages with a lock file of 40,000 lines, read for the first
time and again from what is remembered of it. What loading takes without the lock file is taken off.
A run in which nothing changed does not come here at all: the whole workspace is remembered then.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bao_core.model import FileTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bao_core.interfaces.workspace import WorkspaceProvider

NEEDS = 6
"""How many packages from outside each package of the workspace asks for."""

LAYERS = 6
"""A package from outside needs some of the next layer only, as in real workspaces."""

ROUNDS = 3


class Shape(NamedTuple):
    """How large a workspace is: its packages, and those from outside."""

    packages: int
    externals: int

    def needs(self, number: int) -> list[int]:
        """What a package of the workspace asks for."""
        return sorted({(number * 7 + step * 613) % self.externals for step in range(NEEDS)})

    def needs_outside(self, number: int) -> list[int]:
        """What a package from outside needs."""
        if number % LAYERS == LAYERS - 1:
            return []
        below = range(number % LAYERS + 1, self.externals, LAYERS)
        return sorted({below[(number * 31 + step * 17) % len(below)] for step in range(3)})


class Format(NamedTuple):
    """A format of lock files.

    Attributes:
        provider: Makes the provider that reads it, given a directory for its memory.
        lock: The path of the lock file.
        files: Everything else, by path.
        text: The lock file.
    """

    provider: Callable[[str], WorkspaceProvider]
    lock: str
    files: Callable[[Shape], dict[str, str]]
    text: Callable[[Shape], str]


class MemoryTree(FileTree):
    """Files that exist nowhere else."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._entries: dict[str, dict[str, bool]] = {}
        for path in files:
            directory, _, name = path.rpartition("/")
            known = self._entries.setdefault(directory, {})
            known[name] = False
            while directory:
                directory, _, name = directory.rpartition("/")
                self._entries.setdefault(directory, {})[name] = True

    def read(self, path: str) -> bytes | None:
        """See `FileTree.read`."""
        return self._files.get(path)

    def entries(self, directory: str) -> Mapping[str, bool]:
        """See `FileTree.entries`."""
        return self._entries.get(directory, {})

    def named(self, names: Iterable[str]) -> list[str]:
        """See `FileTree.named`."""
        wanted = set(names)
        return sorted(path for path in self._files if path.rpartition("/")[2] in wanted)


# --- Node ------------------------------------------------------------------------------------


def node_provider(state_dir: str) -> WorkspaceProvider:
    """The provider of packages with a `package.json`."""
    from bao_workspace_node.provider import NodeWorkspace

    return NodeWorkspace(state_dir)


def node_files(manager: str) -> Callable[[Shape], dict[str, str]]:
    """Makes the manifests of a workspace."""

    def files(shape: Shape) -> dict[str, str]:
        root = {"name": "root", "packageManager": manager, "workspaces": ["packages/*"]}
        made = {
            "package.json": json.dumps(root),
            "pnpm-workspace.yaml": "packages: [packages/*]\n",
        }
        for number in range(shape.packages):
            manifest = {
                "name": f"p{number}",
                "version": "1.0.0",
                "dependencies": {f"x{need}": "^1.0.0" for need in shape.needs(number)},
            }
            made[f"packages/p{number}/package.json"] = json.dumps(manifest)
        return made

    return files


def npm_text(shape: Shape) -> str:
    """`package-lock.json`."""
    places: dict[str, Any] = {"": {"name": "root", "workspaces": ["packages/*"]}}
    for number in range(shape.packages):
        needs = {f"x{need}": "^1.0.0" for need in shape.needs(number)}
        places[f"packages/p{number}"] = {"version": "1.0.0", "dependencies": needs}
        places[f"node_modules/p{number}"] = {"resolved": f"packages/p{number}", "link": True}
    for number in range(shape.externals):
        entry: dict[str, Any] = {
            "version": f"1.0.{number}",
            "resolved": f"https://registry.example/x{number}/-/x{number}-1.0.{number}.tgz",
            "integrity": f"sha512-{number:086}==",
            "license": "MIT",
        }
        if needs := {f"x{need}": "^1.0.0" for need in shape.needs_outside(number)}:
            entry["dependencies"] = needs
        places[f"node_modules/x{number}"] = entry
    document = {"name": "root", "lockfileVersion": 3, "requires": True, "packages": places}
    return json.dumps(document, indent=2)


def pnpm_text(shape: Shape) -> str:
    """`pnpm-lock.yaml`."""
    lines = ["lockfileVersion: '9.0'", "", "settings:", "  autoInstallPeers: true", ""]
    lines += ["importers:", "", "  .: {}", ""]
    for number in range(shape.packages):
        lines += [f"  packages/p{number}:", "    dependencies:"]
        for need in shape.needs(number):
            lines += [f"      x{need}:", "        specifier: ^1.0.0"]
            lines += [f"        version: 1.0.{need}"]
        lines.append("")
    lines += ["packages:", ""]
    for number in range(shape.externals):
        lines += [f"  x{number}@1.0.{number}:"]
        lines += [f"    resolution: {{integrity: sha512-{number:086}==}}", ""]
    lines += ["snapshots:", ""]
    for number in range(shape.externals):
        needs = shape.needs_outside(number)
        lines.append(f"  x{number}@1.0.{number}:" + ("" if needs else " {}"))
        lines += ["    dependencies:"] if needs else []
        lines += [f"      x{need}: 1.0.{need}" for need in needs]
        lines.append("")
    return "\n".join(lines)


def yarn_classic_text(shape: Shape) -> str:
    """`yarn.lock` of Yarn 1."""
    lines = ["# yarn lockfile v1", "", ""]
    for number in range(shape.externals):
        lines += [f"x{number}@^1.0.0:", f'  version "1.0.{number}"']
        lines += [f'  resolved "https://registry.example/x{number}-1.0.{number}.tgz#{number:040}"']
        lines += [f"  integrity sha512-{number:086}=="]
        if needs := shape.needs_outside(number):
            lines += ["  dependencies:", *(f'    x{need} "^1.0.0"' for need in needs)]
        lines.append("")
    return "\n".join(lines)


def yarn_berry_text(shape: Shape) -> str:
    """`yarn.lock` of Yarn 2 and later."""
    lines = ["__metadata:", "  version: 8", "  cacheKey: 10c0", ""]
    entries = [(f"x{n}", f"1.0.{n}", shape.needs_outside(n)) for n in range(shape.externals)]
    for name, version, needs in entries:
        lines += [f'"{name}@npm:^1.0.0":', f"  version: {version}"]
        lines += [f'  resolution: "{name}@npm:{version}"']
        lines += ["  dependencies:"] if needs else []
        lines += [f'    x{need}: "npm:^1.0.0"' for need in needs]
        lines += [f"  checksum: 10c0/{name:0>128}", "  languageName: node", "  linkType: hard", ""]
    for number in range(shape.packages):
        lines += [f'"p{number}@workspace:packages/p{number}":', "  version: 0.0.0-use.local"]
        lines += [f'  resolution: "p{number}@workspace:packages/p{number}"', "  dependencies:"]
        lines += [f'    x{need}: "npm:^1.0.0"' for need in shape.needs(number)]
        lines += ["  languageName: unknown", "  linkType: soft", ""]
    return "\n".join(lines)


def bun_text(shape: Shape) -> str:
    """`bun.lock`."""
    lines = ["{", '  "lockfileVersion": 1,', '  "workspaces": {', '    "": {}, ']
    for number in range(shape.packages):
        lines += [f'    "packages/p{number}": {{', f'      "name": "p{number}",']
        lines += ['      "dependencies": {']
        lines += [f'        "x{need}": "^1.0.0",' for need in shape.needs(number)]
        lines += ["      },", "    },"]
    lines += ["  },", '  "packages": {']
    lines += [f'    "p{n}": ["p{n}@workspace:packages/p{n}"],\n' for n in range(shape.packages)]
    for number in range(shape.externals):
        needs = ", ".join(f'"x{need}": "^1.0.0"' for need in shape.needs_outside(number))
        info = f'{{ "dependencies": {{ {needs} }} }}' if needs else "{}"
        head = f'    "x{number}": ["x{number}@1.0.{number}", "", {info}'
        lines += [f'{head}, "sha512-{number:086}=="],', ""]
    return "\n".join([*lines, "  }", "}", ""])


# --- Python ----------------------------------------------------------------------------------


def python_provider(state_dir: str) -> WorkspaceProvider:
    """The provider of packages with a `pyproject.toml`."""
    from bao_workspace_python.provider import PythonWorkspace

    return PythonWorkspace(state_dir)


def python_files(workspace: str) -> Callable[[Shape], dict[str, str]]:
    """Makes the manifests of a workspace, given the table that names its members."""

    def files(shape: Shape) -> dict[str, str]:
        root = f'[project]\nname = "root"\nversion = "1"\n[{workspace}]\nmembers = ["packages/*"]\n'
        made = {"pyproject.toml": root}
        for number in range(shape.packages):
            needs = ", ".join(f'"x{need}>=1"' for need in shape.needs(number))
            made[f"packages/p{number}/pyproject.toml"] = (
                f'[project]\nname = "p{number}"\nversion = "1"\ndependencies = [{needs}]\n'
            )
        return made

    return files


def artefacts(number: int, key: str, above: str = "") -> list[str]:
    """The files of a package from outside, each on a line of its own."""
    names = [f"x{number}-1.0.{number}-{tag}.whl" for tag in ("cp311", "cp312", "cp313")]
    return [f'    {{{key} = "{above}{name}", hash = "sha256:{number:064}"}},' for name in names]


def uv_text(shape: Shape) -> str:
    """`uv.lock`."""
    lines = ["version = 1", "revision = 3", 'requires-python = ">=3.11"', ""]

    def add(name: str, version: str, source: str, needs: list[int]) -> None:
        lines.extend(["[[package]]", f'name = "{name}"', f'version = "{version}"', source])
        if needs:
            edges = [f'    {{ name = "x{need}" }},' for need in needs]
            lines.extend(["dependencies = [", *edges, "]"])

    for number in range(shape.packages):
        source = f'source = {{ editable = "packages/p{number}" }}'
        add(f"p{number}", "1", source, shape.needs(number))
        lines.append("")
    for number in range(shape.externals):
        source = 'source = { registry = "https://index.example/simple" }'
        add(f"x{number}", f"1.0.{number}", source, shape.needs_outside(number))
        lines += ["wheels = [", *artefacts(number, "url", "https://files.example/"), "]", ""]
    return "\n".join(lines)


def poetry_text(shape: Shape) -> str:
    """`poetry.lock`."""
    lines: list[str] = []
    for number in range(shape.externals):
        lines += ["[[package]]", f'name = "x{number}"', f'version = "1.0.{number}"']
        lines += ['description = "A package"', "optional = false", 'python-versions = ">=3.9"']
        lines += ['groups = ["main"]', "files = [", *artefacts(number, "file"), "]", ""]
        if needs := shape.needs_outside(number):
            lines += ["[package.dependencies]", *(f'x{need} = ">=1"' for need in needs), ""]
    lines += ["[metadata]", 'lock-version = "2.1"', 'python-versions = ">=3.11"', ""]
    return "\n".join(lines)


def pdm_text(shape: Shape) -> str:
    """`pdm.lock`."""
    lines = ["[metadata]", 'groups = ["default"]', 'lock_version = "4.5.0"', ""]
    for number in range(shape.externals):
        lines += ["[[package]]", f'name = "x{number}"', f'version = "1.0.{number}"']
        lines += ['requires_python = ">=3.9"', 'summary = "A package"', 'groups = ["default"]']
        if needs := shape.needs_outside(number):
            lines += ["dependencies = [", *(f'    "x{need}>=1",' for need in needs), "]"]
        lines += ["files = [", *artefacts(number, "file"), "]", ""]
    return "\n".join(lines)


def pylock_text(shape: Shape) -> str:
    """`pylock.toml`."""
    lines = ['lock-version = "1.0"', 'created-by = "benchmark"', ""]
    for number in range(shape.externals):
        lines += ["[[packages]]", f'name = "x{number}"', f'version = "1.0.{number}"']
        lines += ['index = "https://index.example/simple"', "", "[[packages.wheels]]"]
        lines += [f'url = "https://files.example/x{number}.whl"', "", "[packages.wheels.hashes]"]
        lines += [f'sha256 = "{number:064}"', ""]
    return "\n".join(lines)


FORMATS: dict[str, Format] = {
    "npm": Format(node_provider, "package-lock.json", node_files("npm@10.0.0"), npm_text),
    "pnpm": Format(node_provider, "pnpm-lock.yaml", node_files("pnpm@9.0.0"), pnpm_text),
    "yarn-classic": Format(
        node_provider, "yarn.lock", node_files("yarn@1.22.0"), yarn_classic_text
    ),
    "yarn-berry": Format(node_provider, "yarn.lock", node_files("yarn@4.0.0"), yarn_berry_text),
    "bun": Format(node_provider, "bun.lock", node_files("bun@1.3.0"), bun_text),
    "uv": Format(python_provider, "uv.lock", python_files("tool.uv.workspace"), uv_text),
    "poetry": Format(
        python_provider, "poetry.lock", python_files("tool.uv.workspace"), poetry_text
    ),
    "pdm": Format(python_provider, "pdm.lock", python_files("tool.pdm.workspace"), pdm_text),
    "pylock": Format(
        python_provider, "pylock.toml", python_files("tool.uv.workspace"), pylock_text
    ),
}
"""To add one: a provider, the path of its lock file, and what makes manifests and lock file."""


# --- measuring -------------------------------------------------------------------------------


class Figures(NamedTuple):
    """Seconds of processor time; the lock file's lines and bytes."""

    lines: int
    size: int
    first: float
    second: float
    without: float


def sized(form: Format, packages: int, lines: int) -> tuple[Shape, str]:
    """A shape whose lock file has about so many lines, and that lock file."""
    externals = 500
    for _ in range(4):
        count = form.text(Shape(packages, externals)).count("\n")
        more = form.text(Shape(packages, externals + 600)).count("\n")
        externals = max(100, externals + round((lines - count) * 600 / (more - count)))
    shape = Shape(packages, externals)
    return shape, form.text(shape)


def measure(form: Format, packages: int = 1000, lines: int = 40_000) -> Figures:
    """Load a workspace without its lock file, with it, and with what is remembered of it."""
    shape, text = sized(form, packages, lines)
    files = {path: content.encode() for path, content in form.files(shape).items()}
    with_lock = {**files, form.lock: text.encode()}
    with tempfile.TemporaryDirectory() as state_dir:
        _load(form, with_lock, str(Path(state_dir, "warm-up")))
        without = min(_load(form, files, state_dir) for _ in range(ROUNDS))
        places = [str(Path(state_dir, str(number))) for number in range(ROUNDS)]
        first = min(_load(form, with_lock, place) for place in places)
        second = min(_load(form, with_lock, place) for place in places)
    return Figures(text.count("\n"), len(text), first - without, second - without, without)


def _load(form: Format, files: Mapping[str, bytes], state_dir: str) -> float:
    provider, tree = form.provider(state_dir), MemoryTree(files)
    gc.collect()
    started = time.process_time()
    part = provider.load(tree)
    taken = time.process_time() - started
    if part.lock_broken or len(part.packages) < 2:  # noqa: PLR2004 - something is wrong
        raise SystemExit(part.lock_broken or "no packages")
    return taken


def main() -> None:
    """Print the figures of some formats, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--packages", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=40_000)
    asked = parser.parse_args()
    if unknown := set(asked.formats) - FORMATS.keys():
        sys.exit(f"no such format: {', '.join(sorted(unknown))} (there are: {', '.join(FORMATS)})")
    print(f"{asked.packages} packages; milliseconds on the lock file")
    print(f"{'format':16}{'lines':>8}{'KB':>8}{'first':>8}{'second':>8}")
    for name in asked.formats or FORMATS:
        found = measure(FORMATS[name], asked.packages, asked.lines)
        times = f"{found.first * 1000:8.0f}{found.second * 1000:8.1f}"
        print(f"{name:16}{found.lines:8}{found.size // 1024:8}{times}", flush=True)


if __name__ == "__main__":
    main()
