"""Each test is a sequence of edits that gives a stale hit if one rule of the key is left out."""

from __future__ import annotations

import os
import subprocess
from typing import Any

ROOT = """
global_pass_through_env = ["LEDGER", "GATE"]
[workspace]
packages = ["p/*"]
"""


def workspace(repo: Any, tasks: str, packages: dict[str, str], **files: str | None) -> None:
    """Write a workspace: root tasks, and a `bao.toml` for each package."""
    repo.write({"bao.toml": ROOT + tasks, ".gitignore": "dist/\n"})
    for name, config in packages.items():
        repo.write({f"p/{name}/bao.toml": f'name = "{name}"\n{config}'})
        repo.write({f"p/{name}/src.txt": f"{name}\n"})
    repo.write({name: content for name, content in files.items() if content is not None})
    repo.commit()


def finish(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=60)
    return process.returncode


# --- upstream ---------------------------------------------------------------------------------


def test_a_change_passes_through_a_dependency_that_lacks_the_task(repo: Any) -> None:
    build = '[tasks.build]\ncommand = "echo $BAO_TASK >> $LEDGER"\n'
    workspace(
        repo,
        '[tasks.build]\ndepends_on = ["^build"]\n',
        {
            "base": build,
            "middle": 'dependencies = ["base"]\n',
            "top": 'dependencies = ["middle"]\n' + build,
        },
    )
    repo.ok("run", "build")
    assert repo.ran() == ["base#build", "top#build"]
    repo.write({"p/middle/src.txt": "changed\n"})
    repo.ok("run", "build")
    assert repo.ran() == ["top#build"]
    repo.write({"p/base/src.txt": "changed\n"})
    repo.ok("run", "build")
    assert repo.ran() == ["base#build", "top#build"]


def test_what_was_built_on_a_failed_upstream_is_not_stored(repo: Any) -> None:
    workspace(
        repo,
        '[tasks.build]\ndepends_on = ["^build"]\noutputs = ["dist/**"]\n',
        {
            "lib": """
[tasks.build]
command = "mkdir dist; echo half > dist/a; test -e $LEDGER.mended && echo whole > dist/a"
""",
            "app": """
dependencies = ["lib"]
[tasks.build]
command = "echo app >> $LEDGER; mkdir dist; cp ../lib/dist/a dist/b"
""",
        },
    )
    assert repo.bao("run", "build", "--continue=always").code == 1
    assert repo.ran() == ["app"]
    (repo.base / "ledger.mended").touch()
    repo.ok("run", "build")
    assert repo.ran() == ["app"]
    assert repo.read("p/app/dist/b") == "whole\n"


def test_an_upstream_that_is_not_cached_counts_by_what_it_produces(repo: Any) -> None:
    workspace(
        repo,
        "",
        {
            "app": """
[tasks.stamp]
command = "mkdir -p dist; cp $LEDGER.source dist/stamp"
outputs = ["dist/stamp"]
cache = false
[tasks.build]
command = "echo build >> $LEDGER; cat dist/stamp > out.txt"
depends_on = ["stamp"]
outputs = ["out.txt"]
"""
        },
    )
    source = repo.base / "ledger.source"
    source.write_text("1\n")
    repo.ok("run", "build")
    assert repo.ran() == ["build"]
    repo.ok("run", "build")
    assert repo.ran() == []
    source.write_text("2\n")
    repo.ok("run", "build")
    assert repo.ran() == ["build"]
    assert repo.read("p/app/out.txt") == "2\n"


def test_following_outputs_stops_where_the_outputs_are_the_same(repo: Any) -> None:
    workspace(
        repo,
        """
[tasks.build]
command = "echo $BAO_TASK >> $LEDGER; mkdir -p dist; head -n 1 src.txt > dist/first"
depends_on = [{ task = "^build", follow = "outputs" }]
outputs = ["dist/**"]
""",
        {"lib": "", "app": 'dependencies = ["lib"]\n'},
    )
    repo.ok("run", "build")
    repo.ran()
    repo.write({"p/lib/src.txt": "lib\nsecond line\n"})
    repo.ok("run", "build")
    assert repo.ran() == ["lib#build"]
    repo.write({"p/lib/src.txt": "other\n"})
    repo.ok("run", "build")
    assert repo.ran() == ["lib#build", "app#build"]


