"""git's names of contents, however they are worked out."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bao_core.digests import blob_id

EMPTY = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
EMPTY_SHA256 = "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"

ALONE = """
import sys
from bao_core.digests import blob_id
for size in (0, 2, 70_000):
    print(blob_id(b"x" * size), "hashlib" in sys.modules)
"""


def test_an_empty_content_has_the_name_that_git_gives_it() -> None:
    assert (blob_id(b""), blob_id(b"", "sha256")) == (EMPTY, EMPTY_SHA256)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="has no module for SHA-1 alone")
def test_what_is_small_is_hashed_without_openssl_and_alike() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], check=True, capture_output=True, text=True)
    told = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, _ in told] == [blob_id(b"x" * size) for size in (0, 2, 70_000)]
    assert [loaded for _, loaded in told] == ["False", "False", "True"]
