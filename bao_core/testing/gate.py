"""What a gate promises: `GateSuite`."""

from __future__ import annotations

from threading import Condition, Thread
from typing import TYPE_CHECKING, ClassVar

from bao_core.interfaces.executor import Claim, Usage
from bao_core.testing.cache import in_threads
from bao_core.testing.component import ComponentSuite
from bao_core.testing.fakes import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from bao_core.interfaces.gate import Gate, Ticket
    from bao_core.testing.component import Opener


class Claims:
    """Makes claims on a gate and remembers what became of them.

    Attributes:
        granted: Labels in the order in which they were granted.
        queued: What was said of those that have to wait.
        tickets: By label.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.granted: list[str] = []
        self.queued: dict[str, str] = {}
        self.tickets: dict[str, Ticket] = {}
        self._changed = Condition()

    def make(self, claim: Claim, label: str) -> None:
        """Claim a share under a label."""
        named = Claim(label, claim.slots, claim.mutex, claim.memory)

        def on_grant() -> None:
            with self._changed:
                self.granted.append(label)
                self._changed.notify_all()

        def on_queue(reason: str) -> None:
            with self._changed:
                self.queued[label] = reason

        ticket = self.gate.request(named, on_grant, on_queue)
        with self._changed:
            self.tickets[label] = ticket

    def wait_for(self, label: str) -> bool:
        """Whether a claim is granted within some seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: label in self.granted, PATIENCE)

    def wait_for_count(self, count: int) -> bool:
        """Whether so many claims are granted within some seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.granted) >= count, PATIENCE)

    def release(self, label: str) -> None:
        """Give the share back."""
        self.tickets[label].release(Usage(user=0.1, system=0.1, peak_memory=1 << 20))


class GateSuite(ComponentSuite):
    """The promises of `bao_core.interfaces.gate.Gate`.

    Attributes:
        fills: A claim of which two do not fit at once, such as `Claim("all", slots=4)` for a gate
            that is opened with four slots; None for a gate that never lets anybody wait.
        keeps_words: Whether claims with one mutex are never granted together.
    """

    fills: ClassVar[Claim | None] = None
    keeps_words: ClassVar[bool] = False

    def test_a_claim_on_an_idle_gate_is_granted_exactly_once(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        claims = Claims(open_at(tmp_path))
        for number, claim in enumerate((Claim("a"), Claim("b", slots=0), Claim("c", memory=1))):
            claims.make(claim, f"{number}")
            assert claims.wait_for(f"{number}")
            claims.tickets[f"{number}"].started(0)
            claims.release(f"{number}")
        assert claims.granted == ["0", "1", "2"]

    def test_a_claim_greater_than_everything_is_granted_when_it_is_alone(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        claims = Claims(open_at(tmp_path))
        claims.make(Claim("", slots=100_000, memory=1 << 60), "huge")
        assert claims.wait_for("huge")
        claims.release("huge")
        claims.make(Claim(""), "next")
        assert claims.wait_for("next")

    def test_what_does_not_fit_waits_is_told_why_and_is_granted_later(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        claims = Claims(open_at(tmp_path))
        if self.fills is None:
            for number in range(100):
                claims.make(Claim("", slots=8, memory=1 << 40), f"{number}")
            assert len(claims.granted) == 100, "it lets claims wait: declare `fills`"
            return
        claims.make(self.fills, "first")
        assert claims.wait_for("first")
        claims.make(self.fills, "second")
        assert claims.granted == ["first"]
        assert set(claims.queued) == {"second"}
        reason = claims.queued["second"]
        assert reason
        assert reason == reason.strip().rstrip(".")
        assert "\n" not in reason
        claims.tickets["first"].started(0)
        claims.release("first")
        assert claims.wait_for("second")
        assert claims.granted == ["first", "second"]

    def test_asking_never_blocks(self, open_at: Opener, tmp_path: Path) -> None:
        claims = Claims(open_at(tmp_path))
        fills = self.fills or Claim("")

        def ask() -> None:
            for label in "abc":
                claims.make(fills, label)

        asker = Thread(target=ask, daemon=True)
        asker.start()
        asker.join(PATIENCE / 4)
        assert not asker.is_alive(), "`request` blocks"
        assert set(claims.tickets) == set("abc")

    def test_a_claim_that_is_withdrawn_is_never_granted_and_lets_others_through(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        claims = Claims(open_at(tmp_path))
        fills = self.fills or Claim("")
        for label in ("first", "withdrawn", "third"):
            claims.make(fills, label)
        if self.fills is not None:
            claims.tickets["withdrawn"].cancel()
        claims.release("first")
        assert claims.wait_for("third")
        assert ("withdrawn" in claims.granted) == (self.fills is None)

    def test_withdrawing_a_granted_claim_changes_nothing(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        claims = Claims(open_at(tmp_path))
        fills = self.fills or Claim("")
        claims.make(fills, "first")
        assert claims.wait_for("first")
        claims.tickets["first"].cancel()
        claims.make(fills, "second")
        if self.fills is not None:
            assert claims.granted == ["first"]
        claims.release("first")
        assert claims.wait_for("second")
        assert claims.granted == ["first", "second"]

    def test_releasing_twice_frees_nothing_twice(self, open_at: Opener, tmp_path: Path) -> None:
        claims = Claims(open_at(tmp_path))
        fills = self.fills or Claim("")
        for label in ("first", "second", "third"):
            claims.make(fills, label)
        claims.release("first")
        assert claims.wait_for("second")
        claims.release("first")
        assert ("third" in claims.granted) == (self.fills is None)
        claims.release("second")
        assert claims.wait_for("third")

    def test_claims_with_one_word_are_never_granted_together_if_declared(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        claims = Claims(open_at(tmp_path))
        word = Claim("", slots=0, mutex="database")
        claims.make(word, "first")
        assert claims.wait_for("first")
        claims.make(Claim("", slots=0, mutex="port"), "another word")
        assert claims.wait_for("another word")
        claims.make(word, "second")
        assert ("second" not in claims.granted) == self.keeps_words, "declare `keeps_words`"
        claims.release("first")
        assert claims.wait_for("second")

    def test_many_threads_ask_and_everybody_gets_a_turn(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        gate = open_at(tmp_path)
        fills = self.fills or Claim("")
        claims = Claims(gate)

        def work(worker: int) -> None:
            for number in range(20):
                label = f"{worker}/{number}"
                claims.make(fills, label)
                assert claims.wait_for(label), f"{label} is never granted"
                claims.release(label)

        in_threads([lambda worker=worker: work(worker) for worker in range(4)])  # type: ignore[misc]
        assert len(claims.granted) == len(set(claims.granted)) == 80

    def test_no_two_that_do_not_fit_run_at_once(self, open_at: Opener, tmp_path: Path) -> None:
        if self.fills is None:
            return
        claims = Claims(open_at(tmp_path))
        for number in range(10):
            claims.make(self.fills, f"{number}")
        for number in range(10):
            assert claims.wait_for_count(number + 1), "nobody holds anything, and nobody is let in"
            assert len(claims.granted) == number + 1
            claims.release(claims.granted[number])
