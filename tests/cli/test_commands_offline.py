"""The commands themselves: what they ask of the session, print and return, with a session that is
made up, so that each answer is in the test's hand."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bao_core import session as session_module
from bao_core.cli.cache import parse_duration, parse_size, policy_of, size_text
from bao_core.cli.commands import CleanArguments
from bao_core.cli.main import invoke, main
from bao_core.cli.terminal import encode_json, shown, wants_color
from bao_core.config import RootConfig
from bao_core.errors import (
    BaoError,
    ConfigError,
    GitError,
    SelectionError,
    UsageError,
    WorkspaceError,
)
from bao_core.events import EventBus, TaskOutput, WarningRaised
from bao_core.graph import PackageGraph
from bao_core.interfaces.cache import CacheStats, EntryInfo, Evicted, EvictionPolicy
from bao_core.model import (
    Dependency,
    Package,
    Reason,
    SelectedPackage,
    Task,
    TaskDefinition,
    TaskEdge,
    TaskGraph,
    TaskId,
    Workspace,
)
from bao_core.records import Explanation, TaskRecord
from bao_core.selection import Selection
from bao_core.session import RunOptions, Selecting

HOSTILE = 'we"b\\n\nx\udcff'
"""A name that breaks what does not quote: a quote, a backslash, a line end, no UTF-8."""


class FakeBackend:
    """Stands for a cache backend; tells what was done to it."""

    origin = ""

    def __init__(self, *, stats: CacheStats | None = None, fault: Exception | None = None) -> None:
        self._stats = stats
        self._fault = fault
        self.evicted_with: EvictionPolicy | None = None
        self.rebuilt = False

    def stats(self) -> CacheStats | None:
        if self._fault is not None:
            raise self._fault
        return self._stats

    def entries(self) -> list[EntryInfo]:
        return [EntryInfo("ab" * 32, TaskId("web#build"), 1_700_000_000.0, 2048)]  # type: ignore[arg-type]

    def evict(self, policy: EvictionPolicy) -> Evicted:
        self.evicted_with = policy
        return Evicted(entries=2, bytes=3 * 1024 * 1024)

    def verify(self) -> Iterator[str]:
        yield "entry abc: its blob is damaged"

    def rebuild(self) -> None:
        self.rebuilt = True


class FakeTier:
    """Stands for a configured tier."""

    def __init__(self, name: str, backend: FakeBackend) -> None:
        self.name = name
        self.backend = backend


class FakeSession:
    """Stands for the session; every answer is an attribute that a test may set."""

    def __init__(self) -> None:
        packages = {
            "//": Package("//", "", "bao", ""),
            "lib": Package("lib", "packages/lib", "python", "packages/lib/pyproject.toml"),
            "web": Package(
                "web",
                "packages/web",
                "node",
                "packages/web/package.json",
                dependencies=(Dependency("lib"), Dependency(HOSTILE, "extra")),
            ),
            HOSTILE: Package(HOSTILE, "packages/x", "node", "packages/x/package.json"),
        }
        self.workspace = Workspace(packages, "//")
        self.packages = PackageGraph(self.workspace)
        self.definitions = {
            "lib": {"build": TaskDefinition("build", "make", output_logs="none")},
            "web": {"build": TaskDefinition("build", "vite"), "test": TaskDefinition("test", "t")},
            "*": {"deploy": TaskDefinition("deploy")},
        }
        self.config = RootConfig()
        self.files = SimpleNamespace(verify_ahead=lambda: None)
        self.root = "/somewhere"
        self.state_dir = "/nowhere"
        self.environ: dict[str, str] = {}
        self.selection = Selection(
            [
                SelectedPackage("//"),
                SelectedPackage("lib", (Reason("file-changed", "lib/a.py changed"),)),
                SelectedPackage("web"),
                SelectedPackage(HOSTILE),
            ],
            notes=["compared with main"],
        )
        self.tiers: list[FakeTier] = []
        self.records: list[TaskRecord] = []
        self.explanation = Explanation(task_id="web#build", key="ab" * 32, outcome="hit")
        self.exit_code = 0
        self.fault: BaseException | None = None
        self.says: list[Any] = []
        self.opened: list[tuple[str | None, Any]] = []
        self.asked: list[Any] = []
        self.closed = 0
        self.bus = EventBus()

    def open(
        self, directory: str | None, environ: Any, *, sinks: Any = (), begun: Any = None
    ) -> FakeSession:
        self.opened.append((directory, environ))
        self.environ = dict(environ)
        self.bus = EventBus(sinks)
        if self.fault is not None:
            raise self.fault
        return self

    def close(self) -> None:
        self.closed += 1

    def select(self, selecting: Selecting) -> Selection:
        self.asked.append(selecting)
        return self.selection

    def plan_of(self, options: RunOptions) -> TaskGraph:
        self.asked.append(options)
        tasks = [
            Task(TaskId("lib#build"), "lib", TaskDefinition("build")),
            Task(TaskId("web#gen"), "web", TaskDefinition("gen", ("gen", "x"))),
            Task(
                TaskId("web#build"),
                "web",
                TaskDefinition("build", "vite"),
                (TaskEdge(TaskId("lib#build")), TaskEdge(TaskId("web#gen"), "none")),
            ),
        ]
        return TaskGraph({task.id: task for task in tasks})

    def run(self, options: RunOptions) -> int:
        self.asked.append(options)
        for event in self.says:
            self.bus.emit(event)
        return self.exit_code

    def dry_run(self, options: RunOptions) -> list[TaskRecord]:
        self.asked.append(options)
        for event in self.says:
            self.bus.emit(event)
        return self.records

    def explain(self, task_id: str) -> Explanation:
        self.asked.append(task_id)
        return self.explanation


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    session = FakeSession()
    monkeypatch.setattr(session_module, "Session", session)
    return session


@pytest.fixture
def bao(fake: FakeSession, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str, **environ: str) -> tuple[int, str, str]:
        code = invoke(words, {"HOME": "/nowhere", **environ})
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def record(**changes: Any) -> TaskRecord:
    fields: dict[str, Any] = {
        "id": "web#build",
        "package": "web",
        "task": "build",
        "command": "vite",
        "directory": "packages/web",
        "key": "ab" * 32,
        "cache": "miss",
        "tier": None,
        "dependencies": ["lib#build"],
        "inputs": {"a.js": "100644 1"},
        "outputs": ["dist"],
        "env": {},
        "external_dependencies": [],
        "why": ["input a.js changed"],
    }
    return TaskRecord(**{**fields, **changes})


# --- run -------------------------------------------------------------------------------------


def test_run_asks_for_what_the_options_say(fake: FakeSession, bao: Run, tmp_path: Path) -> None:
    line = (
        "run build web#test --affected --since main -F lib... --no-deepen --no-cache --force -j "
        "50% --continue=always --output-logs=new-only --log-order=stream --log-prefix=none "
        "--env-mode=loose --summary out.json -v -C"
    )
    code, _, _ = bao(*line.split(), str(tmp_path), "--", "-k", "x")
    assert code == 0
    assert fake.asked == [
        RunOptions(
            tasks=("build", "web#test"),
            arguments=("-k", "x"),
            selecting=Selecting(("lib...",), affected=True, since="main", deepen=False),
            cache=False,
            force=True,
            concurrency="50%",
            keep_going="always",
            output_logs="new-only",
            log_order="stream",
            log_prefix="none",
            env_mode="loose",
            summary=str(tmp_path / "out.json"),
            verbosity=1,
        )
    ]
    assert fake.opened[0][0] == str(tmp_path)


def test_run_without_options_asks_for_the_defaults(fake: FakeSession, bao: Run) -> None:
    bao("run", "build")
    assert fake.asked == [RunOptions(tasks=("build",))]


def test_since_alone_means_affected(fake: FakeSession, bao: Run) -> None:
    bao("run", "build", "--since", "main")
    assert fake.asked[0].selecting == Selecting(affected=True, since="main")


@pytest.mark.parametrize("code", [0, 3, 130])
def test_run_returns_the_exit_code_of_the_session(fake: FakeSession, bao: Run, code: int) -> None:
    fake.exit_code = code
    assert bao("run", "build")[0] == code
    assert fake.closed == 1


def test_run_shows_what_happens_through_the_reporter(fake: FakeSession, bao: Run) -> None:
    fake.says = [TaskOutput(TaskId("web#build"), b"hello\n"), WarningRaised("careful")]
    _, out, err = bao("run", "build")
    assert "hello" in out
    assert err.count("careful") == 1


def test_the_output_mode_of_a_task_holds_unless_the_command_line_says_otherwise(
    fake: FakeSession, bao: Run
) -> None:
    fake.says = [
        TaskOutput(TaskId("lib#build"), b"quiet\n"),
        TaskOutput(TaskId("web#test"), b"w\n"),
    ]
    _, out, _ = bao("run", "build")
    assert "quiet" not in out
    assert "w" in out
    _, out, _ = bao("run", "build", "--output-logs=full")
    assert "quiet" in out


def test_run_without_a_task_lists_the_tasks_that_there_are(fake: FakeSession, bao: Run) -> None:
    code, out, err = bao("run")
    assert (code, out) == (2, "")
    assert "no task is named (possible: build, test); such as: bao run build" in err
    assert fake.asked == []
    assert fake.closed == 1


def test_run_without_a_task_in_a_workspace_without_any_says_how_to_get_one(
    fake: FakeSession, bao: Run
) -> None:
    fake.definitions = {}
    code, _, err = bao("run")
    assert code == 2
    assert "no package has any" in err
    assert "bao.toml" in err


def test_a_dry_run_prints_json_and_nothing_else_on_standard_output(
    fake: FakeSession, bao: Run
) -> None:
    fake.records = [record(), record(id="lib#build", command=None, key=None, cache="pending")]
    fake.says = [WarningRaised("careful")]
    code, out, err = bao("run", "build", "--dry-run=json")
    document = json.loads(out)
    assert code == 0
    assert document["version"] == 1
    assert list(document["tasks"][0]) == [
        *("id", "package", "task", "command", "directory", "key", "cache", "tier"),
        *("dependencies", "inputs", "outputs", "env", "external_dependencies", "why"),
    ]
    assert document["tasks"][1]["key"] is None
    assert out.count("\n") == 1
    assert err == "warning: careful\n"


def test_a_dry_run_for_people_says_what_would_be_done_and_why(fake: FakeSession, bao: Run) -> None:
    fake.records = [record(), record(id="lib#build", cache="hit", tier="disk", why=[])]
    _, out, _ = bao("run", "build", "--dry-run")
    assert "web#build  miss  abababababab\n    packages/web$ vite\n    input a.js changed\n" in out
    assert "lib#build  hit (disk)" in out


# --- ls and graph ----------------------------------------------------------------------------


def test_ls_prints_the_packages_as_documented(fake: FakeSession, bao: Run) -> None:
    code, out, err = bao("ls", "--affected", "--json")
    assert code == 0
    assert fake.asked == [Selecting(affected=True)]
    document = json.loads(out)
    assert document["version"] == 1
    by_name = {package["name"]: package for package in document["packages"]}
    assert by_name["lib"] == {
        "name": "lib",
        "path": "packages/lib",
        "provider": "python",
        "dependencies": [],
        "reasons": [{"code": "file-changed", "text": "lib/a.py changed"}],
    }
    assert by_name["web"]["dependencies"] == ["lib"]
    assert err == "compared with main\n"


def test_names_that_are_not_utf_8_come_back_from_json(bao: Run) -> None:
    _, out, _ = bao("ls", "--json")
    assert HOSTILE in {package["name"] for package in json.loads(out)["packages"]}


def test_ls_with_tasks_names_those_that_have_a_command(bao: Run) -> None:
    _, out, _ = bao("ls", "--tasks", "--json")
    tasks = {package["name"]: package["tasks"] for package in json.loads(out)["packages"]}
    assert tasks == {"lib": ["build"], "web": ["build", "test"], HOSTILE: []}


def test_a_name_can_neither_break_a_line_nor_command_the_terminal(
    fake: FakeSession, bao: Run
) -> None:
    fake.workspace.packages[HOSTILE] = Package("a\x1b[2Jb\nc", "p", "node", "")
    fake.selection = Selection([SelectedPackage(HOSTILE, (Reason("x", "d\re"),))])
    fake.packages = PackageGraph(fake.workspace)
    _, out, _ = bao("ls")
    assert len(out.splitlines()) == 2
    assert "\x1b" not in out
    assert "\r" not in out
    assert "d\\re" in out


def test_nothing_affected_is_success_and_a_line_that_says_so(fake: FakeSession, bao: Run) -> None:
    fake.selection = Selection([])
    assert bao("ls", "--affected") == (0, "", "no package is affected\n")
    code, out, _ = bao("ls", "--affected", "--json")
    assert (code, json.loads(out)) == (0, {"version": 1, "packages": []})


def test_the_package_graph_as_json_holds_edges_among_the_selected(
    fake: FakeSession, bao: Run
) -> None:
    fake.selection = Selection([SelectedPackage("web"), SelectedPackage("lib")])
    _, out, _ = bao("graph", "-F", "web")
    assert fake.asked == [Selecting(("web",))]
    assert json.loads(out) == {
        "version": 1,
        "packages": [
            {"name": "lib", "path": "packages/lib", "dependencies": []},
            {
                "name": "web",
                "path": "packages/web",
                "dependencies": [{"name": "lib", "kind": "runtime"}],
            },
        ],
    }


def test_the_task_graph_as_json_holds_what_counts_of_each_dependency(
    fake: FakeSession, bao: Run
) -> None:
    _, out, _ = bao("graph", "build", "-F", "web")
    assert fake.asked == [RunOptions(tasks=("build",), selecting=Selecting(("web",)))]
    tasks = {task["id"]: task for task in json.loads(out)["tasks"]}
    assert tasks["lib#build"]["command"] is None
    assert tasks["web#gen"]["command"] == ["gen", "x"]
    assert tasks["web#build"] == {
        "id": "web#build",
        "package": "web",
        "task": "build",
        "command": "vite",
        "dependencies": [
            {"id": "lib#build", "follow": "key"},
            {"id": "web#gen", "follow": "none"},
        ],
    }


def test_dot_quotes_every_name_and_points_at_what_is_depended_on(bao: Run) -> None:
    _, out, _ = bao("graph", "--format", "dot")
    quoted = '"we\\"b\\\\n\\nx\ufffd"'  # the capture replaces what is no UTF-8
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "digraph bao {"
    assert lines[-1] == "}"
    assert '"web" -> "lib";' in lines
    assert f'"web" -> {quoted} [style=dashed];' in lines
    assert not any('"//"' in line for line in lines)
    for line in lines[3:-1]:
        string = r'"(?:[^"\\]|\\.)*"'
        assert re.fullmatch(rf"{string}(?: -> {string})?(?: \[style=dashed\])?;", line), line


def test_mermaid_writes_out_whatever_could_mean_something(bao: Run) -> None:
    _, out, _ = bao("graph", "--format", "mermaid")
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "flowchart LR"
    nodes = dict(
        re.fullmatch(r"(n\d+)\[\"(.*)\"\]", line).groups() for line in lines if "[" in line
    )  # type: ignore[union-attr]
    assert list(nodes.values())[:2] == ["lib", "web"]
    assert list(nodes.values())[2].startswith("we#34;b\\n#10;x#")
    ids = {label: node for node, label in nodes.items()}
    assert f"{ids['web']} --> {ids['lib']}" in lines
    assert any(line.startswith(f"{ids['web']} -.-> ") for line in lines)


def test_mermaid_draws_transit_tasks_and_edges_that_only_order_faintly(bao: Run) -> None:
    _, out, _ = bao("graph", "build", "--format=mermaid")
    assert 'n0(["lib#35;build"])' in out
    assert "n2 --> n0" in out
    assert "n2 -.-> n1" in out


def test_a_package_graph_of_tasks_cannot_be_meant(bao: Run) -> None:
    code, _, err = bao("graph", "build", "--packages")
    assert code == 2
    assert "--packages" in err


# --- why -------------------------------------------------------------------------------------


def test_why_tells_a_hit_with_its_origin_time_and_saving(fake: FakeSession, bao: Run) -> None:
    fake.explanation = Explanation(
        task_id="web#build",
        key="cd" * 32,
        outcome="hit",
        tier="disk",
        created=1_700_000_000.0,
        saved=75.4,
    )
    code, out, _ = bao("why", "web#build")
    assert code == 0
    assert fake.asked == ["web#build"]
    for fact in (
        "web#build",
        "cd" * 32,
        "hit, from cache tier 'disk'",
        "2023-11-1",
        "ago",
        "1 min",
    ):
        assert fact in out


def test_why_tells_a_miss_with_the_whole_difference(fake: FakeSession, bao: Run) -> None:
    fake.explanation = Explanation(
        task_id="web#build",
        key="cd" * 32,
        outcome="miss",
        compared_with="ef" * 32,
        differences=[
            Reason("input-changed", "input src/a.js changed"),
            Reason("lock-changed", "lock: vite 5 → 6"),
        ],
        parts={"input:src/a.js": "100644 1"},
    )
    _, out, _ = bao("why", "web#build")
    assert "ef" * 32 in out
    assert "input src/a.js changed" in out
    assert "lock: vite 5 → 6" in out
    assert "100644 1" not in out
    assert "input:src/a.js = 100644 1" in bao("why", "web#build", "-v")[1]


def test_why_as_json_holds_everything(fake: FakeSession, bao: Run) -> None:
    fake.explanation = Explanation(
        task_id="web#build", key=None, outcome="pending", differences=[Reason("a", "b")]
    )
    _, out, _ = bao("why", "web#build", "--json")
    assert json.loads(out) == {
        "version": 1,
        "task_id": "web#build",
        "key": None,
        "outcome": "pending",
        "tier": None,
        "created": None,
        "saved": None,
        "compared_with": None,
        "differences": [{"code": "a", "text": "b"}],
        "parts": {},
    }


def test_why_needs_a_task_id(fake: FakeSession, bao: Run) -> None:
    code, _, err = bao("why", "build")
    assert code == 2
    assert "'build' is no task id; name its package, such as: bao why web#build" in err
    assert fake.opened == []


# --- cache -----------------------------------------------------------------------------------


def test_stats_of_every_tier(fake: FakeSession, bao: Run) -> None:
    fake.tiers = [
        FakeTier("disk", FakeBackend(stats=CacheStats("/c", 3, 9, 5 * 1024**3))),
        FakeTier("team", FakeBackend()),
    ]
    _, out, _ = bao("cache", "stats")
    assert out == ("disk  3 entries, 9 blobs, 5.0 GiB  (/c)\nteam  cannot tell what it holds\n")
    _, out, _ = bao("cache", "stats", "--json")
    assert json.loads(out) == {
        "version": 1,
        "tiers": [
            {"tier": "disk", "location": "/c", "entries": 3, "blobs": 9, "bytes": 5 * 1024**3},
            {"tier": "team", "location": None, "entries": None, "blobs": None, "bytes": None},
        ],
    }
    _, out, _ = bao("cache", "stats", "--json", "--tier", "team")
    assert [tier["tier"] for tier in json.loads(out)["tiers"]] == ["team"]


def test_entries_of_every_tier(fake: FakeSession, bao: Run) -> None:
    fake.tiers = [FakeTier("disk", FakeBackend())]
    _, out, _ = bao("cache", "ls")
    assert out.endswith("2.0 KiB  abababababab  disk  web#build\n")
    _, out, _ = bao("cache", "ls", "--json")
    assert json.loads(out)["entries"] == [
        {
            "tier": "disk",
            "task_id": "web#build",
            "key": "ab" * 32,
            "created": 1_700_000_000.0,
            "size": 2048,
        }
    ]


def test_cleaning_touches_the_first_tier_only_unless_another_is_named(
    fake: FakeSession, bao: Run
) -> None:
    disk, team = FakeBackend(), FakeBackend()
    fake.tiers = [FakeTier("disk", disk), FakeTier("team", team)]
    code, out, err = bao("cache", "clean", "--older-than", "30d")
    assert code == 0
    assert out == "disk: removed 2 entries, 3.0 MiB\n"
    assert "team" in err
    assert disk.evicted_with == EvictionPolicy(max_age=30 * 86_400.0, spare=0.0)
    assert team.evicted_with is None
    bao("cache", "clean", "--all", "--tier", "team")
    assert team.evicted_with == EvictionPolicy(max_bytes=0, spare=0.0)


def test_verify_names_what_was_damaged_and_rebuild_rebuilds(fake: FakeSession, bao: Run) -> None:
    backend = FakeBackend()
    fake.tiers = [FakeTier("disk", backend)]
    assert bao("cache", "verify")[1] == "entry abc: its blob is damaged\n"
    assert json.loads(bao("cache", "verify", "--json")[1]) == {
        "version": 1,
        "tier": "disk",
        "removed": ["entry abc: its blob is damaged"],
    }
    assert bao("cache", "rebuild")[0] == 0
    assert backend.rebuilt


def test_a_tier_that_raises_is_named(fake: FakeSession, bao: Run) -> None:
    fake.tiers = [FakeTier("disk", FakeBackend(fault=OSError("gone")))]
    code, _, err = bao("cache", "stats")
    assert code == 72
    assert err == "error: cache tier 'disk' failed: OSError: gone\n"
    assert fake.closed == 1


def test_a_tier_that_raises_does_not_hide_the_others(fake: FakeSession, bao: Run) -> None:
    broken = FakeBackend(fault=OSError("gone"))
    broken.origin = "bao-team 1.2"
    fake.tiers = [
        FakeTier("team", broken),
        FakeTier("disk", FakeBackend(stats=CacheStats("/c", 3, 9, 5 * 1024**3))),
    ]
    code, out, err = bao("cache", "stats", "--json")
    assert code == 0
    assert err == "warning: cache tier 'team' (bao-team 1.2) failed: OSError: gone\n"
    assert [tier["entries"] for tier in json.loads(out)["tiers"]] == [None, 3]


def test_an_unknown_tier_and_no_tier_at_all(fake: FakeSession, bao: Run) -> None:
    fake.tiers = [FakeTier("disk", FakeBackend())]
    code, _, err = bao("cache", "stats", "--tier", "disc")
    assert code == 2
    assert "no cache tier is called 'disc' (configured: disk)" in err
    fake.tiers = []
    assert bao("cache", "stats", "--json")[:2] == (0, '{"version":1,"tiers":[]}\n')
    code, _, err = bao("cache", "clean", "--all")
    assert code == 72
    assert "pip install bao-cache-local" in err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 2_592_000), ("1.5h", 5400), ("45m", 2700), ("9s", 9), ("2w", 1_209_600)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("10B", 10),
        ("5GiB", 5 * 1024**3),
        ("5G", 5 * 1024**3),
        ("5Gi", 5 * 1024**3),
        ("500MB", 500_000_000),
        ("1.5KiB", 1536),
        ("2T", 2 * 1024**4),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1024**5, "1024.0 TiB"), (1536, "1.5 KiB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text


def test_what_to_clean_must_be_said_and_must_not_contradict_itself() -> None:
    with pytest.raises(UsageError, match="say what to remove"):
        policy_of(CleanArguments())
    with pytest.raises(UsageError, match="--all removes everything"):
        policy_of(CleanArguments(all=True, max_size="5G"))
    assert policy_of(CleanArguments(max_size="1K", older_than="1m")) == EvictionPolicy(
        max_bytes=1024, max_age=60.0, spare=0.0
    )


# --- config ----------------------------------------------------------------------------------


def test_config_for_machines_and_for_people(fake: FakeSession, bao: Run) -> None:
    document = json.loads(bao("config", "--json")[1])
    assert document["version"] == 1
    assert document["root"] == "/somewhere"
    assert document["config"]["scheduler"] == "critical-path"
    lines = bao("config")[1].splitlines()
    assert "root = /somewhere" in lines
    assert 'scheduler = "critical-path"' in lines


def test_the_schema_needs_no_workspace(fake: FakeSession, bao: Run) -> None:
    fake.fault = WorkspaceError("there is none")
    code, out, _ = bao("config", "--schema")
    assert code == 0
    assert "$schema" in json.loads(out)


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [UsageError, ConfigError, WorkspaceError, SelectionError, GitError]
)
@pytest.mark.parametrize("words", [("run", "build"), ("ls",), ("why", "a#b"), ("cache", "stats")])
def test_an_error_is_one_line_and_its_exit_code(
    fake: FakeSession, bao: Run, error: type[BaoError], words: tuple[str, ...]
) -> None:
    fake.fault = error("it is wrong", where="bao.toml", line=7, hint="mend it")
    assert bao(*words) == (error.exit_code, "", "error: bao.toml:7: it is wrong; mend it\n")


def test_an_error_is_red_where_colours_are_wanted(fake: FakeSession, bao: Run) -> None:
    fake.fault = ConfigError("wrong")
    assert bao("ls", "--color=always")[2] == "\x1b[31merror:\x1b[0m wrong\n"
    assert bao("ls", FORCE_COLOR="1")[2] == "\x1b[31merror:\x1b[0m wrong\n"
    assert bao("ls", "--color=never", FORCE_COLOR="1")[2] == "error: wrong\n"


def test_what_nobody_foresaw_prints_a_traceback_and_asks_for_a_report(
    fake: FakeSession, bao: Run
) -> None:
    fake.fault = ZeroDivisionError("oops")
    code, out, err = bao("ls")
    assert (code, out) == (70, "")
    assert "Traceback (most recent call last)" in err
    assert "ZeroDivisionError: oops" in err
    assert "this is a bug in bao" in err.splitlines()[-1]


def test_an_interrupt_and_a_reader_that_has_gone(
    fake: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bao_core.cli.main.silence_stdout", lambda: None)
    fake.fault = KeyboardInterrupt()
    assert main(["ls"]) == 128 + signal.SIGINT
    fake.fault = BrokenPipeError()
    assert main(["ls"]) == 128 + signal.SIGPIPE


def test_the_session_is_closed_even_after_an_error(fake: FakeSession, bao: Run) -> None:
    fake.select = lambda _: (_ for _ in ()).throw(SelectionError("none"))  # type: ignore[method-assign]
    assert bao("ls")[0] == 67
    assert fake.closed == 1


def test_a_directory_that_is_not_there(fake: FakeSession, bao: Run) -> None:
    code, _, err = bao("ls", "-C", "/not/there")
    assert code == 2
    assert "there is no directory '/not/there'" in err
    assert fake.opened == []


# --- small parts -----------------------------------------------------------------------------


class Screen:
    """A stream that is a terminal, or is not."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("choice", "environ", "terminal", "wanted"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "0"}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_when_to_colour(choice: str, environ: dict[str, str], terminal: bool, wanted: bool) -> None:
    assert wants_color(choice, environ, Screen(terminal=terminal)) is wanted  # type: ignore[arg-type]


