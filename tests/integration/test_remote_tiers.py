"""Runs with a remote tier, against a server that does whatever a network can do.

The tier is a plugin of its own: an object store that speaks HTTP to a server in this process, on
loopback, without any limit on time of its own. Whatever the server does, exit codes and outputs are
those of a run without the tier, with one warning, after a bounded time.
"""

from __future__ import annotations

import random
import signal
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PLUGIN = """
from bao_core.hookspecs import hookimpl


@hookimpl
def bao_cache_backends():
    from far_store import FarStore

    return [FarStore]
"""

STORE = """
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import quote

from msgspec import Struct

from bao_core.interfaces.cache import ObjectInfo, ObjectStore


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    port: int


class FarStore(ObjectStore):
    name = "far"
    Settings = Settings

    def __init__(self, port):
        self.port = port

    @classmethod
    def open(cls, settings, context):
        return cls(settings.port)

    @contextmanager
    def request(self, method, name, body=None, **headers):
        connection = HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request(method, "/" + quote(name), body, headers)
            answer = connection.getresponse()
            if answer.status not in {200, 201, 404, 412}:
                raise OSError(f"the server answered {answer.status}")
            yield answer
        finally:
            connection.close()

    def get(self, name):
        context = self.request("GET", name)
        answer = context.__enter__()
        if answer.status == 404:
            context.__exit__(None, None, None)
            return None
        return self.closing(answer, context)

    @contextmanager
    def closing(self, answer, context):
        try:
            yield answer
        finally:
            context.__exit__(None, None, None)

    def put(self, name, source, *, replace=False):
        with source.open() as stream:
            data = stream.read()
        headers = {} if replace else {"If-None-Match": "*"}
        with self.request("PUT", name, data, **headers) as answer:
            return answer.status != 412

    def exists(self, names):
        found = set()
        for name in names:
            with self.request("HEAD", name) as answer:
                if answer.status == 200:
                    found.add(name)
        return found

    def delete(self, name):
        with self.request("DELETE", name):
            pass

    def list(self, prefix):
        with self.request("LIST", prefix) as answer:
            for line in answer.read().decode().splitlines():
                name, size = line.split(" ")
                yield ObjectInfo(name, int(size), 0.0)
"""


class Bucket(ThreadingHTTPServer):
    """Objects in memory, and one way to misbehave.

    Attributes:
        fault: How it misbehaves; empty for not at all.
        requests: Method and name of each request.
        released: Set in the end, for whoever is held in a hanging request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.fault = ""
        self.requests: list[tuple[str, str]] = []
        self.released = threading.Event()
        self.hanging = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """A client that was ended does not concern the test."""

    def count(self, method: str) -> int:
        return sum(each == method for each, _ in self.requests)


class Handler(BaseHTTPRequestHandler):
    server: Bucket
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        name = unquote(self.path[1:])
        self.server.requests.append((self.command, name))
        length = int(self.headers.get("Content-Length", 0))
        data = self.rfile.read(length)
        fault = self.server.fault
        if fault in {"black hole", f"black hole for {self.command}"}:
            self.server.hanging.set()
            self.close_connection = self.server.released.wait(60)
            return
        if fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
            return
        if fault in {"errors", f"errors for {self.command}"}:
            self.answer(500)
            return
        getattr(self, f"on_{self.command.lower()}")(name, data)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_LIST = handle_any  # noqa: N815

    def on_get(self, name: str, _data: bytes) -> None:  # noqa: C901 - one case for each fault
        found = self.server.objects.get(name)
        match self.server.fault:
            case "garbage":
                self.answer(200, random.Random(name).randbytes(5000))
            case "an empty body":
                self.answer(200, b"")
            case _ if found is None:
                self.answer(404)
            case "half bodies":
                self.answer(200, found[: len(found) // 2], length=len(found))
                self.close_connection = True
            case "wrong lengths":
                self.answer(200, found[: len(found) // 2])
            case "longer than it should be":
                self.answer(200, found + b"more")
            case "wrong digests":
                self.answer(200, found[:-1] + bytes([found[-1] ^ 1]))
            case "wrong blobs":
                wrong = found[:-1] + bytes([found[-1] ^ 1])
                self.answer(200, wrong if "/blobs/" in name else found)
            case "a few bytes a second":
                self.answer(200, b"", length=len(found))
                self.server.hanging.set()
                for byte in found:
                    if self.server.released.wait(0.05):
                        return
                    self.wfile.write(bytes([byte]))
            case _:
                self.answer(200, found)

    def on_put(self, name: str, data: bytes) -> None:
        conditional = self.headers.get("If-None-Match") == "*"
        if conditional and name in self.server.objects and self.server.fault != "unconditional":
            self.answer(412)
            return
        self.server.objects[name] = data
        self.answer(201)

    def on_head(self, name: str, _data: bytes) -> None:
        self.answer(200 if name in self.server.objects else 404)

    def on_delete(self, name: str, _data: bytes) -> None:
        self.server.objects.pop(name, None)
        self.answer(200)

    def on_list(self, name: str, _data: bytes) -> None:
        found = (n for n in sorted(self.server.objects) if n.startswith(name))
        lines = [f"{n} {len(self.server.objects[n])}" for n in found]
        self.answer(200, "\n".join(lines).encode())

    def answer(self, status: int, body: bytes = b"", *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


FAULTS = [
    "black hole",
    "reset",
    "errors",
    "garbage",
    "an empty body",
    "half bodies",
    "wrong lengths",
    "longer than it should be",
    "wrong digests",
    "a few bytes a second",
    "black hole for GET",
    "errors for GET",
]

NAMES = [f"p{number}" for number in range(8)]

CONFIG = """
global_pass_through_env = ["LEDGER"]

