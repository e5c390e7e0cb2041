"""The JSON Schema of configuration files, made from the records that check them.

It is for editors, so it is a little more lenient than bao: what needs the whole workspace, such as
whether a package exists, and the finer points of globs are checked by bao alone.
"""

from __future__ import annotations

import json
import re
from inspect import cleandoc
from typing import Any

from msgspec.json import schema_components

from bao_core.config import model as config_model
from bao_core.config import records as config_records
from bao_core.config.records import PackageTables, RootTables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from msgspec import Struct

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of a `bao.toml`: that of the workspace root, or that of a package."""
    tops, definitions = schema_components((RootTables, PackageTables))
    return {
        "$schema": DRAFT,
        "title": "bao.toml",
        "description": "The configuration of bao for a workspace root, or for one package.",
        "anyOf": list(tops),
        "$defs": {name: _described(name, table) for name, table in sorted(definitions.items())},
    }


def schema_text() -> str:
    """The schema as the file that `bao config --schema` prints."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def record_docs(record: type[Struct]) -> tuple[str, dict[str, str]]:
    """What a record's docstring says: of the record, and of each field by name."""
    text = cleandoc(record.__doc__ or "")
    about, _, attributes = text.partition("\n\nAttributes:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE)
    return _one_line(about), {name: _one_line(said) for name, said in entries}


def _described(name: str, table: dict[str, Any]) -> dict[str, Any]:
    record = getattr(config_records, name, None) or getattr(config_model, name)
    about, fields = record_docs(record)
    described = {**_without_null(table), "description": about}
    del described["title"]
    for key, schema in described["properties"].items():
        described["properties"][key] = {"description": fields[key], **schema}
    return described


def _without_null(schema: Any) -> Any:
    """The schema without the null that stands for a key that is not there."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned = {key: _without_null(item) for key, item in schema.items()}
    if cleaned.get("default", "") is None:
        del cleaned["default"]
    choices = [choice for choice in cleaned.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del cleaned["anyOf"]
        return {**cleaned, **choices[0]}
    if choices:
        cleaned["anyOf"] = choices
    return cleaned


def _one_line(text: str) -> str:
    return " ".join(text.split())
