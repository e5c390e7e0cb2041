"""The environment of a task: which variables it sees, and which of them are in its key."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from bao_core.digests import hash_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STANDARD = frozenset(
    """
    PATH HOME USER LOGNAME SHELL TERM COLORTERM TERMINFO NO_COLOR FORCE_COLOR CLICOLOR
    CLICOLOR_FORCE COLUMNS LINES TMPDIR TMP TEMP CI
    HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS
    SSH_AUTH_SOCK XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR
    LD_LIBRARY_PATH DYLD_LIBRARY_PATH DISPLAY WAYLAND_DISPLAY SYSTEMROOT
    """.split()
)
"""Variables that every task sees in strict mode and that no key holds."""

LOCALE = "C.UTF-8"


def matching_names(patterns: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Names that patterns choose: those named without a wildcard even where they are not set.

    Args:
        patterns: Names, in which `*` stands for any characters and a leading `!` excludes.
        environ: The variables that there are.

    Returns:
        Sorted names.
    """
    if not patterns:
        return []
    wanted, unwanted, literal = _compiled(tuple(patterns))
    names = {name for name in environ if wanted.match(name)} if wanted else set()
    names.update(literal)
    if unwanted:
        names = {name for name in names if not unwanted.match(name)}
    return sorted(names)


@lru_cache(maxsize=256)
def _compiled(
    patterns: tuple[str, ...],
) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None, tuple[str, ...]]:
    positive = [p for p in patterns if not p.startswith("!")]
    wild = [p for p in positive if "*" in p]
    negative = [p[1:] for p in patterns if p.startswith("!")]
    literal = tuple(p for p in positive if "*" not in p)
    return _either(wild), _either(negative), literal


def _either(patterns: Iterable[str]) -> re.Pattern[str] | None:
    alternatives = [re.escape(p).replace(r"\*", ".*") for p in patterns]
    return re.compile(f"(?:{'|'.join(alternatives)})\\Z", re.DOTALL) if alternatives else None


def key_values(patterns: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """What the key holds of declared variables: a hash of each value, or `unset`."""
    return {
        name: hash_text(environ[name]) if name in environ else "unset"
        for name in matching_names(patterns, environ)
    }


def task_environment(
    environ: Mapping[str, str],
    *,
    declared: Sequence[str],
    passed_through: Sequence[str],
    strict: bool,
    bin_directories: Sequence[str],
    extra: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment that a task's command gets.

    Args:
        environ: The environment of the bao command.
        declared: Patterns of variables that are in the key.
        passed_through: Patterns of variables that are not.
        strict: Whether the task sees only these and the standard ones.
        bin_directories: Absolute directories that come first on PATH.
        extra: Variables that the package or bao sets.
    """
    if strict:
        chosen = {name: environ[name] for name in STANDARD if name in environ}
        for patterns in (declared, passed_through):
            for name in matching_names(patterns, environ):
                if name in environ:
                    chosen[name] = environ[name]
        chosen.setdefault("LANG", LOCALE)
    else:
        chosen = dict(environ)
    inherited = chosen.get("PATH") or os.defpath
    chosen["PATH"] = os.pathsep.join([*bin_directories, inherited])
    chosen.update(extra)
    return chosen
