"""Cache keys: how named parts become one hash, and how two sets of parts differ.

The format `bao-key-1`: the name of the format, then every part in the order of its name, each name
and each value preceded by its length in characters, all of it hashed with BLAKE3.
"""

from collections.abc import Iterable, Mapping

from blake3 import blake3
from msgspec import Struct, field
from msgspec.msgpack import Decoder, Encoder

from bao_core.model import CacheKey, Reason

FORMAT = "bao-key-1"

TAG_DIGITS = 4
"""Hexadecimal digits that a stored part keeps of an environment value: enough to see a change,
too few to confirm a guess."""

FEW_PARTS = 32 << 10
"""Bytes of parts up to which zlib compresses them."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
"""How a frame begins, by RFC 8878."""

MAX_PARTS = 256 << 20
"""Bytes of parts that are believed; a blob that would unpack to more was not made by bao."""


class StoredParts(Struct, frozen=True, array_like=True):
    """The parts of a key as they are kept beside a result, to explain a later miss with.

    Attributes:
        parts: Values by name; of environment variables only a short tag.
        external: `name@version` of the package's closure in the lock file.
        root_external: The same of the root package.
    """

    parts: dict[str, str]
    external: tuple[str, ...] = ()
    root_external: tuple[str, ...] = field(default=())


def compute_key(parts: Mapping[str, str]) -> CacheKey:
    """Hash parts, values by name, in whatever order they come."""
    framed = [f"{len(name)}:{name}{len(value)}:{value}" for name, value in sorted(parts.items())]
    text = FORMAT + "".join(framed)
    return CacheKey(blake3(text.encode("utf-8", "surrogateescape")).hexdigest())


def storable_parts(
    parts: Mapping[str, str],
    external: tuple[str, ...] = (),
    root_external: tuple[str, ...] = (),
) -> StoredParts:
    """What may be kept of parts outside the key: of environment variables only a tag."""
    if not all(map(str.isascii, (*parts, *parts.values()))):
        parts = {_storable(name): _storable(value) for name, value in parts.items()}
    values = {
        name: value[:TAG_DIGITS] if name.startswith("env:") else value
        for name, value in sorted(parts.items())
    }
    return StoredParts(values, external, root_external)


def encode_parts(parts: StoredParts) -> bytes:
    """The parts as a blob, compressed: few of them by zlib, which is imported in no time."""
    encoded = Encoder().encode(parts)
    if len(encoded) <= FEW_PARTS:
        import zlib

        return zlib.compress(encoded, 1)
    import zstandard

    return zstandard.compress(encoded)


def decode_parts(blob: bytes) -> StoredParts | None:
    """The parts in a blob; None where the blob is of another format."""
    from msgspec import MsgspecError

    try:
        return Decoder(StoredParts).decode(_decompressed(blob))
    except (ValueError, MsgspecError):
        return None


def _decompressed(blob: bytes) -> bytes:
    """What a blob held before it was compressed.

    Raises:
        ValueError: It is neither zlib's nor zstandard's, or too large.
    """
    if blob.startswith(_ZSTD_MAGIC):
        import zstandard

        try:
            return zstandard.decompress(blob, max_output_size=MAX_PARTS)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
    import zlib

    inflating = zlib.decompressobj()
    try:
        data = inflating.decompress(blob, FEW_PARTS)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflating.eof:
        raise ValueError("cut short, or too large")
    return data


def explain_difference(old: StoredParts, new: StoredParts) -> list[Reason]:
    """Say what changed between two sets of parts, the likeliest cause first.

    Returns:
        One reason for each part that was added, removed or changed; empty where none was.
    """
    reasons: list[tuple[int, Reason]] = []
    for name in sorted(old.parts.keys() | new.parts.keys()):
        before, after = old.parts.get(name), new.parts.get(name)
        if before == after:
            continue
        family, _, rest = name.partition(":")
        if name == "lock":
            reasons.extend((2, r) for r in _lock_changes("lock", old.external, new.external))
        elif name == "lock:root":
            reasons.extend(
                (2, r) for r in _lock_changes("root lock", old.root_external, new.root_external)
            )
        else:
            rank = _RANKS.get(family, 5)
            reasons.append((rank, _describe(family, rest, before, after)))
    unique = {reason: rank for rank, reason in reversed(reasons)}
    return sorted(unique, key=lambda reason: (unique[reason], reason.text))


_RANKS = {
    "command": 0,
    "arguments": 0,
    "input": 1,
    "manifest": 1,
    "lock": 2,
    "env": 3,
    "upstream": 6,
}


def _describe(family: str, rest: str, before: str | None, after: str | None) -> Reason:
    verb = "added" if before is None else "removed" if after is None else "changed"
    match family:
        case "input" | "global" | "manifest" | "tool" | "env":
            word = {"global": "global input", "manifest": "manifest"}.get(family, family)
            return Reason(f"{family}-{verb}", f"{word} {rest} {verb}")
        case "upstream":
            return Reason(f"upstream-{verb}", f"upstream {rest} {verb}")
        case "dependency" | "shared":
            return Reason("dependency-changed", f"files of dependency {rest} {verb}")
        case "command" | "arguments" | "outputs" | "platform" | "contributors":
            return Reason(f"{family}-changed", _from_to(family, before, after))
        case "bao" | "format":
            return Reason("version-changed", _from_to("bao's key version", before, after))
        case _:
            pass
    name = f"{family}:{rest}" if rest else family
    return Reason("part-changed", _from_to(name, before, after))


def _from_to(what: str, before: str | None, after: str | None) -> str:
    if before is None or after is None:
        return f"{what} {'added' if before is None else 'removed'}"
    if len(before) + len(after) > 120 or "\n" in before + after:  # noqa: PLR2004 - fits one line
        return f"{what} changed"
    return f"{what} changed: {before} → {after}"


def _lock_changes(word: str, before: tuple[str, ...], after: tuple[str, ...]) -> Iterable[Reason]:
    old, new = _versions(before), _versions(after)
    changes = [
        Reason(
            "lock-changed",
            f"{word}: {name} {', '.join(old.get(name, ())) or '(absent)'}"
            f" → {', '.join(new.get(name, ())) or '(absent)'}",
        )
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    return changes or [Reason("lock-changed", f"{word}: artefacts of the same versions changed")]


def _versions(external: tuple[str, ...]) -> Mapping[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for entry in external:
        name, _, version = entry.rpartition("@")
        versions.setdefault(name or entry, []).append(version)
    return versions


def _storable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