def test_following_outputs_still_sees_what_lies_further_up(repo: Any) -> None:
    build = "echo $BAO_TASK >> $LEDGER; mkdir -p dist; "
    workspace(
        repo,
        """
[tasks.build]
depends_on = [{ task = "^build", follow = "outputs" }]
outputs = ["dist/**"]
""",
        {
            "base": f'[tasks.build]\ncommand = "{build} cp src.txt dist/base"\n',
            "middle": f"""
dependencies = ["base"]
[tasks.build]
command = "{build} echo same > dist/middle"
""",
            "top": f"""
dependencies = ["middle"]
[tasks.build]
command = "{build} cat ../base/dist/base ../middle/dist/middle > dist/top"
""",
        },
    )
    repo.ok("run", "build")
    repo.ran()
    repo.write({"p/base/src.txt": "changed\n"})
    repo.ok("run", "build")
    assert repo.ran() == ["base#build", "middle#build", "top#build"]
    assert repo.read("p/top/dist/top") == "changed\nsame\n"


def test_an_edge_that_only_orders_excludes_no_input(repo: Any) -> None:
    workspace(
        repo,
        """
[tasks.gen]
command = "cp src.txt gen.txt"
outputs = ["gen.txt"]
[tasks.build]
command = "echo build >> $LEDGER; cat gen.txt"
depends_on = [{ task = "gen", follow = "none" }]
inputs = ["gen.txt"]
""",
        {"app": ""},
    )
    result = repo.bao("run", "build")
    # `gen.txt` is an output of a task that is not followed: bao says so instead of guessing.
    assert result.code != 0
    assert "gen.txt" in result.err
    assert "Traceback" not in result.err


def test_a_generator_that_rewrites_tracked_sources_is_seen_in_the_same_run(repo: Any) -> None:
    workspace(
        repo,
        """
[tasks.gen]
command = "cp $LEDGER.source generated.txt"
cache = false
[tasks.build]
command = "echo build >> $LEDGER; cp generated.txt out.txt"
depends_on = [{ task = "gen", follow = "none" }]
outputs = ["out.txt"]
""",
        {"app": ""},
        **{"p/app/generated.txt": "1\n"},
    )
    source = repo.base / "ledger.source"
    source.write_text("1\n")
    repo.ok("run", "build")
    repo.ok("run", "build")
    repo.ran()
    source.write_text("2\n")
    repo.ok("run", "build")
    assert repo.ran() == ["build"]
    assert repo.read("p/app/out.txt") == "2\n"
    source.write_text("1\n")
    repo.ok("run", "build")
    assert repo.read("p/app/out.txt") == "1\n"


# --- while it runs ----------------------------------------------------------------------------

HELD = """
[tasks.build]
command = '''
echo build >> $LEDGER; echo here > "$GATE/started"; cat "$GATE/go"; cat src.txt > out.txt
'''
outputs = ["out.txt"]
"""


def test_an_edit_during_the_run_undone_later_leaves_no_stale_result(repo: Any, gate: Any) -> None:
    workspace(repo, HELD, {"app": ""})
    process = repo.start("run", "build")
    gate.wait()
    repo.write({"p/app/src.txt": "edited\n"})
    gate.open()
    assert finish(process) == 0
    assert repo.read("p/app/out.txt") == "edited\n"
    repo.write({"p/app/src.txt": "app\n"})
    repo.ran()
    process = repo.start("run", "build")
    gate.wait()
    gate.open()
    assert finish(process) == 0
    assert repo.ran() == ["build"]
    assert repo.read("p/app/out.txt") == "app\n"


