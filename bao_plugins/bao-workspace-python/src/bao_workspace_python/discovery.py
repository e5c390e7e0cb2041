"""Finding packages that nothing declares.

Whatever is left out here is not lost to cache keys: its files are still inputs of the package
around it.
"""

from __future__ import annotations

from bao_workspace_python.manifest import MANIFEST
from bao_workspace_python.paths import ancestors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.model import FileTree

_MATERIAL = frozenset(
    """
    test tests testing testdata test-data fixture fixtures
    template templates cookiecutter
    vendor vendored third-party thirdparty
    node-modules site-packages venv virtualenv pycache dist
    """.split()
)
"""Directories below which manifests are data: for tests, for templates, or of somebody else."""

_ASIDE = frozenset("example examples sample samples demo demos doc docs tutorial tutorials".split())
"""Directories in which manifests may be packages, and may as well repeat each other's names."""

_BRACES = ("{{", "{%", "[[")
"""In the name of a directory: a template that is to be filled in."""


def undeclared_directories(tree: FileTree) -> list[str]:
    """Directories with a listed manifest that may make a package, without the root.

    Returns:
        Each after those above it.
    """
    found = [path.rpartition("/")[0] for path in tree.named([MANIFEST])]
    return sorted(
        (directory for directory in found if directory and not _is_material(directory)),
        key=lambda directory: (directory.count("/"), directory),
    )


def is_aside(directory: str) -> bool:
    """Whether a directory is, or lies in, one with examples or documentation."""
    return not _ASIDE.isdisjoint(map(_word, directory.split("/")))


def _is_material(directory: str) -> bool:
    # A package may well be called `testing`; what lies below `testing` is something else.
    above = [_word(part) for part in ancestors(directory)[0].split("/")]
    return not _MATERIAL.isdisjoint(above) or any(
        part.startswith(".") or any(brace in part for brace in _BRACES)
        for part in directory.split("/")
    )


def _word(part: str) -> str:
    return part.lower().replace("_", "-").strip("-")
