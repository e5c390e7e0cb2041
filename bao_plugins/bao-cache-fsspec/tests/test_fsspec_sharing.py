"""Several checkouts of one workspace share a bucket, through the whole command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bao_core.testing.workspaces import BaoWorkspace

CONFIG = """
[workspace]
packages = ["p/*"]

[[cache]]
name = "team"
backend = "fsspec"
url = "s3://team-cache/PREFIX"
WRITE

[tasks.build]
command = "sh ../../build.sh"
depends_on = ["^build"]
outputs = ["dist/**"]
pass_through_env = ["LEDGER"]
"""

BUILD = """
echo $BAO_TASK >> $LEDGER
mkdir -p dist/empty
head -c 20000 /dev/urandom > dist/small
head -c 90000 /dev/urandom > dist/large
printf x > dist/run
chmod +x dist/run
ln -sf run dist/link
echo hello
"""


def files(prefix: str, write: str = "") -> dict[str, str]:
    return {
        "bao.toml": CONFIG.replace("PREFIX", prefix).replace("WRITE", write),
        "p/a/bao.toml": 'name = "a"\n',
        "p/b/bao.toml": 'name = "b"\ndependencies = ["a"]\n',
        "build.sh": BUILD,
        ".gitignore": "dist\n",
    }


@pytest.fixture
def checkout(
    bao_workspace: Callable[..., BaoWorkspace], tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., BaoWorkspace]:
    """Makes one more checkout, with a cache directory and a ledger of its own."""
    prefix = request.node.name.replace("[", "-").replace("]", "")

    def make(server=None, credentials=None, write: str = "") -> BaoWorkspace:
        made = bao_workspace(files(prefix, write))
        made.environ["LEDGER"] = str(made.base / "ledger")
        if server is not None:
            made.environ.update(server.environ(*([credentials] if credentials else [])))
        return made

    return make


def ran(checkout: BaoWorkspace) -> list[str]:
    ledger = checkout.base / "ledger"
    return sorted(ledger.read_text().split()) if ledger.exists() else []


def left(checkout: BaoWorkspace) -> dict[str, object]:
    """Everything below the packages' `dist`: content, mode, or text of a link."""
    found: dict[str, object] = {}
    for path in sorted(checkout.root.glob("p/*/dist/**/*")):
        name = str(path.relative_to(checkout.root))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            content = path.read_bytes() if path.is_file() else None
            found[name] = (path.stat().st_mode & 0o100, content)
    return found


@pytest.mark.parametrize("kind", ["seaweedfs", "moto"])
def test_what_one_checkout_built_another_restores_byte_for_byte(
    kind: str, request: pytest.FixtureRequest, checkout: Callable[..., BaoWorkspace], kit
) -> None:
    server = request.getfixturevalue(kind)
    first, second = checkout(server), checkout(server)
    assert first.root != second.root
    made = first.ok("run", "build")
    assert ran(first) == ["a#build", "b#build"]
    restored = second.ok("run", "build")
    assert ran(second) == []
    assert set(restored.outcomes.values()) == {"restored"}
    assert left(second) == left(first) != {}
    assert "a#build: hello" in restored.out
    assert made.warnings == restored.warnings == []


def test_read_only_credentials_write_nothing_and_read_all(
    seaweedfs, checkout: Callable[..., BaoWorkspace], kit
) -> None:
    first = checkout(seaweedfs)
    first.ok("run", "build")
    third = checkout(seaweedfs, kit.READER)
    third.ok("run", "build")
    assert ran(third) == []
    third.write({"p/b/new.txt": "new"})
    result = third.ok("run", "build")
    assert "b#build" in ran(third)
    assert len(result.warnings) == 1
    assert "team" in result.warnings[0]
    fourth = checkout(seaweedfs)
    fourth.write({"p/b/new.txt": "new"})
    fourth.ok("run", "build")
    assert ran(fourth) == ["b#build"], "nothing of the third is there"


def test_a_tier_that_is_never_written_to_is_only_read(
    seaweedfs, checkout: Callable[..., BaoWorkspace]
) -> None:
    reader = checkout(seaweedfs, write='write = "never"')
    reader.ok("run", "build")
    writer = checkout(seaweedfs)
    writer.ok("run", "build")
    assert ran(writer) == ["a#build", "b#build"]


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "team"),
        ({"BAO_S3_BUCKET": "no-such-bucket"}, "no-such-bucket"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, "team"),
    ],
    ids=["secret", "bucket", "address"],
)
def test_a_server_that_cannot_be_used_costs_one_warning(
    variables: dict[str, str], says: str, seaweedfs, checkout: Callable[..., BaoWorkspace]
) -> None:
    made = checkout(seaweedfs)
    made.environ.update(variables)
    result = made.ok("run", "build")
    assert ran(made) == ["a#build", "b#build"]
    assert len(result.warnings) == 1, result.warnings
    assert says in result.warnings[0]


def test_without_remote_no_server_is_asked(
    seaweedfs, checkout: Callable[..., BaoWorkspace]
) -> None:
    checkout(seaweedfs).ok("run", "build")
    alone = checkout()
    result = alone.ok("run", "build", "--no-remote")
    assert ran(alone) == ["a#build", "b#build"]
    assert result.warnings == []


