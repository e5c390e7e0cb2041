"""`--affected` and `--filter`, asked of the real command on real histories."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest


def affected(repo: Any, *arguments: str, **options: Any) -> list[str]:
    listed = repo.ok("ls", "--affected", "--json", *arguments, **options)
    return [package["name"] for package in listed.json["packages"]]


def test_nothing_affected_runs_nothing_and_says_so(topic: Any) -> None:
    result = topic.ok("run", "build", "--affected")
    assert topic.ran() == []
    assert "affected" in result.out + result.err


def test_an_uncommitted_change_runs_its_package_and_what_depends_on_it(topic: Any) -> None:
    topic.write({"packages/lib/src/a.txt": "changed\n"})
    topic.ok("run", "build", "--affected")
    assert topic.ran() == ["lib#build", "app#build"]


def test_an_untracked_file_counts_and_an_ignored_one_does_not(topic: Any) -> None:
    topic.write({"packages/other/new.txt": "x", "packages/lib/dist/x": "ignored"})
    assert affected(topic) == ["other"]


def test_a_committed_change_counts_and_work_on_the_base_does_not(topic: Any) -> None:
    topic.write({"packages/other/src/o.txt": "changed\n"})
    topic.commit()
    topic.git("checkout", "-q", "main")
    topic.write({"packages/lib/src/a.txt": "on main\n"})
    topic.commit()
    topic.git("checkout", "-q", "topic")
    assert affected(topic) == ["other"]


def test_dependencies_of_what_is_affected_are_built_but_not_selected(topic: Any) -> None:
    topic.write({"packages/app/src/main.txt": "changed\n"})
    assert affected(topic) == ["app"]
    topic.ok("run", "build", "--affected")
    assert topic.ran() == ["lib#build", "app#build"]


def test_a_deleted_package_affects_what_depended_on_it(topic: Any) -> None:
    topic.git("rm", "-rq", "packages/lib")
    topic.write({"packages/app/bao.toml": 'name = "app"\n'})
    topic.commit()
    assert affected(topic) == ["app"]


def test_a_renamed_package_affects_its_dependents_of_before_and_after(topic: Any) -> None:
    topic.write({"packages/lib/bao.toml": 'name = "library"\n'})
    topic.write({"packages/other/bao.toml": 'name = "other"\ndependencies = ["library"]\n'})
    topic.write({"packages/app/bao.toml": 'name = "app"\n'})
    topic.commit()
    assert affected(topic) == ["app", "library", "other"]


def test_a_global_input_affects_everything_and_prose_nothing(topic: Any) -> None:
    topic.write({"README.md": "x"})
    topic.commit()
    assert affected(topic) == []
    topic.write({".python-version": "3.12\n"})
    assert affected(topic) == ["app", "lib", "other"]


def test_a_detached_head_is_compared_like_a_branch(topic: Any) -> None:
    topic.write({"packages/other/src/o.txt": "changed\n"})
    topic.commit()
    topic.git("checkout", "-q", "--detach")
    assert affected(topic) == ["other"]


def test_a_linked_worktree_is_compared_like_any_other(topic: Any) -> None:
    topic.write({"packages/other/src/o.txt": "changed\n"})
    topic.commit()
    topic.git("worktree", "add", "-q", "--detach", str(topic.base / "linked"))
    topic.root = topic.base / "linked"
    assert affected(topic) == ["other"]


def shallow(topic: Any) -> None:
    """Go on in a clone of depth 1."""
    topic.write({"packages/other/src/o.txt": "changed\n"})
    topic.commit()
    topic.git("config", "uploadpack.allowAnySHA1InWant", "true")
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", "--branch=topic", f"file://{topic.root}", "clone"],
        cwd=topic.base,
        env=topic.env,
        check=True,
    )
    topic.root = topic.base / "clone"


def test_a_shallow_clone_fetches_what_it_lacks_where_asked_to(topic: Any) -> None:
    shallow(topic)
    assert affected(topic, "--deepen", env={"BAO_BASE": "main"}) == ["other"]


def test_a_shallow_clone_in_ci_fetches_by_itself(topic: Any) -> None:
    shallow(topic)
    assert affected(topic, env={"CI": "true", "GITHUB_BASE_REF": "main"}) == ["other"]


def test_without_its_base_everything_is_selected_and_that_is_said(topic: Any) -> None:
    shallow(topic)
    result = topic.ok("ls", "--affected", "--no-deepen", "--json", env={"GITHUB_BASE_REF": "main"})
    names = [package["name"] for package in result.json["packages"]]
    assert names == ["app", "lib", "other"]
    assert "everything" in result.err or "every package" in result.err


def test_each_affected_package_carries_its_reason(topic: Any) -> None:
    topic.write({"packages/lib/src/a.txt": "changed\n"})
    listed = topic.ok("ls", "--affected", "--json").json["packages"]
    reasons = {package["name"]: [r["text"] for r in package["reasons"]] for package in listed}
    assert reasons == {"app": ["lib is affected"], "lib": ["src/a.txt changed"]}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["lib"], ["lib#build"]),
        (["lib..."], ["lib#build"]),
        (["app..."], ["lib#build", "app#build"]),
        (["...lib"], ["lib#build", "app#build"]),
        (["*", "!other"], ["lib#build", "app#build"]),
        (["./packages/other"], ["other#build"]),
        (["{packages/o*}"], ["other#build"]),
        (["[main]"], ["other#build"]),
        (["lib#build"], ["lib#build"]),
    ],
)
def test_filters_choose_what_runs(topic: Any, filters: list[str], expected: list[str]) -> None:
    topic.write({"packages/other/src/o.txt": "changed\n"})
    arguments = [word for text in filters for word in ("--filter", text)]
    topic.ok("run", "build", *arguments)
    assert topic.ran() == expected