def test_an_edit_between_keying_and_start_leaves_no_stale_result(repo: Any, gate: Any) -> None:
    workspace(
        repo,
        """
[tasks.first]
command = 'echo here > "$GATE/started"; cat "$GATE/go"'
cache = false
inputs = ["none"]
[tasks.build]
command = "echo build >> $LEDGER; cat src.txt > out.txt"
outputs = ["out.txt"]
""",
        {"app": "", "other": ""},
    )
    process = repo.start("run", "other#first", "app#build", "-j", "1")
    gate.wait()
    repo.write({"p/app/src.txt": "edited\n"})
    gate.open()
    assert finish(process) == 0
    repo.ran()
    repo.write({"p/app/src.txt": "app\n"})
    repo.ok("run", "app#build")
    assert repo.read("p/app/out.txt") == "app\n"


def test_a_file_added_during_the_run_and_deleted_later_leaves_no_stale_result(
    repo: Any, gate: Any
) -> None:
    workspace(repo, HELD.replace("cat src.txt", "cat *.txt"), {"app": ""})
    process = repo.start("run", "build")
    gate.wait()
    repo.write({"p/app/more.txt": "more\n"})
    gate.open()
    assert finish(process) == 0
    assert "more" in repo.read("p/app/out.txt")
    repo.write({"p/app/more.txt": None})
    repo.ran()
    process = repo.start("run", "build")
    gate.wait()
    gate.open()
    assert finish(process) == 0
    assert repo.ran() == ["build"]
    assert "more" not in repo.read("p/app/out.txt")


def test_what_is_downstream_of_a_changed_task_is_not_stored_either(repo: Any, gate: Any) -> None:
    workspace(
        repo,
        HELD
        + """
[tasks.test]
command = "echo test >> $LEDGER; cp out.txt tested.txt"
depends_on = ["build"]
outputs = ["tested.txt"]
""",
        {"app": ""},
    )
    process = repo.start("run", "test")
    gate.wait()
    repo.write({"p/app/src.txt": "edited\n"})
    gate.open()
    assert finish(process) == 0
    repo.write({"p/app/src.txt": "app\n"})
    repo.ran()
    process = repo.start("run", "test")
    gate.wait()
    gate.open()
    assert finish(process) == 0
    assert repo.ran() == ["build", "test"]
    assert repo.read("p/app/tested.txt") == "app\n"


def test_outputs_of_an_upstream_changed_meanwhile_taint_the_result(repo: Any, gate: Any) -> None:
    workspace(
        repo,
        """
[tasks.build]
command = "mkdir -p dist; echo built > dist/a"
outputs = ["dist/**"]
[tasks.test]
command = 'echo test >> $LEDGER; echo here > "$GATE/started"; cat "$GATE/go"; cat dist/a > t.txt'
depends_on = ["build"]
outputs = ["t.txt"]
""",
        {"app": ""},
    )
    process = repo.start("run", "test")
    gate.wait()
    repo.write({"p/app/dist/a": "tampered\n"})
    gate.open()
    assert finish(process) == 0
    repo.ran()
    process = repo.start("run", "test")
    gate.wait()
    gate.open()
    assert finish(process) == 0
    assert repo.ran() == ["test"]
    assert repo.read("p/app/t.txt") == "built\n"


# --- generated files --------------------------------------------------------------------------

GENERATE = """
[tasks.build]
command = "echo build >> $LEDGER; cat src.txt > made.txt"
outputs = ["made.txt"]
[tasks.test]
command = "echo test >> $LEDGER; cat made.txt"
depends_on = ["build"]
"""


def test_a_hand_edited_untracked_output_is_put_right_by_restoring(repo: Any) -> None:
    workspace(repo, GENERATE, {"app": ""})
    repo.ok("run", "test")
    repo.ran()
    repo.write({"p/app/made.txt": "by hand\n"})
    repo.ok("run", "test")
    assert repo.read("p/app/made.txt") == "app\n"
    assert repo.ran() == []


