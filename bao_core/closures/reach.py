"""A graph of locked packages, and what can be reached from each."""

from __future__ import annotations

from functools import cached_property
from itertools import compress

from msgspec import Struct

from bao_core.digests import hash_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_DIGITS = bytes.maketrans(b"01", b"\0\1")


class Node(Struct, frozen=True, gc=False):
    """Something that a lock file holds.

    Attributes:
        label: `name@version`. Several nodes may have one label, such as a package and its extras;
            one without a label counts by its digest and its successors only.
        identity: Text that differs when anything about it does: place, source, content hashes.
        successors: The nodes that come with it, by number.
    """

    label: str
    identity: str = ""
    successors: Sequence[int] = ()


class ReachTable(Struct, frozen=True, array_like=True, dict=True):
    """Nodes, and what can be reached from each.

    A set of nodes is a mask: bit i stands for the i-th node in the order of the labels, so that
    what a mask holds comes out sorted.

    Attributes:
        named: Labels, sorted, one a node.
        digests: Of the nodes, in the same order.
        numbers: What `reach_table` was given them as, in the same order.
        groups: The nodes that reach each other, as places in that order; a group comes after all
            that it leads to.
        following: The groups that each leads to at once.
    """

    named: list[str]
    digests: list[str]
    numbers: list[int]
    groups: list[list[int]]
    following: list[list[int]]

    def reach(self, number: int) -> int:
        """What a node can reach, itself included, as a mask; nothing for an unknown number."""
        return self._masks.get(number, 0)

    def reach_all(self, numbers: Iterable[int]) -> int:
        """What any of some nodes can reach."""
        mask = 0
        for number in numbers:
            mask |= self._masks.get(number, 0)
        return mask

    def only(self, numbers: Iterable[int]) -> int:
        """A mask of some nodes, without what they reach."""
        mask = 0
        for number in numbers:
            mask |= 1 << self._positions[number]
        return mask

    def held(self, mask: int) -> tuple[int, ...]:
        """The numbers of the nodes in a mask, in the order of their labels."""
        return tuple(compress(self.numbers, _bits_of(mask)))

    def labels(self, mask: int) -> tuple[str, ...]:
        """`name@version` of what a mask holds, sorted, each once."""
        return self._answer(mask)[0]

    def digest(self, mask: int) -> str:
        """A digest over the labels and identities of what a mask holds."""
        return self._answer(mask)[1]

    def _answer(self, mask: int) -> tuple[tuple[str, ...], str]:
        # Most packages reach the same as some other one.
        known = self._known.get(mask)
        if known is None:
            bits = _bits_of(mask)
            labels = dict.fromkeys(compress(self.named, bits))
            labels.pop("", None)
            # The digests are all of one length, so that joining them is no ambiguity.
            digest = hash_text("".join(compress(self.digests, bits)))
            known = self._known[mask] = (tuple(labels), digest)
        return known

    @cached_property
    def _known(self) -> dict[int, tuple[tuple[str, ...], str]]:
        return {}

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {number: position for position, number in enumerate(self.numbers)}

    @cached_property
    def _masks(self) -> dict[int, int]:
        """What each node reaches, by number."""
        reached: list[int] = []
        found: dict[int, int] = {}
        numbers = self.numbers
        for members, following in zip(self.groups, self.following, strict=True):
            mask = 0
            for position in members:
                mask |= 1 << position
            for group in following:
                mask |= reached[group]
            reached.append(mask)
            for position in members:
                found[numbers[position]] = mask
        return found


def reach_table(nodes: Sequence[Node]) -> ReachTable:
    """Find out what can be reached from where; takes time in proportion to nodes and edges.

    Args:
        nodes: By number. Successors that are no node are left out.
    """
    digests = [hash_text(node.label, node.identity) for node in nodes]
    numbers = sorted(range(len(nodes)), key=lambda number: (nodes[number].label, digests[number]))
    positions = [0] * len(nodes)
    for position, number in enumerate(numbers):
        positions[number] = position
    successors = [[s for s in node.successors if 0 <= s < len(nodes)] for node in nodes]
    groups, group_of = _groups(successors)
    following = []
    for own, members in enumerate(groups):
        targets = {group_of[successor] for number in members for successor in successors[number]}
        following.append(sorted(targets - {own}))
    return ReachTable(
        named=[nodes[number].label for number in numbers],
        digests=[digests[number] for number in numbers],
        numbers=numbers,
        groups=[[positions[number] for number in members] for members in groups],
        following=following,
    )


def _groups(successors: Sequence[Sequence[int]]) -> tuple[list[list[int]], list[int]]:
    """The strongly connected groups, each after those it leads to, and the group of each node.

    Tarjan's algorithm (Depth-first search and linear graph algorithms, 1972) without recursion,
    since a lock file may hold a chain of any length.
    """
    met = [0] * len(successors)  # when, counted from 1
    lowest = [0] * len(successors)  # the earliest that it reaches and that has no group yet
    group_of = [-1] * len(successors)
    groups: list[list[int]] = []
    path: list[int] = []
    walk: list[tuple[int, Iterator[int]]] = []
    for start in range(len(successors)):
        entering = None if met[start] else start
        while entering is not None or walk:
            if entering is not None:
                path.append(entering)
                met[entering] = lowest[entering] = len(groups) + len(path)
                walk.append((entering, iter(successors[entering])))
            number, rest = walk[-1]
            entering = None
            for successor in rest:
                if not met[successor]:
                    entering = successor
                    break
                if group_of[successor] < 0:
                    lowest[number] = min(lowest[number], met[successor])
            else:
                walk.pop()
                if walk:
                    lowest[walk[-1][0]] = min(lowest[walk[-1][0]], lowest[number])
                if lowest[number] == met[number]:
                    groups.append(_taken(path, number, group_of, len(groups)))
    return groups, group_of


def _taken(path: list[int], last: int, group_of: list[int], group: int) -> list[int]:
    """The end of a path from some node on, taken off and put into a group."""
    members: list[int] = []
    while not members or members[-1] != last:
        members.append(path.pop())
        group_of[members[-1]] = group
    return members


def _bits_of(mask: int) -> bytes:
    """The bits of a mask, the lowest first, as bytes that are 0 or 1."""
    return f"{mask:b}"[::-1].encode().translate(_DIGITS)