[workspace]
packages = ["packages/*"]

[tasks.build]
command = '{command}'
outputs = ["dist/**"]

[tasks.check]
command = 'exit 3'

{tier}
"""

DISK = """
[[cache]]
name = "disk"
backend = "local"
"""

COMMAND = (
    'echo "$BAO_TASK" >> "$LEDGER"; mkdir -p dist; cp src/noise dist/noise; '
    "cat src/text > dist/text; echo built"
)

TIER = """
[[cache]]
name = "team"
backend = "far"
port = {port}
max_wait = "{wait}"
max_upload_wait = "{upload_wait}"
{more}
"""


class Shop:
    """A workspace, and machines that build it: each with a cache and a state of its own."""

    def __init__(self, repo: Any, bucket: Bucket) -> None:
        self.repo = repo
        self.bucket = bucket
        site = repo.base / "site"
        info = site / "far-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: far\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[bao]\nfar = far_plugin\n")
        (site / "far_plugin.py").write_text(PLUGIN)
        (site / "far_store.py").write_text(STORE)
        repo.env["PYTHONPATH"] = str(site)
        files: dict[str, str | bytes] = {".gitignore": "dist/\n"}
        for name in NAMES:
            files[f"packages/{name}/bao.toml"] = f'name = "{name}"\n'
            files[f"packages/{name}/src/text"] = f"this is {name}\n" * 50
            files[f"packages/{name}/src/noise"] = random.Random(name).randbytes(100_000)
        repo.write(files)
        self.configure()
        repo.commit()

    def configure(
        self,
        *,
        wait: str = "5s",
        upload_wait: str = "60s",
        more: str = "",
        near: bool = True,
        tier: bool = True,
    ) -> None:
        port = self.bucket.server_address[1]
        text = TIER.format(port=port, wait=wait, upload_wait=upload_wait, more=more)
        tier_text = (DISK if near else "") + (text if tier else "")
        self.repo.write({"bao.toml": CONFIG.format(command=COMMAND, tier=tier_text)})

    def machine(self, name: str) -> None:
        """Go on at another machine: no outputs, another cache."""
        self.repo.env["BAO_CACHE_DIR"] = str(self.repo.base / f"cache-{name}")
        for package in NAMES:
            directory = self.repo.root / f"packages/{package}/dist"
            if directory.exists():
                for path in directory.iterdir():
                    path.unlink()
                directory.rmdir()
        self.repo.ran()

    def outputs(self) -> dict[str, bytes]:
        paths = sorted(self.repo.root.glob("packages/*/dist/*"))
        return {str(path.relative_to(self.repo.root)): path.read_bytes() for path in paths}

    def run(self, *words: str, **options: Any) -> Any:
        return self.repo.bao("run", *words, **options)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    bucket = Bucket()
    yield bucket
    bucket.released.set()
    bucket.shutdown()
    bucket.server_close()


@pytest.fixture
def shop(repo: Any, bucket: Bucket) -> Shop:
    return Shop(repo, bucket)


def warnings(result: Any) -> list[str]:
    return [line for line in result.err.splitlines() if line.startswith("warning:")]


# --- a remote that works -------------------------------------------------------------------------


def test_what_one_machine_built_another_restores_byte_for_byte(shop: Shop) -> None:
    first = shop.run("build")
    assert first.code == 0, first
    built = shop.outputs()
    assert sorted(shop.repo.ran()) == sorted(f"{name}#build" for name in NAMES)
    shop.machine("second")
    second = shop.run("build")
    assert second.code == 0, second
    assert shop.repo.ran() == []
    assert shop.outputs() == built
    assert "built" in second.out
    assert warnings(first) == warnings(second) == []


def test_a_hit_costs_one_request_and_one_for_each_large_file(shop: Shop) -> None:
    shop.run("build")
    shop.machine("second")
    shop.bucket.requests.clear()
    result = shop.run("build", "-v")
    assert shop.bucket.count("GET") == len(shop.bucket.requests) == 2 * len(NAMES)
    assert f"{len(NAMES)} hits, 0 uploads, {2 * len(NAMES)} requests" in result.err


def test_a_hit_is_kept_on_this_machine_and_the_remote_is_not_asked_again(shop: Shop) -> None:
    shop.run("build")
    shop.machine("second")
    shop.run("build")
    shop.bucket.requests.clear()
    assert "hit (disk)" in shop.run("build").out
    assert "hit (disk)" in shop.repo.ok("run", "build").out
    assert shop.bucket.requests == []


def test_storing_costs_one_request_for_each_task_and_one_for_the_run(shop: Shop) -> None:
    shop.run("build")
    entries = [name for method, name in shop.bucket.requests if "/entries/" in name]
    histories = [name for method, name in shop.bucket.requests if "/history/" in name]
    assert len(entries) == 2 * len(NAMES)  # looked up, and put
    assert len(histories) == 1


def test_outputs_in_place_are_hits_where_there_is_no_tier_but_a_remote_one(shop: Shop) -> None:
    shop.configure(near=False)
    shop.run("build")
    shop.run("build")  # what was written a moment ago is compared with its result once
    assert len(shop.repo.ran()) == len(NAMES)
    shop.bucket.requests.clear()
    shop.bucket.fault = "reset"
    result = shop.run("build")
    assert all(f"{name}#build: hit (team)" in result.out for name in NAMES)
    assert (shop.repo.ran(), shop.bucket.requests, warnings(result)) == ([], [], [])
    shop.run("build", "--no-remote")
    assert len(shop.repo.ran()) == len(NAMES), "there is no cache then"


def test_main_takes_no_outputs_in_place_that_a_pull_request_left(shop: Shop) -> None:
    shop.configure(near=False)
    shop.run("build", env=PULL_REQUEST)
    shop.repo.ran()
    shop.run("build", env=PULL_REQUEST)
    assert shop.repo.ran() == []
    shop.run("build")
    assert len(shop.repo.ran()) == len(NAMES)
    shop.run("build", env=PULL_REQUEST)
    assert shop.repo.ran() == [], "what main left is good for everybody"


def test_no_remote_leaves_the_remote_alone(shop: Shop) -> None:
    assert shop.run("build", "--no-remote").code == 0
    shop.machine("second")
    assert shop.run("build", env={"BAO_REMOTE": "0"}).code == 0
    assert shop.bucket.requests == []
    shop.machine("third")
    assert shop.run("build", "--remote", env={"BAO_REMOTE": "0"}).code == 0
    assert shop.bucket.requests != []


def test_a_tier_that_is_not_written_gets_nothing(shop: Shop) -> None:
    shop.run("build")
    held = dict(shop.bucket.objects)
    shop.configure(more='write = "never"')
    shop.machine("second")
    shop.repo.write({"packages/p0/src/text": "changed\n"})
    assert shop.run("build").code == 0
    assert shop.repo.ran() == ["p0#build"]
    assert shop.bucket.objects == held


def test_tasks_without_a_result_start_before_every_answer_is_there(shop: Shop) -> None:
    """One answer does not come; everything else is done meanwhile."""
    shop.run("build")
    shop.repo.write({"packages/p1/src/text": "changed\n"})
    shop.machine("second")
    hung = shop.repo.plan("build")["p0#build"]["key"]
    real = Handler.on_get

    def on_get(handler: Handler, name: str, data: bytes) -> None:
        if hung in name:
            handler.server.released.wait(60)
        real(handler, name, data)

    shop.machine("third")
    shop.configure(wait="60s")
    try:
        Handler.on_get = on_get  # type: ignore[method-assign]
        process = shop.repo.start("run", "build", "--log-order=stream")
        deadline = time.monotonic() + 30
        while not all((shop.repo.root / f"packages/p{n}/dist/noise").exists() for n in range(1, 8)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not (shop.repo.root / "packages/p0/dist").exists()
        assert process.poll() is None
        shop.bucket.released.set()
        out, err = process.communicate(timeout=30)
    finally:
        Handler.on_get = real  # type: ignore[method-assign]
    assert process.returncode == 0, (out, err)
    assert shop.repo.ran() == ["p1#build"]


def test_why_asks_the_remote_what_came_before(shop: Shop) -> None:
    shop.run("build")
    shop.machine("second")
    shop.repo.write({"packages/p0/src/text": "changed\n"})
    assert "input src/text changed" in shop.repo.ok("why", "p0#build").out


def imports(shop: Shop) -> set[str]:
    result = shop.run("build", env={"PYTHONPROFILEIMPORTTIME": "1"})
    lines = (line for line in result.err.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


def test_a_run_in_which_all_is_in_place_opens_no_remote(shop: Shop) -> None:
    shop.run("build")
    shop.run("build")
    imported = imports(shop)
    assert {name for name in imported if name.startswith("bao_core.object_cache")} == set()
    assert "zstandard" not in imported
    shop.configure(tier=False)
    shop.run("build")
    imported = imports(shop)
    assert "bao_core.session" in imported
    assert {name for name in imported if name.startswith("bao_core.remote")} == set()


def test_a_cache_command_says_that_the_tier_does_not_answer(shop: Shop) -> None:
    shop.run("build")
    assert f"{len(NAMES)} entries, {len(NAMES)} blobs" in shop.repo.ok("cache", "stats").out
    assert "p0#build" in shop.repo.ok("cache", "ls", "--tier", "team").out
    shop.configure(wait="300ms")
    shop.bucket.fault = "black hole"
    result = shop.repo.bao("cache", "stats", "--tier", "team")
    assert result.code == 72
    assert "'team'" in result.err
    assert "0.3 s" in result.err


def test_a_cache_command_empties_the_tier(shop: Shop) -> None:
    shop.run("build")
    assert "removed 8 entries" in shop.repo.ok("cache", "clean", "--tier", "team", "--all").out
    assert shop.bucket.objects == {}


# --- remotes that do not -------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_changes_a_result(shop: Shop, fault: str) -> None:
    shop.run("build")
    expected = shop.outputs()
    shop.configure(wait="1s", upload_wait="1s")
    shop.machine("second")
    shop.bucket.fault = fault
    began = time.monotonic()
    result = shop.run("build", "check", "--continue=always")
    took = time.monotonic() - began
    assert result.code == 3, result
    assert shop.outputs() == expected
    assert len(warnings(result)) == 1, result
    assert "'team'" in warnings(result)[0]
    assert "Traceback" not in result.err
    assert took < 20, took
    # What it did not give was made, and is here from now on. (Requests are not counted: the bucket
    # may still be about to note one of those that were given up.)
    shop.bucket.shutdown()
    shop.bucket.server_close()
    shop.repo.ran()
    assert warnings(shop.run("build")) == [], "who asks it is refused"
    assert shop.repo.ran() == []


@pytest.mark.parametrize("fault", ["wrong blobs", "errors for PUT", "black hole for PUT"])
def test_faults_of_blobs_and_of_uploads_change_no_result(shop: Shop, fault: str) -> None:
    shop.run("build")
    expected = shop.outputs()
    shop.configure(wait="1s", upload_wait="1s")
    shop.machine("second")
    if "PUT" in fault:
        shop.bucket.objects.clear()
    shop.bucket.fault = fault
    result = shop.run("build")
    assert result.code == 0, result
    assert shop.outputs() == expected
    assert len(warnings(result)) == 1, result
    assert len(shop.repo.ran()) == len(NAMES)


def test_a_port_that_nobody_listens_on_is_a_tier_that_is_off(shop: Shop, bucket: Bucket) -> None:
    bucket.shutdown()
    bucket.server_close()
    result = shop.run("build")
    assert result.code == 0, result
    assert len(warnings(result)) == 1
    assert "Connection refused" in warnings(result)[0]
    assert len(shop.outputs()) == 2 * len(NAMES)


def test_a_store_that_ignores_conditions_leads_to_no_wrong_result(shop: Shop) -> None:
    shop.bucket.fault = "unconditional"
    shop.run("build")
    expected = shop.outputs()
    shop.machine("second")
    assert shop.run("build", "--force").code == 0
    shop.machine("third")
    assert shop.run("build").code == 0
    assert shop.repo.ran() == []
    assert shop.outputs() == expected


def test_what_is_damaged_is_removed_and_stored_anew(shop: Shop) -> None:
    shop.run("build")
    name = next(name for name in shop.bucket.objects if "/entries/" in name)
    shop.bucket.objects[name] = shop.bucket.objects[name][:-1]
    shop.machine("second")
    result = shop.run("build")
    assert result.code == 0
    assert len(shop.repo.ran()) == 1
    assert len(warnings(result)) == 1
    assert "damaged" in warnings(result)[0]
    shop.machine("third")
    assert warnings(shop.run("build")) == []
    assert shop.repo.ran() == []


def test_an_interrupted_run_leaves_uploads_behind_at_once(shop: Shop) -> None:
    shop.bucket.fault = "black hole for PUT"
    process = shop.repo.start("run", "build")
    assert shop.bucket.hanging.wait(30)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert time.monotonic() - began < 10


def test_a_run_that_waits_for_a_hung_lookup_can_be_interrupted(shop: Shop) -> None:
    shop.configure(wait="60s")
    shop.bucket.fault = "black hole"
    process = shop.repo.start("run", "build")
    assert shop.bucket.hanging.wait(30)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGINT
    assert time.monotonic() - began < 10


def test_a_mistake_in_the_settings_is_an_error_even_if_nothing_is_asked(shop: Shop) -> None:
    shop.configure(more='prot = "1"')
    result = shop.run("build")
    assert result.code == 64, result
    assert "prot" in result.err


# --- trust ---------------------------------------------------------------------------------------


def names_of(bucket: Bucket) -> set[str]:
    return {name.split("/")[1] for name in bucket.objects}


PULL_REQUEST = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_REF": "refs/pull/7/merge",
}


def test_a_pull_request_reads_the_main_scope_and_writes_only_its_own(shop: Shop) -> None:
    shop.run("build")
    held = dict(shop.bucket.objects)
    shop.machine("runner")
    shop.repo.write({"packages/p0/src/text": "changed\n"})
    result = shop.run("build", env=PULL_REQUEST)
    assert result.code == 0
    assert shop.repo.ran() == ["p0#build"]
    assert shop.bucket.objects.items() >= held.items()
    added = shop.bucket.objects.keys() - held.keys()
    assert added
    assert all(name.startswith("bao-1/scope-pr-7/") for name in added)
    # Its own result is found by it, and by nobody else.
    shop.machine("the same pull request")
    shop.run("build", env=PULL_REQUEST)
    assert shop.repo.ran() == []
    shop.machine("main")
    shop.run("build")
    assert shop.repo.ran() == ["p0#build"]


def test_the_local_cache_is_separated_as_well(shop: Shop) -> None:
    shop.configure(tier=False)
    shop.run("build", env=PULL_REQUEST)
    shop.repo.ran()
    for directory in shop.repo.root.glob("packages/*/dist"):
        for path in directory.iterdir():
            path.unlink()
    shop.run("build")
    assert len(shop.repo.ran()) == len(NAMES)


@pytest.mark.parametrize(
    ("environ", "written"),
    [
        ({}, False),
        ({"CI": "true"}, False),
        ({"BAO_TRUSTED": "1"}, True),
        ({"BAO_TRUSTED": "1", **PULL_REQUEST}, False),
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_EVENT_NAME": "push",
                "GITHUB_REF_PROTECTED": "true",
            },
            True,
        ),
    ],
    ids=["at home", "some CI", "said", "said in a pull request", "push to a protected branch"],
)
def test_only_trusted_runs_write_to_a_tier_for_them(
    shop: Shop, environ: dict[str, str], *, written: bool
) -> None:
    shop.configure(more='write = "trusted"')
    assert shop.run("build", env=environ).code == 0
    assert bool(shop.bucket.objects) is written


def test_the_scope_can_be_said(shop: Shop) -> None:
    shop.run("build", env={"BAO_CACHE_SCOPE": "nightly build"})
    (scope,) = names_of(shop.bucket)
    assert scope.startswith("scope--")
    shop.machine("second")
    shop.run("build", env={"BAO_CACHE_SCOPE": "main"})
    assert "main" in names_of(shop.bucket)
