"""Tasks, edges and inputs under turbo.json, case by recorded case and for two real workspaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.errors import BaoError
from bao_core.session import RunOptions, Selecting, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bao_core.model import TaskGraph

OLD_PIPELINE = {
    "a#build": ["echo build", []],
    "b#build": [None, []],
    "c#build": ["echo build", []],
}
"""What turbo refuses and bao reads all the same: `pipeline`."""

INSTEAD = {
    # `!dir` means what is below it, whatever stands beside it.
    '{"inputs": ["$TURBO_DEFAULT$", "!src"]}': ("src/",),
    '{"inputs": ["$TURBO_DEFAULT$", "!src/"]}': ("src/",),
    # A named file can be excluded like any other.
    '{"inputs": ["!src/**", "src/b.ts", "**/*"]}': ("src/b.ts",),
    '{"inputs": ["src/b.ts", "!src/**"]}': ("src/b.ts",),
    '{"inputs": ["!src/**", "src/b.ts"]}': ("src/b.ts",),
    '{"inputs": ["src/b.ts", "**/*", "!src/**"]}': ("src/b.ts",),
    '{"inputs": ["src/b.ts", "!src/b.ts"]}': ("src/b.ts",),
    # What a task leaves is no input because of that.
    '{"inputs": ["src/**"], "outputs": ["dist/**"]}': ("dist/",),
    '{"inputs": ["src/**", "!dist/**"], "outputs": ["dist/**"]}': ("dist/",),
    '{"inputs": ["src/b.ts"], "outputs": ["test/t.ts"]}': ("test/",),
    'dirty {"inputs": ["src/b.ts"], "outputs": ["dist/**"]}': ("dist/",),
    '{"inputs": ["$TURBO_DEFAULT$", "!dist/**"], "outputs": ["dist/**"]}': ("dist/",),
}
"""Where bao differs on purpose: what turbo counts besides, as documented in `turbo.md`."""

MORE = {
    # `package.json` and `turbo.json` always count.
    '{"inputs": ["$TURBO_DEFAULT$", "!package.json", "!turbo.json"]}': (
        "package.json",
        "turbo.json",
    ),
}
"""Where bao differs on purpose: what turbo leaves out."""


def shared() -> Path | None:
    for directory in Path(__file__).resolve().parents:
        if (directory / "bao_core").is_dir():
            folder = directory.parent / "shared" / "realworld"
            return folder if folder.is_dir() else None
    return None


def cases(group: str) -> list[Any]:
    """The cases of a group; one that says why there are none where the data is not at hand."""
    folder = shared()
    if folder is None:
        reason = "no recorded cases beside the repository, in shared/realworld/vectors.json"
        return [pytest.param({}, {}, marks=pytest.mark.skip(reason=reason))]
    groups = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))["groups"]
    found = next(g for g in groups if g["group"] == group)
    return [pytest.param(found["base"], case, id=case["name"]) for case in found["cases"]]


class Workspace:
    """A workspace on disk, and sessions in it."""

    def __init__(self, base: Path) -> None:
        self.root = base / "workspace"
        self.root.mkdir()
        self.environ = {
            "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
            ),
            "HOME": str(base),
            "BAO_CACHE_DIR": str(base / "cache"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self._open: list[Session] = []

    def write(self, files: Mapping[str, str | None]) -> None:
        for name, text in files.items():
            path = self.root / name
            if text is None:
                path.unlink(missing_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")

    def git(self, *words: str) -> None:
        subprocess.run(
            ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words),
            cwd=self.root,
            env=self.environ,
            check=True,
            capture_output=True,
        )

    def commit(self) -> None:
        """Commit everything, ignored or not."""
        self.git("init", "-q")
        self.git("add", "--all", "--force")
        self.git("commit", "-q", "-m", "x")

    def session(self) -> Session:
        session = Session.open(str(self.root), self.environ)
        self._open.append(session)
        return session

    def graph(self, *words: str) -> TaskGraph:
        """The task graph of `bao run` with these words."""
        return self.session().plan_of(
            RunOptions(
                tasks=tuple(w for w in words if not w.startswith("--")),
                selecting=Selecting(
                    filters=tuple(w[9:] for w in words if w.startswith("--filter="))
                ),
                only="--only" in words,
            )
        )

    def inputs(self, *tasks: str) -> dict[str, list[str]]:
        """Paths of the inputs by task, from its package."""
        records = self.session().dry_run(RunOptions(tasks=tasks))
        return {record.id: list(record.inputs) for record in records}

    def close(self) -> None:
        for session in self._open:
            session.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(("base", "case"), cases("task-graph"))
def test_tasks_and_edges_are_as_recorded(
    workspace: Workspace, base: dict[str, str], case: dict[str, Any]
) -> None:
    workspace.write({**base, **case["edit"]})
    answer = case["answer"]
    if case["name"] == "pipeline (turbo 1)":
        answer = OLD_PIPELINE
    if answer is None:
        with pytest.raises(BaoError):
            workspace.graph(*case["args"])
        return
    tasks = workspace.graph(*case["args"]).tasks
    found = {i: [t.definition.command, [e.id for e in t.upstream]] for i, t in tasks.items()}
    assert found == answer


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, str]], Path]:
    """A directory with files that are committed; the same one for the same files."""
    known: dict[str, Path] = {}

    def committed(files: dict[str, str]) -> Path:
        key = json.dumps(files)
        if key not in known:
            template = Workspace(tmp_path_factory.mktemp("committed"))
            template.write(files)
            template.commit()
            known[key] = template.root
        return known[key]

    return committed


@pytest.mark.parametrize(("base", "case"), cases("inputs"))
def test_inputs_are_as_recorded(
    workspace: Workspace,
    committed: Callable[[dict[str, str]], Path],
    base: dict[str, str],
    case: dict[str, Any],
) -> None:
    shutil.copytree(committed(base), workspace.root, dirs_exist_ok=True)
    workspace.write({"turbo.json": json.dumps({"tasks": {"build": case["task"]}})})
    workspace.write(case.get("dirty", {}))
    name = case["name"]
    expected = set(case["answer"])
    expected = {path for path in expected if not path.startswith(INSTEAD.get(name, "\0"))}
    expected |= set(MORE.get(name, ()))
    found = workspace.inputs("a#build")["a#build"]
    assert sorted(path.replace("//", "../../") for path in found) == sorted(expected)


@pytest.mark.parametrize("name", ["hono-middleware", "supermemory"])
def test_tasks_of_real_workspaces_are_as_recorded(workspace: Workspace, name: str) -> None:
    folder = shared()
    if folder is None:
        pytest.skip("no real workspaces to test against in shared/realworld")
    materialise(folder / name, workspace.root)
    workspace.commit()
    expected = json.loads((folder / name / "expected.json").read_text(encoding="utf-8"))["tasks"]
    for task, wanted in expected.items():
        graph = workspace.graph(task)
        inputs = workspace.inputs(task)
        assert sorted(graph.tasks) == sorted(wanted)
        found = {}
        for task_id, node in graph.tasks.items():
            definition = node.definition
            package = workspace.session().workspace.packages[node.package]
            found[task_id] = {
                "command": definition.command,
                "directory": package.path,
                "dependencies": [edge.id for edge in node.upstream],
                "outputs": sorted(p for p in definition.outputs if not p.startswith("!")),
                "excluded_outputs": sorted(p[1:] for p in definition.outputs if p[0] == "!"),
                "cache": definition.cache,
                "inputs": None if definition.command is None else sorted(inputs[task_id]),
            }
        assert found == wanted


def materialise(pack: Path, into: Path) -> None:
    """Write the files of a stored workspace."""
    for line in (pack / "files.txt").read_text(encoding="utf-8").splitlines():
        mode, blob, path = line.split(" ", 2)
        parts = [f"dot-{part[1:]}" if part.startswith(".") else part for part in path.split("/")]
        stored = pack.joinpath("tree", *parts)
        target = into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if stored.is_file():
            shutil.copyfile(stored, target)
        else:
            target.write_text(f"{blob}\n", encoding="utf-8")
        target.chmod(0o755 if mode == "100755" else 0o644)
