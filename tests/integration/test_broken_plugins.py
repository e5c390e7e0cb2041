"""Every kind of broken plugin beside every command: the command works, and the culprit is named.

The plugins are distributions in a directory on the import path, as an installer leaves them. What
each kind of mistake is called is tested in `tests/unit/test_plugins.py`.
"""

from __future__ import annotations

import json
from textwrap import dedent
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bao_core.testing.workspaces import BaoResult, BaoWorkspace

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = (
    ("run", "build"),
    ("ls", "--json"),
    ("why", "lib#build", "--json"),
    ("plugins", "--json"),
    ("config", "--json"),
    ("cache", "stats", "--json"),
)
EVERYWHERE = frozenset(command[0] for command in COMMANDS)

SINK = """
from bao_core.hookspecs import hookimpl
from bao_core.interfaces.events import EventSink

class Sink(EventSink):
    name = "broken"

    def handle(self, event):
        pass

@hookimpl
def bao_event_sinks():
    return [Sink]
"""

CACHE = """
from bao_core.hookspecs import hookimpl
from bao_core.testing.memory_cache import MemoryCache

class Cache(MemoryCache):
    name = "broken"
    REMOTE

    @classmethod
    def open(cls, settings, context):
        OPEN

    def close(self):
        raise RuntimeError("cannot close")

@hookimpl
def bao_cache_backends():
    return [Cache]
"""

TIER = """
[[cache]]
name = "disk"
backend = "local"

[[cache]]
name = "team"
backend = "broken"
"""


class Kind(NamedTuple):
    """One kind of broken plugin.

    Attributes:
        source: Of its module.
        where: The commands that come across it; the others have no reason to name it.
        entry: Its entry point.
        requires: Dependencies of its distribution.
        config: What the workspace says of it.
    """

    source: str
    where: frozenset[str] = EVERYWHERE
    entry: str = "broken = bao_broken.plugin"
    requires: str = "bao-core"
    config: str = ""


def hook(body: str) -> str:
    """A plugin with a hook that does this."""
    return SINK.replace("    return [Sink]", f"    {body}")


def sink(line: str) -> str:
    """A plugin whose event sink says this of itself."""
    return SINK.replace('    name = "broken"', f"    {line}")


def tier(opening: str, *, remote: bool) -> Kind:
    source = CACHE.replace("OPEN", opening).replace("REMOTE", f"remote = {remote}")
    # A remote tier is opened once something is asked of it that the disk does not have.
    where = {"run", "cache"} if remote else {"run", "why", "cache"}
    return Kind(source, frozenset(where), config=TIER)