def test_a_hand_edit_that_keeps_size_and_mtime_is_seen(repo: Any) -> None:
    workspace(repo, GENERATE, {"app": ""})
    repo.ok("run", "test")
    path = repo.root / "p/app/made.txt"
    before = path.stat()
    path.write_text("xyz\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    repo.ok("run", "test")
    assert path.read_text() == "app\n"


def test_a_tracked_file_is_an_input_even_where_an_output_pattern_matches_it(repo: Any) -> None:
    workspace(repo, GENERATE, {"app": ""}, **{"p/app/made.txt": "app\n"})
    repo.ok("run", "test")
    repo.ran()
    repo.write({"p/app/made.txt": "by hand\n"})
    repo.ok("run", "test")
    assert "test" in repo.ran()


# --- what the key holds -----------------------------------------------------------------------

PLAIN = """
[tasks.build]
command = "echo build >> $LEDGER; cat *.txt"
env = ["MODE", "APP_*"]
"""


def reruns(repo: Any, *arguments: str, **options: Any) -> bool:
    """Whether a run executes anything."""
    repo.ran()
    repo.ok("run", "build", *arguments, **options)
    return bool(repo.ran())


def settled(repo: Any) -> None:
    repo.ok("run", "build")
    assert not reruns(repo)


def test_a_declared_variable_is_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    settled(repo)
    assert reruns(repo, env={"MODE": "fast"})
    assert reruns(repo, env={"MODE": ""})
    assert reruns(repo, env={"APP_NAME": "x"})
    assert not reruns(repo, env={"OTHER": "x"})


def test_values_of_variables_cannot_be_read_from_what_is_stored(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    secret = "hunter2-hunter2"
    repo.ok("run", "build", env={"MODE": secret})
    plan = repo.plan("build", env={"MODE": secret})
    assert len(plan["app#build"]["env"]["MODE"]) <= 8
    for directory, _, names in os.walk(repo.base / "cache"):
        for name in names:
            with open(os.path.join(directory, name), "rb") as file:
                assert secret.encode() not in file.read()


def test_the_command_is_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    settled(repo)
    repo.write({"bao.toml": ROOT + PLAIN.replace("cat *.txt", "cat *.txt; true")})
    assert reruns(repo)


def test_declared_outputs_are_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    settled(repo)
    repo.write({"bao.toml": ROOT + PLAIN + 'outputs = ["x.out"]\n'})
    assert reruns(repo)


def test_a_global_input_is_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""}, **{"settings.ini": "1"})
    settled(repo)
    repo.write({"settings.ini": "2"})
    assert reruns(repo)
    repo.write({".python-version": "3.12\n"})
    assert reruns(repo)


def test_prose_at_the_root_is_not_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""}, **{"README.md": "1"})
    settled(repo)
    repo.write({"README.md": "2"})
    assert not reruns(repo)


def test_the_content_of_a_declared_tool_is_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN + 'tools = ["mytool"]\n', {"app": ""})
    tools = repo.base / "tools"
    tools.mkdir()
    tool = tools / "mytool"
    tool.write_text("#!/bin/sh\necho 1\n")
    tool.chmod(0o755)
    env = {"PATH": f"{tools}:{repo.env['PATH']}"}
    repo.ok("run", "build", env=env)
    assert not reruns(repo, env=env)
    tool.write_text("#!/bin/sh\necho 2\n")
    assert reruns(repo, env=env)


def test_files_that_braces_name_are_in_the_key(repo: Any) -> None:
    """No pattern here holds a wildcard that a search would begin with."""
    tasks = '[tasks.build]\ncommand = "true"\ninputs = ["src/{a,b.test}.ts", "{one,two}.txt"]\n'
    workspace(repo, tasks, {"a": ""}, **{"p/a/src/a.ts": "", "p/a/two.txt": "", "p/a/c.ts": ""})
    assert list(repo.plan("build")["a#build"]["inputs"]) == ["src/a.ts", "two.txt"]


def test_an_ignored_dot_env_file_is_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    repo.write({".gitignore": "dist/\n.env*\n"})
    repo.commit()
    settled(repo)
    repo.write({"p/app/.env": "A=1\n"})
    assert reruns(repo)
    repo.write({"p/app/.env": "A=2\n"})
    assert reruns(repo)
    repo.write({"p/app/.env.local": "A=2\n"})
    assert reruns(repo)
    repo.write({"p/app/.env.local": None})
    repo.write({"p/app/.env": None})
    repo.ran()


