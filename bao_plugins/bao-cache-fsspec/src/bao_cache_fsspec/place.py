"""Where a tier's objects are, out of its settings and the environment, and who is told secrets.

The settings stand in the repository, which anybody may have written. So the user's credentials go
only to servers that the user named outside of it, or that belong to the service itself.
"""

from __future__ import annotations

import os
import re

from msgspec import Struct

from bao_cache_fsspec.settings import check_prefix
from bao_core.errors import CacheError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_cache_fsspec.settings import FsspecSettings

S3 = frozenset(("s3", "s3a"))
FOLDER = frozenset(("file", "local"))
HTTP = frozenset(("http", "https"))
_AT_HOME = frozenset(("memory", "gs", "gcs", "az", "abfs", "abfss")) | S3 | FOLDER | HTTP
"""What sends credentials to its own service or sends none. With any other protocol the host in the
URL is told the user's."""

_ALLOWED = ("BAO_ALLOW_ENDPOINTS", "BAO_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_PORTS = {"http": 80, "https": 443}


class Place(Struct, frozen=True):
    """Where objects are.

    Attributes:
        protocol: As in the URL; `file` for a path.
        path: What stands behind `://`, without a slash at its end; for a folder its absolute
            path.
        prefix: What all names start with, with a slash at its end unless it is empty. For S3 this
            is everything behind the bucket.
        endpoint: The server of S3, where it was named.
        region: The region of S3, where it was named.
    """

    protocol: str
    path: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None

    @property
    def url(self) -> str:
        """The place in one line, without secrets."""
        whole = f"{self.protocol}://{self.path}/{self.prefix}".rstrip("/")
        return f"{whole} at {self.endpoint}" if self.endpoint else whole


def locate(settings: FsspecSettings, environ: Mapping[str, str], root: str) -> Place:
    """Where a tier's objects are.

    Args:
        settings: As configured.
        environ: Asked for `BAO_S3_BUCKET` and its like, and for what the user allows.
        root: The workspace's root directory; a path in the settings starts there.

    Raises:
        CacheError: It does not say where, or names a server that is not allowed to see credentials.
    """
    protocol, rest = _split_url(settings.url)
    if protocol in S3 or settings.url is None:
        return _locate_s3(settings, environ, rest)
    for name in ("endpoint_url", "region"):
        if getattr(settings, name) is not None:
            raise CacheError(f"`{name}` says nothing with {protocol}://", hint="leave it out")
    prefix = _joined(settings.prefix)
    if protocol in FOLDER:
        return Place("file", _folder(rest, root, environ), prefix)
    host = rest.partition("/")[0].rpartition("@")[2]
    if protocol not in _AT_HOME and not settings.anonymous:
        _check_allowed(f"{protocol}://{host}", environ, "url")
    return Place(protocol, rest.rstrip("/"), prefix)


def _locate_s3(settings: FsspecSettings, environ: Mapping[str, str], rest: str) -> Place:
    bucket, _, path = rest.strip("/").partition("/")
    bucket = environ.get("BAO_S3_BUCKET") or bucket
    if not bucket:
        raise CacheError("no place is named for it", hint="set `url` in its table or BAO_S3_BUCKET")
    prefix = _joined(path, settings.prefix)
    if "BAO_S3_PREFIX" in environ:
        prefix = _joined(environ["BAO_S3_PREFIX"])
    endpoint = environ.get("BAO_S3_ENDPOINT") or settings.endpoint_url
    if endpoint is not None and not re.match("https?://[^/]", endpoint):
        raise CacheError(
            f"BAO_S3_ENDPOINT is {endpoint!r}", hint="it starts with https:// or http:// and a host"
        )
    if endpoint is not None and not settings.anonymous:
        _check_allowed(endpoint, environ, "endpoint_url")
    region = environ.get("BAO_S3_REGION") or settings.region
    return Place("s3", bucket, prefix, endpoint, region)


def _split_url(url: str | None) -> tuple[str, str]:
    if url is None:
        return "", ""
    protocol, divider, rest = url.partition("://")
    if not divider:
        return "file", url
    if not re.fullmatch("[a-z][a-z0-9+.-]*", protocol):
        raise CacheError(f"'{protocol}' is no protocol", hint="URLs start like s3:// or file://")
    return protocol, rest


def _joined(*prefixes: str) -> str:
    """Prefixes one behind the other, with one slash behind each."""
    joined = "".join(f"{prefix.strip('/')}/" for prefix in prefixes if prefix.strip("/"))
    try:
        check_prefix("the prefix", joined)
    except ValueError as error:
        raise CacheError(str(error)) from error
    return joined


def _folder(path: str, root: str, environ: Mapping[str, str]) -> str:
    if path == "~" or path.startswith("~/"):
        path = (environ.get("HOME") or os.path.expanduser("~")) + path[1:]
    return os.path.normpath(os.path.join(root, path))


def _check_allowed(url: str, environ: Mapping[str, str], setting: str) -> None:
    wanted = origin(url)
    named = " ".join(environ.get(name, "") for name in _ALLOWED)
    if wanted is not None and wanted in map(origin, re.split(r"[\s,]+", named)):
        return
    shown = wanted or url
    raise CacheError(
        f"`{setting}` in the configuration would have your credentials sent to {shown}",
        hint=f"allow that with BAO_ALLOW_ENDPOINTS={shown} in your environment, or set "
        "`anonymous = true` to ask without credentials",
    )


def origin(url: str) -> str | None:
    """Protocol, host and port of a URL, in one spelling for all that mean the same."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme or not host:
        return None
    host = f"[{host}]" if ":" in host else host.rstrip(".")
    shown = "" if port in {None, _PORTS.get(parts.scheme)} else f":{port}"
    return f"{parts.scheme}://{host}{shown}"
