"""A Redis server of the tests' own, and the fixtures of bao's kit."""

import socket
import subprocess
import time

import pytest
import redis

pytest_plugins = ["bao_core.testing.fixtures"]

PATIENCE = 30.0


class Server:
    """A `redis-server` on a free port of this machine, which keeps nothing on the disk."""

    def __init__(self, directory, *options):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(directory), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._wait()

    def _wait(self):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                assert self.process.poll() is None, "redis-server did not start"
                assert time.monotonic() < end, "redis-server does not answer"
                time.sleep(0.02)

    def client(self):
        """A client to look behind the store's back with."""
        return redis.Redis.from_url(self.url)

    def end(self):
        """End it, without a chance to answer."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def start_server(tmp_path_factory):
    """Starts servers, and ends them in the end."""
    servers = []

    def start(*options):
        servers.append(Server(tmp_path_factory.mktemp("redis"), *options))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


@pytest.fixture(scope="session")
def server(start_server):
    """The server that most tests use."""
    return start_server()
