"""Starts the servers once a session, and makes a bucket for each test that wants one."""

from __future__ import annotations

import importlib.util
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import msgspec
import pytest
from bao_cache_fsspec.store import FsspecStore

from bao_core.testing.fakes import context_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

pytest_plugins = ["bao_core.testing.fixtures"]

MANDATORY = "BAO_TEST_SERVERS"
"""Set where the servers must be there, so that nothing is skipped in silence."""


BUCKET = "team-cache"
"""The bucket on every server. Each test has a prefix of its own: SeaweedFS takes disk by the
gigabyte for each bucket."""


def pytest_configure(config: pytest.Config) -> None:
    """Lets gcsfs and adlfs send bytes as they do."""
    config.addinivalue_line("filterwarnings", "ignore:Sending a large body:ResourceWarning")


def _load(name: str):
    """A module beside this one: in pytest's mode `importlib` such modules are not on the path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


servers = _load("s3_servers")
cloud_servers = _load("cloud_servers")


def _start(make, directory: Path) -> Iterator[object]:
    try:
        server = make(directory)
    except servers.NotInstalledError as error:
        if os.environ.get(MANDATORY):
            raise
        pytest.skip(str(error))
    with server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture(scope="session", autouse=True)
def _what_botocore_knows() -> Iterator[None]:
    """Reads what botocore knows of S3 once: each client would take a fifth of a second for it."""
    try:
        import botocore.session
    except ImportError:
        yield
        return
    loader = botocore.session.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda _path=None: loader)
        yield


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory):
    """A SeaweedFS that runs."""
    yield from _start(servers.seaweedfs, tmp_path_factory.mktemp("seaweedfs"))


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory):
    """A moto server that runs."""
    yield from _start(servers.Moto, tmp_path_factory.mktemp("moto"))


@pytest.fixture(scope="session")
def google_storage(tmp_path_factory: pytest.TempPathFactory):
    """An emulator of Google's store that runs."""
    yield from _start(cloud_servers.GoogleStorage, tmp_path_factory.mktemp("google"))


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory):
    """An Azurite that runs."""
    yield from _start(cloud_servers.Azurite, tmp_path_factory.mktemp("azurite"))


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Lets the test's own process use a server: gives the name of the bucket there."""

    def using(server, *credentials: tuple[str, str]) -> str:
        for name, value in server.environ(*credentials).items():
            monkeypatch.setenv(name, value)
        return BUCKET

    return using


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., FsspecStore]]:
    """Opens a store from a table of the configuration, as core does."""
    opened: list[FsspecStore] = []

    def opening(environ: Mapping[str, str] | None = None, **table: object) -> FsspecStore:
        settings = msgspec.convert(table, FsspecStore.Settings)
        opened.append(FsspecStore.open(settings, context_at(tmp_path, environ=environ)))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()


@pytest.fixture(scope="session")
def kit():
    """What test modules share: they cannot import each other."""

    class Kit:
        WRITER = servers.WRITER
        READER = servers.READER
        free_ports = staticmethod(servers.free_ports)
        bucket = BUCKET

    return Kit


class Answering:
    """A web server that says what a test wants it to say.

    Attributes:
        asked: Method and path of each request, in order.
        answer: Gives the whole answer, headers and all, to a method and a path.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answer = lambda _method, _path: self.of(404)
        answering = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65_537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answering.asked.append((self.command, self.path))
                self.wfile.write(answering.answer(self.command, self.path))
                self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @staticmethod
    def of(status: int, body: bytes = b"", *, length: int | None = None) -> bytes:
        """An answer, which may claim another length than it has."""
        said = len(body) if length is None else length
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {said}\r\nConnection: close\r\n\r\n"
        return head.encode() + body

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def answering() -> Iterator[Answering]:
    """A web server in the test's hand."""
    server = Answering()
    yield server
    server.close()
