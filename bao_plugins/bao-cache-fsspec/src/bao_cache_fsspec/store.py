"""`FsspecStore`: named bytes behind a URL. What serves its protocol is imported when opened."""

from __future__ import annotations

from typing import ClassVar, Self

from bao_cache_fsspec.place import FOLDER, HTTP, S3, locate
from bao_cache_fsspec.settings import FsspecSettings
from bao_core.errors import CacheError
from bao_core.interfaces.cache import ObjectStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO

    from msgspec import Struct

    from bao_cache_fsspec.place import Place
    from bao_core.interfaces.cache import BlobSource, ObjectInfo
    from bao_core.interfaces.component import Context

PACKAGES = {
    "s3": "bao-cache-fsspec[s3]",
    "http": "bao-cache-fsspec[http]",
    "https": "bao-cache-fsspec[http]",
    "gs": "bao-cache-fsspec[gs]",
    "gcs": "bao-cache-fsspec[gs]",
    "az": "bao-cache-fsspec[az]",
    "abfs": "bao-cache-fsspec[az]",
    "abfss": "bao-cache-fsspec[az]",
}
"""What serves a protocol; fsspec itself tells it of others."""


class FsspecStore(ObjectStore):
    """Objects behind any URL that fsspec knows.

    Args:
        served: Does the work, in the way that suits the protocol.
    """

    name: ClassVar[str] = "fsspec"
    Settings: ClassVar[type[Struct]] = FsspecSettings
    tier_variable: ClassVar[str] = "BAO_S3_BUCKET"

    def __init__(self, served: ObjectStore) -> None:
        self.served = served

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """Make ready what the URL names; no server is asked yet.

        Raises:
            CacheError: It does not say where, would have credentials sent where they do not belong,
                or needs a package that is not installed.
        """
        place = locate(settings, context.environ, context.root)
        try:
            return cls(_serve(place, settings))
        except ImportError as error:
            package = PACKAGES.get(place.protocol)
            hint = f"try: pip install '{package}'" if package else None
            raise CacheError(
                f"{place.protocol}:// needs a package that cannot be imported ({error})", hint=hint
            ) from error

    def location(self) -> str:
        """See `ObjectStore.location`."""
        return self.served.location()

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`."""
        return self.served.get(name)

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """See `ObjectStore.put`."""
        return self.served.put(name, source, replace=replace)

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`."""
        return self.served.exists(names)

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        self.served.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        return self.served.list(prefix)

    def close(self) -> None:
        """See `Component.close`."""
        self.served.close()


def _serve(place: Place, settings: FsspecSettings) -> ObjectStore:
    if place.protocol in S3:
        from bao_cache_fsspec.s3 import S3Objects

        return S3Objects(place, settings)
    if place.protocol in FOLDER:
        from bao_cache_fsspec.folder import Folder

        return Folder(place)
    if place.protocol in HTTP:
        from bao_cache_fsspec.web import WebObjects

        return WebObjects(place, settings)
    from bao_cache_fsspec.filesystem import FilesystemObjects

    return FilesystemObjects(place, settings)
