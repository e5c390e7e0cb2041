"""Measures hits from a remote cache: `python benchmarks/remote_hits.py`, or `nox -s remote_hits`.

SeaweedFS is started on loopback and filled by a first run. Then the outputs and the local cache are
removed, and a run that finds everything in the bucket is measured. Every run is checked: all tasks
must have been restored, byte for byte, and the requests are those that SeaweedFS itself counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
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


class Bench:
    """A workspace, a server, and what goes on between them."""

    def __init__(self, place: Path, server: S3Server, metrics: str, shape: Shape) -> None:
        self.root = place / "workspace"
        self.shape = shape
        self._metrics = metrics
        self._place = place
        self._environ = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "HOME": str(place / "home"),
            "BAO_CACHE_DIR": str(place / "cache"),
            "BAO_ALLOW_ENDPOINTS": server.url,
            **server.environ(),
        }
        generate(self.root, shape, server)

    def bao(self) -> tuple[float, float, dict[str, int]]:
        """Run everything: seconds, those of processors, and how many tasks ended in which way."""
        summary = self._place / "summary.json"
        command = ["bao", "run", "build", "--output-logs=none", "--summary", str(summary)]
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
        outcomes: dict[str, int] = {}
        for task in json.loads(summary.read_text())["tasks"]:
            outcomes[task["outcome"]] = outcomes.get(task["outcome"], 0) + 1
        return taken, used, outcomes

    def outputs(self) -> dict[str, str]:
        """A digest of every output, by its path."""
        return {
            str(path): blake2b(path.read_bytes()).hexdigest()
            for path in sorted(self.root.glob("packages/*/dist/*"))
        }

    def forget(self) -> None:
        """Remove the outputs and everything that this machine remembers."""
        for path in self.root.glob("packages/*/dist"):
            shutil.rmtree(path)
        shutil.rmtree(self._place / "cache")

    def requests(self) -> dict[str, int]:
        """What the server counted so far, by kind and status."""
        with urlopen(self._metrics) as answer:
            text = answer.read().decode()
        counted: dict[str, int] = {}
        lines = re.findall(r"^SeaweedFS_s3_request_total\{(.*)\} (\S+)$", text, re.MULTILINE)
        for labels, count in lines:
            found = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if found.get("bucket") == BUCKET:
                kind = f"{found['type']} {found['code']}"
                counted[kind] = counted.get(kind, 0) + int(float(count))
        return counted

    def measure(self, wanted: dict[str, str]) -> Run:
        """One run of nothing but hits from the bucket."""
        self.forget()
        before = self.requests()
        seconds, cpu, outcomes = self.bao()
        if outcomes != {"restored": self.shape.tasks}:
            sys.exit(f"not all were hits: {outcomes}")
        if self.outputs() != wanted:
            sys.exit("what was restored is not what was built")
        after = self.requests()
        asked = {kind: count - before.get(kind, 0) for kind, count in after.items()}
        return Run(seconds, cpu, {kind: count for kind, count in asked.items() if count})


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
            bench = Bench(place, server, f"http://127.0.0.1:{server.metrics_port}/metrics", shape)
            seconds, _, outcomes = bench.bao()
            print(f"filled: {seconds:.2f} s, {outcomes}, requests {bench.requests()}")
            wanted = bench.outputs()
            runs = [bench.measure(wanted) for _ in range(options.rounds)]
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
