"""What a key contributor promises: `KeyContributorSuite`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.interfaces.keys import KeyContributor
from bao_core.model import KeyPart, Package, Task, TaskDefinition, TaskId
from bao_core.testing.component import ComponentSuite
from bao_core.testing.fakes import context_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bao_core.testing.component import Opener

SECRET = "hunter2-do-not-tell"  # noqa: S105 - it opens nothing
"""The value of a variable in the environment that components are opened with."""


def example_task(package: Package, name: str = "build", **options: Any) -> tuple[Task, Package]:
    """A task of a package, as contributors are given it.

    Args:
        package: The package.
        name: The task's name.
        options: Fields of the definition.
    """
    definition = TaskDefinition(name, "true", **options)
    return Task(TaskId(f"{package.name}#{name}"), package.name, definition), package


class KeyContributorSuite(ComponentSuite):
    """The promises of `bao_core.interfaces.keys.KeyContributor`."""

    @pytest.fixture
    def files(self) -> Mapping[str, str | bytes]:
        """The workspace that the tasks lie in: content by path, from its root."""
        return {}

    @pytest.fixture
    def tasks(self) -> Sequence[tuple[Task, Package]]:
        """Tasks of which at least one gets a part; `example_task` makes them."""
        raise NotImplementedError("override the fixture `tasks`")

    @pytest.fixture
    def changes(self) -> Mapping[str, Callable[[Path], None]]:
        """What must change the parts of some task: done to the workspace's root directory.

        At least one, such as `{"version": lambda root: (root / "VERSION").write_text("2")}`.
        """
        raise NotImplementedError("override the fixture `changes`")

    @pytest.fixture
    def make_at(
        self,
        settings_at: Callable[[Path], dict[str, Any]],
        files: Mapping[str, str | bytes],
    ) -> Callable[[Path], Any]:
        """Opens the contributor in a workspace that holds the files."""
        import msgspec

        def make(place: Path) -> Any:
            root = place / "workspace"
            if not root.exists():
                for path, content in files.items():
                    target = root / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    data = content if isinstance(content, bytes) else content.encode()
                    target.write_bytes(data)
            settings = msgspec.convert(settings_at(place), self.component.Settings)
            context = context_at(place, environ={"SOME_TOKEN": SECRET})
            return self.component.open(settings, context)

        return make

    def test_parts_belong_to_tasks_that_were_asked_about(
        self, open_at: Opener, tmp_path: Path, tasks: Sequence[tuple[Task, Package]]
    ) -> None:
        assert issubclass(self.component, KeyContributor)
        parts = _parts(open_at(tmp_path), tasks)
        assert set(parts) <= {task.id for task, _ in tasks}
        assert any(parts.values()), "none of the example's tasks has a part"

    def test_without_tasks_there_are_no_parts(self, open_at: Opener, tmp_path: Path) -> None:
        assert _parts(open_at(tmp_path), ()) == {}

    def test_names_of_parts_are_unique_within_a_task(
        self, open_at: Opener, tmp_path: Path, tasks: Sequence[tuple[Task, Package]]
    ) -> None:
        for parts in open_at(tmp_path).parts(tasks).values():
            names = [part.name for part in parts]
            assert len(names) == len(set(names))
            assert all(names)

    def test_parts_are_texts_that_can_be_hashed(
        self, open_at: Opener, tmp_path: Path, tasks: Sequence[tuple[Task, Package]]
    ) -> None:
        for parts in open_at(tmp_path).parts(tasks).values():
            for part in parts:
                assert isinstance(part, KeyPart)
                assert isinstance(part.name, str)
                assert isinstance(part.value, str)
                part.name.encode("utf-8", "surrogateescape")
                part.value.encode("utf-8", "surrogateescape")

    def test_no_part_tells_a_secret(
        self, open_at: Opener, tmp_path: Path, tasks: Sequence[tuple[Task, Package]]
    ) -> None:
        for parts in open_at(tmp_path).parts(tasks).values():
            assert all(SECRET not in part.value + part.name for part in parts)

    def test_the_same_workspace_has_the_same_parts(
        self, open_at: Opener, tmp_path: Path, tasks: Sequence[tuple[Task, Package]]
    ) -> None:
        first = open_at(tmp_path)
        parts = _parts(first, tasks)
        open_at.close(first)
        assert _parts(open_at(tmp_path), tasks) == parts

    def test_the_order_and_the_company_of_tasks_do_not_count(
        self, open_at: Opener, tmp_path: Path, tasks: Sequence[tuple[Task, Package]]
    ) -> None:
        parts = _parts(open_at(tmp_path), tasks)
        assert _parts(open_at(tmp_path), tasks[::-1]) == parts
        for task in tasks:
            alone = _parts(open_at(tmp_path), [task])
            assert alone == {id_: found for id_, found in parts.items() if id_ == task[0].id}

    def test_what_it_watches_changes_the_parts(
        self,
        open_at: Opener,
        tmp_path: Path,
        tasks: Sequence[tuple[Task, Package]],
        changes: Mapping[str, Callable[[Path], None]],
    ) -> None:
        assert changes, "say what it is there for"
        for number, (what, change) in enumerate(changes.items()):
            place = tmp_path / f"{number}"
            before = _parts(open_at(place), tasks)
            change(place / "workspace")
            assert _parts(open_at(place), tasks) != before, f"{what} changed and no part did"

    def test_it_writes_nothing_into_the_workspace(
        self, open_at: Opener, tmp_path: Path, tasks: Sequence[tuple[Task, Package]]
    ) -> None:
        contributor = open_at(tmp_path)
        before = _everything_below(tmp_path / "workspace")
        contributor.parts(tasks)
        assert _everything_below(tmp_path / "workspace") == before


def _parts(contributor: Any, tasks: Any) -> dict[TaskId, list[KeyPart]]:
    """The parts of each task that has some, in the order in which they count."""
    return {id_: sorted(parts) for id_, parts in contributor.parts(tasks).items() if parts}


def _everything_below(root: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for directory, folders, names in os.walk(root):
        found.update((os.path.join(directory, name), None) for name in folders)
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as stream:
                found[path] = stream.read()
    return found
