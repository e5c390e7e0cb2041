"""Imports msgspec and subprocess at little more than half of what they cost.

A run of hits takes a third of its time to import msgspec, much of it for what bao never touches.
That is kept out as long as the import lasts: afterwards whoever asks for one of these modules gets
the real one. msgspec is imported with this module, which is to be imported before anything else of
bao; subprocess by `import_subprocess`, before the first command of a run.

* typing_extensions, which is there for Typer, has nothing that msgspec would not find in typing
  since Python 3.11.
* platform compiles a dozen regular expressions to tell uuid that Linux is Linux.
* _uuid brings a library that says of one kind of UUID whether it is unique on this machine.
* datetime, until Python 3.12, defines all its classes in Python before it takes those of
  `_datetime` instead, which are the ones that msgspec wants.
* compile defines a class for each kind of node in a syntax tree when it is first called. msgspec
  has typing call it once, to see whether an argument is known to it. Nothing else in a run of hits
  compiles anything: the records that it decodes have real annotations, not texts.
* msgspec.inspect and what describes types in JSON Schema are for `bao config` and for mistakes in
  configuration.
* locale tells subprocess how to read output as text, and selectors how to write and read at once,
  which bao asks of it only where no command is waited for.

Should another version of any of these not go along with that, all is imported as usual.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any
else:
    ModuleType = type(sys)  # as types has it, which is not imported yet

_LATER = ("msgspec.inspect", "msgspec._json_schema")
"""The modules of msgspec that are only imported when they are used."""


class _Unopened(ModuleType):
    """Stands for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened(), name)

    def _opened(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return _import(self.__name__)


class _UnopenedSelectors(_Unopened):
    def PollSelector(self) -> Any:  # noqa: N802 - what subprocess takes from it when imported
        return self._opened().PollSelector()


class _Later(ModuleType):
    """Stands for a module until something of it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments: Any, **named: Any) -> Any:
            return getattr(_import(self.__name__), name)(*arguments, **named)

        return call


def _import(name: str) -> ModuleType:
    __import__(name)
    return sys.modules[name]


def _linux() -> ModuleType:
    platform = ModuleType("platform")
    vars(platform)["system"] = lambda: "Linux"
    return platform


def _import_beside(instead: Mapping[str, ModuleType | None], name: str) -> ModuleType:
    """Import a module while others stand for some that it imports, unless they are there already.

    Args:
        instead: What stands for the modules of these names; None for what cannot be imported.
        name: What to import.
    """
    instead = {other: stand for other, stand in instead.items() if other not in sys.modules}
    modules: dict[str, Any] = sys.modules
    modules.update(instead)
    try:
        return _import(name)
    finally:
        for other, stand in instead.items():
            if modules.get(other, name) is stand:
                del modules[other]


def _import_uuid() -> None:
    if sys.platform == "linux":
        _import_beside({"platform": _linux(), "_uuid": None}, "uuid")


def _compiles_nothing(*_: object, **__: object) -> None:
    pass


def _import_msgspec_uncompiled() -> None:
    typing = _import("typing")
    vars(typing)["compile"] = _compiles_nothing
    try:
        _import_msgspec_beside_others()
    finally:
        del vars(typing)["compile"]


def _import_msgspec_beside_others() -> None:
    instead: dict[str, ModuleType | None] = {"typing_extensions": None}
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
        instead["datetime"] = _import("_datetime")
    msgspec = _import_beside(instead | {name: _Later(name) for name in _LATER}, "msgspec")
    if isinstance(vars(msgspec).get("inspect"), _Later):
        del vars(msgspec)["inspect"]

        def inspect_later(name: str) -> ModuleType:
            if name == "inspect":
                return _import("msgspec.inspect")
            raise AttributeError(f"module 'msgspec' has no attribute {name!r}")

        vars(msgspec)["__getattr__"] = inspect_later


def import_msgspec() -> None:
    """Import msgspec, unless that has been done."""
    if "msgspec" in sys.modules:
        return
    try:
        _import_uuid()
        _import_msgspec_uncompiled()
    except Exception:  # noqa: BLE001 - another version, which wants more than what stands there
        _import("msgspec")


def import_subprocess() -> None:
    """Import subprocess, unless that has been done."""
    if "subprocess" in sys.modules:
        return
    instead = (_Unopened("locale"), _UnopenedSelectors("selectors"))
    _import_beside({stand.__name__: stand for stand in instead}, "subprocess")


import_msgspec()
