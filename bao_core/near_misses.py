"""What somebody may have meant by a name that is not there."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def near_misses(word: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """Names that somebody may have meant: alike, or the same after a scope or in another case."""
    from difflib import get_close_matches

    names = sorted(known)
    lower = word.lower()
    same = [n for n in names if lower in {n.lower(), n.lower().rpartition("/")[2]} and n != word]
    return list(dict.fromkeys([*same, *get_close_matches(word, names, limit)]))[:limit]


def advice(word: str, known: Iterable[str], otherwise: str = "") -> str | None:
    """A hint for an error: the near misses of a name, or something else where there are none."""
    near = near_misses(word, known)
    return f"did you mean {' or '.join(near)}?" if near else otherwise or None
