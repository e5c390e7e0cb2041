"""The compiled modules of earlier runs in one file, which costs less than a file for each.

For each module Python looks through directories, compares times, and opens, reads and unpacks a
file: a tenth of a millisecond, and a run of hits imports a hundred and fifty. A bundle holds all of
them, one after the other. It lies beside the files that Python itself writes, is written where and
when those are, and believed as far as those: while source files keep their time and size, and the
directories of the import path their times. It may be deleted at any moment.
"""

from __future__ import annotations

import marshal
import os
import sys
import time

# importlib.machinery has them too, and takes a millisecond to import.
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import CodeType, ModuleType
    from typing import Any, Self

    Stamp = tuple[int, int]
    """When a file was written, in nanoseconds since the epoch, and its size."""

    Facts = tuple[str, str | None, bool, Stamp]
    """The source file of a module, where Python keeps it compiled, whether it is a package, and
    the stamp of the source file."""

_FORMAT = "bao-bundle-1"

_NUMBER = 8
"""Bytes of the number that a bundle begins with: the length of its table of contents."""

_PATIENCE = 3600
"""Seconds that a bundle of another import path is left alone: where bao is started with two of them
in turn, it is not written again each time."""


class CodeBundle:
    """A bundle, from which Python can import.

    After the table of contents come the codes. The table says which Python they are for, with
    which import path, the times of its directories, how long all codes are, and by
    name of each module its facts, and where its code begins and how long it is.

    Args:
        path: The file, which need not exist.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._imported_before = frozenset(sys.modules)
        self._python = f"{_FORMAT} {sys.version} {sys.flags.optimize}"
        self._import_path = tuple(sys.path)
        self._times = tuple(map(_time_of, sys.path))
        self._modules: dict[str, tuple[Facts, int, int]] = {}
        self._is_of_others = False
        self._descriptor = -1
        self._codes_begin = 0
        try:
            self._open()
        except (OSError, ValueError, EOFError, TypeError):
            return  # there is none, or it is damaged

    @classmethod
    def install(cls) -> Self | None:
        """Have Python look here first; None where it does not keep what it compiles."""
        cached: str | None = getattr(__spec__, "cached", None)
        if not cached or not all(map(os.path.isabs, sys.path)):
            return None
        bundle = cls(f"{cached.rpartition('.')[0]}.bundle")
        sys.meta_path.insert(0, bundle)
        return bundle

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A module that is in the bundle, and whose source file is as it was then."""
        del path, target
        if name not in self._modules:
            return None
        (source, cached, is_package, stamp), _, _ = self._modules[name]
        if _stamp(source) != stamp:
            return None
        spec = ModuleSpec(
            name, _BundledLoader(name, source, self), origin=source, is_package=is_package
        )
        spec.has_location = True
        spec.cached = cached
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(os.path.dirname(source))
        return spec

    def code(self, name: str) -> bytes:
        """The code of a module in the bundle, as `marshal` writes it.

        Raises:
            OSError: The bundle cannot be read.
        """
        _, begin, length = self._modules[name]
        return os.pread(self._descriptor, length, self._codes_begin + begin)

    def save(self) -> None:
        """Write the bundle anew if modules were imported that it lacks."""
        if sys.dont_write_bytecode or self._is_of_others:
            return
        try:
            found = dict(self._imported_elsewhere())
            if not found:
                return
            for name, (facts, _, _) in self._modules.items():
                if name not in found:
                    found[name] = (facts, self.code(name))
            self._write(found)
        except (OSError, ImportError):
            return  # the next run may have more luck

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        file = os.fstat(self._descriptor)
        length = int.from_bytes(os.pread(self._descriptor, _NUMBER, 0), "little")
        if length > file.st_size:
            return  # damaged
        table = _loaded(os.pread(self._descriptor, length, _NUMBER))
        python, import_path, times, codes_length, modules = table
        if (python, import_path) != (self._python, self._import_path):
            self._is_of_others = file.st_mtime > time.time() - _PATIENCE
        elif times == self._times and file.st_size == _NUMBER + length + codes_length:
            self._modules = modules
            self._codes_begin = _NUMBER + length

    def _imported_elsewhere(self) -> Iterator[tuple[str, tuple[Facts, bytes]]]:
        """What Python imported from files of its own since the bundle was opened."""
        for name, module in tuple(sys.modules.items()):
            spec = getattr(module, "__spec__", None)
            if name in self._imported_before or spec is None or spec.name != name:
                continue
            if type(spec.loader) is SourceFileLoader and (stamp := _stamp(spec.origin)):
                code = spec.loader.get_code(name)
                is_package = spec.submodule_search_locations is not None
                yield name, ((spec.origin, spec.cached, is_package, stamp), marshal.dumps(code))

    def _write(self, found: Mapping[str, tuple[Facts, bytes]]) -> None:
        from bao_core.places import replace_file

        modules: dict[str, tuple[Facts, int, int]] = {}
        codes_length = 0
        for name, (facts, code) in found.items():
            modules[name] = (facts, codes_length, len(code))
            codes_length += len(code)
        table = marshal.dumps((self._python, self._import_path, self._times, codes_length, modules))
        head = len(table).to_bytes(_NUMBER, "little") + table
        codes = b"".join(code for _, code in found.values())
        # Nothing tells damaged code from other code: it has to be on the disk as a whole.
        replace_file(self._path, head + codes, flush=True)


class _BundledLoader(SourceFileLoader):
    """Loads a module as from its source file, except that its code comes out of the bundle."""

    def __init__(self, name: str, source: str, bundle: CodeBundle) -> None:
        super().__init__(name, source)
        self._bundle = bundle

    def get_code(self, fullname: str) -> CodeType | None:
        """The code of the module."""
        try:
            code: CodeType = _loaded(self._bundle.code(fullname))
        except (OSError, ValueError, EOFError, TypeError):
            return super().get_code(fullname)
        return code


def _loaded(data: bytes) -> Any:
    return marshal.loads(data)  # noqa: S302 - as trusted as the files that Python itself compiles


def _time_of(directory: str) -> int | None:
    stamp = _stamp(directory)
    return stamp[0] if stamp is not None else None


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