def test_what_people_are_shown_keeps_letters_and_writes_out_the_rest() -> None:
    assert shown("päckäge") == "päckäge"
    assert shown("a\tb\x00\u202e") == "a\\tb\\x00\\u202e"
    assert shown("x\udcff") == "x\udcff"


def test_json_of_names_that_are_not_utf_8() -> None:
    assert encode_json({"a": "ä"}) == '{"a":"ä"}'.encode()
    assert json.loads(encode_json({"a": ["\udcff"]})) == {"a": ["\udcff"]}


# --- the real process ------------------------------------------------------------------------


def real(*words: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        (str(Path(sys.executable).with_name("bao")), *words),
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "BAO_CACHE_DIR": str(cwd / "cache"), **environ},
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory for PYTHONPATH with a plugin that offers commands."""
    directory = tmp_path / "site"
    info = directory / "bao_hello-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bao-hello\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bao]\nhello = hello_plugin\n")
    (directory / "hello_plugin.py").write_text(
        "from bao_core.hookspecs import CommandSpec, hookimpl\n"
        "@hookimpl\n"
        "def bao_commands():\n"
        "    return [\n"
        "        CommandSpec('hello', 'Say hello.', 'hello_commands:hello'),\n"
        "        CommandSpec('tool', 'An app.', 'hello_commands:app'),\n"
        "        CommandSpec('gone', 'Is not there.', 'hello_commands:gone'),\n"
        "    ]\n"
    )
    (directory / "hello_commands.py").write_text(
        "import os, typer\n"
        "print('imported')\n"
        "def hello(name: str, loud: bool = False) -> int:\n"
        "    '''Say hello.'''\n"
        "    print(name.upper() if loud else name, os.getcwd())\n"
        "    return 5\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def one(): print('one')\n"
        "@app.command()\n"
        "def two(): raise RuntimeError('two fails')\n"
    )
    return directory


def test_a_plugins_command_reads_its_own_words(tmp_path: Path, site: Path) -> None:
    done = real("hello", "--loud", "you", cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 5, done.stderr
    assert done.stdout.split() == [b"imported", b"YOU", os.fsencode(tmp_path.resolve())]


def test_a_plugins_command_works_in_the_directory_that_was_given(
    tmp_path: Path, site: Path
) -> None:
    done = real("-C", "site", "hello", "you", cwd=tmp_path, PYTHONPATH=str(site))
    assert done.stdout.split()[-1] == os.fsencode(site.resolve())


def test_a_plugins_app_is_called_with_the_rest(tmp_path: Path, site: Path) -> None:
    assert real("tool", "one", cwd=tmp_path, PYTHONPATH=str(site)).stdout.endswith(b"one\n")
    refused = real("tool", "three", cwd=tmp_path, PYTHONPATH=str(site))
    assert refused.returncode == 2
    assert b"no such command 'three'" in refused.stderr


def test_a_plugins_command_that_fails_is_named_with_its_distribution(
    tmp_path: Path, site: Path
) -> None:
    for words, fault in ((("tool", "two"), b"two fails"), (("gone",), b"gone")):
        failed = real(*words, cwd=tmp_path, PYTHONPATH=str(site))
        assert failed.returncode == 69
        assert b"Traceback" in failed.stderr
        last = failed.stderr.splitlines()[-1]
        assert b"of plugin 'hello' (bao-hello 1.0) failed" in last
        assert fault in last


def test_a_plugins_commands_are_in_the_help_and_only_imported_when_called(
    tmp_path: Path, site: Path
) -> None:
    done = real("--help", cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 0
    assert b"hello" in done.stdout
    assert b"Say hello." in done.stdout
    assert b"imported" not in done.stdout + done.stderr


def test_a_disabled_plugin_has_no_command(tmp_path: Path, site: Path) -> None:
    done = real("hello", "you", cwd=tmp_path, PYTHONPATH=str(site), BAO_DISABLE_PLUGINS="hello")
    assert done.returncode == 2
    assert b"no such command 'hello'" in done.stderr


def test_every_command_works_beside_a_broken_plugin_and_names_it(
    tmp_path: Path, site: Path
) -> None:
    (site / "hello_plugin.py").write_text("print('at import')\nraise SystemExit('bao_event_sinks')")
    (tmp_path / "bao.toml").write_text(
        '[workspace]\npackages = ["p"]\n[tasks.build]\ncommand = "true"\n'
    )
    (tmp_path / "p").mkdir()
    (tmp_path / "p/bao.toml").write_text('name = "p"\n')
    for words in (
        *(("ls", "--json"), ("run", "build", "--dry-run=json"), ("why", "p#build", "--json")),
        *(("graph",), ("config", "--json"), ("plugins", "--json"), ("cache", "stats", "--json")),
    ):
        done = real(*words, cwd=tmp_path, PYTHONPATH=str(site))
        assert done.returncode == 0, (words, done.stderr)
        assert json.loads(done.stdout)["version"] == 1
        assert done.stderr.count(b"plugin 'hello' (bao-hello 1.0)") == 1, (words, done.stderr)
        assert b"switched off" in done.stderr


def test_plugins_are_listed_outside_of_a_workspace_too(tmp_path: Path, site: Path) -> None:
    done = real("plugins", "--json", cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    listed = {plugin["name"]: plugin for plugin in json.loads(done.stdout)["plugins"]}
    assert listed["hello"].pop("seconds") > 0
    assert listed["hello"] == {
        "name": "hello",
        "distribution": "bao-hello",
        "version": "1.0",
        "module": "hello_plugin",
        "status": "active",
        "error": "",
        "hooks": ["bao_commands"],
        "offers": {"bao_commands": ["gone", "hello", "tool"]},
        "remarks": [],
        "tier_variables": {},
    }
    assert listed["bao"]["distribution"] == "bao-core"


def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        (str(Path(sys.executable).with_name("bao")), "plugins"),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "BAO_CACHE_DIR": str(tmp_path / "cache")},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 141
    assert done.stderr == b""


def test_version_and_help_succeed_on_standard_output(tmp_path: Path) -> None:
    from bao_core import __version__

    version = real("--version", cwd=tmp_path)
    assert (version.returncode, version.stdout, version.stderr) == (
        0,
        f"bao {__version__}\n".encode(),
        b"",
    )
    assert real(cwd=tmp_path).stdout == real("--help", cwd=tmp_path).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_asks_bao(tmp_path: Path, shell: str) -> None:
    done = real("completion", shell, cwd=tmp_path)
    assert done.returncode == 0
    assert f"_BAO_COMPLETE=complete_{shell}".encode() in done.stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bao ru", ["run"]),
        ("bao run b", ["build"]),
        ("bao ls --filter o", ["one", "other"]),
        ("bao run --output-logs n", ["new-only", "none"]),
        ("bao -C packages/one why one#", ["one#build", "one#test"]),
        ("bao run --affec", ["--affected"]),
        ("bao cache cle", ["clean"]),
    ],
)
def test_the_shell_is_offered_what_there_is(tmp_path: Path, line: str, offered: list[str]) -> None:
    tasks = '[tasks.build]\ncommand = "true"\n[tasks.test]\ncommand = "true"\n'
    (tmp_path / "bao.toml").write_text(f'[workspace]\npackages = ["packages/*"]\n{tasks}')
    for name in ("one", "other"):
        (tmp_path / "packages" / name).mkdir(parents=True)
        (tmp_path / "packages" / name / "bao.toml").write_text(f'name = "{name}"\n')
    words = line.split(" ")
    done = real(
        cwd=tmp_path,
        _BAO_COMPLETE="complete_bash",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
    )
    assert done.stdout.decode().split() == offered


def test_completing_in_a_broken_workspace_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "bao.toml").write_text("[workspace\n")
    done = real(cwd=tmp_path, _BAO_COMPLETE="complete_bash", COMP_WORDS="bao run b", COMP_CWORD="2")
    assert (done.stdout.strip(), done.stderr) == (b"", b"")


def test_tasks_end_when_whoever_read_their_output_has_gone(tmp_path: Path) -> None:
    task = '[tasks.spam]\ncommand = "yes"\ncache = false\n'
    (tmp_path / "bao.toml").write_text(f'[workspace]\npackages = ["p"]\n{task}')
    (tmp_path / "p").mkdir()
    (tmp_path / "p/bao.toml").write_text('name = "p"\n')
    with subprocess.Popen(
        (str(Path(sys.executable).with_name("bao")), "run", "spam", "--log-order=stream"),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "BAO_CACHE_DIR": str(tmp_path / "cache")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(timeout=30) == 141
            assert b"Traceback" not in process.stderr.read()
        finally:
            process.kill()
