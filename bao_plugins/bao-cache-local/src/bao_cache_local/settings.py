"""What `[[cache]]` tables with `backend = "local"` may say, and where the cache lies."""

from __future__ import annotations

import os

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MAX_SIZE = 10 << 30
DEFAULT_SHARE = 10
"""Unless the settings say otherwise, the cache takes no more than one part in this many of the
disk it lies on."""

DEFAULT_MAX_AGE = 30 * 86_400.0

_UNLIMITED = "unlimited"
_BINARY = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


class LocalCacheSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a local cache.

    Attributes:
        path: Its directory, from the workspace root; by default the machine's bao cache.
        max_size: Such as `10GiB` or `500MB`, bytes as a number, or `unlimited`.
        max_age: How long something unused is kept, such as `30d`, seconds as a number, or
            `unlimited`.
    """

    path: str | None = None
    max_size: str | int | None = None
    max_age: str | int | None = None

    def __post_init__(self) -> None:
        if self.path is not None and (not self.path or "\0" in self.path):
            raise ValueError("`path` is not the name of a directory")
        parse_size(self.max_size)
        parse_age(self.max_age)

    def size_bound(self, root: str) -> int | None:
        """How many bytes may be kept in a cache that lies at `root`; None for no bound."""
        if self.max_size is not None:
            return parse_size(self.max_size)
        while True:
            try:
                disk = os.statvfs(root)
            except FileNotFoundError:
                root = os.path.dirname(root)
            except OSError:
                return DEFAULT_MAX_SIZE
            else:
                return min(DEFAULT_MAX_SIZE, disk.f_frsize * disk.f_blocks // DEFAULT_SHARE)

    def age_bound(self) -> float | None:
        """How many seconds something unused is kept; None for no bound."""
        return DEFAULT_MAX_AGE if self.max_age is None else parse_age(self.max_age)


def parse_size(text: str | int | None) -> int | None:
    """Bytes from `10GiB`, `500 MB`, `1.5T` (binary, as with `i`) or a number.

    Returns:
        None for `unlimited` and where nothing is said.

    Raises:
        ValueError: It is none of these.
    """
    if text is None or text == _UNLIMITED:
        return None
    if isinstance(text, int):
        _refuse_negative(text, "`max_size`")
        return text
    number, unit = _split_number(text)
    unit = unit.upper()
    units = _DECIMAL if unit.endswith("B") and not unit.endswith("IB") else _BINARY
    factor = units.get(unit.removesuffix("B").removesuffix("I"))
    if number is None or factor is None:
        raise ValueError(f"`max_size` is {text!r}; write it like 10GiB, 500MB or unlimited")
    return int(number * factor)


def parse_age(text: str | int | None) -> float | None:
    """Seconds from `30d`, `12h`, `2w` or a number.

    Returns:
        None for `unlimited` and where nothing is said.

    Raises:
        ValueError: It is none of these.
    """
    if text is None or text == _UNLIMITED:
        return None
    if isinstance(text, int):
        _refuse_negative(text, "`max_age`")
        return float(text)
    number, unit = _split_number(text)
    factor = _SECONDS.get(unit or "s")
    if number is None or factor is None:
        raise ValueError(f"`max_age` is {text!r}; write it like 30d, 12h, 2w or unlimited")
    return number * factor


def cache_directory(path: str | None, root: str, environ: Mapping[str, str]) -> str:
    """Where the cache lies.

    Args:
        path: As the settings say, from the workspace root.
        root: The workspace's root directory.
        environ: Asked for `BAO_CACHE_DIR`, then `XDG_CACHE_HOME`, then `HOME`.
    """
    home = environ.get("HOME") or os.path.expanduser("~")
    if path is not None:
        if path == "~" or path.startswith("~/"):
            path = home + path[1:]
        return os.path.normpath(os.path.join(root, path))
    if chosen := environ.get("BAO_CACHE_DIR"):
        return os.path.abspath(chosen)
    if xdg := environ.get("XDG_CACHE_HOME"):
        return os.path.join(os.path.abspath(xdg), "bao")
    return os.path.join(home, ".bao", "cache")


def _split_number(text: str) -> tuple[float | None, str]:
    unit = text.strip().lstrip("0123456789.")
    try:
        return float(text.strip()[: len(text.strip()) - len(unit)]), unit.strip()
    except ValueError:
        return None, unit


def _refuse_negative(number: float, name: str) -> None:
    if number < 0:
        raise ValueError(f"{name} is negative")
