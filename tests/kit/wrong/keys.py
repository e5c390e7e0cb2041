"""Key contributors that break one promise each, and the tests that catch them."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from bao_core.interfaces.keys import KeyContributor
from bao_core.model import KeyPart, Package
from bao_core.testing.keys import KeyContributorSuite, example_task

NUMBERS = count()


class VersionFile(KeyContributor):
    """The first line of a file called VERSION."""

    name = "version-file"

    def __init__(self, context) -> None:
        self.context = context

    @classmethod
    def open(cls, settings, context):
        return cls(context)

    def version(self) -> str:
        return (Path(self.context.root) / "VERSION").read_text()

    def parts(self, tasks):
        return {task.id: [KeyPart("version", self.version())] for task, _ in tasks}


class VersionSuite(KeyContributorSuite):
    component = VersionFile

    @pytest.fixture
    def files(self):
        return {"VERSION": "1\n"}

    @pytest.fixture
    def tasks(self):
        package = Package("lib", "packages/lib", "bao", "packages/lib/bao.toml")
        return [example_task(package), example_task(package, "test")]

    @pytest.fixture
    def changes(self):
        return {"the version": lambda root: (root / "VERSION").write_text("2\n")}


def caught_by(test):
    """Make a suite of a wrong contributor, of which one test should fail."""

    def decorate(wrong):
        name = f"Test{wrong.__name__}"
        globals()[name] = type(name, (VersionSuite,), {"component": wrong, "caught_by": test})
        return wrong

    return decorate


@caught_by("test_parts_belong_to_tasks_that_were_asked_about")
class SpeaksOfOthers(VersionFile):
    def parts(self, tasks):
        return {**super().parts(tasks), "other#build": [KeyPart("version", "3")]}


@caught_by("test_parts_belong_to_tasks_that_were_asked_about")
class HasNothingToSay(VersionFile):
    def parts(self, tasks):
        return {}


@caught_by("test_without_tasks_there_are_no_parts")
class NeedsATask(VersionFile):
    def parts(self, tasks):
        return {tasks[0][0].id: []} | super().parts(tasks)


@caught_by("test_names_of_parts_are_unique_within_a_task")
class UsesANameTwice(VersionFile):
    def parts(self, tasks):
        return {id_: parts * 2 for id_, parts in super().parts(tasks).items()}


@caught_by("test_parts_are_texts_that_can_be_hashed")
class GivesNumbers(VersionFile):
    def parts(self, tasks):
        return {task.id: [KeyPart("version", 1)] for task, _ in tasks}


@caught_by("test_no_part_tells_a_secret")
class TellsEverything(VersionFile):
    def version(self) -> str:
        return super().version() + repr(self.context.environ)


@caught_by("test_the_same_workspace_has_the_same_parts")
class Counts(VersionFile):
    def version(self) -> str:
        return f"{super().version()} {next(NUMBERS)}"


@caught_by("test_the_order_and_the_company_of_tasks_do_not_count")
class NumbersTasks(VersionFile):
    def parts(self, tasks):
        version = self.version()
        return {task.id: [KeyPart("n", f"{n}{version}")] for n, (task, _) in enumerate(tasks)}


@caught_by("test_what_it_watches_changes_the_parts")
class DoesNotLook(VersionFile):
    def version(self) -> str:
        return "1"


@caught_by("test_it_writes_nothing_into_the_workspace")
class LeavesATrace(VersionFile):
    def version(self) -> str:
        (Path(self.context.root) / ".seen").touch()
        return super().version()
