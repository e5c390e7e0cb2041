"""What a workspace provider promises: `WorkspaceProviderSuite`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bao_core.errors import BaoError, WorkspaceError
from bao_core.model import Package, WorkspacePart
from bao_core.testing.component import ComponentSuite
from bao_core.testing.fakes import MemoryTree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bao_core.testing.component import Opener

GARBAGE = (
    b"",
    b"\0",
    b"[",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"= = =\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe\x00",
    b"[[[[[[[[[[[[[[[[" * 200,
    b"{" + b'"a":{' * 500,
    b"<<<<<<< ours\n=======\n>>>>>>> theirs\n",
)
"""What a manifest or a lock file may hold after an accident."""

CUTS = 12
"""At how many places each file is cut off."""


class WorkspaceProviderSuite(ComponentSuite):
    """The promises of `bao_core.interfaces.workspace.WorkspaceProvider`.

    Attributes:
        expected: The path of every package in the example, by name.
        errors: What a broken file may raise.
    """

    expected: ClassVar[Mapping[str, str]] = {}
    errors: ClassVar[tuple[type[BaoError], ...]] = (WorkspaceError,)

    @pytest.fixture
    def files(self) -> Mapping[str, str | bytes]:
        """An example workspace: content by path. With a lock file, if there is one of the kind."""
        raise NotImplementedError("override the fixture `files`")

    def test_its_manifests_are_names_of_files(self) -> None:
        manifests = self.component.manifests  # type: ignore[attr-defined]
        assert manifests
        assert isinstance(manifests, frozenset)
        assert all(name and "/" not in name for name in manifests)

    def test_its_root_markers_are_names_with_regular_expressions(self) -> None:
        for name, pattern in self.component.root_markers.items():  # type: ignore[attr-defined]
            assert name
            # `**/NAME` marks a root wherever such a file lies below it.
            assert "/" not in name.removeprefix("**/")
            re.compile(pattern)

    def test_the_packages_of_the_example_are_found(
        self, open_at: Opener, tmp_path: Path, files: Mapping[str, str | bytes]
    ) -> None:
        assert self.expected, "say which packages the example holds"
        part = open_at(tmp_path).load(MemoryTree(files))
        assert {package.name: package.path for package in part.packages} == dict(self.expected)
        assert len(part.packages) == len(self.expected)

    def test_where_there_is_no_such_workspace_the_part_is_empty(
        self, open_at: Opener, tmp_path: Path
    ) -> None:
        for files in ({}, {"README": "nothing here", "src/main.c": "int main;"}):
            part = open_at(tmp_path).load(MemoryTree(files))
            assert part == WorkspacePart()

    def test_what_it_returns_depends_on_the_tree_alone(
        self,
        open_at: Opener,
        tmp_path: Path,
        files: Mapping[str, str | bytes],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        wanted = open_at(tmp_path / "empty").load(MemoryTree(files))
        # Everything lies on the disk as well, otherwise than in the tree.
        misleading = tmp_path / "other" / "workspace"
        for path, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            for place in (path, f"decoy/{path}"):
                (misleading / place).parent.mkdir(parents=True, exist_ok=True)
                (misleading / place).write_bytes(data.replace(b"a", b"e"))
        monkeypatch.chdir(misleading)
        assert open_at(tmp_path / "other").load(MemoryTree(files)) == wanted
        assert open_at(tmp_path / "other").load(MemoryTree({})) == WorkspacePart()

    def test_the_order_of_names_in_the_tree_does_not_count(
        self, open_at: Opener, tmp_path: Path, files: Mapping[str, str | bytes]
    ) -> None:
        provider = open_at(tmp_path)
        parts = [provider.load(MemoryTree(files, backwards=way)) for way in (False, True)]
        assert parts[0] == parts[1]

    def test_loading_twice_gives_the_same(
        self, open_at: Opener, tmp_path: Path, files: Mapping[str, str | bytes]
    ) -> None:
        provider = open_at(tmp_path)
        first = provider.load(MemoryTree(files))
        provider.load(MemoryTree({}))
        assert provider.load(MemoryTree(files)) == first
        assert open_at(tmp_path).load(MemoryTree(files)) == first

    def test_packages_are_well_formed(
        self, open_at: Opener, tmp_path: Path, files: Mapping[str, str | bytes]
    ) -> None:
        provider = open_at(tmp_path)
        part = provider.load(MemoryTree(files))
        for package in part.packages:
            assert isinstance(package, Package)
            assert package.name
            assert package.provider == provider.name
            _check_path(package.path)
            directory, _, name = package.manifest.rpartition("/")
            assert package.manifest in files
            assert (directory, name in provider.manifests) == (package.path, True)
            for directory in package.bin_directories:
                _check_path(directory)
        names = [package.name for package in part.packages]
        assert len(names) == len(set(names))

    def test_dependencies_are_sorted_and_lead_to_packages(
        self, open_at: Opener, tmp_path: Path, files: Mapping[str, str | bytes]
    ) -> None:
        part = open_at(tmp_path).load(MemoryTree(files))
        names = {package.name for package in part.packages}
        for package in part.packages:
            assert list(package.dependencies) == sorted(package.dependencies)
            assert {dependency.name for dependency in package.dependencies} <= names
            assert list(package.external) == sorted(set(package.external))

    def test_lock_files_are_named_by_their_paths(
        self, open_at: Opener, tmp_path: Path, files: Mapping[str, str | bytes]
    ) -> None:
        part = open_at(tmp_path).load(MemoryTree(files))
        for path in part.lock_files:
            _check_path(path)
        assert part.lock_broken == ""

    def test_a_broken_file_is_a_workspace_error_that_names_it_or_a_note(
        self, open_at: Opener, tmp_path: Path, files: Mapping[str, str | bytes]
    ) -> None:
        provider = open_at(tmp_path)
        read = MemoryTree(files)
        provider.load(read)
        for path in sorted(read.read_paths & set(files)):
            content = files[path]
            data = content if isinstance(content, bytes) else content.encode()
            cuts = [data[: len(data) * cut // CUTS] for cut in range(1, CUTS)]
            for broken in (*GARBAGE, *cuts, data + b"\xff", data * 2):
                self._check_broken(provider, {**files, path: broken}, path)

    def _check_broken(self, provider: Any, files: Mapping[str, str | bytes], path: str) -> None:
        error: BaoError | None = None
        part: Any = WorkspacePart()
        try:
            part = provider.load(MemoryTree(files))
        except self.errors as caught:
            error = caught
        assert isinstance(part, WorkspacePart)
        if error is not None:
            assert error.where == path, f"{path} is broken, and the error names {error.where}"
            assert error.line is None or error.line > 0


def _check_path(path: str) -> None:
    """A path from the workspace root, in its only way of writing."""
    assert not path.startswith("/")
    assert path == "/".join(piece for piece in path.split("/") if piece not in {"", ".", ".."})
