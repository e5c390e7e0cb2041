"""Which dependency specifications mean a package of the workspace."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from bao_workspace_node.manifest import Manifest

_PROTOCOL = re.compile(r"([a-zA-Z][^:/]*):")
"""Also what looks like one: `git@host:user/repository`."""


class Specifications:
    """Answers which package of the workspace a specification means.

    Args:
        manifests: The packages.
        links: Whether a package answers an ordinary version range.
        catalogs: Specifications by name of a package, by name of a catalog.
    """

    def __init__(
        self,
        manifests: Iterable[Manifest],
        *,
        links: bool,
        catalogs: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._versions: dict[str, str] = {}
        self._names: dict[str, str] = {}
        for manifest in manifests:
            if name := manifest.content.name:
                self._versions[name] = manifest.content.version or ""
                self._names[manifest.directory] = name
        self._links = links
        self._catalogs = catalogs

    @property
    def names(self) -> Iterable[str]:
        """The names of all packages."""
        return self._versions.keys()

    def target(self, directory: str, name: str, specification: str) -> str | None:
        """The package meant, by its name; None for one from outside.

        Args:
            directory: Of the package that depends.
            name: Of what it depends on, as its manifest calls it.
            specification: The version, range, path, protocol or tag beside that name.
        """
        specification = specification.strip()
        found = _PROTOCOL.match(specification)
        protocol = found.group(1) if found else ""
        rest = specification[found.end() :] if found else specification
        match protocol:
            case "workspace":
                return self._in_workspace(directory, name, rest)
            case "catalog":
                return self._in_catalog(directory, name, rest.strip())
            case _ if not self._links:
                return None
            case "file" | "link":
                return self._at(directory, rest) or self._near(directory, name, rest)
            case "":
                return name if self._answers(name, specification) else None
            case _:
                return None

    def _in_workspace(self, directory: str, name: str, rest: str) -> str | None:
        alias, separator, _ = rest.rpartition("@")
        if separator and alias:
            return alias if alias in self._versions else None
        if rest in self._versions:
            return rest
        if "/" in rest or rest in {".", ".."}:
            return self._at(directory, rest) or self._at("", rest)
        return name if name in self._versions else None

    def _in_catalog(self, directory: str, name: str, catalog: str) -> str | None:
        entries = self._catalogs.get("" if catalog == "default" else catalog, {})
        specification = entries.get(name)
        if not isinstance(specification, str) or specification.startswith("catalog:"):
            return None
        return self.target(directory, name, specification)

    def _at(self, directory: str, path: str) -> str | None:
        """The package in a directory, given from another one."""
        return self._names.get(_joined(directory, path))

    def _near(self, directory: str, name: str, path: str) -> str | None:
        """A package of this name, for a path that stays in the workspace and names none."""
        inside = not path.startswith("/") and not _joined(directory, path).startswith("..")
        return name if inside and name in self._versions else None

    def _answers(self, name: str, range_: str) -> bool:
        """Whether the package of this name is what a range, a tag or nothing at all asks for."""
        version = self._versions.get(name)
        if not version:
            # Without a version a package answers nothing that asks for one, not even a tag.
            return version is not None and range_ == "*"
        return range_ in {"", "*"} or _satisfies(version, range_)


def _joined(directory: str, path: str) -> str:
    normal = posixpath.normpath(posixpath.join(directory, path))
    return "" if normal == "." else normal


@lru_cache(maxsize=4096)
def _satisfies(version: str, range_: str) -> bool:
    """Whether a version lies in a range as npm reads it; what is no range is taken for a tag."""
    if version == range_:
        return True
    import nodesemver  # type: ignore[import-untyped]

    try:
        parsed = nodesemver.make_range(range_, loose=False)
    except ValueError:
        return True
    try:
        return bool(parsed.test(version))
    except ValueError:
        return True
