"""Comparing what is installed with what the lock file says."""

from __future__ import annotations

import os

from bao_core.answers import witness_of
from bao_core.digests import hash_text
from bao_workspace_python.names import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bao_core.answers import Answers
    from bao_workspace_python.locks.table import LockTable

SUFFIX = ".dist-info"
FEW = 8
"""How many missing names are written out."""


def installed_versions(site_packages: Iterable[str]) -> dict[str, str]:
    """The version of everything installed in some directories, by normalised name."""
    found: dict[str, str] = {}
    for directory in site_packages:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for entry in names:
            if entry.endswith(SUFFIX):
                name, _, version = entry.removesuffix(SUFFIX).partition("-")
                # What comes first is imported.
                found.setdefault(normalise(name), version)
    return found


def installed_digest(sites: tuple[str, ...], memory: Answers) -> str:
    """A digest over everything installed in some directories.

    Whoever installs something makes a directory in one of them, so nothing is listed as long as
    they were not written to.
    """
    there = [site for site in sites if os.access(site, os.F_OK)]
    witness = witness_of(*there) if there else None
    question = "installed " + " ".join(there)
    known = memory.recall(question, witness, str)
    if known is None:
        known = digest_of(installed_versions(there))
        memory.remember(question, witness, known)
    return known


def digest_of(installed: dict[str, str]) -> str:
    """A digest over everything installed."""
    return hash_text(*(f"{name}@{version}" for name, version in sorted(installed.items())))


def differences(
    lock: LockTable, installed: dict[str, str], directories: Iterable[str], *, missing: bool
) -> dict[str, dict[str, str]]:
    """Where an environment differs from the lock file, for each package.

    What the root can reach counts for every package: shared tools are installed there. Where the
    lock file leaves a choice between versions, the one that was chosen counts as a difference.

    Args:
        lock: The lock file.
        installed: Versions by name.
        directories: The packages that use the environment.
        missing: Whether what is not installed counts.

    Returns:
        Values by the names of key parts, by directory; a directory without a difference is left
        out.
    """
    other = lock.where(
        lambda name, versions: (
            name in installed
            and (len(versions) > 1 or not _is_same(installed[name], next(iter(versions))))
        )
    )
    absent = lock.where(lambda name, _: missing and name not in installed)
    root = lock.closure("")
    known: dict[int, dict[str, str]] = {}
    found: dict[str, dict[str, str]] = {}
    for directory in directories:
        mask = (lock.closure(directory) | root) & (other | absent)
        if mask not in known:
            parts = {f"installed:{n}": installed[n] for n in lock.held_versions(mask & other)}
            if names := sorted(lock.held_versions(mask & absent)):
                parts["missing"] = _in_short(names)
            known[mask] = parts
        if known[mask]:
            found[directory] = known[mask]
    return found


def _in_short(names: list[str]) -> str:
    if len(names) <= FEW:
        return " ".join(names)
    return f"{len(names)} packages {hash_text(*names)[:16]}"


def _is_same(installed: str, locked: str) -> bool:
    if installed == locked:
        return True
    from packaging.version import InvalidVersion, Version

    try:
        return Version(installed) == Version(locked)
    except InvalidVersion:
        return False
