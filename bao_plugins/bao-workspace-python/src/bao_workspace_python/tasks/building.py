"""The inferred task `build`."""

from __future__ import annotations

import re

from msgspec.structs import replace

from bao_workspace_python.names import normalise
from bao_workspace_python.paths import ancestors
from bao_workspace_python.tasks.declared import table_at
from bao_workspace_python.tasks.files import HATCH_FILE, PYPROJECT
from bao_workspace_python.tasks.inference import definition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.model import TaskDefinition
    from bao_workspace_python.tasks.files import ConfigFiles
    from bao_workspace_python.tasks.inference import Subject

COMMANDS = {
    # Without it, uv puts what it builds of a workspace member into the root's folder.
    "uv": ("uv", "build", "--out-dir", "dist"),
    "poetry": ("poetry", "build"),
    "pdm": ("pdm", "build"),
    "hatch": ("hatch", "build"),
    "": ("python", "-m", "build"),
}
"""How each tool builds a package into its `dist`; the last is for where there is none of them."""

OUTPUTS = ("dist/**",)

_LOCKS = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm"}
_FROM_GIT = re.compile(r"vcs|scm|git|dynamic-version|versioneer|versioningit|dunamai|^pbr$")
"""Build requirements that take the version from git's history, which is no input."""

_VIRTUAL = (
    ("uv", "package"),
    ("poetry", "package-mode"),
    ("pdm", "distribution"),
)
"""Where each tool says that there is nothing to build."""


def build_task(subject: Subject, files: ConfigFiles) -> TaskDefinition | None:
    """`build`: source distribution and wheel, where there is a build backend."""
    document = subject.document
    if "build-system" not in document:
        return None
    tools = table_at(document, "tool")
    if any(table_at(tools, tool).get(key) is False for tool, key in _VIRTUAL):
        return None
    place = f"{subject.directory}/{PYPROJECT}" if subject.directory else PYPROJECT
    reason = f"[build-system] in {place}"
    cache = not _takes_version_from_git(subject)
    if not cache:
        reason += "; not cached, since the version comes from git"
    command = COMMANDS[_builder(subject, files)]
    task = definition("build", command, reason, subject, files, (PYPROJECT,))
    return replace(task, outputs=OUTPUTS, cache=cache)


def _builder(subject: Subject, files: ConfigFiles) -> str:
    """The tool that the package is built with: by the nearest lock file, else by its tables."""
    places = (subject.directory, *ancestors(subject.directory))
    for place in places:
        for name, tool in _LOCKS.items():
            if files.has(place, name):
                return tool
    for place in places:
        tools = table_at(files.document(place), "tool")
        for tool in _LOCKS.values():
            if tool in tools:
                return tool
        if "envs" in table_at(tools, "hatch") or files.has(place, HATCH_FILE):
            return "hatch"
    return "hatch" if "hatch" in subject.required else ""


def _takes_version_from_git(subject: Subject) -> bool:
    requires = table_at(subject.document, "build-system").get("requires")
    if table_at(subject.document, "tool", "pdm", "version").get("source") == "scm":
        return True
    if not isinstance(requires, list):
        return False
    names = (re.match(r"\s*([\w.-]+)", text) for text in requires if isinstance(text, str))
    return any(name is not None and _FROM_GIT.search(normalise(name[1])) for name in names)
