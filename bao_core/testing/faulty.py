"""Tiers that misbehave as remotes do, from a moment on that a test chooses.

`FaultyCache` wraps a backend, `FaultyObjectStore` an object store. Both do what they wrap does
until the `kind` of their fault is set to one of `FAULTS`.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from io import BytesIO
from threading import Event
from typing import Any, ClassVar

from bao_core.interfaces.cache import BlobSource, CacheBackend, ObjectStore, Stored
from bao_core.model import ActionResult, Digest, OutputFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from bao_core.interfaces.cache import BlobSink, EntryInfo, ObjectInfo
    from bao_core.model import CacheKey, TaskId

RAISES, HANGS, GARBAGE, WRONG_DIGEST, SLOW, HALF = (
    "raises",
    "hangs",
    "garbage",
    "wrong digest",
    "slow",
    "half",
)
FAULTS = (RAISES, HANGS, GARBAGE, WRONG_DIGEST, SLOW, HALF)
"""An exception from every call; no answer until `release`; random bytes; well-formed answers with
other content; an answer after `delay` seconds; half of what was asked for."""

NOISE = bytes((37 * number * number + 11) % 256 for number in range(997))


class Fault:
    """What goes wrong.

    Args:
        kind: One of `FAULTS`, or empty for nothing.
        delay: Seconds that each call takes when it is slow.

    Attributes:
        calls: The methods that were called, in order.
    """

    def __init__(self, kind: str = "", *, delay: float = 0.05) -> None:
        if kind and kind not in FAULTS:
            raise ValueError(f"'{kind}' is none of {', '.join(FAULTS)}")
        self.kind = kind
        self.delay = delay
        self.calls: list[str] = []
        self._released = Event()

    def release(self) -> None:
        """Let everything that hangs go on, and nothing hang any more."""
        self._released.set()

    def enter(self, method: str) -> None:
        """A method was called: raise, hang or take long."""
        self.calls.append(method)
        match self.kind:
            case "raises":
                raise ConnectionResetError(104, "Connection reset by peer")
            case "hangs":
                self._released.wait()
                raise TimeoutError("released")
            case "slow":
                self._released.wait(self.delay)
            case _:
                pass

    def distort(self, data: bytes) -> bytes:
        """What arrives of some bytes."""
        match self.kind:
            case "garbage":
                return NOISE
            case "wrong digest":
                return bytes(byte ^ 1 for byte in data)
            case "half":
                return data[: len(data) // 2]
            case _:
                return data


class FaultyCache(CacheBackend):
    """A cache backend with a fault.

    Attributes:
        fault: What goes wrong, from now on.
    """

    name: ClassVar[str] = "faulty"

    def __init__(self, inner: CacheBackend, fault: Fault) -> None:
        self.fault = fault
        self._inner = inner

    def get_entries(self, keys: Collection[CacheKey]) -> Iterator[tuple[CacheKey, ActionResult]]:
        """See `CacheBackend.get_entries`."""
        self.fault.enter("get_entries")
        for number, (key, result) in enumerate(self._inner.get_entries(keys)):
            match self.fault.kind:
                case "garbage":
                    yield NOISE, NOISE.hex()  # type: ignore[misc]
                case "wrong digest":
                    yield key, _another(result)
                case "half" if number >= len(keys) // 2:
                    raise EOFError("the connection ended in the middle of an answer")
                case _:
                    yield key, result

    def put_entry(
        self,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        *,
        replace: bool = False,
    ) -> Stored:
        """See `CacheBackend.put_entry`."""
        self.fault.enter("put_entry")
        if self.fault.kind == HALF:
            for source in blobs[: len(blobs) // 2]:
                self._inner.put_blob(source)
            raise EOFError("the connection ended in the middle of a request")
        if self.fault.kind == GARBAGE:
            return NOISE  # type: ignore[return-value]
        return self._inner.put_entry(key, result, blobs, replace=replace)

    def fetch(self, result: ActionResult, digests: Collection[Digest], sink: BlobSink) -> None:
        """See `CacheBackend.fetch`."""
        self.fault.enter("fetch")
        for digest in digests:
            data = self._inner.read_blob(digest)
            if data is not None:
                sink.write(digest, BytesIO(self.fault.distort(data)))
        del result

    def remove_entry(self, key: CacheKey) -> None:
        """See `CacheBackend.remove_entry`."""
        self.fault.enter("remove_entry")
        self._inner.remove_entry(key)

    def touch(self, keys: Collection[CacheKey]) -> set[CacheKey]:
        """See `CacheBackend.touch`."""
        self.fault.enter("touch")
        if self.fault.kind == GARBAGE:
            return NOISE  # type: ignore[return-value]
        return self._inner.touch(keys)

    def latest(self, task_id: TaskId, limit: int = 1) -> Iterable[EntryInfo]:
        """See `CacheBackend.latest`."""
        self.fault.enter("latest")
        return (NOISE,) if self.fault.kind == GARBAGE else self._inner.latest(task_id, limit)  # type: ignore[return-value]

    def read_blob(self, digest: Digest) -> bytes | None:
        """See `CacheBackend.read_blob`."""
        self.fault.enter("read_blob")
        data = self._inner.read_blob(digest)
        return None if data is None else self.fault.distort(data)

    def open_blob(
        self, digest: Digest, *, offset: int = 0
    ) -> AbstractContextManager[BinaryIO | None]:
        """See `CacheBackend.open_blob`."""
        data = self.read_blob(digest)
        return nullcontext(None) if data is None else BytesIO(data[offset:])

    def find_missing(self, digests: Collection[Digest]) -> set[Digest]:
        """See `CacheBackend.find_missing`."""
        self.fault.enter("find_missing")
        return self._inner.find_missing(digests)

    def put_blob(self, source: BlobSource) -> None:
        """See `CacheBackend.put_blob`."""
        self.fault.enter("put_blob")
        self._inner.put_blob(source)

    def close(self) -> None:
        """See `Component.close`."""
        self._inner.close()


class FaultyObjectStore(ObjectStore):
    """An object store with a fault.

    Attributes:
        fault: What goes wrong, from now on.
    """

    name: ClassVar[str] = "faulty-objects"

    def __init__(self, inner: ObjectStore, fault: Fault) -> None:
        self.fault = fault
        self._inner = inner

    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """See `ObjectStore.get`."""
        self.fault.enter("get")
        found = self._inner.get(name)
        return None if found is None else _distorted(found, self.fault.distort)

    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """See `ObjectStore.put`. Half of an object arrives under its name, and then an error."""
        self.fault.enter("put")
        if self.fault.kind in {"", SLOW}:
            return self._inner.put(name, source, replace=replace)
        self._inner.put(name, _Distorted(source, self.fault.distort), replace=replace)
        if self.fault.kind == HALF:
            raise EOFError("the connection ended in the middle of a request")
        return True

    def exists(self, names: Collection[str]) -> set[str]:
        """See `ObjectStore.exists`."""
        self.fault.enter("exists")
        if self.fault.kind in {GARBAGE, WRONG_DIGEST}:
            return set(names)
        return self._inner.exists(names)

    def delete(self, name: str) -> None:
        """See `ObjectStore.delete`."""
        self.fault.enter("delete")
        self._inner.delete(name)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `ObjectStore.list`."""
        self.fault.enter("list")
        for number, info in enumerate(self._inner.list(prefix)):
            if number and self.fault.kind == HALF:
                raise EOFError("the connection ended in the middle of an answer")
            yield info

    def close(self) -> None:
        """See `Component.close`."""
        self._inner.close()


class _Distorted(BlobSource):
    """A source whose bytes are not what its digest says."""

    def __init__(self, source: BlobSource, distort: Callable[[bytes], bytes]) -> None:
        self.digest = source.digest
        self.path = None
        self._source = source
        self._distort = distort

    def open(self) -> BinaryIO:
        """A stream over the distorted bytes."""
        with self._source.open() as stream:
            return BytesIO(self._distort(stream.read()))


@contextmanager
def _distorted(
    found: AbstractContextManager[BinaryIO], distort: Callable[[bytes], bytes]
) -> Iterator[Any]:
    with found as stream:
        yield BytesIO(distort(stream.read()))


def _another(result: ActionResult) -> ActionResult:
    """A result of the same shape with blobs that nobody stored."""
    from msgspec.structs import replace

    false = Digest("0" * 64, 5)
    files = tuple(OutputFile(file.path, false, file.executable) for file in result.files)
    return replace(result, files=files, log=false)
