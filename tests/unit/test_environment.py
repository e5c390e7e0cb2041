"""Environments: what a task sees, and what of it is in its key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bao_core.environment import key_values, matching_names, task_environment


def environment(environ: dict[str, str], **options: object) -> dict[str, str]:
    arguments = {
        "declared": (),
        "passed_through": (),
        "strict": True,
        "bin_directories": (),
        "extra": {},
        **options,
    }
    return task_environment(environ, **arguments)  # type: ignore[arg-type]


def test_a_strict_task_sees_only_what_was_declared_passed_through_or_is_standard() -> None:
    seen = environment(
        {"A": "1", "B": "2", "C": "3", "HOME": "/h", "PATH": "/bin"},
        declared=("A",),
        passed_through=("B",),
    )
    assert seen == {"A": "1", "B": "2", "HOME": "/h", "PATH": "/bin", "LANG": "C.UTF-8"}


def test_a_loose_task_sees_everything() -> None:
    seen = environment({"A": "1", "PATH": "/bin", "LANG": "de_DE"}, strict=False)
    assert seen == {"A": "1", "PATH": "/bin", "LANG": "de_DE"}


def test_locale_and_time_zone_are_fixed_unless_declared() -> None:
    environ = {"LANG": "de_DE", "LC_ALL": "de_DE", "TZ": "Asia/Tokyo", "PATH": "/bin"}
    assert environment(environ) == {"LANG": "C.UTF-8", "PATH": "/bin"}
    assert environment(environ, declared=("LANG", "LC_*", "TZ")) == environ


def test_the_packages_own_programs_come_first_on_the_path() -> None:
    seen = environment({"PATH": "/bin"}, bin_directories=("/w/a/bin", "/w/bin"))
    assert seen["PATH"] == "/w/a/bin:/w/bin:/bin"


def test_wildcards_choose_what_is_set_and_plain_names_count_even_unset() -> None:
    environ = {"APP_A": "1", "APP_B": "2", "OTHER": "3"}
    assert matching_names(("APP_*", "!APP_B", "MISSING"), environ) == ["APP_A", "MISSING"]


@given(st.permutations(["APP_*", "!APP_B", "X", "!X"]))
def test_the_order_of_patterns_does_not_count(patterns: list[str]) -> None:
    assert matching_names(tuple(patterns), {"APP_A": "", "APP_B": "", "X": ""}) == ["APP_A"]


def test_a_name_is_matched_whole_and_literally() -> None:
    assert matching_names(("A.C", "PRE*"), {"ABC": "", "APRE": "", "PREX": "1"}) == ["A.C", "PREX"]


def test_unset_and_empty_are_different_values() -> None:
    values = key_values(("A", "B"), {"A": ""})
    assert values["A"] != values["B"]
    assert values["B"] == "unset"


def test_a_value_is_hashed() -> None:
    values = key_values(("TOKEN",), {"TOKEN": "secret"})
    assert "secret" not in values["TOKEN"]
    assert values != key_values(("TOKEN",), {"TOKEN": "secret2"})
