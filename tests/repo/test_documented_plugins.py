"""The whole plugins of the reference are installed one at a time, and take part in real runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Acme

PAGES = Path(__file__).parents[2] / "docs" / "reference" / "interfaces"


class Site:
    """A directory on Python's path with one distribution, made of the plugin of a page."""

    def __init__(self, place: Path, page: str) -> None:
        text = (PAGES / f"{page}.md").read_text()
        code = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[-1]
        self.path = str(place)
        (place / "documented_plugin.py").write_text(code)
        info = place / "documented-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: documented\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[bao]\ndocumented = documented_plugin\n")


@pytest.fixture
def installed(tmp_path: Path, acme: Acme) -> object:
    """Installs the plugin of a page for all commands that follow."""

    def install(page: str, *settings: str) -> None:
        place = tmp_path / "site"
        place.mkdir()
        acme.environ["PYTHONPATH"] = Site(place, page).path
        config = acme.root / "bao.toml"
        config.write_text("\n".join((*settings, config.read_text())))

    return install


def offers(acme: Acme) -> dict[str, object]:
    plugins = json.loads(acme.bao("plugins", "--json").stdout)["plugins"]
    return next(plugin for plugin in plugins if plugin["distribution"] == "documented")


@pytest.mark.parametrize(
    ("page", "hook"),
    [
        ("workspace", "bao_workspace_providers"),
        ("keys", "bao_key_contributors"),
        ("cache", "bao_cache_backends"),
        ("executor", "bao_executors"),
        ("scheduler", "bao_schedulers"),
        ("gate", "bao_gates"),
        ("events", "bao_event_sinks"),
    ],
)
def test_a_documented_plugin_is_found_whole(acme: Acme, installed, page: str, hook: str) -> None:
    installed(page)
    plugin = offers(acme)
    assert plugin["version"] == "1.2"
    assert hook in json.dumps(plugin)
    acme.bao("run", "build")
    assert len(acme.outputs()) == 5


def test_a_workspace_provider_adds_its_packages(acme: Acme, installed) -> None:
    installed("workspace")
    (acme.root / "packages" / "printed").mkdir()
    (acme.root / "packages" / "printed" / "Makefile").write_text("all:\n\techo made\n")
    packages = json.loads(acme.bao("ls", "--json").stdout)["packages"]
    assert "make" in {package["provider"] for package in packages if package["name"] == "printed"}


def test_a_key_contributor_changes_every_key_and_no_key_depends_on_its_order(
    acme: Acme, installed
) -> None:
    acme.bao("run", "build")
    installed("keys")
    acme.started()
    acme.bao("run", "build")
    assert sum(acme.started().values()) == 4
    acme.bao("run", "build")
    assert acme.started() == {}


def test_a_configured_executor_runs_the_commands(acme: Acme, installed) -> None:
    installed("executor", 'executor = "nice"')
    summary = acme.root.parent / "summary.json"
    acme.bao("run", "build", "--summary", str(summary))
    tasks = json.loads(summary.read_text())["tasks"]
    assert {task["executor"] for task in tasks if task["outcome"] == "executed"} == {"nice"}
    assert len(acme.outputs()) == 5


def test_a_configured_scheduler_decides_the_order(acme: Acme, installed) -> None:
    installed("scheduler", 'scheduler = "by-id"')
    printed = acme.bao("run", "build", "-j", "1").stdout
    order = re.findall(r"^(\S+)#build: miss", printed, re.MULTILINE)
    assert order == ["@acme/styles", "@acme/widgets", "acme-catalogue", "acme-shop"]


def test_an_event_sink_hears_the_run_and_is_closed(acme: Acme, installed) -> None:
    installed("events")
    done = acme.bao("run", "build")
    assert re.search(r"^slowest: \S+#build, ", done.stdout, re.MULTILINE)
