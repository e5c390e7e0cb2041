"""Makes the workspace that tools are compared on: `python benchmarks/generate.py DIRECTORY`.

The same arguments always give the same bytes. One workspace serves every tool: a Bun workspace
with its lock file, a `turbo.json` and a `bao.toml` that say the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
from pathlib import Path
from typing import NamedTuple

FILE_SIZE = 2048
"""Bytes of a source file."""

DEPENDENCIES = 3
"""Internal dependencies of a package, as far as there are packages before it."""

BUN = "1.4.5"
"""The version of Bun, whose `bun run` starts a script sooner than any other package manager."""

SCRIPT = "mkdir -p dist && cat src/* > dist/out.txt && echo $npm_package >> ../../../ran"
"""Concatenates the sources; the last word lets the driver count runs outside of the workspace."""


class Shape(NamedTuple):
    """How large the workspace is."""

    packages: int = 1000
    files: int = 20
    seed: int = 1


def package_name(number: int) -> str:
    """The name of a package, such as `pkg-0007`."""
    return f"pkg-{number:04d}"


def dependencies(shape: Shape) -> list[list[int]]:
    """For each package the numbers of the earlier ones that it depends on, sorted."""
    chance = random.Random(shape.seed)
    return [
        sorted(chance.sample(range(number), min(DEPENDENCIES, number)))
        for number in range(shape.packages)
    ]


def source(chance: random.Random) -> str:
    """One source file: lines of 63 hexadecimal digits, `FILE_SIZE` bytes in all."""
    digits = chance.randbytes(FILE_SIZE // 2).hex()
    return "".join(f"{digits[at : at + 63]}\n" for at in range(0, FILE_SIZE // 64 * 63, 63))


def generate(root: Path, shape: Shape) -> None:
    """Write the workspace into an empty or missing directory, and commit it."""
    edges = dependencies(shape)
    chance = random.Random(shape.seed + 1)
    root.mkdir(parents=True, exist_ok=True)
    _write_root(root, shape, edges)
    for number, needed in enumerate(edges):
        place = root / "packages" / package_name(number)
        (place / "src").mkdir(parents=True)
        _write_json(place / "package.json", _manifest(number, needed))
        for index in range(shape.files):
            (place / "src" / f"file-{index:02d}.txt").write_text(source(chance))
    _commit(root)


def script_of(number: int) -> str:
    """What builds a package, to be run in its directory."""
    return SCRIPT.replace("$npm_package", package_name(number))


def _manifest(number: int, needed: list[int]) -> dict[str, object]:
    name = package_name(number)
    return {
        "name": name,
        "version": "1.0.0",
        "private": True,
        "scripts": {"build": script_of(number)},
        "dependencies": {package_name(other): "1.0.0" for other in needed},
    }


def _write_root(root: Path, shape: Shape, edges: list[list[int]]) -> None:
    _write_json(
        root / "package.json",
        {
            "name": "bench",
            "version": "1.0.0",
            "private": True,
            "packageManager": f"bun@{BUN}",
            "workspaces": ["packages/*"],
        },
    )
    _write_json(root / "bun.lock", _lock(edges))
    _write_json(
        root / "turbo.json",
        {"tasks": {"build": {"dependsOn": ["^build"], "outputs": ["dist/**"]}}},
    )
    (root / "bao.toml").write_text(
        '[tasks.build]\ndepends_on = ["^build"]\noutputs = ["dist/**"]\n'
    )
    (root / ".gitignore").write_text("dist/\nnode_modules/\n.turbo/\n")
    (root / "README.md").write_text(f"{shape.packages} packages of {shape.files} files.\n")


def _lock(edges: list[list[int]]) -> dict[str, object]:
    """What `bun install` writes, but for the trailing commas."""
    workspaces: dict[str, object] = {"": {"name": "bench"}}
    packages: dict[str, object] = {}
    for number, needed in enumerate(edges):
        name = package_name(number)
        place = f"packages/{name}"
        member: dict[str, object] = {"name": name, "version": "1.0.0"}
        if needed:
            member["dependencies"] = {package_name(other): "1.0.0" for other in needed}
        workspaces[place] = member
        packages[name] = [f"{name}@workspace:{place}"]
    return {
        "lockfileVersion": 1,
        "configVersion": 1,
        "workspaces": workspaces,
        "packages": packages,
    }


def _write_json(path: Path, document: dict[str, object]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n")


def _commit(root: Path) -> None:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    moment = {
        "GIT_AUTHOR_DATE": "2025-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2025-01-01T00:00:00Z",
    }
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.org")
    for words in (
        ("init", "-q", "-b", "main"),
        ("add", "--all"),
        ("commit", "-q", "-m", "Generated"),
    ):
        subprocess.run((*git, *words), cwd=root, env={**environ, **moment}, check=True)


def main() -> None:
    """Read the arguments and generate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--packages", type=int, default=Shape().packages)
    parser.add_argument("--files", type=int, default=Shape().files)
    parser.add_argument("--seed", type=int, default=Shape().seed)
    given = parser.parse_args()
    generate(given.directory, Shape(given.packages, given.files, given.seed))


if __name__ == "__main__":
    main()
