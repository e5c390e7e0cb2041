"""Puts a scenario on disk, asks both tools, and lists where they differ."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from turbo_asking import Place, Planned, Refusal, Run, Turbo
from turbo_bao import Bao
from turbo_world import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from turbo_scenarios import Scenario


class Difference(Struct, frozen=True):
    """One thing that the tools do not agree on.

    Attributes:
        about: `packages`, `edges`, `filter`, `affected`, `refusal`, `tasks`, `inputs`, `command`,
            `directory`, `dependencies`, `outputs`, `cache`, `env`, `stale`, `lock`.
        subject: The package, task or expression.
        edited: Whether it was asked after the edit.
        run: The run that it is about, if any.
    """

    about: str
    subject: str
    turbo: Any
    bao: Any
    edited: bool = False
    run: Run | None = None

    def told(self) -> str:
        """For people."""
        when = " after the edit" if self.edited else ""
        run = "" if self.run is None else f" in `run {' '.join(self.run.words())}`"
        theirs, ours = self.turbo, self.bao
        if isinstance(theirs, tuple) and isinstance(ours, tuple) and self.about == "inputs":
            theirs, ours = sorted({*theirs} - {*ours}), sorted({*ours} - {*theirs})
        if self.about == "stale":
            theirs, ours = "it has another key", "its key is the same"
        return f"{self.about} {self.subject}{run}{when}:\n  turbo {theirs}\n  bao   {ours}"


class Answers(Struct):
    """What both tools say in one state of the workspace."""

    packages: tuple[Any, Any]
    plans: list[tuple[Any, Any]]
    affected: tuple[Any, Any] | None = None
    filters: list[tuple[Any, Any]] = []


class Tally:
    """What was compared, and how often each named difference was met."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.named: Counter[str] = Counter()

    def add(self, what: str, number: int = 1) -> None:
        self.counts[what] += number


