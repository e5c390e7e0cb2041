"""What somebody may have meant by a name that is not there."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def near_misses(word: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """Names that somebody may have meant.

    First those that are the same but for scope or case, then those that are alike; if there are
    none, those of which a part is alike.
    """
    from difflib import get_close_matches

    names = sorted(name for name in known if name != word)
    lower = word.lower()
    same = [n for n in names if lower in {n.lower(), n.lower().rpartition("/")[2]}]
    found = [*same, *get_close_matches(word, names, limit)]
    if not found:
        parts: dict[str, list[str]] = {}
        for name in names:
            for part in name.translate(_BETWEEN_PARTS).split():
                parts.setdefault(part, []).append(name)
        found = [n for part in get_close_matches(word, parts, limit) for n in parts[part]]
    return list(dict.fromkeys(found))[:limit]


_BETWEEN_PARTS = str.maketrans("@/-_.:", "      ")


def advice(word: str, known: Iterable[str], otherwise: str = "") -> str | None:
    """A hint for an error: the near misses of a name, or something else where there are none."""
    near = near_misses(word, known)
    return f"did you mean {' or '.join(near)}?" if near else otherwise or None
