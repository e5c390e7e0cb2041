"""Blobs that are objects of their own: those too large to lie in an entry."""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from typing import cast

from bao_core.errors import CacheError
from bao_core.object_cache.sources import VerifiedSource, VerifyingReader, squeezed, unsqueezed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import BinaryIO

    from bao_core.interfaces.cache import BlobSource
    from bao_core.model import Digest
    from bao_core.object_cache.counted import CountedStore
    from bao_core.object_cache.names import Names

_IN_MEMORY = 8 << 20
"""Bytes up to which a blob is verified before the first byte of it is given out."""


class ApartBlobs:
    """The blobs of a scope, and of those that it reads through. Used from several threads.

    Args:
        store: The store.
        scopes: The names in each scope, the own one first.
        found_damaged: Told what is damaged, and the name of its object.
    """

    def __init__(
        self,
        store: CountedStore,
        scopes: Sequence[Names],
        found_damaged: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._scopes = scopes
        self._found_damaged = found_damaged
        self._squeezed: dict[str, bool] = {}

    def learn(self, digest: Digest, *, is_squeezed: bool) -> None:
        """An entry says how this blob is stored."""
        self._squeezed[digest.hash] = is_squeezed

    def put(self, source: BlobSource, *, replace: bool = False) -> bool:
        """Store a blob unless it is there; whether the object of it is a compressed one.

        Raises:
            ChangedSourceError: The source does not hold what its digest says.
        """
        there, is_damaged = (None, False) if replace else self._find(source.digest)
        if there is not None:
            return there
        packed = squeezed(source)
        name = self._scopes[0].blob(source.digest, squeezed=packed is not None)
        self._store.put(name, packed or VerifiedSource(source), replace=replace or is_damaged)
        return packed is not None

    def present(self, digests: Collection[Digest]) -> set[Digest]:
        """Which of these have objects."""
        names = {
            scope.blob(digest, squeezed=packed): digest
            for digest in digests
            for scope in self._scopes
            for packed in (True, False)
        }
        there = self._store.exists(list(names)) if names else ()
        return {names[name] for name in there if name in names}

    @contextmanager
    def open(self, digest: Digest, *, offset: int = 0) -> Iterator[BinaryIO | None]:
        """A blob from an offset, None where there is none.

        One that is damaged raises `CacheError` before its last byte, or is not there if it fits
        into memory.
        """
        first = self._squeezed.get(digest.hash, True)
        for packed in (first, not first):
            for scope in self._scopes:
                name = scope.blob(digest, squeezed=packed)
                with self._store.get(name) as stored:
                    if stored is None:
                        continue
                    plain = unsqueezed(stored) if packed else stored
                    with self._verified(plain, digest, offset, name) as stream:
                        yield stream
                    return
        yield None

    def _find(self, digest: Digest) -> tuple[bool | None, bool]:
        """Whether the object of a blob is a compressed one; and whether there is half of one.

        Both names have one prefix, so listing answers for both and tells sizes besides.
        """
        is_damaged = False
        for scope in self._scopes:
            plain = scope.blob(digest, squeezed=False)
            found = {info.name: info.size for info in self._store.list(plain)}
            if scope.blob(digest, squeezed=True) in found:
                return True, False
            if found.get(plain) == digest.size:
                return False, False
            is_damaged = is_damaged or plain in found
        return None, is_damaged

    @contextmanager
    def _verified(
        self, plain: BinaryIO, digest: Digest, offset: int, name: str
    ) -> Iterator[BinaryIO | None]:
        reader = VerifyingReader(plain, digest)
        try:
            if digest.size > _IN_MEMORY:
                _skip(reader, offset)
                yield cast("BinaryIO", reader)
            else:
                data = _read(reader)
                yield None if data is None else BytesIO(data[offset:])
        finally:
            if reader.is_damaged:
                self._found_damaged(f"blob {digest.hash[:12]}", name)


def _read(reader: VerifyingReader) -> bytes | None:
    try:
        return reader.readall()
    except CacheError:
        return None


def _skip(stream: VerifyingReader, count: int) -> None:
    while count and (piece := stream.read(min(count, 1 << 20))):
        count -= len(piece)
