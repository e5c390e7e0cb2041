"""Lock files of one directory, read only as far as nobody remembers what is asked."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from bao_core.closures import Closure, ClosureAnswers, ClosureMemory, question_of
from bao_core.digests import hash_text
from bao_workspace_python.locks.reading import FoundLocks, read_contents
from bao_workspace_python.locks.table import LockTable, make_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

SMALL = 1 << 16
"""Bytes. So little is read again in the time that it takes to remember it."""

Requirement = tuple[str, tuple[str, ...], str]
"""A normalised name, normalised extras, and the text to name it by where it is not locked."""


class LockFacts(Struct, frozen=True, array_like=True):
    """What lock files say of the members of their project.

    Attributes:
        edges: Kinds and directories of the members that each depends on, by directory.
        known: Directories of the members that the lock files themselves say the needs of.
    """

    edges: dict[str, list[tuple[str, str]]]
    known: set[str]


class RememberedLock:
    """The lock files of a directory, ready to be asked.

    The members that they are read with are never in a closure, and never entered on the way; other
    packages of the workspace are like any other locked package, since what they need is installed
    from these lock files as well.

    Args:
        found: What lies in the directory.
        members: Directories of the packages of the project, relative to it; None for all that lie
            in it.
        memory: What was read before.
    """

    def __init__(
        self, found: FoundLocks, members: Collection[str] | None, memory: ClosureMemory
    ) -> None:
        self._found = found
        self._members = members
        self._small = sum(map(len, found.files.values())) < SMALL
        self._memory = ClosureMemory(None, "") if self._small else memory
        whose = ("all",) if members is None else ("members", *members)
        content = (part for item in found.files.items() for part in item)
        self._key = self._memory.key("python", *content, *whose)
        self._answers = ClosureAnswers(self._memory, self._key)

    def check(self) -> None:
        """Make sure that they can be used.

        Raises:
            LockBrokenError: One of them cannot.
        """
        _ = self._facts

    @cached_property
    def table(self) -> LockTable:
        """All that they hold. Raises what `check` raises."""
        table = self._memory.recall(LockTable, self._key)
        if table is None:
            table = make_table(read_contents(self._found), self._members)
            self._memory.remember(self._key, table)
        return table

    def knows(self, directory: str) -> bool:
        """Whether they say themselves what a member needs.

        Where they do not, as the formats that hold no entry for the project itself, its
        requirements in the manifest have to be named.
        """
        return directory in self._facts.known

    def edges(self, directory: str) -> Iterable[tuple[str, str]]:
        """Kinds and directories of the members that a member depends on."""
        return self._facts.edges.get(directory, ())

    def closure(self, directory: str, requirements: Sequence[Requirement]) -> Closure:
        """What a member can reach, with all its extras and groups.

        Args:
            directory: The member's.
            requirements: What its manifest asks for; only for a member that is not known. What of
                it is not locked stands in the answer as it is written.
        """
        asked = (f"{name}[{','.join(extras)}]{text}" for name, extras, text in requirements)
        question = question_of(directory, "\0".join(asked))
        answer = None if self._small else self._answers.recall(question)
        if answer is None:
            answer = self._worked_out(directory, requirements)
            if not self._small:
                self._answers.remember(question, answer)
        return answer

    def save(self) -> None:
        """Remember the answers that are new."""
        if not self._small:
            self._answers.save()

    @cached_property
    def _facts(self) -> LockFacts:
        facts = self._memory.recall(LockFacts, self._key)
        if facts is None:
            members = self.table.members
            facts = LockFacts(
                {directory: member.edges for directory, member in members.items() if member.edges},
                {directory for directory, member in members.items() if member.digest},
            )
            self._memory.remember(self._key, facts)
        return facts

    def _worked_out(self, directory: str, requirements: Sequence[Requirement]) -> Closure:
        table = self.table
        mask = table.closure(directory)
        unlocked: set[str] = set()
        for name, extras, text in requirements:
            reached = table.reached_by(name, extras)
            if reached is None:
                unlocked.add(text)
            else:
                mask |= reached
        labels, digest = table.labels(mask), table.digest(mask)
        if unlocked:
            labels = tuple(sorted({*labels, *unlocked}))
        own = table.entry_digest(directory)
        return Closure(labels, hash_text(own, digest, *sorted(unlocked)))
