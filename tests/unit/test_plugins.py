"""The plugin host: what is asked of whom, what is imported when, and what a broken plugin does."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import sys
import textwrap
from typing import TYPE_CHECKING

import pluggy
import pytest

from bao_core import __version__
from bao_core.hookspecs import API_VERSION
from bao_core.interfaces.cache import CacheBackend
from bao_core.interfaces.executor import Executor
from bao_core.plugins import PluginHost
from bao_core.plugins.checks import HOOKS

if TYPE_CHECKING:
    from pathlib import Path

PROVIDER = """
    from bao_core.hookspecs import hookimpl
    from bao_core.interfaces.workspace import WorkspaceProvider
    from bao_core.model import WorkspacePart

    class Provider(WorkspaceProvider):
        name = "NAME"
        manifests = frozenset({"NAME.toml"})
        root_markers = {"NAME.lock": "", "NAME.toml": "^workspace"}

        def load(self, tree):
            return WorkspacePart()

    @hookimpl
    def bao_workspace_providers():
        return [Provider]
"""

STORE = """
    from bao_core.hookspecs import hookimpl
    from bao_core.interfaces.cache import ObjectStore

    class Store(ObjectStore):
        name = "NAME"
        def get(self, name): ...
        def put(self, name, source, *, replace=False): ...
        def exists(self, names): ...
        def delete(self, name): ...
        def list(self, prefix): ...

    @hookimpl
    def bao_cache_backends():
        return [Store]
"""

SINK = """
    from bao_core.hookspecs import hookimpl
    from bao_core.interfaces.events import EventSink

    class Sink(EventSink):
        name = "NAME"
        def handle(self, event): ...

    @hookimpl
    def bao_event_sinks():
        return [Sink]