KINDS = {
    "raises at import": Kind("raise RuntimeError('no luck')"),
    "raises what is no error": Kind("class Odd(BaseException): pass\nraise Odd"),
    "leaves at import": Kind("import sys\nsys.exit(0)"),
    "ends the process": Kind("import os\nos._exit(0)"),
    "hangs at import": Kind("import time\ntime.sleep(600)"),
    "hangs and does not listen": Kind(
        "import time\nwhile True:\n  try: time.sleep(600)\n  except BaseException: pass"
    ),
    "recurses without end": Kind("def down(): down()\ndown()"),
    "does not parse": Kind("def ("),
    "needs a missing package": Kind(f"import not_installed_anywhere\n{SINK}"),
    "prints to standard output": Kind(f"print('hello')\n{SINK}", frozenset({"run", "plugins"})),
    "closes standard output": Kind(f"import sys\nsys.__stdout__.close()\n{SINK}"),
    "deletes standard output": Kind(f"import sys\ndel sys.stdout\nprint('hello')\n{SINK}"),
    "closes all files": Kind(f"import os\nos.closerange(0, 64)\n{SINK}"),
    "goes elsewhere": Kind(f"import os\nos.chdir('/')\n{SINK}"),
    "raises in a hook": Kind(hook("raise KeyError('gone')")),
    "hangs in a hook": Kind(hook("import time; time.sleep(600)")),
    "has a wrong signature": Kind(SINK.replace("sinks()", "sinks(workspace)")),
    "misspells a hook": Kind(SINK.replace("_sinks", "_sink")),
    "forgets the marker": Kind(SINK.replace("@hookimpl", "")),
    "wraps a hook": Kind(SINK.replace("@hookimpl", "@hookimpl(wrapper=True)")),
    "answers nonsense": Kind(hook("return 3")),
    "has no name": Kind(sink("pass")),
    "has strange settings": Kind(sink("name = 'broken'; Settings = dict")),
    "offers a name of bao's own": Kind(sink("name = 'event-log'")),
    "is too new for bao": Kind(SINK, requires="bao-core>=99"),
    "is for another hook API": Kind(f"requires = '>=99'\n{SINK}"),
    "has the name of another plugin": Kind(SINK, entry="cache-local = bao_broken.plugin"),
    "has an entry point to nothing": Kind("", entry="broken = bao_nowhere.plugin"),
    "has an entry point to a class": Kind(SINK, entry="broken = bao_broken.plugin:Sink"),
    "has a sink that does not open": Kind(
        sink("name = 'broken'; open = lambda *_: 1 / 0"), frozenset({"run"})
    ),
    "has a sink that leaves": Kind(
        sink("name = 'broken'; open = lambda *_: exit(0)"), frozenset({"run"})
    ),
    "has a sink that raises": Kind(SINK.replace("pass", "raise OSError"), frozenset({"run"})),
    "has a sink that does not close": Kind(
        sink("name = 'broken'; close = lambda _: 1 / 0"), frozenset({"run"})
    ),
    "has a cache that does not open": tier("raise RuntimeError('no luck')", remote=False),
    "has a remote cache that does not open": tier("raise RuntimeError('no luck')", remote=True),
    "has a cache that does not close": tier("return cls({})", remote=False),
}


class Site:
    """A directory on the import path with the distribution `bao-broken` in it."""

    def __init__(self, place: Path, kind: Kind) -> None:
        self.path = place
        package = place / "bao_broken"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "plugin.py").write_text(kind.source)
        info = place / "bao_broken-1.2.dist-info"
        info.mkdir()
        metadata = f"Name: bao-broken\nVersion: 1.2\nRequires-Dist: {kind.requires}\n"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{metadata}")
        (info / "entry_points.txt").write_text(f"[bao]\n{kind.entry}\n")


def workspace_beside(base: Path, kind: Kind) -> BaoWorkspace:
    """A workspace of one package, and commands that see the plugin."""
    workspace = BaoWorkspace(base, git=False)
    workspace.environ["PYTHONPATH"] = str(Site(base / "site", kind).path)
    workspace.environ["BAO_PLUGIN_TIMEOUT"] = "1.5"
    config = """
        [workspace]
        packages = ["lib"]

        [tasks.build]
        command = "cp input output"
        outputs = ["output"]
    """
    workspace.write({"bao.toml": dedent(config) + kind.config})
    workspace.write({"lib/bao.toml": "", "lib/input": "hello"})
    return workspace


def assert_works(command: tuple[str, ...], result: BaoResult) -> None:
    assert result.code == 0, f"bao {' '.join(command)}: {result}"
    assert "Traceback" not in result.err, result.err
    told = [line for line in result.err.splitlines() if line.startswith("warning:")]
    assert all("broken" in line for line in told), "nobody else is blamed"
    if "--json" in command:
        json.loads(result.out)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_command_works_beside_a_broken_plugin_and_names_it(
    tmp_path: Path, kind: Kind
) -> None:
    workspace = workspace_beside(tmp_path, kind)
    for command in COMMANDS:
        result = workspace.bao(*command)
        assert_works(command, result)
        named = result.err.count("(bao-broken 1.2)")
        assert bool(named) == (command[0] in kind.where), f"{command}: {result.err}"
        # Elsewhere once: a remote tier says it of itself, and the command of what it asked.
        assert named <= (2 if command[0] == "cache" else 1), result.err
    assert workspace.read("lib/output") == "hello"


