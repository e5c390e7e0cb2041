"""Which entry holds a small blob.

Small blobs lie inside the result files, so that storing a task makes few files. Whoever has looked
an entry up knows where its blobs are. For those who only have a digest there are 256 files of
records, each a digest and the key of an entry, both as bytes. A digest that they do not tell of is
missing, and is stored again by whoever needs it.
"""

from __future__ import annotations

from bao_cache_local.appending import RecordFiles
from bao_core.model import CacheKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bao_cache_local.files import Workshop
    from bao_core.model import Digest

_HASH = 32
"""Bytes of a digest and of a key."""

LONG = 64 << 10
"""Bytes at which a file may hold mostly entries that are gone."""


class Places:
    """Where small blobs are."""

    def __init__(self, root: str, workshop: Workshop) -> None:
        self._files = RecordFiles(f"{root}/places", workshop)
        self.flush = self._files.flush
        self._known: dict[str, CacheKey] = {}

    def learn(self, key: CacheKey, digests: Iterable[Digest]) -> None:
        """An entry that holds these was seen."""
        for digest in digests:
            self._known[digest.hash] = key

    def write(self, key: CacheKey, digests: Iterable[Digest]) -> None:
        """An entry that holds these was stored."""
        for digest in digests:
            self._known[digest.hash] = key
            self._files.add(digest.hash[:2], bytes.fromhex(digest.hash + key))

    def find(self, digest: Digest) -> list[CacheKey]:
        """Entries that may hold a blob, the most likely first."""
        found = [self._known[digest.hash]] if digest.hash in self._known else []
        data = b"" if found else self._files.read(digest.hash[:2])
        wanted = bytes.fromhex(digest.hash)
        at = data.rfind(wanted)
        while at >= 0:
            key = data[at + _HASH : at + 2 * _HASH]
            if len(key) == _HASH:
                found.append(CacheKey(key.hex()))
            at = data.rfind(wanted, 0, at)
        return list(dict.fromkeys(found))

    def forget(self, digest: Digest) -> None:
        """It is not where it was thought to be."""
        self._known.pop(digest.hash, None)

    def shorten(self, name: str, exists: Callable[[CacheKey], bool]) -> None:
        """Keep, in one of the files, only records of entries that are still there."""

        def choose(data: bytes) -> bytes:
            step = 2 * _HASH
            records = dict.fromkeys(data[at : at + step] for at in range(0, len(data), step))
            return b"".join(r for r in records if exists(CacheKey(r[_HASH:].hex())))

        self._files.shorten(name, choose)
