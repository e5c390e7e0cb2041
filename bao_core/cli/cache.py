"""`bao cache`: look at, mend and clean the cache tiers."""

from __future__ import annotations

from contextlib import contextmanager

from msgspec import Struct

from bao_core.cli.opening import opened
from bao_core.errors import BaoError, CacheError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bao_core.cli.commands import CacheArguments, CleanArguments, RebuildArguments
    from bao_core.cli.options import Invocation
    from bao_core.cli.terminal import Terminal
    from bao_core.interfaces.cache import EvictionPolicy
    from bao_core.session import Session
    from bao_core.tiers import Tier

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class TierStats(Struct, frozen=True):
    """One tier in the JSON of `bao cache stats`; numbers are None where it cannot tell."""

    tier: str
    location: str | None = None
    entries: int | None = None
    blobs: int | None = None
    bytes: int | None = None


class ListedEntry(Struct, frozen=True):
    """One entry in the JSON of `bao cache ls`; `created` in seconds since the epoch."""

    tier: str
    task_id: str
    key: str
    created: float
    size: int


def cache(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Carry out one of the commands; returns the exit code."""
    perform = {
        "cache stats": stats,
        "cache ls": ls,
        "cache clean": clean,
        "cache verify": verify,
        "cache rebuild": rebuild,
    }[invocation.command]
    return perform(invocation, terminal, environ)


def stats(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Print what each tier holds; returns the exit code."""
    arguments: CacheArguments = invocation.arguments
    with opened(invocation, environ, terminal) as session:
        tiers = _tiers(session, arguments.tier)
        found = [_stats_of(tier, terminal, alone=len(tiers) == 1) for tier in tiers]
    if arguments.json:
        terminal.json({"version": 1, "tiers": found})
        return 0
    _note_if_none(found, terminal)
    for tier in found:
        if tier.bytes is None:
            terminal.line(f"{tier.tier}  cannot tell what it holds")
        else:
            counts = f"{tier.entries} entries, {tier.blobs} blobs, {size_text(tier.bytes)}"
            terminal.line(f"{tier.tier}  {counts}  ({tier.location})")
    return 0


def ls(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """List entries; returns the exit code."""
    from time import localtime, strftime

    from bao_core.cli.terminal import shown

    arguments: CacheArguments = invocation.arguments
    found: list[ListedEntry] = []
    with opened(invocation, environ, terminal) as session:
        tiers = _tiers(session, arguments.tier)
        for tier in tiers:
            with _naming(tier):
                found += [
                    ListedEntry(tier.name, entry.task_id, entry.key, entry.created, entry.size)
                    for entry in tier.backend.entries()
                ]
    if arguments.json:
        terminal.json({"version": 1, "entries": found})
        return 0
    _note_if_none(tiers, terminal)
    for entry in found:
        made = strftime("%Y-%m-%d %H:%M:%S", localtime(entry.created))
        size = size_text(entry.size).rjust(10)
        terminal.line(f"{made}  {size}  {entry.key[:12]}  {entry.tier}  {shown(entry.task_id)}")
    return 0


def clean(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Remove entries of one tier; returns the exit code."""
    arguments: CleanArguments = invocation.arguments
    policy = policy_of(arguments)
    with opened(invocation, environ, terminal) as session:
        tier = _one_tier(session, arguments.tier, terminal)
        with _naming(tier):
            evicted = tier.backend.evict(policy)
    rest = "" if evicted.complete else "; there is more to remove, call it again"
    terminal.line(
        f"{tier.name}: removed {evicted.entries} entries, {size_text(evicted.bytes)}{rest}"
    )
    return 0


def verify(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Read everything in one tier; returns the exit code."""
    from bao_core.cli.terminal import shown

    arguments: CacheArguments = invocation.arguments
    with opened(invocation, environ, terminal) as session:
        tier = _one_tier(session, arguments.tier, terminal)
        damaged = []
        with _naming(tier):
            for line in tier.backend.verify():
                damaged.append(line)
                if not arguments.json:
                    terminal.line(shown(line))
    if arguments.json:
        terminal.json({"version": 1, "tier": tier.name, "removed": damaged})
    elif not damaged:
        terminal.line(f"{tier.name}: nothing is damaged")
    return 0


def rebuild(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Make the catalogue of one tier anew; returns the exit code."""
    arguments: RebuildArguments = invocation.arguments
    with opened(invocation, environ, terminal) as session:
        tier = _one_tier(session, arguments.tier, terminal)
        with _naming(tier):
            tier.backend.rebuild()
    terminal.line(f"{tier.name}: the catalogue was made anew")
    return 0


def policy_of(arguments: CleanArguments) -> EvictionPolicy:
    """What may be kept, by the options of `bao cache clean`.

    Raises:
        UsageError: They say nothing, or two things at once.
    """
    from bao_core.interfaces.cache import EvictionPolicy

    bounds = (arguments.older_than, arguments.max_size)
    if arguments.all:
        if any(bound is not None for bound in bounds):
            raise UsageError(
                "--all removes everything; it takes neither --older-than nor --max-size"
            )
        return EvictionPolicy(max_bytes=0, spare=0.0)
    if all(bound is None for bound in bounds):
        raise UsageError("say what to remove: --older-than, --max-size or --all")
    # Who cleans by hand means it: nothing is spared for having been used within the hour.
    return EvictionPolicy(
        max_bytes=None if arguments.max_size is None else parse_size(arguments.max_size),
        max_age=None if arguments.older_than is None else parse_duration(arguments.older_than),
        spare=0.0,
    )


def parse_duration(text: str) -> float:
    """Seconds, from a text such as `30d` or `1.5h`."""
    return float(text[:-1]) * _SECONDS[text[-1]]


def parse_size(text: str) -> int:
    """Bytes, from a text such as `5GiB`, `500MB` or `1024`; `5G` is meant as `5GiB`."""
    number = text.rstrip("KMGTiB")
    unit = text[len(number) :]
    base = 1000 if unit.endswith("B") and "i" not in unit else 1024
    return int(float(number) * base ** _POWERS[unit[:1].replace("B", "")])


def size_text(count: int) -> str:
    """Bytes for people."""
    power = min(max(count.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    return f"{count / 1024**power:.{1 if power else 0}f} {_UNITS[power]}"


def _stats_of(tier: Tier, terminal: Terminal, *, alone: bool) -> TierStats:
    """What a tier holds. One that fails is an error only where there is nothing else to tell."""
    found = None
    try:
        with _naming(tier):
            found = tier.backend.stats()
    except BaoError as error:
        if alone:
            raise
        terminal.warn(str(error))
    if found is None:
        return TierStats(tier.name)
    return TierStats(tier.name, found.location, found.entries, found.blobs, found.bytes)


def _tiers(session: Session, name: str | None) -> Sequence[Tier]:
    """The tier of a name, or all of them."""
    tiers = list(session.tiers)
    if name is None:
        return tiers
    chosen = [tier for tier in tiers if tier.name == name]
    if not chosen:
        known = ", ".join(tier.name for tier in tiers) or "none"
        raise UsageError(f"--tier: no cache tier is called '{name}' (configured: {known})")
    return chosen


def _one_tier(session: Session, name: str | None, terminal: Terminal) -> Tier:
    """The tier to change: the one named, else the first.

    Others may be somebody else's as well, and are only changed when they are named.
    """
    tiers = _tiers(session, name)
    if not tiers:
        raise CacheError(
            "no cache is configured or installed", hint="try: pip install bao-cache-local"
        )
    if len(tiers) > 1:
        others = ", ".join(tier.name for tier in tiers[1:])
        terminal.note(f"{tiers[0].name} only; with --tier also: {others}")
    return tiers[0]


def _note_if_none(tiers: Sequence[object], terminal: Terminal) -> None:
    if not tiers:
        terminal.note("no cache is configured or installed; try: pip install bao-cache-local")


@contextmanager
def _naming(tier: Tier) -> Iterator[None]:
    """Turns whatever a backend raises into an error that names its tier."""
    try:
        yield
    except BaoError:
        raise
    except Exception as error:
        origin = f" ({tier.backend.origin})" if tier.backend.origin else ""
        raise CacheError(
            f"cache tier '{tier.name}'{origin} failed: {type(error).__name__}: {error}"
        ) from error
