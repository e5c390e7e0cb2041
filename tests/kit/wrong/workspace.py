"""Workspace providers that break one promise each, and the tests that catch them."""

from __future__ import annotations

import os
from typing import ClassVar

import msgspec
import pytest

from bao_core.errors import WorkspaceError
from bao_core.interfaces.workspace import WorkspaceProvider
from bao_core.model import Dependency, Package, WorkspacePart
from bao_core.testing.workspace import WorkspaceProviderSuite

LOCK = "pack.lock"


class Manifest(msgspec.Struct):
    needs: tuple[str, ...] = ()


class PackWorkspace(WorkspaceProvider):
    """Each directory with a `pack.json` is a package."""

    name = "pack"
    manifests = frozenset({"pack.json"})
    root_markers: ClassVar = {"pack.json": r'"root"'}

    def load(self, tree):
        found = [(path, self.read(tree, path)) for path in tree.named(self.manifests)]
        if not found:
            return WorkspacePart()
        names = {self.name_of(path) for path, _ in found}
        packages = tuple(self.package(path, manifest, names) for path, manifest in found)
        broken = "" if (tree.read(LOCK) or b"x").strip() == b"x" else "it is no lock file"
        return WorkspacePart(packages, lock_files=(LOCK,), lock_broken=broken)

    def name_of(self, path):
        return path.rpartition("/")[0].rpartition("/")[2] or "root"

    def package(self, path, manifest, names):
        needs = tuple(Dependency(name) for name in sorted(manifest.needs) if name in names)
        return Package(
            self.name_of(path), path.rpartition("/")[0], "pack", path, dependencies=needs
        )

    def read(self, tree, path):
        try:
            return msgspec.json.decode(tree.read(path), type=Manifest)
        except (ValueError, msgspec.MsgspecError, RecursionError) as error:
            raise WorkspaceError("is no manifest", where=path) from error


class PackSuite(WorkspaceProviderSuite):
    component = PackWorkspace
    expected = {"root": "", "a": "packs/a", "b": "packs/b"}  # noqa: RUF012 - as authors write it

    @pytest.fixture
    def files(self):
        return {
            "pack.json": "{}",
            "packs/b/pack.json": "{}",
            "packs/a/pack.json": '{"needs": ["root", "b"]}',
            "pack.lock": "x",
        }


def caught_by(test):
    """Make a suite of a wrong provider, of which one test should fail."""

    def decorate(wrong):
        name = f"Test{wrong.__name__}"
        globals()[name] = type(name, (PackSuite,), {"component": wrong, "caught_by": test})
        return wrong

    return decorate


def changed(part, change):
    """A part whose packages were changed one by one."""
    return msgspec.structs.replace(part, packages=tuple(change(p) for p in part.packages))


@caught_by("test_its_manifests_are_names_of_files")
class NamesPaths(PackWorkspace):
    manifests = frozenset({"pack.json", "config/pack.json"})


@caught_by("test_its_root_markers_are_names_with_regular_expressions")
class MarksWithNonsense(PackWorkspace):
    root_markers: ClassVar = {"pack.json": "("}


@caught_by("test_the_packages_of_the_example_are_found")
class LosesOne(PackWorkspace):
    def load(self, tree):
        part = super().load(tree)
        return msgspec.structs.replace(part, packages=part.packages[1:])


@caught_by("test_where_there_is_no_such_workspace_the_part_is_empty")
class AlwaysHasARoot(PackWorkspace):
    def load(self, tree):
        return super().load(tree) if tree.named(self.manifests) else WorkspacePart(notes=("none",))


@caught_by("test_what_it_returns_depends_on_the_tree_alone")
class LooksAtTheDisk(PackWorkspace):
    def load(self, tree):
        part = super().load(tree)
        seen = os.path.exists("pack.json")
        return changed(part, lambda p: msgspec.structs.replace(p, version="2" if seen else ""))


@caught_by("test_the_order_of_names_in_the_tree_does_not_count")
class TakesNamesAsTheyCome(PackWorkspace):
    def load(self, tree):
        part = super().load(tree)
        if not part.packages:
            return part
        return msgspec.structs.replace(part, notes=tuple(tree.entries("packs")))


@caught_by("test_loading_twice_gives_the_same")
class Remembers(PackWorkspace):
    known: WorkspacePart | None = None

    def load(self, tree):
        self.known = self.known or super().load(tree)
        try:
            return self.known
        finally:
            self.known = super().load(tree)


@caught_by("test_packages_are_well_formed")
class WritesPathsOtherwise(PackWorkspace):
    def load(self, tree):
        return changed(super().load(tree), lambda p: msgspec.structs.replace(p, path=f"./{p.path}"))


@caught_by("test_dependencies_are_sorted_and_lead_to_packages")
class DependsOnStrangers(PackWorkspace):
    def package(self, path, manifest, names):
        package = super().package(path, manifest, names)
        return msgspec.structs.replace(package, dependencies=(Dependency("stranger"),))


@caught_by("test_lock_files_are_named_by_their_paths")
class NamesAbsoluteLocks(PackWorkspace):
    def load(self, tree):
        return msgspec.structs.replace(super().load(tree), lock_files=("/pack.lock",))


@caught_by("test_a_broken_file_is_a_workspace_error_that_names_it_or_a_note")
class StumblesOverManifests(PackWorkspace):
    def read(self, tree, path):
        return msgspec.json.decode(tree.read(path), type=Manifest)


@caught_by("test_a_broken_file_is_a_workspace_error_that_names_it_or_a_note")
class DoesNotSayWhere(PackWorkspace):
    def read(self, tree, path):
        try:
            return super().read(tree, path)
        except WorkspaceError:
            raise WorkspaceError("something is wrong") from None
