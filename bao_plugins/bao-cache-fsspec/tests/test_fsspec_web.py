"""Objects that a web server gives out."""

from __future__ import annotations

import pytest
from bao_cache_fsspec.troubles import StoreError

from bao_core.errors import CacheError
from bao_core.testing.entries import BytesSource
from bao_core.testing.objects import read_object


def test_objects_are_read_and_missing_ones_are_no_fault(answering, open_store) -> None:
    held = {"/cache/team/a/b": b"content", "/cache/team/large": b"0123456789" * 300_000}
    answering.answer = lambda _method, path: (
        answering.of(200, held[path]) if path in held else answering.of(404, b"no")
    )
    store = open_store(url=f"{answering.url}/cache", prefix="team")
    assert store.location() == f"{answering.url}/cache/team"
    assert read_object(store, "a/b") == b"content"
    assert answering.asked == [("GET", "/cache/team/a/b")]
    assert read_object(store, "large") == held["/cache/team/large"]
    assert store.get("a/c") is None
    assert list(store.list("")) == []


def test_whether_objects_are_there_is_asked_without_fetching_them(answering, open_store) -> None:
    answering.answer = lambda _method, path: answering.of(200 if path == "/x/a" else 404)
    store = open_store(url=f"{answering.url}/x")
    assert store.exists(["a", "b"]) == {"a"}
    assert {method for method, _ in answering.asked} == {"HEAD"}
    answering.answer = lambda method, _path: answering.of(405 if method == "HEAD" else 200)
    assert store.exists(["c"]) == {"c"}


def test_nothing_is_written_and_it_is_said_what_to_do(answering, open_store) -> None:
    store = open_store(url=answering.url)
    with pytest.raises(StoreError, match='set `write = "never"`'):
        store.put("a", BytesSource(b"content"))
    with pytest.raises(StoreError, match='set `write = "never"`'):
        store.delete("a")
    assert answering.asked == []


def test_what_passes_is_asked_again_and_what_does_not_is_a_failure(answering, open_store) -> None:
    answers = [answering.of(503), answering.of(200, b"content")]
    answering.answer = lambda _method, _path: answers.pop(0)
    store = open_store(url=answering.url)
    assert read_object(store, "a") == b"content"
    answering.answer = lambda _method, _path: answering.of(503)
    with pytest.raises(StoreError, match="503"):
        store.get("a")
    assert len(answering.asked) == 4


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_answer_that_says_no_is_no_miss(status: int, answering, open_store) -> None:
    answering.answer = lambda _method, _path: answering.of(status)
    store = open_store(url=answering.url)
    with pytest.raises(StoreError, match=str(status)) as caught:
        store.get("a")
    assert not isinstance(caught.value, CacheError), "that would say that the object is damaged"


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_body_that_ends_early_is_a_failure_and_not_an_object(
    size: int, answering, open_store
) -> None:
    answering.answer = lambda _method, _path: answering.of(200, b"x" * size, length=size + 5)
    store = open_store(url=answering.url, retries=0)
    with pytest.raises(Exception, match=r"(?i)payload|length|complete") as caught:
        read_object(store, "a")
    assert not isinstance(caught.value, CacheError)


def test_a_server_that_is_not_there_is_named(kit, open_store) -> None:
    (port,) = kit.free_ports(1)
    store = open_store(url=f"http://127.0.0.1:{port}/x", retries=0)
    with pytest.raises(StoreError, match=f"http://127.0.0.1:{port}/x cannot be read"):
        store.get("a")
