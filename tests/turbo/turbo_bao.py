"""The questions that turbo is asked, put to bao."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import convert
from turbo_asking import Listed, Planned, Refusal, Run, one_form_of_inputs, one_form_of_outputs

from bao_core.errors import BaoError
from bao_core.model import ROOT
from bao_core.records import TaskRecord
from bao_core.session import RunOptions, Selecting, Session

if TYPE_CHECKING:
    from turbo_asking import Place


class Bao:
    """bao in this process: one session for each state of a workspace."""

    def __init__(self, place: Place, cwd: str = "") -> None:
        self._place = place
        environ = {**place.environ, "BAO_CACHE_DIR": str(place.base / "cache")}
        self._environ = environ
        self.session: Session | None = None
        self.refused: Refusal | None = None
        try:
            self.session = Session.open(str(place.root / cwd), environ)
            self.session.resolved  # noqa: B018 - it is worked out here
        except BaoError as error:
            self.refused = Refusal(f"{type(error).__name__}: {error}")

    def close(self) -> None:
        if self.session is not None:
            self.session.close()

    def packages(self) -> dict[str, Listed] | Refusal:
        if self.session is None or self.refused:
            return self.refused or Refusal("")
        graph = self.session.packages
        return {
            name: Listed(package.path, tuple(sorted(set(graph.dependencies(name)) - {ROOT})))
            for name, package in self.session.workspace.packages.items()
            if name != ROOT
        }

    def selected(
        self, filters: tuple[str, ...], *, affected: bool = False
    ) -> tuple[str, ...] | Refusal:
        if self.session is None or self.refused:
            return self.refused or Refusal("")
        try:
            chosen = self.session.select(self._selecting(filters, affected=affected))
        except BaoError as error:
            return Refusal(f"{type(error).__name__}: {error}")
        return tuple(sorted(set(chosen.names()) - {ROOT}))

    def plan(self, run: Run) -> dict[str, Planned] | Refusal:
        if self.session is None or self.refused:
            return self.refused or Refusal("")
        selecting = self._selecting(run.filters, affected=run.affected)
        options = RunOptions(tasks=run.tasks, selecting=selecting, only=run.only)
        try:
            records = self.session.dry_run(options)
        except BaoError as error:
            return Refusal(f"{type(error).__name__}: {error}")
        return {record.id: _planned_by_bao(record, self._environ) for record in records}

    def _selecting(self, filters: tuple[str, ...], *, affected: bool) -> Selecting:
        since = self._place.base_commit if affected else None
        return Selecting(filters=filters, affected=affected, since=since)


def _planned_by_bao(record: TaskRecord, environ: dict[str, str]) -> Planned:
    command = record.command
    return Planned(
        command=command if command is None or isinstance(command, str) else " ".join(command),
        directory=record.directory,
        dependencies=tuple(sorted(record.dependencies)),
        outputs=one_form_of_outputs(record.outputs, record.directory.removeprefix(".")),
        cache=record.cache != "off",
        inputs=one_form_of_inputs(record.inputs, record.directory.removeprefix(".")),
        env=tuple(sorted(name for name in record.env if name in environ)),
        key=record.key,
        external=tuple(record.external_dependencies),
    )


class BaoCommand(Bao):
    """The installed command, asked for JSON."""

    def __init__(self, place: Place, cwd: str = "") -> None:
        self._place = place
        self._cwd = cwd
        self._environ = {**place.environ, "BAO_CACHE_DIR": str(place.base / "cache")}

    def close(self) -> None:
        """Nothing is open."""

    def packages(self) -> dict[str, Listed] | Refusal:
        answer = self._json("ls")
        if isinstance(answer, Refusal):
            return answer
        return {
            item["name"]: Listed(item["path"], tuple(sorted({*item["dependencies"]} - {ROOT})))
            for item in answer["packages"]
            if item["name"] != ROOT
        }

    def selected(
        self, filters: tuple[str, ...], *, affected: bool = False
    ) -> tuple[str, ...] | Refusal:
        words = [f"--filter={expression}" for expression in filters]
        answer = self._json("ls", *words, *self._since(affected=affected))
        if isinstance(answer, Refusal):
            return answer
        return tuple(sorted(item["name"] for item in answer["packages"] if item["name"] != ROOT))

    def plan(self, run: Run) -> dict[str, Planned] | Refusal:
        words = [word for word in run.words() if word != "--affected"]
        answer = self._json("run", *words, *self._since(affected=run.affected))
        if isinstance(answer, Refusal):
            return answer
        records = convert(answer["tasks"], list[TaskRecord])
        return {record.id: _planned_by_bao(record, self._environ) for record in records}

    def _since(self, *, affected: bool) -> list[str]:
        return [f"--since={self._place.base_commit}"] if affected else []

    def _json(self, command: str, *words: str) -> Any:
        form = "--json" if command == "ls" else "--dry-run=json"
        done = subprocess.run(
            (Path(sys.executable).with_name("bao"), command, *words, form),
            cwd=self._place.root / self._cwd,
            env=self._environ,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
        if done.returncode:
            return Refusal(done.stderr.decode(errors="replace"))
        return json.loads(done.stdout)
