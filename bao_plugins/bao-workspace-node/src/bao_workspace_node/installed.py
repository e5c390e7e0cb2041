"""Comparing what npm installed with what its lock file says."""

from __future__ import annotations

from bao_core.digests import hash_text
from bao_workspace_node.locks.npm import FOLDER, LockedPackage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_workspace_node.locks.npm import LockDocument

FEW = 8
"""How many missing places are written out."""

_NOTHING = LockedPackage()


def differences(lock: LockDocument, installed: LockDocument) -> dict[str, str]:
    """Where the installed packages differ from the lock file.

    Args:
        lock: The lock file.
        installed: npm's own record of what it installed, `node_modules/.package-lock.json`.

    Returns:
        Values by the names of key parts. What is optional may be missing: it often does not fit
        on the platform.
    """
    wanted = _installable(lock)
    there = _installable(installed)
    parts = {
        f"installed:{place}": _described(package)
        for place, package in there.items()
        if not _is_same(package, wanted.get(place, _NOTHING))
    }
    missing = sorted(
        place
        for place, package in wanted.items()
        if place not in there and not (package.optional or package.dev_optional)
    )
    if missing:
        parts["missing"] = (
            " ".join(missing)
            if len(missing) <= FEW
            else f"{len(missing)} packages {hash_text(*missing)[:16]}"
        )
    return parts


def _installable(document: LockDocument) -> Mapping[str, LockedPackage]:
    packages = document.packages or {}
    return {place: p for place, p in packages.items() if f"{FOLDER}/" in place}


def _is_same(installed: LockedPackage, locked: LockedPackage) -> bool:
    if installed.link or locked.link:
        return installed.link == locked.link and installed.resolved == locked.resolved
    if installed.integrity and locked.integrity and installed.integrity != locked.integrity:
        return False
    return installed.version == locked.version


def _described(package: LockedPackage) -> str:
    if package.link:
        return f"link {package.resolved}"
    return " ".join(filter(None, [package.version, package.integrity]))
