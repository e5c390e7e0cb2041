"""The cells of the table: how each is prepared, what is run, and what must have happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from measuring import LIMIT, Run, measure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from places import Place
    from tools import Tool

CELLS = {
    "hits": "nothing changed",
    "restored": "outputs deleted, all restored",
    "edited": "one leaf edited, rest cached",
    "cold": "cold",
    "affected": "ls --affected",
}
"""Each cell with what the table calls it, in the order of a round."""

PRIMING_LIMIT = 5 * LIMIT
"""Seconds that the first build of all may take; nx takes a minute for 1,000 packages."""


class WrongRunError(Exception):
    """A tool did not do what the cell says, so that its time would mean something else."""


class Contestant:
    """A tool in its copy of the workspace, which is built and clean between two cells."""

    def __init__(self, tool: Tool, place: Place) -> None:
        self.tool = tool
        self.place = place
        self._edits = 0

    def prime(self) -> None:
        """Build everything, and check that started commands and hits can be trusted."""
        if self.tool.quiet:
            self._build(PRIMING_LIMIT)
            self._expect(self.place.started() == self.place.names, "did not run every command")
            return
        self._build(PRIMING_LIMIT)
        self._settle()
        started = self.place.started()
        if started != self.place.names:
            raise WrongRunError(
                f"{self.tool.name} started {len(started)} commands in 2 runs, not one a package"
            )

    def run(self, cell: str, extra: Mapping[str, str] | None = None) -> Run:
        """Prepare a cell, run it once, check it, and leave everything built and clean.

        Args:
            cell: One of `CELLS`.
            extra: Added to the environment of the run.

        Raises:
            WrongRunError: The tool did not do what the cell says.
            UnusableError: It failed or took too long.
        """
        self.place.started()
        environ = {**self.tool.environ, **(extra or {})}
        match cell:
            case "hits":
                run = self._run(environ)
                self._check(run, started=[])
            case "affected":
                run = measure(self.tool.affected(), self.place.root, environ)
                if self.tool.listed(run.printed) != self.place.affected():
                    raise WrongRunError(f"{self.tool.name} lists other packages:\n{run.printed}")
            case "restored":
                self.place.remove_outputs()
                run = self._run(environ)
                self._check(run, started=[])
                self._settle()
            case "edited":
                run = self._edited(environ)
            case "cold":
                self.place.remove_outputs()
                self.tool.forget(self.place.root)
                run = self._run(environ)
                self._check(run, started=self.place.names)
                self._settle()
            case _:
                raise ValueError(cell)
        return run

    def _edited(self, environ: dict[str, str]) -> Run:
        self._edits += 1
        text = f"edit {self._edits} for {self.tool.name}"
        self.place.edit(self.place.leaf, text)
        run = self._run(environ)
        self._check(run, started=[self.place.leaf], edited=text)
        self.place.undo(self.place.leaf)
        self._settle()
        return run

    def _run(self, environ: dict[str, str]) -> Run:
        return measure(self.tool.build(), self.place.root, environ)

    def _build(self, limit: float = LIMIT) -> Run:
        return measure(self.tool.build(), self.place.root, self.tool.environ, limit)

    def _settle(self) -> None:
        """Build as it was committed; what the tool checks only once, it checks now."""
        if not self.tool.quiet:
            self._build()

    def _check(self, run: Run, *, started: list[str], edited: str = "") -> None:
        """Compare what the tool did with what it had to do."""
        was = self.place.started()
        self._expect(was == started, f"started {len(was)} commands, not {len(started)}", run)
        fault = self.place.fault(edited)
        self._expect(not fault, fault, run)
        if not self.tool.quiet:
            hits = self.tool.hits(run.printed)
            expected = len(self.place.names) - len(started)
            self._expect(hits == expected, f"says {hits} hits, not {expected}", run)

    def _expect(self, holds: bool, fault: str, run: Run | None = None) -> None:  # noqa: FBT001 - as in an assertion
        if not holds:
            told = f":\n{run.printed[-2000:]}" if run else ""
            raise WrongRunError(f"{self.tool.name}: {fault}{told}")
