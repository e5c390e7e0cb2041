"""The configured cache tiers as one: look up in order, warm the earlier ones, write through.

A tier that raises is named once and left out for the rest of the run; it never fails a task.
"""

from __future__ import annotations

from io import BytesIO

from msgspec import Struct

from bao_core.digests import digest_bytes
from bao_core.errors import BaoError, CacheError
from bao_core.interfaces.cache import BlobSource, EvictionPolicy, Stored
from bao_core.keys import StoredParts, decode_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import BinaryIO

    from bao_core.interfaces.cache import BlobSink, CacheBackend
    from bao_core.model import ActionResult, CacheKey, Digest, TaskId

EVICTION_BUDGET = 0.02
"""Seconds of a run that each tier may spend on eviction."""


class Tier(Struct, eq=False):
    """One configured instance of a cache backend.

    Attributes:
        name: As configured.
        read: Whether it is asked.
        write: Whether it is written to, already decided for this run.
    """

    name: str
    backend: CacheBackend
    read: bool = True
    write: bool = True


class Hit(Struct, frozen=True):
    """A result, and the tier that has it."""

    tier: Tier
    result: ActionResult


class BytesSource(BlobSource):
    """A blob that is in memory."""

    def __init__(self, data: bytes) -> None:
        self.digest = digest_bytes(data)
        self.path = None
        self._data = data

    def open(self) -> BinaryIO:
        """A stream over the bytes."""
        return BytesIO(self._data)


class CacheTiers:
    """All tiers of a run, in the order of the configuration."""

    def __init__(self, tiers: Sequence[Tier], warn: Callable[[str], None]) -> None:
        self._tiers = list(tiers)
        self._warn = warn

    def __iter__(self) -> Iterator[Tier]:
        return iter(tuple(self._tiers))

    def __bool__(self) -> bool:
        return bool(self._tiers)

    def touch(self, keys: Collection[CacheKey]) -> dict[CacheKey, str]:
        """Mark results as used; the keys that some tier has, with the tier's name."""
        found: dict[CacheKey, str] = {}
        for tier in self:
            missing = [key for key in keys if key not in found]
            if not missing or not tier.read:
                continue
            try:
                there = tier.backend.touch(missing)
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)
                continue
            found.update((key, tier.name) for key in there)
        return found

    def look_up(self, keys: Collection[CacheKey]) -> dict[CacheKey, Hit]:
        """Find results, in the first tier that has each."""
        found: dict[CacheKey, Hit] = {}
        for tier in self:
            missing = [key for key in keys if key not in found]
            if not missing or not tier.read:
                continue
            try:
                for key, result in tier.backend.get_entries(missing):
                    found[key] = Hit(tier, result)
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)
        return found

    def fetch(self, hit: Hit, digests: Collection[Digest], sink: BlobSink) -> None:
        """Hand blobs of a hit to a sink.

        Raises:
            CacheError: A blob is missing or damaged, or the tier failed: the hit is a miss.
        """
        try:
            hit.tier.backend.fetch(hit.result, digests, sink)
        except CacheError:
            raise
        except Exception as error:
            self._fail(hit.tier, error)
            raise CacheError(f"cache tier '{hit.tier.name}' failed") from error

    def discard(self, key: CacheKey, hit: Hit, why: str) -> None:
        """Remove an entry that could not be restored, and say so."""
        self._warn(f"cache entry {key[:12]} in tier '{hit.tier.name}' is damaged: {why}")
        try:
            hit.tier.backend.remove_entry(key)
        except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
            self._fail(hit.tier, error)

    def store(
        self,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        *,
        replace: bool,
    ) -> bool:
        """Write a result to every tier that may be written; whether any has it now."""
        kept = False
        for tier in self:
            if not tier.write:
                continue
            try:
                answer = tier.backend.put_entry(key, result, blobs, replace=replace)
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)
                continue
            kept = kept or answer is not Stored.REFUSED
        return kept

    def writable_before(self, hit: Hit) -> list[Tier]:
        """The tiers before the one that had a hit, as far as they may be written."""
        before = list(self)
        if hit.tier in before:
            before = before[: before.index(hit.tier)]
        return [tier for tier in before if tier.write]

    def warm(self, key: CacheKey, hit: Hit, blobs: Sequence[BlobSource]) -> None:
        """Copy a hit to the tiers before the one that had it."""
        for tier in self.writable_before(hit):
            try:
                tier.backend.put_entry(key, hit.result, blobs)
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)

    def read_blob(self, digest: Digest) -> bytes | None:
        """A small blob from whichever tier has it."""
        for tier in self:
            if not tier.read:
                continue
            try:
                data = tier.backend.read_blob(digest)
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)
                continue
            if data is not None:
                return data
        return None

    def latest_parts(self, task_id: TaskId) -> tuple[CacheKey, StoredParts] | None:
        """The newest result of a task that any tier knows, with the parts of its key."""
        for tier in self:
            if not tier.read:
                continue
            try:
                for info in tier.backend.latest(task_id):
                    for key, result in tier.backend.get_entries([info.key]):
                        blob = tier.backend.read_blob(result.parts)
                        parts = decode_parts(blob) if blob is not None else None
                        if parts is not None:
                            return key, parts
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)
        return None

    def tidy(self) -> None:
        """Let every tier evict what its own bounds do not keep, for a moment at most."""
        for tier in self:
            try:
                tier.backend.evict(EvictionPolicy(budget=EVICTION_BUDGET))
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)

    def _fail(self, tier: Tier, error: Exception) -> None:
        if tier not in self._tiers:
            return
        self._tiers = [other for other in self._tiers if other is not tier]
        said = str(error) if isinstance(error, BaoError) else f"{type(error).__name__}: {error}"
        self._warn(f"cache tier '{tier.name}' failed and is left out for this run: {said}")
