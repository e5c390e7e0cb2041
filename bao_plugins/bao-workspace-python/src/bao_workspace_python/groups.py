"""Dependency groups that include each other."""

from __future__ import annotations

from bao_workspace_python.names import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bao_workspace_python.manifest import Manifest


def check_inclusions(manifest: Manifest, included: Mapping[str, Sequence[str]]) -> None:
    """Refuse groups that include one that is not there, or themselves in the end.

    Args:
        manifest: Where they stand.
        included: The groups that each group includes, as written.

    Raises:
        WorkspaceError: Names the groups.
    """
    written = {normalise(group): group for group in included}
    for group, others in included.items():
        for other in others:
            if normalise(other) not in written:
                raise manifest.error(
                    f"dependency group '{group}' includes '{other}', "
                    f"which is none of its groups ({', '.join(included)})",
                    other,
                )
    if not any(included.values()):
        return
    from graphlib import CycleError, TopologicalSorter

    edges = {normalise(group): list(map(normalise, others)) for group, others in included.items()}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        # Each of its names is included by the next one.
        circle = error.args[1][:0:-1]
        first = circle.index(next(group for group in written if group in circle))
        names = [written[group] for group in (*circle[first:], *circle[: first + 1])]
        raise manifest.error(
            f"dependency groups include each other in a circle: {' -> '.join(names)}",
            line=_line_of_inclusion(manifest, names[0]),
            hint="take one of the inclusions out",
        ) from None


def _line_of_inclusion(manifest: Manifest, group: str) -> int | None:
    """The line where a group is declared: the first that begins with its name."""
    for number, line in enumerate(manifest.text.split("\n"), 1):
        key = line.partition("=")[0].strip().strip("\"'")
        if "=" in line and key == group:
            return number
    return manifest.line_of(group)
