"""Which versions of bao a plugin says that it works with.

It says so twice, and both have to hold: its distribution depends on a range of versions of
bao-core, as installers know it, and its module may hold `requires = ">=1,<2"`, a range of versions
of the hook API. `docs/reference/plugin-versions.md` tells what each is for.
"""

from __future__ import annotations

import re

from bao_core import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.specifiers import SpecifierSet

_LITERAL = rb"^requires[ \t]*(?::[^=\n]+)?=[ \t]*([\"'])(.*?)\1"


def core_complaint(distribution: str, requirements: Iterable[str]) -> str:
    """What a distribution's dependency on bao-core says against this version; empty if nothing.

    Args:
        distribution: Its name.
        requirements: Its `Requires-Dist` lines. Those that only an extra adds, and those that
            cannot be read, say nothing.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    for line in requirements:
        if "bao" not in line.lower():
            continue
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name.lower())
        marker = requirement.marker
        if name != "bao-core" or (marker is not None and not marker.evaluate({"extra": ""})):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            return (
                f"needs bao-core{requirement.specifier}, and this is {__version__}; "
                f"upgrade {_older(requirement.specifier, __version__, distribution)}"
            )
    return ""


def api_complaint(distribution: str, requires: object) -> str:
    """What a plugin's `requires` says against this version of the hook API; empty if nothing."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    from bao_core.hookspecs import API_VERSION

    try:
        # A text without a comparison, such as "1", is refused as well.
        wanted = SpecifierSet(requires if isinstance(requires, str) else "none")
    except InvalidSpecifier:
        return f"has {requires!r} as its 'requires', which is no range of versions such as '>=1,<2'"
    if wanted.contains(API_VERSION, prereleases=True):
        return ""
    older = _older(wanted, API_VERSION, distribution)
    return f"needs the hook API {requires}, and this is {API_VERSION}; upgrade {older}"


def literal_requires(source: bytes) -> str | None:
    """The `requires` that stands in a module's source, for saying so before it is imported."""
    found = re.search(_LITERAL, source, re.MULTILINE)
    return None if found is None else found.group(2).decode("utf-8", "replace")


def _older(wanted: SpecifierSet, version: str, distribution: str) -> str:
    """Which of the two has to be upgraded: bao-core or the plugin."""
    from packaging.version import Version

    lowest = [
        Version(clause.version.removesuffix(".*"))
        for clause in wanted
        if clause.operator in {">=", ">", "~=", "=="}
    ]
    return "bao-core" if any(bound > Version(version) for bound in lowest) else distribution
