"""Whatever stands in a manifest, it is read or refused with its place; nothing else comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bao_core.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable

Load = Any  # see conftest.py

VALUES = [
    "3",
    "true",
    "1.5",
    "nan",
    '""',
    '"text"',
    '"../../.."',
    '"\\u0000"',
    "[]",
    "[[]]",
    "[3]",
    '["a", 3]',
    "{}",
    "{ a = 1 }",
    "[{ a = [1] }]",
    "2026-01-01",
    "1" * 5000,
]

KEYS = """\
project
project.name
project.version
project.dependencies
project.optional-dependencies
project.optional-dependencies.x
build-system
build-system.requires
dependency-groups
dependency-groups.x
tool
tool.bao
tool.uv
tool.uv.workspace
tool.uv.workspace.members
tool.uv.workspace.exclude
tool.uv.sources
tool.uv.sources.b
tool.uv.sources.b.path
tool.uv.sources.b.workspace
tool.uv.dev-dependencies
tool.uv.managed
tool.poetry
tool.poetry.name
tool.poetry.version
tool.poetry.package-mode
tool.poetry.dependencies
tool.poetry.dependencies.b
tool.poetry.dependencies.b.path
tool.poetry.dependencies.b.subdirectory
tool.poetry.dependencies.b.extras
tool.poetry.dev-dependencies.b
tool.poetry.group
tool.poetry.group.x
tool.poetry.group.x.dependencies
tool.poetry.group.x.include-groups
tool.pdm
tool.pdm.workspace
tool.pdm.workspace.members
tool.pdm.dev-dependencies
tool.pdm.dev-dependencies.x
tool.hatch
tool.hatch.envs
tool.hatch.envs.x
tool.hatch.envs.x.dependencies
tool.hatch.envs.x.workspace
tool.hatch.envs.x.workspace.members
tool.hatch.envs.x.sources.b
tool.setuptools
tool.setuptools.dynamic.dependencies
tool.setuptools.dynamic.dependencies.file
tool.setuptools.dynamic.optional-dependencies.x
""".split()

BESIDE = '[project]\nname = "b"\nversion = "1"\n'


def refusal(load: Load, files: dict[str, str | bytes]) -> WorkspaceError | None:
    """The error that a workspace is refused with; None where it is read."""
    try:
        load(files)
    except WorkspaceError as error:
        return error
    return None


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("path", ["pyproject.toml", "a/pyproject.toml"])
def test_a_value_of_any_type_is_read_or_refused(
    load: Load, key: str, value: str, path: str
) -> None:
    error = refusal(load, {path: f"{key} = {value}\n", "b/pyproject.toml": BESIDE})
    if error is not None:
        assert error.where == path
        assert error.line == 1 or len(value) > 1000
        assert error.message[0].islower() or error.message[0] in "'["


REQUIREMENTS = st.one_of(
    st.text(max_size=20),
    st.builds(
        lambda *parts: "".join(parts),
        st.sampled_from(["b", "-e ", "", "B.b[x]", " ", "b @", "b@"]),
        st.sampled_from([" ", "", ">=1", "[", "; x", " @ "]),
        st.sampled_from(
            [
                "",
                "../b",
                "{root:uri}/../b",
                "{root:parent:uri}",
                "file:///${PROJECT_ROOT}/../b",
                "file:",
                "{",
                "{root",
                "${PROJECT_ROOT}",
                "/",
                "https://x",
                "#egg=b",
                "..",
                "%zz",
            ]
        ),
        st.sampled_from(["", "#egg=b", ";", " ; python_version > '3'", "#", "?"]),
    ),
)


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.lists(REQUIREMENTS.filter(lambda t: not any(0xD7FF < ord(c) < 0xE000 for c in t))))
def test_a_requirement_of_any_text_is_read_or_refused(load: Load, texts: list[str]) -> None:
    listed = ", ".join(map(quoted, texts))
    manifest = (
        f'[project]\nname = "a"\ndependencies = [{listed}]\n'
        f"[tool.pdm.dev-dependencies]\nx = [{listed}]\n"
    )
    error = refusal(load, {"a/pyproject.toml": manifest, "b/pyproject.toml": BESIDE})
    assert error is None or "does not start with a name" in error.message


WHOLE = """\
[project]
name = "a"
dependencies = ["b>=1"]
[dependency-groups]
dev = [{ include-group = "test" }]
test = ["c"]
[tool.uv.sources]
b = [{ workspace = true }, { path = "../b" }]
[tool.uv.workspace]
members = ["b", "c"]
"""


def cut(text: bytes) -> list[bytes]:
    return [text[:end] for end in range(0, len(text), 3)]


def with_byte(text: bytes) -> list[bytes]:
    return [text[:at] + b"\xff" + text[at:] for at in range(0, len(text), 5)]


@pytest.mark.parametrize("damage", [cut, with_byte])
def test_a_damaged_file_is_read_or_refused(
    load: Load, damage: Callable[[bytes], list[bytes]]
) -> None:
    for data in damage(WHOLE.encode()):
        error = refusal(load, {"pyproject.toml": data, "b/pyproject.toml": BESIDE})
        if error is not None:
            assert error.where == "pyproject.toml"
            assert error.line


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_marks_and_line_ends_of_other_systems_change_nothing(
    load: Load, mark: bytes, newline: bytes
) -> None:
    found = load(
        {
            "pyproject.toml": mark + WHOLE.encode().replace(b"\n", newline),
            "b/pyproject.toml": mark + BESIDE.encode().replace(b"\n", newline),
            "bao.toml": mark + b"[workspace]" + newline + b'exclude = ["c"]' + newline,
            "c/pyproject.toml": BESIDE,
        }
    )
    assert set(found.paths) == {"a", "b"}
    assert found.edges("a") == {"b": "runtime"}
    broken = mark + WHOLE.encode().replace(b'"b>=1"', b"3").replace(b"\n", newline)
    error = refusal(load, {"pyproject.toml": broken})
    assert error is not None
    assert error.line == 3


def test_a_file_that_is_nested_without_end_is_refused(load: Load) -> None:
    deep = "x = " + "[" * 20_000 + "]" * 20_000
    error = refusal(load, {"pyproject.toml": deep})
    assert error is not None
    assert error.message.startswith("is not TOML")
