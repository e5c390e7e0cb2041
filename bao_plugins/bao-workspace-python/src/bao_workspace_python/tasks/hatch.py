"""Scripts of Hatch environments: `[tool.hatch.envs.NAME.scripts]`, or the same in a `hatch.toml`.

See https://hatch.pypa.io/latest/config/environment/overview/#scripts. They are always run by Hatch,
since the environment is its own.
"""

from __future__ import annotations

from typing import Any

from bao_workspace_python.tasks.declared import Declared, names_of, place_of, table_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT = "default"


def hatch_tasks(
    path: str, text: str, environments: dict[str, Any], prefix: str = "tool.hatch."
) -> Iterator[Declared]:
    """The scripts of all environments.

    A script is called by its own name: where several environments have one of a name, in the
    environment `default` or else in the first; in the others it is called `ENVIRONMENT:NAME`.

    Args:
        path: The file that declares them.
        text: Its content.
        environments: Its tables of environments, by name.
        prefix: Where these stand in the file; may be empty.
    """
    # Hatch's own environments, such as `hatch-test`, serve commands of its own.
    own = {name: table for name, table in environments.items() if not name.startswith("hatch-")}
    taken: set[str] = set()
    for environment in sorted(own, key=lambda name: name != _DEFAULT):
        table = f"{prefix}envs.{environment}.scripts"
        for name, value in names_of(table_at(own, environment, "scripts")):
            if not isinstance(value, (str, list)) or " " in name:
                continue
            full = name if environment == _DEFAULT else f"{environment}:{name}"
            task = full if name in taken else name
            taken.add(name)
            place = place_of(path, text, table, name)
            yield Declared(task, ("hatch", "run", full), f"[{table}]", place)
