"""Tasks that nobody declares: what the tools are run with that a package is set up for.

The page `docs/reference/python-tasks.md` tells users what stands here, and is compared with it.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bao_core.globs import check_glob, escape_glob
from bao_core.model import TaskDefinition
from bao_workspace_python.paths import is_outside, resolved
from bao_workspace_python.tasks.files import (
    CONFTEST,
    MYPY,
    PYRIGHT,
    PYTEST,
    RUFF,
    TY,
    ConfigFiles,
    scope_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from bao_core.model import Command
    from bao_workspace_python.tasks.files import Configuration, Tool

LEFTOVERS = (
    "**/{__pycache__,*.egg-info}/**",
    "**/{.pytest_cache,.mypy_cache,.ruff_cache,.hypothesis,htmlcov}/**",
    "**/{.coverage,.coverage.*,coverage.xml}",
    "build/{lib,lib.*,temp.*,bdist.*}/**",
)
"""What Python and its tools leave in a package for themselves, whether git ignores it or not."""

_CHECKERS = (MYPY, PYRIGHT, TY)
_WILD = frozenset("*?[{")
_NO_INPUTS = (
    ("build-system",),
    ("dependency-groups",),
    ("project", "dependencies"),
    ("project", "optional-dependencies"),
    ("tool", "bao"),
    ("tool", "hatch", "envs"),
    ("tool", "pdm", "dev-dependencies"),
    ("tool", "pdm", "scripts"),
    ("tool", "pdm", "workspace"),
    ("tool", "poe"),
    ("tool", "poetry", "dependencies"),
    ("tool", "poetry", "dev-dependencies"),
    ("tool", "poetry", "group"),
    ("tool", "taskipy"),
    ("tool", "uv"),
)
"""Tables of a manifest whose paths lead to packages or to what others run."""


class Subject(Struct, frozen=True):
    """The package that tasks are inferred for.

    Attributes:
        directory: From the root of the workspace.
        document: Its manifest, parsed.
        required: For what is required by the package or by the root: the manifest that does.
        packages: The directories of all packages.
    """

    directory: str
    document: dict[str, Any]
    required: dict[str, str]
    packages: Collection[str]


def test_task(subject: Subject, files: ConfigFiles) -> TaskDefinition | None:
    """`test`: pytest, where there are tests."""
    reason = _reason(PYTEST, subject, files)
    if reason is None or not files.has_tests(subject.directory):
        return None
    return definition("test", ("pytest",), reason, subject, files, (*PYTEST.names, CONFTEST))


def lint_task(subject: Subject, files: ConfigFiles) -> TaskDefinition | None:
    """`lint`: ruff."""
    reason = _reason(RUFF, subject, files)
    if reason is None:
        return None
    return definition(
        "lint",
        ("ruff", "check"),
        reason,
        subject,
        files,
        RUFF.names,
        extended(RUFF, "extend", subject, files),
    )


def typecheck_task(subject: Subject, files: ConfigFiles) -> TaskDefinition | None:
    """`typecheck`: mypy, pyright or ty; the one that the package is set up for best.

    A configuration of the package's own comes before a requirement, and that before a configuration
    further up; mypy, pyright, ty is the order of equals.
    """
    ranked = []
    for tool in _CHECKERS:
        reason = _reason(tool, subject, files)
        if reason is not None:
            found = files.configuration(tool, subject.directory)
            own = found is not None and found.directory == subject.directory
            ranked.append((own, tool.name in subject.required, found is not None, tool, reason))
    if not ranked or not files.has_code(subject.directory):
        return None
    own, _, _, tool, reason = max(ranked, key=lambda entry: entry[:3])
    command = _check_command(tool, subject, files, own=own)
    extends = extended(tool, "extends", subject, files) if tool is PYRIGHT else []
    return definition("typecheck", command, reason, subject, files, tool.names, extends)


def _check_command(tool: Tool, subject: Subject, files: ConfigFiles, *, own: bool) -> Command:
    words = ("ty", "check") if tool is TY else (tool.name,)
    found = files.configuration(tool, subject.directory)
    named = own and found is not None and scope_of(tool, found) is not None
    # Further up, no argument would mean all packages; mypy wants one unless it is told.
    return words if named or (own and tool is not MYPY) else (*words, ".")


def definition(
    name: str,
    command: Command,
    reason: str,
    subject: Subject,
    files: ConfigFiles,
    above: Iterable[str],
    more: Iterable[str] = (),
) -> TaskDefinition:
    """An inferred task that leaves nothing, complete.

    Args:
        name: Of the task.
        command: What it runs.
        reason: What speaks for it.
        subject: The package.
        files: The files of the workspace.
        above: Names of files that count in the directories above the package as well.
        more: Further inputs.
    """
    inputs = (*files.above(subject.directory, above), *more, *_outside(subject))
    return TaskDefinition(
        name,
        command=command,
        inputs=("$default", "^$default", *dict.fromkeys(inputs)),
        inferred=True,
        source=f"inferred from {reason}",
    )


def extended(tool: Tool, key: str, subject: Subject, files: ConfigFiles) -> list[str]:
    """Patterns of the files that a tool's configuration builds on, and those on others."""
    found: list[str] = []
    configuration = files.configuration(tool, subject.directory)
    directory = "" if configuration is None else configuration.directory
    settings = {} if configuration is None else configuration.settings
    while isinstance(written := settings.get(key), str):
        path = resolved(directory, written)
        pattern = "" if path is None or is_outside(path) else f"$root/{escape_glob(path)}"
        if not pattern or path is None or pattern in found:
            break
        found.append(pattern)
        settings = files.settings(tool, path)
        directory = path.rpartition("/")[0]
    return found


def _reason(tool: Tool, subject: Subject, files: ConfigFiles) -> str | None:
    """What speaks for a tool in a package; None where nothing does."""
    configuration = files.configuration(tool, subject.directory)
    if configuration is not None:
        if not _covers(tool, configuration, subject.directory):
            return None
        return configuration.place
    manifest = subject.required.get(tool.name)
    return None if manifest is None else f"the requirement {tool.name} in {manifest}"


def _covers(tool: Tool, configuration: Configuration, directory: str) -> bool:
    """Whether a configuration that names what is checked names something of a package."""
    scope = scope_of(tool, configuration)
    if scope is None or configuration.directory == directory:
        return True
    for pattern in scope:
        literal = []
        for segment in pattern.split("/"):
            if _WILD & set(segment):
                break
            literal.append(segment)
        path = resolved(configuration.directory, "/".join(literal) or ".")
        if path is not None and (_is_below(path, directory) or _is_below(directory, path)):
            return True
    return False


def _outside(subject: Subject) -> Iterator[str]:
    """Patterns of what the manifest names by `../…`: a readme, a stub directory, shared tests."""
    for text in _paths(subject.document, ()):
        path = resolved(subject.directory, text)
        if path is None or is_outside(path) or any(_is_below(p, path) for p in subject.packages):
            continue
        pattern = path if _WILD & set(path) else escape_glob(path)
        if check_glob(pattern) is None:
            yield f"$root/{pattern}"


def _paths(value: object, place: tuple[str, ...]) -> Iterator[str]:
    if place in _NO_INPUTS:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(key, (*place, "(key)"))
            yield from _paths(item, (*place, key))
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, (*place, "(item)"))
    elif isinstance(value, str) and value.startswith("../") and not {*value} & {" ", "\n", "\0"}:
        yield value


def _is_below(path: str, directory: str) -> bool:
    """Whether a path is a directory or lies in it."""
    return not directory or path == directory or path.startswith(f"{directory}/")
