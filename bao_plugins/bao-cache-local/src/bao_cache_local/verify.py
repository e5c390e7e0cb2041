"""Reading everything in the cache and removing what is damaged."""

from __future__ import annotations

import os

from bao_cache_local.blobs import BlobStore
from bao_cache_local.entries import EntryFormat, is_hash, read_whole
from bao_cache_local.files import Workshop, remove
from bao_cache_local.scanning import list_directories
from bao_core.digests import digest_file
from bao_core.model import CacheKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def verify(root: str) -> Iterator[str]:
    """Remove damaged blobs, then entries that are damaged or name a blob that is not there.

    Yields:
        A line about each thing that was removed.
    """
    where = sorted(list_directories(root), key=lambda path: not path.startswith("blobs/"))
    store = BlobStore(root, Workshop(root))
    coder = EntryFormat()
    for directory in where:
        for name in sorted(os.listdir(f"{root}/{directory}")):
            path = f"{root}/{directory}/{name}"
            try:
                if directory.startswith("blobs/"):
                    complaint = _check_blob(path, name)
                else:
                    complaint = _check_entry(path, name, coder, store)
            except FileNotFoundError:
                continue  # evicted meanwhile
            except OSError as error:
                complaint = f"cannot be read: {error.strerror}"
            if complaint is not None:
                done = "removed" if remove(path) else "left, as it cannot be removed"
                yield f"{directory}/{name} {complaint}; {done}"


def _check_blob(path: str, name: str) -> str | None:
    if not is_hash(name):
        return "is no blob"
    return None if digest_file(path).hash == name else "does not hold what its name says"


def _check_entry(path: str, name: str, coder: EntryFormat, store: BlobStore) -> str | None:
    if not is_hash(name):
        return "is no entry"
    found = coder.decode(CacheKey(name), read_whole(path))
    if found is None or any(found.blob(digest) is None for digest in found.inner):
        return "is damaged"
    missing = [digest for digest in found.outer if not store.has(digest)]
    return f"names blob {missing[0].hash[:12]}, which is missing" if missing else None
