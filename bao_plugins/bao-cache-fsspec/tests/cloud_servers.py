"""Stand-ins for Google's and Azure's stores on loopback, in the manner of `s3_servers`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from s3_servers import NotInstalledError, S3Server, free_ports

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
"""What Azurite is made with; its documentation names them."""


class GoogleStorage(S3Server):
    """gcp-storage-emulator, which believes everybody."""

    def __init__(self, directory: Path) -> None:
        try:
            import gcp_storage_emulator
        except ImportError as error:
            raise NotInstalledError(f"gcp-storage-emulator is not installed ({error})") from error
        del gcp_storage_emulator
        ports = free_ports(1)
        super().__init__([sys.executable, __file__, str(ports[0])], ports, directory)

    def environ(self, credentials: tuple[str, str] = ("", "")) -> dict[str, str]:
        """The variables of somebody who uses it."""
        del credentials
        return {"STORAGE_EMULATOR_HOST": self.url}

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        from gcsfs.core import GCSFileSystem

        files = GCSFileSystem(token="anon", endpoint_url=self.url, skip_instance_cache=True)
        files.mkdir(name)


class Azurite(S3Server):
    """Azurite, from npm: on the path, or below the directory that `BAO_TEST_AZURITE` names."""

    def __init__(self, directory: Path) -> None:
        place = os.environ.get("BAO_TEST_AZURITE", "")
        path = os.pathsep.join((f"{place}/node_modules/.bin", os.environ["PATH"]))
        program = shutil.which("azurite-blob", path=path)
        if program is None:
            raise NotInstalledError("Azurite is not installed; try: npm install azurite")
        ports = free_ports(1)
        command = [
            *(program, "--blobHost", "127.0.0.1", "--blobPort", str(ports[0])),
            *("--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        ]
        super().__init__(command, ports, directory)

    def environ(self, credentials: tuple[str, str] = (ACCOUNT, ACCOUNT_KEY)) -> dict[str, str]:
        """The variables of somebody who uses it."""
        name, key = credentials
        return {
            "AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;AccountName={name};"
            f"AccountKey={key};BlobEndpoint={self.url}/{ACCOUNT};"
        }

    def make_bucket(self, name: str) -> None:
        """Make a container."""
        from azure.storage.blob import BlobServiceClient

        (said,) = self.environ().values()
        with BlobServiceClient.from_connection_string(said) as client:
            client.create_container(name)


def _serve_google_storage(port: int) -> None:
    """The emulator, which knows no conditions, made to heed the one that Google's store heeds."""
    from http.server import HTTPServer

    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage

    class TakenError(Exception):
        """There is an object of that name."""

    class HeedingStorage(Storage):
        """Takes one request at a time."""

        only_new = False

        def create_file(self, bucket_name, file_name, *more, **options):
            if self.only_new and (bucket_name, file_name) in self.written:
                raise TakenError
            super().create_file(bucket_name, file_name, *more, **options)
            self.written.add((bucket_name, file_name))

        def delete_file(self, bucket_name, file_name):
            super().delete_file(bucket_name, file_name)
            self.written.discard((bucket_name, file_name))

    storage = HeedingStorage(use_memory_fs=True)
    storage.written = set()

    class Handler(RequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - what the base class calls it
            storage.only_new = "ifGenerationMatch=0" in self.path
            try:
                super().do_POST()
            except TakenError:
                self.send_response(412)
                self.send_header("Content-Length", "0")
                self.end_headers()

    class Server(HTTPServer):
        # Five by default: of twenty that knock at once, some would be let in seconds later.
        request_queue_size = 128

    server = Server(("127.0.0.1", port), lambda *request: Handler(storage, *request))
    server.serve_forever()


if __name__ == "__main__":
    _serve_google_storage(int(sys.argv[1]))
