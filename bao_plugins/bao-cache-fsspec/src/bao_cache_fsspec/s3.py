"""Objects of an S3 bucket."""

from __future__ import annotations

from importlib.util import find_spec
from threading import Lock

from bao_cache_fsspec.s3_direct import DirectReads, DoubtError
from bao_core.interfaces.cache import ObjectStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from bao_cache_fsspec.place import Place
    from bao_cache_fsspec.s3_files import S3Files
    from bao_cache_fsspec.settings import FsspecSettings
    from bao_core.interfaces.cache import BlobSource, ObjectInfo


class S3Objects(ObjectStore):
    """Reads directly what is plain, and leaves the rest to s3fs, which is imported for it.

    Raises:
        ImportError: There is no s3fs.
    """

    def __init__(self, place: Place, settings: FsspecSettings) -> None:
        if find_spec("s3fs") is None:
            raise ImportError("No module named 's3fs'")
        self._place = place
        self._settings = settings
        self._direct = DirectReads.prepare(place, settings)
        self._made: S3Files | None = None
        self._making = Lock()

    def location(self) -> str:
        """Bucket, prefix and server."""
        return self._place.url

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`."""
        if self._direct is not None:
            try:
                return self._direct.get(name)
            except DoubtError:
                pass
        return self._files().get(name)

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """See `ObjectStore.put`."""
        return self._files().put(name, source, replace=replace)

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`."""
        return self._files().exists(names)

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        self._files().delete(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        return self._files().list(prefix)

    def close(self) -> None:
        """Close the connections."""
        if self._direct is not None:
            self._direct.close()
        with self._making:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    def _files(self) -> S3Files:
        with self._making:
            if self._made is None:
                from bao_cache_fsspec.s3_files import S3Files

                self._made = S3Files(self._place, self._settings)
            return self._made
