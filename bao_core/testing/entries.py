"""Entries to store in a cache, and the means to look at every byte of what comes back."""

from __future__ import annotations

import io
import os
from random import Random

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError
from bao_core.interfaces.cache import BlobSink, BlobSource
from bao_core.model import ActionResult, CacheKey, Digest, OutputFile, OutputLink, TaskId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from bao_core.interfaces.cache import CacheBackend


class BytesSource(BlobSource):
    """Bytes in memory.

    Args:
        data: The bytes.
        on_open: Called each time before a stream is given out.
        digest: What it says of itself; by default the truth.
    """

    def __init__(
        self,
        data: bytes,
        *,
        on_open: Callable[[], object] | None = None,
        digest: Digest | None = None,
    ) -> None:
        self.digest = digest or digest_bytes(data)
        self.path = None
        self.data = data
        self._on_open = on_open

    def open(self) -> BinaryIO:
        """A stream over the bytes."""
        if self._on_open is not None:
            self._on_open()
        return io.BytesIO(self.data)


class FileSource(BlobSource):
    """Bytes in a file, which is written here."""

    def __init__(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.digest = digest_bytes(data)
        self.path = str(path)

    def open(self) -> BinaryIO:
        """The file."""
        return open(self.path or "", "rb")


class CollectingSink(BlobSink):
    """Keeps what it is given and verifies it, as a sink must.

    Attributes:
        blobs: What arrived.
    """

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}

    def write(self, digest: Digest, stream: BinaryIO) -> None:
        """See `BlobSink.write`."""
        data = stream.read()
        if digest_bytes(data) != digest:
            raise CacheError(f"blob {digest.hash[:12]} is damaged")
        if digest in self.blobs:
            raise AssertionError("a blob was handed over twice")
        self.blobs[digest] = data

    def clone(self, digest: Digest, path: str) -> None:
        """See `BlobSink.clone`."""
        with open(path, "rb") as stream:
            self.write(digest, stream)


class ExampleEntry:
    """An entry as a task would store it.

    Attributes:
        key: What it is found by.
        result: What is stored.
        sources: A source for every digest, in memory.
        blobs: The bytes of every digest.
    """

    def __init__(self, number: int, datas: Sequence[bytes], task: str) -> None:
        self.key = key_of(number)
        contents = [b"log %d\n" % number, b"parts %d" % number * 20, *datas]
        self.sources: list[BlobSource] = [BytesSource(data) for data in contents]
        log, parts, *files = [source.digest for source in self.sources]
        odd = os.fsdecode(b"pkg/dist/\xff \xc3\xa4")
        self.result = ActionResult(
            task_id=TaskId(task),
            exit_code=0,
            log=log,
            parts=parts,
            files=tuple(
                OutputFile(f"pkg/dist/{place}", digest, executable=place % 2 == 1)
                for place, digest in enumerate(files)
            ),
            links=(OutputLink(odd, "0"),),
            directories=("pkg/dist/empty",),
            started=1_000_000_000.5,
            duration=1.5,
            peak_memory=1 << 33,
        )
        self.blobs = dict(zip((s.digest for s in self.sources), contents, strict=True))


def key_of(number: int) -> CacheKey:
    """A cache key, another one for each number."""
    return CacheKey(digest_bytes(b"key %d" % number).hash)


def example_entry(
    number: int = 0,
    *,
    sizes: Sequence[int] = (10, 10_000),
    task: str = "pkg#build",
    shared: bytes = b"",
    key: CacheKey | None = None,
) -> ExampleEntry:
    """An entry that no other number has.

    Args:
        number: Told in every byte of it.
        sizes: How many random bytes its files have, and some more.
        task: Whose result it is.
        shared: The content of one more file, which other entries may have as well.
        key: The key, if it is not to be the number's own.
    """
    # Nothing that could be compressed: what is kept has the size of what was stored.
    random = Random(number)  # noqa: S311 - for examples
    datas = [
        b"%d/%d;" % (number, place) + random.randbytes(size) for place, size in enumerate(sizes)
    ]
    entry = ExampleEntry(number, [*datas, *([shared] if shared else [])], task)
    if key is not None:
        entry.key = key
    return entry


def fetched(backend: CacheBackend, entry: ExampleEntry) -> dict[Digest, bytes]:
    """Every blob of an entry.

    Raises:
        CacheError: One is missing or damaged.
    """
    sink = CollectingSink()
    backend.fetch(entry.result, list(entry.blobs), sink)
    return sink.blobs


def is_hit(backend: CacheBackend, entry: ExampleEntry) -> bool:
    """Whether an entry is found and whole; one that is not whole is removed, as core does.

    Raises:
        AssertionError: Something is found that was not stored.
    """
    found = dict(backend.get_entries([entry.key]))
    if not found:
        return False
    if found != {entry.key: entry.result}:
        raise AssertionError(f"another result was found than was stored: {found}")
    try:
        blobs = fetched(backend, entry)
    except CacheError:
        backend.remove_entry(entry.key)
        return False
    if blobs != entry.blobs:
        raise AssertionError("not the blobs that were asked for were handed over")
    return True


def blob_read(backend: CacheBackend, digest: Digest, offset: int = 0) -> bytes | None:
    """A blob as a stream gives it, in pieces; None where it is not there."""
    with backend.open_blob(digest, offset=offset) as stream:
        if stream is None:
            return None
        pieces = iter(lambda: stream.read(1000), b"")
        return b"".join(pieces)
