"""One requirement, as a manifest says it."""

from __future__ import annotations

import re
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from bao_workspace_python.names import normalise
from bao_workspace_python.paths import resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_workspace_python.manifest import Manifest

_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_EXTRAS = re.compile(r"\s*\[([^\]]*)\]")
_ADDRESS = re.compile(r"\s*@\s*(\S+?);?(?:\s|$)")
_EDITABLE = re.compile(r"\s*(?:-e|--editable)[\s=]\s*(\S+)")
_EGG = re.compile(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)")
_OWN_DIRECTORY = re.compile(
    r"(?:file:/*)?(?:\$\{PROJECT_ROOT\}|\{root((?::parent)*)(?::(?:uri|real))?\})(?=[/#?]|$)"
)
"""The directory of the manifest, as PDM and as Hatch write it."""
_RELATIVE = re.compile(r"(?:file:)?(?=\.\.?(?:/|$|#))")


class Requirement(Struct, frozen=True):
    """A requirement as a manifest says it.

    Attributes:
        kind: `runtime`, `extra`, `group` or `build`.
        text: As written.
        name: Normalised; empty where only a place is written.
        extras: Normalised.
        path: The directory that it is taken from, from the root of the workspace; it begins with
            `..` where it lies outside. None where no such place is written.
        elsewhere: Whether it is written to be taken from a place that is no directory here.
    """

    kind: str
    text: str
    name: str
    extras: tuple[str, ...] = ()
    path: str | None = None
    elsewhere: bool = False


def parse_requirement(manifest: Manifest, kind: str, text: str) -> Requirement:
    """Read a requirement in the form of PEP 508, or a path as PDM and pip know it.

    A place is read as Hatch (`{root:uri}/../b`) and PDM (`file:///${PROJECT_ROOT}/../b`) write it.

    Args:
        manifest: Where it stands.
        kind: `runtime`, `extra`, `group` or `build`.
        text: As written.

    Raises:
        WorkspaceError: It does not begin with a name.
    """
    editable = _EDITABLE.match(text)
    address = editable.group(1) if editable else text.strip()
    if editable or _place(address) is not None:
        egg = _EGG.search(address)
        name = normalise(egg.group(1)) if egg else ""
        return _placed(manifest, Requirement(kind, text, name), address)
    match = _NAME.match(text)
    if match is None:
        raise manifest.error(f"requirement '{text}' does not start with a name", text)
    extras = _EXTRAS.match(text, match.end())
    requirement = Requirement(
        kind, text, normalise(match.group(1)), split_extras(extras.group(1) if extras else "")
    )
    found = _ADDRESS.match(text, extras.end() if extras else match.end())
    return requirement if found is None else _placed(manifest, requirement, found.group(1))


def split_extras(text: str) -> tuple[str, ...]:
    """The names of extras between commas, normalised and sorted."""
    return tuple(sorted(normalise(name.strip()) for name in text.split(",") if name.strip()))


def _placed(manifest: Manifest, requirement: Requirement, address: str) -> Requirement:
    place = _place(address)
    path = None if place is None else resolved(manifest.directory, place)
    # Poetry writes the absolute path of a package that is added by its place. Nobody can tell where
    # the workspace lies, so that its name has to do.
    elsewhere = path is None and not address.startswith("file:/")
    return replace(requirement, path=path, elsewhere=elsewhere)


def _place(address: str) -> str | None:
    """The path in an address, relative to the manifest's directory; None where there is none."""
    if own := _OWN_DIRECTORY.match(address):
        up = "../" * (own.group(1) or "").count("parent")
        rest = address[own.end() :].lstrip("/")
    elif relative := _RELATIVE.match(address):
        up, rest = "", address[relative.end() :]
    else:
        return None
    return up + unquote(re.split(r"[#?]", rest, maxsplit=1)[0]) or "."
