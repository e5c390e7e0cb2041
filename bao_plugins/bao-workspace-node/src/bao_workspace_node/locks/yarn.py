"""What both of Yarn's lock files leave to the root's manifest: `resolutions`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Resolutions:
    """Finds what a dependency means where the root wants something else than is asked for.

    Yarn then locks what the root wants and no longer what was asked for, or, where the wish is for
    the dependencies of some package only, both. Which one a dependency gets follows from its place
    in the tree, which the lock file does not hold: so all that it may be counts.

    Args:
        wanted: What the root wants, by paths such as `name`, `parent/name` or `**/name`.
        index: Nodes by pattern, such as `name@^1`, and all of a name by that name.
        prefix: What stands before a range that names no source.
    """

    def __init__(
        self, wanted: Mapping[str, str], index: dict[str, list[int]], prefix: str = ""
    ) -> None:
        self._index = index
        self._forced: dict[str, list[int]] = {}
        for path, range_ in wanted.items():
            name = _last_name(path)
            found = index.get(f"{name}@{range_}") or index.get(f"{name}@{prefix}{range_}")
            nodes = found or [n for p, own in index.items() if _is_of(p, name, range_) for n in own]
            known = self._forced.setdefault(name, [])
            known.extend(node for node in nodes if node not in known)

    def nodes(self, name: str, range_: str) -> list[int]:
        """The nodes that a dependency may mean; none for what is not locked."""
        found = self._index.get(f"{name}@{range_}")
        forced = self._forced.get(name)
        if forced:
            return list(dict.fromkeys([*(found or ()), *forced]))
        return self._index.get(name, []) if found is None else found

    def index(self) -> dict[str, list[int]]:
        """Nodes by pattern and by name, with what the root wants added to the patterns."""
        index = self._index
        for name, forced in self._forced.items():
            for pattern, nodes in index.items():
                if pattern.startswith(f"{name}@"):
                    index[pattern] = list(dict.fromkeys([*nodes, *forced]))
        return index


def _last_name(path: str) -> str:
    """`@s/name` of `parent/@s/name@npm:^1`."""
    parts = path.split("/")
    last = parts[-1] if len(parts) < 2 or not parts[-2].startswith("@") else "/".join(parts[-2:])  # noqa: PLR2004 - a scope and a name
    at = last.find("@", 1)
    return last if at < 0 else last[:at]


def _is_of(pattern: str, name: str, range_: str) -> bool:
    """Whether a pattern is a longer form of what the root wants, as patches have it."""
    return pattern.startswith((f"{name}@{range_}::", f"{name}@{range_}#"))
