"""The configured cache tiers as one: look up in order, warm the earlier ones, write through.

A tier that raises is named once and left out for the rest of the run; it never fails a task. Remote
tiers come after those on this machine, and look after themselves: see `bao_core.remote`.
"""

from __future__ import annotations

from msgspec import Struct

from bao_core.errors import BaoError, CacheError, OutputError
from bao_core.interfaces.cache import BlobSource, EvictionPolicy, Stored
from bao_core.keys import StoredParts, decode_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from bao_core.interfaces.cache import BlobSink, CacheBackend
    from bao_core.model import ActionResult, CacheKey, Digest, TaskId
    from bao_core.remote import RemoteTier

    Heard = Callable[[CacheKey, "Hit | None"], None]

EVICTION_BUDGET = 0.02
"""Seconds of a run that each tier may spend on eviction."""


class Tier(Struct, eq=False):
    """One configured instance of a cache backend.

    Attributes:
        name: As configured.
        read: Whether it is asked.
        write: Whether it is written to, already decided for this run.
        remote: The same as `backend`, if that is a remote one.
    """

    name: str
    backend: CacheBackend
    read: bool = True
    write: bool = True
    remote: RemoteTier | None = None


class Hit(Struct, frozen=True):
    """A result, and the tier that has it."""

    tier: Tier
    result: ActionResult


class TierFailedError(CacheError):
    """A tier failed while a hit was restored; the entry itself may be whole."""