@pytest.mark.parametrize("how", ["BAO_DISABLE_PLUGINS", "[plugins] disable"])
def test_a_disabled_plugin_is_not_even_imported(tmp_path: Path, how: str) -> None:
    trace = tmp_path / "imported"
    workspace = workspace_beside(tmp_path, Kind(f"open({str(trace)!r}, 'w')\nraise OSError"))
    if how == "BAO_DISABLE_PLUGINS":
        workspace.environ[how] = "broken"
    else:
        config = workspace.read("bao.toml")
        workspace.write({"bao.toml": f'{config}\n[plugins]\ndisable = ["broken"]\n'})
    for command in COMMANDS:
        result = workspace.bao(*command)
        assert_works(command, result)
        assert result.err.count("broken") == 0, result.err
    assert not trace.exists()


def cache_that_puts(how: str) -> str:
    """A module with a cache that closes well, and stores as these lines say."""
    return CACHE.replace(
        """    def close(self):
        raise RuntimeError("cannot close")
""",
        how,
    )


SLOW = cache_that_puts(
    """    def put_entry(self, key, result, blobs, *, replace=False):
        deadline = time.monotonic() + 20
        while result.task_id == "lib#build" and not os.path.exists("app/started"):
            if time.monotonic() > deadline:
                raise TimeoutError("nothing went on meanwhile")
            time.sleep(0.01)
        return super().put_entry(key, result, blobs, replace=replace)
""",
)


def beside_a_slow_cache(base: Path, source: str, command: str) -> BaoWorkspace:
    """`app` depends on `lib`, whose results a cache of its own takes."""
    source = source.replace("REMOTE", "remote = False").replace("OPEN", "return cls({})")
    kind = Kind(f"import os\nimport time\n{source}", config=TIER.partition("\n\n")[2])
    workspace = workspace_beside(base, kind)
    app = f"""\
dependencies = ["lib"]
[tasks.build]
depends_on = ["^build"]
command = "{command}"
"""
    config = workspace.read("bao.toml").replace('["lib"]', '["lib", "app"]')
    workspace.write({"bao.toml": config, "app/bao.toml": app})
    return workspace


def test_what_is_downstream_starts_while_a_slow_cache_still_stores(tmp_path: Path) -> None:
    workspace = beside_a_slow_cache(tmp_path, SLOW, "touch started output")
    result = workspace.bao("run", "build")
    assert result.code == 0, result
    assert "warning" not in result.err, result.err
    assert result.outcomes == {"lib#build": "executed", "app#build": "executed"}


STORES_TO_THE_END = cache_that_puts(
    """    def put_entry(self, key, result, blobs, *, replace=False):
        told.wait(1)  # for what must not come before this is over
        return super().put_entry(key, result, blobs, replace=replace)

class Sink(EventSink):
    name = "broken"

    def handle(self, event):
        if isinstance(event, TaskFinished) and event.id == "app#build":
            told.set()

@hookimpl
def bao_event_sinks():
    return [Sink]
""",
)


def test_a_task_is_told_of_after_those_upstream_of_it_which_are_still_stored(
    tmp_path: Path,
) -> None:
    head = """
from threading import Event
from bao_core.events import TaskFinished
from bao_core.interfaces.events import EventSink
told = Event()
"""
    workspace = beside_a_slow_cache(tmp_path, head + STORES_TO_THE_END, "exit 3")
    result = workspace.bao("run", "build")
    assert result.code == 3, result
    assert list(result.outcomes) == ["lib#build", "app#build"]


STORES_AFTER_A_LONG_PAUSE = cache_that_puts(
    """    def put_entry(self, key, result, blobs, *, replace=False):
        open("STORING", "w").close()
        return super().put_entry(key, result, blobs, replace=replace)
""",
)


