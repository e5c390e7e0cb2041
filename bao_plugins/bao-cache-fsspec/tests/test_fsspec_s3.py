"""What S3 servers answer, and what becomes of it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from bao_cache_fsspec import s3_files
from bao_cache_fsspec.place import Place
from bao_cache_fsspec.s3_direct import DOUBTS, base_url
from bao_cache_fsspec.troubles import StoreError

from bao_core.errors import CacheError
from bao_core.testing.entries import BytesSource
from bao_core.testing.objects import BreakingSource, read_object

if TYPE_CHECKING:
    from pathlib import Path

NO_KEY = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"


def error(code: str, message: str = "so it is") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@pytest.fixture
def fake(answering, open_store, monkeypatch: pytest.MonkeyPatch):
    """Opens a store at a server in the test's hand."""
    values = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL_S3": answering.url,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return lambda **table: open_store(url="s3://bucket/p", **{"retries": 0, **table})


# --- reading -------------------------------------------------------------------------------------


def test_a_hit_and_a_miss_cost_one_request_each(fake, answering) -> None:
    answering.answer = lambda _method, path: (
        answering.of(200, b"content") if path.endswith("/a") else answering.of(404, NO_KEY)
    )
    store = fake()
    assert read_object(store, "a") == b"content"
    assert store.get("b") is None
    assert answering.asked == [("GET", "/bucket/p/a"), ("GET", "/bucket/p/b")]


def test_a_run_of_hits_imports_neither_s3fs_nor_what_it_needs(seaweedfs, use, tmp_path) -> None:
    code = f"""
import sys
import msgspec
from pathlib import Path
from bao_cache_fsspec.store import FsspecStore
from bao_core.testing.fakes import context_at
settings = FsspecStore.Settings(url="s3://{use(seaweedfs)}/imports")
store = FsspecStore.open(settings, context_at(Path({str(tmp_path)!r})))
assert store.get("nothing") is None
store.close()
print([name for name in ("s3fs", "aiobotocore", "aiohttp", "fsspec") if name in sys.modules])
"""
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_without_the_direct_way_the_same_comes_back(
    seaweedfs, use, open_store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = use(seaweedfs)
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "false")  # unusual: s3fs reads
    store = open_store(url=f"s3://{bucket}/roundabout")
    assert store.served._direct is None
    for size in (0, 10, 65_536, 3_000_000):
        data = bytes(range(256)) * (size // 256 + 1)
        store.put(f"a/{size}", BytesSource(data))
        assert read_object(store, f"a/{size}") == data
    assert store.get("a/b") is None
    with store.get("a/3000000") as stream:
        assert stream.read(3) == bytes((0, 1, 2)), "and the rest is left"
    assert read_object(store, "a/10") is not None


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "SignatureDoesNotMatch", "refuses the credentials .*AWS_SECRET_ACCESS_KEY"),
        (403, "InvalidAccessKeyId", "refuses the credentials"),
        (400, "ExpiredToken", "refuses the credentials"),
        (403, "AccessDenied", "does not allow this .*s3:ListBucket"),
        (404, "NoSuchBucket", "no bucket 'bucket' .*BAO_S3_BUCKET"),
        (500, "InternalError", "failed"),
        (503, "SlowDown", "failed"),
    ],
)
def test_what_a_server_refuses_is_a_failure_with_words_and_no_miss(
    status: int, code: str, says: str, fake, answering
) -> None:
    answering.answer = lambda _method, _path: answering.of(status, error(code))
    with pytest.raises(StoreError, match=says) as caught:
        fake().get("a")
    assert not isinstance(caught.value, CacheError), "that would say that the object is damaged"


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 x\r\nContent-Length: 10\r\n\r\nxyz"],
    ids=["nothing", "garbage", "half"],
)
def test_an_answer_that_breaks_off_is_a_failure_and_not_an_object(
    answer: bytes, fake, answering
) -> None:
    answering.answer = lambda _method, _path: answer
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any, as long as it is not this one
        read_object(fake(read_timeout=2), "a")
    assert not isinstance(caught.value, CacheError)


def test_a_large_body_that_breaks_off_is_a_failure_and_not_an_object(fake, answering) -> None:
    answering.answer = lambda _method, _path: answering.of(200, b"x" * 200_000, length=300_000)
    with pytest.raises(StoreError, match=r"broke off|too early"):
        read_object(fake(), "a")


def test_a_page_of_some_proxy_is_no_miss(fake, answering) -> None:
    answering.answer = lambda _method, _path: answering.of(404, b"<html>not here</html>")
    store = fake()
    for number in range(DOUBTS + 1):
        with pytest.raises(StoreError, match="s3://bucket/p failed"):
            store.get(f"a{number}")
    assert len(answering.asked) == 2 * DOUBTS + 1, "in the end s3fs alone is asked"


