"""Every kind of place keeps what object stores promise, and core's cache on it what caches do."""

from __future__ import annotations

import msgspec
import pytest
from bao_cache_fsspec.store import FsspecStore

from bao_core.testing.fakes import context_at
from bao_core.testing.object_cache import ObjectStoreCacheSuite
from bao_core.testing.objects import ObjectStoreSuite


class Closing:
    """Closes every store that was opened, those of the back door as well."""

    component = FsspecStore

    @pytest.fixture
    def make_store_at(self, settings_at):
        opened = []

        def make(place):
            settings = msgspec.convert(settings_at(place), FsspecStore.Settings)
            opened.append(FsspecStore.open(settings, context_at(place)))
            return opened[-1]

        yield make
        for store in opened:
            store.close()


class InMemory(Closing):
    @pytest.fixture
    def settings_at(self):
        return lambda place: {"url": f"memory://{str(place).strip('/')}/objects"}


class InAFolder(Closing):
    @pytest.fixture
    def settings_at(self):
        return lambda place: {"url": f"file://{place}/objects", "prefix": "some/team"}


class OnSeaweedFS(Closing):
    examples = 5

    @pytest.fixture
    def settings_at(self, seaweedfs, use):
        bucket = use(seaweedfs)
        return lambda place: {"url": f"s3://{bucket}{place}/objects"}


class OnMoto(Closing):
    examples = 3

    @pytest.fixture
    def settings_at(self, moto, use):
        bucket = use(moto)
        return lambda place: {"url": f"s3://{bucket}", "prefix": f"{place}/objects"}


class OnAForgetfulServer(Closing):
    conditional_writes = False

    @pytest.fixture
    def settings_at(self, moto, use):
        bucket = use(moto.forgetful)
        return lambda place: {"url": f"s3://{bucket}{place}"}


class TestObjectsInMemory(InMemory, ObjectStoreSuite):
    pass


class TestObjectsInAFolder(InAFolder, ObjectStoreSuite):
    pass


class TestObjectsOnSeaweedFS(OnSeaweedFS, ObjectStoreSuite):
    pass


class TestObjectsOnMoto(OnMoto, ObjectStoreSuite):
    pass


class TestObjectsOnAForgetfulServer(OnAForgetfulServer, ObjectStoreSuite):
    pass


class TestCacheInMemory(InMemory, ObjectStoreCacheSuite):
    pass


class TestCacheInAFolder(InAFolder, ObjectStoreCacheSuite):
    pass


class TestCacheOnSeaweedFS(OnSeaweedFS, ObjectStoreCacheSuite):
    pass


class TestCacheOnMoto(OnMoto, ObjectStoreCacheSuite):
    pass
