"""Holding a `turbo.json` against the keys that there are."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from bao_core.near_misses import near_misses
from bao_workspace_node.turbo.keys import (
    OLD_PACKAGE,
    OLD_ROOT,
    OLD_TASK,
    PACKAGE,
    ROOT,
    STRUCTURED_INPUT,
    TASK,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bao_core.errors import ConfigError
    from bao_workspace_node.turbo.files import TurboFile
    from bao_workspace_node.turbo.jsonc import Key
    from bao_workspace_node.turbo.keys import Known

_SHAPES: dict[str, tuple[tuple[type, ...], str]] = {
    "flag": ((bool,), "true or false"),
    "text": ((str,), "a text"),
    "number": ((int, float), "a number"),
    "texts": ((list,), "a list of texts"),
    "inputs": ((list,), "a list of texts"),
    "table": ((dict,), "an object"),
    "tasks": ((dict,), "an object"),
}
_MOST_NAMES = 12


class Checked(Struct, frozen=True):
    """A file whose keys and types are right.

    Attributes:
        tasks: Their tables by name, as the file writes them.
        tasks_key: Where they stand: `tasks` or `pipeline`.
        ignored: Keys that the file has and bao does not act on, as people write them.
    """

    file: TurboFile
    tasks: dict[str, dict[str, Any]]
    tasks_key: str
    ignored: tuple[str, ...]

    @property
    def old(self) -> bool:
        """Whether it is written for turbo 1."""
        return self.tasks_key == "pipeline"


def check_root(file: TurboFile) -> Checked:
    """Check the file of the root.

    Raises:
        ConfigError: A key is not known, or holds what it cannot hold.
    """
    old = "pipeline" in file.table
    elsewhere = {"extends": "only the file of a package extends another one"}
    return _check(file, {**ROOT, **OLD_ROOT} if old else ROOT, old=old, elsewhere=elsewhere)


def check_package(file: TurboFile) -> Checked:
    """Check the file of a package; see `check_root`."""
    old = "pipeline" in file.table
    elsewhere = dict.fromkeys({*ROOT} - {*PACKAGE}, "it stands in the turbo.json of the root only")
    return _check(
        file, {**PACKAGE, **OLD_PACKAGE} if old else PACKAGE, old=old, elsewhere=elsewhere
    )


def _check(
    file: TurboFile, known: Mapping[str, Known], *, old: bool, elsewhere: Mapping[str, str]
) -> Checked:
    if old and "tasks" in file.table:
        raise file.error(
            ("pipeline",), "'pipeline' is the old name of 'tasks', which is there as well",
            "remove one of them",
        )  # fmt: skip
    walk = _Walk(file, {**TASK, **OLD_TASK} if old else TASK)
    walk.table(file.table, (), known, elsewhere)
    name = "pipeline" if old else "tasks"
    return Checked(file, file.table.get(name, {}), name, tuple(dict.fromkeys(walk.ignored)))


class _Walk:
    """Walks over a file's values beside what they should be."""

    def __init__(self, file: TurboFile, task: Mapping[str, Known]) -> None:
        self._file = file
        self._task = task
        self.ignored: list[str] = []

    def table(
        self,
        table: dict[str, Any],
        key: Key,
        known: Mapping[str, Known],
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        for name, value in table.items():
            expected = known.get(name)
            place = (*key, name)
            if expected is None:
                raise self._unknown(place, known, elsewhere or {})
            known_before = len(self.ignored)
            self._value(value, place, expected)
            if not expected.effect:
                # What stands inside is ignored with it; what is off is off without bao as well.
                used = not (expected.silent or value is False)
                self.ignored[known_before:] = [_without_task(place)] if used else []

    def _value(self, value: Any, key: Key, expected: Known) -> None:
        if expected.kind == "any":
            return
        types, what = _SHAPES[expected.kind]
        # To Python a flag is a number as well.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise self._wrong(key, what, value)
        if expected.words and value not in expected.words:
            raise self._file.error(
                key,
                f"{label(key)}: '{value}' is none of {', '.join(expected.words)}",
                _did_you_mean(str(value), expected.words),
            )
        self._inside(value, key, expected)

    def _inside(self, value: Any, key: Key, expected: Known) -> None:
        match expected.kind:
            case "table" if expected.keys:
                self.table(value, key, expected.keys)
            case "tasks":
                for name, task in value.items():
                    if not isinstance(task, dict):
                        raise self._wrong((*key, name), "an object", task)
                    self.table(task, (*key, name), self._task)
            case "texts" | "inputs":
                self._entries(value, key, expected.kind)
            case _:
                pass

    def _entries(self, entries: list[Any], key: Key, kind: str) -> None:
        for index, entry in enumerate(entries):
            if kind == "inputs" and isinstance(entry, dict):
                self._structured(entry, (*key, index))
            elif not isinstance(entry, str):
                raise self._wrong((*key, index), "a text", entry)

    def _structured(self, entry: dict[str, Any], key: Key) -> None:
        self.table(entry, key, STRUCTURED_INPUT)
        if "mode" not in entry:
            raise self._file.error(
                key, f"{label(key)}: an object among the inputs needs a 'mode'", "jit, for example"
            )
        if "from" in entry and entry["mode"] != "dependencyOutputs":
            raise self._file.error(
                (*key, "from"), f"{label(key)}: 'from' goes with mode 'dependencyOutputs' alone"
            )

    def _wrong(self, key: Key, what: str, value: Any) -> ConfigError:
        return self._file.error(key, f"{label(key)}: should be {what}, not {_shape(value)}")

    def _unknown(
        self, key: Key, known: Mapping[str, Known], elsewhere: Mapping[str, str]
    ) -> ConfigError:
        name = str(key[-1])
        where = f" in {label(key[:-1])}" if key[:-1] else ""
        hint = elsewhere.get(name) or _old_advice(key) or _did_you_mean(name, known)
        names = sorted(known)
        more = ", …" if len(names) > _MOST_NAMES else ""
        possible = hint or f"known: {', '.join(names[:_MOST_NAMES])}{more}"
        return self._file.error(key, f"unknown key '{name}'{where}", possible)


def label(key: Key) -> str:
    """A place as people write it: `tasks.build.env[0]`."""
    return "".join(_steps(key)).removeprefix(".") or "the file"


def _steps(key: Key) -> Iterator[str]:
    for part in key:
        yield f"[{part}]" if isinstance(part, int) else f".{part}"


def _without_task(key: Key) -> str:
    """A key without the task that it stands in."""
    return label(key[2:] if key[0] in {"tasks", "pipeline"} else key)


def _did_you_mean(word: str, known: Mapping[str, Known] | tuple[str, ...]) -> str | None:
    near = near_misses(word, known)
    return f"did you mean {' or '.join(near)}?" if near else None


def _old_advice(key: Key) -> str | None:
    old = OLD_ROOT if len(key) == 1 else OLD_TASK
    if key[-1] not in old:
        return None
    return "it was there in turbo 1, and bao reads it where the tasks stand under 'pipeline'"


def _shape(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"
