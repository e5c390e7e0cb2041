"""Package graph and task graph: edges, closures, order, transit tasks, and named mistakes."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bao_core.errors import GraphError, SelectionError
from bao_core.graph import PackageGraph, build_task_graph
from bao_core.model import (
    ROOT,
    Dependency,
    Package,
    TaskDefinition,
    TaskGraph,
    TaskReference,
    Workspace,
)
from bao_core.near_misses import near_misses
from bao_core.package_graph import find_cycle, topological_order

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


def make_workspace(
    edges: Mapping[str, Sequence[str]], *, paths: Mapping[str, str] | None = None, root: str = ROOT
) -> Workspace:
    """A workspace; `b+extra` is an edge through an extra."""
    packages = {root: Package(root, "", "test", "")}
    for name, needs in edges.items():
        dependencies = tuple(
            Dependency(need.removesuffix("+extra"), "extra" if "+" in need else "runtime")
            for need in needs
        )
        path = (paths or {}).get(name, "" if name == root else f"packages/{name}")
        packages[name] = Package(name, path, "test", f"{path}/m", dependencies=dependencies)
    return Workspace(dict(sorted(packages.items())), root)


def define(
    name: str, *depends_on: str, command: str | None = "run", **more: object
) -> TaskDefinition:
    """A definition; `^build:outputs` follows outputs."""
    references = []
    for text in depends_on:
        spec, _, follow = text.partition(":")
        package, _, task = spec.rpartition("#")
        scope = "package" if package else "dependencies" if task.startswith("^") else "self"
        reference = TaskReference(task.removeprefix("^"), scope, package, follow or "key")  # type: ignore[arg-type]
        references.append(reference)
    fields: dict[str, object] = {"source": "bao.toml:7", **more}
    return TaskDefinition(name, command, tuple(references), **fields)  # type: ignore[arg-type]


def build(
    workspace: Workspace,
    definitions: Mapping[str, Sequence[TaskDefinition]],
    *tasks: str,
    selected: Collection[str] | None = None,
    **more: object,
) -> TaskGraph:
    by_name = {
        package: {definition.name: definition for definition in listed}
        for package, listed in definitions.items()
    }
    return build_task_graph(
        workspace,
        PackageGraph(workspace),
        by_name,
        tasks=tasks,
        selected=sorted(workspace.packages) if selected is None else selected,
        **more,  # type: ignore[arg-type]
    )


def edges_of(graph: TaskGraph) -> dict[str, list[str]]:
    """Upstream ids by id; a transit task has a `~` before its name."""
    return {
        ("~" if task.transit else "") + task.id: [edge.id for edge in task.upstream]
        for task in graph.tasks.values()
    }


# --- packages --------------------------------------------------------------------------------


def test_dependencies_and_dependents_are_each_others_reverse() -> None:
    graph = PackageGraph(make_workspace({"app": ["lib", "ui"], "ui": ["lib"], "lib": []}))
    assert graph.dependencies("app") == ("lib", "ui")
    assert graph.dependents("lib") == ("app", "ui")
    assert graph.dependents("app") == ()


def test_an_edge_through_an_extra_counts_only_when_asked_for() -> None:
    graph = PackageGraph(make_workspace({"slim": ["evals+extra"], "evals": ["slim"]}))
    assert graph.dependencies("slim") == ()
    assert graph.dependencies("slim", extras=True) == ("evals",)
    assert graph.dependents("evals") == ()
    assert graph.dependents("evals", extras=True) == ("slim",)
    assert graph.cycle() is None
    assert graph.closure(["evals"], up=True) == {"evals"}
    assert graph.closure(["evals"], up=True, extras=True) == {"evals", "slim"}


def test_an_edge_that_is_also_a_plain_one_counts_always() -> None:
    workspace = make_workspace({"a": ["b", "b+extra"], "b": []})
    assert PackageGraph(workspace).dependencies("a") == ("b",)


def test_a_dependency_that_is_no_package_is_left_out() -> None:
    graph = PackageGraph(make_workspace({"a": ["gone"]}))
    assert graph.dependencies("a") == ()


def test_a_closure_goes_up_to_dependents_or_down_to_dependencies() -> None:
    graph = PackageGraph(make_workspace({"app": ["ui"], "ui": ["lib"], "lib": [], "other": []}))
    assert graph.closure(["ui"], up=True) == {"ui", "app"}
    assert graph.closure(["ui"], up=False) == {"ui", "lib"}


def test_order_puts_dependencies_first_and_breaks_ties_by_name() -> None:
    graph = PackageGraph(make_workspace({"a": ["z"], "b": [], "z": []}))
    assert graph.order() == [ROOT, "b", "z", "a"]


def test_order_has_every_package_even_around_a_cycle() -> None:
    graph = PackageGraph(make_workspace({"c": ["b"], "b": ["a"], "a": ["c"], "top": ["a"]}))
    assert graph.order() == [ROOT, "a", "b", "c", "top"]


def test_a_package_cycle_is_named_along_its_path() -> None:
    graph = PackageGraph(make_workspace({"x": ["c"], "c": ["b"], "b": ["a"], "a": ["c"]}))
    assert graph.cycle() == ["a", "c", "b", "a"]


def test_a_package_that_depends_on_itself_is_a_cycle_of_one() -> None:
    assert PackageGraph(make_workspace({"a": ["a"]})).cycle() == ["a", "a"]


def test_owners_are_all_packages_around_a_path_the_innermost_first() -> None:
    paths = {"outer": "a", "inner": "a/b/c", "beside": "a/bc"}
    graph = PackageGraph(make_workspace({name: [] for name in paths}, paths=paths))
    assert graph.owners("a/b/c/src/x.py") == ("inner", "outer", ROOT)
    assert graph.owners("a/b/c") == ("inner", "outer", ROOT)
    assert graph.owners("a/b/x.py") == ("outer", ROOT)
    assert graph.owners("a/bcd") == ("outer", ROOT)
    assert graph.owners("README.md") == (ROOT,)


# --- tasks -----------------------------------------------------------------------------------

CHAIN = make_workspace({"c": ["b"], "b": ["a"], "a": []})
"""c needs b, b needs a."""


def test_a_caret_goes_to_the_packages_depended_on() -> None:
    definition = define("build", "^build")
    graph = build(CHAIN, dict.fromkeys("abc", (definition,)), "build")
    assert edges_of(graph) == {"a#build": [], "b#build": ["a#build"], "c#build": ["b#build"]}


def test_a_package_without_the_task_passes_edges_on() -> None:
    definition = define("build", "^build", inputs=("src/**",), outputs=("dist/**",))
    graph = build(CHAIN, {"a": [definition], "c": [definition], "*": [definition]}, "build")
    assert edges_of(graph) == {"a#build": [], "~b#build": ["a#build"], "c#build": ["~b#build"[1:]]}
    transit = graph.tasks["b#build"].definition  # type: ignore[index]
    assert transit.inputs == ("src/**",)
    assert transit.outputs == ()


def test_without_a_root_definition_a_transit_task_goes_on_to_dependencies() -> None:
    definition = define("build", "^build")
    graph = build(CHAIN, {"a": [definition], "c": [definition]}, "build")
    assert edges_of(graph)["~b#build"] == ["a#build"]


def test_a_task_of_its_own_package_that_is_lacking_becomes_a_transit_task() -> None:
    test, make = define("test", "build"), define("build", "^build")
    graph = build(CHAIN, {"b": [test], "a": [make], "*": [make, test]}, "test")
    assert edges_of(graph) == {"a#build": [], "~b#build": ["a#build"], "b#test": ["b#build"]}


def test_a_named_task_of_a_package_that_lacks_it_becomes_a_transit_task() -> None:
    graph = build(CHAIN, {"a": [define("x", "c#gen")], "b": [define("gen")]}, "x")
    assert edges_of(graph) == {"b#gen": [], "~c#gen": ["b#gen"], "a#x": ["c#gen"]}


def test_a_definition_without_a_command_is_a_node_of_its_own() -> None:
    both = {"a": [define("all", "b#build", command=None)], "b": [define("build")]}
    assert edges_of(build(CHAIN, both, "all")) == {"b#build": [], "~a#all": ["b#build"]}


def test_a_persistent_root_definition_does_not_make_transit_tasks_persistent() -> None:
    dev = define("dev", persistent=True)
    graph = build(CHAIN, {"a": [define("build", "dev")], "b": [dev], "*": [dev]}, "build")
    assert edges_of(graph) == {"~a#dev": [], "a#build": ["a#dev"]}
    assert not graph.tasks["a#dev"].definition.persistent  # type: ignore[index]


def test_only_selected_packages_are_asked_and_only_they_count_as_requested() -> None:
    definition = define("build", "^build")
    graph = build(
        CHAIN,
        dict.fromkeys("abc", (definition,)),
        "build",
        selected=["b"],
        arguments=("--fast",),
    )
    asked = {task.id: (task.requested, task.arguments) for task in graph.tasks.values()}
    assert asked == {"a#build": (False, ()), "b#build": (True, ("--fast",))}


def test_a_requested_package_that_lacks_the_task_is_left_out() -> None:
    graph = build(CHAIN, {"a": [define("lint")], "*": [define("lint")]}, "lint")
    assert list(graph.tasks) == ["a#lint"]


def test_a_task_that_only_the_root_defines_gives_an_empty_graph() -> None:
    assert build(CHAIN, {"*": [define("lint")]}, "lint").tasks == {}


def test_package_and_task_count_whatever_is_selected() -> None:
    graph = build(CHAIN, {"c": [define("test")]}, "c#test", selected=[])
    assert graph.tasks["c#test"].requested  # type: ignore[index]


def test_only_leaves_out_what_was_not_asked_for_and_caches_nothing_that_needs_it() -> None:
    build_, test = define("build", "^build"), define("test", "build", "^test")
    everything = {name: [build_, test] for name in ("a", "b")}
    workspace = make_workspace({"a": [], "b": ["a"]})
    graph = build(workspace, everything, "test", selected=["a", "b"], only=True)
    assert edges_of(graph) == {"a#test": [], "b#test": ["a#test"]}
    assert not graph.tasks["b#test"].definition.cache  # type: ignore[index]
    both = build(workspace, everything, "test", "build", selected=["a", "b"], only=True)
    assert edges_of(both)["b#test"] == ["a#test", "b#build"]
    assert both.tasks["b#test"].definition.cache  # type: ignore[index]


def test_a_task_beside_another_is_run_with_it_and_not_waited_for() -> None:
    workspace = make_workspace({"a": [], "b": ["a"]})
    dev = define("dev", beside=(TaskReference("serve", "package", "a"),))
    graph = build(workspace, {"a": [define("serve")], "b": [dev]}, "dev")
    assert edges_of(graph) == {"a#serve": [], "b#dev": []}
    assert not graph.tasks["a#serve"].requested  # type: ignore[index]


def test_a_task_beside_another_that_nobody_defines_is_an_error() -> None:
    workspace = make_workspace({"a": []})
    dev = define("dev", beside=(TaskReference("serv"),))
    with pytest.raises(GraphError, match="'serv'"):
        build(workspace, {"a": [dev]}, "dev")


def test_the_name_of_the_root_stands_for_a_root_package_of_any_name() -> None:
    workspace = make_workspace({"top": []}, root="top")
    definitions = {"top": [define("fmt"), define("all", "//#fmt")]}
    assert edges_of(build(workspace, definitions, "//#all", selected=[])) == {
        "top#fmt": [],
        "top#all": ["top#fmt"],
    }


def test_a_task_of_the_root_is_called_by_two_slashes() -> None:
    graph = build(CHAIN, {ROOT: [define("fmt")], "a": [define("build", "//#fmt")]}, "build")
    assert edges_of(graph) == {"//#fmt": [], "a#build": ["//#fmt"]}


def test_scoped_names_and_odd_task_names_are_told_apart() -> None:
    workspace = make_workspace({"@s/ui": []})
    graph = build(workspace, {"@s/ui": [define("test:unit#1")]}, "@s/ui#test:unit#1")
    assert list(graph.tasks) == ["@s/ui#test:unit#1"]


def test_a_selection_can_leave_single_tasks_out() -> None:
    definitions = dict.fromkeys("ab", (define("build"), define("test")))
    allows = {("a", "build"), ("b", "test")}.__contains__
    graph = build(CHAIN, definitions, "build", "test", allows=lambda *pair: allows(pair))
    assert list(graph.tasks) == ["a#build", "b#test"]


@pytest.mark.parametrize(
    ("follows", "strongest"),
    [
        (("none", "outputs"), "outputs"),
        (("outputs", "key"), "key"),
        (("key", "none"), "key"),
        (("none", "none"), "none"),
    ],
)
def test_of_two_edges_to_one_task_the_stronger_counts(
    follows: tuple[str, str], strongest: str
) -> None:
    first, second = follows
    one = define("test", f"build:{first}", f"a#build:{second}")
    graph = build(CHAIN, {"a": [one, define("build")]}, "test")
    (edge,) = graph.tasks["a#test"].upstream  # type: ignore[index]
    assert (edge.id, edge.follow) == ("a#build", strongest)


def test_order_is_topological_and_by_id_among_equals() -> None:
    definitions = {
        "c": [define("build")],
        "b": [define("build", "c#build")],
        "a": [define("build", "c#build"), define("aa")],
    }
    graph = build(CHAIN, definitions, "build", "aa")
    assert list(graph.tasks) == ["a#aa", "c#build", "a#build", "b#build"]


def test_a_package_cycle_is_fine_until_a_caret_uses_it() -> None:
    workspace = make_workspace({"a": ["c"], "b": ["a"], "c": ["b"]})
    plain = dict.fromkeys("abc", (define("build"),))
    assert len(build(workspace, plain, "build").tasks) == 3
    with pytest.raises(GraphError) as caught:
        build(workspace, dict.fromkeys("abc", (define("build", "^build"),)), "build")
    assert "a#build -> c#build -> b#build -> a#build" in str(caught.value)
    assert "packages depend on each other: a -> c -> b -> a" in str(caught.value)
    assert caught.value.where == "bao.toml:7"


def test_a_task_cycle_is_named_along_its_path() -> None:
    definitions = {"a": [define("build", "test"), define("test", "build"), define("x", "build")]}
    with pytest.raises(GraphError, match="a#build -> a#test -> a#build; take one of them out"):
        build(CHAIN, definitions, "x")


def test_a_cycle_over_transit_tasks_is_a_cycle() -> None:
    workspace = make_workspace({"a": ["b"], "b": ["a"]})
    with pytest.raises(GraphError, match="a#build -> b#build -> a#build"):
        build(workspace, {"a": [define("build", "^build")]}, "build")


def test_an_edge_that_only_orders_still_closes_a_cycle() -> None:
    definitions = {"a": [define("x", "y:none"), define("y", "x:none")]}
    with pytest.raises(GraphError, match="a#x -> a#y -> a#x"):
        build(CHAIN, definitions, "x")


def test_a_task_that_depends_on_itself_is_named() -> None:
    with pytest.raises(GraphError, match="a#build depends on itself"):
        build(CHAIN, {"a": [define("build", "build")]}, "build")


def test_a_package_that_depends_on_itself_is_an_error_with_a_caret_only() -> None:
    workspace = make_workspace({"a": ["a"]})
    assert build(workspace, {"a": [define("build")]}, "build").tasks
    with pytest.raises(
        GraphError, match="a#build depends on itself; package 'a' depends on itself"
    ):
        build(workspace, {"a": [define("build", "^build")]}, "build")


def test_a_caret_to_another_task_of_a_package_that_depends_on_itself_is_fine() -> None:
    workspace = make_workspace({"a": ["a"]})
    graph = build(workspace, {"a": [define("test", "^build"), define("build")]}, "test")
    assert edges_of(graph) == {"a#build": [], "a#test": ["a#build"]}


@pytest.mark.parametrize("reference", ["biuld", "^biuld", "b#biuld"])
def test_depending_on_a_task_that_nobody_defines_names_near_misses(reference: str) -> None:
    definitions = {"a": [define("test", reference), define("build")]}
    with pytest.raises(GraphError) as caught:
        build(CHAIN, definitions, "test")
    assert f"a#test depends on '{reference}'" in str(caught.value)
    assert "did you mean build?" in str(caught.value)
    assert caught.value.where == "bao.toml:7"


def test_a_caret_to_an_unknown_task_is_an_error_even_without_dependencies() -> None:
    with pytest.raises(GraphError, match="nobody defines a task 'gen'"):
        build(CHAIN, {"a": [define("build", "^gen")]}, "build")


def test_depending_on_a_task_that_only_the_root_defines_is_fine() -> None:
    graph = build(CHAIN, {"a": [define("build", "gen")], "*": [define("gen")]}, "build")
    assert edges_of(graph) == {"~a#gen": [], "a#build": ["a#gen"]}


def test_depending_on_an_unknown_package_names_near_misses() -> None:
    workspace = make_workspace({"@s/web": [], "a": []})
    with pytest.raises(GraphError, match="there is no package 'web'; did you mean @s/web"):
        build(workspace, {"a": [define("build", "web#build")]}, "build")


def test_depending_on_a_persistent_task_is_an_error_only_if_it_has_a_command() -> None:
    dev = define("dev", persistent=True)
    with pytest.raises(GraphError, match="a#build depends on a#dev, which is persistent"):
        build(CHAIN, {"a": [define("build", "dev:none"), dev]}, "build")
    empty = define("dev", persistent=True, command=None)
    assert edges_of(build(CHAIN, {"a": [define("build", "dev"), empty]}, "build")) == {
        "~a#dev": [],
        "a#build": ["a#dev"],
    }


def test_asking_for_a_task_that_nobody_defines_names_near_misses() -> None:
    with pytest.raises(SelectionError, match=r"no package has a task 'tset'; did you mean test\?"):
        build(CHAIN, {"a": [define("test")]}, "tset")
    with pytest.raises(SelectionError, match="no package has a task 'zzz'; there are: test"):
        build(CHAIN, {"a": [define("test")]}, "zzz", selected=[])


def test_asking_a_package_for_a_task_it_lacks_names_what_it_has() -> None:
    definitions = {"a": [define("test"), define("build")], "b": [define("lint")]}
    with pytest.raises(SelectionError, match="package 'a' has no task 'lint'; it has build, test"):
        build(CHAIN, definitions, "a#lint")
    with pytest.raises(SelectionError, match=r"no package 'aa'; did you mean aaa\?"):
        build(make_workspace({"aaa": []}), {}, "aa#lint")


def test_near_misses_find_names_without_scope_and_in_another_case() -> None:
    assert near_misses("ui", ["@s/ui", "web"]) == ["@s/ui"]
    assert near_misses("WEB", ["web", "ui"]) == ["web"]
    assert near_misses("qqq", ["web", "ui"]) == []


def test_near_misses_find_names_by_a_part() -> None:
    assert near_misses("shpo", ["acme-shop", "acme-prices"]) == ["acme-shop"]
    assert near_misses("memory", ["@s/memory-graph", "@s/web"]) == ["@s/memory-graph"]


def test_a_thousand_tasks_take_milliseconds() -> None:
    names = [f"p{i:04}" for i in range(1000)]
    workspace = make_workspace(
        {
            n: [names[j] for j in {i // 2, i // 3, max(0, i - 1)} if j < i]
            for i, n in enumerate(names)
        }
    )
    definition = {"build": define("build", "^build")}
    definitions = dict.fromkeys([*names, "*"], definition)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        graph = build_task_graph(
            workspace, PackageGraph(workspace), definitions, tasks=["build"], selected=names
        )
        took.append(time.perf_counter() - start)
    assert len(graph.tasks) == 1000
    assert min(took) < 0.05  # 5 ms where nothing else runs


# --- properties ------------------------------------------------------------------------------

NODES = [f"n{i}" for i in range(7)]
EDGES = st.dictionaries(
    st.sampled_from(NODES), st.sets(st.sampled_from(NODES), max_size=4), max_size=len(NODES)
).map(lambda found: {node: found.get(node, set()) for node in NODES})


def reachable(edges: Mapping[str, Collection[str]], start: str) -> set[str]:
    """The naive model: follow edges until nothing new comes, without the start itself."""
    found: set[str] = set()
    while True:
        more = {n for node in {start, *found} for n in edges[node]} - found
        if not more:
            return found
        found |= more


@given(EDGES)
def test_closures_equal_the_naive_model(edges: dict[str, set[str]]) -> None:
    graph = PackageGraph(make_workspace({name: sorted(needs) for name, needs in edges.items()}))
    for name in NODES:
        down = {name} | reachable(edges, name)
        up = {name} | {other for other in NODES if name in reachable(edges, other)}
        assert graph.closure([name], up=False) == down
        assert graph.closure([name], up=True) == up


@given(EDGES)
def test_a_cycle_is_named_exactly_when_there_is_one_and_is_real(edges: dict[str, set[str]]) -> None:
    circle = find_cycle(edges)
    assert (circle is None) == all(name not in reachable(edges, name) for name in NODES)
    if circle is not None:
        assert circle[0] == circle[-1] == min(circle)
        assert len(set(circle)) == len(circle) - 1
        assert all(need in edges[name] for name, need in pairwise(circle))


@given(EDGES)
def test_every_order_keeps_every_edge_that_is_in_no_cycle(edges: dict[str, set[str]]) -> None:
    order = topological_order(edges, break_cycles=True)
    assert sorted(order) == sorted(NODES)
    for name in NODES:
        for need in edges[name]:
            if name not in reachable(edges, need) and name != need:
                cyclic = any(n in reachable(edges, n) for n in {need} | reachable(edges, need))
                assert cyclic or order.index(need) < order.index(name)


@given(EDGES)
def test_task_graphs_are_topological_closed_and_by_name(edges: dict[str, set[str]]) -> None:
    below = {n: sorted(m for m in needs if m < n) for n, needs in edges.items()}
    workspace = make_workspace(below)
    having = [n for n in NODES if NODES.index(n) % 3]
    definition = define("build", "^build")
    graph = build(workspace, dict.fromkeys([*having, "*"], (definition,)), "build", selected=NODES)
    wanted = {m for n in having for m in {n} | reachable(below, n)}
    assert {task.package for task in graph.tasks.values()} == wanted
    done: set[str] = set()
    left = set(graph.tasks)
    for task_id, task in graph.tasks.items():
        ready = [t for t in left if all(edge.id in done for edge in graph.tasks[t].upstream)]
        assert task_id == min(ready)
        assert [edge.id for edge in task.upstream] == [f"{n}#build" for n in below[task.package]]
        done.add(task_id)
        left.discard(task_id)


def test_a_group_edge_that_closes_a_cycle_counts_only_for_what_is_affected() -> None:
    core = Package("core", "core", "x", "", dependencies=(Dependency("plugin", "group"),))
    plugin = Package("plugin", "plugin", "x", "", dependencies=(Dependency("core"),))
    tools = Package("tools", "tools", "x", "", dependencies=(Dependency("core", "group"),))
    graph = PackageGraph(Workspace({"core": core, "plugin": plugin, "tools": tools}, "core"))
    assert graph.cycle() is None
    assert graph.dependencies("core") == ()
    assert graph.dependencies("core", extras=True) == ("plugin",)
    assert graph.dependencies("tools") == ("core",)


def test_under_turbo_json_a_task_must_be_defined_where_it_is_needed() -> None:
    workspace = make_workspace({"a": [], "b": ["a"]})
    lenient = {"lenient": True}
    own = {"a": [define("gen")], "b": [define("build", "gen", **lenient)]}
    with pytest.raises(GraphError, match="nobody defines a task 'gen'"):
        build(workspace, own, "build")
    above = {**own, "b": [define("build", "^gen", **lenient)]}
    assert edges_of(build(workspace, above, "build"))["b#build"] == ["a#gen"]
    everywhere = {**own, "*": [define("gen", command=None)]}
    assert edges_of(build(workspace, everywhere, "build"))["b#build"] == ["b#gen"]


def test_under_turbo_json_a_task_that_nothing_stands_for_need_not_be_defined() -> None:
    workspace = make_workspace({"a": []})
    graph = build(workspace, {"a": [define("build", "^nope", lenient=True)]}, "build")
    assert edges_of(graph) == {"a#build": []}


def test_what_is_left_out_may_never_end() -> None:
    workspace = make_workspace({"a": []})
    listed = {"a": [define("serve", persistent=True), define("test", "serve")]}
    with pytest.raises(GraphError, match="never ends"):
        build(workspace, listed, "test")
    assert edges_of(build(workspace, listed, "test", only=True)) == {"a#test": []}
    with pytest.raises(GraphError, match="never ends"):
        build(workspace, listed, "test", "serve", only=True)
