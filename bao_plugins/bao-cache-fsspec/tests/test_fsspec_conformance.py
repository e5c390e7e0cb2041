"""Every kind of place keeps what object stores promise, and core's cache on it what caches do."""

from __future__ import annotations

import os
import shutil

import msgspec
import pytest
from bao_cache_fsspec.store import FsspecStore

from bao_core.testing.fakes import context_at
from bao_core.testing.object_cache import ObjectStoreCacheSuite
from bao_core.testing.objects import ObjectStoreSuite
from bao_core.testing.read_only import ReadOnlyObjectStoreSuite

HAS_AZURITE = bool(os.environ.get("BAO_TEST_AZURITE") or shutil.which("azurite-blob"))
"""It comes from npm, which not everybody has."""


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


class OnGoogleStorage(Closing):
    @pytest.fixture
    def settings_at(self, google_storage, use):
        bucket = use(google_storage)
        return lambda place: {"url": f"gs://{bucket}{place}", "anonymous": True}


class OnAzurite(Closing):
    examples = 3

    @pytest.fixture
    def settings_at(self, azurite, use):
        container = use(azurite)
        return lambda place: {"url": f"az://{container}{place}"}


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


class TestObjectsOnGoogleStorage(OnGoogleStorage, ObjectStoreSuite):
    __test__ = "BAO_TEST_GOOGLE" in os.environ


class TestObjectsOnAzurite(OnAzurite, ObjectStoreSuite):
    __test__ = HAS_AZURITE


class TestCacheInMemory(InMemory, ObjectStoreCacheSuite):
    pass


class TestCacheInAFolder(InAFolder, ObjectStoreCacheSuite):
    pass


class TestCacheOnSeaweedFS(OnSeaweedFS, ObjectStoreCacheSuite):
    pass


class TestCacheOnMoto(OnMoto, ObjectStoreCacheSuite):
    pass


class TestCacheOnAzurite(OnAzurite, ObjectStoreCacheSuite):
    __test__ = HAS_AZURITE


class TestObjectsOnTheWeb(Closing, ReadOnlyObjectStoreSuite):
    lists = False

    @pytest.fixture
    def settings_at(self, answering):
        return lambda place: {"url": f"{answering.url}{place}"}

    @pytest.fixture
    def fill_at(self, answering):
        held = {}

        def answer(method, path):
            if path not in held:
                return answering.of(404)
            data = held[path]
            return answering.of(200, b"" if method == "HEAD" else data, length=len(data))

        answering.answer = answer

        def fill(place, objects):
            held.update({f"{place}/{name}": data for name, data in objects.items()})

        return fill
