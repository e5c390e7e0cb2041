"""Mistakes in configuration files: finding the first one, and saying where it stands.

A table is walked over beside the record that it should fit. Only where something does not fit is
the text of the file read again to find the line.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from msgspec import Struct, ValidationError, convert
from msgspec import inspect as kinds

from bao_core.config.checks import check
from bao_core.config.lines import Key, find_header, find_lines, format_key, parse_key
from bao_core.errors import ConfigError
from bao_core.near_misses import near_misses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bao_core.model import FileTree

    Number = kinds.IntType | kinds.FloatType

_Record = TypeVar("_Record", bound=Struct)

_MOST_NAMES = 30
"""How many valid names a message lists."""

_SHAPES: dict[type[kinds.Type], tuple[tuple[type, ...], str]] = {
    kinds.StrType: ((str,), "a text"),
    kinds.BoolType: ((bool,), "true or false"),
    kinds.IntType: ((int,), "a whole number"),
    kinds.FloatType: ((int, float), "a number"),
    kinds.StructType: ((dict,), "a table"),
    kinds.DictType: ((dict,), "a table"),
    kinds.VarTupleType: ((list, tuple), "a list"),
    kinds.ListType: ((list, tuple), "a list"),
    # Null is how JSON leaves a key out; bao wants it left out.
    kinds.NoneType: ((), "nothing"),
}
"""The types of decoded values that fit a kind, and what people call it."""


class ConfigFile:
    """A file with bao's tables, to say where in it something is wrong.

    Attributes:
        path: From the workspace root.
        prefix: The place of the tables in the file, such as `("tool", "bao")`.
    """

    __slots__ = ("_lines", "_text", "_tree", "path", "prefix")

    def __init__(self, tree: FileTree, path: str, prefix: Key = ()) -> None:
        self.path = path
        self.prefix = prefix
        self._tree = tree
        self._text: str | None = None
        self._lines: dict[Key, int] | None = None

    def line(self, key: Key) -> int | None:
        """The one-based line of a key; of the nearest there is where the key itself is missing."""
        toml = self.path.endswith(".toml")
        place = (*self.prefix, *key)
        if self._text is None:
            data = self._tree.read(self.path) or b""
            self._text = data.decode("utf-8-sig", "replace")
        if self._lines is None:
            if toml and (line := find_header(self._text, place)):
                return line
            self._lines = find_lines(self._text, toml=toml)
        lengths = range(len(place), 0, -1)
        return next((self._lines[place[:n]] for n in lengths if place[:n] in self._lines), None)

    def source(self, key: Key) -> str:
        """File and line of a key, such as `bao.toml:12`."""
        line = self.line(key)
        return f"{self.path}:{line}" if line else self.path

    def error(self, key: Key, message: str, hint: str | None = None) -> ConfigError:
        """The error for a mistake at a key."""
        return ConfigError(message, where=self.path, line=self.line(key), hint=hint)

    def decode(
        self,
        record: type[_Record],
        table: Any,
        key: Key = (),
        elsewhere: Mapping[str, str] | None = None,
    ) -> _Record:
        """A table as a record.

        Args:
            record: What the table should fit.
            table: As decoded from the file.
            key: The place of the table, below `prefix`.
            elsewhere: Advice for keys that somebody may write here and that belong elsewhere.

        Raises:
            ConfigError: It does not fit; names the first mistake.
        """
        _Walk(self, elsewhere or {}).check(_kind_of(record), table, key)
        try:
            return convert(table, record)
        except ValidationError as error:
            # A record may have rules of its own, which only it can check.
            said, _, place = str(error).partition(" - at `$")
            inside = parse_key(place.rstrip("`").replace("[...]", ""))
            label = format_key((*key, *inside))
            message = f"{label}: {said[:1].lower()}{said[1:]}" if label else said
            raise self.error((*key, *inside), message) from None


def unknown_name(name: str, known: Collection[str], what: str) -> tuple[str, str | None]:
    """Message and hint for a name that is not among the known ones."""
    near = near_misses(name, known)
    possible = f" (known: {_listed(known)})" if known else ""
    return f"unknown {what} '{name}'{possible}", f"did you mean {near[0]}?" if near else None


def _listed(names: Iterable[str]) -> str:
    every = sorted(names)
    more = ", …" if len(every) > _MOST_NAMES else ""
    return ", ".join(every[:_MOST_NAMES]) + more


@lru_cache(maxsize=64)
def _kind_of(record: type[Struct]) -> kinds.Type:
    return kinds.type_info(record)


class _Walk:
    """Walks over a value beside the kind of value it should be, and raises the first mistake."""

    def __init__(self, file: ConfigFile, elsewhere: Mapping[str, str]) -> None:
        self._file = file
        self._elsewhere = elsewhere

    def check(self, kind: kinds.Type, value: Any, key: Key) -> None:
        if isinstance(kind, kinds.UnionType):
            kind = next((k for k in kind.types if _accepts(k, value)), kind)
        if not _accepts(kind, value):
            raise self._mistake(key, f"must be {_describe(kind)}, not {_describe_value(value)}")
        match kind:
            case kinds.Metadata():
                self.check(kind.type, value, key)
                self._check_text((kind.extra or {}).get("bao"), value, key)
            case kinds.StructType():
                self._check_struct(kind, value, key)
            case kinds.DictType():
                self._check_dict(kind, value, key)
            case kinds.VarTupleType() | kinds.ListType():
                self._check_list(kind, value, key)
            case kinds.LiteralType():
                self._check_choice([str(choice) for choice in kind.values], value, key)
            case kinds.IntType() | kinds.FloatType():
                self._check_number(kind, value, key)
            case _:
                pass  # what else a component may ask for is checked when it is converted

    def _check_text(self, kind: str | None, value: Any, key: Key) -> None:
        if kind is not None and (complaint := check(kind, value)):
            raise self._mistake(key, f"'{value}' {complaint}")

    def _check_struct(self, kind: kinds.StructType, value: Mapping[str, Any], key: Key) -> None:
        fields = {field.encode_name: field for field in kind.fields}
        lenient = _is_own(kind.cls) and not kind.forbid_unknown_fields
        for name, item in value.items():
            if name in fields:
                self.check(fields[name].type, item, (*key, name))
            elif not lenient:
                raise self._unknown_key(name, fields, key)
        for name, field in fields.items():
            if field.required and name not in value:
                place = f"{format_key(key)}: " if key else ""
                raise self._file.error(key, f"{place}'{name}' is missing")

    def _check_dict(self, kind: kinds.DictType, value: Mapping[str, Any], key: Key) -> None:
        for name, item in value.items():
            self.check(kind.key_type, name, (*key, name))
            self.check(kind.value_type, item, (*key, name))

    def _check_list(
        self, kind: kinds.VarTupleType | kinds.ListType, value: Collection[Any], key: Key
    ) -> None:
        for index, item in enumerate(value):
            self.check(kind.item_type, item, (*key, index))
        if kind.min_length is not None and len(value) < kind.min_length:
            raise self._mistake(key, f"must have {kind.min_length} or more entries")
        if kind.max_length is not None and len(value) > kind.max_length:
            raise self._mistake(key, f"must have {kind.max_length} or fewer entries")

    def _check_choice(self, choices: Collection[str], value: Any, key: Key) -> None:
        if str(value) not in choices:
            near = near_misses(str(value), choices)
            hint = f"did you mean '{near[0]}'?" if near else None
            raise self._mistake(key, f"must be {_either(choices)}, not '{value}'", hint)

    def _check_number(self, kind: Number, value: float, key: Key) -> None:
        for fits, words, bound in (
            (kind.ge is None or value >= kind.ge, "at least", kind.ge),
            (kind.gt is None or value > kind.gt, "more than", kind.gt),
            (kind.le is None or value <= kind.le, "at most", kind.le),
            (kind.lt is None or value < kind.lt, "less than", kind.lt),
        ):
            if not fits:
                raise self._mistake(key, f"must be {words} {bound}, not {value}")

    def _unknown_key(self, name: str, known: Collection[str], key: Key) -> ConfigError:
        message, hint = unknown_name(name, known, "key")
        place = f"{format_key(key)}: " if key else ""
        if not key and name in self._elsewhere:
            hint = self._elsewhere[name]
        return self._file.error((*key, name), place + message, hint)

    def _mistake(self, key: Key, message: str, hint: str | None = None) -> ConfigError:
        place = f"{format_key(key)}: " if key else ""
        return self._file.error(key, f"{place}{message}", hint)


def _is_own(record: type) -> bool:
    """Whether a record is bao's own, which lets further keys through only on purpose."""
    return record.__module__ == "bao_core.config.records"


