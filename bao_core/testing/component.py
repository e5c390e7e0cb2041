"""What every component promises, and what all suites have in common."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest

from bao_core.testing.fakes import context_at
from bao_core.testing.guarding import dropped_promises, guard_against_skips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bao_core.interfaces.component import Component

SLOW_LIBRARIES = frozenset({"asyncio"})
"""Parts of Python's own library that cost too much to be imported before they are needed."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

_LIST_IMPORTS = """
import importlib, sys
import bao_core.digests, bao_core.hookspecs, bao_core.interfaces.cache, zstandard
before = set(sys.modules)
importlib.import_module(sys.argv[1])
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


class Opener:
    """Makes components, and closes each of them once."""

    def __init__(self, make: Callable[[Path], Any]) -> None:
        self._make = make
        self._open: list[Component] = []

    def __call__(self, place: Path) -> Any:
        self._open.append(self._make(place))
        return self._open[-1]

    def close(self, component: Component) -> None:
        """Close one of them."""
        self._open = [other for other in self._open if other is not component]
        component.close()

    def close_all(self) -> None:
        """Close all that are still open, the last first."""
        while self._open:
            self.close(self._open[-1])


class ComponentSuite:
    """The part that all suites share.

    A suite is used by subclassing it in a test module, as in `class TestNight(GateSuite)`.

    Attributes:
        component: The class that a hook offers.
        imports: Libraries that importing the component's module may import besides core's own.
    """

    component: ClassVar[type[Component]]
    imports: ClassVar[frozenset[str]] = frozenset()

    @pytest.fixture
    def settings_at(self) -> Callable[[Path], dict[str, Any]]:
        """The component's table of the configuration, for an instance of its own at each place.

        A place is a directory that need not exist. Two instances of one place share what they
        keep; at a place that was not used before they are empty. Override it where the component
        needs settings for that.
        """
        return lambda _place: {}

    @pytest.fixture
    def make_at(self, settings_at: Callable[[Path], dict[str, Any]]) -> Callable[[Path], Component]:
        """Opens the component as core does. Override it for one that is made in another way."""

        def make(place: Path) -> Component:
            settings = msgspec.convert(settings_at(place), self.component.Settings)
            return self.component.open(settings, context_at(place))

        return make

    @pytest.fixture
    def open_at(self, make_at: Callable[[Path], Component]) -> Iterator[Opener]:
        """Opens the component at a place, as often as wanted; closes what was opened."""
        opener = Opener(make_at)
        yield opener
        opener.close_all()

    @pytest.fixture(autouse=True)
    def _guarded(self, request: pytest.FixtureRequest) -> None:
        guard_against_skips(request.config)
        whole = getattr(request.cls, "test_the_suite_is_whole", None)
        assert whole is ComponentSuite.test_the_suite_is_whole, (
            "test_the_suite_is_whole stays as it is"
        )

    def test_the_suite_is_whole(self) -> None:
        assert dropped_promises(type(self)) == []

    def test_its_name_is_a_word_for_the_configuration(self) -> None:
        name = self.component.name
        assert isinstance(name, str)
        assert _NAME.fullmatch(name), f"'{name}' is not of small letters, digits and hyphens"

    def test_its_settings_are_decoded_and_mistakes_in_them_refused(
        self, settings_at: Callable[[Path], dict[str, Any]], tmp_path: Path
    ) -> None:
        table = settings_at(tmp_path / "place")
        kind = self.component.Settings
        assert issubclass(kind, msgspec.Struct)
        assert isinstance(msgspec.convert(table, kind), kind)
        with pytest.raises(msgspec.ValidationError, match="no-such-setting"):
            msgspec.convert({**table, "no-such-setting": 1}, kind)

    def test_it_can_be_opened_closed_and_opened_again(
        self, settings_at: Callable[[Path], dict[str, Any]], tmp_path: Path
    ) -> None:
        place = tmp_path / "place"
        settings = msgspec.convert(settings_at(place), self.component.Settings)
        for _ in range(2):
            component = self.component.open(settings, context_at(place))
            assert isinstance(component, self.component)
            component.close()

    def test_importing_its_module_imports_no_heavy_library(self) -> None:
        module = self.component.__module__
        done = subprocess.run(
            (sys.executable, "-c", _LIST_IMPORTS, module),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        own = {module.partition(".")[0], "bao_core", *self.imports}
        standard = sys.stdlib_module_names - SLOW_LIBRARIES
        heavy = {
            name for name in done.stdout.split() if name not in own | standard and name[0] != "_"
        }
        assert heavy == set(), "import them inside `open` or later, or declare them in `imports`"