"""


def written(source: str, name: str) -> str:
    """One of the sources above as the source of the plugin `name`."""
    return textwrap.dedent(source).replace("NAME", name)


class Site:
    """A directory on the import path with plugins installed in it, and nothing else.

    Each plugin writes down that it was imported, by whichever process.
    """

    def __init__(self, place: Path) -> None:
        self.journal = place / "imported"
        self.directory = place / "site"
        self.directory.mkdir()
        self.state = place / "state"
        self.warnings: list[str] = []

    def install(
        self,
        name: str,
        source: str,
        *,
        version: str = "1.0",
        distribution: str = "",
        target: str = "",
        requires: tuple[str, ...] = (),
    ) -> None:
        """Install the plugin `name` of the distribution `bao-<name>`, imported as `fake_<name>`."""
        package = self.directory / f"fake_{name}"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / "plugin.py").write_text(self._journaled(name) + written(source, name))
        distribution = distribution or f"bao-{name}"
        info = self.directory / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
            + "".join(f"Requires-Dist: {line}\n" for line in requires)
        )
        (info / "entry_points.txt").write_text(
            f"[bao]\n{name} = {target or f'fake_{name}.plugin'}\n"
        )

    def rewrite(self, name: str, source: str) -> None:
        """Change the source of a plugin, as an editor does with an editable installation."""
        path = self.directory / f"fake_{name}" / "plugin.py"
        path.write_text(self._journaled(name) + written(source, name) + "\n# changed\n")

    def _journaled(self, name: str) -> str:
        line = f"{name}\n".encode()
        return f"with open({str(self.journal)!r}, 'ab') as journal: journal.write({line!r})\n"

    def host(self, **options: object) -> PluginHost:
        """The host as a process that has just started sees it."""
        self.forget()
        importlib.invalidate_caches()
        importlib.metadata.MetadataPathFinder().invalidate_caches()
        self.warnings.clear()
        self.journal.unlink(missing_ok=True)
        arguments = {"environ": {}, **options}
        return PluginHost.load(state_dir=str(self.state), warn=self.warnings.append, **arguments)  # type: ignore[arg-type]

    def imported(self) -> list[str]:
        """The plugins that were imported since the last host was made."""
        return sorted(set(self.journal.read_text().split())) if self.journal.exists() else []

    @staticmethod
    def forget() -> None:
        """Make as if no plugin had been imported."""
        for name in [name for name in sys.modules if name.startswith("fake_")]:
            del sys.modules[name]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path)
    standard = [
        path for path in sys.path if path.startswith(sys.base_prefix) and "site-" not in path
    ]
    monkeypatch.setattr(sys, "path", [str(made.directory), *standard])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield made
    made.forget()


def status(host: PluginHost) -> dict[str, str]:
    return {plugin.name: plugin.status for plugin in host.plugins()}


# --- what is offered -------------------------------------------------------------------------


def test_what_bao_itself_brings_comes_through_the_same_hooks(site: Site) -> None:
    host = site.host()
    assert [cls.name for cls in host.executors()] == ["local"]
    assert [cls.name for cls in host.schedulers()] == ["critical-path"]
    assert [cls.name for cls in host.gates()] == ["slots"]
    assert [cls.name for cls in host.workspace_providers()] == ["bao"]
    assert site.warnings == []


def test_answers_are_sorted_by_name_whatever_the_order_on_the_disk(site: Site) -> None:
    for name in ("zebra", "ant", "mole"):
        site.install(name, PROVIDER)
    names = [cls.name for cls in site.host().workspace_providers()]
    assert names == ["ant", "bao", "mole", "zebra"]


def test_every_hook_has_its_method(site: Site) -> None:
    host = site.host()
    for hook in HOOKS:
        assert isinstance(getattr(host, hook.removeprefix("bao_"))(), list)


def test_markers_and_manifests_are_known_without_importing_a_provider(site: Site) -> None:
    site.install("ant", PROVIDER)
    site.host().markers()
    host = site.host()
    assert host.markers()["ant.lock"] == ("",)
    assert host.markers()["ant.toml"] == ("^workspace",)
    assert "ant.toml" in host.manifests()
    assert site.imported() == []


def test_variables_that_make_tiers_are_known_without_importing_a_backend(site: Site) -> None:
    site.install("b", STORE.replace('name = "NAME"', 'name = "NAME"; tier_variable = "B_PLACE"'))
    site.install("c", STORE)
    site.host().backend("b")
    host = site.host()
    assert host.tier_variables() == {"b": "B_PLACE"}
    told = {info.name: info.tier_variables for info in host.plugins()}
    assert (told["b"], told["c"]) == ({"b": "B_PLACE"}, {})
    assert site.imported() == []


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("tier_variable = None", "whose 'tier_variable' is no name of a variable"),
        ('tier_variable = "A=B"', "whose 'tier_variable' is no name of a variable"),
        (
            'tier_variable = "A"; Settings = msgspec.defstruct("Settings", ["url"])',
            "which has a 'tier_variable' and settings without a default",
        ),
        (
            (
                'tier_variable = "A"; '
                'Settings = msgspec.defstruct("S", [("a", int, 0), "url"], kw_only=True)'
            ),
            "which has a 'tier_variable' and settings without a default",
        ),
    ],
)
def test_a_variable_that_cannot_make_a_tier_is_refused(site: Site, lines: str, says: str) -> None:
    source = STORE.replace('name = "NAME"', f'name = "NAME"; {lines}')
    site.install("b", "\n    import msgspec" + source)
    host = site.host()
    assert host.backend("b") is None
    assert host.tier_variables() == {}
    (warning,) = site.warnings
    assert f"offered 'b', {says}" in warning


def test_a_distribution_is_named_for_what_it_offers(site: Site) -> None:
    site.install("ant", STORE)
    host = site.host()
    (store,) = host.cache_backends()
    assert host.distribution_of(store) == "bao-ant"
    assert host.offered_by("bao_cache_backends", "ant") == "plugin 'ant' (bao-ant 1.0)"
    assert host.distribution_of(host.executors()[0]) == "bao-core"


# --- what is imported ------------------------------------------------------------------------


def test_a_first_time_imports_all_and_later_ones_only_what_is_asked(site: Site) -> None:
    site.install("ant", PROVIDER)
    site.install("bee", STORE)
    site.install("cow", SINK)
    site.host().names("bao_event_sinks")
    assert site.imported() == ["ant", "bee", "cow"]
    host = site.host()
    assert site.imported() == []
    assert [cls.name for cls in host.event_sinks()] == ["cow", "event-log"]
    assert site.imported() == ["cow"]


def test_a_backend_is_asked_of_the_one_plugin_that_offers_it(site: Site) -> None:
    site.install("ant", STORE)
    site.install("bee", STORE)
    site.host().names("bao_cache_backends")
    host = site.host()
    backend = host.backend("bee")
    assert backend is not None
    assert backend.name == "bee"
    assert site.imported() == ["bee"]
    assert host.backend("cow") is None
    assert host.names("bao_cache_backends") == ["ant", "bee"]
    assert site.imported() == ["bee"]


def test_entry_points_are_not_read_again_while_the_import_path_is_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("ant", PROVIDER)
    os.utime(site.directory, (1_700_000_000, 1_700_000_000))
    site.host().markers()
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: pytest.fail("read again"))
    assert "ant.lock" in site.host().markers()


def test_another_import_path_is_read_anew_however_old_it_is(site: Site) -> None:
    old = (1_700_000_000, 1_700_000_000)
    os.utime(site.directory, old)
    site.host().markers()
    site.install("ant", PROVIDER)
    os.utime(site.directory, (old[0], old[1] + 1))
    assert "ant.lock" in site.host().markers()


def test_a_change_right_after_looking_is_not_overlooked(site: Site) -> None:
    """Two changes of a directory within one tick of its clock leave the same time stamp."""
    site.install("ant", PROVIDER)
    site.host().markers()
    before = os.stat(site.directory).st_mtime_ns
    site.install("bee", PROVIDER)
    os.utime(site.directory, ns=(before, before))
    assert "bee.lock" in site.host().markers()


def test_an_installed_plugin_is_seen_at_once_and_a_removed_one_is_gone(site: Site) -> None:
    site.host().markers()
    site.install("ant", PROVIDER)
    assert "ant.lock" in site.host().markers()
    for path in sorted(site.directory.glob("bao_ant-1.0.dist-info/*")):
        path.unlink()
    (site.directory / "bao_ant-1.0.dist-info").rmdir()
    assert "ant.lock" not in site.host().markers()


def test_an_edited_plugin_is_asked_again(site: Site) -> None:
    site.install("ant", PROVIDER)
    site.host().markers()
    site.rewrite("ant", STORE)
    host = site.host()
    assert host.names("bao_cache_backends") == ["ant"]
    assert "ant.lock" not in host.markers()


def test_the_identity_changes_with_plugins_and_their_sources_only(site: Site) -> None:
    site.install("ant", PROVIDER)
    first = site.host().identity()
    second = site.host()
    second.workspace_providers()
    assert second.identity() == first
    assert site.host(disabled=["ant"]).identity() != first
    site.rewrite("ant", PROVIDER)
    edited = site.host().identity()
    assert edited != first
    site.install("bee", PROVIDER)
    assert site.host().identity() not in {first, edited}


@pytest.mark.parametrize("damage", [b"", b"x", b"\0" * 500, "cut", "flip"])
def test_a_damaged_inventory_is_made_anew(site: Site, damage: bytes | str) -> None:
    site.install("ant", PROVIDER)
    site.host().markers()
    (file,) = (site.state / "plugins").iterdir()
    whole = file.read_bytes()
    if damage == "cut":
        damage = whole[:-3]
    elif damage == "flip":
        damage = whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]
    assert isinstance(damage, bytes)
    file.write_bytes(damage)
    assert "ant.lock" in site.host().markers()
    mended = file.read_bytes()
    assert "ant.lock" in site.host().markers()
    assert file.read_bytes() == mended, "the mended one is not made anew once more"


def test_a_state_directory_that_cannot_be_written_is_no_problem(site: Site) -> None:
    site.install("ant", PROVIDER)
    site.state.write_text("a file where a directory should be")
    for _ in range(2):
        host = site.host()
        assert "ant.lock" in host.markers()
        assert site.warnings == []


def test_an_import_path_that_is_not_utf_8_is_no_problem(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = tmp_path / os.fsdecode(b"lib\xff")
    strange.mkdir()
    monkeypatch.setattr(sys, "path", [str(strange), *sys.path])
    site.directory = strange
    site.install("ant", PROVIDER)
    for _ in range(2):
        assert "ant.lock" in site.host().markers()
        assert site.warnings == []


# --- what is switched off --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ant", "bao-ant", "bao_ant"])
def test_a_disabled_plugin_is_not_imported_at_all(site: Site, name: str) -> None:
    site.install("ant", PROVIDER)
    site.install("bee", PROVIDER)
    host = site.host(environ={"BAO_DISABLE_PLUGINS": f" {name} ,"})
    assert [cls.name for cls in host.workspace_providers()] == ["bao", "bee"]
    assert "ant.lock" not in host.markers()
    assert site.imported() == ["bee"]
    assert status(host)["ant"] == "disabled"
    assert host.failed_offering("bao_workspace_providers") == []


def test_a_configuration_can_disable_before_the_first_import(site: Site) -> None:
    site.install("ant", PROVIDER)
    asked = []

    def disabled() -> list[str]:
        asked.append(site.imported())
        return ["ant"]

    host = site.host(also_disabled=disabled)
    host.markers()
    assert (asked, site.imported()) == ([[]], [])
    site.host().markers()
    host = site.host(also_disabled=disabled)
    host.markers()
    assert len(asked) == 1, "nobody is asked where everything is known"


def test_a_name_that_is_no_plugin_cannot_be_disabled_in_silence(site: Site) -> None:
    site.install("ant", PROVIDER)
    site.host(disabled=["ent"])
    assert site.warnings == ["there is no plugin 'ent' to disable (installed: ant)"]


def test_what_bao_itself_brings_cannot_be_disabled(site: Site) -> None:
    host = site.host(disabled=["bao"])
    assert [cls.name for cls in host.executors()] == ["local"]
    assert site.warnings == ["'bao' is part of bao and cannot be disabled"]


BROKEN = {
    "raises at import": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "ends its process at import": (
        "import os; os._exit(3)",
        "ended the process that imported it (exit code 3)",
    ),
    "crashes at import": (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "ended the process that imported it (signal 9)",
    ),
    "changes the directory": (
        "import os; os.chdir('/')",
        "changes the working directory when it is imported",
    ),
    "closes files": (
        "import os; os.closerange(0, 3)",
        "closes files that are not its own when it is imported",
    ),
    "closes all files": ("import os; os.closerange(0, 100)", "ended the process"),
    "closes the standard streams": (
        "import sys; sys.stdout.close(); sys.__stdout__.close()",
        "closes the standard streams when it is imported",
    ),
    "exits at import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "lacks a package": (
        "import not_installed_anywhere",
        "No module named 'not_installed_anywhere'",
    ),
    "does not parse": ("def (", "SyntaxError"),
    "raises in a hook": (
        """
        from bao_core.hookspecs import hookimpl
        @hookimpl
        def bao_workspace_providers():
            raise KeyError("gone")
        """,
        "failed in bao_workspace_providers: KeyError: 'gone' (fake_ant/plugin.py:6)",
    ),
    "exits in a hook": (
        """
        from bao_core.hookspecs import hookimpl
        @hookimpl
        def bao_workspace_providers():
            raise SystemExit
        """,
        "failed in bao_workspace_providers: SystemExit",
    ),
    "has a wrong signature": (
        """
        from bao_core.hookspecs import hookimpl
        @hookimpl
        def bao_workspace_providers(tree):
            return []
        """,
        "tree",
    ),
    "misspells a hook": (
        """
        from bao_core.hookspecs import hookimpl
        @hookimpl
        def bao_workspace_provider():
            return []
        """,
        (
            "implements bao_workspace_provider, which is no hook of bao; "
            "did you mean bao_workspace_providers?"
        ),
    ),
    "forgets the marker": (
        "def bao_workspace_providers():\n    return []",
        "does not mark bao_workspace_providers with @hookimpl",
    ),
    "wraps a hook": (
        """
        from bao_core.hookspecs import hookimpl
        @hookimpl(wrapper=True)
        def bao_workspace_providers():
            return (yield)
        """,
        "wraps bao_workspace_providers",
    ),
    "answers nothing": (
        """
        from bao_core.hookspecs import hookimpl
        @hookimpl
        def bao_workspace_providers():
            pass
        """,
        "answered nothing (None) instead of a list in bao_workspace_providers",
    ),
    "answers a class": (
        """
        from bao_core.hookspecs import hookimpl
        @hookimpl
        def bao_workspace_providers():
            return dict
        """,
        "answered the class dict instead of a list",
    ),
    "offers an instance": (
        """
        from bao_core.hookspecs import hookimpl
        @hookimpl
        def bao_workspace_providers():
            return [3]
        """,
        "offered a int instead of a class of WorkspaceProvider",
    ),
    "offers something else": (
        """
        from bao_core.hookspecs import hookimpl
        @hookimpl
        def bao_workspace_providers():
            return [dict]
        """,
        "offered the class dict, which is no WorkspaceProvider",
    ),
    "forgets a method": (
        """
        from bao_core.hookspecs import hookimpl
        from bao_core.interfaces.workspace import WorkspaceProvider
        class Provider(WorkspaceProvider):
            name = "ant"
            manifests = frozenset({"ant.toml"})
        @hookimpl
        def bao_workspace_providers():
            return [Provider]
        """,
        "offered 'ant', which lacks load",
    ),
    "has no name": (
        PROVIDER.replace('name = "NAME"\n', "name = 3\n")
        .replace("NAME", "ant")
        .replace("{{", "{")
        .replace("}}", "}"),
        "whose 'name' is no text",
    ),
    "has strange settings": (
        PROVIDER.replace('name = "NAME"\n', 'name = "ant"; Settings = dict\n')
        .replace("NAME", "ant")
        .replace("{{", "{")
        .replace("}}", "}"),
        "whose 'Settings' is no msgspec Struct",
    ),
    "has a bad marker": (
        PROVIDER.replace("^workspace", "(")
        .replace("NAME", "ant")
        .replace("{{", "{")
        .replace("}}", "}"),
        "no regular expression",
    ),
}


@pytest.mark.parametrize(("source", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_named_and_breaks_only_itself(
    site: Site, source: str, message: str
) -> None:
    site.install("ant", source)
    site.install("bee", PROVIDER)
    host = site.host()
    assert [cls.name for cls in host.workspace_providers()] == ["bao", "bee"]
    (warning,) = site.warnings
    assert warning.startswith("plugin 'ant' (bao-ant 1.0) ")
    assert message in warning
    assert warning.endswith("; it is switched off")
    assert status(host)["ant"] == "failed"
    assert status(host)["bee"] == "active"


def test_a_module_that_is_not_there_is_named(site: Site) -> None:
    site.install("ant", PROVIDER, target="fake_nowhere.plugin")
    host = site.host()
    assert [cls.name for cls in host.workspace_providers()] == ["bao"]
    assert "No module named 'fake_nowhere'" in site.warnings[0]


def test_an_entry_point_must_be_a_module(site: Site) -> None:
    site.install("ant", PROVIDER, target="fake_ant.plugin:Provider")
    site.host().workspace_providers()
    assert "which must be a module" in site.warnings[0]


def test_an_interrupt_is_no_fault_of_the_plugin(site: Site) -> None:
    site.install("ant", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.host().workspace_providers()


@pytest.mark.parametrize(
    "how",
    [
        "print('hello')",
        "import sys; sys.stdout.buffer.write(b'hello')",
        "import sys; print('hello'); sys.stdout.close()",
        "import sys; print('hello'); sys.stdout = None",
        "import sys; sys.stdout.reconfigure(encoding='utf-8'); print('hello')",
    ],
)
def test_a_plugin_that_prints_is_named_and_nothing_reaches_standard_output(
    site: Site, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    site.install("ant", how + PROVIDER.replace("\n    ", "\n"))
    for _ in range(2):
        host = site.host()
        assert [cls.name for cls in host.workspace_providers()] == ["ant", "bao"]
        assert capfd.readouterr().out == ""
        assert site.warnings == [
            "plugin 'ant' (bao-ant 1.0) printed while it was imported: 'hello'"
        ]
    (ant, _) = host.plugins()
    assert ant.remarks == ("prints to standard output while it is imported",)


def test_what_a_program_of_a_plugin_prints_does_not_reach_standard_output(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    site.install("ant", "import os; os.system('echo hello')" + PROVIDER.replace("\n    ", "\n"))
    site.host().workspace_providers()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


def test_a_broken_plugin_is_tried_again_by_the_next_command(site: Site) -> None:
    site.install("ant", "raise RuntimeError")
    site.host().workspace_providers()
    assert site.warnings
    site.rewrite("ant", PROVIDER)
    assert "ant.lock" in site.host().markers()
    assert site.warnings == []


# --- time ------------------------------------------------------------------------------------

QUICK = {"BAO_PLUGIN_TIMEOUT": "0.3"}
UNREACHABLE = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\n"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("while True: pass", " (fake_ant/plugin.py:2)"),
        ("import time; time.sleep(60)", " (fake_ant/plugin.py:2)"),
        ("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()", ""),
        (
            "import time\nwhile True:\n  try: time.sleep(60)\n  except BaseException: pass",
            "",
        ),
        (f"{UNREACHABLE}while True: pass", ""),
    ],
    ids=["loops", "sleeps", "waits", "swallows exceptions", "cannot be reached"],
)
def test_a_plugin_that_hangs_is_named_and_tried_once_only(
    site: Site, source: str, place: str
) -> None:
    site.install("ant", source)
    site.install("bee", PROVIDER)
    host = site.host(environ=QUICK)
    assert [cls.name for cls in host.workspace_providers()] == ["bao", "bee"]
    (warning,) = site.warnings
    assert warning.startswith(
        f"plugin 'ant' (bao-ant 1.0) took longer than 0.3 s to be imported{place}"
    )
    again = site.host(environ=QUICK)
    assert [cls.name for cls in again.workspace_providers()] == ["bao", "bee"]
    assert "ant" not in site.imported()
    assert "`bao plugins`" in site.warnings[0]
    assert status(again)["ant"] == "failed"


def test_a_plugin_that_hung_is_tried_again_when_it_changes_or_all_are(site: Site) -> None:
    site.install("ant", "import time, os\nif 'ANT' not in os.environ: time.sleep(60)")
    site.host(environ=QUICK).markers()
    site.rewrite("ant", PROVIDER)
    assert "ant.lock" in site.host(environ=QUICK).markers()
    site.rewrite("ant", "import time; time.sleep(60)")
    site.host(environ=QUICK).markers()
    host = site.host(environ=QUICK)
    host.try_all()
    assert site.imported() == ["ant"]
    assert status(host)["ant"] == "failed"


def test_a_known_plugin_that_hangs_only_now_is_switched_off(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import os, time\nif 'ANT' in os.environ: time.sleep(60)"
    site.install("ant", source + SINK.replace("\n    ", "\n"))
    site.host().markers()
    monkeypatch.setenv("ANT", "1")
    host = site.host(environ=QUICK)
    assert [cls.name for cls in host.event_sinks()] == ["event-log"]
    assert "took longer than 0.3 s to be imported (fake_ant/plugin.py:3)" in site.warnings[0]


def test_somebody_elses_timer_goes_on(site: Site) -> None:
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        site.install("ant", PROVIDER)
        site.host().workspace_providers()
        assert site.warnings == []
        while not rung:
            signal.pause()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_slow_plugin_is_remarked_upon(site: Site) -> None:
    site.install("ant", "import time; time.sleep(0.6)" + PROVIDER.replace("\n    ", "\n"))
    host = site.host()
    assert "ant.lock" in host.markers()
    (ant, _) = host.plugins()
    assert ant.seconds >= 0.6
    assert ant.remarks[0].startswith("slow: importing it and asking it took ")
    assert site.warnings == []


@pytest.mark.parametrize("value", ["", "soon", "0", "-1", "nan", "inf"])
def test_a_time_that_is_none_changes_nothing(site: Site, value: str) -> None:
    site.install("ant", PROVIDER)
    host = site.host(environ={"BAO_PLUGIN_TIMEOUT": value})
    assert "ant.lock" in host.markers()


# --- versions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bao-core>=9", f"needs bao-core>=9, and this is {__version__}; upgrade bao-core"),
        ("bao_core (>=9,<10)", "upgrade bao-core"),
        ("Bao.Core[testing]~=9.1", "upgrade bao-core"),
        ("bao-core<0.1", f"needs bao-core<0.1, and this is {__version__}; upgrade bao-ant"),
        ("bao-core==0.0.1", "upgrade bao-ant"),
        ("bao-core<0.1; python_version > '3'", "upgrade bao-ant"),
    ],
)
def test_a_distribution_for_another_version_of_core_is_not_imported(
    site: Site, line: str, message: str
) -> None:
    site.install("ant", PROVIDER, requires=("msgspec>=0.1", line))
    site.install("bee", PROVIDER)
    for _ in range(2):
        host = site.host()
        assert [cls.name for cls in host.workspace_providers()] == ["bao", "bee"]
        (warning,) = site.warnings
        assert warning.startswith("plugin 'ant' (bao-ant 1.0) needs bao-core")
        assert message in warning
        assert site.imported() == ["bee"]
        assert [p.name for p in host.failed_offering("bao_workspace_providers")] == ["ant"]


@pytest.mark.parametrize(
    "line",
    [
        "bao-core",
        "bao-core>=0.0.1,<99",
        "bao-core-extras<0.1",
        "bao-core<0.1; extra == 'old'",
        "bao-core<0.1; python_version < '3'",
        "bao-core is what it needs",
    ],
)
def test_what_says_nothing_against_this_version_of_core_is_no_obstacle(
    site: Site, line: str
) -> None:
    site.install("ant", PROVIDER, requires=(line,))
    assert "ant.lock" in site.host().markers()
    assert site.warnings == []


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ('requires = ">=2,<3"', "needs the hook API >=2,<3, and this is 1.0; upgrade bao-core"),
        ("requires: str = '>=1.7'", "upgrade bao-core"),
        ('requires = "<1"', "upgrade bao-ant"),
        ('requires = "1"', "has '1' as its 'requires', which is no range of versions"),
        ('requires = "".join((">=", "2"))', "upgrade bao-core"),
        ("requires = 1", "has 1 as its 'requires'"),
    ],
)
def test_a_plugin_for_another_version_of_the_hook_api_is_refused(
    site: Site, requires: str, message: str
) -> None:
    site.install("ant", requires + PROVIDER.replace("\n    ", "\n"))
    assert [cls.name for cls in site.host().workspace_providers()] == ["bao"]
    (warning,) = site.warnings
    assert warning.startswith("plugin 'ant' (bao-ant 1.0) ")
    assert message in warning


def test_a_plugin_that_is_too_new_is_told_so_before_what_it_lacks_is_missed(site: Site) -> None:
    site.install("ant", 'requires = ">=2"\nfrom bao_core.hookspecs import not_yet_there')
    site.host().markers()
    assert "needs the hook API >=2" in site.warnings[0]
    assert site.imported() == []


@pytest.mark.parametrize("requires", [f">={API_VERSION}", ">=1,<2", "~=1.0", "==1.*", ""])
def test_a_plugin_for_this_version_of_the_hook_api_works(site: Site, requires: str) -> None:
    site.install("ant", f"requires = {requires!r}" + PROVIDER.replace("\n    ", "\n"))
    assert "ant.lock" in site.host().markers()
    assert site.warnings == []


def test_another_version_of_core_asks_every_plugin_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("ant", PROVIDER)
    site.host().markers()
    monkeypatch.setattr("bao_core.plugins.inventory.__version__", "99.0")
    site.host().markers()
    assert site.imported() == ["ant"]


# --- what a broken plugin would have offered -------------------------------------------------


def test_a_plugin_that_broke_is_judged_by_what_it_offered_before(site: Site) -> None:
    site.install("ant", PROVIDER)
    site.host().workspace_providers()
    site.rewrite("ant", "raise RuntimeError('broke')")
    host = site.host()
    assert [cls.name for cls in host.workspace_providers()] == ["bao"]
    (failed,) = host.failed_offering("bao_workspace_providers")
    assert (failed.name, failed.distribution, failed.version) == ("ant", "bao-ant", "1.0")
    assert "broke" in failed.error
    assert host.failed_offering("bao_key_contributors") == []
    assert "ant.lock" in host.markers(), "the root must not move because a provider broke"


def test_a_plugin_that_never_worked_is_judged_by_its_source(site: Site) -> None:
    site.install("ant", "import nothing_like_this" + PROVIDER.replace("\n    ", "\n"))
    host = site.host()
    assert [f.name for f in host.failed_offering("bao_workspace_providers")] == ["ant"]
    assert host.failed_offering("bao_event_sinks") == []


def test_a_plugin_without_any_source_may_have_offered_anything(site: Site) -> None:
    site.install("ant", PROVIDER, target="fake_nowhere.plugin")
    host = site.host()
    for hook in set(HOOKS) - {"bao_workspace_providers"}:
        assert [failed.name for failed in host.failed_offering(hook)] == ["ant"]
    assert host.failed_offering("bao_workspace_providers") == []


@pytest.mark.parametrize(("name", "distribution"), [("workspace-x", ""), ("x", "bao-workspace-x")])
def test_a_plugin_without_a_source_that_is_called_a_workspace_is_missed(
    site: Site, name: str, distribution: str
) -> None:
    """Without it, packages would be missing, and the rest would pass for everything."""
    site.install(name, PROVIDER, distribution=distribution, target="fake_nowhere.plugin")
    failed = site.host().failed_offering("bao_workspace_providers")
    assert [plugin.name for plugin in failed] == [name]


def test_a_plugin_that_fails_only_when_it_is_asked_is_named_then(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("ant", "import os\nos.environ['ANT']" + STORE.replace("\n    ", "\n"))
    monkeypatch.setenv("ANT", "1")
    site.host().names("bao_cache_backends")
    monkeypatch.delenv("ANT")
    host = site.host()
    assert [cls.name for cls in host.event_sinks()] == ["event-log"]
    assert site.warnings == []
    assert host.backend("ant") is None
    assert "KeyError: 'ANT'" in site.warnings[0]


# --- names that clash ------------------------------------------------------------------------


def test_two_offers_of_one_name_name_both_distributions(site: Site) -> None:
    site.install("ant", PROVIDER)
    site.install("bee", PROVIDER.replace('name = "NAME"', 'name = "ant"'))
    for _ in range(2):
        host = site.host()
        (provider,) = [cls for cls in host.workspace_providers() if cls.name == "ant"]
        assert host.distribution_of(provider) == "bao-ant"
        (warning,) = site.warnings
        assert "plugin 'bee' (bao-bee 1.0)" in warning
        assert "plugin 'ant' (bao-ant 1.0)" in warning
        assert [f.name for f in host.failed_offering("bao_workspace_providers")] == ["bee"]


def test_nobody_takes_the_place_of_what_bao_itself_brings(site: Site) -> None:
    site.install("ant", PROVIDER.replace('name = "NAME"', 'name = "bao"'))
    host = site.host()
    (provider,) = host.workspace_providers()
    assert host.distribution_of(provider) == "bao-core"


def test_two_plugins_of_one_name_name_both_distributions(site: Site) -> None:
    site.install("ant", PROVIDER)
    site.install("ant", PROVIDER, distribution="other-ant")
    host = site.host()
    assert len(host.workspace_providers()) == 2
    (warning,) = site.warnings
    assert "plugin 'ant' (other-ant 1.0) has the name of plugin 'ant' (bao-ant 1.0)" in warning


def test_disabling_one_of_two_of_one_name_leaves_the_other_in_peace(site: Site) -> None:
    site.install("ant", PROVIDER)
    site.install("ant", PROVIDER, distribution="other-ant")
    host = site.host(disabled=["bao-ant"])
    assert "ant.lock" in host.markers()
    assert site.warnings == []


def test_a_distribution_with_broken_metadata_hides_no_plugin(site: Site) -> None:
    site.install("ant", PROVIDER)
    broken = site.directory / "strange-1.dist-info"
    broken.mkdir()
    (broken / "entry_points.txt").write_bytes(b"[bao]\n=\n\xff\xfe broken")
    assert "ant.lock" in site.host().markers()


# --- commands --------------------------------------------------------------------------------

COMMAND = """
    from bao_core.hookspecs import CommandSpec, hookimpl

    @hookimpl
    def bao_commands():
        return [CommandSpec("COMMAND", "Say hello.", "TARGET")]
