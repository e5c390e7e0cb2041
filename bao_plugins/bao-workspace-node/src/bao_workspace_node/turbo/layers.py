"""What single files say of tasks, and putting that together by inheritance."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from bao_workspace_node.turbo.checking import label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bao_core.errors import ConfigError
    from bao_workspace_node.turbo.checking import Checked
    from bao_workspace_node.turbo.files import TurboFile
    from bao_workspace_node.turbo.jsonc import Key

EXTENDS = "$TURBO_EXTENDS$"
DEFAULT = "$TURBO_DEFAULT$"
VARIABLES = ("env", "passThroughEnv")
LISTS = ("dependsOn", "dotEnv", "env", "inputs", "outputs", "passThroughEnv", "tags", "with")
SCALARS = ("cache", "description", "interactive", "interruptible", "outputLogs", "persistent")


class Written(Struct, frozen=True):
    """A text of a list, and where it stands."""

    text: str
    file: TurboFile
    key: Key

    def error(self, message: str, hint: str | None = None) -> ConfigError:
        """The error for a mistake in it."""
        return self.file.error(self.key, f"{label(self.key)}: {message}", hint)


class Layer(Struct, frozen=True):
    """What one file says of one task.

    Attributes:
        scalars: Values by key.
        lists: Lists by key, without `$TURBO_EXTENDS$`.
        appended: Keys of the lists that are added to what is inherited.
        fresh: Nothing is inherited.
    """

    file: TurboFile
    key: Key
    scalars: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, tuple[Written, ...]] = field(default_factory=dict)
    appended: frozenset[str] = frozenset()
    fresh: bool = False

    @property
    def removes(self) -> bool:
        """Whether the task is not there from here on."""
        return self.fresh and not self.lists and not self.scalars.keys() - {"description"}


class Said(Struct, frozen=True):
    """What all layers of a task come to.

    Attributes:
        source: The layer that spoke last.
    """

    source: Layer
    scalars: dict[str, Any]
    lists: dict[str, tuple[Written, ...]]

    def texts(self, name: str) -> tuple[Written, ...]:
        """A list; empty where nothing is said."""
        return self.lists.get(name, ())


def read_layers(checked: Checked, *, root: bool) -> dict[str, Layer]:
    """The layers of a file, by the name of the task as it stands there.

    Raises:
        ConfigError: A task says what it cannot say.
    """
    return {
        name: _read_layer(checked.file, (checked.tasks_key, name), table, root=root)
        for name, table in checked.tasks.items()
    }


def _read_layer(file: TurboFile, key: Key, table: Mapping[str, Any], *, root: bool) -> Layer:
    if root and "extends" in table:
        raise file.error(
            (*key, "extends"),
            f"{label(key)}: 'extends' of a task goes only into the file of a package",
        )
    scalars = {name: table[name] for name in SCALARS if name in table}
    if "outputMode" in table:
        scalars.setdefault("outputLogs", table["outputMode"])
    lists = {
        name: tuple(_written(file, (*key, name), table[name])) for name in LISTS if name in table
    }
    for name, texts in lists.items():
        _check_list(name, texts)
    return Layer(
        file,
        key,
        scalars,
        {name: tuple(t for t in texts if t.text != EXTENDS) for name, texts in lists.items()},
        frozenset(name for name, texts in lists.items() if any(t.text == EXTENDS for t in texts)),
        table.get("extends") is False,
    )


def _written(file: TurboFile, key: Key, entries: Iterable[Any]) -> Iterator[Written]:
    for index, entry in enumerate(entries):
        place = (*key, index)
        if isinstance(entry, str):
            yield Written(entry, file, place)
            continue
        if entry.get("withDefaults"):
            yield Written(DEFAULT, file, place)
        if entry["mode"] == "jit":
            globs = entry.get("globs", ())
            yield from _written(file, (*place, "globs"), globs)
        # What was made upstream counts anyway. Without other patterns the list must not be empty,
        # which would mean the default.
        yield Written("!", file, place)


def _check_list(name: str, texts: Iterable[Written]) -> None:
    for written in texts:
        text = written.text
        if text == EXTENDS:
            continue
        if name in VARIABLES:
            check_variable(written)
        if name == "dependsOn" and text.startswith("$"):
            raise written.error(
                f"'{text}' is a variable, and tasks depend on tasks", f"move '{text[1:]}' to env"
            )
        if name == "with" and text.startswith("^"):
            raise written.error(f"'{text}': 'with' names single tasks, without '^'")


def check_variable(written: Written) -> None:
    """Refuse the old way of writing a variable."""
    if written.text.startswith("$"):
        raise written.error(
            f"'{written.text}' has a '$', which no variable needs",
            f"write '{written.text.lstrip('$')}'",
        )


def read_texts(file: TurboFile, key: Key, entries: Iterable[str]) -> tuple[Written, ...]:
    """A list of texts that stands outside of the tasks."""
    return tuple(_written(file, key, entries))


def merge(layers: Sequence[Layer]) -> Said | None:
    """What layers come to, each of them inheriting from those before; None if nothing is left."""
    scalars: dict[str, Any] = {}
    lists: dict[str, tuple[Written, ...]] = {}
    source: Layer | None = None
    for layer in layers:
        if layer.fresh:
            scalars, lists = {}, {}
        source = None if layer.removes else layer
        scalars.update(layer.scalars)
        for name, texts in layer.lists.items():
            lists[name] = (*lists.get(name, ()), *texts) if name in layer.appended else texts
    return None if source is None else Said(source, scalars, lists)
