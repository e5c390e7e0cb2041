"""Reading objects of S3 with no more than it takes: a signed request on the thread that asks.

A run of hits is nothing but this, a thousand times over. Through s3fs each costs more than twice as
much, most of it in botocore's preparing and parsing, and importing s3fs costs as much as hundreds
of them. So what is plain is done here, with botocore's own credentials, signatures and connections.
Whatever else an answer may be is left to s3fs, which asks again and knows what to make of it.
"""

from __future__ import annotations

import io
import os
import re
from typing import cast

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from botocore.session import get_session
from botocore.utils import get_environ_proxies

from bao_cache_fsspec.troubles import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, BinaryIO

    from _typeshed import WriteableBuffer

    from bao_cache_fsspec.place import Place
    from bao_cache_fsspec.settings import FsspecSettings

CONNECTIONS = 32
SMALL = 64 << 10
"""Bytes up to which an object is read at once."""

DOUBTS = 3
"""Answers that may be left to s3fs before everything is."""

_OK, _NOT_FOUND = 200, 404
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of nothing."""

_REGION = re.compile("(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-[0-9]")
_BUCKET = re.compile("[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_UNUSUAL_SETTINGS = frozenset(
    ("endpoint_url", "s3", "services", "use_dualstack_endpoint", "use_fips_endpoint")
)
_UNUSUAL_VARIABLES = (
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "FSSPEC_CONFIG_DIR",
    "FSSPEC_S3",
)
"""What makes requests go elsewhere or look different in ways that only botocore or fsspec know."""


class DoubtError(Exception):
    """Somebody who knows more should ask."""


class DirectReads:
    """Gets objects of a bucket. Used from several threads.

    Args:
        base: What the URLs of all objects start with, bucket included.
        region: What requests are signed for.
        credentials: Those of a botocore session; None for requests without a signature.
        http: Sends requests.
    """

    def __init__(self, base: str, region: str, credentials: Any, http: URLLib3Session) -> None:
        self._base = base
        self._region = region
        self._credentials = credentials
        self._http = http
        self._doubts = 0

    @classmethod
    def prepare(cls, place: Place, settings: FsspecSettings) -> DirectReads | None:
        """Make ready to read; None where it is not plain how."""
        if any(os.environ.get(name) for name in _UNUSUAL_VARIABLES) or os.path.isdir(
            os.path.expanduser("~/.config/fsspec")
        ):
            return None
        try:
            session = get_session()
            unusual = _UNUSUAL_SETTINGS.intersection(session.get_scoped_config())
            region = place.region or session.get_config_variable("region")
            base = None if unusual else base_url(place, region, os.environ)
            credentials = None if settings.anonymous else session.get_credentials()
            verify = session.get_config_variable("ca_bundle") or True
        except BotoCoreError:
            return None
        if base is None or (credentials is None and not settings.anonymous):
            return None
        http = URLLib3Session(
            verify=verify,
            proxies=get_environ_proxies(base),
            timeout=(settings.connect_timeout, settings.read_timeout),
            max_pool_connections=CONNECTIONS,
        )
        return cls(base, region or "us-east-1", credentials, http)

    def get(self, key: str) -> BinaryIO | None:
        """An object as a stream; None where there is none.

        Raises:
            DoubtError: The answer was not plain.
        """
        if self._doubts >= DOUBTS:
            raise DoubtError
        request = AWSRequest("GET", self._base + key, stream_output=True)
        try:
            if self._credentials is not None:
                request.headers["X-Amz-Content-SHA256"] = _EMPTY
                frozen = self._credentials.get_frozen_credentials()
                S3SigV4Auth(frozen, "s3", self._region).add_auth(request)
            answer = self._http.send(request.prepare())
            length = answer.headers.get("Content-Length", "")
            if answer.status_code == _OK and length.isdecimal():
                return _opened(answer.raw, int(length))
            if answer.status_code == _NOT_FOUND and b"<Code>NoSuchKey</Code>" in answer.content:
                return None
            answer.raw.close()
        except BotoCoreError as error:
            self._doubts += 1
            raise DoubtError from error
        self._doubts += 1
        raise DoubtError

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def base_url(place: Place, region: str | None, environ: Mapping[str, str]) -> str | None:
    """What the URLs of objects start with; None where botocore should work that out."""
    from urllib.parse import quote

    prefix = quote(place.prefix, safe="-._~/")
    endpoint = (
        place.endpoint or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    )
    if not _BUCKET.fullmatch(place.path) or place.path.endswith("--x-s3"):
        return None
    if endpoint:
        return f"{endpoint.rstrip('/')}/{place.path}/{prefix}"
    if region is None or not _REGION.fullmatch(region):
        return None
    return f"https://{place.path}.s3.{region}.amazonaws.com/{prefix}"


def _opened(raw: Any, length: int) -> BinaryIO:
    body = _Body(raw, length)
    if length > SMALL:
        return cast("BinaryIO", io.BufferedReader(body, SMALL))
    with body:
        return io.BytesIO(body.readall())


class _Body(io.RawIOBase):
    """A body that raises where it ends too early: that is nothing damaged, but a failure."""

    def __init__(self, raw: Any, length: int) -> None:
        self._raw = raw
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        wanted = min(len(target), self._left)
        if not wanted:
            return 0
        try:
            data = self._raw.read(wanted)
        except Exception as error:
            said = " ".join(str(error).split())
            raise StoreError(f"an answer broke off ({type(error).__name__}: {said})") from error
        if not data:
            raise StoreError(f"an answer ended {self._left} bytes too early")
        self._left -= len(data)
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            if self._left:
                self._raw.close()
            else:
                self._raw.release_conn()
        super().close()
