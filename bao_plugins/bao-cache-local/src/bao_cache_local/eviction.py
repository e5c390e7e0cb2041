"""Keeping the cache within its bounds: the least recently used entries go first.

The files themselves have the last word on when they were used. A file is moved aside before it is
removed and looked at once more there: if somebody has marked it as used in between, it goes back.
So whoever marks a blob and then stores an entry that names it finds it in place, without a lock;
whoever reads while it is aside finds a miss.
"""

from __future__ import annotations

import os
import time

from sqlalchemy import delete, exists, func, select, update

from bao_cache_local.catalogue import OutOfTime
from bao_cache_local.files import Workshop, remove
from bao_cache_local.places import LONG
from bao_cache_local.scanning import forget_entries
from bao_cache_local.tables import blobs, entries, needs
from bao_core.interfaces.cache import Evicted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bao_cache_local.catalogue import Catalogue
    from bao_cache_local.places import Places
    from bao_core.interfaces.cache import EvictionPolicy

_BATCH = 64
_RUBBISH = 3600.0
"""Seconds after which an unfinished file belongs to nobody."""


def evict(catalogue: Catalogue, policy: EvictionPolicy, places: Places) -> Evicted:
    """Remove what a policy does not keep.

    Args:
        catalogue: Of the cache; brought up to date first, which takes of the budget.
        policy: With every bound that counts.
        places: Told which entries are left, once in a while.
    """
    deadline = None if policy.budget is None else time.monotonic() + policy.budget
    if not os.path.isdir(catalogue.root):
        return Evicted()
    answer = catalogue.use_until(
        lambda connection: _Eviction(connection, catalogue.root, policy, deadline).run(places),
        deadline,
    )
    return Evicted(complete=False) if isinstance(answer, OutOfTime) else answer


class _Eviction:
    def __init__(
        self, connection: Connection, root: str, policy: EvictionPolicy, deadline: float | None
    ) -> None:
        self._connection = connection
        self._root = root
        self._policy = policy
        self._deadline = deadline
        self._now = time.time()
        # Whoever was used after this moment stays.
        self._spare = self._now - policy.spare
        self._workshop = Workshop(root)
        self._entries = 0
        self._bytes = 0

    def run(self, places: Places) -> Evicted:
        complete = self._evict_entries() and self._evict_orphans()
        if complete:
            self._sweep()
            self._shorten(places)
        return Evicted(self._entries, self._bytes, complete)

    def _late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline

    def _evict_entries(self) -> bool:
        size = self._size()
        max_bytes, max_age = self._policy.max_bytes, self._policy.max_age
        too_old = -1.0 if max_age is None else self._now - max_age
        while batch := self._oldest():
            for number, directory, key, used in batch:
                too_much = max_bytes is not None and size > max_bytes
                if not too_much and used >= too_old:
                    return True
                if self._late():
                    return False
                size -= self._evict_entry(number, f"{directory}/{key}", used)
        return True

    def _oldest(self) -> list[tuple[int, str, str, float]]:
        query = (
            select(entries.c.id, entries.c.directory, entries.c.key, entries.c.used)
            .where(entries.c.used <= self._spare)
            .order_by(entries.c.used, entries.c.id)
            .limit(_BATCH)
        )
        return [
            (int(n), str(d), str(k), float(u)) for n, d, k, u in self._connection.execute(query)
        ]

    def _evict_entry(self, number: int, path: str, used: float) -> int:
        """Evict an entry and the blobs that only it needs; returns the bytes that are gone.

        An entry that was used since the catalogue heard of it stays, and the catalogue hears.
        """
        full = f"{self._root}/{path}"
        try:
            really = os.stat(full).st_mtime
        except OSError:
            really = used  # gone already
        if really > used:
            self._connection.execute(
                update(entries).where(entries.c.id == number).values(used=really)
            )
            return 0
        freed = self._take_away(full, used)
        if freed is None:
            # Later than what is spared, so that it does not come up again.
            later = update(entries).where(entries.c.id == number).values(used=self._spare + 1)
            self._connection.execute(later)
            return 0
        hashes = self._connection.scalars(select(needs.c.hash).where(needs.c.entry == number)).all()
        forget_entries(self._connection, [number])
        self._entries += 1
        self._bytes += freed
        return freed + sum(self._evict_blob(str(name)) for name in hashes)

    def _evict_orphans(self) -> bool:
        """Evict blobs that no entry needs: their process was killed before it could write one."""
        nobody = ~exists().where(needs.c.hash == blobs.c.hash)
        for name in self._connection.scalars(select(blobs.c.hash).where(nobody)).all():
            if self._late():
                return False
            self._evict_blob(str(name))
        return True

    def _evict_blob(self, name: str) -> int:
        """Evict a blob unless an entry needs it; returns the bytes that are gone."""
        query = select(needs.c.entry).where(needs.c.hash == name).limit(1)
        if self._connection.scalar(query) is not None:
            return 0
        freed = self._take_away(f"{self._root}/blobs/{name[:2]}/{name}", self._spare)
        if freed is None:
            return 0
        self._connection.execute(delete(blobs).where(blobs.c.hash == name))
        self._bytes += freed
        return freed

    def _take_away(self, path: str, limit: float) -> int | None:
        """Remove a file that was not used after a moment; its bytes, or None if it stays."""
        aside = self._workshop.name()
        try:
            if os.stat(path).st_mtime > limit:
                return None
            os.rename(path, aside)
        except FileNotFoundError:
            if os.path.isdir(self._workshop.directory):
                return 0
            os.makedirs(self._workshop.directory, exist_ok=True)
            return self._take_away(path, limit)
        except OSError:
            return None
        found = os.stat(aside)
        if found.st_mtime > limit:
            os.rename(aside, path)
            return None
        remove(aside)
        return found.st_size

    def _size(self) -> int:
        total = 0
        for table in (entries, blobs):
            query = select(func.coalesce(func.sum(table.c.size), 0))
            total += int(self._connection.scalar(query) or 0)
        return total

    def _sweep(self) -> None:
        """Remove what killed processes left unfinished, and histories of long ago."""
        self._remove_older(self._workshop.directory, self._now - _RUBBISH)
        if self._policy.max_age is not None:
            too_old = self._now - max(self._policy.max_age, self._policy.spare)
            self._remove_older(f"{self._root}/history", too_old)

    def _shorten(self, places: Places) -> None:
        """Let one long file of places forget entries that are gone."""
        directory = f"{self._root}/places"
        for name in _names(directory):
            if os.stat(f"{directory}/{name}").st_size > LONG:
                keys = set(self._connection.scalars(select(entries.c.key)))
                places.shorten(name, keys.__contains__)
                return

    def _remove_older(self, directory: str, limit: float) -> None:
        for name in _names(directory):
            path = f"{directory}/{name}"
            try:
                if os.lstat(path).st_mtime < limit:
                    remove(path)
            except OSError:
                continue


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