def test_a_server_that_is_not_there_is_named(kit, open_store, fake, monkeypatch) -> None:
    (port,) = kit.free_ports(1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    with pytest.raises(StoreError, match="s3://bucket/p cannot be reached"):
        fake().get("a")


def test_a_server_that_never_answers_is_left_after_a_while(open_store, fake, monkeypatch) -> None:
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        store = fake(read_timeout=0.3, connect_timeout=0.3)
        began = time.monotonic()
        with pytest.raises(StoreError):
            store.get("a")
        assert time.monotonic() - began < 15


def test_without_credentials_it_says_what_to_do(fake, tmp_path: Path, monkeypatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreError, match=r"no credentials .*AWS_ACCESS_KEY_ID.*anonymous"):
        fake().get("a")


def test_whoever_is_anonymous_signs_nothing(fake, answering, monkeypatch) -> None:
    answering.answer = lambda _method, _path: answering.of(200, b"content")
    sent = []
    store = fake(anonymous=True)
    send = store.served._direct._http.send
    monkeypatch.setattr(
        store.served._direct._http, "send", lambda request: sent.append(request) or send(request)
    )
    assert read_object(store, "a") == b"content"
    assert "Authorization" not in sent[0].headers


@pytest.mark.parametrize(
    ("place", "region", "environ", "url"),
    [
        (
            Place("s3", "b-1", "p=/"),
            "eu-west-1",
            {},
            "https://b-1.s3.eu-west-1.amazonaws.com/p%3D/",
        ),
        (Place("s3", "b-1", "", "https://h:1/"), None, {}, "https://h:1/b-1/"),
        (Place("s3", "b-1"), None, {"AWS_ENDPOINT_URL": "https://h"}, "https://h/b-1/"),
        (Place("s3", "b-1"), None, {}, None),
        (Place("s3", "b.1"), "eu-west-1", {}, None),
        (Place("s3", "b-1"), "cn-north-1", {}, None),
        (Place("s3", "b-1"), "us-gov-west-1", {}, None),
        (Place("s3", "b--x-s3"), "eu-west-1", {}, None),
        (Place("s3", "arn:aws:s3:::x"), "eu-west-1", {}, None),
    ],
)
def test_objects_are_asked_for_directly_only_where_it_is_plain_how(
    place: Place, region: str | None, environ: dict[str, str], url: str | None
) -> None:
    assert base_url(place, region, environ) == url


# --- writing -------------------------------------------------------------------------------------


def test_a_server_is_asked_once_whether_it_heeds_conditions(
    seaweedfs, moto, use, open_store
) -> None:
    for server, heeds in ((seaweedfs, True), (moto, True), (moto.forgetful, False)):
        store = open_store(url=f"s3://{use(server)}/conditions-{heeds}-{server.port}")
        assert store.put("a", BytesSource(b"first")) is True
        assert store.served._files()._conditional is heeds
        assert store.put("a", BytesSource(b"second")) is False
        assert store.put("b", BytesSource(b"first")) is True
        assert read_object(store, "a") == b"first"


def test_a_server_that_does_not_know_conditions_is_asked_before_each_write(fake, answering) -> None:
    held: dict[str, bytes] = {}

    def answer(method: str, path: str) -> bytes:
        if method == "PUT":
            tries = [each for each in answering.asked if each == (method, path)]
            if len(tries) == 1 and not held:
                return answering.of(501, error("NotImplemented"))
            held[path] = b"there"
            return answering.of(200)
        return answering.of(200 if path in held else 404, b"")

    answering.answer = answer
    store = fake()
    assert store.put("a", BytesSource(b"first")) is True
    assert store.served._files()._conditional is False
    assert store.put("a", BytesSource(b"second")) is False
    assert store.put("b", BytesSource(b"first")) is True
    assert [method for method, _ in answering.asked] == "HEAD PUT PUT HEAD HEAD PUT".split()


def test_an_object_that_is_there_is_not_even_read(seaweedfs, use, open_store) -> None:
    store = open_store(url=f"s3://{use(seaweedfs)}/unread")
    store.put("a", BytesSource(b"content"))
    other = open_store(url=f"s3://{use(seaweedfs)}/unread")
    assert other.put("a", BreakingSource(b"x" * 100)) is False


def test_what_is_large_goes_up_in_parts_and_is_conditional_as_well(
    seaweedfs, use, open_store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_files, "PART", 5 << 20)
    bucket = use(seaweedfs)
    data = b"0123456789abcdef" * (12 << 16)
    store, other = (open_store(url=f"s3://{bucket}/parts") for _ in range(2))
    assert store.put("small", BytesSource(b"x")) is True
    assert other.put("small", BytesSource(b"x")) is False
    assert store.put("large", BytesSource(data)) is True
    assert store.put("large", BytesSource(data[:-1])) is False
    assert read_object(other, "large") == data
    assert store.put("large", BytesSource(data[:-1]), replace=True) is True
    assert read_object(other, "large") == data[:-1]
    with pytest.raises(OSError, match="the source broke"):
        store.put("broken", BreakingSource(data))
    assert [info.name for info in store.list("")] == ["large", "small"]


def test_more_objects_than_a_page_holds_are_listed(
    moto, use, open_store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(url=f"s3://{use(moto)}/pages")
    names = [f"a/{number}" for number in range(7)]
    for name in names:
        store.put(name, BytesSource(b"x"))
    files = store.served._files()
    call = files._call
    monkeypatch.setattr(files, "_call", lambda method, **more: call(method, MaxKeys=3, **more))
    assert [info.name for info in store.list("a/")] == names


def test_a_wrong_secret_is_told(seaweedfs, use, open_store, kit) -> None:
    bucket = use(seaweedfs, (kit.WRITER[0], "wrong"))
    with pytest.raises(StoreError, match="refuses the credentials"):
        open_store(url=f"s3://{bucket}/x").get("a")


def test_whoever_may_only_read_reads_and_is_told_of_the_rest(
    seaweedfs, use, open_store, kit
) -> None:
    open_store(url=f"s3://{use(seaweedfs)}/reader").put("a", BytesSource(b"content"))
    store = open_store(url=f"s3://{use(seaweedfs, kit.READER)}/reader")
    assert read_object(store, "a") == b"content"
    assert store.exists(["a", "b"]) == {"a"}
    for write in (
        lambda: store.put("b", BytesSource(b"x")),
        lambda: store.put("a", BytesSource(b"x"), replace=True),
        lambda: store.delete("a"),
    ):
        with pytest.raises(StoreError, match="does not allow this"):
            write()
    assert read_object(store, "a") == b"content"