def _accepts(kind: kinds.Type, value: Any) -> bool:
    """Whether a value is of the right type, whatever it holds."""
    if isinstance(kind, kinds.Metadata):
        return _accepts(kind.type, value)
    if isinstance(kind, kinds.UnionType):
        return any(_accepts(inner, value) for inner in kind.types)
    if isinstance(kind, kinds.LiteralType):
        return type(value) in {type(choice) for choice in kind.values}
    types, _ = _SHAPES.get(type(kind), ((object, bool), ""))
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _describe(kind: kinds.Type) -> str:
    if isinstance(kind, kinds.Metadata):
        return _describe(kind.type)
    if isinstance(kind, kinds.UnionType):
        named = [_describe(t) for t in kind.types if not isinstance(t, kinds.NoneType)]
        return " or ".join(dict.fromkeys(named))
    if isinstance(kind, kinds.LiteralType):
        return _either([str(value) for value in kind.values])
    if isinstance(kind, kinds.VarTupleType | kinds.ListType):
        return (
            f"a list of {_describe(kind.item_type).removeprefix('a ').replace(' or a ', 's or ')}s"
        )
    return _SHAPES.get(type(kind), ((), "something else"))[1]


def _describe_value(value: Any) -> str:
    if value is None:
        return "null; leave the key out instead"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text '{value}'"
    if isinstance(value, int | float):
        return f"the number {value}"
    types: dict[type[Any], str] = {list: "a list", tuple: "a list", dict: "a table"}
    return types.get(type(value), "a date or a time")


def _either(choices: Collection[str]) -> str:
    *most, last = (f"'{choice}'" for choice in choices)
    return f"{', '.join(most)} or {last}" if most else last
