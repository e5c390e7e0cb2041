"""Cache backends keep results by key and blobs by digest.

The data model is that of Bazel's Remote Execution API: an action cache over a content-addressable
storage. A miss is a value, never an exception.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import BinaryIO, ClassVar

from msgspec import Struct

from bao_core.interfaces.component import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from bao_core.model import ActionResult, CacheKey, Digest, TaskId


class Stored(Enum):
    """What became of an entry that was put."""

    STORED = "stored"
    EXISTS = "exists"
    REFUSED = "refused"


class EntryInfo(Struct, frozen=True):
    """One entry, as `latest` and listings tell it.

    Attributes:
        created: Seconds since the epoch.
        size: Bytes of the entry with all its blobs.
    """

    key: CacheKey
    task_id: TaskId
    created: float
    size: int


class EvictionPolicy(Struct, frozen=True):
    """What may be kept.

    Attributes:
        max_bytes: At most this many bytes in all; None for no bound.
        max_age: Nothing unused for more seconds than this; None for no bound.
        spare: Nothing used within this many seconds is evicted.
        budget: Stop after this many seconds and go on another time; None for no limit.
    """

    max_bytes: int | None = None
    max_age: float | None = None
    spare: float = 3600.0
    budget: float | None = None


class Evicted(Struct, frozen=True):
    """What an eviction removed: entries, and bytes of entries and blobs."""

    entries: int = 0
    bytes: int = 0
    complete: bool = True


class CacheStats(Struct, frozen=True):
    """What a cache holds.

    Attributes:
        location: Where it is, for people.
        bytes: Of entries and blobs.
    """

    location: str
    entries: int
    blobs: int
    bytes: int


class Traffic(Struct, frozen=True):
    """What a backend has asked of somebody else since it was opened.

    Attributes:
        requests: How many there were, those that failed included.
        read: Bytes that came.
        written: Bytes that went.
    """

    requests: int = 0
    read: int = 0
    written: int = 0


class BlobSource(ABC):
    """Bytes to be stored, which can be read as often as needed.

    Attributes:
        digest: Their digest, known beforehand.
        path: A file that holds exactly these bytes, if there is one.
    """

    digest: Digest
    path: str | None

    @abstractmethod
    def open(self) -> BinaryIO:
        """A new stream at the first byte; the caller closes it."""


class BlobSink(ABC):
    """Where fetched blobs go."""

    @abstractmethod
    def write(self, digest: Digest, stream: BinaryIO) -> None:
        """Take a blob from a stream.

        Raises:
            CacheError: The bytes are not those of the digest.
        """

    @abstractmethod
    def clone(self, digest: Digest, path: str) -> None:
        """Take a blob from a local file, by reflink where the file system can, else by copy.

        Raises:
            CacheError: The bytes are not those of the digest.
        """


class CacheBackend(Component):
    """Results by key, blobs by digest.

    Promises: an entry becomes visible only when all its blobs are there; the first write of a key
    wins; what is read is verified, and what does not verify is a miss and is removed. Methods may
    be called from several threads at once. An exception from any of them switches the tier off for
    the rest of the run, with one warning; it never fails a task. A remote backend is opened and
    called on threads that a run waits for only so long, and may raise twice before it is left out.

    Attributes:
        remote: Whether its answers come over a network, or from anything else that may be slow or
            hang.
        tier_variable: An environment variable that, where it is set, makes a tier of this class
            although no table of the configuration names it. Empty for none. Its `Settings` have a
            default for everything then, and `open` finds the rest in the environment.
        forkable: Whether a copy of the process, forked while no method was running, may call
            `fetch` and `read_blob` as well; it never calls `close`. So it is with a backend that
            holds neither a connection nor a thread. Many hits are restored faster then.
    """

    remote: ClassVar[bool] = False
    tier_variable: ClassVar[str] = ""
    forkable: ClassVar[bool] = False

    @abstractmethod
    def get_entries(self, keys: Collection[CacheKey]) -> Iterator[tuple[CacheKey, ActionResult]]:
        """Look up results; hits are yielded as they arrive, in any order, misses are left out.

        An entry that is there but damaged is removed and left out.
        """

    def look_up(self, keys: Collection[CacheKey]) -> Iterator[tuple[CacheKey, ActionResult | None]]:
        """Look up results as `get_entries` does, and tell misses as they are known as well.

        A task without a result starts as soon as its miss is told. By default misses are told once
        all hits are.
        """
        missing = dict.fromkeys(keys)
        for key, result in self.get_entries(keys):
            missing.pop(key, None)
            yield key, result
        for key in missing:
            yield key, None

    @abstractmethod
    def put_entry(
        self,
        key: CacheKey,
        result: ActionResult,
        blobs: Sequence[BlobSource],
        *,
        replace: bool = False,
    ) -> Stored:
        """Store a result with everything it names.

        Args:
            key: What it is found by.
            result: The entry.
            blobs: A source for every digest that the result names.
            replace: Overwrite an entry of the same key.
        """

    @abstractmethod
    def fetch(self, result: ActionResult, digests: Collection[Digest], sink: BlobSink) -> None:
        """Hand blobs of a result to a sink, each exactly once.

        Raises:
            CacheError: A blob is missing or damaged; it has been removed, and so should the entry.
        """

    @abstractmethod
    def remove_entry(self, key: CacheKey) -> None:
        """Forget an entry; nothing happens if there is none."""

    def touch(self, keys: Collection[CacheKey]) -> set[CacheKey]:
        """Mark entries as used now; returns the keys that are there.

        Used where the result itself is not needed, so it should cost less than `get_entries`.
        """
        return {key for key, _ in self.get_entries(keys)}

    def latest(self, task_id: TaskId, limit: int = 1) -> Iterable[EntryInfo]:
        """The newest entries of a task, newest first, to explain a miss with; none by default."""
        del task_id, limit
        return ()

    def read_blob(self, digest: Digest) -> bytes | None:
        """One small blob, verified, or None; such as the parts of a key or a log."""
        with self.open_blob(digest) as stream:
            return None if stream is None else stream.read()

    def peek(self, digest: Digest) -> bytes | None:
        """A verified blob that is on this machine already; nobody is asked for it.

        Used for remote backends, so that what came with an entry is not asked for again. None by
        default.
        """
        del digest
        return None

    @abstractmethod
    def open_blob(
        self, digest: Digest, *, offset: int = 0
    ) -> AbstractContextManager[BinaryIO | None]:
        """A blob as a stream from an offset; None where it is not there."""

    @abstractmethod
    def find_missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Which of these blobs are not there; those that are there are marked as used."""

    @abstractmethod
    def put_blob(self, source: BlobSource) -> None:
        """Store one blob without an entry."""

    def entries(self) -> Iterable[EntryInfo]:
        """Every entry, newest first; none by default."""
        return ()

    def evict(self, policy: EvictionPolicy) -> Evicted:
        """Remove what the policy does not keep, least recently used first; nothing by default."""
        del policy
        return Evicted()

    def stats(self) -> CacheStats | None:
        """What it holds; None where it cannot tell."""
        return None

    def verify(self) -> Iterable[str]:
        """Read everything, remove what is damaged, and yield a line about each such thing."""
        return ()

    def rebuild(self) -> None:
        """Make derived data, such as a catalogue, anew from the entries themselves."""

    def flush(self) -> None:
        """Write what was gathered; called once a run has stored everything it stores."""

    def traffic(self) -> Traffic | None:
        """What it has asked of others so far; None where it does not count."""
        return None


