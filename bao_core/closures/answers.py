"""Keeping what single packages reach, so that a table is needed only for what is asked anew."""

from __future__ import annotations

from array import array
from operator import itemgetter

from blake3 import blake3
from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.closures.memory import ClosureMemory


class Closure(Struct, frozen=True):
    """What a package can reach in a lock file.

    Attributes:
        labels: `name@version`, sorted.
        digest: Over all that identifies what is reached.
        places: Over where it is installed; empty where that says nothing.
        rest: What else the asker wants to know the next time.
    """

    labels: tuple[str, ...]
    digest: str
    places: str = ""
    rest: tuple[tuple[str, ...], ...] = ()


class _Kept(Struct, frozen=True, array_like=True, gc=False):
    """A closure, its labels as places in the list of all labels."""

    labels: bytes
    digest: str
    places: str
    rest: tuple[tuple[str, ...], ...]


class AnswerTable(Struct, array_like=True):
    """Closures by the question that they answer."""

    labels: list[str]
    kept: dict[str, _Kept]


class ClosureAnswers:
    """What is known of the closures of single packages under one content of a lock file.

    Args:
        memory: Where they are kept.
        key: The lock file's name in it.
    """

    def __init__(self, memory: ClosureMemory, key: str) -> None:
        self._memory = memory
        self._key = key
        known = memory.recall(AnswerTable, key)
        self._table = AnswerTable([], {}) if known is None else known
        self._asked: dict[str, _Kept] = {}
        self._places: dict[str, int] | None = None
        self._spelt: dict[bytes, tuple[str, ...]] = {}

    def recall(self, question: str) -> Closure | None:
        """The answer to a question, if it was remembered."""
        kept = self._table.kept.get(question)
        if kept is None:
            return None
        labels = self._spelt.get(kept.labels)
        if labels is None:
            try:
                labels = _picked(self._table.labels, kept.labels)
            except (IndexError, ValueError):
                return None  # written on a machine of another kind
            self._spelt[kept.labels] = labels
        self._asked[question] = kept
        return Closure(labels, kept.digest, kept.places, kept.rest)

    def remember(self, question: str, answer: Closure) -> None:
        """Take an answer in."""
        places = self._places
        if places is None:
            places = self._places = {label: n for n, label in enumerate(self._table.labels)}
        for label in answer.labels:
            if label not in places:
                places[label] = len(places)
                self._table.labels.append(label)
        packed = array("I", [places[label] for label in answer.labels]).tobytes()
        self._asked[question] = _Kept(packed, answer.digest, answer.places, answer.rest)

    def save(self) -> None:
        """Keep the answers to what was asked, if any is new."""
        if self._places is not None:
            self._memory.remember(self._key, AnswerTable(self._table.labels, self._asked))


def _picked(labels: list[str], packed: bytes) -> tuple[str, ...]:
    """The labels at some places."""
    places = array("I", packed)
    if len(places) < 2:  # noqa: PLR2004 - an itemgetter of one gives no tuple
        return tuple(labels[place] for place in places)
    found: tuple[str, ...] = itemgetter(*places)(labels)
    return found


def question_of(*parts: bytes | str) -> str:
    """A short name for a question, by everything that decides its answer besides the lock file."""
    hasher = blake3()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        hasher.update(b"%d:" % len(data))
        hasher.update(data)
    return hasher.hexdigest(length=16)
