"""A package whose task has outputs, on disk, with a store that results are restored from."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bao_core.digests import digest_bytes
from bao_core.errors import CacheError
from bao_core.model import ActionResult, Digest, OutputFile, OutputLink, Stamp, TaskId
from bao_core.outputs import Collected, OutputSpec, clean, collect, restore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

NOTHING = digest_bytes(b"")
Tree = dict[str, Any]


class Bench:
    """A workspace in which `pkg#build` has outputs.

    A tree is written as a dictionary of paths: bytes for a file, ("x", bytes) for an executable
    one, ("->", target) for a link, None for an empty directory.
    """

    def __init__(self, base: Path, patterns: Sequence[str] = ("dist/**",)) -> None:
        self.base = base
        self.root = base / "workspace"
        (self.root / "pkg").mkdir(parents=True, exist_ok=True)
        self.staging = base / "staging"
        self.spec = OutputSpec("pkg", tuple(patterns))
        self.tracked: set[str] = set()
        self.ignored: set[str] = set()
        self.others: set[str] = set()
        self.owned: Collection[str] = ()
        self.blobs: dict[Digest, bytes] = {}

    def copy(self, base: Path) -> Bench:
        """The same bench with everything that is on disk, somewhere else."""
        shutil.copytree(self.base, base, symlinks=True)
        other = Bench(base, self.spec.patterns)
        other.tracked, other.ignored, other.others = self.tracked, self.ignored, self.others
        other.owned, other.blobs = self.owned, self.blobs
        return other

    def write(self, tree: Tree, *, below: str = "") -> None:
        """Put a tree on disk, over what is there."""
        for path, content in tree.items():
            target = os.path.join(self.root, below, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            match content:
                case None:
                    os.makedirs(target, exist_ok=True)
                case ("->", str(text)):
                    os.symlink(text, target)
                case ("x", bytes(data)):
                    Path(target).write_bytes(data)
                    os.chmod(target, 0o755)
                case bytes(data):
                    Path(target).write_bytes(data)

    def read(self, below: str = "pkg") -> Tree:
        """What is on disk, written as a tree; a directory that holds something is left out."""
        found: Tree = {}
        top = os.path.join(self.root, below)
        for directory, names, files in os.walk(top):
            inside = os.path.relpath(directory, self.root)
            for name in [*files, *(n for n in names if os.path.islink(f"{directory}/{n}"))]:
                path = os.path.join(directory, name)
                if os.path.islink(path):
                    content: Any = ("->", os.readlink(path))
                else:
                    content = Path(path).read_bytes()
                    if os.stat(path).st_mode & 0o100:
                        content = ("x", content)
                found[os.path.join(inside, name)] = content
            if not files and not names and inside != "pkg":
                found[inside] = None
        return found

    def collect(self) -> Collected:
        """Collect, and keep the blobs."""
        collected = collect(str(self.root), self.spec, is_tracked=self.tracked.__contains__)
        for source in collected.sources:
            with source.open() as stream:
                self.blobs[source.digest] = stream.read()
        return collected

    def result(self, tree: Tree) -> ActionResult:
        """The result of a task that leaves this tree, without doing it."""
        files, links, directories = [], [], []
        for path, content in sorted(tree.items()):
            match content:
                case None:
                    directories.append(path)
                case ("->", str(text)):
                    links.append(OutputLink(path, text))
                case ("x", bytes(data)):
                    files.append(OutputFile(path, self.keep(data), executable=True))
                case bytes(data):
                    files.append(OutputFile(path, self.keep(data)))
        return make_result(files, links, directories)

    def keep(self, data: bytes) -> Digest:
        """Keep a blob."""
        digest = digest_bytes(data)
        self.blobs[digest] = data
        return digest

    def fetch(self, digests: Collection[Digest], sink: Any) -> None:
        """Hand blobs to a sink, every other one as a file."""
        for index, digest in enumerate(digests):
            if index % 2:
                path = self.base / "blob"
                path.write_bytes(self.blobs[digest])
                sink.clone(digest, str(path))
            else:
                sink.write(digest, io.BytesIO(self.blobs[digest]))

    def restore(self, result: ActionResult, **changes: Any) -> dict[str, Stamp]:
        """Restore, and own what was restored."""
        arguments: dict[str, Any] = {
            **self.rules(),
            "staging_dir": str(self.staging),
            "fetch": self.fetch,
            **changes,
        }
        stamps = restore(str(self.root), self.spec, result, **arguments)
        self.owned = tuple(stamps)
        return stamps

    def clean(self) -> list[str]:
        """Clean before an attempt."""
        return clean(str(self.root), self.spec, **self.rules())

    def standing(self, result: ActionResult, *, clean: bool = True) -> dict[str, Stamp] | None:
        """The stamps of a result if it stands, so that restoring it writes and fetches nothing."""

        def refuse(*_: object) -> None:
            raise CacheError("nothing is to be fetched")

        before = self._inodes()
        try:
            stamps = restore(
                str(self.root), self.spec, result, refuse,
                staging_dir=str(self.staging), clean=clean, **self.rules(),
            )  # fmt: skip
        except CacheError:
            return None
        return stamps if self._inodes() == before else None

    def _inodes(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in self.root.rglob("*"):
            there = path.lstat()
            found[str(path)] = (there.st_ino, there.st_ctime_ns)
        return found

    def rules(self) -> dict[str, Any]:
        """Who owns what, as the functions take it."""
        return {
            "own": lambda _present: self.owned,
            "others": self.others.__contains__,
            "is_tracked": self.tracked.__contains__,
            "is_ignored": lambda paths: {path for path in paths if path in self.ignored},
        }

    def leftovers(self) -> list[str]:
        """What restoring left behind where it works."""
        return sorted(path.name for path in self.staging.glob("*/*"))


def make_result(
    files: Iterable[OutputFile] = (),
    links: Iterable[OutputLink] = (),
    directories: Iterable[str] = (),
) -> ActionResult:
    return ActionResult(
        task_id=TaskId("pkg#build"),
        exit_code=0,
        log=NOTHING,
        parts=NOTHING,
        files=tuple(files),
        links=tuple(links),
        directories=tuple(directories),
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "bench")


@pytest.fixture
def make_bench(tmp_path: Path) -> Callable[..., Bench]:
    return lambda *patterns: Bench(tmp_path / "bench", patterns)


@pytest.fixture(scope="session")
def new_bench(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Bench]:
    """For property tests, which want a new one for each example."""
    return lambda: Bench(tmp_path_factory.mktemp("bench"))