def test_the_executable_bit_is_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    settled(repo)
    (repo.root / "p/app/src.txt").chmod(0o755)
    assert reruns(repo)


def test_an_edit_that_keeps_size_and_mtime_is_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    settled(repo)
    path = repo.root / "p/app/src.txt"
    before = path.stat()
    path.write_text("xyz\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reruns(repo)


def test_committing_a_change_is_not_in_the_key(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    repo.write({"p/app/src.txt": "changed\n", "p/app/new.txt": "new\n"})
    settled(repo)
    repo.commit()
    assert not reruns(repo)


def test_assume_unchanged_hides_nothing(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    settled(repo)
    repo.git("update-index", "--assume-unchanged", "p/app/src.txt")
    repo.write({"p/app/src.txt": "changed\n"})
    assert reruns(repo)


def test_skip_worktree_hides_nothing(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    settled(repo)
    repo.git("update-index", "--skip-worktree", "p/app/src.txt")
    repo.write({"p/app/src.txt": "changed\n"})
    assert reruns(repo)


def test_intent_to_add_and_staged_then_modified_count_as_on_disk(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    settled(repo)
    repo.write({"p/app/new.txt": "1\n"})
    repo.git("add", "--intent-to-add", "p/app/new.txt")
    assert reruns(repo)
    repo.write({"p/app/new.txt": "2\n"})
    assert reruns(repo)
    repo.git("add", "p/app/new.txt")
    assert not reruns(repo)
    repo.write({"p/app/new.txt": "3\n"})
    assert reruns(repo)


def test_a_file_in_conflict_counts_as_on_disk(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    repo.git("checkout", "-q", "-b", "side")
    repo.write({"p/app/src.txt": "side\n"})
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.write({"p/app/src.txt": "main\n"})
    repo.commit()
    settled(repo)
    subprocess.run(
        ["git", "merge", "-q", "side"],
        cwd=repo.root,
        env=repo.env,
        capture_output=True,
        check=False,
    )
    assert reruns(repo)
    repo.write({"p/app/src.txt": "resolved by hand\n"})
    assert reruns(repo)


def test_a_symbolic_link_counts_by_what_it_points_to(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": "", "zed": ""})
    os.symlink("../zed/src.txt", repo.root / "p/app/link.txt")
    repo.commit()
    repo.ok("run", "app#build")
    repo.ran()
    repo.ok("run", "app#build")
    assert repo.ran() == []
    repo.write({"p/zed/src.txt": "changed\n"})
    repo.ok("run", "app#build")
    assert repo.ran() == ["build"]
    os.unlink(repo.root / "p/app/link.txt")
    os.symlink("src.txt", repo.root / "p/app/link.txt")
    repo.ok("run", "app#build")
    assert repo.ran() == ["build"]


def test_a_file_of_a_submodule_is_in_the_key(repo: Any, tmp_path_factory: Any) -> None:
    workspace(repo, PLAIN, {"app": ""})
    other = tmp_path_factory.mktemp("other")
    for command in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(command, cwd=other, env=repo.env, check=True)
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "p/app/sub")
    repo.commit()
    settled(repo)
    repo.write({"p/app/sub/inner.txt": "1\n"})
    assert reruns(repo)
    repo.write({"p/app/sub/inner.txt": "2\n"})
    assert reruns(repo)


def test_line_ending_conversion_hides_nothing(repo: Any) -> None:
    workspace(repo, PLAIN, {"app": ""}, **{".gitattributes": "*.txt text eol=lf\n"})
    settled(repo)
    repo.write({"p/app/src.txt": "app\r\n"})
    assert reruns(repo)


def test_two_runs_at_once_execute_a_task_once(repo: Any, gate: Any) -> None:
    workspace(repo, HELD, {"app": ""})
    first = repo.start("run", "build")
    gate.wait()
    second = repo.start("run", "build")
    # The second one can only end after the first, whose lock it needs.
    gate.open()
    assert finish(first) == 0
    assert finish(second) == 0
    assert repo.ran() == ["build"]
    assert repo.read("p/app/out.txt") == "app\n"
