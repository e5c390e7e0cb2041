"""Measures hits from a remote cache: `python benchmarks/remote_hits.py`, or `nox -s remote_hits`.

SeaweedFS is started on loopback and filled by a first run. Measured are runs in other checkouts,
all with an empty local cache, that find everything in the bucket. Every run is checked: all tasks
must have been restored, byte for byte, and the requests are those that SeaweedFS itself counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "bao_plugins" / "bao-cache-fsspec" / "tests"))

from s3_servers import S3Server, seaweedfs  # noqa: E402 - it stands beside the tests that use it

BUCKET = "benchmark"
SECONDS, RATIO = 6.0, 1.05
"""What a run of 1,000 tasks may take at most, and how many requests for each task."""


class Shape(NamedTuple):
    """How much there is to restore: tasks, files of each, bytes of a file."""

    tasks: int = 1000
    files: int = 5
    size: int = 10_240


class Run(NamedTuple):
    """One measured run: seconds from start to end and of processors, and requests by kind."""

    seconds: float
    cpu: float
    requests: dict[str, int]


def generate(root: Path, shape: Shape, server: S3Server) -> None:
    """A workspace of packages without dependencies, whose task writes files of random bytes."""
    loop = f"for n in $(seq {shape.files}); do head -c {shape.size} /dev/urandom > dist/$n; done"
    config = f"""\
[workspace]
packages = ["packages/*"]

[tasks.build]
command = "mkdir -p dist && {loop}"
outputs = ["dist/**"]

[[cache]]
name = "disk"
backend = "local"

[[cache]]
name = "team"
backend = "fsspec"
url = "s3://{BUCKET}/cache"
endpoint_url = "{server.url}"
max_upload_wait = "10m"
"""
    root.mkdir()
    (root / "bao.toml").write_text(config)
    (root / ".gitignore").write_text("dist/\n")
    for number in range(shape.tasks):
        package = root / "packages" / f"package-{number:04d}"
        package.mkdir(parents=True)
        (package / "bao.toml").write_text(f'name = "package-{number:04d}"\n')
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "workspace")):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(("git", *who, *words), cwd=root, check=True)


class Checkout:
    """A checkout of the workspace with a home and a local cache of its own, both empty at first."""

    def __init__(self, place: Path, source: str, server: S3Server) -> None:
        place.mkdir()
        self.root = place / "workspace"
        self._summary = place / "summary.json"
        self._environ = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "HOME": str(place / "home"),
            "BAO_CACHE_DIR": str(place / "cache"),
            "BAO_ALLOW_ENDPOINTS": server.url,
            **server.environ(),
        }
        subprocess.run(("git", "clone", "-q", source, str(self.root)), check=True)

    def bao(self) -> tuple[float, float, dict[str, int]]:
        """Run everything: seconds, those of processors, and how many tasks ended in which way."""
        command = ["bao", "run", "build", "--output-logs=none", "--summary", str(self._summary)]
        with tempfile.TemporaryFile() as output:
            started, used = time.perf_counter(), _cpu_of_children()
            done = subprocess.run(
                command, cwd=self.root, env=self._environ, stdout=output, stderr=output, check=False
            )
            taken, used = time.perf_counter() - started, _cpu_of_children() - used
            output.seek(0)
            printed = output.read().decode(errors="replace")
        if done.returncode or "warning" in printed:
            sys.exit(f"bao failed:\n{printed[-2000:]}")
        outcomes = Counter(
            task["outcome"] for task in json.loads(self._summary.read_text())["tasks"]
        )
        return taken, used, dict(outcomes)

    def outputs(self) -> dict[str, str]:
        """A digest of every output, by its path from the root."""
        return {
            str(path.relative_to(self.root)): blake2b(path.read_bytes()).hexdigest()
            for path in sorted(self.root.glob("packages/*/dist/*"))
        }


def counted_requests(server: S3Server) -> Counter[str]:
    """What the server counted so far, by kind and status."""
    with urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics") as answer:
        text = answer.read().decode()
    counted: Counter[str] = Counter()
    lines = re.findall(r"^SeaweedFS_s3_request_total\{(.*)\} (\S+)$", text, re.MULTILINE)
    for labels, count in lines:
        found = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if found.get("bucket") == BUCKET:
            counted[f"{found['type']} {found['code']}"] += int(float(count))
    return counted


def measure(checkout: Checkout, server: S3Server, wanted: dict[str, str]) -> Run:
    """One run of nothing but hits from the bucket, in a checkout that was never used."""
    before = counted_requests(server)
    seconds, cpu, outcomes = checkout.bao()
    requests = counted_requests(server) - before
    if set(outcomes) != {"restored"} or checkout.outputs() != wanted:
        sys.exit(f"what was built was not restored: {outcomes}")
    return Run(seconds, cpu, dict(requests))


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in zip(Shape._fields, Shape(), strict=True):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check", action="store_true", help="fail beyond the limits")
    options = parser.parse_args()
    shape = Shape(options.tasks, options.files, options.size)
    with tempfile.TemporaryDirectory(prefix="bao-") as temporary:
        place = Path(temporary)
        (place / "server").mkdir()
        with seaweedfs(place / "server") as server:
            server.make_bucket(BUCKET)
            generate(place / "source", shape, server)
            first = Checkout(place / "first", str(place / "source"), server)
            seconds, _, outcomes = first.bao()
            print(f"filled: {seconds:.2f} s, {outcomes}, {dict(counted_requests(server))}")
            wanted = first.outputs()
            # Fresh checkouts: a disk is slow to make files where as many were just removed.
            runs = [
                measure(
                    Checkout(place / f"round-{number}", str(place / "source"), server),
                    server,
                    wanted,
                )
                for number in range(options.rounds)
            ]
    for run in runs:
        count = sum(run.requests.values())
        print(
            f"{shape.tasks} hits of {shape.files} files of {shape.size} bytes: "
            f"{run.seconds:.2f} s ({run.cpu:.2f} s of processors), {count} requests "
            f"({count / shape.tasks:.3f} for each task): {run.requests}"
        )
    taken = median(run.seconds for run in runs)
    ratio = max(sum(run.requests.values()) for run in runs) / shape.tasks
    print(f"median {taken:.2f} s, at most {ratio:.3f} requests for each task")
    if options.check and (taken > SECONDS or ratio > RATIO):
        sys.exit(f"more than {SECONDS:g} s, or than {RATIO:g} requests for each task")


if __name__ == "__main__":
    main()
