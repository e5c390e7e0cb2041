"""What can be reached in a lock file, and what is remembered of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from bao_core.closures import (
    Closure,
    ClosureAnswers,
    ClosureMemory,
    Node,
    ReachTable,
    question_of,
    reach_table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Lock(Struct, frozen=True):
    """Stands for what a reader makes of a lock file."""

    reach: ReachTable
    form: str = ""


def nodes_of(edges: Sequence[Sequence[int]]) -> list[Node]:
    # Every third node shares its label with another one, as a package and its extras do.
    return [Node(f"p{n - n % 3 // 2}@1", str(n), followers) for n, followers in enumerate(edges)]


def reached(edges: Sequence[Sequence[int]], start: int) -> set[int]:
    found: set[int] = set()
    waiting = [start]
    while waiting:
        number = waiting.pop()
        if number not in found and 0 <= number < len(edges):
            found.add(number)
            waiting.extend(edges[number])
    return found


GRAPHS = st.integers(0, 12).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(-1, size + 1), max_size=3), min_size=size, max_size=size
    )
)

# --- reaching --------------------------------------------------------------------------------


@given(GRAPHS)
def test_what_is_reached_is_what_a_plain_walk_reaches(edges: list[list[int]]) -> None:
    nodes = nodes_of(edges)
    table = reach_table(nodes)
    for number in range(len(edges)):
        mask = table.reach(number)
        expected = reached(edges, number)
        assert set(table.held(mask)) == expected
        assert table.labels(mask) == tuple(sorted({nodes[n].label for n in expected}))


@given(GRAPHS, st.randoms())
def test_the_order_of_a_lock_file_says_nothing(edges: list[list[int]], chance: Random) -> None:
    order = list(range(len(edges)))
    chance.shuffle(order)
    moved = {old: new for new, old in enumerate(order)}
    nodes = nodes_of(edges)
    table = reach_table(nodes)
    other = reach_table(
        [
            Node(nodes[old].label, nodes[old].identity, [moved.get(s, -1) for s in edges[old]])
            for old in order
        ]
    )
    for old, new in moved.items():
        mask, same = table.reach(old), other.reach(new)
        assert table.digest(mask) == other.digest(same)
        assert table.labels(mask) == other.labels(same)


def test_another_identity_shows_in_the_digest_and_not_in_the_labels() -> None:
    table = reach_table([Node("a@1", "here", [1]), Node("b@1", "sha512-1")])
    other = reach_table([Node("a@1", "here", [1]), Node("b@1", "sha512-2")])
    assert table.labels(table.reach(0)) == other.labels(other.reach(0)) == ("a@1", "b@1")
    assert table.digest(table.reach(0)) != other.digest(other.reach(0))


def test_a_node_without_a_label_passes_on_what_it_leads_to() -> None:
    table = reach_table([Node("", "group", [1]), Node("b@1")])
    assert table.labels(table.reach(0)) == ("b@1",)
    assert table.digest(table.reach(0)) != table.digest(table.reach(1))


def test_several_nodes_are_put_together_and_unknown_ones_reach_nothing() -> None:
    table = reach_table([Node("a@1", "", [2]), Node("b@1"), Node("c@1")])
    assert table.labels(table.reach_all([0, 1, 99])) == ("a@1", "b@1", "c@1")
    assert table.labels(table.only([0, 1])) == ("a@1", "b@1")
    assert table.labels(table.reach(99)) == ()


def test_a_chain_of_any_length_is_followed_to_its_end() -> None:
    count = 20_000
    table = reach_table([Node(f"p{n}@1", "", [n + 1]) for n in range(count)])
    assert len(table.labels(table.reach(0))) == count
    circle = reach_table([Node(f"p{n}@1", "", [(n + 1) % count]) for n in range(count)])
    assert len(circle.labels(circle.reach(count // 2))) == count


def test_twice_the_nodes_take_about_twice_the_time() -> None:
    def taken(count: int) -> float:
        nodes = [
            Node(f"p{n}@1", "", [(n * 31 + step * 17) % count for step in range(n % 4)])
            for n in range(count)
        ]
        started = time.process_time()
        reach_table(nodes)
        return time.process_time() - started

    taken(1000)
    assert min(taken(16_000) for _ in range(3)) < 6 * min(taken(8_000) for _ in range(3))


# --- remembering tables ------------------------------------------------------------------------


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A directory of modules that read lock files."""
    directory = tmp_path / "code"
    directory.mkdir()
    (directory / "reader.py").write_text("1")
    return directory


