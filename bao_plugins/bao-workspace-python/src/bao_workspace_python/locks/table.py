"""Lock files of one directory, ready to be asked."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from msgspec import Struct

from bao_core.closures import Node, ReachTable, reach_table
from bao_core.digests import hash_text
from bao_workspace_python.locks.records import EVERYTHING, Edge, Entry, LockContent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence


class Member(Struct, frozen=True, array_like=True):
    """What lock files say of a package of the project.

    Attributes:
        edges: Kinds and directories of the members that it depends on.
        nodes: Numbers of the nodes that it asks for.
        digest: Over its own entries; empty where only the project asks for them.
    """

    edges: list[tuple[str, str]]
    nodes: list[int]
    digest: str = ""


class LockTable(Struct, frozen=True, array_like=True, dict=True):
    """What lock files hold, in a form that can be remembered.

    A *mask* is a set of locked packages, one bit each: what it holds comes out sorted by label.

    Attributes:
        reached: What can be reached from where.
        nodes: Numbers of nodes by name, or by `name[extra]`.
        versions: Name and version of each node, by number.
        members: By directory.
        common: Numbers of the nodes that count for every package.
        unspoken: Numbers of the nodes that count for the project itself, since the file does not
            say whose they are.
        member_names: Names of the members that have an entry.
    """

    reached: ReachTable
    nodes: dict[str, list[int]]
    versions: list[tuple[str, str]]
    members: dict[str, Member]
    common: list[int]
    unspoken: list[int]
    member_names: list[str] = []

    def names(self) -> set[str]:
        """The names of everything locked, those of members among them."""
        return {*(key for key in self.nodes if "[" not in key), *self.member_names}

    def directories(self) -> list[str]:
        """The members that have an entry, sorted."""
        return sorted(directory for directory, member in self.members.items() if member.digest)

    def knows(self, directory: str) -> bool:
        """Whether the lock file itself says what a member needs."""
        member = self.members.get(directory)
        return member is not None and bool(member.digest)

    def edges(self, directory: str) -> Iterable[tuple[str, str]]:
        """Kinds and directories of the members that a member depends on."""
        member = self.members.get(directory)
        return () if member is None else member.edges

    def closure(self, directory: str) -> int:
        """Everything outside of the project that a member can reach."""
        mask = self._common
        if (member := self.members.get(directory)) is not None:
            mask |= self.reached.reach_all(member.nodes)
        return mask if directory else mask | self.reached.reach_all(self.unspoken)

    def reached_by(self, name: str, extras: Iterable[str]) -> int | None:
        """What a requirement can reach, itself included; None where the name is not locked."""
        if name not in self.nodes:
            return None
        names = (name, *(f"{name}[{extra}]" for extra in extras))
        return self.reached.reach_all(n for key in names for n in self.nodes.get(key, ()))

    def labels(self, mask: int) -> tuple[str, ...]:
        """`name@version` of what a mask holds, sorted."""
        return self.reached.labels(mask)

    def digest(self, mask: int) -> str:
        """A digest over all that the lock files say of what a mask holds."""
        return self.reached.digest(mask)

    def entry_digest(self, directory: str) -> str:
        """A digest over a member's own entries; empty where it has none."""
        member = self.members.get(directory)
        return "" if member is None else member.digest

    @cached_property
    def _common(self) -> int:
        return self.reached.reach_all(self.common)

    def held_versions(self, mask: int) -> dict[str, set[str]]:
        """Versions by name of what a mask holds."""
        found: dict[str, set[str]] = {}
        for number in self.reached.held(mask):
            name, version = self.versions[number]
            found.setdefault(name, set()).add(version)
        return found

    def where(self, wanted: Callable[[str, set[str]], bool]) -> int:
        """The locked packages whose name and versions somebody wants, as a mask."""
        chosen: list[int] = []
        for key, numbers in self.nodes.items():
            if "[" in key:
                continue
            if wanted(key, {self.versions[number][1] for number in numbers}):
                chosen += numbers
        return self.reached.only(chosen)


def make_table(contents: Sequence[LockContent], members: Collection[str] | None) -> LockTable:
    """Put the lock files of a directory together; what one of them says counts.

    Args:
        contents: One or more.
        members: Directories of the packages of the project, relative to that of the lock files;
            None for all that lie in it.
    """
    table = _Table()
    for content in contents:
        table.add(_Content(content, members, table))
    return table.made()


