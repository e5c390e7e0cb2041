"""Imports plugins and calls their hooks, one at a time, so that each can only break itself."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TypeVar

from bao_core.plugins.checks import HOOKS, answer_complaint
from bao_core.plugins.isolation import Isolated, PluginFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

    from pluggy import PluginManager

Result = TypeVar("Result")


class PluginLoader:
    """Turns entry points into hook implementations.

    pluggy knows the hooks and checks the signatures; it is not left to call them, because it calls
    in an order that depends on the disk and stops at the first exception.

    Args:
        limit: Seconds that an import, or the answer to a hook, may take.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._manager: PluginManager | None = None
        self._printed: list[str] = []

    def printed(self) -> str:
        """What was printed to standard output since this was last asked."""
        text = "\n".join(filter(None, self._printed))
        self._printed.clear()
        return text

    def load(self, name: str, target: str) -> dict[str, Callable[[], object]]:
        """Import a plugin; returns what it implements, by hook.

        Args:
            name: The name of its entry point, unique among the plugins loaded.
            target: The value of its entry point.

        Raises:
            PluginFault: It cannot be imported, or implements something that is no hook.
        """
        if ":" in target:
            raise PluginFault(f"names '{target}' in its entry point, which must be a module")
        from importlib import import_module

        manager = self._plugin_manager()
        module = self._isolated("failed to import", "be imported", lambda: import_module(target))

        def register() -> None:
            _check_markers(module, manager)
            manager.register(module, name)

        self._isolated("was refused", "be looked at", register)
        try:
            return _implementations(manager, name)
        except PluginFault:
            manager.unregister(name=name)
            raise

    def ask(self, hook: str, implementation: Callable[[], object]) -> Sequence[Any]:
        """Call one implementation of a hook; returns its offers.

        Raises:
            PluginFault: It raised, or answered what is no answer to this hook.
        """

        def offers() -> tuple[Any, ...]:
            answer: Any = implementation()
            complaint = answer_complaint(hook, answer)
            if complaint is not None:
                raise PluginFault(f"{complaint} in {hook}")
            return tuple(answer)

        return self._isolated(f"failed in {hook}", f"answer {hook}", offers)

    def _isolated(self, failing: str, doing: str, work: Callable[[], Result]) -> Result:
        isolated = Isolated(failing, doing, self._limit)
        try:
            with isolated:
                return work()
        finally:
            self._printed.append(isolated.printed)

    def recall(self, hook: str, places: Sequence[str]) -> Sequence[Any]:
        """The offers that a plugin made to a hook when it was asked; imports no more than them.

        Args:
            hook: The hook that was answered.
            places: What `class_places` gave.

        Raises:
            PluginFault: They cannot be imported, or are no answer to this hook any more.
        """

        def offers() -> tuple[Any, ...]:
            answer = tuple(_class_at(place) for place in places)
            complaint = answer_complaint(hook, answer)
            if complaint is not None:
                raise PluginFault(f"{complaint} in {hook}")
            return answer

        return self._isolated("failed to import", "be imported", offers)

    def _plugin_manager(self) -> PluginManager:
        if self._manager is None:
            from pluggy import PluginManager

            from bao_core import hookspecs

            self._manager = PluginManager("bao")
            self._manager.add_hookspecs(hookspecs)
        return self._manager


def class_places(answer: Sequence[Any], target: str) -> tuple[str, ...]:
    """Where the classes of an answer are found again, as `module:name`.

    Args:
        answer: What a plugin offers to a hook.
        target: The plugin's module. Only what stands in the package around it is watched for
            changes.

    Returns:
        One place for each, in their order; none at all where one would not be found.
    """
    package = target.rpartition(".")[0] or target
    places = []
    for offer in answer:
        module = getattr(offer, "__module__", "")
        place = f"{module}:{getattr(offer, '__qualname__', '')}"
        try:
            found = module.startswith(f"{package}.") and _class_at(place) is offer
        except (AttributeError, ImportError, ValueError):
            found = False
        if not found:
            return ()
        places.append(place)
    return tuple(places)


def _class_at(place: str) -> Any:
    module, _, name = place.partition(":")
    __import__(module)
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def mentioned_hooks(target: str) -> tuple[str, ...] | None:
    """The hooks that the source of a module speaks of, without importing it.

    Tells what a plugin would offer that cannot be imported and never was; None where there is no
    such module.
    """
    source = module_source(target)
    if source is None:
        return None
    return tuple(hook for hook in HOOKS if hook.encode() in source)


def module_source(target: str) -> bytes | None:
    """What the file of a module holds; None where there is none."""
    try:
        with open(module_file(target) or "", "rb") as file:
            return file.read()
    except OSError:
        return None


def module_file(target: str) -> str | None:
    """The file of a module, found without importing the packages that it stands in."""
    path: Sequence[str] | None = None
    origin: str | None = None
    parts = target.split(".")
    for end in range(1, len(parts) + 1):
        spec = _find_spec(".".join(parts[:end]), path)
        if spec is None:
            return None
        path, origin = spec.submodule_search_locations, spec.origin
    return origin


def _find_spec(name: str, path: Sequence[str] | None) -> Any:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # noqa: BLE001, S112 - any finder may be installed
            continue
        if spec is not None:
            return spec
    return None


def _check_markers(module: ModuleType, manager: PluginManager) -> None:
    """Refuse a function named like a hook that pluggy would overlook for lack of its marker."""
    for attribute, value in vars(module).items():
        if (
            attribute in HOOKS
            and isinstance(value, FunctionType)
            and manager.parse_hookimpl_opts(module, attribute) is None
        ):
            raise PluginFault(f"does not mark {attribute} with @hookimpl")


def _implementations(manager: PluginManager, name: str) -> dict[str, Callable[[], object]]:
    """What a registered plugin implements, by hook.

    Raises:
        PluginFault: It implements a hook that does not exist, or wraps what others implement.
    """
    from pluggy import PluginValidationError

    try:
        manager.check_pending()
    except PluginValidationError as error:
        raise PluginFault(_unknown_hook(manager, name) or str(error)) from None
    implementations = {}
    for hook in HOOKS:
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            if implementation.plugin_name != name:
                continue
            if implementation.hookwrapper or implementation.wrapper:
                raise PluginFault(f"wraps {hook}, but hooks of bao cannot be wrapped")
            implementations[hook] = implementation.function
    return implementations


def _unknown_hook(manager: PluginManager, name: str) -> str | None:
    from difflib import get_close_matches

    for hook, caller in vars(manager.hook).items():
        if hook in HOOKS or hook.startswith("_"):
            continue
        if any(found.plugin_name == name for found in caller.get_hookimpls()):
            near = get_close_matches(hook, HOOKS, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            return f"implements {hook}, which is no hook of bao{meant}"
    return None
