"""Sizes and ages are written as people write them; everything else is refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from bao_cache_local.settings import DEFAULT_MAX_SIZE, LocalCacheSettings, parse_age, parse_size

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GiB", 10 << 30),
        ("10 GiB", 10 << 30),
        ("500MB", 500_000_000),
        ("1.5T", 3 << 39),
        ("64k", 64 << 10),
        ("100", 100),
        ("100B", 100),
        (100, 100),
        ("0", 0),
        ("unlimited", None),
        (None, None),
    ],
)
def test_sizes(text: Any, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("30d", 30 * 86_400),
        ("12h", 43_200),
        ("2w", 14 * 86_400),
        ("90 m", 5400),
        ("1.5d", 129_600),
        ("60", 60),
        (60, 60),
        ("unlimited", None),
    ],
)
def test_ages(text: Any, age: float | None) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize(
    "settings",
    [
        {"max_size": "10 apples"},
        {"max_size": "GiB"},
        {"max_size": -1},
        {"max_size": "1.2.3G"},
        {"max_age": "soon"},
        {"max_age": "30 days"},
        {"max_age": -5},
        {"path": ""},
        {"maxsize": "1G"},
        {"max_size": [1]},
    ],
)
def test_nonsense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, LocalCacheSettings)


def test_the_default_is_no_more_than_a_tenth_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Disk:
        f_frsize = 4096
        f_blocks = 10 << 20

    monkeypatch.setattr("os.statvfs", lambda _path: Disk)
    assert LocalCacheSettings().size_bound(str(tmp_path)) == 4 << 30
    Disk.f_blocks = 1 << 40
    assert LocalCacheSettings().size_bound(str(tmp_path)) == DEFAULT_MAX_SIZE
    assert LocalCacheSettings(max_size="64GiB").size_bound(str(tmp_path)) == 64 << 30


def test_bounds_of_a_cache_that_is_not_there_yet(tmp_path: Path) -> None:
    bound = LocalCacheSettings().size_bound(str(tmp_path / "not" / "yet"))
    assert bound is not None
    assert 0 < bound <= DEFAULT_MAX_SIZE
    assert LocalCacheSettings().age_bound() == 30 * 86_400
    assert LocalCacheSettings(max_age="unlimited", max_size="unlimited").age_bound() is None
