"""The keys of earlier runs, by a hash over all that they were made of.

Working out a thousand keys takes a fifth of a run that finds nothing to do. Where every single
ingredient is as it was in an earlier run, so are the keys.
"""

from __future__ import annotations

from bao_core.digests import hash_text
from bao_core.model import CacheKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bao_core.state import WorkspaceState

_KEPT = 4
"""How many runs are remembered: a few commands that are used in turn."""

_DIGITS = 64
"""Hexadecimal digits of a key."""


class KeyMemo:
    """What is remembered of the keys of whole runs."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state

    def recall(self, ingredients: str, count: int) -> list[CacheKey] | None:
        """The keys of a run with these ingredients; None where it is not remembered.

        Args:
            ingredients: What `hash_of` gave.
            count: How many keys there must be.
        """
        runs = self._state.memory.keys
        for place, (known, joined) in enumerate(runs):
            if known == ingredients and len(joined) * 2 == count * _DIGITS:
                if place < len(runs) - 1:
                    runs.append(runs.pop(place))
                digits = joined.hex()
                starts = range(0, len(digits), _DIGITS)
                return [CacheKey(digits[start : start + _DIGITS]) for start in starts]
        return None

    def remember(self, ingredients: str, keys: Sequence[CacheKey]) -> None:
        """Remember the keys of a run."""
        runs = self._state.memory.keys
        runs[:] = [run for run in runs if run[0] != ingredients][1 - _KEPT :]
        runs.append((ingredients, bytes.fromhex("".join(keys))))
        self._state.mark_changed()


def hash_of(ingredients: Iterable[str]) -> str:
    """A hash over everything that some keys are made of."""
    return hash_text(*ingredients)
