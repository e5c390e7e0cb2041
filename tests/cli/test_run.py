"""`bao run`: order, hits, restoring, outcomes. Hits are proven by what did not happen."""

from __future__ import annotations

import shutil
from typing import Any

import pytest


def test_dependencies_run_first(pair: Any) -> None:
    pair.ok("run", "build")
    assert pair.ran() == ["lib#build", "app#build"]
    assert pair.read("packages/app/dist/out.txt") == "app main\n"


def test_a_second_run_executes_nothing(pair: Any) -> None:
    pair.ok("run", "build")
    pair.ran()
    result = pair.ok("run", "build")
    assert pair.ran() == []
    assert "2 restored" in result.out or "2 cached" in result.out


def test_deleted_outputs_are_restored_without_executing(pair: Any) -> None:
    pair.ok("run", "build")
    pair.ran()
    shutil.rmtree(pair.root / "packages/lib/dist")
    pair.ok("run", "build")
    assert pair.ran() == []
    assert pair.read("packages/lib/dist/out.txt") == "lib a\nlib b\n"


def test_an_edit_reaches_everything_downstream(pair: Any) -> None:
    pair.ok("run", "build")
    pair.ran()
    pair.write({"packages/lib/src/a.txt": "other\n"})
    pair.ok("run", "build")
    assert pair.ran() == ["lib#build", "app#build"]


def test_an_edit_reaches_nothing_upstream(pair: Any) -> None:
    pair.ok("run", "build")
    pair.ran()
    pair.write({"packages/app/src/main.txt": "other\n"})
    pair.ok("run", "build")
    assert pair.ran() == ["app#build"]


def test_going_back_to_earlier_content_is_a_hit(pair: Any) -> None:
    pair.ok("run", "build")
    pair.write({"packages/lib/src/a.txt": "other\n"})
    pair.ok("run", "build")
    pair.ran()
    pair.write({"packages/lib/src/a.txt": "lib a\n"})
    pair.ok("run", "build")
    assert pair.ran() == []
    assert pair.read("packages/lib/dist/out.txt") == "lib a\nlib b\n"


def test_the_log_of_a_hit_is_replayed_byte_for_byte(pair: Any) -> None:
    first = pair.ok("run", "test", "--log-prefix=none")
    second = pair.ok("run", "test", "--log-prefix=none")
    assert "lib a\nlib b\n" in first.out
    assert "lib a\nlib b\n" in second.out


def test_a_failed_task_gives_its_exit_code_and_stops_what_depends_on_it(pair: Any) -> None:
    pair.write({"packages/lib/bao.toml": 'name = "lib"\n[tasks.build]\ncommand = "exit 3"\n'})
    result = pair.bao("run", "build")
    assert result.code == 3
    assert pair.ran() == []


def test_a_failed_task_is_not_stored(pair: Any) -> None:
    config = 'name = "lib"\n[tasks.build]\ncommand = "echo x >> $LEDGER; exit 3"\n'
    pair.write({"packages/lib/bao.toml": config})
    pair.bao("run", "build")
    pair.bao("run", "build")
    assert pair.ran() == ["x", "x"]


def test_force_executes_everything_and_replaces_the_results(pair: Any) -> None:
    pair.ok("run", "build")
    pair.ran()
    pair.ok("run", "build", "--force")
    assert pair.ran() == ["lib#build", "app#build"]
    pair.ok("run", "build")
    assert pair.ran() == []


def test_no_cache_stores_nothing(pair: Any) -> None:
    pair.ok("run", "build", "--no-cache")
    pair.ran()
    pair.ok("run", "build")
    assert pair.ran() == ["lib#build", "app#build"]


