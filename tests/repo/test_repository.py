"""Files of the repository keep to what CONTRIBUTING says of them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

import bao_core
from bao_core import errors

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = [ROOT, *sorted(path.parent for path in ROOT.glob("bao_plugins/*/pyproject.toml"))]
MODULES = sorted(
    path
    for pattern in ("bao_core/**/*.py", "bao_plugins/*/src/**/*.py")
    for path in ROOT.glob(pattern)
)


def texts() -> dict[str, str]:
    """Every text file that belongs to the repository, by its path."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    found = {}
    for name in filter(None, listed):
        try:
            found[name] = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return found


def project(distribution: Path) -> dict[str, object]:
    return tomllib.loads((distribution / "pyproject.toml").read_text())


# --- size and shape ----------------------------------------------------------------------------


def test_no_module_has_more_than_500_lines_and_nine_in_ten_have_fewer_than_350() -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: count for name, count in lengths.items() if count > 500} == {}
    long = {name: count for name, count in lengths.items() if count >= 350}
    assert len(long) <= len(lengths) / 10, long


def test_nothing_is_called_utils() -> None:
    assert [path for path in MODULES if path.stem in {"utils", "util", "helpers", "misc"}] == []


def test_every_module_and_package_says_what_it_is_for() -> None:
    assert [path for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_test_modules_have_names_of_their_own() -> None:
    names = [
        path.stem
        for pattern in ("tests/**/test_*.py", "bao_plugins/*/tests/**/test_*.py")
        for path in ROOT.glob(pattern)
    ]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS[1:], ids=lambda path: path.name)
def test_every_plugin_has_the_same_inside_and_one_name_everywhere(distribution: Path) -> None:
    package = distribution.name.replace("-", "_")
    for name in ("README.md", f"src/{package}/plugin.py", f"src/{package}/py.typed", "tests"):
        assert (distribution / name).exists(), name
    said = project(distribution)["project"]
    assert said["name"] == distribution.name
    word = distribution.name.removeprefix("bao-")
    assert said["entry-points"]["bao"] == {word: f"{package}.plugin"}


# --- words -------------------------------------------------------------------------------------


def test_no_file_names_a_machine_or_a_registry() -> None:
    """A checkout must work elsewhere, and a lock file must not name where it was made."""
    forbidden = re.compile(
        "|".join(
            (
                "/work" + "/(main|shared)",
                "/opt" + "/(bao|pypi|wheels)",
                "/root" + r"/\.",
                "files" + r"\.pythonhosted",
                "pypi" + r"\.org",
                "registry" + r"\.(npmjs|yarnpkg)",
            )
        )
    )
    found = {
        f"{name}: {match.group()}"
        for name, text in texts().items()
        for match in forbidden.finditer(text)
    }
    assert found == set()


def test_nothing_is_left_to_be_done_later() -> None:
    marks = re.compile("TO" + "DO|FIX" + "ME|XX" + "X")
    assert [name for name, text in texts().items() if marks.search(text)] == []


def test_every_suppressed_rule_gives_its_reason() -> None:
    """`# noqa: CODE - reason`; also for the rules that pyproject.toml turns off."""
    bare = [
        f"{name}: {line.strip()}"
        for name, text in texts().items()
        if name.endswith(".py") and "/tests/" not in f"/{name}"
        for line in text.splitlines()
        if "# noqa" in line and not re.search(r"# noqa: [A-Z0-9, ]+ - \w", line)
    ]
    assert bare == []
    ruff = re.search(
        r"^\[tool\.ruff\.lint\]$.*?^\[tool\.ruff\.lint\.flake8",
        (ROOT / "pyproject.toml").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert ruff
    rules = [line for line in ruff.group().splitlines() if re.match(r'\s+"[A-Z]+\d*",', line)]
    assert rules
    assert [line for line in rules if "#" not in line] == []


def test_the_glossary_holds_every_word_once() -> None:
    page = (ROOT / "docs/glossary.md").read_text()
    rows = re.findall(r"^\| ([^|]+?) \|", page, re.MULTILINE)[2:]
    words = [word for row in rows for word in row.split(", ")]
    assert sorted(words) == sorted(set(words))
    needed = """workspace package task transit tier taint gate scheduler executor session affected
        hit miss restore store digest stamp event"""
    assert set(needed.split()) <= {part for word in words for part in word.split()}


# --- versions, errors, changelog ---------------------------------------------------------------


def test_all_distributions_have_the_version_that_bao_says() -> None:
    versions = {path.name: project(path)["project"]["version"] for path in DISTRIBUTIONS}
    assert set(versions.values()) == {bao_core.__version__}, versions


def test_plugins_want_the_core_of_their_own_minor_version() -> None:
    major, minor, _ = bao_core.__version__.split(".")
    wanted = f"bao-core>={major}.{minor},<{major}.{int(minor) + 1}"
    for path in DISTRIBUTIONS[1:]:
        assert wanted in project(path)["project"]["dependencies"], path.name


def error_classes() -> list[type[errors.BaoError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.BaoError)
    ]


def test_every_error_class_has_an_exit_code_of_its_own() -> None:
    codes = [error.exit_code for error in error_classes()]
    assert len(codes) == len(set(codes))
    assert all(code == 2 or 64 <= code < 126 for code in codes)


def test_every_error_class_has_a_row_among_the_exit_codes() -> None:
    page = (ROOT / "docs/reference/exit-codes.md").read_text()
    for error in error_classes():
        row = rf"^\|[^\n]*\b{error.exit_code}\b[^\n]*`{error.__name__}`"
        assert re.search(row, page, re.MULTILINE), error


def test_the_changelog_has_the_shape_of_keep_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert text.startswith("# Changelog\n")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", name) for name in headings[1:])
    dates = [name[-10:] for name in headings[1:]]
    assert all(newer >= older for newer, older in pairwise(dates))
    sections = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert set(sections) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    body = text[text.index("## [Unreleased]") :].splitlines()
    loose = [line for line in body if line and not line.startswith(("#", "- ", "  ", "["))]
    assert loose == []


# --- README and CI -----------------------------------------------------------------------------


def readme_commands() -> list[str]:
    return re.findall(
        r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )


def test_the_readme_has_two_commands_of_one_line_each() -> None:
    commands = readme_commands()
    assert len(commands) == 2
    assert all(command.count("\n") == 1 for command in commands)


def test_the_readme_installs_from_the_checkout_what_it_says() -> None:
    words = readme_commands()[0].split()
    paths = [word for word in words if word == "." or word.startswith("./bao_plugins/")]
    assert paths[0] == "."
    assert {"bao-workspace-python", "bao-workspace-node", "bao-cache-local"} == {
        Path(path).name for path in paths[1:]
    }
    assert all((ROOT / path / "pyproject.toml").is_file() for path in paths)


def test_ci_runs_the_readmes_test_command_to_the_letter() -> None:
    script = ROOT / ".ci/run"
    assert readme_commands()[1] in script.read_text().splitlines(keepends=True)
    assert os.access(script, os.X_OK)


def test_every_link_of_the_readme_and_its_like_leads_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "examples/acme/README.md", "benchmarks/README.md"):
        page = ROOT / name
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{name}: {target}"


def test_the_licence_stands_in_full() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
