"""Where a tier's objects are, and to whom credentials may go."""

from __future__ import annotations

import msgspec
import pytest
from bao_cache_fsspec.place import locate, origin
from bao_cache_fsspec.settings import FsspecSettings
from bao_cache_fsspec.store import FsspecStore

from bao_core.errors import BaoError, CacheError

MINIO = "https://minio.example.org:9000"


def place(environ: dict[str, str] | None = None, **table: object):
    return locate(msgspec.convert(table, FsspecSettings), environ or {}, "/workspace")


@pytest.mark.parametrize(
    ("table", "environ", "url"),
    [
        ({"url": "s3://b"}, {}, "s3://b"),
        ({"url": "s3://b/a/b/", "prefix": "/c/"}, {}, "s3://b/a/b/c"),
        ({"url": "s3a://b/p"}, {}, "s3://b/p"),
        ({"url": "s3://b/p"}, {"BAO_S3_BUCKET": "other"}, "s3://other/p"),
        ({"url": "s3://b/p"}, {"BAO_S3_PREFIX": "q"}, "s3://b/q"),
        ({"url": "s3://b/p", "prefix": "q"}, {"BAO_S3_PREFIX": ""}, "s3://b"),
        ({"url": "s3://b"}, {"BAO_S3_BUCKET": ""}, "s3://b"),
        ({}, {"BAO_S3_BUCKET": "b", "BAO_S3_PREFIX": "q"}, "s3://b/q"),
        ({"url": "s3://b"}, {"BAO_S3_ENDPOINT": MINIO}, f"s3://b at {MINIO}"),
        ({"url": "gs://b/p", "prefix": "q"}, {"BAO_S3_BUCKET": "other"}, "gs://b/p/q"),
        ({"url": "file:///mnt/cache"}, {}, "file:///mnt/cache"),
        ({"url": "file://../cache"}, {}, "file:///cache"),
        ({"url": "../cache", "prefix": "q"}, {}, "file:///cache/q"),
        ({"url": "~/cache"}, {"HOME": "/home/a"}, "file:///home/a/cache"),
        ({"url": "https://a.example.org/x/"}, {}, "https://a.example.org/x"),
    ],
)
def test_a_place_is_what_settings_and_environment_say(
    table: dict[str, object], environ: dict[str, str], url: str
) -> None:
    assert place(environ, **table).url == url


def test_the_region_of_the_environment_goes_before_that_of_the_settings() -> None:
    assert place(url="s3://b", region="eu-west-1").region == "eu-west-1"
    assert place({"BAO_S3_REGION": "auto"}, url="s3://b", region="eu-west-1").region == "auto"


def test_a_tier_that_is_nowhere_says_what_to_do() -> None:
    with pytest.raises(CacheError, match="set `url` in its table or BAO_S3_BUCKET"):
        place()


@pytest.mark.parametrize("name", ["key", "secret", "token", "username", "password"])
def test_credentials_in_the_configuration_are_refused_unseen(name: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="AWS_ACCESS_KEY_ID") as caught:
        place(url="s3://b", **{name: "s3cr3t"})
    assert "s3cr3t" not in str(caught.value)
    with pytest.raises(msgspec.ValidationError, match="holds a password"):
        place(url="sftp://somebody:s3cr3t@host/path")
    with pytest.raises(msgspec.ValidationError, match="holds a password"):
        place(url="s3://b", endpoint_url="https://key:s3cr3t@host")


@pytest.mark.parametrize(
    "table",
    [
        {"url": ""},
        {"url": " s3://b"},
        {"url": "s3://b\n"},
        {"url": "simplecache::s3://b"},
        {"url": "https://host/x?token=1"},
        {"url": "s3://b", "prefix": "a/../b"},
        {"url": "s3://b", "prefix": "a//b"},
        {"url": "s3://b", "prefix": "a b"},
        {"url": "s3://b", "endpoint_url": "minio:9000"},
        {"url": "s3://b", "endpoint_url": "https://"},
        {"url": "s3://b", "region": "a.example.org/#"},
        {"url": "az://c", "account": "a.example.org/"},
        {"url": "s3://b", "read_timeout": 0},
        {"url": "s3://b", "retries": 100},
        {"url": ["s3://b"]},
    ],
)
def test_nonsense_is_refused_where_the_line_is_known(table: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, FsspecSettings)