class ObjectInfo(Struct, frozen=True):
    """An object of a store: its name, its bytes, and when it was last changed (epoch seconds)."""

    name: str
    size: int
    modified: float


class ObjectStore(Component):
    """Named bytes: what most third parties write, and core builds a cache backend on.

    Names are relative paths of ASCII letters, digits and `-._/`, at most 250 characters. Methods
    may be called from several threads at once. An exception counts as a failure of the tier, never
    of a task; whether and how often to try again first is the store's own business, and so is a
    limit on the time that a request takes.

    Attributes:
        remote, tier_variable: As in `CacheBackend`.
    """

    remote: ClassVar[bool] = True
    tier_variable: ClassVar[str] = ""

    def location(self) -> str:
        """Where the objects are, for people; without secrets."""
        return self.name

    @abstractmethod
    def get(self, name: str) -> AbstractContextManager[BinaryIO] | None:
        """An object's bytes, or None where there is none.

        The stream should give bytes as they arrive: they are how a run tells slow from dead.
        """

    @abstractmethod
    def put(self, name: str, source: BlobSource, *, replace: bool = False) -> bool:
        """Store an object whole or not at all; False if it was there already and stays.

        Two that put the same name at once should not both be told True. A store that cannot do
        without a race may let the later one win: what a name means never differs, and every reader
        verifies. If the source raises, nothing must be stored.
        """

    @abstractmethod
    def exists(self, names: Collection[str]) -> set[str]:
        """Which of these objects are there."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove an object; nothing happens if there is none."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose names start with a prefix, in any order."""
