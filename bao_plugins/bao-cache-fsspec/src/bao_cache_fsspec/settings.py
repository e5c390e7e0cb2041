"""What `[[cache]]` tables with `backend = "fsspec"` may say."""

from __future__ import annotations

import re
from typing import Annotated, Any

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0, le=600)]

_REGION = re.compile(r"[A-Za-z0-9-]{1,63}")
_PREFIX = re.compile(r"[A-Za-z0-9._=/-]*")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_SECRETS = ("key", "secret", "token", "username", "password")


class FsspecSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a cache behind a URL.

    Attributes:
        url: Where objects are kept, such as `s3://bucket/prefix`, `file:///mnt/cache`, or a path
            from the workspace root. Without one, `BAO_S3_BUCKET` names the bucket.
        prefix: What the names of all objects begin with, behind the path of the URL.
        endpoint_url: The server of `s3://` where that is not Amazon's.
        region: The region of `s3://`.
        account: The storage account of `az://` and `abfs://`.
        anonymous: Ask without credentials.
        connect_timeout: Seconds until a connection stands.
        read_timeout: Seconds without a byte of an answer.
        retries: How often a request that failed in a passing way is sent again.
        key, secret, token, username, password: Refused; credentials stand in no file of the
            repository.
    """

    url: str | None = None
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    account: str | None = None
    anonymous: bool = False
    connect_timeout: Seconds = 3.0
    read_timeout: Seconds = 10.0
    retries: Annotated[int, Meta(ge=0, le=5)] = 1
    key: Any = None
    secret: Any = None
    token: Any = None
    username: Any = None
    password: Any = None

    def __post_init__(self) -> None:
        for name in _SECRETS:
            if getattr(self, name) is not None:
                raise ValueError(
                    f"`{name}` does not belong into a file of the repository; leave credentials to "
                    "the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), to "
                    "~/.aws/credentials, or to the role of the machine"
                )
        for name in ("url", "endpoint_url"):
            _check_url(name, getattr(self, name))
        if self.endpoint_url is not None and not re.match("https?://[^/]", self.endpoint_url):
            raise ValueError("`endpoint_url` does not start with https:// or http:// and a host")
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise ValueError(f"`region` is {self.region!r}; it is a word such as eu-central-1")
        if self.account is not None and not _ACCOUNT.fullmatch(self.account):
            raise ValueError(f"`account` is {self.account!r}, which is no storage account")
        check_prefix("`prefix`", self.prefix)


def check_prefix(what: str, prefix: str) -> None:
    """Refuse a prefix that would not mean the same to every store.

    Raises:
        ValueError: It has signs that some store would not take, or segments such as `..`.
    """
    segments = prefix.strip("/").split("/")
    if not _PREFIX.fullmatch(prefix) or (prefix and not {"", ".", ".."}.isdisjoint(segments)):
        raise ValueError(f"{what} is {prefix!r}; it is made of letters, digits and the signs -._=/")


def _check_url(name: str, url: str | None) -> None:
    if url is None:
        return
    if not url or url != url.strip() or re.search(r"[\x00-\x1f\x7f]", url):
        raise ValueError(f"`{name}` is {url!r}, which is neither a URL nor a path")
    if re.match(r"[a-z0-9+.-]+://[^/]*:[^/@]*@", url, re.IGNORECASE):
        raise ValueError(
            f"`{name}` holds a password, which does not belong into a file of the repository"
        )
    if "::" in url:
        raise ValueError(f"`{name}` chains several file systems, which cannot be a cache")
    if re.match("https?:", url) and ("?" in url or "#" in url):
        raise ValueError(f"`{name}` has a query, behind which no name can be put")