def test_arguments_reach_the_tasks_asked_for_and_not_their_dependencies(repo: Any) -> None:
    repo.write(
        {
            "bao.toml": """
global_pass_through_env = ["LEDGER"]
[workspace]
packages = ["p"]
[tasks.build]
command = "echo build >> $LEDGER; true"
[tasks.test]
command = 'f() { echo "test $*" >> $LEDGER; }; f'
depends_on = ["build"]
""",
            "p/bao.toml": 'name = "p"\n',
        }
    )
    repo.commit()
    repo.ok("run", "test", "--", "-k", "a b")
    assert repo.ran() == ["build", "test -k a b"]
    repo.ok("run", "test", "--", "-k", "a b")
    assert repo.ran() == []
    repo.ok("run", "test")
    assert repo.ran() == ["test "]


def test_a_subdirectory_runs_its_own_package(pair: Any) -> None:
    pair.ok("run", "build", cwd="packages/lib/src")
    assert pair.ran() == ["lib#build"]


def test_without_git_it_works_the_same(plain_directory: Any, two_packages: Any) -> None:
    plain_directory.write(two_packages)
    plain_directory.ok("run", "build")
    assert plain_directory.ran() == ["lib#build", "app#build"]
    plain_directory.ok("run", "build")
    assert plain_directory.ran() == []
    plain_directory.write({"packages/lib/src/a.txt": "other\n"})
    plain_directory.ok("run", "build")
    assert plain_directory.ran() == ["lib#build", "app#build"]


@pytest.mark.parametrize("policy", ["never", "dependencies-successful", "always"])
def test_what_goes_on_after_a_failure(repo: Any, policy: str) -> None:
    repo.write(
        {
            "bao.toml": """
concurrency = 1
global_pass_through_env = ["LEDGER"]
[workspace]
packages = ["p/*"]
[tasks.build]
command = 'echo "$BAO_TASK" >> $LEDGER; case $BAO_TASK in a*) exit 4;; esac'
depends_on = ["^build"]
""",
            "p/a/bao.toml": 'name = "a"\n',
            "p/b/bao.toml": 'name = "b"\ndependencies = ["a"]\n',
            "p/c/bao.toml": 'name = "c"\n',
        }
    )
    repo.commit()
    assert repo.bao("run", "build", f"--continue={policy}").code == 4
    expected = {
        "never": ["a#build"],
        "dependencies-successful": ["a#build", "c#build"],
        "always": ["a#build", "b#build", "c#build"],
    }
    assert sorted(repo.ran()) == expected[policy]


def test_nothing_of_a_run_lies_in_the_worktree(pair: Any) -> None:
    pair.ok("run", "test")
    assert pair.git("status", "--porcelain") == ""


def test_an_unknown_task_is_an_error_with_near_misses(pair: Any) -> None:
    result = pair.bao("run", "biuld")
    assert result.code not in {0, 1, 2}
    assert "build" in result.err
    assert "Traceback" not in result.err


def test_the_summary_holds_every_task(pair: Any) -> None:
    import json

    pair.ok("run", "build", "--summary", "../summary.json")
    summary = json.loads((pair.base / "summary.json").read_text())
    assert [task["id"] for task in summary["tasks"]] == ["lib#build", "app#build"]
    assert all(task["outcome"] == "executed" for task in summary["tasks"])
    assert all(task["exit_code"] == 0 for task in summary["tasks"])


def test_retries_run_again_and_name_the_task_as_flaky(repo: Any) -> None:
    repo.write(
        {
            "bao.toml": """
global_pass_through_env = ["LEDGER"]
[workspace]
packages = ["p"]
[tasks.test]
command = 'echo x >> $LEDGER; test $(wc -l < $LEDGER) -ge 2'
retries = 2
""",
            "p/bao.toml": 'name = "p"\n',
        }
    )
    repo.commit()
    result = repo.ok("run", "test")
    assert repo.ran() == ["x", "x"]
    assert "flaky" in result.out + result.err


def test_a_timeout_ends_the_task_and_fails_it(repo: Any) -> None:
    repo.write(
        {
            "bao.toml": """
[workspace]
packages = ["p"]
[tasks.test]
command = 'sleep 100'
timeout = 0.2
""",
            "p/bao.toml": 'name = "p"\n',
        }
    )
    repo.commit()
    result = repo.bao("run", "test", timeout=30)
    assert result.code != 0
    assert "timeout" in result.out + result.err
