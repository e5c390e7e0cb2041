"""Keys: framing, what is kept of parts, and how a difference is told."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from bao_core.keys import (
    FEW_PARTS,
    StoredParts,
    compute_key,
    decode_parts,
    encode_parts,
    explain_difference,
    storable_parts,
)

PARTS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=6)


@given(PARTS, PARTS)
def test_equal_keys_mean_equal_parts(a: dict[str, str], b: dict[str, str]) -> None:
    assert (compute_key(a) == compute_key(b)) == (a == b)


@given(PARTS)
def test_the_order_of_parts_does_not_count(parts: dict[str, str]) -> None:
    assert compute_key(dict(reversed(parts.items()))) == compute_key(parts)


def test_text_cannot_move_from_a_name_to_a_value_or_to_the_next_part() -> None:
    variants = [
        {"a": "bc"},
        {"ab": "c"},
        {"a": "b", "c": ""},
        {"a": "", "bc": ""},
        {"a": "1:b1:c"},
        {"a": "b1:c1:d"},
        {"a": "b", "c": "d"},
    ]
    assert len({compute_key(parts) for parts in variants}) == len(variants)


def test_a_key_is_the_same_in_every_process_and_release_of_its_format() -> None:
    assert compute_key({"input:a": "100644 x", "command": "true"}) == (
        "bf1de2f3b70fc40dc83c6d4f93370c8793dedd7056c641635abb09ae33770def"
    )


def test_bytes_that_are_not_text_can_be_part_of_a_name() -> None:
    assert compute_key({"input:\udcff": "x"}) != compute_key({"input:\udcfe": "x"})


def test_bytes_that_are_not_text_are_stored_as_what_can_be_read() -> None:
    stored = storable_parts({"input:\udcff": "a \udcfe", "input:é": "ü", "env:A": "0123456789"})
    assert stored.parts == {"input:\\xff": "a \\xfe", "input:é": "ü", "env:A": "0123"}
    assert decode_parts(encode_parts(stored)) == stored


@given(PARTS)
def test_stored_parts_come_back(parts: dict[str, str]) -> None:
    stored = storable_parts(parts, ("a@1",), ("b@2",))
    assert decode_parts(encode_parts(stored)) == stored


def test_few_parts_and_many_come_back_and_are_small() -> None:
    for count in (100, 10_000):
        stored = storable_parts({f"input:{n}": "100644 same" for n in range(count)})
        blob = encode_parts(stored)
        assert decode_parts(blob) == stored
        assert len(blob) < count * 8, "it is compressed"
        assert decode_parts(blob[:-1]) is None


def test_parts_that_would_unpack_to_more_than_bao_packs_are_not_unpacked() -> None:
    assert decode_parts(zlib.compress(bytes(10 * FEW_PARTS))) is None


@given(st.binary(max_size=50))
def test_damaged_parts_are_none_and_never_an_error(data: bytes) -> None:
    decoded = decode_parts(data)
    assert decoded is None or isinstance(decoded, StoredParts)


def test_of_an_environment_value_only_a_tag_is_kept() -> None:
    stored = storable_parts({"env:TOKEN": "0123456789abcdef", "input:a": "0123456789abcdef"})
    assert stored.parts == {"env:TOKEN": "0123", "input:a": "0123456789abcdef"}


def explained(before: dict[str, str], after: dict[str, str], **lock: tuple[str, ...]) -> list[str]:
    old = StoredParts(before, lock.get("old", ()), lock.get("old_root", ()))
    new = StoredParts(after, lock.get("new", ()), lock.get("new_root", ()))
    return [reason.text for reason in explain_difference(old, new)]


def test_each_kind_of_difference_is_said_in_its_own_words() -> None:
    assert explained({"input:src/a.py": "1"}, {"input:src/a.py": "2"}) == ["input src/a.py changed"]
    assert explained({}, {"input:src/a.py": "2"}) == ["input src/a.py added"]
    assert explained({"input:src/a.py": "1"}, {}) == ["input src/a.py removed"]
    assert explained({"upstream:lib#build": "1"}, {"upstream:lib#build": "2"}) == [
        "upstream lib#build changed"
    ]
    assert explained({"env:MODE": "1"}, {"env:MODE": "2"}) == ["env MODE changed"]
    assert explained({"command": "a"}, {"command": "b"}) == ["command changed: a → b"]
    assert explained({"tool:protoc": "1"}, {"tool:protoc": "2"}) == ["tool protoc changed"]
    assert explained({"python:version": "3.11"}, {"python:version": "3.12"}) == [
        "python:version changed: 3.11 → 3.12"
    ]


def test_a_lock_difference_names_what_changed_with_both_versions() -> None:
    texts = explained(
        {"lock": "1"},
        {"lock": "2"},
        old=("requests@2.31", "urllib3@2.0"),
        new=("requests@2.32", "urllib3@2.0", "idna@3.7"),
    )
    assert texts == ["lock: idna (absent) → 3.7", "lock: requests 2.31 → 2.32"]


def test_scoped_names_keep_their_at_sign() -> None:
    texts = explained({"lock": "1"}, {"lock": "2"}, old=("@s/a@1",), new=("@s/a@2",))
    assert texts == ["lock: @s/a 1 → 2"]


def test_a_new_artefact_of_the_same_version_is_said() -> None:
    texts = explained({"lock": "1"}, {"lock": "2"}, old=("a@1",), new=("a@1",))
    assert texts == ["lock: artefacts of the same versions changed"]


@given(PARTS, PARTS)
def test_there_is_a_reason_for_every_difference_and_for_nothing_else(
    before: dict[str, str], after: dict[str, str]
) -> None:
    texts = explained(before, after)
    assert bool(texts) == (before != after)
    assert len(set(texts)) == len(texts)


def test_the_likeliest_cause_comes_first() -> None:
    texts = explained(
        {"upstream:a#b": "1", "input:x": "1", "platform": "a"},
        {"upstream:a#b": "2", "input:x": "2", "platform": "b"},
    )
    assert texts[0] == "input x changed"
    assert texts[-1] == "upstream a#b changed"