class _Table:
    """What is put together."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.names: defaultdict[str, list[int]] = defaultdict(list)
        self.versions: list[tuple[str, str]] = []
        self.members: dict[str, Member] = {}
        self.common: list[int] = []
        self.unspoken: list[int] = []
        self.member_names: list[str] = []

    def add(self, content: _Content) -> None:
        content.add_nodes()
        for directory, member in content.members():
            known = self.members.get(directory)
            self.members[directory] = member if known is None else _merged(known, member)
        if not content.content.traced:
            self.common += content.numbers()
        elif content.content.own is None:
            self.unspoken += content.unspoken()

    def made(self) -> LockTable:
        return LockTable(
            reach_table(self.nodes),
            dict(self.names),
            self.versions,
            self.members,
            self.common,
            self.unspoken,
            self.member_names,
        )


class _Content:
    """One lock file on its way into a table."""

    def __init__(
        self, content: LockContent, members: Collection[str] | None, table: _Table
    ) -> None:
        self.content = content
        self._table = table
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._members: dict[int, str] = {}
        self._numbers: dict[tuple[int, str], int] = {}
        first = len(table.nodes)
        for index, entry in enumerate(content.entries):
            self._by_name[entry.name].append(index)
            if entry.directory is not None and _is_member(entry.directory, members):
                self._members[index] = entry.directory
                table.member_names.append(entry.name)
                continue
            for extra in _extras(entry):
                self._numbers[index, extra] = first + len(self._numbers)

    def add_nodes(self) -> None:
        table = self._table
        for (index, extra), number in self._numbers.items():
            entry = self.content.entries[index]
            successors = [n for edge in entry.tables.get(extra, ()) for n in self._targets(edge)]
            if extra:
                # Whoever asks for an extra gets the package as well, and that holds the identity.
                successors.append(self._numbers[index, ""])
            table.nodes.append(Node(entry.label, extra or entry.identity, successors))
            table.versions.append((entry.name, entry.version))
            table.names[f"{entry.name}[{extra}]" if extra else entry.name].append(number)

    def numbers(self) -> list[int]:
        return list(self._numbers.values())

    def unspoken(self) -> list[int]:
        """What no member reaches, in a file that does not say what the project asks for."""
        if not self._members:
            return [number for (_, extra), number in self._numbers.items() if not extra]
        first = len(self._table.nodes) - len(self._numbers)
        reached = {n for _, member in self.members() for n in member.nodes}
        waiting = list(reached)
        while waiting:
            for number in self._table.nodes[waiting.pop()].successors:
                if number >= first and number not in reached:
                    reached.add(number)
                    waiting.append(number)
        return [n for (_, extra), n in self._numbers.items() if not extra and n not in reached]

    def members(self) -> Iterator[tuple[str, Member]]:
        """What it says of each package of the project, and of the project as such."""
        for index, directory in self._members.items():
            entry = self.content.entries[index]
            declared = [("runtime", edge) for edge in entry.tables.get("", ())]
            declared += [("group", edge) for edge in entry.groups]
            for extra, edges in entry.tables.items():
                declared += [("extra", edge) for edge in edges if extra]
            # An entry that is not traced does not say what the member needs.
            digest = hash_text(entry.identity) if self.content.traced else ""
            yield directory, self._member(declared, digest)
        if self.content.own and "" not in self._members.values():
            own = [(kind, edge) for kind, edges in self.content.own.items() for edge in edges]
            yield "", self._member(own, "")

    def _member(self, declared: list[tuple[str, Edge]], digest: str) -> Member:
        edges: dict[tuple[str, str], None] = {}
        nodes: dict[int, None] = {}
        for kind, edge in declared:
            for index in self._candidates(edge):
                if index in self._members:
                    edges[kind, self._members[index]] = None
            nodes.update(dict.fromkeys(self._targets(edge)))
        return Member(list(edges), list(nodes), digest)

    def _targets(self, edge: Edge) -> Iterator[int]:
        for index in self._candidates(edge):
            for extra in ("", *edge.extras):
                number = self._numbers.get((index, extra))
                if number is not None:
                    yield number

    def _candidates(self, edge: Edge) -> Iterable[int]:
        """The entries that an edge may mean: one name may stand there in several versions."""
        if edge.name == EVERYTHING:
            return range(len(self.content.entries))
        found = self._by_name.get(edge.name, [])
        if len(found) < 2 or not (edge.version or edge.source):  # noqa: PLR2004 - nothing to choose
            return found
        entries = self.content.entries
        return [
            index
            for index in found
            if (not edge.version or entries[index].version == edge.version)
            and (not edge.source or entries[index].source == edge.source)
        ]


def _is_member(directory: str, members: Collection[str] | None) -> bool:
    if members is None:
        return directory != ".." and not directory.startswith("../")
    return directory in members


def _extras(entry: Entry) -> Iterator[str]:
    yield ""
    for extra in entry.tables:
        if extra:
            yield extra


def _merged(first: Member, second: Member) -> Member:
    return Member(
        list(dict.fromkeys((*first.edges, *second.edges))),
        [*first.nodes, *second.nodes],
        hash_text(first.digest, second.digest) if first.digest or second.digest else "",
    )