FROM_ENVIRONMENT = {"BAO_S3_BUCKET": "team-cache", "BAO_TRUSTED": "1"}


@pytest.fixture
def unconfigured(
    seaweedfs, checkout: Callable[..., BaoWorkspace], request: pytest.FixtureRequest
) -> Callable[..., BaoWorkspace]:
    """Makes one more checkout, whose configuration names no tier, or this one instead."""

    def make(tier: str = "") -> BaoWorkspace:
        made = checkout()
        text = CONFIG[: CONFIG.index("[[cache]]")] + tier + CONFIG[CONFIG.index("[tasks") :]
        made.write({"bao.toml": text})
        made.environ.update(seaweedfs.environ(), **FROM_ENVIRONMENT)
        made.environ["BAO_S3_ENDPOINT"] = made.environ.pop("AWS_ENDPOINT_URL_S3")
        made.environ["BAO_S3_PREFIX"] = request.node.name.replace("[", "-").replace("]", "")
        return made

    return make


def test_a_bucket_in_the_environment_is_enough_and_its_tier_says_so(
    unconfigured: Callable[..., BaoWorkspace],
) -> None:
    first, second = unconfigured(), unconfigured()
    assert first.ok("run", "build").warnings == []
    listed = second.ok("run", "build", "--dry-run=json").json["tasks"]
    assert {task["tier"] for task in listed} == {"BAO_S3_BUCKET"}
    assert "from cache tier 'BAO_S3_BUCKET'" in second.ok("why", "a#build").out
    second.ok("run", "build", "--summary", "../summary.json")
    assert ran(second) == []
    assert left(second) == left(first) != {}
    assert (second.root / "../summary.json").read_text().count('"tier": "BAO_S3_BUCKET"') == 2
    assert "BAO_S3_BUCKET (fsspec)" in second.ok("plugins").out


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["--no-remote"], {}),
        ([], {"BAO_REMOTE": "0"}),
        ([], {"BAO_TRUSTED": "0"}),
        ([], {"BAO_S3_BUCKET": ""}),
        ([], {"BAO_DISABLE_PLUGINS": "cache-fsspec"}),
        ([], {"CHANGE_ID": "7", "BAO_CACHE_SCOPE": "main"}),
    ],
    ids=["option", "variable", "not-trusted", "empty", "disabled", "pull-request"],
)
def test_a_bucket_in_the_environment_gets_nothing_where_that_is_not_wanted(
    words: list[str], variables: dict[str, str], unconfigured: Callable[..., BaoWorkspace]
) -> None:
    first, second = unconfigured(), unconfigured()
    first.environ.update(variables)
    assert first.ok("run", "build", *words).warnings == []
    second.ok("run", "build")
    assert ran(second) == ["a#build", "b#build"]


@pytest.mark.parametrize(
    "tier",
    ["cache = []\n", '[[cache]]\nname = "folder"\nbackend = "fsspec"\nurl = "../folder"\n'],
    ids=["no-cache", "another-place"],
)
def test_a_configuration_that_says_what_it_wants_goes_before_the_environment(
    tier: str, unconfigured: Callable[..., BaoWorkspace]
) -> None:
    first, second = unconfigured(), unconfigured()
    if tier.startswith("cache"):
        first.write({"bao.toml": tier + (first.root / "bao.toml").read_text()})
    else:
        first = unconfigured(tier)
    assert first.ok("run", "build").warnings == []
    second.ok("run", "build")
    assert ran(second) == ["a#build", "b#build"]


def test_credentials_that_may_not_list_are_told_so_once(
    answering, checkout: Callable[..., BaoWorkspace]
) -> None:
    refusal = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    answering.answer = lambda _method, _path: answering.of(403, refusal)
    made = checkout(write='write = "never"')
    made.environ.update(
        AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_ENDPOINT_URL_S3=answering.url
    )
    result = made.ok("run", "build")
    assert ran(made) == ["a#build", "b#build"]
    assert len(result.warnings) == 1, result.warnings
    assert "s3:ListBucket" in result.err


def test_credentials_in_the_configuration_are_refused(
    bao_workspace: Callable[..., BaoWorkspace],
) -> None:
    made = bao_workspace(files("x", 'secret = "s3cr3t"'))
    result = made.bao("run", "build")
    assert "AWS_ACCESS_KEY_ID" in result.err
    assert "s3cr3t" not in result.err


def test_credentials_go_to_no_server_that_only_the_repository_names(
    seaweedfs, checkout: Callable[..., BaoWorkspace]
) -> None:
    made = checkout(seaweedfs, write=f'endpoint_url = "{seaweedfs.url}"')
    url = made.environ.pop("AWS_ENDPOINT_URL_S3")
    result = made.ok("run", "build")
    assert f"BAO_ALLOW_ENDPOINTS={url}" in result.err
    assert len(result.warnings) == 1
    made.environ["BAO_ALLOW_ENDPOINTS"] = url
    made.write({"p/a/new.txt": "x"})
    assert made.ok("run", "build").warnings == []
