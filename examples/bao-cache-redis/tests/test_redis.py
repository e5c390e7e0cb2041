"""`redis` keeps every promise of its interface, and the command works with it."""

import shutil

import msgspec
import pytest
from bao_core.testing.entries import BytesSource
from bao_core.testing.fakes import context_at
from bao_core.testing.object_cache import ObjectStoreCacheSuite
from bao_core.testing.objects import ObjectStoreSuite, read_object

from bao_cache_redis.store import PIECE, URL_VARIABLE, RedisSettings, RedisStore

if shutil.which("redis-server") is None:
    pytest.skip(
        "there is no redis-server; on Debian: apt-get install redis-server",
        allow_module_level=True,
    )


class TestRedis(ObjectStoreSuite):
    """The store by itself."""

    component = RedisStore

    @pytest.fixture
    def settings_at(self, server):
        """Settings that make a store of its own at each place."""
        return lambda place: {"url": server.url, "prefix": f"{place}:"}


class TestRedisCache(ObjectStoreCacheSuite):
    """The cache that bao builds on it."""

    component = RedisStore
    settings_at = TestRedis.settings_at


@pytest.fixture
def opened(tmp_path, server):
    """Opens the store with other settings than its own."""
    stores = []

    def open_store(**table):
        settings = msgspec.convert({"url": server.url, **table}, RedisSettings)
        stores.append(RedisStore.open(settings, context_at(tmp_path / "place")))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


def test_objects_expire_and_using_one_puts_that_off(opened, server, tmp_path):
    store = opened(prefix=f"{tmp_path}:", ttl=1000)
    store.put("a", BytesSource(b"content"))
    client = server.client()
    assert 990 < client.ttl(f"{tmp_path}:a") <= 1000
    client.expire(f"{tmp_path}:a", 5)
    assert read_object(store, "a") == b"content"
    assert client.ttl(f"{tmp_path}:a") > 990
    client.close()


def test_without_a_time_to_live_objects_stay(opened, server, tmp_path):
    store = opened(prefix=f"{tmp_path}:", ttl=0)
    store.put("a", BytesSource(b"content"))
    read_object(store, "a")
    client = server.client()
    assert client.ttl(f"{tmp_path}:a") == -1
    client.close()


def test_a_large_object_that_is_replaced_while_it_is_read_is_not_mixed(opened, tmp_path):
    store = opened(prefix=f"{tmp_path}:")
    store.put("a", BytesSource(b"x" * (3 * PIECE)))
    with store.get("a") as stream:
        stream.read(10)
        store.put("a", BytesSource(b"y" * (3 * PIECE)), replace=True)
        with pytest.raises(OSError, match="replaced"):
            stream.read()


@pytest.mark.parametrize("prefix", ["[a-z]*", "a?b", "back\\slash", "^-"])
def test_signs_of_patterns_in_the_prefix_mean_themselves(opened, tmp_path, prefix):
    store, other = opened(prefix=f"{tmp_path}{prefix}"), opened(prefix=f"{tmp_path}mXb-")
    store.put("a", BytesSource(b"content"))
    other.put("a", BytesSource(b"content"))
    assert [info.name for info in store.list("")] == ["a"]


def test_more_objects_than_one_request_can_carry(opened, tmp_path):
    store = opened(prefix=f"{tmp_path}:")
    names = {f"blobs/{number}" for number in range(2500)}
    for name in names:
        store.put(name, BytesSource(b"x"))
    assert {info.name for info in store.list("blobs/")} == names
    assert store.exists([*names, "none"]) == names


# --- the command -----------------------------------------------------------------------------

FILES = {
    "bao.toml": """
        [workspace]
        packages = ["lib"]

        [tasks.build]
        command = "cp input output"
        outputs = ["output"]

        [[cache]]
        name = "team"
        backend = "redis"
        write = "always"
    """,
    "lib/bao.toml": "",
    "lib/input": "hello",
}


def checkout(bao_workspace, url, **settings):
    """A workspace with a disk of its own, and the server at a URL."""
    lines = [f"{name} = {value!r}" for name, value in {"url": url, **settings}.items()]
    config = "\n".join((FILES["bao.toml"], *(f"{' ' * 8}{line}" for line in lines)))
    return bao_workspace({**FILES, "bao.toml": config})


def test_a_second_checkout_restores_what_the_first_has_built(bao_workspace, server):
    first, second = (checkout(bao_workspace, server.url, prefix="two:") for _ in range(2))
    assert first.ok("run", "build").outcomes == {"lib#build": "executed"}
    assert second.ok("run", "build").outcomes == {"lib#build": "restored"}
    assert second.read("lib/output") == "hello"
    stats = second.ok("cache", "stats", "--json").json["tiers"][0]
    assert stats["location"] == f"{server.url} two:"
    assert stats["entries"] == 1


def test_a_password_comes_from_the_environment_only(bao_workspace, start_server):
    guarded = start_server("--requirepass", "s3cret")
    url = guarded.url.replace("//", "//:s3cret@")
    first, second = (checkout(bao_workspace, "redis://localhost:1/0") for _ in range(2))
    for workspace, outcome in ((first, "executed"), (second, "restored")):
        workspace.environ[URL_VARIABLE] = url
        run = workspace.ok("run", "build")
        assert run.outcomes == {"lib#build": outcome}
        assert run.warnings == []
    said = second.ok("cache", "stats", "--json")
    assert said.json["tiers"][0]["location"] == f"{guarded.url} bao:"
    assert "s3cret" not in said.out + said.err
    second.environ[URL_VARIABLE] = url.replace("s3cret", "wr0ng")
    second.write({"lib/input": "other"})
    (warning,) = second.ok("run", "build").warnings
    assert "cache tier 'team'" in warning
    assert "wr0ng" not in warning


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:s3cret@localhost/0", "put the URL in BAO_REDIS_URL instead"),
        ("redis://localhost/0?password=s3cret", "put the URL in BAO_REDIS_URL instead"),
        ("http://localhost", "must begin with redis:// or rediss://"),
    ],
)
def test_a_url_that_cannot_be_meant_is_named_with_its_place(bao_workspace, url, message):
    refused = checkout(bao_workspace, url).bao("run", "build")
    assert refused.code == 64
    assert message in refused.err
    assert "bao.toml:" in refused.err
    assert "s3cret" not in refused.err


def test_a_server_that_is_gone_costs_one_warning(bao_workspace, start_server):
    mortal = start_server()
    workspace = checkout(bao_workspace, mortal.url)
    workspace.ok("run", "build")
    mortal.end()
    workspace.write({"lib/input": "other"})
    run = workspace.ok("run", "build")
    assert run.outcomes == {"lib#build": "executed"}
    assert workspace.read("lib/output") == "other"
    assert len(run.warnings) == 1
    assert "cache tier 'team'" in run.warnings[0]
    assert "bao-cache-redis 0.1.0" in run.warnings[0]
