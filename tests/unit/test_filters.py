"""The filter language: taking filters apart, and what each selects, against a model of sets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bao_core.errors import GitError, SelectionError
from bao_core.git.facts import ChangedFile
from bao_core.graph import PackageGraph
from bao_core.model import ROOT, Dependency, Package, Reason, Workspace
from bao_core.selection import Selection, TaskFilter, select
from bao_core.selection.filters import (
    Filter,
    RevisionRange,
    fixed_part,
    match_directory,
    match_name,
    parse_filter,
    resolve_directory,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# --- taking apart ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web", Filter(name="web")),
        ("@s/ui", Filter(name="@s/ui")),
        ("!web", Filter(exclude=True, name="web")),
        ("//", Filter(name="//")),
        ("tag:slow", Filter(tag="slow")),
        ("web#build", Filter(name="web", task="build")),
        ("//#fmt", Filter(name="//", task="fmt")),
        ("!tag:slow#test:unit", Filter(exclude=True, tag="slow", task="test:unit")),
        (".", Filter(directory=".")),
        ("..", Filter(directory="..")),
        ("./packages/{web,ui}", Filter(directory="./packages/{web,ui}")),
        ("{packages/{web,ui}}", Filter(directory="packages/{web,ui}")),
        ("web...", Filter(name="web", dependencies=True)),
        ("web^...", Filter(name="web", dependencies=True, without_itself=True)),
        ("...web", Filter(name="web", dependents=True)),
        ("...^web", Filter(name="web", dependents=True, without_itself=True)),
        (
            "...^web^...",
            Filter(name="web", dependents=True, dependencies=True, without_itself=True),
        ),
        ("./packages/web...", Filter(directory="./packages/web", dependencies=True)),
        ("../ui...", Filter(directory="../ui", dependencies=True)),
        ("....", Filter(directory=".", dependencies=True)),
        (".....", Filter(directory="..", dependencies=True)),
        ("[main]", Filter(range=RevisionRange("main"))),
        ("[HEAD@{1}]", Filter(range=RevisionRange("HEAD@{1}"))),
        ("[a..b]", Filter(range=RevisionRange("a", "b"))),
        ("[a...b]", Filter(range=RevisionRange("a", "b", merge_base=True))),
        ("...[main]", Filter(dependents=True, range=RevisionRange("main"))),
        ("[main]...", Filter(dependencies=True, range=RevisionRange("main"))),
        (
            "web...[main]",
            Filter(name="web", through_dependencies=True, range=RevisionRange("main")),
        ),
        (
            "!...^@s/*{./apps/*}...[a...b]...",
            Filter(
                exclude=True,
                name="@s/*",
                directory="./apps/*",
                range=RevisionRange("a", "b", merge_base=True),
                through_dependencies=True,
                dependents=True,
                dependencies=True,
                without_itself=True,
            ),
        ),
    ],
)
def test_a_filter_is_taken_apart(text: str, expected: Filter) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must hold"),
        ("!", "must hold"),
        ("...", "must hold"),
        ("......", "must hold"),
        ("!!web", "negated twice"),
        ("^web", "beside the dots"),
        ("web^", "beside the dots"),
        ("web^...[main]", "beside the dots"),
        ("{}", "{directory}"),
        ("web{", "{directory}"),
        ("web{a}b", "{directory}"),
        ("{a}{b}", "{directory}"),
        ("web}", "without '{'"),
        ("web]", "without '['"),
        ("[]", "a range is"),
        ("[a..]", "a range is"),
        ("[..b]", "a range is"),
        ("[...b]", "a range is"),
        ("[a...b...c]", "a range is"),
        ("[--output=x]", "cannot be a revision"),
        ("[main..-x]", "cannot be a revision"),
        ("......[main]", "needs a name"),
        ("tag:", "needs a tag"),
        ("#build", "package#task"),
        ("web#", "package#task"),
        ("web#build...", "goes with packages"),
        ("...web#build", "goes with packages"),
        ("web#build[main]", "takes no"),
        ("{apps}#build", "{directory}"),
    ],
)
def test_what_is_no_filter_is_refused_by_its_wrong_part(text: str, complaint: str) -> None:
    with pytest.raises(SelectionError) as caught:
        parse_filter(text)
    assert f"filter '{text}'" in str(caught.value)
    assert complaint in str(caught.value)


def words(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=1, max_size=6)


REVISIONS = st.builds(
    RevisionRange, words("ab~1/"), st.just("") | words("ab^1"), merge_base=st.booleans()
).filter(lambda found: bool(found.head) or not found.merge_base)
NAMES = words("ab@/*-.").filter(
    lambda name: not name.startswith((".", "!")) and not name.endswith(".") and ".." not in name
)
FILTERS = st.one_of(
    st.builds(Filter, exclude=st.booleans(), name=NAMES, task=words("xy:#")),
    st.builds(
        Filter,
        exclude=st.booleans(),
        name=st.just("") | NAMES,
        directory=st.just("") | words("ab./*"),
        range=st.none() | REVISIONS,
        through_dependencies=st.booleans(),
        dependents=st.booleans(),
        dependencies=st.booleans(),
        without_itself=st.booleans(),
    )
    .filter(lambda f: bool(f.name or f.directory or f.range))
    .filter(lambda f: not f.through_dependencies or bool(f.range and (f.name or f.directory)))
    .filter(lambda f: not f.without_itself or f.dependents or f.dependencies),
)


@given(FILTERS)
def test_writing_a_filter_and_reading_it_gives_the_same(parsed: Filter) -> None:
    assert parse_filter(str(parsed)) == parsed


@given(st.text("a./{}[]^!#:*@t g", max_size=12))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        parsed = parse_filter(text)
    except SelectionError:
        return
    assert parse_filter(str(parsed)) == parsed


# --- patterns --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("*", ["@s/ui", "web", "web-e2e", "w.b"]),
        ("w*", ["web", "web-e2e", "w.b"]),
        ("@s*", ["@s/ui"]),
        ("*/u*", ["@s/ui"]),
        ("w.b", ["w.b"]),  # turbo reads `.` as in a regular expression and selects `web` too
        ("w.*", ["w.b"]),
        ("ui", []),
        ("we?", []),
        ("WEB", []),
        ("(web)", []),
    ],
)
def test_a_star_in_a_name_stands_for_anything_and_all_else_for_itself(
    pattern: str, matched: list[str]
) -> None:
    test = match_name(pattern)
    assert [name for name in ["@s/ui", "web", "web-e2e", "w.b"] if test(name)] == matched


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("packages/web", ["packages/web"]),
        ("packages", []),
        ("packages/*", ["packages/web", "packages/ui"]),
        ("packages/**", ["packages/web", "packages/ui", "packages/web/sub", "packages/.x/y"]),
        ("packages/web/**", ["packages/web", "packages/web/sub"]),
        ("**/sub", ["packages/web/sub"]),
        ("packages/w?b", ["packages/web"]),
        ("packages/[uv]i", ["packages/ui"]),
        ("packages/{web,ui}", ["packages/web", "packages/ui"]),
        ("packages/{w*,ui/**}", ["packages/web", "packages/ui"]),
        ("app[s]", []),
        ("odd/[id]", ["odd/[id]"]),
        ("**", None),
    ],
)
def test_a_directory_means_itself_and_wildcards_mean_directories(
    pattern: str, matched: list[str] | None
) -> None:
    paths = ["packages/web", "packages/ui", "packages/web/sub", "packages/.x/y", "odd/[id]", ""]
    test = match_directory(pattern)
    assert [path for path in paths if test(path)] == (paths if matched is None else matched)


@pytest.mark.parametrize(
    ("directory", "cwd", "path"),
    [
        (".", "", ""),
        (".", "packages/web", "packages/web"),
        ("./a/", "", "a"),
        ("packages/*", "", "packages/*"),
        ("./apps/../packages/web", "", "packages/web"),
        ("../ui", "packages/web", "packages/ui"),
        ("..", "packages", ""),
        ("..", "", None),
        ("./a/../../b", "", None),
    ],
)
def test_directories_are_seen_from_the_current_one(
    directory: str, cwd: str, path: str | None
) -> None:
    assert resolve_directory(directory, cwd) == path


def test_the_fixed_part_of_a_directory_ends_before_its_first_wildcard() -> None:
    assert fixed_part("a/b/*/c") == "a/b"
    assert fixed_part("*/a") == ""
    assert fixed_part("a/b") == "a/b"


# --- selecting -------------------------------------------------------------------------------


class FakeChanges:
    """Files by revision; the packages are the same everywhere."""

    def __init__(self, files: Mapping[str, Sequence[str]], workspace: Workspace) -> None:
        self._files = files
        self._workspace = workspace
        self.asked: list[tuple[str, str | None, bool]] = []

    def base(self) -> str | None:
        return "base" if "base" in self._files else None

    def how(self) -> str:
        return "as the test says"

    def files(
        self, base: str, head: str | None, *, merge_base: bool, worktree: bool
    ) -> list[ChangedFile] | None:
        assert not merge_base
        self.asked.append((base, head, worktree))
        if base not in self._files:
            return None
        return [ChangedFile(path=path, status="M") for path in sorted(self._files[base])]

    def merge_base(self, base: str, head: str) -> str | None:
        return f"{base}/{head}" if f"{base}/{head}" in self._files else None

    def workspace_at(self, revision: str) -> Workspace | None:
        return self._workspace

    def closures(self) -> Mapping[str, tuple[str, ...]]:
        return {name: package.external for name, package in self._workspace.packages.items()}

    def global_input(self, path: str) -> bool:
        return path == "global.txt"


def make_workspace(packages: Mapping[str, tuple[str, Sequence[str]]], **tags: Any) -> Workspace:
    found = {ROOT: Package(ROOT, "", "test", "")}
    for name, (path, needs) in packages.items():
        found[name] = Package(
            name,
            path,
            "test",
            f"{path}/manifest",
            dependencies=tuple(Dependency(need) for need in needs),
            tags=tuple(tags.get(name, ())),
        )
    return Workspace(dict(sorted(found.items())), ROOT)


SHOP = make_workspace(
    {
        "core": ("packages/core", []),
        "ui": ("packages/ui", ["core"]),
        "web": ("packages/web", ["ui", "utils"]),
        "utils": ("packages/utils", []),
        "site": ("apps/site", ["ui"]),
    },
    core=["slow", "base"],
    utils=["base"],
)
"""web -> ui -> core, web -> utils, site -> ui."""


def ask(
    *filters: str,
    workspace: Workspace = SHOP,
    files: Mapping[str, Sequence[str]] | None = None,
    **more: Any,
) -> Selection:
    changes = FakeChanges(files or {}, workspace)
    options: dict[str, Any] = {"affected": False, "cwd": "", **more}
    return select(PackageGraph(workspace), filters=filters, changes=changes, **options)


def test_without_filters_everything_is_selected() -> None:
    assert ask().names() == sorted(SHOP.packages)


def test_filters_add_up_and_negations_take_away_in_any_order() -> None:
    assert ask("web", "utils").names() == ["utils", "web"]
    assert ask("packages/*", turbo=True).names() == []
    assert ask("./packages/*", "!core").names() == ask("!core", "./packages/*").names()
    assert ask("*", "!*").names() == []


def test_negations_alone_start_from_everything() -> None:
    assert ask("!web", "!//").names() == ["core", "site", "ui", "utils"]


def test_dots_reach_dependencies_and_dependents() -> None:
    assert ask("web...").names() == ["core", "ui", "utils", "web"]
    assert ask("web^...").names() == ["core", "ui", "utils"]
    assert ask("...ui").names() == ["site", "ui", "web"]
    assert ask("...^ui").names() == ["site", "web"]
    assert ask("...ui...").names() == ["core", "site", "ui", "utils", "web"]


def test_a_caret_on_both_sides_leaves_the_package_out() -> None:
    # turbo still selects it, since its dependents depend on it
    assert ask("...^ui...").names() == ["core", "site", "utils", "web"]
    assert ask("...^ui^...").names() == ["core", "site", "utils", "web"]


def test_a_caret_keeps_what_another_match_leads_to() -> None:
    assert ask("./packages/{ui,web}^...").names() == ["core", "ui", "utils"]


def test_a_caret_leaves_a_package_out_that_lies_on_a_cycle_with_others() -> None:
    workspace = make_workspace({"a": ("a", ["b"]), "b": ("b", ["a"])})
    assert ask("a^...", workspace=workspace).names() == ["b"]


def test_directories_are_relative_to_the_current_one() -> None:
    assert ask("./*", cwd="packages").names() == ["core", "ui", "utils", "web"]
    assert ask("../web", cwd="packages/ui").names() == ["web"]
    assert ask(".", cwd="packages/ui").names() == ["ui"]
    assert ask(".").names() == [ROOT]


def test_two_slashes_stand_for_a_root_package_of_any_name() -> None:
    top = Package("top", "", "test", "package.json")
    workspace = Workspace({"top": top}, "top")
    assert ask("//", workspace=workspace).names() == ["top"]
    assert ask("//#fmt", workspace=workspace).task_filters == {"top": TaskFilter(("fmt",))}


def test_name_and_directory_must_both_hold() -> None:
    assert ask("*u*{./packages/*}").names() == ["ui", "utils"]
    with pytest.raises(SelectionError, match="no package has that name and lies in that"):
        ask("site{./packages/*}")


def test_tags_select_and_may_hold_stars() -> None:
    assert ask("tag:base").names() == ["core", "utils"]
    assert ask("tag:sl*").names() == ["core"]
    assert ask("...tag:slow").names() == ["core", "site", "ui", "web"]
    with pytest.raises(SelectionError, match=r"tag 'bse'; did you mean base\?"):
        ask("tag:bse")


def test_a_filter_for_a_task_selects_the_package_for_that_task_only() -> None:
    selection = ask("web#build", "web#test", "ui", "ui#build")
    assert selection.names() == ["ui", "web"]
    assert selection.task_filters == {"web": TaskFilter(("build", "test"))}
    assert selection.allows("web", "test")
    assert not selection.allows("web", "lint")
    assert selection.allows("ui", "lint")


def test_a_negated_task_is_taken_away_from_a_package_that_stays() -> None:
    selection = ask("!w*#build")
    assert "web" in selection.names()
    assert not selection.allows("web", "build")
    assert selection.allows("web", "test")
    assert ask("web#build", "!web#build").names() == []


def test_a_range_selects_what_changed() -> None:
    files = {"main": ["packages/core/x"]}
    assert ask("[main]", files=files).names() == ["core"]
    assert ask("...[main]", files=files).names() == ["core", "site", "ui", "web"]
    assert ask("...^[main]", files=files).names() == ["site", "ui", "web"]
    assert ask("![main]", "!//", files=files).names() == ["site", "ui", "utils", "web"]
    assert ask("[other]", files={"other": []}).names() == []


def test_a_range_behind_dots_asks_for_the_package_itself_by_what_it_depends_on() -> None:
    files = {"main": ["packages/core/x"]}
    assert ask("web...[main]", files=files).names() == ["web"]
    assert ask("utils...[main]", files=files).names() == []
    assert ask("...ui...[main]", files=files).names() == ["site", "ui", "web"]
    assert ask("{./apps/*}...[main]...", files=files).names() == ["core", "site", "ui"]


def test_a_range_with_a_name_must_hold_for_it() -> None:
    files = {"main": ["packages/core/x", "apps/site/x"]}
    assert ask("{./packages/*}[main]", files=files).names() == ["core"]
    assert ask("...^{./apps/*}[main]...", files=files).names() == ["core", "ui"]
    assert ask("s*[main]", files=files).names() == ["site"]


def test_which_states_a_range_compares() -> None:
    changes = FakeChanges({"a": [], "a/b": []}, SHOP)
    select(
        PackageGraph(SHOP),
        filters=["[a]", "[a..b]", "[a...b]", "...[a]"],
        affected=False,
        cwd="",
        changes=changes,
    )
    assert changes.asked == [("a", None, True), ("a", "b", False), ("a/b", "b", False)]


def test_an_unknown_revision_in_a_filter_is_an_error() -> None:
    with pytest.raises(GitError, match=r"filter '\[nope\]': git does not know 'nope'"):
        ask("[nope]")
    with pytest.raises(GitError, match="'a' or 'b', or no history that they share"):
        ask("[a...b]")


def test_a_global_input_in_a_range_is_a_change_of_every_package() -> None:
    selection = ask("*{./apps/*}[main]", files={"main": ["global.txt"]})
    assert selection.names() == ["site"]
    assert Reason("global", "global.txt changed") in selection.packages[0].reasons


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        ("sit", "there is no package 'sit'; did you mean site?"),
        ("!sit", "there is no package 'sit'; did you mean site?"),
        ("sit...", "there is no package 'sit'; did you mean site?"),
        ("SITE", "did you mean site?"),
        ("sitz*", "no package's name matches 'sitz*'; did you mean site?"),
        (
            "packages/web",
            "there is no package 'packages/web'; for a directory write './packages/web'",
        ),
        ("packages/*", "for a directory write './packages/*'"),
        ("./packages/wbe", "no package lies in 'packages/wbe'; did you mean packages/web?"),
        ("./packages", "below it lie packages/core, packages/ui, packages/utils …"),
        ("./packages/web/src", "package 'web' lies in 'packages/web'"),
        ("./nope/*", "no package lies in 'nope/*'"),
        ("../x", "lies outside of the workspace"),
        ("zzz", "see the names with: bao ls"),
    ],
)
def test_a_filter_that_matches_nothing_is_an_error_that_names_near_misses(
    filter_: str, message: str
) -> None:
    with pytest.raises(SelectionError) as caught:
        ask(filter_)
    assert str(caught.value).startswith(f"filter '{filter_}': ")
    assert message in str(caught.value)


def test_under_turbo_json_a_pattern_that_matches_nothing_selects_nothing_and_says_so() -> None:
    for filter_ in ["zzz*", "./packages", "./packages/web/src", "./apps/x*"]:
        selection = ask(filter_, turbo=True)
        assert selection.names() == []
        assert f"filter '{filter_}' selects nothing" in selection.notes[0]
    for filter_ in ["zzz", "./nope", "./nope/*", "tag:x"]:
        with pytest.raises(SelectionError):
            ask(filter_, turbo=True)


def test_under_turbo_json_a_directory_must_be_there_wherever_it_lies() -> None:
    there = {"docs", "packages/web/src"}.__contains__
    for filter_ in ["./docs", "./docs/*", "{docs}", "./packages/web/src"]:
        assert ask(filter_, turbo=True, exists=there).names() == []
    for filter_ in ["./packages/web/lib", "./packages/web/lib/*", "./doc"]:
        with pytest.raises(SelectionError):
            ask(filter_, turbo=True, exists=there)


def test_under_turbo_json_a_circumflex_beside_a_bare_directory_has_no_effect() -> None:
    """As for turbo and pnpm, which hear it only beside a name or braces."""
    assert ask("./packages/ui^...", turbo=True).names() == ["core", "ui"]
    assert ask("...^./packages/ui", turbo=True).names() == ["site", "ui", "web"]
    assert ask("{./packages/ui}^...", turbo=True).names() == ["core"]
    assert ask("./packages/ui^...").names() == ["core"]


def test_under_turbo_json_every_package_depends_on_what_the_root_needs() -> None:
    workspace = make_workspace(
        {
            "config": ("config", ["deep"]),
            "deep": ("deep", []),
            "lib": ("lib", []),
            "app": ("app", ["lib"]),
        }
    )
    packages = dict(workspace.packages)
    packages[ROOT] = Package(ROOT, "", "test", "", dependencies=(Dependency("config"),))
    workspace = Workspace(packages, ROOT)

    def names(filter_: str, *, turbo: bool) -> list[str]:
        return ask(filter_, workspace=workspace, turbo=turbo).names()

    assert names("lib...", turbo=True) == ["config", "deep", "lib"]
    assert names("lib^...", turbo=True) == ["config", "deep"]
    assert names("...lib", turbo=True) == ["app", "lib"]
    assert names("...deep", turbo=True) == sorted(packages)
    assert names("lib...", turbo=False) == ["lib"]
    assert names("...deep", turbo=False) == [ROOT, "config", "deep"]


def test_under_turbo_json_the_current_directory_chooses_without_filters() -> None:
    assert ask(cwd="packages/web/src", turbo=True).names() == ["web"]
    assert ask(cwd="packages", turbo=True).names() == ["core", "ui", "utils", "web"]
    assert ask(cwd="docs", turbo=True).names() == sorted(SHOP.packages)
    assert ask("*", cwd="packages/web", turbo=True).names() == sorted(SHOP.packages)
    assert ask(cwd="packages/web").names() == sorted(SHOP.packages)


def test_each_selected_package_carries_the_filters_that_let_it_through() -> None:
    selection = ask("ui...", "core", "...ui")
    reasons = {package.name: package.reasons for package in selection.packages}
    assert reasons["core"] == (Reason("filter", "ui..."), Reason("filter", "core"))
    assert reasons["ui"] == (Reason("filter", "ui..."), Reason("filter", "...ui"))


def test_affected_and_filters_must_both_hold() -> None:
    selection = ask("./apps/*", "web", "!web", affected=True, files={"base": ["packages/ui/x"]})
    assert selection.names() == ["site"]
    assert selection.compared == "as the test says"
    assert selection.packages[0].reasons == (
        Reason("dependency", "ui is affected"),
        Reason("filter", "./apps/*"),
    )


# --- a model ---------------------------------------------------------------------------------

LETTERS = "abcdef"
GRAPHS = st.dictionaries(
    st.sampled_from(LETTERS), st.sets(st.sampled_from(LETTERS), max_size=3), max_size=6
).map(lambda found: {letter: sorted(found.get(letter, ())) for letter in LETTERS})


class Model:
    """Selection as sets, written without regard for speed."""

    def __init__(self, needs: Mapping[str, Sequence[str]], changed: set[str]) -> None:
        self.needs = needs
        self.changed = changed

    def down(self, start: set[str]) -> set[str]:
        found = set(start)
        for _ in LETTERS:
            found |= {need for name in found for need in self.needs[name]}
        return found

    def up(self, start: set[str]) -> set[str]:
        return {name for name in LETTERS if self.down({name}) & start}

    def one(self, parsed: Filter) -> set[str]:
        matched = {n for n in LETTERS if parsed.name in {"*", n}}
        if parsed.range and parsed.through_dependencies:
            matched = {n for n in matched if self.down({n}) & self.changed}
        elif parsed.range:
            matched &= self.changed
        if not (parsed.dependents or parsed.dependencies):
            return matched
        found: set[str] = set()
        for name in matched:
            around = self.up({name}) if parsed.dependents else {name}
            around = self.down(around) if parsed.dependencies else around
            found |= around - ({name} if parsed.without_itself else set())
        return found

    def all(self, filters: Sequence[Filter]) -> set[str]:
        positive = [self.one(f) for f in filters if not f.exclude]
        found = set().union(*positive) if positive else set(LETTERS)
        return found.difference(*(self.one(f) for f in filters if f.exclude))


CHOICES = st.builds(
    Filter,
    exclude=st.booleans(),
    name=st.sampled_from([*LETTERS, "*"]),
    range=st.none() | st.just(RevisionRange("main")),
    through_dependencies=st.booleans(),
    dependents=st.booleans(),
    dependencies=st.booleans(),
    without_itself=st.booleans(),
).filter(lambda f: f.range is not None or not f.through_dependencies)


@given(GRAPHS, st.sets(st.sampled_from(LETTERS)), st.lists(CHOICES, max_size=4))
def test_selections_equal_the_model_of_sets(
    needs: dict[str, list[str]], changed: set[str], filters: list[Filter]
) -> None:
    filters = [parse_filter(str(f)) for f in filters]
    workspace = make_workspace({name: (f"p/{name}", needs[name]) for name in LETTERS})
    files = {"main": [f"p/{name}/x" for name in changed]}
    found = ask(*map(str, filters), workspace=workspace, files=files).names()
    assert set(found) - {ROOT} == Model(needs, changed).all(filters)


@given(GRAPHS, st.sets(st.sampled_from(LETTERS)))
def test_affected_is_what_changed_and_everything_that_depends_on_it(
    needs: dict[str, list[str]], changed: set[str]
) -> None:
    workspace = make_workspace({name: (f"p/{name}", needs[name]) for name in LETTERS})
    files = {"base": [f"p/{name}/x" for name in changed]}
    selection = ask(workspace=workspace, files=files, affected=True)
    assert set(selection.names()) == Model(needs, changed).up(changed)
    assert all(package.reasons for package in selection.packages)


# --- documentation ---------------------------------------------------------------------------


def documented_examples() -> list[tuple[str, str]]:
    """The rows of the table of examples: filters, and what they select."""
    page = Path(__file__).parents[2] / "docs/reference/filters.md"
    _, _, examples = page.read_text(encoding="utf-8").partition("\n## Examples\n")
    rows = re.findall(r"^\| (`.+`) \| (.+) \|$", examples.partition("\n## ")[0], re.MULTILINE)
    return [(filters.replace("`", ""), selected.replace("`", "")) for filters, selected in rows]


@pytest.mark.parametrize(("filters", "selected"), documented_examples())
def test_documented_examples_select_what_the_page_says(filters: str, selected: str) -> None:
    files = {"main": ["packages/core/x"], "main/HEAD": ["packages/core/x"]}
    names = ask(*filters.split(), files=files).names()
    assert ", ".join(names) == selected.replace("nothing", "")
