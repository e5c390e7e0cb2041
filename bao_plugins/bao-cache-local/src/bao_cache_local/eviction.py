"""Keeping the cache within its bounds: the least recently used entries go first.

The files themselves have the last word on when they were used. A blob is moved aside before it is
removed and looked at once more there: if somebody has marked it as used in between, it goes back.
So whoever marks a blob and then stores an entry that names it finds it in place, without a lock;
whoever reads while it is aside, or an entry that is just going, finds a miss.
"""

from __future__ import annotations

import os
import time

from sqlalchemy import bindparam, exists, func, select, update

from bao_cache_local.catalogue import OutOfTime
from bao_cache_local.files import Workshop, remove
from bao_cache_local.places import LONG
from bao_cache_local.scanning import forget_blobs, forget_entries
from bao_cache_local.tables import blobs, entries, needs
from bao_core.interfaces.cache import Evicted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple

    from sqlalchemy import ColumnElement, Connection

    from bao_cache_local.catalogue import Catalogue
    from bao_cache_local.places import Places
    from bao_core.interfaces.cache import EvictionPolicy

    class Candidate(NamedTuple):
        """An entry of the catalogue; `size` is that of its file and all its blobs."""

        id: int
        directory: str
        key: str
        used: float
        size: int


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
        # What is in the catalogue and stays, although the catalogue thinks it could go.
        self._used: dict[int, float] = {}

    def run(self, places: Places) -> Evicted:
        complete = self._evict_entries() and self._evict_orphans()
        if complete:
            self._sweep()
            self._shorten(places)
        return Evicted(self._entries, self._bytes, complete)

    def _late(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline

    def _evict_entries(self) -> bool:
        """Evict entries, oldest first; whether there was time for all that must go."""
        total = self._total()
        while batch := self._oldest():
            start = self._bytes
            gone: list[int] = []
            # Which blobs are shared shows only afterwards; until then, rather too few go.
            expected = total
            enough = False
            for candidate in batch:
                enough = not self._must_go(candidate, expected)
                if enough or self._late():
                    break
                if self._evict_entry(candidate):
                    gone.append(candidate.id)
                    expected -= candidate.size
            self._settle(gone)
            total -= self._bytes - start
            if self._late():
                return False
            if enough and not gone:
                return True
        return True

    def _must_go(self, candidate: Candidate, total: int) -> bool:
        max_bytes, max_age = self._policy.max_bytes, self._policy.max_age
        if max_age is not None and candidate.used < self._now - max_age:
            return True
        return max_bytes is not None and total > max_bytes

    def _oldest(self) -> list[Candidate]:
        oldest = (
            select(entries)
            .where(entries.c.used <= self._spare)
            .order_by(entries.c.used, entries.c.id)
            .limit(_BATCH)
            .subquery()
        )
        size = oldest.c.size + func.coalesce(func.sum(blobs.c.size), 0)
        query = (
            select(oldest.c.id, oldest.c.directory, oldest.c.key, oldest.c.used, size.label("size"))
            .outerjoin(needs, needs.c.entry == oldest.c.id)
            .outerjoin(blobs, blobs.c.hash == needs.c.hash)
            .group_by(oldest.c.id)
            .order_by(oldest.c.used, oldest.c.id)
        )
        rows: Iterable[Candidate] = self._connection.execute(query).all()  # type: ignore[assignment]
        return list(rows)

    def _evict_entry(self, candidate: Candidate) -> bool:
        """Remove a result file, unless it was used since the catalogue heard of it."""
        path = f"{self._root}/{candidate.directory}/{candidate.key}"
        try:
            found = os.stat(path)
        except OSError:
            return True  # gone already
        if found.st_mtime > candidate.used:
            self._used[candidate.id] = found.st_mtime
            return False
        if not remove(path):
            self._used[candidate.id] = self._spare + 1  # it does not come up again
            return False
        self._entries += 1
        self._bytes += found.st_size
        return True

    def _settle(self, gone: list[int]) -> None:
        """Tell the catalogue what happened, and evict the blobs that nobody needs any more."""
        if self._used:
            changed = (
                update(entries)
                .where(entries.c.id == bindparam("number"))
                .values(used=bindparam("really"))
            )
            rows = [{"number": n, "really": used} for n, used in self._used.items()]
            self._connection.execute(changed, rows)
            self._used.clear()
        if gone:
            named = select(needs.c.hash).where(needs.c.entry.in_(gone)).distinct()
            hashes = [str(name) for name in self._connection.scalars(named)]
            forget_entries(self._connection, gone)
            for start in range(0, len(hashes), 500):  # SQLite takes so many values at least
                self._evict_blobs(blobs.c.hash.in_(hashes[start : start + 500]))

    def _evict_orphans(self) -> bool:
        """Evict blobs that no entry needs: their process was killed before it could write one."""
        self._evict_blobs(blobs.c.hash.is_not(None))
        return not self._late()

    def _evict_blobs(self, which: ColumnElement[bool]) -> None:
        nobody = ~exists().where(needs.c.hash == blobs.c.hash)
        gone = []
        for name in self._connection.scalars(select(blobs.c.hash).where(which, nobody)).all():
            if self._late():
                break  # an orphan now
            if self._evict_blob(str(name)):
                gone.append(str(name))
        forget_blobs(self._connection, gone)

    def _evict_blob(self, name: str) -> bool:
        """Remove a blob unless somebody used it lately; whether it is gone."""
        path = f"{self._root}/blobs/{name[:2]}/{name}"
        aside = self._workshop.name()
        try:
            if os.stat(path).st_mtime > self._spare:
                return False
        except OSError:
            return True
        try:
            self._workshop.make_directory(aside)
            os.rename(path, aside)
            found = os.stat(aside)
            if found.st_mtime > self._spare:
                os.rename(aside, path)
                return False
        except OSError:
            return False
        remove(aside)
        self._bytes += found.st_size
        return True

    def _total(self) -> int:
        total = 0
        for table in (entries, blobs):
            query = select(func.coalesce(func.sum(table.c.size), 0))
            total += int(self._connection.scalar(query) or 0)
        return total

    def _sweep(self) -> None:
        """Remove what killed processes left unfinished, and histories of long ago."""
        for shard in _names(self._workshop.directory):
            self._remove_older(f"{self._workshop.directory}/{shard}", self._now - _RUBBISH)
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
