"""The example workspace goes through everything that README and tutorial say of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Acme

ROOT = Path(__file__).parents[2]
EVERYTHING = {
    "prices python3": 1,
    "catalogue python3": 2,
    "styles sed": 1,
    "widgets python3": 1,
    "widgets grep": 3,
    "shop python3": 2,
}
"""What a cold `bao run build test` starts."""

BELOW_STYLES = {
    "styles sed": 1,
    "widgets python3": 1,
    "widgets grep": 3,
    "shop python3": 2,
}


def build_all(acme: Acme) -> None:
    acme.bao("run", "build", "test")
    assert acme.started() == EVERYTHING


def test_packages_of_both_kinds_stand_in_one_graph(acme: Acme) -> None:
    packages = json.loads(acme.bao("ls", "--json").stdout)["packages"]
    dependencies = {
        package["name"]: package["dependencies"] for package in packages if package["path"]
    }
    assert dependencies == {
        "@acme/styles": [],
        "@acme/widgets": ["@acme/styles"],
        "acme-catalogue": ["acme-prices"],
        "acme-prices": [],
        "acme-shop": ["@acme/widgets", "acme-catalogue"],
    }


def test_a_cold_run_runs_everything_once_and_a_second_run_nothing(acme: Acme) -> None:
    build_all(acme)
    built = acme.outputs()
    assert sorted(built) == [
        "packages/catalogue/dist/catalogue.json",
        "packages/shop/dist/index.html",
        "packages/shop/dist/widgets.js",
        "packages/styles/dist/styles.css",
        "packages/widgets/dist/widgets.js",
    ]
    acme.bao("run", "build", "test")
    assert acme.started() == {}
    assert acme.outputs() == built


def test_deleted_outputs_come_back_without_running_anything(acme: Acme) -> None:
    build_all(acme)
    built = acme.outputs()
    for folder in acme.root.glob("packages/*/dist"):
        shutil.rmtree(folder)
    acme.bao("run", "build", "test")
    assert acme.started() == {}
    assert acme.outputs() == built


def test_an_edit_runs_what_depends_on_it_across_kinds_and_nothing_else(acme: Acme) -> None:
    build_all(acme)
    acme.edit("packages/styles/src/button.css", "#b22222", "#cc0000")
    acme.bao("run", "build", "test")
    assert acme.started() == BELOW_STYLES
    assert b"#cc0000" in acme.outputs()["packages/shop/dist/widgets.js"]


def test_an_undone_edit_is_a_hit(acme: Acme) -> None:
    build_all(acme)
    built = acme.outputs()
    acme.edit("packages/styles/src/button.css", "#b22222", "#cc0000")
    acme.bao("run", "build")
    acme.started()
    acme.edit("packages/styles/src/button.css", "#cc0000", "#b22222")
    acme.bao("run", "build", "test")
    assert acme.started() == {}
    assert acme.outputs() == built


def test_affected_selects_what_a_change_reaches_and_says_why(acme: Acme) -> None:
    build_all(acme)
    acme.git("switch", "-q", "-c", "red")
    acme.edit("packages/styles/src/button.css", "#b22222", "#cc0000")
    packages = json.loads(acme.bao("ls", "--affected", "--json").stdout)["packages"]
    assert [package["name"] for package in packages] == [
        "@acme/styles",
        "@acme/widgets",
        "acme-shop",
    ]
    assert all(package["reasons"] for package in packages)
    acme.bao("run", "test", "--affected")
    assert acme.started() == BELOW_STYLES


def test_nothing_affected_runs_nothing_and_succeeds(acme: Acme) -> None:
    done = acme.bao("run", "test", "--affected")
    assert acme.started() == {}
    assert "affected" in done.stdout + done.stderr


def test_a_declared_variable_runs_the_tasks_that_declare_it(acme: Acme) -> None:
    build_all(acme)
    acme.bao("run", "build", ACME_CURRENCY="GBP")
    assert acme.started() == {"catalogue python3": 1, "shop python3": 1}
    assert "£" in acme.outputs()["packages/shop/dist/index.html"].decode()


def test_why_names_the_change_and_what_it_came_through(acme: Acme) -> None:
    build_all(acme)
    acme.edit("packages/styles/src/button.css", "#b22222", "#cc0000")
    assert "src/button.css" in acme.bao("why", "@acme/styles#build").stdout
    assert "@acme/widgets#build" in acme.bao("why", "acme-shop#build").stdout


def test_lint_fails_on_a_tab_and_names_the_place(acme: Acme) -> None:
    acme.bao("run", "lint")
    acme.edit("packages/styles/src/base.css", "  margin", "\tmargin")
    done = acme.bao("run", "lint", code=1)
    assert "src/base.css:4: tab" in done.stdout + done.stderr


def test_the_tour_ends_well(tmp_path: Path) -> None:
    """The README's first command leads through it."""
    done = subprocess.run(
        ("sh", str(ROOT / "examples" / "tour.sh")),
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "BAO": str(Path(sys.executable).with_name("bao")),
        },
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "acme-shop" in done.stdout