class Reader:
    """Counts how often a lock file is read."""

    def __init__(self, directory: Path | None, code: Path, *, keep: int = 8) -> None:
        self.memory = ClosureMemory(str(directory) if directory else None, str(code), keep=keep)
        self.reads = 0

    def read(self, *content: str | bytes) -> Lock:
        def read() -> Lock:
            self.reads += 1
            return Lock(reach_table([Node("a@1", repr(content))]))

        return self.memory.table(Lock, read, *content)


def test_one_content_is_read_once_by_any_number_of_processes(tmp_path: Path, code: Path) -> None:
    first = Reader(tmp_path / "kept", code)
    made = first.read("pnpm", b"content")
    again = Reader(tmp_path / "kept", code)
    assert again.read("pnpm", b"content") == made
    assert again.read("pnpm", b"content").reach.labels(1) == ("a@1",)
    assert (first.reads, again.reads) == (1, 0)


def test_anything_else_that_is_asked_is_read_anew(tmp_path: Path, code: Path) -> None:
    reader = Reader(tmp_path / "kept", code)
    asked = [("pnpm", b"c"), ("pnpm", b"d"), ("yarn", b"c"), ("pnpmc", b""), ("pnpm", b"c", "")]
    for content in asked:
        reader.read(*content)
    assert reader.reads == len(asked)


def test_what_other_code_read_is_read_anew(tmp_path: Path, code: Path) -> None:
    reader = Reader(tmp_path / "kept", code)
    reader.read("a")
    (code / "reader.py").write_text("changed")
    reader.read("a")
    assert reader.reads == 2
    (code / "notes.txt").write_text("no code")
    reader.read("a")
    assert reader.reads == 2


@pytest.mark.parametrize("damage", [b"", b"bao-closures-1\n", b"x" * 400])
def test_what_is_damaged_is_read_anew_and_mended(tmp_path: Path, code: Path, damage: bytes) -> None:
    reader = Reader(tmp_path / "kept", code)
    reader.read("a")
    (path,) = (tmp_path / "kept").iterdir()
    path.write_bytes(damage)
    reader.read("a")
    reader.read("a")
    assert reader.reads == 2


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path, code: Path) -> None:
    reader = Reader(tmp_path / "kept", code)
    good = reader.read("a")
    (path,) = (tmp_path / "kept").iterdir()
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        before = reader.reads
        assert reader.read("a") == good
        assert reader.reads == before + 1


def test_only_the_ones_used_last_are_kept(tmp_path: Path, code: Path) -> None:
    reader = Reader(tmp_path / "kept", code, keep=3)
    for number, content in enumerate("abc"):
        reader.read(content)
        newest = max((tmp_path / "kept").iterdir(), key=lambda p: p.stat().st_mtime_ns)
        os.utime(newest, ns=(number, number))
    reader.read("a")  # used again, so that `b` is now the oldest
    reader.read("d")
    assert len(list((tmp_path / "kept").iterdir())) == 3
    before = reader.reads
    for content in "acd":
        reader.read(content)
    assert reader.reads == before
    reader.read("b")
    assert reader.reads == before + 1


