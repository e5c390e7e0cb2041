"""Which packages a change touches and reaches, and the reasons why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bao_core.git.facts import ChangedFile
from bao_core.graph import PackageGraph
from bao_core.model import ROOT, Dependency, Package, Workspace
from bao_core.selection import select
from bao_core.selection.affected import closure_changes, find_difference, reach
from bao_core.selection.filters import RevisionRange

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def package(name: str, path: str, *needs: str, **more: Any) -> Package:
    """A package; `b+extra` is an edge through an extra."""
    dependencies = tuple(
        Dependency(need.removesuffix("+extra"), "extra" if "+" in need else "runtime")
        for need in needs
    )
    external = tuple(more.pop("external", ()))
    return Package(
        name,
        path,
        "test",
        f"{path}/package.json".lstrip("/"),
        dependencies=dependencies,
        external=external,
        external_digest=more.pop("digest", f"digest of {external}"),
    )


def workspace(*packages: Package, root: Package | None = None, **more: Any) -> Workspace:
    root = root or package(ROOT, "")
    named = {found.name: found for found in (root, *packages)}
    return Workspace(dict(sorted(named.items())), root.name, **more)


class FakeChanges:
    """A base that is given, and files that changed since: `A a/b`, `M a/b` or `D a/b`."""

    def __init__(
        self,
        before: Workspace | None,
        after: Workspace,
        files: Sequence[str],
        *,
        shared: Sequence[str] = (),
        base: str | None = "base",
        now: Workspace | None = None,
    ) -> None:
        self._before = before
        self._after = after
        self._now = now or after
        self._files = [ChangedFile(path=line[2:], status=line[0]) for line in files]  # type: ignore[arg-type]
        self._shared = shared
        self._base = base
        self.read_revisions: list[str] = []

    def base(self) -> str | None:
        return self._base

    def how(self) -> str:
        return "base not found"

    def files(
        self, base: str, head: str | None, *, merge_base: bool, worktree: bool
    ) -> list[ChangedFile] | None:
        return self._files

    def merge_base(self, base: str, head: str) -> str | None:
        return base

    def workspace_at(self, revision: str) -> Workspace | None:
        self.read_revisions.append(revision)
        return self._before if revision == "base" else self._after

    def closures(self) -> Mapping[str, tuple[str, ...]]:
        return {name: found.external for name, found in self._now.packages.items()}

    def global_input(self, path: str) -> bool:
        return path in self._shared


def affected(
    before: Workspace | None,
    after: Workspace,
    *files: str,
    turbo: bool = False,
    **more: Any,
) -> dict[str, list[str]]:
    """`code: text` of the reasons, by package."""
    changes = FakeChanges(before, after, files, **more)
    selection = select(
        PackageGraph(after), filters=(), affected=True, cwd="", changes=changes, turbo=turbo
    )
    return {
        found.name: [f"{reason.code}: {reason.text}" for reason in found.reasons]
        for found in selection.packages
    }


CHAIN = workspace(
    package("lib", "packages/lib"),
    package("app", "packages/app", "lib"),
    package("e2e", "packages/e2e", "app"),
    package("other", "packages/other"),
)
"""e2e -> app -> lib; other."""


# --- files ------------------------------------------------------------------------------------


def test_a_changed_file_affects_its_package_and_all_dependents() -> None:
    assert affected(CHAIN, CHAIN, "M packages/lib/src/a.py") == {
        "lib": ["file-changed: src/a.py changed"],
        "app": ["dependency: lib is affected"],
        "e2e": ["dependency: app is affected"],
    }


def test_added_and_deleted_files_say_so() -> None:
    found = affected(CHAIN, CHAIN, "A packages/other/n", "D packages/other/o")
    assert found == {"other": ["file-changed: n added", "file-changed: o deleted"]}


def test_nothing_changed_affects_nothing() -> None:
    assert affected(CHAIN, CHAIN) == {}


def test_many_files_are_named_by_the_first_few_and_a_count() -> None:
    files = [f"M packages/other/{number}" for number in range(1, 7)]
    assert affected(CHAIN, CHAIN, *files)["other"] == [
        "file-changed: 1 changed",
        "file-changed: 2 changed",
        "file-changed: 3 changed",
        "file-changed: and 3 more",
    ]
    assert affected(CHAIN, CHAIN, *files[:4])["other"][-1] == "file-changed: 4 changed"


def test_a_file_of_a_nested_package_affects_the_outer_one_too() -> None:
    nested = workspace(
        package("outer", "a"), package("inner", "a/b"), package("user", "c", "outer")
    )
    assert affected(nested, nested, "M a/b/x") == {
        "inner": ["file-changed: x changed"],
        "outer": ["file-changed: b/x changed"],
        "user": ["dependency: outer is affected"],
    }
    assert list(affected(nested, nested, "M a/x")) == ["outer", "user"]


def test_a_root_that_is_no_package_owns_what_nobody_else_has() -> None:
    assert affected(CHAIN, CHAIN, "M README.md") == {ROOT: ["file-changed: README.md changed"]}
    assert ROOT not in affected(CHAIN, CHAIN, "M packages/other/x")


def test_a_root_that_is_a_package_owns_every_file() -> None:
    real = workspace(
        package("lib", "lib"), package("user", "user", "top"), root=package("top", "", "lib")
    )
    assert affected(real, real, "M docs/x.md") == {
        "top": ["file-changed: docs/x.md changed"],
        "user": ["dependency: top is affected"],
    }
    assert affected(real, real, "M user/x")["top"] == ["file-changed: user/x changed"]


def test_a_submodule_affects_the_packages_in_it_and_around_it() -> None:
    holding = workspace(
        package("in", "vendor/in"), package("is", "sub"), package("around", "vendor")
    )
    assert affected(holding, holding, "M vendor") == {
        "around": ["file-changed: vendor changed"],
        "in": ["file-changed: vendor changed"],
    }
    assert affected(holding, holding, "M sub") == {"is": ["file-changed: sub changed"]}


def test_an_edge_through_an_extra_counts() -> None:
    extras = workspace(package("slim", "slim", "evals+extra"), package("evals", "evals", "slim"))
    assert affected(extras, extras, "M evals/x") == {
        "evals": ["file-changed: x changed", "dependency: slim is affected"],
        "slim": ["dependency: evals is affected"],
    }


def test_a_global_input_affects_everything_and_is_named_by_each() -> None:
    found = affected(CHAIN, CHAIN, "M .nvmrc", "M packages/app/x", shared=[".nvmrc"])
    assert set(found) == set(CHAIN.packages)
    assert found["other"] == ["global: .nvmrc changed"]
    assert found["app"] == ["file-changed: x changed", "global: .nvmrc changed"]
    assert found["e2e"] == ["dependency: app is affected", "global: .nvmrc changed"]


def test_the_configuration_of_the_root_affects_everything() -> None:
    assert affected(CHAIN, CHAIN, "M bao.toml")["other"] == ["global: bao.toml changed"]
    assert list(affected(CHAIN, CHAIN, "M packages/other/bao.toml")) == ["other"]


def test_a_global_input_may_lie_in_a_package_or_be_gone() -> None:
    found = affected(CHAIN, CHAIN, "D packages/app/g", shared=["packages/app/g"])
    assert found["other"] == ["global: packages/app/g deleted"]


# --- the base ---------------------------------------------------------------------------------


def test_without_a_base_everything_is_affected_and_says_why() -> None:
    found = affected(CHAIN, CHAIN, base=None)
    assert set(found) == set(CHAIN.packages)
    assert found["lib"] == ["everything: base not found"]
    selection = select(
        PackageGraph(CHAIN),
        filters=(),
        affected=True,
        cwd="",
        changes=FakeChanges(CHAIN, CHAIN, [], base=None),
    )
    assert selection.notes == ["everything counts as affected: base not found"]


def test_a_base_whose_packages_cannot_be_made_out_affects_everything() -> None:
    found = affected(None, CHAIN, "M packages/lib/package.json")
    assert found["other"] == ["everything: the packages of base cannot be made out"]
    assert found["lib"][0] == "file-changed: package.json changed"


def test_a_base_is_read_only_when_packages_or_locks_may_differ() -> None:
    def reads(*files: str) -> bool:
        changes = FakeChanges(CHAIN, locked, files)
        find_difference(PackageGraph(locked), changes, RevisionRange("base"))
        return bool(changes.read_revisions)

    odd = replace(package("odd", "odd"), manifest="odd/thing.cfg")
    locked = workspace(*CHAIN.packages.values(), odd, lock_files=("locks/lock.yaml",))
    assert not reads("M packages/lib/x.py", "A packages/lib/y.py", "D packages/lib/z.py")
    assert not reads("M README.md", "M docs/x.json")
    assert reads("M packages/lib/package.json")
    assert reads("A anywhere/pyproject.toml")
    assert reads("A anywhere/thing.cfg")
    assert reads("M pnpm-workspace.yaml")
    assert reads("M locks/lock.yaml")
    assert reads("D gone/src/x.py")
    assert reads("M packages")


# --- lock files -------------------------------------------------------------------------------


def lock(*, root: Sequence[str] = (), digest: str | None = None, **more: Any) -> Any:
    def make(**external: Sequence[str]) -> Workspace:
        extra = {} if digest is None else {"digest": digest}
        return workspace(
            *(
                package(name, name, *(["a"] if name == "b" else []), external=found, **extra)
                for name, found in external.items()
            ),
            root=package(ROOT, "", external=root),
            lock_files=("lock",),
            **more,
        )

    return make


def test_a_lock_file_affects_the_packages_whose_closure_it_changed() -> None:
    before = lock()(a=["requests@2.31", "idna@3"], b=[], c=["idna@3"])
    after = lock()(a=["requests@2.32", "idna@3"], b=[], c=["idna@3"])
    assert affected(before, after, "M lock") == {
        "a": ["lock: requests 2.31 → 2.32"],
        "b": ["dependency: a is affected"],
    }


def test_a_lock_file_whose_closures_are_equal_affects_nobody() -> None:
    before = lock(digest="sha512-a")(a=["requests@2.31"])
    after = lock(digest="sha512-b")(a=["requests@2.31"])
    assert affected(before, after, "M lock") == {}


def test_an_equal_digest_is_an_equal_closure_even_where_the_closure_was_not_kept() -> None:
    before = lock(digest="d")(a=["requests@2.31"])
    after = lock(digest="d")(a=[])
    assert affected(before, after, "M lock") == {}


def test_a_lock_file_is_no_file_of_the_package_around_it() -> None:
    def make(version: str) -> Workspace:
        lib = package("lib", "lib", external=[f"x@{version}"])
        return workspace(lib, root=package("top", ""), lock_files=("lock",))

    assert affected(make("1"), make("2"), "M lock") == {"lib": ["lock: x 1 → 2"]}
    assert list(affected(make("1"), make("2"), "M sub/lock")) == ["top"]


def test_the_closure_of_a_root_that_is_no_package_affects_everything() -> None:
    before, after = lock(root=["ruff@1"])(a=[], c=[]), lock(root=["ruff@2"])(a=[], c=[])
    found = affected(before, after, "M lock")
    assert found["c"] == ["lock: ruff 1 → 2 for the root"]
    assert set(found) == {ROOT, "a", "c"}


def test_the_closure_of_a_root_that_is_a_package_is_its_own() -> None:
    def make(version: str) -> Workspace:
        root = package("top", "", external=[f"ruff@{version}"])
        return workspace(package("user", "user", "top"), package("c", "c"), root=root)

    files = "M sub/package.json"
    assert affected(make("1"), make("2"), files) == {
        "top": ["file-changed: sub/package.json changed", "lock: ruff 1 → 2"],
        "user": ["dependency: top is affected"],
    }
    assert "c" in affected(make("1"), make("2"), files, turbo=True)


def test_a_lock_file_that_is_new_or_gone_affects_everything() -> None:
    before, after = lock()(a=[], c=[]), lock()(a=[], c=[])
    assert affected(before, after, "D lock")["c"] == ["lock: lock deleted"]
    assert affected(before, after, "A lock")["c"] == ["lock: lock added"]


def test_a_lock_file_that_is_broken_on_either_side_affects_everything() -> None:
    good, bad = lock()(a=[], c=[]), lock(lock_broken="lock: line 3 is no TOML")(a=[], c=[])
    for before, after in [(good, bad), (bad, good), (bad, bad)]:
        assert affected(before, after, "M lock")["c"] == ["lock: lock: line 3 is no TOML"]


def test_a_lock_file_that_is_broken_and_did_not_change_says_nothing() -> None:
    bad = lock(lock_broken="lock: line 3 is no TOML")(a=[], c=[])
    assert list(affected(bad, bad, "M a/package.json")) == ["a"]


def test_a_lock_file_of_another_form_affects_everything() -> None:
    old, new = lock(lock_form="pnpm 8")(a=[], c=[]), lock(lock_form="pnpm 9")(a=[], c=[])
    none = lock()(a=[], c=[])
    said = ["lock: the lock file has another format or other settings"]
    for before, after in [(old, new), (new, old), (none, new), (new, none)]:
        assert affected(before, after, "M lock")["c"] == said
    assert affected(new, new, "M lock") == {}
    assert affected(none, new, "A lock")["c"] == ["lock: lock added"]


def test_a_patch_that_is_new_or_gone_affects_those_whose_closure_it_changes() -> None:
    def make(*patches: str) -> Workspace:
        found = lock(lock_form="pnpm 9")(a=["x@1", *(f"{path}@abc" for path in patches)], c=[])
        return replace(found, lock_files=("lock", *patches))

    assert affected(make(), make("x.patch"), "A x.patch") == {"a": ["lock: x.patch abc added"]}
    assert affected(make("x.patch"), make(), "D x.patch", "M lock") == {
        ROOT: ["file-changed: x.patch deleted"],
        "a": ["lock: x.patch abc removed"],
    }


def test_what_is_installed_elsewhere_affects_the_packages_that_reach_it() -> None:
    def make(digest: str, places: str) -> Workspace:
        found = lock(digest=digest)(a=["x@1"], b=[], c=[])
        moved = replace(found.packages["c"], external_places=places)
        return replace(found, packages={**found.packages, "c": moved})

    assert affected(make("1", "here"), make("2", "there"), "M lock") == {
        "c": ["lock: what it depends on is installed elsewhere"]
    }
    assert affected(make("1", "here"), make("2", "here"), "M lock") == {}


def test_closures_differ_by_version_name_and_count() -> None:
    before = ["a@1", "b@1", "b@2", "@s/c@1", "gone@1", "plain>=1"]
    after = ["a@2", "b@2", "b@3", "@s/c@2", "new@1"]
    assert closure_changes(before, after) == [
        "@s/c 1 → 2",
        "a 1 → 2",
        "b 1 → 3",
        "gone 1 removed",
        "new 1 added",
        "plain>=1 removed",
    ]
    assert closure_changes(before, before) == []


# --- packages that come and go ----------------------------------------------------------------


def test_a_new_package_is_affected() -> None:
    after = workspace(*CHAIN.packages.values(), package("new", "packages/new"))
    found = affected(CHAIN, after, "A packages/new/package.json")
    assert found == {"new": ["file-changed: package.json added", "added: new since the base"]}


def test_a_package_that_a_setting_lets_in_is_affected_although_no_file_of_it_changed() -> None:
    after = workspace(*CHAIN.packages.values(), package("tool", "tools/tool"))
    found = affected(CHAIN, after, "M pnpm-workspace.yaml")
    assert found["tool"] == ["added: new since the base"]


def test_a_deleted_package_affects_its_dependents_of_before() -> None:
    after = workspace(
        package("app", "packages/app"), package("e2e", "packages/e2e", "app"),
        package("other", "packages/other"),
    )  # fmt: skip
    found = affected(CHAIN, after, "D packages/lib/package.json")
    assert found == {
        ROOT: ["file-changed: packages/lib/package.json deleted"],
        "app": ["dependency-removed: lib is gone"],
        "e2e": ["dependency: app is affected"],
    }


def test_a_chain_of_deleted_packages_affects_who_depended_on_its_end() -> None:
    after = workspace(package("e2e", "packages/e2e"))
    found = affected(CHAIN, after, "D packages/lib/package.json", "D packages/app/package.json")
    assert found["e2e"] == ["dependency-removed: app is gone"]


def test_a_renamed_package_affects_itself_and_dependents_in_both_graphs() -> None:
    after = workspace(
        package("lib2", "packages/lib"),
        package("app", "packages/app"),
        package("e2e", "packages/e2e", "app"),
        package("other", "packages/other", "lib2"),
    )
    found = affected(CHAIN, after, "M packages/lib/package.json")
    assert found == {
        "lib2": ["file-changed: package.json changed", "added: renamed from lib"],
        "app": ["dependency-removed: lib is gone"],
        "e2e": ["dependency: app is affected"],
        "other": ["dependency-added: now depends on lib2", "dependency: lib2 is affected"],
    }


def test_a_moved_package_is_affected() -> None:
    after = workspace(
        package("lib", "libs/lib"), *[p for n, p in CHAIN.packages.items() if n != "lib"]
    )
    files = ["D packages/lib/package.json", "A libs/lib/package.json"]
    found = affected(CHAIN, after, *files)
    assert found["lib"] == ["file-changed: package.json added", "moved: moved from packages/lib"]
    assert found["app"] == ["dependency: lib is affected"]


def test_an_edge_that_came_or_went_without_a_change_of_the_package_affects_it() -> None:
    # Such as a version of lib that app's range does not match any more.
    after = workspace(
        package("lib", "packages/lib"),
        package("app", "packages/app"),
        package("e2e", "packages/e2e", "app"),
        package("other", "packages/other", "lib"),
    )
    found = affected(CHAIN, after, "M packages/lib/package.json")
    assert found["app"] == ["dependency-removed: no longer depends on lib"]
    assert found["other"] == [
        "dependency-added: now depends on lib",
        "dependency: lib is affected",
    ]


def test_a_package_that_no_revision_holds_is_neither_new_nor_gone() -> None:
    # In an ignored directory, a submodule, or left out of a sparse checkout.
    more = workspace(*CHAIN.packages.values(), package("gen", "gen"), package("u", "u", "gen"))
    less = workspace(*CHAIN.packages.values(), package("u", "u"))
    for before, after in [(more, less), (less, more)]:
        found = affected(before, after, "M packages/other/package.json")
        assert found == {"other": ["file-changed: package.json changed"]}


# --- turbo.json -------------------------------------------------------------------------------


def test_under_turbo_json_what_the_root_needs_is_shared_by_all() -> None:
    shop = workspace(
        package("tool", "tool", "deep"),
        package("deep", "deep"),
        package("app", "app"),
        root=package(ROOT, "", "tool"),
    )
    assert affected(shop, shop, "M deep/x", turbo=True)["app"] == [
        "root-dependency: deep, which the root package needs, changed"
    ]
    assert list(affected(shop, shop, "M deep/x")) == [ROOT, "deep", "tool"]
    assert list(affected(shop, shop, "M app/x", turbo=True)) == ["app"]


# --- heads ------------------------------------------------------------------------------------


def test_a_range_with_a_head_compares_the_packages_of_both_its_ends() -> None:
    before = lock()(a=["x@1"], c=["x@1"])
    head = lock()(a=["x@1"], c=["x@2"])
    now = lock()(a=["x@3"], c=["x@3"])
    changes = FakeChanges(before, head, ["M lock"], now=now)
    difference = find_difference(
        PackageGraph(now), changes, RevisionRange("base", "head", merge_base=True)
    )
    assert difference is not None
    found = reach(PackageGraph(now), difference)
    assert [reason.text for reason in found["c"]] == ["x 1 → 2"]
    assert "a" not in found


def test_reasons_are_the_same_whatever_the_order_of_files() -> None:
    files = ["M packages/lib/a", "M packages/app/b", "M .nvmrc", "M packages/lib/package.json"]
    first = affected(CHAIN, CHAIN, *sorted(files), shared=[".nvmrc"])
    assert first == affected(CHAIN, CHAIN, *sorted(files), shared=[".nvmrc"])
    assert list(first) == sorted(first)
