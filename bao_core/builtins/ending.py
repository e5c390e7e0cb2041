"""Ending a task: TERM, grace, KILL, for everything that belongs to it."""

from __future__ import annotations

from signal import SIGCONT, SIGKILL, SIGTERM
from threading import Condition, Thread
from time import monotonic

from bao_core.builtins.processes import alive, reap, signal_all, signal_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from bao_core.builtins.processes import Process

KILL_LIMIT = 5.0
"""Seconds after which processes that survive KILL are given up: the kernel holds them."""

FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.05
"""Seconds between two looks at processes that are to end."""


class Ending:
    """Ends processes on a thread of its own.

    What is found is asked to stop, and what is found later, such as the commands of a clean-up, is
    asked as well. When the grace is over, everything found is killed, until nothing is found.
    """

    def __init__(
        self, find: Callable[[], Collection[Process]], grace: float, *, leader: int = 0
    ) -> None:
        """Begin.

        Args:
            find: Looks for what belongs to the task and is alive.
            grace: Seconds between TERM and KILL; 0 kills at once.
            leader: The process that somebody else waits for, and its process group; 0 for none.
        """
        self._find = find
        self._leader = leader
        self._deadline = monotonic() + grace
        self._changed = Condition()
        self._seen: set[int] = set()
        self._thread = Thread(target=self._run, name=f"bao-end-{leader}", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether nothing is left to end."""
        return not self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of it all, at most `timeout` seconds."""
        self._thread.join(timeout)

    def hasten(self, grace: float) -> None:
        """Kill in `grace` seconds from now, if that is earlier."""
        with self._changed:
            self._deadline = min(self._deadline, monotonic() + grace)
            self._changed.notify_all()

    def _run(self) -> None:
        self._ask()
        self._kill()
        reap(self._seen - {self._leader})

    def _ask(self) -> None:
        asked: set[Process] = set()
        while monotonic() < self._deadline and (members := self._look()):
            # Whoever is stopped cannot act on TERM before it goes on.
            fresh = members - asked
            self._signal(fresh, SIGTERM)
            self._signal(fresh, SIGCONT)
            asked |= members
            self._rest(members)

    def _rest(self, members: set[Process]) -> None:
        """Wait until all of these are gone or the grace is over."""
        for pause in _pauses():
            with self._changed:
                left = self._deadline - monotonic()
                if left <= 0:
                    return
                self._changed.wait(min(pause, left))
            if not alive(members):
                return

    def _kill(self) -> None:
        limit = monotonic() + KILL_LIMIT
        found_last = True
        for pause in _pauses():
            # A child is missed that is born after the listing, of a parent that dies before it is
            # looked at: only two looks in a row that find nothing mean that there is nothing.
            members = self._look()
            if not (members or found_last) or monotonic() > limit:
                return
            found_last = bool(members)
            self._signal(members, SIGKILL)
            with self._changed:
                self._changed.wait(pause)

    def _signal(self, members: set[Process], number: int) -> None:
        # The group as a whole, in one moment: else a shell could outlive the command that it waits
        # for and go on with its script, or start another that nobody has signalled.
        group = {process for process in members if process.group == self._leader}
        signal_group(self._leader if group else 0, number)
        signal_all(members - group, number)

    def _look(self) -> set[Process]:
        members = set(self._find())
        self._seen.update(process.pid for process in members)
        return members


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)