class Agreement:
    """One scenario and what both tools say of it."""

    def __init__(
        self, scenario: Scenario, place: Place, turbo: Turbo, bao: type[Bao], tally: Tally
    ) -> None:
        self.scenario = scenario
        self.place = place
        self.turbo = turbo
        self.bao = bao
        self.tally = tally
        place.environ |= scenario.environ
        place.write({**scenario.files})
        self.base = place.commit(scenario.forced)
        place.write({**scenario.lying})
        self.before = self._ask(edited=False)
        self.after: Answers | None = None
        if scenario.edits:
            place.base_commit = self.base
            place.write(scenario.edited)
            if scenario.committed:
                place.commit_files(scenario.edited)
            self.after = self._ask(edited=True)

    def _ask(self, *, edited: bool) -> Answers:
        place, turbo, scenario = self.place, self.turbo, self.scenario
        bao = self.bao(place)
        try:
            answers = Answers((turbo.packages(place), bao.packages()), [])
            self.tally.add("questions")
            for run in scenario.runs:
                if run.affected and not edited:
                    continue
                answers.plans.append((turbo.plan(place, run), self._bao_plan(bao, run)))
                self.tally.add("questions")
            if edited:
                answers.affected = (
                    turbo.selected(place, (), affected=True),
                    bao.selected((), affected=True),
                )
                self.tally.add("questions")
                for filters in scenario.filters:
                    meant = tuple(text.replace("BASE", self.base) for text in filters)
                    both = (turbo.selected(place, meant), bao.selected(meant))
                    answers.filters.append(both)
                    self.tally.add("questions")
        finally:
            bao.close()
        return answers

    def _bao_plan(self, bao: Bao, run: Run) -> Any:
        if not run.cwd:
            return bao.plan(run)
        inside = self.bao(self.place, run.cwd)
        try:
            return inside.plan(run)
        finally:
            inside.close()

    def root_needs(self) -> set[str]:
        """What the root package depends on in the workspace, directly or through others."""
        assert self.after is not None
        packages = self.after.packages[0]
        root = json.loads((self.place.root / "package.json").read_text())
        needed = {name for kind in KINDS[:3] for name in root.get(kind, {})} & packages.keys()
        while more := {d for n in needed for d in packages[n].dependencies or ()} - needed:
            needed |= more
        return needed

    def plan_of_turbo(self, difference: Difference) -> dict[str, Planned]:
        """What turbo plans in the run that a difference is about."""
        assert difference.run is not None
        return self.plans_of(difference.run, edited=difference.edited)[0]

    def plans_of(self, run: Run, *, edited: bool) -> tuple[Any, Any]:
        """What both plan in a run."""
        answers = self.after if edited else self.before
        assert answers is not None
        return dict(zip(self._runs(edited=edited), answers.plans, strict=True))[run]

    def tracked(self, *, edited: bool) -> set[str]:
        """The files that git tracks, before or after the edit."""
        if edited:
            return set(self.place.git("ls-files", "-z").split("\0"))
        return set(self.place.git("ls-tree", "-r", "-z", "--name-only", self.base).split("\0"))

    def _runs(self, *, edited: bool) -> list[Run]:
        return [run for run in self.scenario.runs if edited or not run.affected]

    def differences(self) -> list[Difference]:
        """Everything that is not equal, whatever the reason."""
        found = [*self._of(self.before, edited=False)]
        if self.after is not None:
            found += self._of(self.after, edited=True)
            found += self._stale()
        return found

    def _of(self, answers: Answers, *, edited: bool) -> Iterator[Difference]:
        turbo, bao = answers.packages
        if isinstance(turbo, Refusal) or isinstance(bao, Refusal):
            if type(turbo) is not type(bao):
                yield Difference("refusal", "packages", turbo, bao, edited)
        else:
            yield from _packages(turbo, bao, edited=edited)
        runs = self._runs(edited=edited)
        for run, (turbo, bao) in zip(runs, answers.plans, strict=True):
            if isinstance(turbo, Refusal) or isinstance(bao, Refusal):
                if type(turbo) is not type(bao):
                    yield Difference("refusal", " ".join(run.words()), turbo, bao, edited, run)
            else:
                yield from _plans(turbo, bao, run, edited=edited)
        for filters, (turbo, bao) in zip(self.scenario.filters, answers.filters, strict=False):
            if type(turbo) is not type(bao) or (turbo != bao and not isinstance(turbo, Refusal)):
                yield Difference("filter", " ".join(filters), turbo, bao, edited)
        if answers.affected is not None:
            turbo, bao = answers.affected
            if type(turbo) is not type(bao) or (turbo != bao and not isinstance(turbo, Refusal)):
                yield Difference("affected", "", turbo, bao, edited)

    def _stale(self) -> Iterator[Difference]:
        """Tasks that would be restored although turbo runs them again."""
        assert self.after is not None
        runs = [run for run in self.scenario.runs if not run.affected]
        pairs = [
            p for r, p in zip(self.scenario.runs, self.after.plans, strict=True) if not r.affected
        ]
        for run, before, after in zip(runs, self.before.plans, pairs, strict=True):
            if any(isinstance(plan, Refusal) for plan in (*before, *after)):
                continue
            for task in sorted(
                before[0].keys() & before[1].keys() & after[0].keys() & after[1].keys()
            ):
                turbo = before[0][task], after[0][task]
                bao = before[1][task], after[1][task]
                if turbo[1].command is None:
                    continue
                changed = turbo[0].key != turbo[1].key
                noticed = bao[0].key is None or bao[0].key != bao[1].key
                self.tally.add("keys compared")
                self.tally.add("keys changed in turbo", int(changed))
                self.tally.add("keys changed in bao only", int(noticed and not changed))
                if changed and not noticed:
                    yield Difference("stale", task, turbo, bao, edited=True, run=run)
                if turbo[0].external != turbo[1].external and bao[0].external == bao[1].external:
                    yield Difference("lock", task, turbo, bao, edited=True, run=run)


def _packages(
    turbo: Mapping[str, Any], bao: Mapping[str, Any], *, edited: bool
) -> Iterator[Difference]:
    places = [{name: package.path for name, package in side.items()} for side in (turbo, bao)]
    if places[0] != places[1]:
        yield Difference("packages", "", *places, edited)
    for name in sorted(turbo.keys() & bao.keys()):
        if turbo[name].dependencies not in {None, bao[name].dependencies}:
            yield Difference(
                "edges", name, turbo[name].dependencies, bao[name].dependencies, edited
            )


def _plans(
    turbo: Mapping[str, Planned], bao: Mapping[str, Planned], run: Run, *, edited: bool
) -> Iterator[Difference]:
    if turbo.keys() != bao.keys():
        yield Difference("tasks", "", tuple(sorted(turbo)), tuple(sorted(bao)), edited, run)
    for task in sorted(turbo.keys() & bao.keys()):
        one, other = turbo[task], bao[task]
        fields = ["command", "directory", "dependencies"]
        if one.command is not None and other.command is not None:
            fields += ["outputs", "cache"]
            if other.key is not None:  # else it is only known once upstream has run
                fields += ["env", "inputs"]
        for field in fields:
            theirs, ours = getattr(one, field), getattr(other, field)
            if theirs != ours:
                yield Difference(field, task, theirs, ours, edited, run)
