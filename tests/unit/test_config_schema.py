"""The JSON Schema and the reference say what the decoder does."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec import Struct

from bao_core.config import model as config_model
from bao_core.config import records as config_records
from bao_core.config.checks import PATTERNS, check
from bao_core.config.errors import ConfigFile
from bao_core.config.records import PackageTables, RootTables, TaskTable
from bao_core.config.schema import json_schema, record_docs, schema_text
from bao_core.errors import ConfigError
from bao_core.model import FileTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

unhurried = settings(deadline=None)  # a busy machine is no mistake

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SCHEMA = json_schema()

Path_ = tuple[str | int, ...]


class NoFiles(FileTree):
    """A tree without files."""

    def read(self, path: str) -> bytes | None:
        return None

    def entries(self, directory: str) -> Mapping[str, bool]:
        return {}

    def named(self, names: Iterable[str]) -> list[str]:
        return []


def schema_accepts(record: type[Struct], document: Any) -> bool:
    schema = {"$ref": f"#/$defs/{record.__name__}", "$defs": SCHEMA["$defs"]}
    return bool(Draft202012Validator(schema).is_valid(document))


def decoder_accepts(record: type[Struct], document: Any) -> bool:
    try:
        ConfigFile(NoFiles(), "bao.toml").decode(record, document)
    except ConfigError:
        return False
    return True


# --- documents -------------------------------------------------------------------------------


def lists(*entries: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(entries), max_size=3)


def tables(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


VARIABLES = ("CI", "NODE_*", "!NODE_X", "*")
REFERENCES = ("build", "^build", "web#build", "//#gen", "@scope/ui#test:unit", "a b")
tasks = tables(
    command=st.one_of(st.just("make all"), st.just(["make", ""])),
    extends=st.booleans(),
    depends_on=st.lists(
        st.one_of(
            st.sampled_from(REFERENCES),
            st.fixed_dictionaries(
                {"task": st.sampled_from(REFERENCES)},
                optional={"follow": st.sampled_from(["key", "outputs", "none"])},
            ),
        ),
        max_size=3,
    ),
    inputs=lists("$default", "^$default", "src/**", "!src/x", "$root/x", "!$root/*.txt", "\\$a"),
    outputs=lists("dist", "!dist/x", "$root/out/**", "{a,b}/c", "a..b", "..a"),
    env=lists(*VARIABLES),
    pass_through_env=lists(*VARIABLES),
    tools=lists("gcc", "./tool x"),
    cache=st.booleans(),
    clean=st.booleans(),
    persistent=st.booleans(),
    interactive=st.booleans(),
    timeout=st.sampled_from([1, 0.5, "90s", "1h30m", "250ms", "0.5m"]),
    retries=st.integers(0, 3),
    weight=st.integers(1, 3),
    mutex=st.just("db"),
    output_logs=st.sampled_from(["full", "hash-only", "new-only", "errors-only", "none"]),
    tags=lists("slow", "frontend"),
    description=st.just(""),
)
packages = tables(dependencies=lists("web", "@scope/ui", "//"), tags=lists("slow"))
caches = st.lists(
    st.fixed_dictionaries(
        {"name": st.just("team"), "backend": st.sampled_from(["local", "fsspec"])},
        optional={
            "read": st.booleans(),
            "write": st.sampled_from(["always", "never", "trusted"]),
            "url": st.just("s3://bucket"),
            "options": st.just({"a": [1, {}]}),
        },
    ),
    max_size=2,
)
root_documents = tables(
    workspace=tables(packages=lists("packages/*", "!packages/x"), exclude=lists("old")),
    tasks=st.dictionaries(
        st.sampled_from(["build", "web#build", "//#gen", "a:b"]), tasks, max_size=2
    ),
    packages=st.dictionaries(st.sampled_from(["web", "//"]), packages, max_size=2),
    global_inputs=lists("$default", "shared/**", "!x"),
    global_env=lists(*VARIABLES),
    global_pass_through_env=lists(*VARIABLES),
    env_mode=st.sampled_from(["strict", "loose"]),
    concurrency=st.one_of(st.integers(1, 9), st.sampled_from(["50%", "200%"])),
    default_branch=st.just("main"),
    output_logs=st.just("full"),
    cache=caches,
    plugins=tables(
        disable=lists("cache-local"),
        require=lists("workspace-node"),
        settings=st.dictionaries(st.just("python"), st.just({"x": [1, True]}), max_size=1),
    ),
    executor=st.just("local"),
    scheduler=st.just("critical-path"),
)
package_documents = tables(
    name=st.just("web"),
    dependencies=lists("api"),
    tags=lists("slow"),
    tasks=st.dictionaries(st.sampled_from(["build", "a:b"]), tasks, max_size=2),
)
documents = st.one_of(
    root_documents.map(lambda document: (RootTables, document)),
    package_documents.map(lambda document: (PackageTables, document)),
)

OTHER_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, -0.5, [], {}, [1], ["x"], [None], {"x": 1}, [[]], [{}],
    "", " ", "x", "x y", "a,b", "^x", "^", "$x", "$VAR", "#", "a#", "#a", "a#b", "a#b#c", "^a#b",
    "!x", "!!x", "!", "/abs", "!/abs", "../x", "a/../b", "a/..", "..", "$default", "^$default",
    "!$default", "$root/x", "!$root/x", "$root/!x", "$root//x", "$root/../x", "$root/", "A=1",
    "$HOME", "!$HOME", "10%", "0%", "010%", "%", "5m", "5", "0s", "0h0m", "5 m", "m", "1m1", "full",
    "key", "strict", "always", "x\n", "\nx", "5m\n", "50%\n", "a\n#b", "a b ", "é",
]  # fmt: skip
OTHER_NAMES = ["x", "a#b", "", "^a", "commands", "task", "a#b#c", "#", "b ", "dependsOn"]


def places(document: Any, place: Path_ = ()) -> Iterator[Path_]:
    yield place
    if isinstance(document, dict):
        for name, value in document.items():
            yield from places(value, (*place, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from places(value, (*place, index))


def at(document: Any, place: Path_) -> Any:
    for name in place:
        document = document[name]
    return document


@st.composite
def mutated(draw: st.DrawFn) -> tuple[type[Struct], Any]:
    record, document = draw(documents)
    document = deepcopy(document)
    place = draw(st.sampled_from(list(places(document))))
    found = at(document, place)
    changes = ["replace"] * bool(place) + ["add", "rename"] * isinstance(found, dict)
    changes += ["append"] * isinstance(found, list) + ["remove"] * bool(place)
    match draw(st.sampled_from(changes or ["none"])):
        case "replace":
            at(document, place[:-1])[place[-1]] = deepcopy(draw(st.sampled_from(OTHER_VALUES)))
        case "remove":
            del at(document, place[:-1])[place[-1]]
        case "add":
            name = draw(st.sampled_from([*OTHER_NAMES, *TaskTable.__struct_fields__]))
            found[name] = deepcopy(draw(st.sampled_from(OTHER_VALUES)))
        case "rename" if found:
            name = draw(st.sampled_from(list(found)))
            found[draw(st.sampled_from(OTHER_NAMES))] = found.pop(name)
        case "append":
            found.append(deepcopy(draw(st.sampled_from(OTHER_VALUES))))
        case _:
            pass
    return record, document


@unhurried
@given(documents)
def test_both_accept_every_valid_document(found: tuple[type[Struct], Any]) -> None:
    assert schema_accepts(*found)
    assert decoder_accepts(*found)


@unhurried
@given(mutated())
def test_both_say_the_same_of_a_document_with_one_change(found: tuple[type[Struct], Any]) -> None:
    assert schema_accepts(*found) is decoder_accepts(*found)


@unhurried
@given(st.sampled_from(sorted(PATTERNS)), st.text("ab#^$!/.%5smh{}[],\\ \n=", max_size=8))
def test_the_schema_never_refuses_what_a_check_accepts(kind: str, text: str) -> None:
    if check(kind, text) is None:
        assert re.search(PATTERNS[kind], text)


@pytest.mark.parametrize("text", ["[a", "{a,b", "[z-a]", "{a,/b}"])
def test_finer_points_of_globs_are_left_to_the_decoder(text: str) -> None:
    document = {"tasks": {"a": {"inputs": [text]}}}
    assert schema_accepts(RootTables, document)
    assert not decoder_accepts(RootTables, document)


# --- the files in docs/ ----------------------------------------------------------------------


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_in_the_reference_is_up_to_date() -> None:
    assert (REFERENCE / "bao.schema.json").read_text(encoding="utf-8") == schema_text()


def test_a_whole_file_is_that_of_a_root_or_of_a_package() -> None:
    validator = Draft202012Validator(SCHEMA)
    assert validator.is_valid({"global_env": []})
    assert validator.is_valid({"name": "web"})
    assert not validator.is_valid({"name": "web", "global_env": []})


RECORDS = [
    value
    for value in (*vars(config_records).values(), config_model.PluginsTable)
    if isinstance(value, type) and issubclass(value, Struct) and value is not Struct
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_key_is_described(record: type[Struct]) -> None:
    about, fields = record_docs(record)
    assert about
    assert list(fields) == list(record.__struct_fields__)


TEXT = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
SECTIONS = {
    found[1]: section
    for section in re.split(r"^#+ ", TEXT, flags=re.MULTILINE)
    if (found := re.match(r"`([^`]+)`\n", section))
}


@pytest.mark.parametrize(
    ("record", "prefix"),
    [
        (config_records.RootTables, ""),
        (config_records.WorkspaceEntry, "workspace."),
        (config_records.PackageEntry, "packages.NAME."),
        (config_records.CacheEntry, "cache[]."),
        (config_model.PluginsTable, "plugins."),
        (config_records.PackageTables, ""),
        (config_records.TaskTable, "tasks.NAME."),
        (config_records.FollowTable, "tasks.NAME.depends_on[]."),
    ],
)
def test_every_key_has_its_place_in_the_reference(record: type[Struct], prefix: str) -> None:
    told = {heading.removeprefix(prefix) for heading in SECTIONS if heading.startswith(prefix)}
    assert set(record.__struct_fields__) - told == set()


EXAMPLES = re.findall(r"^```(toml|json)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("language", "text"), EXAMPLES)
def test_every_example_of_the_reference_can_be_written(language: str, text: str) -> None:
    if language == "toml":
        import tomllib

        document = tomllib.loads(text)
        document = document.get("tool", {}).get("bao", document)
    else:
        document = json.loads(text)["bao"]
    accepted = [r for r in (RootTables, PackageTables) if decoder_accepts(r, document)]
    assert accepted
    assert Draft202012Validator(SCHEMA).is_valid(document)


@pytest.mark.parametrize("key", SECTIONS)
def test_the_reference_tells_type_default_and_an_example_of_every_key(key: str) -> None:
    section = SECTIONS[key]
    assert re.search(r"^Type: .*Default: ", section, re.MULTILINE | re.DOTALL)
    assert "```" in section