class CacheTiers:
    """All tiers of a run, in the order of the configuration."""

    def __init__(self, tiers: Sequence[Tier], warn: Callable[[str], None]) -> None:
        self._tiers = [tier for tier in tiers if tier.remote is None]
        self._tiers += [tier for tier in tiers if tier.remote is not None]
        self._warn = warn

    def __iter__(self) -> Iterator[Tier]:
        return iter(tuple(self._tiers))

    def __bool__(self) -> bool:
        return bool(self._tiers)

    def near(self) -> CacheTiers:
        """Those on this machine alone."""
        return CacheTiers([tier for tier in self if tier.remote is None], self._warn)

    def remotes(self) -> list[RemoteTier]:
        """The remote ones."""
        return [tier.remote for tier in self if tier.remote is not None]

    def are_forkable(self) -> bool:
        """Whether a copy of the process may read from all that are on this machine."""
        return all(tier.backend.forkable for tier in self if tier.remote is None)

    def only_remote(self) -> str:
        """The name of the first tier that is read, if all of them are remote; else empty."""
        names = [tier.name for tier in self if tier.read]
        is_near = any(tier.read and tier.remote is None for tier in self)
        return "" if is_near or not names else names[0]

    # --- looking up --------------------------------------------------------------------------

    def touch(self, keys: Collection[CacheKey]) -> dict[CacheKey, str]:
        """Mark results as used; the keys that some tier on this machine has, with its name."""
        found: dict[CacheKey, str] = {}
        for tier in self:
            if tier.remote is not None:
                continue
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

    def look_up(self, keys: Collection[CacheKey], *, near: bool = False) -> dict[CacheKey, Hit]:
        """Find results, in the first tier that has each, and wait for it.

        Args:
            keys: What to find.
            near: Ask the tiers on this machine alone.
        """
        found: dict[CacheKey, Hit] = {}
        for tier in self:
            missing = [key for key in keys if key not in found]
            if not missing or not tier.read or (near and tier.remote is not None):
                continue
            try:
                for key, result in tier.backend.get_entries(missing):
                    found[key] = Hit(tier, result)
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)
        return found

    def ask(self, wanted: Mapping[CacheKey, float | None], heard: Heard) -> set[CacheKey]:
        """Look results up in the remote tiers, in the background.

        Args:
            wanted: Seconds that each task takes to run, as far as that is known. A tier that takes
                longer to answer is not asked.
            heard: Called once for each key that is asked about, on any thread.

        Returns:
            The keys that are asked about.
        """
        return _ask([tier for tier in self if tier.read], wanted, heard)

    # --- restoring ---------------------------------------------------------------------------

    def fetch(self, hit: Hit, digests: Collection[Digest], sink: BlobSink) -> None:
        """Hand blobs of a hit to a sink.

        Raises:
            CacheError: A blob is missing or damaged: the hit is a miss.
            TierFailedError: The tier failed: the hit is a miss, and the entry may be whole.
            OutputError: The sink has no room.
        """
        try:
            hit.tier.backend.fetch(hit.result, digests, sink)
        except (CacheError, OutputError):
            raise
        except Exception as error:
            raise self._failed(hit.tier, error) from error

    def read_from(self, hit: Hit, digest: Digest) -> bytes | None:
        """A small blob of a hit; None where it is missing or damaged.

        Raises:
            TierFailedError: The tier failed.
        """
        try:
            return hit.tier.backend.read_blob(digest)
        except Exception as error:
            raise self._failed(hit.tier, error) from error

    def discard(self, key: CacheKey, hit: Hit, why: str) -> None:
        """Remove an entry that could not be restored, and say so."""
        if hit.tier.remote is not None:
            hit.tier.remote.discard(key, why)
            return
        self._warn(f"cache entry {key[:12]} in tier '{hit.tier.name}' is damaged: {why}")
        try:
            hit.tier.backend.remove_entry(key)
        except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
            self._fail(hit.tier, error)

    # --- storing -----------------------------------------------------------------------------

    def store(
        self,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        *,
        replace: bool,
    ) -> bool:
        """Write a result to every tier that may be written.

        Returns:
            Whether any has it now, or will have it, if it is a remote one.
        """
        near: list[CacheBackend] = []
        kept = False
        for tier in self:
            if not tier.write:
                continue
            if tier.remote is not None:
                kept = self._upload(tier.remote, key, result, blobs, near, replace=replace) or kept
            elif self._put(tier, key, result, blobs, replace=replace):
                near.append(tier.backend)
        return kept or bool(near)

    def _put(
        self,
        tier: Tier,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        *,
        replace: bool = False,
    ) -> bool:
        try:
            answer = tier.backend.put_entry(key, result, blobs, replace=replace)
        except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
            self._fail(tier, error)
            return False
        return answer is not Stored.REFUSED

    @staticmethod
    def _upload(
        remote: RemoteTier,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        near: Sequence[CacheBackend],
        *,
        replace: bool = False,
    ) -> bool:
        from bao_core.remote.sources import lasting

        try:
            return remote.upload(key, result, lasting(blobs, near), replace=replace)
        except (BaoError, OSError):
            return False  # what cannot be kept until its turn comes is not uploaded

    def writable_before(self, hit: Hit) -> list[Tier]:
        """The tiers before the one that had a hit, as far as they may be written."""
        before = list(self)
        if hit.tier in before:
            before = before[: before.index(hit.tier)]
        return [tier for tier in before if tier.write and tier.remote is None]

    def warm(self, key: CacheKey, hit: Hit, blobs: Sequence[BlobSource]) -> None:
        """Copy a hit to the tiers before the one that had it."""
        for tier in self.writable_before(hit):
            self._put(tier, key, hit.result, blobs)

    # --- explaining --------------------------------------------------------------------------

    def read_blob(self, digest: Digest, *, near: bool = False) -> bytes | None:
        """A small blob from whichever tier, or whichever one on this machine, has it."""
        for tier in self:
            if not tier.read or (near and tier.remote is not None):
                continue
            try:
                data = tier.backend.read_blob(digest)
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)
                continue
            if data is not None:
                return data
        return None

    def latest_parts(
        self, task_id: TaskId, *, near: bool = False
    ) -> tuple[CacheKey, StoredParts] | None:
        """The newest result of a task that any tier knows, with the parts of its key."""
        for tier in self:
            if not tier.read or (near and tier.remote is not None):
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

    # --- the end -----------------------------------------------------------------------------

    def tidy(self) -> None:
        """Let every tier here evict what its own bounds do not keep, for a moment at most."""
        for tier in self.near():
            try:
                tier.backend.evict(EvictionPolicy(budget=EVICTION_BUDGET))
            except Exception as error:  # noqa: BLE001 - a cache fault never changes a result
                self._fail(tier, error)

    def finish(self) -> None:
        """Wait for uploads to the remote tiers, as long as each allows."""
        for remote in self.remotes():
            remote.finish()

    def abandon(self) -> None:
        """Wait for no remote tier any more, whatever is under way. From any thread."""
        for remote in self.remotes():
            remote.abandon()

    def _failed(self, tier: Tier, error: Exception) -> TierFailedError:
        self._fail(tier, error)
        return TierFailedError(f"cache tier '{tier.name}' failed")

    def _fail(self, tier: Tier, error: Exception) -> None:
        if tier not in self._tiers or tier.remote is not None:
            return  # a remote tier counts its failures, and says so, itself
        self._tiers = [other for other in self._tiers if other is not tier]
        said = str(error) if isinstance(error, BaoError) else f"{type(error).__name__}: {error}"
        named = f"'{tier.name}'" + (f" ({origin})" if (origin := tier.backend.origin) else "")
        self._warn(f"cache tier {named} failed and is left out for this run: {said}")


def _ask(
    tiers: Sequence[Tier], wanted: Mapping[CacheKey, float | None], heard: Heard
) -> set[CacheKey]:
    """Ask the first remote tier, and for what it does not have the next; see `CacheTiers.ask`."""
    while tiers and tiers[0].remote is None:
        tiers = tiers[1:]
    if not tiers or not wanted:
        return set()
    tier, rest = tiers[0], tiers[1:]
    remote = tier.remote
    asked = {key: seconds for key, seconds in wanted.items() if remote and remote.is_worth(seconds)}
    also = _ask(rest, {key: wanted[key] for key in wanted if key not in asked}, heard)

    def answered(key: CacheKey, result: ActionResult | None) -> None:
        if result is not None:
            heard(key, Hit(tier, result))
        elif not _ask(rest, {key: wanted[key]}, heard):
            heard(key, None)

    if remote is not None:
        remote.ask(asked, answered)
    return also.union(asked)