def test_a_disk_that_refuses_costs_time_and_nothing_else(tmp_path: Path, code: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    reader = Reader(tmp_path / "file" / "kept", code)
    assert reader.read("a") == reader.read("a")
    assert reader.reads == 2


def test_without_a_directory_nothing_is_kept(tmp_path: Path, code: Path) -> None:
    reader = Reader(None, code)
    reader.read("a")
    reader.read("a")
    assert reader.reads == 2
    assert [path.name for path in tmp_path.iterdir()] == ["code"]


def test_what_a_reader_raises_is_passed_on_and_not_remembered(tmp_path: Path, code: Path) -> None:
    memory = ClosureMemory(str(tmp_path / "kept"), str(code))

    def fail() -> Lock:
        raise ValueError("broken")

    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            memory.table(Lock, fail, "a")
    assert not (tmp_path / "kept").exists()


WRITER = """
import sys
from bao_core.closures import Closure, ClosureAnswers, ClosureMemory
memory = ClosureMemory(sys.argv[1], sys.argv[2], keep=4)
for number in range(60):
    answers = ClosureAnswers(memory, str(number % 6))
    found = answers.recall("q")
    assert found is None or found.labels == ("a@1", f"b@{number % 6}"), found
    answers.remember("q", Closure(("a@1", f"b@{number % 6}"), "digest"))
    answers.save()
"""


def test_several_processes_may_write_at_once(tmp_path: Path, code: Path) -> None:
    words = [sys.executable, "-c", WRITER, str(tmp_path / "kept"), str(code)]
    running = [subprocess.Popen(words, stderr=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[1] for process in running] == [b""] * 3
    left = [path.name for path in (tmp_path / "kept").iterdir()]
    assert not [name for name in left if name.endswith(".tmp")]


# --- remembering answers -----------------------------------------------------------------------


def closure(*labels: str, rest: tuple[tuple[str, ...], ...] = ()) -> Closure:
    return Closure(labels, f"digest of {labels}", "places", rest)


@given(numbers=st.lists(st.lists(st.integers(0, 30), max_size=5), max_size=8))
def test_answers_come_back_as_they_were_given(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[list[int]]
) -> None:
    closures = [closure(*(f"p{n}@1" for n in sorted(set(found)))) for found in numbers]
    directory = tmp_path_factory.mktemp("answers")
    memory = ClosureMemory(str(directory / "kept"), str(directory))
    answers = ClosureAnswers(memory, "lock")
    for number, found in enumerate(closures):
        answers.remember(str(number), found)
    answers.save()
    again = ClosureAnswers(memory, "lock")
    assert [again.recall(str(number)) for number in range(len(closures))] == closures
    assert again.recall("never asked") is None
    assert ClosureAnswers(memory, "another lock").recall("0") is None


def test_a_new_answer_joins_the_old_ones_and_what_nobody_asks_is_dropped(tmp_path: Path) -> None:
    memory = ClosureMemory(str(tmp_path / "kept"), str(tmp_path))
    answers = ClosureAnswers(memory, "lock")
    answers.remember("a", closure("x@1", "y@1", rest=(("new", "new@^1"), ("", "p.patch"))))
    answers.remember("b", closure("y@1", "z@1"))
    answers.save()
    answers = ClosureAnswers(memory, "lock")
    kept = answers.recall("a")
    answers.remember("c", closure("w@1", "y@1"))
    answers.save()
    answers = ClosureAnswers(memory, "lock")
    assert answers.recall("a") == kept
    assert answers.recall("b") is None
    assert answers.recall("c") == closure("w@1", "y@1")


def test_nothing_is_written_where_nothing_is_new(tmp_path: Path) -> None:
    memory = ClosureMemory(str(tmp_path / "kept"), str(tmp_path))
    ClosureAnswers(memory, "lock").save()
    assert not (tmp_path / "kept").exists()


def test_a_question_is_another_where_its_parts_are_split_otherwise() -> None:
    questions = {question_of("ab", "c"), question_of("a", "bc"), question_of("abc"), question_of()}
    assert len(questions) == 4
    assert question_of("a", b"b") == question_of(b"a", "b")