"""


def command(name: str, target: str = "fake_ant.hello:main") -> str:
    return COMMAND.replace("COMMAND", name).replace("TARGET", target)


def test_commands_are_known_without_an_import(site: Site) -> None:
    site.install("ant", command("hello"))
    first = site.host().commands()
    host = site.host()
    assert host.commands() == first
    assert [(spec.name, spec.help, spec.target) for spec in first] == [
        ("hello", "Say hello.", "fake_ant.hello:main")
    ]
    assert site.imported() == []


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("run", "a:b", "which is bao's own"),
        ("Hello You", "a:b", "is no lower-case word"),
        ("hello", "a.b", "is not 'module:name'"),
    ],
)
def test_a_command_that_cannot_be_is_refused(
    site: Site, name: str, target: str, message: str
) -> None:
    site.install("ant", command(name, target))
    assert site.host().commands() == []
    assert message in site.warnings[0]


# --- what `bao plugins` tells ----------------------------------------------------------------


def test_trying_all_finds_what_is_broken(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("ant", "import os\nos.environ['ANT']" + STORE.replace("\n    ", "\n"))
    site.install("bee", STORE)
    monkeypatch.setenv("ANT", "1")
    site.host().names("bao_cache_backends")
    monkeypatch.delenv("ANT")
    host = site.host()
    assert status(host) == {"ant": "not loaded", "bao": "not loaded", "bee": "not loaded"}
    host.try_all()
    assert status(host) == {"ant": "failed", "bao": "active", "bee": "active"}
    bee = next(plugin for plugin in host.plugins() if plugin.name == "bee")
    assert bee.hooks == ("bao_cache_backends",)
    assert bee.offers == {"bao_cache_backends": ("bee",)}
    assert bee.module == "fake_bee.plugin"


def test_the_hooks_are_those_of_the_specification() -> None:
    from bao_core import hookspecs

    manager = pluggy.PluginManager("bao")
    manager.add_hookspecs(hookspecs)
    assert tuple(sorted(name for name in vars(manager.hook) if name.startswith("bao_"))) == HOOKS


def test_typed_answers_are_classes_of_their_interface(site: Site) -> None:
    site.install("ant", STORE)
    host = site.host()
    assert all(issubclass(cls, Executor) for cls in host.executors())
    assert not any(issubclass(cls, CacheBackend) for cls in host.cache_backends())
