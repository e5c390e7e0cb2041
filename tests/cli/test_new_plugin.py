"""`bao plugins new` writes a plugin that is whole: installed, it passes its own tests."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from bao_core import __version__
from bao_core.cli.main import invoke
from bao_core.cli.new_plugin import KINDS
from bao_core.hookspecs import API_VERSION

if TYPE_CHECKING:
    from conftest import Environment

SKELETON = Path(invoke.__code__.co_filename).parents[1] / "testing" / "skeleton"


def bao(*words: str, cwd: Path) -> int:
    return invoke(("-C", str(cwd), *words), {})


def contents(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", ["shelf", "in-house"])
def test_what_is_written_passes_its_own_tests_once_installed(
    tmp_path: Path, environment: Environment, name: str
) -> None:
    assert bao("plugins", "new", "cache-backend", name, cwd=tmp_path) == 0
    project = tmp_path / f"bao-cache-{name}"
    environment.install(project)
    done = subprocess.run(
        (environment.bin / "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"),
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_every_file_is_named_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bao("plugins", "new", "cache-backend", "shelf", "there", cwd=tmp_path)
    out, err = capsys.readouterr()
    assert sorted(out.split()) == sorted(f"there/{path}" for path in contents(tmp_path / "there"))
    assert err == 'next: pip install -e "there[test]" && pytest there\n'


def test_every_template_is_written() -> None:
    for kind, files in KINDS.items():
        templates = {path.name for path in (SKELETON / kind).iterdir()}
        assert templates == {template for template, _ in files}


@pytest.mark.parametrize("given", ["night", "cache-night", "bao-cache-night"])
def test_one_word_stands_in_every_spelling_of_the_name(tmp_path: Path, given: str) -> None:
    assert bao("plugins", "new", "cache-backend", given, cwd=tmp_path) == 0
    written = contents(tmp_path / "bao-cache-night")
    assert "shelf" not in "".join((*written, *written.values())).lower()
    project = tomllib.loads(written["pyproject.toml"])["project"]
    assert project["name"] == "bao-cache-night"
    assert project["entry-points"] == {"bao": {"cache-night": "bao_cache_night.plugin"}}
    assert 'name: ClassVar[str] = "night"' in written["src/bao_cache_night/store.py"]


def test_what_is_written_asks_for_this_version_of_bao(tmp_path: Path) -> None:
    bao("plugins", "new", "cache-backend", "night", cwd=tmp_path)
    written = contents(tmp_path / "bao-cache-night")
    lines = tomllib.loads(written["pyproject.toml"])["project"]["dependencies"]
    (core,) = [line for line in map(Requirement, lines) if line.name == "bao-core"]
    major, minor = __version__.split(".")[:2]
    assert core.specifier.contains(__version__)
    assert not core.specifier.contains(f"{major}.{int(minor) + 1}.0")
    space: dict[str, object] = {}
    exec(written["src/bao_cache_night/plugin.py"], space)
    assert isinstance(space["requires"], str)
    wanted = SpecifierSet(space["requires"])
    assert wanted.contains(API_VERSION)
    assert not wanted.contains(str(int(API_VERSION.split(".", maxsplit=1)[0]) + 1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cache-backends", "x"), "(possible: cache-backend); did you mean cache-backend?"),
        (("cache-backend",), "NAME is missing"),
        (("cache-backend", "bao-cache-"), "NAME is missing"),
        (("cache-backend", "Night"), "'Night' is no name for a plugin"),
        (("cache-backend", "a/b"), "'a/b' is no name for a plugin"),
        (("cache-backend", "import"), "'import' is no name for a plugin"),
        (("cache-backend", "night", "full"), "'full' is there already, and not empty"),
        (("cache-backend", "night", "file"), "'file' is there already, and not empty"),
        (("cache-backend", "night", "file/x"), "cannot be written: Not a directory"),
        (("cache-backend", "night", "x", "y"), "unexpected argument 'y'"),
        ((), "KIND NAME [DIRECTORY] is missing"),
    ],
)
def test_what_cannot_be_written_is_a_usage_error(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "of").touch()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    assert invoke(("plugins", "new", *words), {}) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert bao("plugins", "new", "cache-backend", "night", "mine", cwd=tmp_path) == 0
    assert (tmp_path / "mine" / "pyproject.toml").exists()


def test_a_directory_that_is_not_there_is_not_made_for_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bao("plugins", "new", "cache-backend", "night", cwd=tmp_path / "no") == 2
    assert "there is no directory" in capsys.readouterr().err


# --- a group that is a command as well ---------------------------------------------------------


def test_options_may_stand_before_the_command_of_the_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("plugins", "-C", str(tmp_path), "new", "cache-backend", "night")
    assert invoke(words, {}) == 0
    assert (tmp_path / "bao-cache-night").is_dir()
    assert invoke(("plugins", "--json", "new", "cache-backend", "day"), {}) == 2
    assert "--json is no option of bao plugins new" in capsys.readouterr().err


def test_the_group_by_itself_is_still_the_list(tmp_path: Path) -> None:
    done = subprocess.run(
        (Path(sys.executable).with_name("bao"), "plugins", "--json", "-C", tmp_path),
        env={"BAO_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"version":1,"plugins":[')
