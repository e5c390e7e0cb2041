"""When the cache is tidied, and how little of a run that may take.

A run that stored something calls `evict` with a budget at its end. Most of these calls find that
nothing is due and end there: the library behind the catalogue takes ten times the budget to import.
A file, `upkeep`, holds when the cache was last tidied, and a byte for every MiB stored since. Once
that is a day or a good part of the bound ago, the import is started in the background of a run that
stores, and the eviction happens at the end of the first run long enough for it; if that does not
come for long, a run waits for the import once.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from bao_cache_local.files import Workshop, write_all
from bao_core.interfaces.cache import Evicted, EvictionPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from bao_cache_local.catalogue import Catalogue
    from bao_cache_local.history import History
    from bao_cache_local.places import Places
    from bao_cache_local.settings import LocalCacheSettings

    Due = Literal["not", "soon", "now"]

_SOON = 86_400.0
_NOW = 4 * 86_400.0
"""Seconds after which tidying is due, and after which it waits for nothing."""

_SOON_SHARE = 64
_NOW_SHARE = 16
"""What part of the bound may be stored in between."""

_UNIT = 1 << 20


class Upkeep:
    """Tidies one cache, and holds its catalogue once that is needed."""

    def __init__(self, root: str, settings: LocalCacheSettings, places: Places) -> None:
        self._root = root
        self._path = f"{root}/upkeep"
        self._settings = settings
        self._places = places
        self._added = 0
        self._noted = False
        self._lock = threading.Lock()
        self._import: threading.Thread | None = None
        self._catalogue: Catalogue | None = None

    def note(self, size: int) -> None:
        """So many bytes were stored. The first time, begin what the end of the run may need."""
        if not size:
            return
        with self._lock:
            self._added += size
            first, self._noted = not self._noted, True
        if first and self.due() != "not" and "sqlalchemy" not in sys.modules:
            self._import = threading.Thread(target=_import_catalogue, daemon=True)
            self._import.start()

    def due(self) -> Due:
        """Whether tidying is due. Where the cache was never tidied, the clock starts now."""
        last, units = self._read()
        if last is None:
            self._write_last()
            return "not"
        age = time.time() - last
        added = units * _UNIT + self._added
        bound = self._settings.size_bound(self._root)
        if age > _NOW or (bound is not None and added > bound // _NOW_SHARE):
            return "now"
        if age > _SOON or (bound is not None and added > bound // _SOON_SHARE):
            return "soon"
        return "not"

    def catalogue(self) -> Catalogue:
        """The catalogue, imported and opened when first asked for."""
        from bao_cache_local.catalogue import Catalogue

        with self._lock:
            if self._catalogue is None:
                self._catalogue = Catalogue(self._root)
            return self._catalogue

    def evict(self, policy: EvictionPolicy) -> Evicted:
        """Evict by a policy, filled up from the settings; with a budget only what is due."""
        if policy.budget is not None and not self._ready():
            return Evicted()
        from bao_cache_local.eviction import evict

        max_bytes, max_age = policy.max_bytes, policy.max_age
        filled = EvictionPolicy(
            max_bytes=self._settings.size_bound(self._root) if max_bytes is None else max_bytes,
            max_age=self._settings.age_bound() if max_age is None else max_age,
            spare=policy.spare,
            budget=policy.budget,
        )
        evicted = evict(self.catalogue(), filled, self._places)
        if evicted.complete:
            self._added = 0
            self._write_last()
        return evicted

    def rebuild(self, history: History) -> None:
        """Make the catalogue anew, and the histories that were lost."""
        catalogue = self.catalogue()
        catalogue.rebuild()
        for task_id, made in catalogue.made().items():
            history.complete(task_id, made)

    def close(self) -> None:
        """Leave a note of how much was stored."""
        if units := self._added // _UNIT:
            self._append(b"." * units)
        if self._catalogue is not None:
            self._catalogue.close()
            self._catalogue = None

    def _ready(self) -> bool:
        """Whether to evict now: it is due, and the library is there or long awaited."""
        if not self._noted:
            return False
        due = self.due()
        if due == "now" and self._import is not None:
            self._import.join()
        return due == "now" or (
            due == "soon"
            and "sqlalchemy" in sys.modules
            and (self._import is None or not self._import.is_alive())
        )

    def _read(self) -> tuple[float | None, int]:
        try:
            with open(self._path, "rb", buffering=0) as file:
                first, _, rest = file.read().partition(b"\n")
            return float(first), len(rest)
        except (OSError, ValueError):
            return None, 0

    def _append(self, data: bytes) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                write_all(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError:
            pass  # then the next eviction comes a little later

    def _write_last(self) -> None:
        text = f"{time.time():.0f}\n".encode("ascii")
        try:
            made = Workshop(self._root).make(lambda target: write_all(target, text))
            os.replace(made, self._path)
        except OSError:
            pass  # where nothing can be written, nothing can be evicted either


def _import_catalogue() -> None:
    import bao_cache_local.catalogue
    import bao_cache_local.eviction  # noqa: F401 - imported for its time