@pytest.mark.parametrize("others_run", [False, True])
def test_no_result_waits_for_the_next_check_where_all_else_waits_for_it(
    tmp_path: Path, *, others_run: bool
) -> None:
    """The check of `lib` is followed by a pause of ten minutes, in which `app` ends."""
    storing, went_on = tmp_path / "storing", tmp_path / "went-on"
    head = """
from bao_core import engine, keeper
keeper.LONGEST_PAUSE, keeper.SHARE = 600, 1e-9
"""
    if others_run:
        head += "engine.UNSTORED_AT_ONCE = 1\n"
    source = head + STORES_AFTER_A_LONG_PAUSE.replace("STORING", str(storing))
    await_lib = f"until test -e {storing}; do sleep 0.01; done; touch output"
    workspace = beside_a_slow_cache(tmp_path, source, await_lib)
    if others_run:
        # `beside` runs until `late` does, and that starts once the result of `app` is stored.
        slow = f"until test -e {went_on}; do sleep 0.01; done; touch output"
        late = f"""\
dependencies = ["app"]
[tasks.build]
depends_on = ["^build"]
command = "touch {went_on} output"
"""
        beside = f'[tasks.build]\ncommand = "{slow}"\n'
        config = workspace.read("bao.toml").replace('"app"]', '"app", "beside", "late"]')
        workspace.write({"bao.toml": config, "late/bao.toml": late, "beside/bao.toml": beside})
    result = workspace.bao("run", "build", "--concurrency=2")
    assert result.code == 0, result
    assert "warning" not in result.err, result.err
    assert set(result.outcomes.values()) == {"executed"}


# --- what cannot go on without it ------------------------------------------------------------

PROVIDER = """
from bao_core.hookspecs import hookimpl
from bao_core.interfaces.workspace import WorkspaceProvider

class Provider(WorkspaceProvider):
    name = "broken"
    manifests = frozenset({"broken.toml"})

    def load(self, tree):
        raise ValueError("no luck")

@hookimpl
def bao_workspace_providers():
    return [Provider]
"""

EXECUTOR = """
from bao_core.hookspecs import hookimpl
from bao_core.interfaces.executor import Executor, Worker

class Broken(Executor):
    name = "broken"

    def workers(self):
        return [Worker("broken", "", 1)]

    def start(self, request, output):
        raise ValueError("no luck")

    @classmethod
    def open(cls, settings, context):
        OPEN

@hookimpl
def bao_executors():
    return [Broken]
"""

SCHEDULER = """
from bao_core.hookspecs import hookimpl
from bao_core.interfaces.scheduler import Placement, Scheduler

class Broken(Scheduler):
    name = "broken"

    def next(self, ready, workers):
        NEXT

@hookimpl
def bao_schedulers():
    return [Broken]
"""

NEEDED = {
    "a provider that fails": Kind(PROVIDER),
    "a provider that does not open": Kind(
        PROVIDER.replace("def load", "open = lambda *_: 1 / 0\n    def load")
    ),
    "a provider that cannot be imported": Kind(f"import not_installed_anywhere\n{PROVIDER}"),
    "an executor that does not open": Kind(EXECUTOR.replace("OPEN", "raise ValueError")),
    "a scheduler that raises": Kind(SCHEDULER.replace("NEXT", "raise ValueError")),
    "a scheduler that makes tasks up": Kind(
        SCHEDULER.replace("NEXT", "return [Placement('no#such', workers[0].id)]")
    ),
}


@pytest.mark.parametrize("kind", NEEDED.values(), ids=NEEDED)
def test_what_a_run_cannot_do_without_ends_it_and_is_named(tmp_path: Path, kind: Kind) -> None:
    workspace = workspace_beside(tmp_path, kind)
    for word in ("executor", "scheduler"):
        if f"bao_{word}s" in kind.source:
            workspace.write({"bao.toml": f'{word} = "broken"\n{workspace.read("bao.toml")}'})
    failed = workspace.bao("run", "build")
    assert failed.code == 69, failed
    assert "(bao-broken 1.2)" in failed.err
    assert "Traceback" not in failed.err
    for command in COMMANDS[3:4]:
        assert_works(command, workspace.bao(*command))
    if kind.source.endswith("[Provider]\n"):
        assert workspace.ok("run", "build", BAO_DISABLE_PLUGINS="broken").outcomes
