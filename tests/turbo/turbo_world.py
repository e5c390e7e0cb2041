"""A made-up workspace as plain data, and the files that it is on disk."""

from __future__ import annotations

import copy
import json
from typing import Any

from turbo_locks import lock_files

MANAGERS = {
    "npm": "npm@10.0.0",
    "pnpm8": "pnpm@8.15.0",
    "pnpm9": "pnpm@9.1.0",
    "pnpm10": "pnpm@10.0.0",
    "yarn1": "yarn@1.22.0",
    "yarn4": "yarn@4.1.0",
    "bun": "bun@1.2.0",
}
KINDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


class Package:
    """A package: a name, a place, a manifest, files."""

    def __init__(self, name: str | None, path: str) -> None:
        self.name = name
        self.path = path
        self.version: str | None = "1.2.0"
        self.scripts: dict[str, str] = {}
        self.needs: dict[str, dict[str, str]] = {}
        self.more: dict[str, Any] = {}
        self.turbo: dict[str, Any] | None = None

    def need(self, kind: str, name: str, range_: str) -> None:
        self.needs.setdefault(kind, {})[name] = range_

    def manifest(self) -> dict[str, Any]:
        said: dict[str, Any] = {} if self.name is None else {"name": self.name}
        if self.version is not None:
            said["version"] = self.version
        if self.scripts:
            said["scripts"] = self.scripts
        return {**said, **self.needs, **self.more}


class World:
    """A whole workspace."""

    def __init__(self, manager: str) -> None:
        self.manager = manager
        self.root = Package("root", "")
        self.root.version = None
        self.globs: list[str] = ["packages/*"]
        self.packages: list[Package] = []
        self.turbo: dict[str, Any] = {"tasks": {}}
        self.turbo_text: str | None = None
        self.locked = True
        self.lock_text: str | None = None
        self.external: dict[str, tuple[str, list[str]]] = {}
        self.integrity = "a"
        self.catalogs: dict[str, dict[str, str]] = {}
        self.settings: dict[str, str] = {}
        self.pnpm_settings: dict[str, Any] = {}
        self.files: dict[str, str] = {}

    def copy(self) -> World:
        return copy.deepcopy(self)

    def render(self) -> dict[str, str]:
        """Every file by its path."""
        found = dict(self.files)
        root = self.root.manifest() | {"private": True, "packageManager": MANAGERS[self.manager]}
        pnpm = self.manager.startswith("pnpm")
        if pnpm:
            lines = ["packages:", *(f"  - {json.dumps(glob)}" for glob in self.globs)]
            for name, entries in self.catalogs.items():
                lines += ["catalog:"] if name == "" else ["catalogs:", f"  {name}:"]
                indent = "  " if name == "" else "    "
                lines += [f"{indent}{json.dumps(k)}: {json.dumps(v)}" for k, v in entries.items()]
            lines += [f"{key}: {json.dumps(value)}" for key, value in self.pnpm_settings.items()]
            found["pnpm-workspace.yaml"] = "\n".join(lines) + "\n"
        elif self.manager == "bun" and self.catalogs:
            said: dict[str, Any] = {"packages": self.globs}
            for name, entries in self.catalogs.items():
                if name == "":
                    said["catalog"] = entries
                else:
                    said.setdefault("catalogs", {})[name] = entries
            root["workspaces"] = said
        else:
            root["workspaces"] = self.globs
        found["package.json"] = text(root)
        found["turbo.json"] = text(self.turbo) if self.turbo_text is None else self.turbo_text
        found |= self.settings
        for package in self.packages:
            found[f"{package.path}/package.json"] = text(package.manifest())
            if package.turbo is not None:
                found[f"{package.path}/turbo.json"] = text(package.turbo)
        if self.locked:
            name, content = lock_files(self)
            found[name] = content if self.lock_text is None else self.lock_text
        return found

    def named(self, name: str) -> Package | None:
        return next((p for p in self.packages if p.name == name), None)


def text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
