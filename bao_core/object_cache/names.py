"""What objects are called: `bao-1/<scope>/entries/ab/<key>` and the like.

Everything that a scope writes lies below one prefix, so that credentials can be limited to it.
"""

from __future__ import annotations

import re

from blake3 import blake3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.model import CacheKey, Digest

LAYOUT = "bao-1"
"""The first segment of every name; another layout would have another."""

SQUEEZED = ".zst"
"""What the name of a blob ends with whose object is compressed."""

_MAIN = "main"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH_LENGTH = 64


class Names:
    """The names in one scope.

    Attributes:
        entries, blobs, history: What the names of entries, blobs and histories start with.
    """

    def __init__(self, scope: str) -> None:
        self.prefix = f"{LAYOUT}/{scope_directory(scope)}/"
        self.entries = f"{self.prefix}entries/"
        self.blobs = f"{self.prefix}blobs/"
        self.history = f"{self.prefix}history/"

    def entry(self, key: CacheKey) -> str:
        """The object of an entry."""
        return f"{self.entries}{key[:2]}/{key}"

    def blob(self, digest: Digest, *, squeezed: bool) -> str:
        """The object of a blob, as it is or compressed."""
        return f"{self.blobs}{digest.hash[:2]}/{digest.hash}{SQUEEZED if squeezed else ''}"


def scope_directory(scope: str) -> str:
    """The segment that stands for a scope; no scope can be mistaken for the main one."""
    if not scope:
        return _MAIN
    if _PLAIN.fullmatch(scope):
        return f"scope-{scope}"
    tag = blake3(scope.encode("utf-8", "surrogateescape")).hexdigest(length=16)
    return f"scope--{tag}"


def is_hash(text: str) -> bool:
    """Whether a text could be a key or the hash of a digest."""
    return len(text) == _HASH_LENGTH and not text.strip("0123456789abcdef")


def is_own_digest(digest: Digest) -> bool:
    """Whether a digest is of the kind that is stored here, and safe in a name."""
    return digest.function == "blake3" and is_hash(digest.hash) and digest.size >= 0