@pytest.mark.parametrize(
    ("table", "environ"),
    [
        ({"url": "S3://b"}, {}),
        ({"url": "s3://b/a b"}, {}),
        ({"url": "s3://b"}, {"BAO_S3_PREFIX": "../x"}),
        ({"url": "s3://b"}, {"BAO_S3_ENDPOINT": "minio"}),
        ({"url": "gs://b", "region": "eu"}, {}),
        ({"url": "file:///x", "endpoint_url": MINIO}, {}),
    ],
)
def test_what_cannot_be_meant_is_an_error_with_words(
    table: dict[str, object], environ: dict[str, str]
) -> None:
    with pytest.raises(CacheError):
        place(environ, **table)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"BAO_ALLOW_ENDPOINTS": "https://minio.example.org"},
        {"BAO_ALLOW_ENDPOINTS": "http://minio.example.org:9000"},
        {"BAO_ALLOW_ENDPOINTS": "https://minio.example.org.evil.example:9000"},
        {"BAO_ALLOW_ENDPOINTS": "minio.example.org:9000"},
        {"BAO_ALLOW_ENDPOINTS": "https://"},
    ],
)
def test_credentials_go_to_no_server_that_the_user_did_not_name(environ: dict[str, str]) -> None:
    with pytest.raises(CacheError, match=f"BAO_ALLOW_ENDPOINTS={MINIO}"):
        place(environ, url="s3://b", endpoint_url=f"{MINIO}/path")


@pytest.mark.parametrize(
    "environ",
    [
        {"BAO_ALLOW_ENDPOINTS": MINIO},
        {"BAO_ALLOW_ENDPOINTS": f"https://a.example.org, {MINIO}/"},
        {"BAO_ALLOW_ENDPOINTS": f"https://a.example.org {MINIO.upper()}"},
        {"AWS_ENDPOINT_URL": MINIO},
        {"AWS_ENDPOINT_URL_S3": MINIO},
    ],
)
def test_credentials_go_where_the_user_lets_them_go(environ: dict[str, str]) -> None:
    assert place(environ, url="s3://b", endpoint_url=MINIO).endpoint == MINIO


def test_another_server_of_the_environment_needs_no_leave_and_replaces_the_one_named() -> None:
    environ = {"BAO_S3_ENDPOINT": "http://127.0.0.1:8333"}
    found = place(environ, url="s3://b", endpoint_url=MINIO)
    assert found.endpoint == "http://127.0.0.1:8333"


def test_whoever_asks_without_credentials_may_ask_anybody() -> None:
    assert place(url="s3://b", endpoint_url=MINIO, anonymous=True).endpoint == MINIO


def test_protocols_that_would_tell_a_host_of_their_own_need_leave() -> None:
    with pytest.raises(CacheError, match="BAO_ALLOW_ENDPOINTS=sftp://host"):
        place(url="sftp://me@host/path")
    environ = {"BAO_ALLOW_ENDPOINTS": "sftp://host"}
    assert place(environ, url="sftp://me@host/path").path == "me@host/path"


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://A.example.org", "https://a.example.org"),
        ("https://a.example.org:443/x", "https://a.example.org"),
        ("http://a.example.org:80", "http://a.example.org"),
        ("https://a.example.org.", "https://a.example.org"),
        ("https://u@a.example.org", "https://a.example.org"),
        ("http://[::1]:8333", "http://[::1]:8333"),
        ("https://a.example.org:99999", None),
        ("a.example.org", None),
        ("", None),
    ],
)
def test_an_origin_has_one_spelling(url: str, same: str | None) -> None:
    assert origin(url) == same


@pytest.mark.parametrize(
    ("url", "missing", "says"),
    [
        ("s3://b", "s3fs", r"pip install 'bao-cache-fsspec\[s3\]'"),
        ("gs://b", "gcsfs", r"pip install 'bao-cache-fsspec\[gs\]'"),
        ("az://b", "adlfs", r"pip install 'bao-cache-fsspec\[az\]'"),
        ("https://a.example.org", "aiohttp", r"pip install 'bao-cache-fsspec\[http\]'"),
    ],
)
def test_a_missing_package_is_named(
    url: str, missing: str, says: str, open_store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib
    import sys

    ours = ("bao_cache_fsspec.s3", "bao_cache_fsspec.web", "fsspec.impl")
    for name in list(sys.modules):
        if name.startswith((*ours, f"{missing}.")):
            monkeypatch.delitem(sys.modules, name)
    # Not the attribute of that name, which is another thing.
    found = importlib.import_module("fsspec.registry")._registry
    for protocol in list(found):
        monkeypatch.delitem(found, protocol)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(CacheError, match=says):
        open_store(url=url)


def test_a_protocol_that_nobody_knows_is_an_error_with_words(open_store) -> None:
    with pytest.raises(BaoError, match="no-such"):
        open_store(url="no-such://host/path", anonymous=True)


def test_only_what_is_used_is_imported() -> None:
    assert FsspecStore.name == "fsspec"
    assert FsspecStore.remote
