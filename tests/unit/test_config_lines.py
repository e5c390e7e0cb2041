"""Finding the line of a key, against files that are written together with their lines."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bao_core.config.lines import find_header, find_lines, format_key, parse_key

if TYPE_CHECKING:
    from bao_core.config.lines import Key

unhurried = settings(deadline=None)  # a busy machine is no mistake

names = st.one_of(
    st.text("ab-_1", min_size=1, max_size=3),
    st.sampled_from(["a b", "a.b", "é", "[x]", "#", "a'b", '"', "a\\b", "{", "="]),
)
texts = st.sampled_from(
    ["", "x", "#", "]", "a\nb", "'", '"', "'''", '"""', "\\", "[[a]]\n[b]\n", "}"]
)
scalars = st.one_of(texts, st.integers(-9, 9), st.booleans(), st.just(1.5))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)
tables = st.dictionaries(names, values, max_size=4)


class Writer:
    """Writes a document in one of many forms and notes the line of each key."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.text = ""
        self.lines: dict[Key, int] = {}

    def choose(self, *choices: str) -> str:
        return self.data.draw(st.sampled_from(choices))

    def note(self, key: Key) -> None:
        self.lines[key] = self.text.count("\n") + 1

    def write(self, text: str) -> None:
        self.text += text


class TomlWriter(Writer):
    def document(self, table: dict[str, Any]) -> None:
        inline: dict[str, Any] = {}
        headed: dict[str, Any] = {}
        for name, value in table.items():
            is_table = isinstance(value, dict)
            is_list = isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            (headed if (is_table or is_list) and self.data.draw(st.booleans()) else inline)[
                name
            ] = value
        self.pairs((), inline)
        for name, value in headed.items():
            self.header((name,), value)

    def header(self, key: Key, value: Any) -> None:
        if isinstance(value, list):
            for index, entry in enumerate(value):
                self.gap()
                self.note((*key, index))
                self.write(f"[[{self.dotted(key)}]]{self.end()}")
                self.body((*key, index), entry)
            self.lines[key] = self.lines[(*key, 0)]
            return
        self.gap()
        self.note(key)
        self.write(f"[{self.choose('', ' ')}{self.dotted(key)}]{self.end()}")
        self.body(key, value)

    def body(self, key: Key, table: dict[str, Any]) -> None:
        later = {
            n: v for n, v in table.items() if isinstance(v, dict) and self.data.draw(st.booleans())
        }
        self.pairs(key, {n: v for n, v in table.items() if n not in later})
        for name, value in later.items():
            self.header((*key, name), value)

    def pairs(self, key: Key, table: dict[str, Any]) -> None:
        for name, value in table.items():
            self.gap()
            self.note((*key, name))
            self.write(self.name(name))
            if isinstance(value, dict) and len(value) == 1 and self.data.draw(st.booleans()):
                [(inner, written)] = value.items()
                self.note((*key, name, inner))
                self.write(f" . {self.name(inner)} = ")
                self.value((*key, name, inner), written)
            else:
                self.write(" = ")
                self.value((*key, name), value)
            self.write(self.end())

    def value(self, key: Key, value: Any) -> None:
        if isinstance(value, dict):
            self.write("{ ")
            for position, (name, inner) in enumerate(value.items()):
                self.write(", " if position else "")
                self.note((*key, name))
                self.write(f"{self.name(name)} = ")
                self.value((*key, name), inner)
            self.write(" }")
        elif isinstance(value, list):
            self.write("[")
            for index, inner in enumerate(value):
                self.write(self.choose("", "\n", " # ] [x]\n\n  "))
                self.note((*key, index))
                self.value((*key, index), inner)
                self.write(self.choose(",", " ,", ", # c\n"))
            self.write("]")
        elif isinstance(value, str):
            self.write(self.string(value))
        else:
            self.write(json.dumps(value))

    def string(self, text: str) -> str:
        forms = [json.dumps(text)]
        if "'" not in text and "\n" not in text:
            forms.append(f"'{text}'")
        if "'''" not in text and not text.endswith("'"):
            forms.append(f"'''\n{text}'''")
        forms.append('"""\n' + json.dumps(text)[1:-1].replace("\\n", "\n") + '"""')
        return self.data.draw(st.sampled_from(forms))

    def name(self, name: str) -> str:
        bare = name.isascii() and all(sign.isalnum() or sign in "-_" for sign in name)
        forms = [json.dumps(name)] + [name] * bare + [f"'{name}'"] * ("'" not in name)
        return self.data.draw(st.sampled_from(forms))

    def dotted(self, key: Key) -> str:
        return self.choose(".", " . ").join(self.name(p) for p in key if isinstance(p, str))

    def gap(self) -> None:
        self.write(self.choose("", "\n", "# [a]\n", "  "))

    def end(self) -> str:
        return self.choose("\n", " # x = 1\n", "\r\n")


class JsonWriter(Writer):
    def value(self, key: Key, value: Any) -> None:
        if isinstance(value, dict):
            self.write("{" + self.space())
            for position, (name, inner) in enumerate(value.items()):
                self.write("," + self.space() if position else "")
                self.note((*key, name))
                self.write(json.dumps(name) + self.space() + ":" + self.space())
                self.value((*key, name), inner)
            self.write(self.space() + "}")
        elif isinstance(value, list):
            self.write("[" + self.space())
            for index, inner in enumerate(value):
                self.write("," + self.space() if index else "")
                self.note((*key, index))
                self.value((*key, index), inner)
            self.write(self.space() + "]")
        else:
            self.write(json.dumps(value))

    def space(self) -> str:
        return self.choose("", " ", "\n", "\r\n\t")


@unhurried
@given(st.data(), tables)
def test_every_key_of_a_toml_file_is_found_on_its_line(
    data: st.DataObject, table: dict[str, Any]
) -> None:
    writer = TomlWriter(data)
    writer.document(table)
    assert tomllib.loads(writer.text) == table
    found = find_lines(writer.text, toml=True)
    assert {key: found.get(key) for key in writer.lines} == writer.lines


@unhurried
@given(st.data(), tables)
def test_every_key_of_a_json_file_is_found_on_its_line(
    data: st.DataObject, table: dict[str, Any]
) -> None:
    writer = JsonWriter(data)
    writer.write(writer.space())
    writer.value((), table)
    assert json.loads(writer.text) == table
    assert find_lines(writer.text, toml=False) == writer.lines


@unhurried
@given(st.data(), tables)
def test_a_header_that_is_found_without_reading_the_rest_is_the_right_one(
    data: st.DataObject, table: dict[str, Any]
) -> None:
    writer = TomlWriter(data)
    writer.document(table)
    for key, line in writer.lines.items():
        assert find_header(writer.text, key) in {None, line}


@pytest.mark.parametrize("quotes", ["'''", '"""'])
def test_a_header_inside_of_a_text_is_none(quotes: str) -> None:
    text = f"x = {quotes}\n[a]\n{quotes}\n[a]\n"
    assert find_header(text, ("a",)) is None
    assert find_lines(text, toml=True)["a",] == 4


@unhurried
@given(st.text("[]{}.=,\"'\\#\n ab1:"), st.booleans())
def test_text_that_does_not_parse_does_no_harm(text: str, toml: bool) -> None:
    find_lines(text, toml=toml)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ((), ""),
        (("tasks", "build"), "tasks.build"),
        (("tool", "bao", "cache", 1, "url"), "tool.bao.cache[1].url"),
        (("tasks", "//#lint", "env", 0), 'tasks."//#lint".env[0]'),
        (("a.b", 2, 3), '"a.b"[2][3]'),
    ],
)
def test_a_key_reads_as_people_write_it_and_back(key: Key, text: str) -> None:
    assert format_key(key) == text
    assert parse_key(text) == key
